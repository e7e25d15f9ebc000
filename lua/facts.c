#include "lua/facts.h"

#include <lauxlib.h>

static int refuse_write(lua_State *lua)
{
    return luaL_error(lua, "facts are read-only");
}

/* Upvalues: the facts, their names in order, how many are told. */
static int next_fact(lua_State *lua)
{
    lua_Integer told = lua_tointeger(lua, lua_upvalueindex(3)) + 1;

    lua_pushinteger(lua, told);
    lua_replace(lua, lua_upvalueindex(3));
    if (lua_rawgeti(lua, lua_upvalueindex(2), told) == LUA_TNIL) {
        return 1;
    }
    lua_pushvalue(lua, -1);
    (void)lua_rawget(lua, lua_upvalueindex(1));
    return 2;
}

/* Insert the name on top of the stack into the first `count` names of the table at index, in order; it is popped. */
static PS_MAY_RAISE void insert_name(lua_State *lua, int names, lua_Integer count)
{
    lua_Integer at = count + 1;

    for (; at > 1; at--) {
        (void)lua_rawgeti(lua, names, at - 1);
        if (lua_compare(lua, -2, -1, LUA_OPLT) == 0) {
            lua_pop(lua, 1);
            break;
        }
        lua_rawseti(lua, names, at);
    }
    lua_rawseti(lua, names, at);
}

/* By name: Lua's own order is another in every process, and a policy shall decide the same. */
static int pairs_of_facts(lua_State *lua)
{
    lua_Integer count = 0;

    lua_settop(lua, 0);
    lua_pushvalue(lua, lua_upvalueindex(1));
    lua_newtable(lua);
    lua_pushnil(lua);
    while (lua_next(lua, 1) != 0) {
        lua_pop(lua, 1);
        lua_pushvalue(lua, -1);
        insert_name(lua, 2, count++);
    }
    lua_pushinteger(lua, 0);
    lua_pushcclosure(lua, next_fact, 3);
    return 1;
}

/* Replace the table on top by an empty one that shows it: the table itself cannot be reached. */
static PS_MAY_RAISE void make_read_only(lua_State *lua)
{
    luaL_checkstack(lua, 6, NULL);
    lua_newtable(lua); /* proxy */
    lua_newtable(lua); /* its metatable */
    lua_pushvalue(lua, -3);
    lua_setfield(lua, -2, "__index");
    lua_pushvalue(lua, -3);
    lua_pushcclosure(lua, pairs_of_facts, 1);
    lua_setfield(lua, -2, "__pairs");
    lua_pushcfunction(lua, refuse_write);
    lua_setfield(lua, -2, "__newindex");
    lua_pushboolean(lua, 0);
    lua_setfield(lua, -2, "__metatable");
    (void)lua_setmetatable(lua, -2);
    lua_remove(lua, -2);
}

static PS_MAY_RAISE void set_text(lua_State *lua, const char *name, const char *value)
{
    if (value != NULL) {
        lua_pushstring(lua, value);
        lua_setfield(lua, -2, name);
    }
}

static PS_MAY_RAISE void set_number(lua_State *lua, const char *name, uint64_t value)
{
    lua_pushinteger(lua, value <= INT64_MAX ? (lua_Integer)value : INT64_MAX);
    lua_setfield(lua, -2, name);
}

static PS_MAY_RAISE void set_pairs(lua_State *lua, const char *name, const struct ps_pairs *pairs)
{
    lua_newtable(lua);
    for (size_t i = 0; pairs != NULL && i < pairs->count; i++) {
        set_text(lua, pairs->items[i].name, pairs->items[i].value);
    }
    make_read_only(lua);
    lua_setfield(lua, -2, name);
}

void ps_facts_push_object(lua_State *lua, const struct ps_object_facts *object)
{
    luaL_checkstack(lua, 10, NULL);
    lua_newtable(lua);
    set_text(lua, "url", object->url);
    set_text(lua, "store", object->store);
    set_text(lua, "bucket", object->bucket);
    set_text(lua, "key", object->key);
    set_text(lua, "name", object->name);
    set_text(lua, "path", object->path);
    set_text(lua, "workflow", object->workflow);
    if (object->has_size) {
        set_number(lua, "size_bytes", object->size_bytes);
    } else {
        set_number(lua, "sent_bytes", object->sent_bytes);
    }
    if (object->mtime_unix_s > 0) {
        set_number(lua, "mtime", (uint64_t)object->mtime_unix_s);
    }
    set_pairs(lua, "labels", object->labels);
    make_read_only(lua);
}

void ps_facts_push_retry(lua_State *lua, const struct ps_retry_facts *failure)
{
    luaL_checkstack(lua, 10, NULL);
    lua_newtable(lua);
    set_text(lua, "operation", failure->operation);
    set_text(lua, "class", failure->retry_class);
    set_text(lua, "store_code", failure->store_code);
    set_number(lua, "http_status", (uint64_t)failure->http_status);
    set_number(lua, "attempt", failure->attempt);
    set_number(lua, "elapsed_ms", failure->elapsed_ms);
    if (failure->has_retry_after) {
        set_number(lua, "retry_after_ms", failure->retry_after_ms);
    }
    if (failure->part_number != 0) {
        set_number(lua, "part_number", failure->part_number);
    }
    if (failure->object != NULL) {
        ps_facts_push_object(lua, failure->object);
        lua_setfield(lua, -2, "object");
    }
    make_read_only(lua);
}

void ps_facts_push_download(lua_State *lua, const struct ps_download_facts *request)
{
    luaL_checkstack(lua, 10, NULL);
    lua_newtable(lua);
    set_text(lua, "store", request->store);
    set_text(lua, "key", request->key);
    set_text(lua, "range", request->range);
    set_text(lua, "subject", request->subject);
    set_text(lua, "remote", request->remote);
    set_text(lua, "storage_class", request->storage_class);
    set_number(lua, "size_bytes", request->size_bytes);
    make_read_only(lua);
}
