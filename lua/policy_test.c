#include "lua/policy_test.h"

#include "base/buf.h"
#include "base/str.h"
#include "lua/api_purser.h"
#include "lua/policy_internal.h"
#include "lua/policy_test_internal.h"
#include "lua/sandbox.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A test file is Lua of the user's, so it runs in a sandbox of its own. What its rows point to stays in its table. */

/** Of a row, the policy's own limits within. Lower: a policy at its limit fails the row, not itself. */
#define ROW_MS 1000

struct runner {
    struct ps_lua_host host;
    struct ps_decider decider;
    struct ps_policy_set *set;
    const struct ps_policy_test *test;
    char *text;
    size_t text_size_bytes;
    int table_ref; /* what the file returned */
    enum ps_hook hook;
    lua_Integer row; /* that is run */
    struct ps_policy_test_report *report;
    uint64_t fault_count;
};

/* --- what was decided, as fields to compare with `expect` --- */

/* Whether the value on top of the stack is that of the field; `after` may be written as '7d'. */
static PS_MAY_RAISE bool is_equal(lua_State *lua, const struct ps_policy_field *field)
{
    double seconds = 0;
    uint64_t bytes = 0;

    switch (field->kind) {
    case PS_POLICY_FIELD_TEXT:
        return lua_type(lua, -1) == LUA_TSTRING && strcmp(lua_tostring(lua, -1), field->text) == 0;
    case PS_POLICY_FIELD_BOOL:
        return lua_type(lua, -1) == LUA_TBOOLEAN &&
               (lua_toboolean(lua, -1) != 0) == (field->number > 0);
    case PS_POLICY_FIELD_NUMBER:
        if (strcmp(field->name, "after") == 0) {
            return ps_lua_to_seconds(lua, -1, &seconds) && fabs(seconds - field->number) < 0.001;
        }
        return ps_lua_to_bytes(lua, -1, &bytes) && (double)bytes >= field->number &&
               (double)bytes <= field->number;
    }
    return false;
}

static void say(const struct ps_policy_decided *decided, char *text, size_t text_size_bytes)
{
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < decided->count && used < text_size_bytes; i++) {
        const struct ps_policy_field *field = &decided->fields[i];
        int written =
            field->kind == PS_POLICY_FIELD_TEXT
                ? snprintf(text + used, text_size_bytes - used, "%s%s = '%s'", i > 0 ? ", " : "",
                           field->name, field->text)
            : field->kind == PS_POLICY_FIELD_BOOL
                ? snprintf(text + used, text_size_bytes - used, "%s%s = %s", i > 0 ? ", " : "",
                           field->name, field->number > 0 ? "true" : "false")
                : snprintf(text + used, text_size_bytes - used, "%s%s = %.0f", i > 0 ? ", " : "",
                           field->name, field->number);

        used += written > 0 ? (size_t)written : 0;
    }
}

/* NULL in the end of why: they agree. */
static PS_MAY_RAISE bool agrees(lua_State *lua, int expect, const char *reason,
                                const struct ps_policy_decided *decided, char *why,
                                size_t why_size_bytes)
{
    char said[160];
    size_t expected_count = 0;

    say(decided, said, sizeof(said));
    if (expect == 0) {
        (void)snprintf(why, why_size_bytes, "no opinion is expected; it answered { %s }", said);
        return decided->origin == NULL;
    }
    if (decided->origin == NULL) {
        ps_str_copy(why, why_size_bytes, "an answer is expected; it has no opinion");
        return false;
    }
    for (size_t i = 0; i < decided->count; i++) {
        (void)lua_getfield(lua, expect, decided->fields[i].name);
        if (!is_equal(lua, &decided->fields[i])) {
            (void)snprintf(why, why_size_bytes, "`%s` is another: it answered { %s }",
                           decided->fields[i].name, said);
            return false;
        }
        lua_pop(lua, 1);
    }
    lua_pushnil(lua);
    while (lua_next(lua, expect) != 0) {
        expected_count++;
        lua_pop(lua, 1);
    }
    if (expected_count != decided->count) {
        (void)snprintf(why, why_size_bytes, "other fields are expected; it answered { %s }", said);
        return false;
    }
    if (strcmp(reason, decided->origin->reason) != 0) {
        (void)snprintf(why, why_size_bytes, "its reason is '%.120s'", decided->origin->reason);
        return false;
    }
    return true;
}

/* --- rows --- */

static void count_faults(void *user, const struct ps_policy_info *info)
{
    struct runner *runner = user;

    runner->fault_count += info->fault_count;
}

static uint64_t faults_of(struct runner *runner)
{
    runner->fault_count = 0;
    ps_policy_set_each(runner->set, count_faults, runner);
    return runner->fault_count;
}

struct one {
    struct runner *runner;
    struct ps_policy_decided decided;
};

static int run_row(lua_State *lua)
{
    struct one *one = lua_touserdata(lua, 1);
    struct runner *runner = one->runner;
    struct ps_policy_decided *decided = &one->decided;
    uint64_t faults = faults_of(runner);
    const char *name;
    const char *reason;
    char why[320] = "";
    int row;
    int facts;
    int expect;
    bool good;

    luaL_checkstack(lua, 16, NULL);
    (void)lua_rawgeti(lua, LUA_REGISTRYINDEX, runner->table_ref);
    (void)lua_rawgeti(lua, -1, runner->row);
    row = lua_gettop(lua);
    name = ps_policy_row_text_of(lua, row, "name");
    reason = ps_policy_row_text_of(lua, row, "reason");
    if (name == NULL) {
        return luaL_error(lua, "row %d has no name", (int)runner->row);
    }
    ps_policy_row_check_keys(lua, row, " name facts workflow now expect reason ", name);
    if (lua_getfield(lua, row, "facts") != LUA_TTABLE) {
        return luaL_error(lua, "row '%s' has no facts", name);
    }
    facts = lua_gettop(lua);
    expect = lua_getfield(lua, row, "expect") == LUA_TTABLE ? lua_gettop(lua) : 0;
    if ((expect != 0) != (reason != NULL)) {
        return luaL_error(lua, "row '%s': `expect` and `reason` go together", name);
    }
    ps_policy_row_ask(lua, &runner->decider, runner->hook, row, facts, decided);
    good = agrees(lua, expect, reason, decided, why, sizeof(why));
    if (faults_of(runner) != faults) {
        good = false;
        ps_str_copy(why, sizeof(why), "the policy failed: its answer was left out");
    }
    runner->report->row_count++;
    runner->report->failed_count += good ? 0 : 1;
    runner->test->on_row(runner->test->user, name, good ? NULL : why);
    return 0;
}

/* --- the file --- */

static int open_sandbox(lua_State *lua)
{
    ps_sandbox_open(lua);
    return 0;
}

static int load_tests(lua_State *lua)
{
    struct runner *runner = lua_touserdata(lua, 1);
    const char *hook;

    lua_settop(lua, 0);
    if (luaL_loadbufferx(lua, runner->text != NULL ? runner->text : "", runner->text_size_bytes,
                         "=test", "t") != LUA_OK) {
        return lua_error(lua);
    }
    ps_sandbox_push_env(lua);
    if (lua_setupvalue(lua, -2, 1) == NULL) {
        lua_pop(lua, 1);
    }
    lua_call(lua, 0, 1);
    if (!lua_istable(lua, -1)) {
        return luaL_error(lua, "returns no table: end with return { hook = '...', rows }");
    }
    hook = ps_policy_row_text_or(lua, lua_gettop(lua), "hook", "");
    runner->hook = PS_HOOK_COUNT;
    for (int i = 0; i < PS_HOOK_COUNT; i++) {
        if (strcmp(hook, ps_hook_name((enum ps_hook)i)) == 0) {
            runner->hook = (enum ps_hook)i;
        }
    }
    if (runner->hook == PS_HOOK_COUNT) {
        return luaL_error(lua, "`hook` is missing, or '%s' is none", hook);
    }
    runner->row = (lua_Integer)lua_rawlen(lua, -1); /* how many there are */
    runner->table_ref = luaL_ref(lua, LUA_REGISTRYINDEX);
    return 0;
}

static enum ps_code read_text(struct runner *runner, struct ps_err *err)
{
    FILE *file = fopen(runner->test->test_path, "re");
    struct ps_buf text;
    char chunk[4096];
    size_t got_bytes;
    enum ps_code code = PS_OK;

    if (file == NULL) {
        return ps_err_set_errno(err, errno, "%s", runner->test->test_path);
    }
    ps_buf_init(&text, 4 * PS_POLICY_FILE_SIZE_MAX);
    do {
        got_bytes = fread(chunk, 1, sizeof(chunk), file);
        code = ps_buf_append(&text, chunk, got_bytes, err);
    } while (code == PS_OK && got_bytes == sizeof(chunk));
    (void)fclose(file); /* only read */
    runner->text_size_bytes = text.size_bytes;
    runner->text = ps_buf_steal(&text);
    ps_buf_clear(&text);
    return code;
}

static enum ps_code name_file(const struct runner *runner, struct ps_err *err)
{
    const char *message = err->message;
    struct ps_err own = *err;

    message = strncmp(message, "test:", 5) == 0 ? own.message + 5 : own.message;
    return ps_err_set(err, PS_E_INVALID, "%s:%s%s", runner->test->test_path,
                      message == own.message ? " " : "", message);
}

static enum ps_code run_rows(struct runner *runner, struct ps_err *err)
{
    lua_Integer row_count = 0;
    struct ps_err own;
    enum ps_code code = ps_lua_protect(&runner->host, load_tests, runner, &own);

    row_count = runner->row;
    for (lua_Integer i = 1; i <= row_count && code == PS_OK; i++) {
        struct one one = { .runner = runner };

        runner->row = i;
        code = ps_lua_protect(&runner->host, run_row, &one, &own);
        ps_upload_decision_clear(&one.decided.upload);
    }
    if (code != PS_OK) {
        struct ps_err *target = err != NULL ? err : &own;

        *target = own;
        return name_file(runner, target);
    }
    runner->report->tested[runner->hook] = row_count > 0;
    return PS_OK;
}

static void note_hooks(void *user, const struct ps_policy_info *info)
{
    struct ps_policy_test_report *report = user;

    memcpy(report->has_hook, info->hooks, sizeof(report->has_hook));
    ps_str_copy(report->policy_name, sizeof(report->policy_name), info->name);
}

enum ps_code ps_policy_test_run(const struct ps_policy_options *options,
                                const struct ps_policy_test *test,
                                struct ps_policy_test_report *report, struct ps_err *err)
{
    struct ps_policy_options one = *options;
    struct runner runner = { .test = test, .report = report };
    struct ps_lua_limits limits = options->limits;
    enum ps_code code;

    limits.call_ms = ROW_MS;
    memset(report, 0, sizeof(*report));
    one.only_file = test->policy_path;
    code = ps_policy_set_load(&runner.set, &one, err);
    if (code == PS_OK) {
        ps_policy_set_each(runner.set, note_hooks, report);
        runner.decider = ps_policy_set_decider(runner.set);
    }
    if (code == PS_OK && test->test_path != NULL) {
        code = read_text(&runner, err);
        if (code == PS_OK) {
            code = ps_lua_host_init(&runner.host, &limits, options->clock, options->log, err);
        }
        if (code == PS_OK) {
            code = ps_lua_protect(&runner.host, open_sandbox, NULL, err);
        }
        if (code == PS_OK) {
            code = run_rows(&runner, err);
        }
    }
    ps_lua_host_clear(&runner.host);
    ps_policy_set_free(runner.set);
    free(runner.text);
    return code;
}
