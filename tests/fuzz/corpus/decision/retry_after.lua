return { api = 1, name = 't', retry = function(f, now) return { after = '250ms', reason = f.class .. f.object.key } end }
