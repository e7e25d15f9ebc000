#include "lua/facts_reclaim.h"

#include <lauxlib.h>
#include <string.h>

/* In the order of their names, as pairs() gives them. */
static const char *const artifact_names[] = {
    "age_s",       "created",    "event",         "key",   "labels",   "name",
    "node_status", "size_bytes", "storage_class", "store", "strategy", "url",
};
static const char *const workflow_names[] = {
    "annotations", "created", "deleted", "finished", "labels", "name",
    "namespace",   "newer",   "status",  "template", "uid",
};

#define COUNT_OF(rows) (sizeof(rows) / sizeof((rows)[0]))

/* --- one field; nil is pushed for what is not known --- */

static PS_MAY_RAISE void push_text(lua_State *lua, const char *text)
{
    if (text != NULL) {
        (void)lua_pushstring(lua, text);
    } else {
        lua_pushnil(lua);
    }
}

static PS_MAY_RAISE void push_time(lua_State *lua, int64_t unix_s)
{
    if (unix_s != 0) {
        lua_pushinteger(lua, unix_s);
    } else {
        lua_pushnil(lua);
    }
}

static PS_MAY_RAISE void push_proxy(lua_State *lua, const struct ps_reclaim_facts *facts,
                                    enum ps_fact_proxy proxy)
{
    (void)lua_rawgeti(lua, LUA_REGISTRYINDEX, facts->refs[proxy]);
}

static PS_MAY_RAISE void push_artifact_field(lua_State *lua, const struct ps_reclaim_facts *facts,
                                             const char *name)
{
    const struct ps_artifact_facts *artifact = facts->question->artifact;

    if (strcmp(name, "url") == 0) {
        push_text(lua, artifact->url);
    } else if (strcmp(name, "store") == 0) {
        push_text(lua, artifact->store);
    } else if (strcmp(name, "key") == 0) {
        push_text(lua, artifact->key);
    } else if (strcmp(name, "name") == 0) {
        push_text(lua, artifact->name);
    } else if (strcmp(name, "event") == 0) {
        push_text(lua, artifact->event);
    } else if (strcmp(name, "strategy") == 0) {
        push_text(lua, artifact->strategy);
    } else if (strcmp(name, "node_status") == 0) {
        push_text(lua, artifact->node_status);
    } else if (strcmp(name, "storage_class") == 0) {
        push_text(lua, artifact->storage_class);
    } else if (strcmp(name, "created") == 0) {
        push_time(lua, artifact->created_unix_s);
    } else if (strcmp(name, "age_s") == 0) {
        lua_pushinteger(lua, artifact->age_s);
    } else if (strcmp(name, "size_bytes") == 0 && artifact->has_size) {
        lua_pushinteger(lua, artifact->size_bytes <= INT64_MAX ? (lua_Integer)artifact->size_bytes
                                                               : INT64_MAX);
    } else if (strcmp(name, "labels") == 0) {
        push_proxy(lua, facts, PS_PROXY_ARTIFACT_LABELS);
    } else {
        lua_pushnil(lua);
    }
}

static PS_MAY_RAISE void push_workflow_field(lua_State *lua, struct ps_reclaim_facts *facts,
                                             const char *name)
{
    const struct ps_workflow_facts *workflow = facts->question->workflow;

    if (workflow == NULL) {
        lua_pushnil(lua);
        return;
    }
    if (strcmp(name, "namespace") == 0) {
        push_text(lua, workflow->ns);
    } else if (strcmp(name, "name") == 0) {
        push_text(lua, workflow->name);
    } else if (strcmp(name, "uid") == 0) {
        push_text(lua, workflow->uid);
    } else if (strcmp(name, "template") == 0) {
        push_text(lua, workflow->template_name);
    } else if (strcmp(name, "status") == 0) {
        push_text(lua, workflow->status);
    } else if (strcmp(name, "created") == 0) {
        push_time(lua, workflow->created_unix_s);
    } else if (strcmp(name, "finished") == 0) {
        push_time(lua, workflow->finished_unix_s);
    } else if (strcmp(name, "deleted") == 0) {
        push_time(lua, workflow->deleted_unix_s);
    } else if (strcmp(name, "newer") == 0) {
        facts->used_newer = true;
        lua_pushinteger(lua, workflow->newer);
    } else if (strcmp(name, "labels") == 0) {
        push_proxy(lua, facts, PS_PROXY_WORKFLOW_LABELS);
    } else if (strcmp(name, "annotations") == 0) {
        push_proxy(lua, facts, PS_PROXY_WORKFLOW_ANNOTATIONS);
    } else {
        lua_pushnil(lua);
    }
}

static const struct ps_pairs *pairs_of(const struct ps_reclaim_facts *facts,
                                       enum ps_fact_proxy proxy)
{
    const struct ps_workflow_facts *workflow = facts->question->workflow;

    if (proxy == PS_PROXY_ARTIFACT_LABELS) {
        return facts->question->artifact->labels;
    }
    if (workflow == NULL) {
        return NULL;
    }
    return proxy == PS_PROXY_WORKFLOW_LABELS ? workflow->labels : workflow->annotations;
}

static PS_MAY_RAISE void push_pair(lua_State *lua, const struct ps_pairs *pairs, const char *name)
{
    for (size_t i = 0; pairs != NULL && i < pairs->count; i++) {
        if (strcmp(pairs->items[i].name, name) == 0) {
            push_text(lua, pairs->items[i].value);
            return;
        }
    }
    lua_pushnil(lua);
}

static PS_MAY_RAISE void push_field(lua_State *lua, struct ps_reclaim_facts *facts,
                                    enum ps_fact_proxy proxy, const char *name)
{
    if (facts->question == NULL || name == NULL) {
        lua_pushnil(lua); /* a policy kept its arguments: they show nothing */
    } else if (proxy == PS_PROXY_ARTIFACT) {
        push_artifact_field(lua, facts, name);
    } else if (proxy == PS_PROXY_WORKFLOW) {
        push_workflow_field(lua, facts, name);
    } else {
        push_pair(lua, pairs_of(facts, proxy), name);
    }
}

/* --- proxies --- */

/* Upvalues: the facts, which proxy. */
static int index_fact(lua_State *lua)
{
    struct ps_reclaim_facts *facts = lua_touserdata(lua, lua_upvalueindex(1));
    enum ps_fact_proxy proxy = (enum ps_fact_proxy)lua_tointeger(lua, lua_upvalueindex(2));
    const char *name = lua_type(lua, 2) == LUA_TSTRING ? lua_tostring(lua, 2) : NULL;

    push_field(lua, facts, proxy, name);
    return 1;
}

static int refuse_write(lua_State *lua)
{
    return luaL_error(lua, "facts are read-only");
}

/* The name at index, in order of names; NULL at the end. */
static const char *name_at(const struct ps_reclaim_facts *facts, enum ps_fact_proxy proxy,
                           size_t index)
{
    const struct ps_pairs *pairs;

    if (facts->question == NULL) {
        return NULL;
    }
    if (proxy == PS_PROXY_ARTIFACT) {
        return index < COUNT_OF(artifact_names) ? artifact_names[index] : NULL;
    }
    if (proxy == PS_PROXY_WORKFLOW) {
        return index < COUNT_OF(workflow_names) ? workflow_names[index] : NULL;
    }
    pairs = pairs_of(facts, proxy);
    return pairs != NULL && index < pairs->count ? pairs->items[index].name : NULL;
}

/* Upvalues: the facts, which proxy, how many were told. */
static int next_fact(lua_State *lua)
{
    struct ps_reclaim_facts *facts = lua_touserdata(lua, lua_upvalueindex(1));
    enum ps_fact_proxy proxy = (enum ps_fact_proxy)lua_tointeger(lua, lua_upvalueindex(2));
    lua_Integer told = lua_tointeger(lua, lua_upvalueindex(3));
    const char *name;

    for (name = name_at(facts, proxy, (size_t)told); name != NULL;
         name = name_at(facts, proxy, (size_t)told)) {
        told++;
        (void)lua_pushstring(lua, name);
        push_field(lua, facts, proxy, name);
        if (!lua_isnil(lua, -1)) {
            lua_pushinteger(lua, told);
            lua_replace(lua, lua_upvalueindex(3));
            return 2;
        }
        lua_pop(lua, 2);
    }
    lua_pushnil(lua);
    return 1;
}

static int pairs_of_facts(lua_State *lua)
{
    lua_pushvalue(lua, lua_upvalueindex(1));
    lua_pushvalue(lua, lua_upvalueindex(2));
    lua_pushinteger(lua, 0);
    lua_pushcclosure(lua, next_fact, 3);
    return 1;
}

static PS_MAY_RAISE void set_closure(lua_State *lua, struct ps_reclaim_facts *facts, int proxy,
                                     lua_CFunction function, const char *name)
{
    lua_pushlightuserdata(lua, facts);
    lua_pushinteger(lua, proxy);
    lua_pushcclosure(lua, function, 2);
    lua_setfield(lua, -2, name);
}

static PS_MAY_RAISE void make_proxies(lua_State *lua, struct ps_reclaim_facts *facts)
{
    for (int proxy = 0; proxy < PS_PROXY_COUNT; proxy++) {
        lua_newtable(lua);
        lua_newtable(lua); /* its metatable */
        set_closure(lua, facts, proxy, index_fact, "__index");
        set_closure(lua, facts, proxy, pairs_of_facts, "__pairs");
        lua_pushcfunction(lua, refuse_write);
        lua_setfield(lua, -2, "__newindex");
        lua_pushboolean(lua, 0);
        lua_setfield(lua, -2, "__metatable");
        (void)lua_setmetatable(lua, -2);
        facts->refs[proxy] = luaL_ref(lua, LUA_REGISTRYINDEX);
    }
    facts->made = true;
}

void ps_facts_push_reclaim(lua_State *lua, struct ps_reclaim_facts *facts)
{
    luaL_checkstack(lua, 8, NULL);
    if (!facts->made) {
        make_proxies(lua, facts);
    }
    push_proxy(lua, facts, PS_PROXY_ARTIFACT);
    if (facts->question->workflow != NULL) {
        push_proxy(lua, facts, PS_PROXY_WORKFLOW);
    } else {
        lua_pushnil(lua);
    }
}
