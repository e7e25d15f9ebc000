return { api = 1, name = 't', retry = function(f, now) return { after = 1, give_up = true, reason = 'r' } end }
