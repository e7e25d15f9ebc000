return { api = 1, name = 't', upload = function(o, now) if purser.glob('logs/**', o.key) then return { skip = false, reason = 'r' } end end }
