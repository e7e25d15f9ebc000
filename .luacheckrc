-- For `luacheck policies`: Lua 5.4, and the one table that purser gives (lua/purser.d.lua).
std = 'lua54'
read_globals = { 'purser' }
max_line_length = 120
