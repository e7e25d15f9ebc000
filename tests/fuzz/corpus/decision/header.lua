return { api = 1, name = 't', upload = function(o, now) return { metadata = { ['a\r\nb'] = 'c' }, reason = 'r\n' } end }
