return { api = 1, name = 't', upload = function(o, now) while true do end end }
