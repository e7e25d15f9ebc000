return { api = 1, name = 't', upload = function(o, now) local s = 'x' while true do pcall(function() s = s .. s end) end end }
