return { api = 1, name = 't', upload = function(o, now) local function f() return 1 + f() end return f() end }
