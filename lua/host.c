#include "lua/host.h"

#include "base/str.h"

#include <lauxlib.h>
#include <string.h>

struct ps_lua_host *ps_lua_host_of(lua_State *lua)
{
    return *(struct ps_lua_host **)lua_getextraspace(lua);
}

enum ps_code ps_lua_host_init(struct ps_lua_host *host, const struct ps_lua_limits *limits,
                              const struct ps_clock *clock, const struct ps_log *log,
                              struct ps_err *err)
{
    memset(host, 0, sizeof(*host));
    ps_limits_init(&host->limits, limits, clock);
    host->log = log;
    host->lua = lua_newstate(ps_limits_allocate, &host->limits);
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

/* The message, of an error object that is no text its type, and the traceback. This handler may run inside of the
 * count hook, where no further hook runs: it must never call into a policy. */
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

enum ps_code ps_lua_host_call(struct ps_lua_host *host, int arg_count, int result_count,
                              struct ps_err *err)
{
    int handler = lua_gettop(host->lua) - arg_count;
    bool outermost;
    int status;

    lua_pushcfunction(host->lua, on_error);
    lua_insert(host->lua, handler);
    outermost = ps_limits_begin(&host->limits, host->lua);
    status = lua_pcall(host->lua, arg_count, result_count, handler);
    if (outermost) {
        ps_limits_end(&host->limits);
    }
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
