#include "lua/sandbox.h"

#include "lua/api_purser.h"
#include "lua/guard.h"

#include <lauxlib.h>
#include <lualib.h>

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
    { "find", ps_guard_find },
    { "format", ps_guard_format },
    { "gmatch", ps_guard_gmatch },
    { "gsub", ps_guard_match },
    { "len", NULL },
    { "lower", NULL },
    { "match", ps_guard_match },
    { "rep", ps_guard_rep },
    { "reverse", NULL },
    { "sub", NULL },
    { "upper", NULL },
    { NULL, NULL },
};
static const struct guard table_guards[] = {
    { "concat", ps_guard_concat },
    { "insert", ps_guard_table },
    { "pack", NULL },
    { "remove", ps_guard_table },
    { "sort", ps_guard_sort },
    { "unpack", ps_guard_table_range },
    { NULL, NULL },
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
    { "assert", NULL },       { "error", NULL },
    { "getmetatable", NULL }, { "ipairs", NULL },
    { "next", NULL },         { "pairs", NULL },
    { "pcall", NULL },        { "rawequal", NULL },
    { "rawget", NULL },       { "rawlen", NULL },
    { "select", NULL },       { "setmetatable", ps_guard_setmetatable },
    { "tonumber", NULL },     { "tostring", ps_guard_tostring },
    { "type", NULL },         { "xpcall", ps_guard_xpcall },
    { NULL, NULL },
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
