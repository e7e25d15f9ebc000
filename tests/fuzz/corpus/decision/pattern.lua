return { api = 1, name = 't', upload = function(o, now) return (('a'):rep(40)):find(('a*'):rep(30) .. 'b') end }
