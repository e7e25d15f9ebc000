/**
 * host - one Lua state with limits that a policy cannot get around: memory, allocation, time.
 *
 * Flow:    policy_set.h, decider.h -> [host] -> lua
 * Thread:  the loop thread; the state belongs to its owner
 * Source:  Lua 5.4 reference manual 4.6 (lua_Alloc), 4.7 (hooks)
 */
#ifndef PS_LUA_HOST_H
#define PS_LUA_HOST_H

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Marks a function that may raise: it must hold no heap, lock or descriptor over a Lua call. */
#define PS_MAY_RAISE

/** Zero fields take the defaults. */
struct ps_lua_limits {
    size_t live_bytes; /* 8 MiB: all policies together. Lower: big policy sets fail to load */
    size_t call_allocated_bytes; /* 16 MiB: what one call may allocate in all, freed or not */
    int64_t call_ms;             /* 50: a decision holds the loop for so long at most */
};

struct ps_lua_host {
    lua_State *lua;
    struct ps_lua_limits limits;
    const struct ps_clock *clock;
    const struct ps_log *log;
    size_t live_bytes;
    size_t call_allocated_bytes;
    bool in_call;
    bool expired;
    int64_t deadline_mono_ms;
};

/** Make the state. The struct must stay where it is. Errors: PS_E_NO_MEMORY. */
PS_MUST_USE enum ps_code ps_lua_host_init(struct ps_lua_host *host,
                                          const struct ps_lua_limits *limits,
                                          const struct ps_clock *clock, const struct ps_log *log,
                                          struct ps_err *err);
void ps_lua_host_clear(struct ps_lua_host *host);

/**
 * Call the function below its arg_count arguments on the stack, within the limits; result_count results are pushed.
 *
 * The only way in. Errors: PS_E_REFUSED with Lua's message (its first line) when it raised, ran out of time or memory.
 * Nothing is pushed then. What is put on the stack for a call is made by functions that may raise: use ps_lua_protect.
 */
PS_MUST_USE enum ps_code ps_lua_host_call(struct ps_lua_host *host, int arg_count, int result_count,
                                          struct ps_err *err);

/** Run function(L) with user as its only argument, within the limits; it leaves no results. Errors as above. */
PS_MUST_USE enum ps_code ps_lua_protect(struct ps_lua_host *host, lua_CFunction function,
                                        void *user, struct ps_err *err);

/** The host of a state. */
struct ps_lua_host *ps_lua_host_of(lua_State *lua);

#endif
