/**
 * sandbox - the environment of one policy: what of Lua it may use, with what could run away guarded.
 *
 * Flow:    policy_load.c -> [sandbox] -> a fresh _ENV; guard.h
 * Thread:  the loop thread
 * Source:  Lua 5.4 manual 6.1, 6.4-6.7; README.md of this folder lists what is there
 *
 * Left out: io os debug package require load loadfile dofile collectgarbage print coroutine rawset, string.dump,
 * string.pack, table.move, math.random. Each policy gets tables of its own, so that none can change another's library.
 */
#ifndef PS_LUA_SANDBOX_H
#define PS_LUA_SANDBOX_H

#include "lua/host.h"

/** Once for a state: give strings their methods, out of a table that policies cannot reach. */
PS_MAY_RAISE void ps_sandbox_open(lua_State *lua);

/** Push a fresh environment. */
PS_MAY_RAISE void ps_sandbox_push_env(lua_State *lua);

#endif
