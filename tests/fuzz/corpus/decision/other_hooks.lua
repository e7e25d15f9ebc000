return { api = 1, name = 't', reclaim = function() end, download = function() end, lifecycle = {} }
