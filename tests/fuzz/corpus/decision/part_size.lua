return { api = 1, name = 't', part_size = function(o, now) return { bytes = purser.clamp(purser.size('8MiB'), 1, 1 << 40), reason = 'r' } end }
