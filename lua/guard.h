/**
 * guard - functions of Lua's library that could run away, with a guard in front.
 *
 * Flow:    sandbox.c -> [guard] -> the real function; limits.h, pattern.h
 * Thread:  the loop thread
 * Source:  Lua 5.4 manual 6.1, 6.4, 6.6
 *
 * No hook runs inside of a C function. What each could do unguarded: patterns take exponential time; ("").rep(1e18)
 * and table functions with a __len of 1 << 62 never end; a C function as comparison of table.sort runs unseen; the
 * handler of xpcall runs inside of the hook that raised, so that no hook stops it; __gc and __mode work when no call is
 * under way; tostring shows addresses.
 */
#ifndef PS_LUA_GUARD_H
#define PS_LUA_GUARD_H

#include "lua/host.h"

/** Longest result of string.rep; keys have at most 1,024 bytes. Lower: no padding. Higher: buys nothing. */
#define PS_GUARD_REPEAT_SIZE_MAX 65536

/** Most elements that a table function walks over, unseen. Lower: long lists fail. Higher: longer than a few ms. */
#define PS_GUARD_LENGTH_MAX 65536

/** Each is a closure with the real function as its only upvalue. */
PS_MAY_RAISE int ps_guard_find(lua_State *lua);
PS_MAY_RAISE int ps_guard_match(lua_State *lua); /* also gsub */
PS_MAY_RAISE int ps_guard_gmatch(lua_State *lua);
PS_MAY_RAISE int ps_guard_rep(lua_State *lua);
PS_MAY_RAISE int ps_guard_format(lua_State *lua);
PS_MAY_RAISE int ps_guard_tostring(lua_State *lua);
PS_MAY_RAISE int ps_guard_setmetatable(lua_State *lua);
PS_MAY_RAISE int ps_guard_xpcall(lua_State *lua);
PS_MAY_RAISE int ps_guard_table(lua_State *lua);       /* insert, remove */
PS_MAY_RAISE int ps_guard_table_range(lua_State *lua); /* unpack: from, to as arguments 2 and 3 */
PS_MAY_RAISE int ps_guard_concat(lua_State *lua);
PS_MAY_RAISE int ps_guard_sort(lua_State *lua);

/** Push the value at index as text: tables and functions by their type's name, unless they have __tostring. */
PS_MAY_RAISE void ps_guard_push_text(lua_State *lua, int index);

#endif
