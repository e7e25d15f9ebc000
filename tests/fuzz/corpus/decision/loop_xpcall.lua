return { api = 1, name = 't', upload = function(o, now) while true do xpcall(error, function() while true do end end) end end }
