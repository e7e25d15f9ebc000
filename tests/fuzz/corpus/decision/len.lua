return { api = 1, name = 't', upload = function(o, now) table.insert(setmetatable({}, {__len = function() return 1 << 62 end}), 1, 'x') end }
