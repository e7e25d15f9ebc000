#include "lua/sandbox.h"

#include "lua/api_purser.h"

#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

/**
 * Steps that one pattern may take at worst: some tens of milliseconds. Lower: honest patterns on long keys are
 * refused. Higher: a decision holds the loop.
 */
#define PATTERN_STEPS_MAX 20000000.0

/** Longest result of string.rep; keys have at most 1,024 bytes. */
#define REPEAT_SIZE_MAX ((lua_Integer)65536)

/* --- patterns --- */

/* Repetitions in a pattern: each may try every length at every place. */
static int count_repetitions(const char *pattern, size_t length)
{
    int count = 0;

    for (size_t i = 0; i < length; i++) {
        if (pattern[i] == '%' && i + 1 < length) {
            count += pattern[i + 1] == 'b' ? 1 : 0;
            i++;
        } else if (strchr("*+-?", pattern[i]) != NULL && pattern[i] != '\0') {
            count++;
        }
    }
    return count;
}

static void check_pattern(lua_State *lua, bool plain)
{
    size_t subject_length = 0;
    size_t length = 0;
    double steps = 1.0;
    int power;

    (void)luaL_checklstring(lua, 1, &subject_length);
    const char *pattern = luaL_checklstring(lua, 2, &length);

    if (plain) {
        return;
    }
    power = count_repetitions(pattern, length) + (length > 0 && pattern[0] == '^' ? 0 : 1);
    for (int i = 0; i < power && steps <= PATTERN_STEPS_MAX; i++) {
        steps *= (double)(subject_length + 1);
    }
    if (steps > PATTERN_STEPS_MAX) {
        (void)luaL_error(lua,
                         "pattern with %d repetitions on %d bytes could run for too long: use "
                         "purser.glob or purser.prefix",
                         power, (int)subject_length);
    }
}

/* Call the real function, kept as upvalue 1, with the same arguments. */
static int call_real(lua_State *lua)
{
    int count = lua_gettop(lua);

    lua_pushvalue(lua, lua_upvalueindex(1));
    lua_insert(lua, 1);
    lua_call(lua, count, LUA_MULTRET);
    return lua_gettop(lua);
}

static int guarded_find(lua_State *lua)
{
    check_pattern(lua, lua_toboolean(lua, 4) != 0);
    return call_real(lua);
}

static int guarded_match(lua_State *lua)
{
    check_pattern(lua, false);
    return call_real(lua);
}

static int guarded_rep(lua_State *lua)
{
    size_t length = 0;
    size_t separator_length = 0;
    lua_Integer count = luaL_checkinteger(lua, 2);

    (void)luaL_checklstring(lua, 1, &length);
    (void)luaL_optlstring(lua, 3, "", &separator_length);
    if (count > 0 && length + separator_length > (size_t)(REPEAT_SIZE_MAX / count)) {
        return luaL_error(lua, "string.rep: result over %d bytes", (int)REPEAT_SIZE_MAX);
    }
    return call_real(lua);
}

/* --- setmetatable without finalizers: they would run outside of any limit --- */

static int guarded_setmetatable(lua_State *lua)
{
    if (lua_istable(lua, 2)) {
        lua_pushliteral(lua, "__gc");
        if (lua_rawget(lua, 2) != LUA_TNIL) {
            return luaL_error(lua, "setmetatable: __gc is not allowed");
        }
        lua_pop(lua, 1);
    }
    return call_real(lua);
}

/* --- tables of a fresh environment --- */

struct guard {
    const char *name;
    lua_CFunction guard; /* NULL: the function as it is */
};

/* Push a table with the named functions of the table at index `from`. */
static void push_copy(lua_State *lua, int from, const struct guard *guards)
{
    lua_newtable(lua);
    for (; guards->name != NULL; guards++) {
        (void)lua_getfield(lua, from, guards->name);
        if (guards->guard != NULL) {
            lua_pushcclosure(lua, guards->guard, 1);
        }
        lua_setfield(lua, -2, guards->name);
    }
}

static const struct guard string_guards[] = {
    { "byte", NULL },
    { "char", NULL },
    { "find", guarded_find },
    { "format", NULL },
    { "gmatch", guarded_match },
    { "gsub", guarded_match },
    { "len", NULL },
    { "lower", NULL },
    { "match", guarded_match },
    { "rep", guarded_rep },
    { "reverse", NULL },
    { "sub", NULL },
    { "upper", NULL },
    { NULL, NULL },
};
static const struct guard table_guards[] = {
    { "concat", NULL }, { "insert", NULL }, { "pack", NULL }, { "remove", NULL },
    { "sort", NULL },   { "unpack", NULL }, { NULL, NULL },
};
static const struct guard math_guards[] = {
    { "abs", NULL },        { "ceil", NULL },       { "floor", NULL }, { "fmod", NULL },
    { "huge", NULL },       { "maxinteger", NULL }, { "max", NULL },   { "min", NULL },
    { "mininteger", NULL }, { "modf", NULL },       { "sqrt", NULL },  { "tointeger", NULL },
    { "type", NULL },       { "ult", NULL },        { NULL, NULL },
};
static const struct guard utf8_guards[] = {
    { "char", NULL }, { "charpattern", NULL }, { "codepoint", NULL }, { "codes", NULL },
    { "len", NULL },  { "offset", NULL },      { NULL, NULL },
};
static const struct guard base_guards[] = {
    { "assert", NULL },   { "error", NULL },    { "getmetatable", NULL },
    { "ipairs", NULL },   { "next", NULL },     { "pairs", NULL },
    { "pcall", NULL },    { "rawequal", NULL }, { "rawget", NULL },
    { "rawlen", NULL },   { "select", NULL },   { "setmetatable", guarded_setmetatable },
    { "tonumber", NULL }, { "tostring", NULL }, { "type", NULL },
    { "xpcall", NULL },   { NULL, NULL },
};

#define LIBRARIES_KEY "purser.libraries"

/* The full libraries, in the registry, where no policy can reach them. */
static void open_library(lua_State *lua, const char *name, lua_CFunction open)
{
    luaL_requiref(lua, name, open, 0);
    lua_setfield(lua, -2, name);
}

void ps_sandbox_open(lua_State *lua)
{
    lua_newtable(lua);
    open_library(lua, LUA_GNAME, luaopen_base);
    open_library(lua, LUA_STRLIBNAME, luaopen_string);
    open_library(lua, LUA_TABLIBNAME, luaopen_table);
    open_library(lua, LUA_MATHLIBNAME, luaopen_math);
    open_library(lua, LUA_UTF8LIBNAME, luaopen_utf8);
    lua_pushvalue(lua, -1);
    lua_setfield(lua, LUA_REGISTRYINDEX, LIBRARIES_KEY);

    /* ("x"):rep and the like: a table of their own, and a metatable that cannot be had. */
    lua_pushliteral(lua, "");
    (void)lua_getmetatable(lua, -1);
    (void)lua_getfield(lua, -3, LUA_STRLIBNAME);
    push_copy(lua, lua_gettop(lua), string_guards);
    lua_setfield(lua, -3, "__index");
    lua_pop(lua, 1);
    lua_pushboolean(lua, 0);
    lua_setfield(lua, -2, "__metatable");
    lua_pop(lua, 3);
}

static int refuse_global(lua_State *lua)
{
    return luaL_error(lua, "global '%s': policies have no globals: write local",
                      lua_type(lua, 2) == LUA_TSTRING ? lua_tostring(lua, 2) : "?");
}

static void add_library(lua_State *lua, const char *name, const struct guard *guards)
{
    int env = lua_gettop(lua);

    (void)lua_getfield(lua, LUA_REGISTRYINDEX, LIBRARIES_KEY);
    (void)lua_getfield(lua, -1, name);
    push_copy(lua, lua_gettop(lua), guards);
    lua_setfield(lua, env, name);
    lua_settop(lua, env);
}

void ps_sandbox_push_env(lua_State *lua)
{
    int env;

    luaL_checkstack(lua, 10, NULL);
    (void)lua_getfield(lua, LUA_REGISTRYINDEX, LIBRARIES_KEY);
    (void)lua_getfield(lua, -1, LUA_GNAME);
    push_copy(lua, lua_gettop(lua), base_guards);
    lua_replace(lua, -3);
    lua_pop(lua, 1);
    env = lua_gettop(lua);
    add_library(lua, LUA_STRLIBNAME, string_guards);
    add_library(lua, LUA_TABLIBNAME, table_guards);
    add_library(lua, LUA_MATHLIBNAME, math_guards);
    add_library(lua, LUA_UTF8LIBNAME, utf8_guards);
    ps_api_purser_push(lua);
    lua_setfield(lua, env, "purser");
    lua_newtable(lua);
    lua_pushcfunction(lua, refuse_global);
    lua_setfield(lua, -2, "__newindex");
    lua_pushboolean(lua, 0);
    lua_setfield(lua, -2, "__metatable");
    (void)lua_setmetatable(lua, env);
}
