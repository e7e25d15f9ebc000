#include "lua/host.h"

#include "base/str.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#define LIVE_BYTES_DEFAULT ((size_t)8 * 1024 * 1024)
#define CALL_ALLOCATED_BYTES_DEFAULT ((size_t)16 * 1024 * 1024)
#define CALL_MS_DEFAULT 50

/** Instructions between two looks at the clock: about 10 microseconds. */
enum {
    HOOK_COUNT = 1000
};

/* Caps what lives and, during a call, what is allocated in all: a loop that makes garbage would keep the collector
 * busy without ever holding much. */
static void *allocate(void *user, void *block, size_t old_size, size_t new_size)
{
    struct ps_lua_host *host = user;
    size_t had_bytes = block != NULL ? old_size : 0;
    void *fresh;

    if (new_size == 0) {
        free(block);
        host->live_bytes -= had_bytes;
        return NULL;
    }
    if (new_size > had_bytes) {
        size_t more_bytes = new_size - had_bytes;

        if (more_bytes > host->limits.live_bytes - host->live_bytes ||
            (host->in_call &&
             more_bytes > host->limits.call_allocated_bytes - host->call_allocated_bytes)) {
            return NULL;
        }
    }
    fresh = realloc(block, new_size);
    if (fresh == NULL) {
        return NULL;
    }
    if (new_size > had_bytes && host->in_call) {
        host->call_allocated_bytes += new_size - had_bytes;
    }
    host->live_bytes = host->live_bytes - had_bytes + new_size;
    return fresh;
}

/* Once the time is over the hook stays armed at every instruction: a pcall or __close of the policy may catch the
 * error, but whatever it does next is stopped again. */
static void on_count(lua_State *lua, lua_Debug *debug)
{
    struct ps_lua_host *host = ps_lua_host_of(lua);

    (void)debug;
    if (!host->expired && ps_clock_mono_ms(host->clock) < host->deadline_mono_ms) {
        return;
    }
    host->expired = true;
    lua_sethook(lua, on_count, LUA_MASKCOUNT, 1);
    (void)luaL_error(lua, "took longer than %d ms", (int)host->limits.call_ms);
}

struct ps_lua_host *ps_lua_host_of(lua_State *lua)
{
    return *(struct ps_lua_host **)lua_getextraspace(lua);
}

enum ps_code ps_lua_host_init(struct ps_lua_host *host, const struct ps_lua_limits *limits,
                              const struct ps_clock *clock, const struct ps_log *log,
                              struct ps_err *err)
{
    memset(host, 0, sizeof(*host));
    host->limits = *limits;
    if (host->limits.live_bytes == 0) {
        host->limits.live_bytes = LIVE_BYTES_DEFAULT;
    }
    if (host->limits.call_allocated_bytes == 0) {
        host->limits.call_allocated_bytes = CALL_ALLOCATED_BYTES_DEFAULT;
    }
    if (host->limits.call_ms == 0) {
        host->limits.call_ms = CALL_MS_DEFAULT;
    }
    host->clock = clock;
    host->log = log;
    host->lua = lua_newstate(allocate, host);
    if (host->lua == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "policies: out of memory");
    }
    *(struct ps_lua_host **)lua_getextraspace(host->lua) = host;
    return PS_OK;
}

void ps_lua_host_clear(struct ps_lua_host *host)
{
    if (host->lua != NULL) {
        lua_close(host->lua);
        host->lua = NULL;
    }
}

/* The message that the caller gets: of an error object that is no text, its type; never longer than a line. */
static int on_error(lua_State *lua)
{
    if (lua_type(lua, 1) != LUA_TSTRING) {
        lua_pushfstring(lua, "error object of type %s", luaL_typename(lua, 1));
        lua_replace(lua, 1);
    }
    luaL_traceback(lua, lua, lua_tostring(lua, 1), 1);
    return 1;
}

static enum ps_code take_error(struct ps_lua_host *host, int status, struct ps_err *err)
{
    const char *text = lua_type(host->lua, -1) == LUA_TSTRING ? lua_tostring(host->lua, -1) : NULL;
    char message[sizeof(((struct ps_err *)0)->message)];

    if (status == LUA_ERRMEM) {
        text = "used more memory than policies may";
    }
    ps_str_copy(message, sizeof(message), text != NULL ? text : "unknown error");
    if (text != NULL && status != LUA_ERRMEM) {
        ps_log(host->log, PS_LOG_DEBUG, "lua", "%s", text); /* with the traceback */
    }
    message[strcspn(message, "\n")] = '\0';
    lua_pop(host->lua, 1);
    return ps_err_set(err, PS_E_REFUSED, "%s", message);
}

static int call_limited(struct ps_lua_host *host, int arg_count, int result_count, int handler)
{
    bool outer = host->in_call;
    int status;

    if (!outer) {
        host->in_call = true;
        host->expired = false;
        host->call_allocated_bytes = 0;
        host->deadline_mono_ms = ps_clock_mono_ms(host->clock) + host->limits.call_ms;
        lua_sethook(host->lua, on_count, LUA_MASKCOUNT, HOOK_COUNT);
    }
    status = lua_pcall(host->lua, arg_count, result_count, handler);
    if (!outer) {
        lua_sethook(host->lua, NULL, 0, 0);
        host->in_call = false;
    }
    return status;
}

enum ps_code ps_lua_host_call(struct ps_lua_host *host, int arg_count, int result_count,
                              struct ps_err *err)
{
    int handler = lua_gettop(host->lua) - arg_count;
    int status;

    lua_pushcfunction(host->lua, on_error);
    lua_insert(host->lua, handler);
    status = call_limited(host, arg_count, result_count, handler);
    lua_remove(host->lua, handler);
    return status == LUA_OK ? PS_OK : take_error(host, status, err);
}

enum ps_code ps_lua_protect(struct ps_lua_host *host, lua_CFunction function, void *user,
                            struct ps_err *err)
{
    if (lua_checkstack(host->lua, 8) == 0) {
        return ps_err_set(err, PS_E_NO_MEMORY, "policies: out of memory");
    }
    lua_pushcfunction(host->lua, function);
    lua_pushlightuserdata(host->lua, user);
    return ps_lua_host_call(host, 1, 0, err);
}
