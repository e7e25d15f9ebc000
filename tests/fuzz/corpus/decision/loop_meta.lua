return { api = 1, name = 't', upload = function(o, now) return tostring(setmetatable({}, {__index = function(t, k) return t[k .. 'x'] end, __tostring = function(t) return t.a end})) end }
