#include "lua/policy_internal.h"

#include "base/str.h"
#include "lua/lifecycle_rows.h"
#include "lua/sandbox.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum {
    API_VERSION = 1
};

struct load {
    struct ps_policy_set *set;
    struct policy *policy;
    struct ps_err *err;
    bool failed;                   /* err says why, with file and line */
    int line;                      /* of what is looked at, for messages that tell none */
    struct ps_lifecycle_rule rule; /* to check rows in */
};

static bool is_word_byte(char byte)
{
    return isalnum((unsigned char)byte) != 0 || byte == '_';
}

static bool is_word_at(const char *text, const char *at, const char *word)
{
    size_t length = strlen(word);

    return strncmp(at, word, length) == 0 && !is_word_byte(at[length]) &&
           (at == text || !is_word_byte(at[-1]));
}

static bool is_key_at(const char *text, const char *at, const char *key)
{
    const char *after;

    if (key == NULL || !is_word_at(text, at, key)) {
        return false;
    }
    after = at + strlen(key);
    after += strspn(after, " \t");
    return after[0] == '=' && after[1] != '=';
}

/* Lua keeps no lines of table fields, so the text is searched, without its comments. The last `key =` is that in the
 * table at the end; a key that is not written so (["key"]), and what is missing, are told at the last `return`. */
static int line_of_key(const struct policy *policy, const char *key)
{
    const char *text = policy->text != NULL ? policy->text : "";
    bool in_comment = false;
    int line = 1;
    int key_line = 0;
    int return_line = 0;

    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '\n') {
            line += at[1] != '\0' ? 1 : 0;
            in_comment = false;
        } else if (in_comment || (at[0] == '-' && at[1] == '-')) {
            in_comment = true;
        } else if (is_key_at(text, at, key)) {
            key_line = line;
        } else if (is_word_at(text, at, "return")) {
            return_line = line;
        }
    }
    if (key_line != 0) {
        return key_line;
    }
    return return_line != 0 ? return_line : line;
}

/* key: NULL for what is wrong with the table as a whole. */
static void fail(struct load *load, const char *key, const char *what)
{
    load->failed = true;
    (void)ps_err_set(load->err, PS_E_INVALID, "%s:%d: %s", load->policy->path,
                     line_of_key(load->policy, key), what);
}

static bool is_near(const char *a, const char *b)
{
    size_t a_length = strlen(a);
    size_t b_length = strlen(b);
    size_t head = 0;
    size_t tail = 0;

    /* Alike but for a place of at most two letters: enough to find a slip of the finger. */
    while (head < a_length && head < b_length && a[head] == b[head]) {
        head++;
    }
    while (tail + head < a_length && tail + head < b_length &&
           a[a_length - 1 - tail] == b[b_length - 1 - tail]) {
        tail++;
    }
    return a_length - head - tail <= 2 && b_length - head - tail <= 2;
}

static void fail_unknown(struct load *load, const char *key)
{
    const char *nearest = NULL;
    char what[160];

    for (size_t i = 0; i < PS_HOOK_COUNT; i++) {
        if (is_near(key, ps_hook_name((enum ps_hook)i))) {
            nearest = ps_hook_name((enum ps_hook)i);
        }
    }
    (void)snprintf(what, sizeof(what), "unknown key `%.60s`%s%s%s", key,
                   nearest != NULL ? ": did you mean `" : "", nearest != NULL ? nearest : "",
                   nearest != NULL ? "`?" : ": see lua/README.md for the hooks");
    fail(load, key, what);
}

/* The hook's value is on top of the stack; it is popped. */
static PS_MAY_RAISE void take_hook(struct load *load, lua_State *lua, enum ps_hook hook)
{
    struct policy *policy = load->policy;
    int wanted = hook == PS_HOOK_LIFECYCLE ? LUA_TTABLE : LUA_TFUNCTION;
    char what[96];
    lua_Debug debug;

    if (lua_type(lua, -1) != wanted) {
        (void)snprintf(what, sizeof(what), "`%s` is a %s: a %s is wanted", ps_hook_name(hook),
                       luaL_typename(lua, -1), lua_typename(lua, wanted));
        fail(load, ps_hook_name(hook), what);
        lua_pop(lua, 1);
        return;
    }
    policy->lines[hook] = 0;
    if (wanted == LUA_TFUNCTION) {
        lua_pushvalue(lua, -1);
        if (lua_getinfo(lua, ">S", &debug) != 0 && debug.linedefined > 0) {
            policy->lines[hook] = debug.linedefined;
        }
    }
    if (policy->lines[hook] == 0) {
        policy->lines[hook] = line_of_key(policy, ps_hook_name(hook));
    }
    policy->refs[hook] = luaL_ref(lua, LUA_REGISTRYINDEX);
}

/* The name stands in logs and listings, so it is one word. */
static PS_MAY_RAISE void take_name(struct load *load, lua_State *lua)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    const char *name = lua_type(lua, -1) == LUA_TSTRING ? lua_tostring(lua, -1) : "";
    size_t length = strspn(name, letters);

    if (length == 0 || length != lua_rawlen(lua, -1) || length >= sizeof(load->policy->name)) {
        fail(load, "name", "`name` must be a text of 1 to 63 letters, digits and - _ .");
        return;
    }
    ps_str_copy(load->policy->name, sizeof(load->policy->name), name);
}

static PS_MAY_RAISE void take_key(struct load *load, lua_State *lua, const char *key)
{
    for (size_t i = 0; i < PS_HOOK_COUNT; i++) {
        if (strcmp(key, ps_hook_name((enum ps_hook)i)) == 0) {
            take_hook(load, lua, (enum ps_hook)i);
            return;
        }
    }
    if (strcmp(key, "api") == 0) {
        if (lua_type(lua, -1) != LUA_TNUMBER || lua_tonumber(lua, -1) != API_VERSION) {
            fail(load, key, "`api` must be 1: this purser knows no other");
        }
    } else if (strcmp(key, "name") == 0) {
        take_name(load, lua);
    } else {
        fail_unknown(load, key);
    }
    lua_pop(lua, 1);
}

static PS_MAY_RAISE void take_table(struct load *load, lua_State *lua)
{
    bool has_api;

    lua_pushnil(lua);
    while (!load->failed && lua_next(lua, 1) != 0) {
        if (lua_type(lua, -2) != LUA_TSTRING) {
            fail(load, NULL, "the returned table has a key that is no text");
            return;
        }
        take_key(load, lua, lua_tostring(lua, -2));
    }
    if (load->failed) {
        return;
    }
    (void)lua_getfield(lua, 1, "api");
    has_api = !lua_isnil(lua, -1);
    if (!has_api) {
        fail(load, NULL, "`api = 1` is missing");
    } else if (load->policy->name[0] == '\0') {
        fail(load, NULL, "`name` is missing");
    }
}

/* Rows are looked at here once, so that a slip stops the start and not a sweep. */
static PS_MAY_RAISE void check_lifecycle(struct load *load, lua_State *lua)
{
    const struct policy *policy = load->policy;

    if (policy->refs[PS_HOOK_LIFECYCLE] != LUA_NOREF) {
        load->line = policy->lines[PS_HOOK_LIFECYCLE];
        (void)lua_rawgeti(lua, LUA_REGISTRYINDEX, policy->refs[PS_HOOK_LIFECYCLE]);
        ps_lifecycle_rows_take(lua, policy->name, &load->rule, NULL, NULL);
        lua_pop(lua, 1);
    }
}

/* Runs protected: compile, run, look at what came back. Errors of Lua carry file and line themselves. */
static int run_load(lua_State *lua)
{
    struct load *load = lua_touserdata(lua, 1);
    const struct policy *policy = load->policy;
    const char *chunk_name;

    lua_settop(lua, 0);
    chunk_name = lua_pushfstring(lua, "=%s", policy->chunk);
    if (luaL_loadbufferx(lua, policy->text != NULL ? policy->text : "", policy->text_size_bytes,
                         chunk_name, "t") != LUA_OK) {
        return lua_error(lua);
    }
    ps_sandbox_push_env(lua);
    if (lua_setupvalue(lua, -2, 1) == NULL) {
        lua_pop(lua, 1);
    }
    lua_call(lua, 0, 1);
    lua_replace(lua, 1);
    lua_settop(lua, 1);
    if (!lua_istable(lua, 1)) {
        fail(load, NULL, "returns no table: end with return { api = 1, name = '...', ... }");
        return 0;
    }
    take_table(load, lua);
    if (!load->failed) {
        check_lifecycle(load, lua);
    }
    return 0;
}

enum ps_code ps_policy_load(struct ps_policy_set *set, struct policy *policy, struct ps_err *err)
{
    struct ps_err own;
    struct load load = { .set = set, .policy = policy, .err = err != NULL ? err : &own, .line = 1 };
    struct ps_err raised;

    char message[sizeof(raised.message)];

    ps_str_copy(policy->chunk, sizeof(policy->chunk), policy->file_name);
    if (policy->text != NULL && policy->text[0] == LUA_SIGNATURE[0]) {
        return ps_err_set(err, PS_E_INVALID, "%s:1: is compiled Lua: only text is loaded",
                          policy->path);
    }
    if (ps_lua_protect(&set->host, run_load, &load, &raised) != PS_OK) {
        ps_policy_locate(policy, load.line, raised.message, message, sizeof(message));
        return ps_err_set(err, PS_E_INVALID, "%s", message);
    }
    return load.failed ? PS_E_INVALID : PS_OK;
}

void ps_policy_locate(const struct policy *policy, int line, const char *message, char *text,
                      size_t text_size_bytes)
{
    size_t length = strlen(policy->chunk);

    if (strncmp(message, policy->chunk, length) == 0 && message[length] == ':' &&
        isdigit((unsigned char)message[length + 1]) != 0) {
        (void)snprintf(text, text_size_bytes, "%s%s", policy->path, message + length);
    } else {
        (void)snprintf(text, text_size_bytes, "%s:%d: %s", policy->path, line, message);
    }
}

int ps_policy_line_of_name(const struct policy *policy)
{
    return line_of_key(policy, "name");
}
