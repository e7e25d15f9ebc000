#include "lua/guard.h"

#include "lua/pattern.h"

#include <lauxlib.h>
#include <string.h>

/* Call the real function, kept as upvalue 1, with the same arguments. */
static PS_MAY_RAISE int call_real(lua_State *lua)
{
    int count = lua_gettop(lua);

    ps_limits_check(lua);
    lua_pushvalue(lua, lua_upvalueindex(1));
    lua_insert(lua, 1);
    lua_call(lua, count, LUA_MULTRET);
    return lua_gettop(lua);
}

/* --- patterns --- */

static PS_MAY_RAISE void check_pattern(lua_State *lua, bool plain, bool has_anchor)
{
    size_t subject_size_bytes = 0;
    size_t size_bytes = 0;
    const char *pattern;
    double steps;

    (void)luaL_checklstring(lua, 1, &subject_size_bytes);
    pattern = luaL_checklstring(lua, 2, &size_bytes);
    steps = plain ? ps_pattern_plain_steps(size_bytes, subject_size_bytes)
                  : ps_pattern_steps(pattern, size_bytes, subject_size_bytes, has_anchor);
    if (steps > PS_PATTERN_STEPS_MAX) {
        (void)luaL_error(lua,
                         "this pattern could run for too long on %d bytes: use purser.glob or "
                         "purser.prefix, or fewer of * + - ?",
                         (int)subject_size_bytes);
    }
}

int ps_guard_find(lua_State *lua)
{
    check_pattern(lua, lua_toboolean(lua, 4) != 0, true);
    return call_real(lua);
}

int ps_guard_match(lua_State *lua)
{
    check_pattern(lua, false, true);
    return call_real(lua);
}

int ps_guard_gmatch(lua_State *lua)
{
    check_pattern(lua, false, false);
    return call_real(lua);
}

/* --- strings --- */

int ps_guard_rep(lua_State *lua)
{
    size_t size_bytes = 0;
    size_t separator_size_bytes = 0;
    lua_Integer count = luaL_checkinteger(lua, 2);

    (void)luaL_checklstring(lua, 1, &size_bytes);
    (void)luaL_optlstring(lua, 3, "", &separator_size_bytes);
    if (count > PS_GUARD_REPEAT_SIZE_MAX ||
        (count > 0 &&
         size_bytes + separator_size_bytes > (size_t)(PS_GUARD_REPEAT_SIZE_MAX / count))) {
        return luaL_error(lua, "string.rep: result over %d bytes", PS_GUARD_REPEAT_SIZE_MAX);
    }
    return call_real(lua);
}

/* Whether luaL_tolstring would show the value's address. */
static PS_MAY_RAISE bool shows_address(lua_State *lua, int index)
{
    int type = lua_type(lua, index);

    if (type == LUA_TNONE || type == LUA_TNIL || type == LUA_TBOOLEAN || type == LUA_TNUMBER ||
        type == LUA_TSTRING) {
        return false;
    }
    if (luaL_getmetafield(lua, index, "__tostring") != LUA_TNIL) {
        lua_pop(lua, 1);
        return false;
    }
    return true;
}

void ps_guard_push_text(lua_State *lua, int index)
{
    if (shows_address(lua, index)) {
        lua_pushstring(lua, luaL_typename(lua, index));
    } else {
        (void)luaL_tolstring(lua, index, NULL);
    }
}

int ps_guard_tostring(lua_State *lua)
{
    luaL_checkany(lua, 1);
    ps_guard_push_text(lua, 1);
    return 1;
}

/* Conversions that show an address: %p; and %s, whose arguments are replaced. */
static bool has_pointer(const char *format)
{
    for (const char *at = strchr(format, '%'); at != NULL; at = strchr(at, '%')) {
        at += 1 + strspn(at + 1, "-+ #0123456789.");
        if (*at == 'p') {
            return true;
        }
        at += *at == '%' ? 1 : 0;
    }
    return false;
}

int ps_guard_format(lua_State *lua)
{
    size_t size_bytes = 0;
    const char *format = luaL_checklstring(lua, 1, &size_bytes);
    int count = lua_gettop(lua);

    if (has_pointer(format) || strlen(format) != size_bytes) {
        return luaL_error(lua, "string.format: neither %%p nor a zero byte is allowed");
    }
    for (int i = 2; i <= count; i++) {
        if (shows_address(lua, i)) {
            lua_pushstring(lua, luaL_typename(lua, i));
            lua_replace(lua, i);
        }
    }
    return call_real(lua);
}

/* --- basic functions --- */

/* The table gets a copy that nobody can reach: __gc and __mode cannot be put in later either. */
int ps_guard_setmetatable(lua_State *lua)
{
    luaL_checktype(lua, 1, LUA_TTABLE);
    luaL_checktype(lua, 2, LUA_TTABLE);
    lua_settop(lua, 2);
    lua_newtable(lua);
    lua_pushboolean(lua, 0);
    lua_setfield(lua, 3, "__metatable");
    lua_pushnil(lua);
    while (lua_next(lua, 2) != 0) {
        if (lua_type(lua, -2) == LUA_TSTRING && (strcmp(lua_tostring(lua, -2), "__gc") == 0 ||
                                                 strcmp(lua_tostring(lua, -2), "__mode") == 0)) {
            return luaL_error(lua, "setmetatable: %s is not allowed", lua_tostring(lua, -2));
        }
        lua_pushvalue(lua, -2);
        lua_insert(lua, -2);
        lua_rawset(lua, 3);
    }
    lua_replace(lua, 2);
    return call_real(lua);
}

/* The handler is called when the error has been caught, not where it was raised. */
int ps_guard_xpcall(lua_State *lua)
{
    int count = lua_gettop(lua);

    luaL_checktype(lua, 2, LUA_TFUNCTION);
    ps_limits_check(lua);
    lua_pushboolean(lua, 1);
    lua_pushvalue(lua, 1);
    lua_rotate(lua, 3, 2); /* function, handler, true, function, arguments */
    if (lua_pcall(lua, count - 2, LUA_MULTRET, 0) == LUA_OK) {
        return lua_gettop(lua) - 2;
    }
    lua_pushboolean(lua, 0);
    lua_pushvalue(lua, 2);
    lua_pushvalue(lua, 4); /* the error */
    lua_call(lua, 1, LUA_MULTRET);
    return lua_gettop(lua) - 4;
}

/* --- tables --- */

static PS_MAY_RAISE void check_table(lua_State *lua)
{
    luaL_checktype(lua, 1, LUA_TTABLE);
    if (lua_getmetatable(lua, 1) != 0) {
        (void)luaL_argerror(lua, 1, "is a table with a metatable");
    }
    if (lua_rawlen(lua, 1) > PS_GUARD_LENGTH_MAX) {
        (void)luaL_argerror(lua, 1, "has too many elements");
    }
}

static PS_MAY_RAISE void check_range(lua_State *lua, int from_index)
{
    lua_Integer from = luaL_optinteger(lua, from_index, 1);
    lua_Integer to = luaL_optinteger(lua, from_index + 1, (lua_Integer)lua_rawlen(lua, 1));

    if (from <= to && (lua_Unsigned)to - (lua_Unsigned)from >= PS_GUARD_LENGTH_MAX) {
        (void)luaL_argerror(lua, from_index + 1, "too many elements");
    }
}

int ps_guard_table(lua_State *lua)
{
    check_table(lua);
    return call_real(lua);
}

int ps_guard_table_range(lua_State *lua)
{
    check_table(lua);
    check_range(lua, 2);
    return call_real(lua);
}

int ps_guard_concat(lua_State *lua)
{
    check_table(lua);
    check_range(lua, 3);
    return call_real(lua);
}

static int is_less(lua_State *lua)
{
    ps_limits_check(lua);
    lua_pushboolean(lua, lua_compare(lua, 1, 2, LUA_OPLT));
    return 1;
}

int ps_guard_sort(lua_State *lua)
{
    check_table(lua);
    lua_settop(lua, 2);
    if (lua_isnil(lua, 2)) {
        lua_pushcfunction(lua, is_less);
        lua_replace(lua, 2);
    }
    luaL_checktype(lua, 2, LUA_TFUNCTION);
    if (lua_iscfunction(lua, 2) != 0 && lua_tocfunction(lua, 2) != is_less) {
        return luaL_argerror(lua, 2, "must be a function of the policy itself");
    }
    return call_real(lua);
}
