/**
 * host - one Lua state, and the only way into it: a protected call within limits.
 *
 * Flow:    policy_set.h, decider.c -> [host] -> lua; limits.h
 * Thread:  the loop thread; the state belongs to its owner
 * Source:  Lua 5.4 manual 4.4 (error handling)
 */
#ifndef PS_LUA_HOST_H
#define PS_LUA_HOST_H

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "lua/limits.h"

#include <lua.h>

struct ps_lua_host {
    lua_State *lua;
    struct ps_limits limits;
    const struct ps_log *log;
};

/**
 * Make the state. The struct must stay where it is.
 *
 * limits:  zero fields take the defaults. clock, log: borrowed until _clear; log may be NULL.
 * Errors:  PS_E_NO_MEMORY.
 */
PS_MUST_USE enum ps_code ps_lua_host_init(struct ps_lua_host *host,
                                          const struct ps_lua_limits *limits,
                                          const struct ps_clock *clock, const struct ps_log *log,
                                          struct ps_err *err);

/** Close the state. Safe twice and after zeroing. */
void ps_lua_host_clear(struct ps_lua_host *host);

/**
 * Call the function below its arg_count arguments on the stack, within the limits; result_count results are pushed.
 *
 * What is put on the stack for a call is made by functions that may raise: use ps_lua_protect.
 * Errors:  PS_E_REFUSED with the first line of Lua's message when it raised, ran out of time or memory; the whole with
 *          the traceback goes to the log at debug. Nothing is pushed then.
 */
PS_MUST_USE enum ps_code ps_lua_host_call(struct ps_lua_host *host, int arg_count, int result_count,
                                          struct ps_err *err);

/** Run function(L) with user as its only argument, within the limits; it leaves no results. Errors as above. */
PS_MUST_USE enum ps_code ps_lua_protect(struct ps_lua_host *host, lua_CFunction function,
                                        void *user, struct ps_err *err);

/** The host of a state. */
struct ps_lua_host *ps_lua_host_of(lua_State *lua);

#endif
