#include "lua/api_purser.h"

#include "base/str.h"
#include "lua/guard.h"

#include <lauxlib.h>
#include <string.h>

/* Keys have at most 1,024 bytes; pattern times text is the number of steps of one call: some milliseconds. */
enum {
    PATTERN_MAX = 1024,
    TEXT_MAX = 4096
};

/* Lines of one call. More would let a loop fill the log. */
#define LOG_LINES_MAX 20

/* Where the pattern can go on after a byte: one bit of `now` a place in the pattern. */
static void reach(const char *pattern, size_t at, bool *places)
{
    places[at] = true;
    while (pattern[at] == '*') { /* a star may stand for nothing */
        at += pattern[at + 1] == '*' ? 2 : 1;
        places[at] = true;
    }
}

bool ps_glob_match(const char *pattern, const char *text)
{
    bool places[PATTERN_MAX + 2] = { false };
    size_t length = strlen(pattern);

    if (length > PATTERN_MAX) {
        return false;
    }
    reach(pattern, 0, places);
    for (; *text != '\0'; text++) {
        bool next[PATTERN_MAX + 2] = { false };

        for (size_t at = 0; at < length; at++) {
            bool any = pattern[at] == '*' && pattern[at + 1] == '*';

            if (!places[at]) {
                continue;
            }
            if (any || (pattern[at] == '*' && *text != '/')) {
                reach(pattern, at, next);
            } else if (pattern[at] != '*' &&
                       (pattern[at] == *text || (pattern[at] == '?' && *text != '/'))) {
                reach(pattern, at + 1, next);
            }
        }
        memcpy(places, next, length + 1);
    }
    return places[length];
}

/* The text at index, or NULL when it is no text or has a zero byte in it. */
static const char *to_text(lua_State *lua, int index)
{
    size_t size_bytes = 0;
    const char *text =
        lua_type(lua, index) == LUA_TSTRING ? lua_tolstring(lua, index, &size_bytes) : NULL;

    return text != NULL && strlen(text) == size_bytes ? text : NULL;
}

static PS_MAY_RAISE const char *check_text(lua_State *lua, int index, size_t size_max)
{
    const char *text;

    luaL_checktype(lua, index, LUA_TSTRING);
    text = to_text(lua, index);
    if (text == NULL) {
        (void)luaL_argerror(lua, index, "has a zero byte in it");
    } else if (strlen(text) > size_max) {
        (void)luaL_argerror(lua, index, "is too long");
    }
    return text;
}

bool ps_lua_to_seconds(lua_State *lua, int index, double *seconds_out)
{
    const char *text = to_text(lua, index);
    uint64_t ms = 0;

    if (lua_type(lua, index) == LUA_TNUMBER) {
        double seconds = lua_tonumber(lua, index);

        *seconds_out = seconds;
        return seconds >= 0 && seconds < 1e12;
    }
    if (text == NULL || !ps_duration_parse(text, &ms)) {
        return false;
    }
    *seconds_out = (double)ms / 1000.0;
    return true;
}

bool ps_lua_to_bytes(lua_State *lua, int index, uint64_t *bytes_out)
{
    const char *text = to_text(lua, index);

    if (lua_type(lua, index) == LUA_TNUMBER) {
        int is_whole = 0;
        lua_Integer bytes = lua_tointegerx(lua, index, &is_whole);

        *bytes_out = (uint64_t)bytes;
        return is_whole != 0 && bytes >= 0;
    }
    return text != NULL && ps_size_parse(text, bytes_out);
}

static int purser_glob(lua_State *lua)
{
    const char *pattern = check_text(lua, 1, PATTERN_MAX);
    const char *text = check_text(lua, 2, TEXT_MAX);

    ps_limits_check(lua);
    lua_pushboolean(lua, ps_glob_match(pattern, text) ? 1 : 0);
    return 1;
}

static int purser_prefix(lua_State *lua)
{
    const char *prefix = check_text(lua, 1, TEXT_MAX);
    const char *text = check_text(lua, 2, TEXT_MAX);

    lua_pushboolean(lua, ps_str_has_prefix(text, prefix) ? 1 : 0);
    return 1;
}

static int purser_duration(lua_State *lua)
{
    double seconds = 0;

    if (!ps_lua_to_seconds(lua, 1, &seconds)) {
        return luaL_argerror(lua, 1, "seconds or '90s' '15m' '12h' '7d' expected");
    }
    lua_pushnumber(lua, seconds);
    return 1;
}

static int purser_size(lua_State *lua)
{
    uint64_t bytes = 0;

    if (!ps_lua_to_bytes(lua, 1, &bytes) || bytes > INT64_MAX) {
        return luaL_argerror(lua, 1, "bytes or '64MiB' expected");
    }
    lua_pushinteger(lua, (lua_Integer)bytes);
    return 1;
}

static int purser_clamp(lua_State *lua)
{
    (void)luaL_checknumber(lua, 1);
    (void)luaL_checknumber(lua, 2);
    (void)luaL_checknumber(lua, 3);
    if (lua_compare(lua, 1, 2, LUA_OPLT) != 0) {
        lua_pushvalue(lua, 2);
    } else if (lua_compare(lua, 3, 1, LUA_OPLT) != 0) {
        lua_pushvalue(lua, 3);
    } else {
        lua_pushvalue(lua, 1);
    }
    return 1;
}

static int purser_log(lua_State *lua)
{
    struct ps_lua_host *host = ps_lua_host_of(lua);

    luaL_checkany(lua, 1);
    ps_limits_check(lua);
    if (host->limits.log_line_count++ == LOG_LINES_MAX) {
        return luaL_error(lua, "purser.log: more than %d lines in one call", LOG_LINES_MAX);
    }
    ps_guard_push_text(lua, 1);
    ps_log(host->log, PS_LOG_INFO, "policy", "%s", lua_tostring(lua, -1));
    return 0;
}

void ps_api_purser_push(lua_State *lua)
{
    static const luaL_Reg functions[] = {
        { "glob", purser_glob }, { "prefix", purser_prefix }, { "duration", purser_duration },
        { "size", purser_size }, { "clamp", purser_clamp },   { "log", purser_log },
        { NULL, NULL },
    };

    luaL_newlib(lua, functions);
}
