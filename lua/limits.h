/**
 * limits - what policies may use of memory and time, in a form that they cannot get around.
 *
 * Flow:    host.h (a call begins) -> [limits] -> lua (allocator, count hook); guard.h asks in between
 * Thread:  the loop thread
 * Source:  Lua 5.4 manual 4.6 (lua_Alloc, lua_getallocf), 4.7 (hooks)
 *
 * Time is the CPU's, so that a busy machine fails no policy: nothing in a policy can wait. It is looked at by a count hook. No hook runs inside of a C function, so none may run for long: every block of
 * memory, and with it every string and table that a C function walks over, is bounded, and guard.h has the rest.
 * Once a call has used up its time or memory, every further instruction raises: pcall and __close of a policy may
 * catch an error, but not go on.
 */
#ifndef PS_LUA_LIMITS_H
#define PS_LUA_LIMITS_H

#include "base/clock.h"

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Marks a function that may raise: it must hold no heap, lock or descriptor over a Lua call. */
#define PS_MAY_RAISE

/** Zero fields take the defaults. */
struct ps_lua_limits {
    size_t live_bytes; /* 8 MiB: all policies together. Lower: big policy sets fail to load */
    size_t
        block_bytes; /* 512 KiB: one string or table. Higher: C functions run for longer unseen */
    size_t call_allocated_bytes; /* 16 MiB: what one call may allocate in all, freed or not */
    int64_t call_ms; /* 50, of CPU time: a decision holds the loop for so long at most */
};

/** What is used. The struct must stay where it is while a state allocates through it. */
struct ps_limits {
    struct ps_lua_limits max;
    const struct ps_clock *clock;
    lua_State *lua; /* NULL = no call is under way */
    size_t live_bytes;
    size_t call_allocated_bytes;
    int64_t look_mono_ms;    /* before it, so much CPU time cannot have gone: saves system calls */
    int64_t deadline_cpu_ms; /* 0 = not looked at yet in this call */
    unsigned log_line_count; /* of this call */
    const char *spent;       /* NULL, or why every instruction raises */
};

/** clock: borrowed for the life of *limits. max: zero fields take the defaults. */
void ps_limits_init(struct ps_limits *limits, const struct ps_lua_limits *max,
                    const struct ps_clock *clock);

/** lua_Alloc; user is a struct ps_limits. */
void *ps_limits_allocate(void *user, void *block, size_t old_size_bytes, size_t new_size_bytes);

/** A call begins: time and allocation count from here. False when one is under way already; then do not end it. */
bool ps_limits_begin(struct ps_limits *limits, lua_State *lua);
void ps_limits_end(struct ps_limits *limits);

/** Raise when the call's time or memory is used up; for C functions that policies may call in a loop. */
PS_MAY_RAISE void ps_limits_check(lua_State *lua);

/** The limits of a state made with ps_limits_allocate. */
struct ps_limits *ps_limits_of(lua_State *lua);

#endif
