return { api = 1, name = 't', upload = function(o, now) for k, v in pairs(o) do purser.log(k) end o.key = 'x' end }
