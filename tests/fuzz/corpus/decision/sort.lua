return { api = 1, name = 't', upload = function(o, now) local t = {3, 1, 2} table.sort(t, function(a, b) return a > b end) return { storage_class = table.concat(t, ',', 1, 3), reason = 'r' } end }
