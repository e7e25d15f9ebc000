return { api = 1, name = 't', upload = function(o, now) local x <close> = setmetatable({}, {__close = function() while true do end end}) error('x') end }
