/* The rows of policies/tests, each through the real decider with that one policy in force; policies/README.md says
 * what a row is. */
#include "tests/unit/lua/policy_rig.h"

#include <glob.h>
#include <lauxlib.h>
#include <lualib.h>

TestSuite(shipped_policies, .timeout = 60);

#define POLICIES PS_SOURCE_DIR "/policies"

static const char *text_of(lua_State *lua, int table, const char *name)
{
    const char *text;

    (void)lua_getfield(lua, table, name);
    text = lua_tostring(lua, -1); /* stays valid: the row holds it */
    lua_pop(lua, 1);
    return text;
}

static const char *text_or_empty(lua_State *lua, int table, const char *name)
{
    const char *text = text_of(lua, table, name);

    return text != NULL ? text : "";
}

static lua_Integer number_of(lua_State *lua, int table, const char *name)
{
    lua_Integer number;

    (void)lua_getfield(lua, table, name);
    number = lua_tointeger(lua, -1);
    lua_pop(lua, 1);
    return number;
}

static bool has(lua_State *lua, int table, const char *name)
{
    bool is_there = lua_getfield(lua, table, name) != LUA_TNIL;

    lua_pop(lua, 1);
    return is_there;
}

static void check_keys(lua_State *lua, int table, const char *known, const char *row)
{
    lua_pushnil(lua);
    while (lua_next(lua, table) != 0) {
        char word[64];

        cr_assert_eq(lua_type(lua, -2), LUA_TSTRING, "%s", row);
        (void)snprintf(word, sizeof(word), " %s ", lua_tostring(lua, -2));
        cr_assert(strstr(known, word) != NULL, "%s: unknown `%s`", row, lua_tostring(lua, -2));
        lua_pop(lua, 1);
    }
}

static struct ps_object_facts object_of(lua_State *lua, int facts, const char *row)
{
    check_keys(lua, facts, " url store bucket key name path size_bytes sent_bytes mtime workflow ",
               row);
    return (struct ps_object_facts){
        .url = text_or_empty(lua, facts, "url"),
        .store = text_or_empty(lua, facts, "store"),
        .bucket = text_or_empty(lua, facts, "bucket"),
        .key = text_or_empty(lua, facts, "key"),
        .name = text_or_empty(lua, facts, "name"),
        .path = text_of(lua, facts, "path"),
        .has_size = has(lua, facts, "size_bytes"),
        .size_bytes = (uint64_t)number_of(lua, facts, "size_bytes"),
        .sent_bytes = (uint64_t)number_of(lua, facts, "sent_bytes"),
        .mtime_unix_s = number_of(lua, facts, "mtime"),
        .workflow = text_of(lua, facts, "workflow"),
    };
}

static struct ps_retry_facts failure_of(lua_State *lua, int facts, const char *row)
{
    check_keys(lua, facts,
               " operation class http_status store_code attempt elapsed_ms retry_after_ms "
               "part_number ",
               row);
    return (struct ps_retry_facts){
        .operation = text_or_empty(lua, facts, "operation"),
        .retry_class = text_or_empty(lua, facts, "class"),
        .http_status = (int)number_of(lua, facts, "http_status"),
        .store_code = text_or_empty(lua, facts, "store_code"),
        .attempt = (uint32_t)number_of(lua, facts, "attempt"),
        .elapsed_ms = (uint64_t)number_of(lua, facts, "elapsed_ms"),
        .has_retry_after = has(lua, facts, "retry_after_ms"),
        .retry_after_ms = (uint64_t)number_of(lua, facts, "retry_after_ms"),
        .part_number = (uint32_t)number_of(lua, facts, "part_number"),
    };
}

/* One field of `expect`: not there means that the policy set none. */
static void check_number(lua_State *lua, int expect, const char *field, bool is_set, uint64_t value,
                         const char *row)
{
    cr_expect_eq(expect != 0 && has(lua, expect, field), is_set, "%s: %s", row, field);
    if (is_set && expect != 0) {
        cr_expect_eq((uint64_t)number_of(lua, expect, field), value, "%s: %s is %zu", row, field,
                     (size_t)value);
    }
}

static void check_text(lua_State *lua, int expect, const char *field, bool is_set,
                       const char *value, const char *row)
{
    cr_expect_eq(expect != 0 && has(lua, expect, field), is_set, "%s: %s", row, field);
    if (is_set && expect != 0) {
        cr_expect_str_eq(text_or_empty(lua, expect, field), value, "%s: %s is %s", row, field,
                         value);
    }
}

static void check_origin(const struct ps_origin *origin, bool is_set, const char *reason,
                         const char *row)
{
    cr_expect_eq(strcmp(origin->policy, "built-in") != 0, is_set, "%s: decided by %s", row,
                 origin->policy);
    if (is_set) {
        cr_expect_str_eq(origin->reason, reason, "%s: reason is %s", row, origin->reason);
    }
}

struct row {
    const char *name;
    const char *reason;
    int facts;
    int expect; /* 0 = no opinion */
    int64_t now_unix_s;
};

static void run_upload(lua_State *lua, const struct policy_rig *rig, const struct row *row)
{
    static const char *const fields[PS_UPLOAD_FIELD_COUNT] = {
        "threshold", "concurrency", "checksum", "storage_class", "tags", "metadata", "skip"
    };
    struct ps_object_facts object = object_of(lua, row->facts, row->name);
    struct ps_upload_decision decision;
    bool set[PS_UPLOAD_FIELD_COUNT];

    if (row->expect != 0) { /* tags and metadata: no shipped policy sets them */
        check_keys(lua, row->expect, " threshold concurrency checksum storage_class skip ",
                   row->name);
    }
    rig->decider.upload(rig->decider.user, &object, row->now_unix_s, &decision);
    for (unsigned i = 0; i < PS_UPLOAD_FIELD_COUNT; i++) {
        set[i] = (decision.set & (1u << i)) != 0;
        cr_expect_eq(row->expect != 0 && has(lua, row->expect, fields[i]), set[i], "%s: %s",
                     row->name, fields[i]);
        check_origin(&decision.origins[i], set[i], row->reason, row->name);
    }
    check_number(lua, row->expect, "threshold", set[0], decision.threshold_bytes, row->name);
    check_number(lua, row->expect, "concurrency", set[1], decision.concurrency, row->name);
    check_text(lua, row->expect, "checksum", set[2], decision.checksum, row->name);
    check_text(lua, row->expect, "storage_class", set[3], decision.storage_class, row->name);
    if (set[6] && row->expect != 0) {
        (void)lua_getfield(lua, row->expect, "skip");
        cr_expect_eq(lua_toboolean(lua, -1) != 0, decision.skip, "%s: skip", row->name);
        lua_pop(lua, 1);
    }
    ps_upload_decision_clear(&decision);
}

static void run_part_size(lua_State *lua, const struct policy_rig *rig, const struct row *row)
{
    struct ps_object_facts object = object_of(lua, row->facts, row->name);
    struct ps_part_size_decision decision;

    if (row->expect != 0) {
        check_keys(lua, row->expect, " bytes ", row->name);
    }
    rig->decider.part_size(rig->decider.user, &object, row->now_unix_s, &decision);
    check_origin(&decision.origin, row->expect != 0, row->reason, row->name);
    if (row->expect != 0) {
        check_number(lua, row->expect, "bytes", true, decision.bytes, row->name);
    }
}

static void run_retry(lua_State *lua, const struct policy_rig *rig, const struct row *row)
{
    struct ps_retry_facts failure = failure_of(lua, row->facts, row->name);
    struct ps_retry_decision decision;

    if (row->expect != 0) {
        check_keys(lua, row->expect, " give_up ", row->name); /* no shipped policy says when */
    }
    rig->decider.retry(rig->decider.user, &failure, row->now_unix_s, &decision);
    check_origin(&decision.origin, row->expect != 0, row->reason, row->name);
    cr_expect_not(decision.has_after, "%s", row->name);
    if (row->expect != 0) {
        (void)lua_getfield(lua, row->expect, "give_up");
        cr_expect_eq(lua_toboolean(lua, -1) != 0, decision.give_up, "%s: give_up", row->name);
        lua_pop(lua, 1);
    }
}

static void run_row(lua_State *lua, const struct policy_rig *rig, const char *hook)
{
    int top = lua_gettop(lua);
    struct row row = { .name = text_of(lua, top, "name"),
                       .reason = text_of(lua, top, "reason"),
                       .now_unix_s = number_of(lua, top, "now") };

    cr_assert(row.name != NULL, "a row without a name");
    check_keys(lua, top, " name facts now expect reason ", row.name);
    cr_assert_eq(lua_getfield(lua, top, "facts"), LUA_TTABLE, "%s: no facts", row.name);
    row.facts = lua_gettop(lua);
    row.expect = lua_getfield(lua, top, "expect") == LUA_TTABLE ? lua_gettop(lua) : 0;
    cr_assert_eq(row.expect != 0, row.reason != NULL, "%s: expect without reason", row.name);
    if (strcmp(hook, "upload") == 0) {
        run_upload(lua, rig, &row);
    } else if (strcmp(hook, "part_size") == 0) {
        run_part_size(lua, rig, &row);
    } else {
        cr_assert_str_eq(hook, "retry");
        run_retry(lua, rig, &row);
    }
    cr_expect_eq(policy_rig_faults(rig).count, 0, "%s: %s", row.name, policy_rig_faults(rig).last);
    lua_settop(lua, top);
}

/* policies/10-x.lua -> policies/tests/10-x_test.lua: every shipped policy has one. */
static size_t run_file(const char *policy_path)
{
    const char *name = strrchr(policy_path, '/') + 1;
    size_t length = strlen(name) - strlen(".lua");
    lua_State *lua = luaL_newstate();
    FILE *file = fopen(policy_path, "re");
    struct policy_rig rig;
    struct ps_err err = { .code = PS_OK };
    char text[8192];
    char test_path[512];
    size_t size_bytes;
    size_t row_count = 0;

    cr_assert(file != NULL && lua != NULL, "%s", policy_path);
    size_bytes = fread(text, 1, sizeof(text), file);
    cr_assert_lt(size_bytes, sizeof(text));
    (void)fclose(file);
    policy_rig_init(&rig);
    policy_rig_write(&rig, name, text, size_bytes);
    cr_assert_eq(policy_rig_load(&rig, &err), PS_OK, "%s", err.message);
    (void)snprintf(test_path, sizeof(test_path), POLICIES "/tests/%.*s_test.lua", (int)length,
                   name);
    cr_assert_eq(luaL_dofile(lua, test_path), LUA_OK, "%s", lua_tostring(lua, -1));
    for (lua_Integer i = 1; lua_rawgeti(lua, 1, i) == LUA_TTABLE; i++) {
        run_row(lua, &rig, text_or_empty(lua, 1, "hook"));
        lua_pop(lua, 1);
        row_count++;
    }
    lua_close(lua);
    policy_rig_clear(&rig);
    return row_count;
}

Test(shipped_policies, every_row_decides_as_it_says)
{
    glob_t found;

    cr_assert_eq(glob(POLICIES "/*.lua", 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        cr_expect_gt(run_file(found.gl_pathv[i]), 0, "%s", found.gl_pathv[i]);
    }
    cr_assert_geq(found.gl_pathc, 3);
    globfree(&found);
}

Test(shipped_policies, they_load_together)
{
    const struct ps_policy_options options = {
        .dirs = { POLICIES }, .dir_count = 1, .clock = ps_clock_system(), .digest = ps_sha256
    };
    struct ps_policy_set *set = NULL;
    struct ps_err err;

    cr_assert_eq(ps_policy_set_load(&set, &options, &err), PS_OK, "%s", err.message);
    ps_policy_set_free(set);
}
