/**
 * api_purser - the table `purser` that policies see: glob prefix duration size clamp log.
 *
 * Flow:    sandbox.h -> [api_purser]
 * Thread:  the loop thread
 * Source:  README.md and purser.d.lua of this folder
 */
#ifndef PS_LUA_API_PURSER_H
#define PS_LUA_API_PURSER_H

#include "lua/host.h"

/** Push a fresh table with the functions. */
PS_MAY_RAISE void ps_api_purser_push(lua_State *lua);

/**
 * Whether text matches pattern: '*' any bytes but '/', '**' any bytes, '?' one byte but '/'. All other bytes are
 * themselves. Takes pattern length times text length steps at most. Patterns over 1,024 bytes match nothing.
 */
bool ps_glob_match(const char *pattern, const char *text);

/** Seconds of a Lua value at index: a number, or "90s" "15m" "12h" "7d". False when it is neither or below 0. */
bool ps_lua_to_seconds(lua_State *lua, int index, double *seconds_out);

/** Bytes of a Lua value at index: a whole number, or "64MiB". */
bool ps_lua_to_bytes(lua_State *lua, int index, uint64_t *bytes_out);

#endif
