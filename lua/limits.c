#include "lua/limits.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#define LIVE_BYTES_DEFAULT ((size_t)8 * 1024 * 1024)
#define BLOCK_BYTES_DEFAULT ((size_t)512 * 1024)
#define CALL_ALLOCATED_BYTES_DEFAULT ((size_t)16 * 1024 * 1024)
#define CALL_MS_DEFAULT 50

/**
 * Instructions between two looks at the clock. Lower: the clock costs more than the policy. Higher: so many C
 * functions over blocks of full size may pass unseen.
 */
enum {
    HOOK_COUNT = 100,
    UNCOUNTED_MS = 2 /* of a call's begin: one that ends before costs no system call for CPU time */
};

static const char out_of_memory[] = "used more memory than policies may";

static size_t value_or(size_t value, size_t otherwise)
{
    return value != 0 ? value : otherwise;
}

void ps_limits_init(struct ps_limits *limits, const struct ps_lua_limits *max,
                    const struct ps_clock *clock)
{
    memset(limits, 0, sizeof(*limits));
    limits->max = (struct ps_lua_limits){
        .live_bytes = value_or(max->live_bytes, LIVE_BYTES_DEFAULT),
        .block_bytes = value_or(max->block_bytes, BLOCK_BYTES_DEFAULT),
        .call_allocated_bytes = value_or(max->call_allocated_bytes, CALL_ALLOCATED_BYTES_DEFAULT),
        .call_ms = max->call_ms != 0 ? max->call_ms : CALL_MS_DEFAULT,
    };
    limits->clock = clock;
}

struct ps_limits *ps_limits_of(lua_State *lua)
{
    void *user = NULL;

    (void)lua_getallocf(lua, &user);
    return user;
}

/* Names the place: level 0 is what runs, 1 its caller. */
static PS_MAY_RAISE void raise_spent(struct ps_limits *limits, lua_State *lua, int level)
{
    luaL_where(lua, level);
    if (limits->spent != out_of_memory) {
        lua_pushfstring(lua, "took longer than %d ms", (int)limits->max.call_ms);
    } else {
        lua_pushstring(lua, limits->spent);
    }
    lua_concat(lua, 2);
    (void)lua_error(lua);
}

static void on_count(lua_State *lua, lua_Debug *debug);

static bool is_out_of_time(struct ps_limits *limits)
{
    int64_t mono_ms = ps_clock_mono_ms(limits->clock);
    int64_t cpu_ms;
    int64_t left_cpu_ms;

    if (mono_ms < limits->look_mono_ms) {
        return false;
    }
    cpu_ms = ps_clock_cpu_ms(limits->clock);
    if (limits->deadline_cpu_ms == 0) {
        limits->deadline_cpu_ms = cpu_ms + limits->max.call_ms;
    }
    left_cpu_ms = limits->deadline_cpu_ms - cpu_ms;
    limits->look_mono_ms = mono_ms + left_cpu_ms;
    return left_cpu_ms <= 0;
}

static bool is_spent(struct ps_limits *limits)
{
    if (limits->spent == NULL && is_out_of_time(limits)) {
        limits->spent = "time";
        lua_sethook(limits->lua, on_count, LUA_MASKCOUNT, 1);
    }
    return limits->spent != NULL;
}

static void on_count(lua_State *lua, lua_Debug *debug)
{
    struct ps_limits *limits = ps_limits_of(lua);

    (void)debug;
    if (is_spent(limits)) {
        raise_spent(limits, lua, 0);
    }
}

void ps_limits_check(lua_State *lua)
{
    struct ps_limits *limits = ps_limits_of(lua);

    if (limits->lua != NULL && is_spent(limits)) {
        raise_spent(limits, lua, 1);
    }
}

/* Lua collects all garbage when memory is refused, and tries again: that is slow, so a policy that works at the edge
 * is looked at after every instruction. What a call has allocated in all does not come back: that call is over. */
static bool refuse(struct ps_limits *limits, bool for_good)
{
    if (limits->lua != NULL) {
        limits->spent = for_good && limits->spent == NULL ? out_of_memory : limits->spent;
        lua_sethook(limits->lua, on_count, LUA_MASKCOUNT, 1);
    }
    return false;
}

static bool may_have(struct ps_limits *limits, size_t had_bytes, size_t wanted_bytes)
{
    size_t more_bytes = wanted_bytes - had_bytes;

    if (wanted_bytes > limits->max.block_bytes ||
        more_bytes > limits->max.live_bytes - limits->live_bytes) {
        return refuse(limits, false);
    }
    if (limits->lua != NULL &&
        more_bytes > limits->max.call_allocated_bytes - limits->call_allocated_bytes) {
        return refuse(limits, true);
    }
    return true;
}

void *ps_limits_allocate(void *user, void *block, size_t old_size_bytes, size_t new_size_bytes)
{
    struct ps_limits *limits = user;
    size_t had_bytes =
        block != NULL ? old_size_bytes : 0; /* without a block it is a type's number */
    void *fresh;

    if (new_size_bytes == 0) {
        free(block);
        limits->live_bytes -= had_bytes;
        return NULL;
    }
    if (new_size_bytes > had_bytes && !may_have(limits, had_bytes, new_size_bytes)) {
        return NULL;
    }
    fresh = realloc(block, new_size_bytes);
    if (fresh == NULL) {
        return NULL;
    }
    if (new_size_bytes > had_bytes && limits->lua != NULL) {
        limits->call_allocated_bytes += new_size_bytes - had_bytes;
    }
    limits->live_bytes = limits->live_bytes - had_bytes + new_size_bytes;
    return fresh;
}

bool ps_limits_begin(struct ps_limits *limits, lua_State *lua)
{
    if (limits->lua != NULL) {
        return false;
    }
    limits->lua = lua;
    limits->spent = NULL;
    limits->call_allocated_bytes = 0;
    limits->log_line_count = 0;
    limits->look_mono_ms = ps_clock_mono_ms(limits->clock) + UNCOUNTED_MS;
    limits->deadline_cpu_ms = 0;
    lua_sethook(lua, on_count, LUA_MASKCOUNT, HOOK_COUNT);
    return true;
}

void ps_limits_end(struct ps_limits *limits)
{
    lua_sethook(limits->lua, NULL, 0, 0);
    limits->lua = NULL;
}
