return { api = 1, name = 't', upload = function(o, now) for w in o.key:gmatch('[^/]+') do purser.log(w) end end }
