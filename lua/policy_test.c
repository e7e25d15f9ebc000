#include "lua/policy_test.h"

#include "base/buf.h"
#include "base/str.h"
#include "lua/api_purser.h"
#include "lua/policy_internal.h"
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
    const char *test_path;
    char *text;
    size_t text_size_bytes;
    int table_ref; /* what the file returned */
    enum ps_hook hook;
    lua_Integer row; /* that is run */
    struct ps_policy_test_report *report;
    ps_policy_row_fn on_row;
    void *user;
    uint64_t fault_count;
};

/* --- fields of a row --- */

static PS_MAY_RAISE void check_keys(lua_State *lua, int table, const char *known, const char *what)
{
    lua_pushnil(lua);
    while (lua_next(lua, table) != 0) {
        char word[64];

        if (lua_type(lua, -2) != LUA_TSTRING || lua_rawlen(lua, -2) > sizeof(word) - 3) {
            (void)luaL_error(lua, "%s has a key that is no name", what);
        }
        (void)snprintf(word, sizeof(word), " %s ", lua_tostring(lua, -2));
        if (strstr(known, word) == NULL) {
            (void)luaL_error(lua, "%s has an unknown field `%s`", what, lua_tostring(lua, -2));
        }
        lua_pop(lua, 1);
    }
}

/* NULL when it is not there. The text lives as long as the row. */
static PS_MAY_RAISE const char *text_of(lua_State *lua, int table, const char *name)
{
    const char *text;

    (void)lua_getfield(lua, table, name);
    text = lua_type(lua, -1) == LUA_TSTRING ? lua_tostring(lua, -1) : NULL;
    lua_pop(lua, 1);
    return text;
}

static PS_MAY_RAISE const char *text_or(lua_State *lua, int table, const char *name,
                                        const char *otherwise)
{
    const char *text = text_of(lua, table, name);

    return text != NULL ? text : otherwise;
}

static PS_MAY_RAISE int64_t number_of(lua_State *lua, int table, const char *name)
{
    int64_t number;

    (void)lua_getfield(lua, table, name);
    number = lua_tointeger(lua, -1);
    lua_pop(lua, 1);
    return number;
}

static PS_MAY_RAISE bool has(lua_State *lua, int table, const char *name)
{
    bool is_there = lua_getfield(lua, table, name) != LUA_TNIL;

    lua_pop(lua, 1);
    return is_there;
}

static PS_MAY_RAISE void pairs_of(lua_State *lua, int table, const char *name,
                                  struct ps_pairs *pairs)
{
    pairs->count = 0;
    if (lua_getfield(lua, table, name) == LUA_TTABLE) {
        lua_pushnil(lua);
        while (lua_next(lua, -2) != 0 && pairs->count < PS_PAIRS_MAX) {
            if (lua_type(lua, -2) != LUA_TSTRING || lua_type(lua, -1) != LUA_TSTRING) {
                (void)luaL_error(lua, "`%s` is a table of texts", name);
            }
            pairs->items[pairs->count++] =
                (struct ps_pair){ lua_tostring(lua, -2), lua_tostring(lua, -1) };
            lua_pop(lua, 1);
        }
    }
    lua_settop(lua, lua_gettop(lua) - 1);
}

/* --- what was decided, as fields to compare with `expect` --- */

struct field {
    const char *name;
    enum {
        FIELD_NUMBER,
        FIELD_TEXT,
        FIELD_BOOL
    } kind;
    double number;
    const char *text;
};

#define FIELDS_MAX 8

struct decided {
    struct field fields[FIELDS_MAX];
    size_t count;
    const struct ps_origin *origin; /* NULL = no policy answered */
};

static void add_number(struct decided *decided, const char *name, uint64_t value)
{
    decided->fields[decided->count++] =
        (struct field){ .name = name, .kind = FIELD_NUMBER, .number = (double)value };
}

static void add_text(struct decided *decided, const char *name, const char *text)
{
    decided->fields[decided->count++] =
        (struct field){ .name = name, .kind = FIELD_TEXT, .text = text };
}

static void add_bool(struct decided *decided, const char *name, bool value)
{
    decided->fields[decided->count++] =
        (struct field){ .name = name, .kind = FIELD_BOOL, .number = value ? 1 : 0 };
}

static const struct ps_origin *of_policy(const struct ps_origin *origin)
{
    return strcmp(origin->policy, "built-in") != 0 ? origin : NULL;
}

/* Whether the value on top of the stack is that of the field; `after` may be written as '7d'. */
static PS_MAY_RAISE bool is_equal(lua_State *lua, const struct field *field)
{
    double seconds = 0;
    uint64_t bytes = 0;

    switch (field->kind) {
    case FIELD_TEXT:
        return lua_type(lua, -1) == LUA_TSTRING && strcmp(lua_tostring(lua, -1), field->text) == 0;
    case FIELD_BOOL:
        return lua_type(lua, -1) == LUA_TBOOLEAN &&
               (lua_toboolean(lua, -1) != 0) == (field->number > 0);
    case FIELD_NUMBER:
        if (strcmp(field->name, "after") == 0) {
            return ps_lua_to_seconds(lua, -1, &seconds) && fabs(seconds - field->number) < 0.001;
        }
        return ps_lua_to_bytes(lua, -1, &bytes) && (double)bytes >= field->number &&
               (double)bytes <= field->number;
    }
    return false;
}

static void say(const struct decided *decided, char *text, size_t text_size_bytes)
{
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < decided->count && used < text_size_bytes; i++) {
        const struct field *field = &decided->fields[i];
        int written =
            field->kind == FIELD_TEXT ? snprintf(text + used, text_size_bytes - used, "%s%s = '%s'",
                                                 i > 0 ? ", " : "", field->name, field->text)
            : field->kind == FIELD_BOOL
                ? snprintf(text + used, text_size_bytes - used, "%s%s = %s", i > 0 ? ", " : "",
                           field->name, field->number > 0 ? "true" : "false")
                : snprintf(text + used, text_size_bytes - used, "%s%s = %.0f", i > 0 ? ", " : "",
                           field->name, field->number);

        used += written > 0 ? (size_t)written : 0;
    }
}

/* NULL in the end of why: they agree. */
static PS_MAY_RAISE bool agrees(lua_State *lua, int expect, const char *reason,
                                const struct decided *decided, char *why, size_t why_size_bytes)
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

/* --- hooks --- */

static PS_MAY_RAISE struct ps_object_facts object_of(lua_State *lua, int facts,
                                                     struct ps_pairs *labels)
{
    check_keys(lua, facts,
               " url store bucket key name path size_bytes sent_bytes mtime workflow labels ",
               "`facts`");
    pairs_of(lua, facts, "labels", labels);
    return (struct ps_object_facts){
        .url = text_or(lua, facts, "url", ""),
        .store = text_or(lua, facts, "store", ""),
        .bucket = text_or(lua, facts, "bucket", ""),
        .key = text_or(lua, facts, "key", ""),
        .name = text_or(lua, facts, "name", ""),
        .path = text_of(lua, facts, "path"),
        .has_size = has(lua, facts, "size_bytes"),
        .size_bytes = (uint64_t)number_of(lua, facts, "size_bytes"),
        .sent_bytes = (uint64_t)number_of(lua, facts, "sent_bytes"),
        .mtime_unix_s = number_of(lua, facts, "mtime"),
        .workflow = text_of(lua, facts, "workflow"),
        .labels = labels,
    };
}

static const struct ps_origin *first_origin(const struct ps_upload_decision *decision)
{
    for (unsigned i = 0; i < PS_UPLOAD_FIELD_COUNT; i++) {
        if ((decision->set & 1U << i) != 0) {
            return &decision->origins[i];
        }
    }
    return NULL;
}

static void list_upload(const struct ps_upload_decision *decision, struct decided *decided)
{
    if ((decision->set & PS_UPLOAD_FIELD_THRESHOLD) != 0) {
        add_number(decided, "threshold", decision->threshold_bytes);
    }
    if ((decision->set & PS_UPLOAD_FIELD_CONCURRENCY) != 0) {
        add_number(decided, "concurrency", decision->concurrency);
    }
    if ((decision->set & PS_UPLOAD_FIELD_CHECKSUM) != 0) {
        add_text(decided, "checksum", decision->checksum);
    }
    if ((decision->set & PS_UPLOAD_FIELD_STORAGE_CLASS) != 0) {
        add_text(decided, "storage_class", decision->storage_class);
    }
    if ((decision->set & PS_UPLOAD_FIELD_SKIP) != 0) {
        add_bool(decided, "skip", decision->skip);
    }
    decided->origin = first_origin(decision);
}

/* What a hook decided; the decisions live here as long as `decided` points to them. */
struct decisions {
    struct ps_upload_decision upload;
    struct ps_part_size_decision part_size;
    struct ps_retry_decision retry;
    struct ps_reclaim_decision reclaim;
};

static PS_MAY_RAISE void ask_retry(lua_State *lua, const struct runner *runner, int facts,
                                   int64_t now_unix_s, struct decisions *decisions,
                                   struct decided *decided)
{
    struct ps_retry_facts failure = {
        .operation = text_or(lua, facts, "operation", ""),
        .retry_class = text_or(lua, facts, "class", ""),
        .http_status = (int)number_of(lua, facts, "http_status"),
        .store_code = text_or(lua, facts, "store_code", ""),
        .attempt = (uint32_t)number_of(lua, facts, "attempt"),
        .elapsed_ms = (uint64_t)number_of(lua, facts, "elapsed_ms"),
        .has_retry_after = has(lua, facts, "retry_after_ms"),
        .retry_after_ms = (uint64_t)number_of(lua, facts, "retry_after_ms"),
        .part_number = (uint32_t)number_of(lua, facts, "part_number"),
    };

    check_keys(lua, facts,
               " operation class http_status store_code attempt elapsed_ms retry_after_ms "
               "part_number ",
               "`facts`");
    runner->decider.retry(runner->decider.user, &failure, now_unix_s, &decisions->retry);
    decided->origin = of_policy(&decisions->retry.origin);
    if (decided->origin != NULL && decisions->retry.has_after) {
        add_number(decided, "after", decisions->retry.after_ms / 1000);
    } else if (decided->origin != NULL) {
        add_bool(decided, "give_up", decisions->retry.give_up);
    }
}

static PS_MAY_RAISE void ask_reclaim(lua_State *lua, const struct runner *runner, int row,
                                     int facts, int64_t now_unix_s, struct decisions *decisions,
                                     struct decided *decided)
{
    struct ps_pairs labels;
    struct ps_pairs workflow_labels = { 0 };
    struct ps_pairs annotations = { 0 };
    bool has_workflow = lua_getfield(lua, row, "workflow") == LUA_TTABLE;
    int table = lua_gettop(lua);
    struct ps_artifact_facts artifact;
    struct ps_workflow_facts workflow = { 0 };
    struct ps_reclaim_question question = { .artifact = &artifact, .now_unix_s = now_unix_s };

    check_keys(lua, facts,
               " url store key name size_bytes created age_s storage_class labels strategy "
               "node_status event ",
               "`facts`");
    pairs_of(lua, facts, "labels", &labels);
    artifact = (struct ps_artifact_facts){
        .url = text_or(lua, facts, "url", ""),
        .store = text_or(lua, facts, "store", ""),
        .key = text_or(lua, facts, "key", ""),
        .name = text_or(lua, facts, "name", ""),
        .has_size = has(lua, facts, "size_bytes"),
        .size_bytes = (uint64_t)number_of(lua, facts, "size_bytes"),
        .created_unix_s = number_of(lua, facts, "created"),
        .age_s = number_of(lua, facts, "age_s"),
        .storage_class = text_or(lua, facts, "storage_class", ""),
        .labels = &labels,
        .strategy = text_or(lua, facts, "strategy", ""),
        .node_status = text_or(lua, facts, "node_status", ""),
        .event = text_or(lua, facts, "event", "age"),
    };
    if (has_workflow) {
        check_keys(lua, table,
                   " namespace name uid template status created finished deleted newer labels "
                   "annotations ",
                   "`workflow`");
        pairs_of(lua, table, "labels", &workflow_labels);
        pairs_of(lua, table, "annotations", &annotations);
        workflow = (struct ps_workflow_facts){
            .ns = text_or(lua, table, "namespace", ""),
            .name = text_or(lua, table, "name", ""),
            .uid = text_or(lua, table, "uid", ""),
            .template_name = text_or(lua, table, "template", ""),
            .status = text_or(lua, table, "status", ""),
            .created_unix_s = number_of(lua, table, "created"),
            .finished_unix_s = number_of(lua, table, "finished"),
            .deleted_unix_s = number_of(lua, table, "deleted"),
            .newer = (uint32_t)number_of(lua, table, "newer"),
            .labels = &workflow_labels,
            .annotations = &annotations,
        };
        question.workflow = &workflow;
    }
    runner->decider.reclaim(runner->decider.user, &question, &decisions->reclaim);
    decided->origin = of_policy(&decisions->reclaim.origin);
    if (decided->origin == NULL) {
        return;
    }
    add_text(decided, "action", ps_reclaim_action_name(decisions->reclaim.action));
    if (decisions->reclaim.has_after) {
        add_number(decided, "after", decisions->reclaim.after_s);
    }
    if (decisions->reclaim.storage_class[0] != '\0') {
        add_text(decided, "class", decisions->reclaim.storage_class);
    }
}

static PS_MAY_RAISE void ask(lua_State *lua, const struct runner *runner, int row, int facts,
                             struct decisions *decisions, struct decided *decided)
{
    int64_t now_unix_s = number_of(lua, row, "now");
    struct ps_pairs labels;
    struct ps_object_facts object;

    switch (runner->hook) {
    case PS_HOOK_UPLOAD:
        object = object_of(lua, facts, &labels);
        runner->decider.upload(runner->decider.user, &object, now_unix_s, &decisions->upload);
        list_upload(&decisions->upload, decided);
        break;
    case PS_HOOK_PART_SIZE:
        object = object_of(lua, facts, &labels);
        runner->decider.part_size(runner->decider.user, &object, now_unix_s, &decisions->part_size);
        decided->origin = of_policy(&decisions->part_size.origin);
        if (decided->origin != NULL) {
            add_number(decided, "bytes", decisions->part_size.bytes);
        }
        break;
    case PS_HOOK_RETRY:
        ask_retry(lua, runner, facts, now_unix_s, decisions, decided);
        break;
    case PS_HOOK_RECLAIM:
        ask_reclaim(lua, runner, row, facts, now_unix_s, decisions, decided);
        break;
    case PS_HOOK_DOWNLOAD:
    case PS_HOOK_LIFECYCLE:
    case PS_HOOK_COUNT:
        (void)luaL_error(lua, "rows cannot ask `%s` yet", ps_hook_name(runner->hook));
    }
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
    struct decisions decisions;
};

static int run_row(lua_State *lua)
{
    struct one *one = lua_touserdata(lua, 1);
    struct runner *runner = one->runner;
    struct decided decided = { .count = 0 };
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
    name = text_of(lua, row, "name");
    reason = text_of(lua, row, "reason");
    if (name == NULL) {
        return luaL_error(lua, "row %d has no name", (int)runner->row);
    }
    check_keys(lua, row, " name facts workflow now expect reason ", name);
    if (lua_getfield(lua, row, "facts") != LUA_TTABLE) {
        return luaL_error(lua, "row '%s' has no facts", name);
    }
    facts = lua_gettop(lua);
    expect = lua_getfield(lua, row, "expect") == LUA_TTABLE ? lua_gettop(lua) : 0;
    if ((expect != 0) != (reason != NULL)) {
        return luaL_error(lua, "row '%s': `expect` and `reason` go together", name);
    }
    ask(lua, runner, row, facts, &one->decisions, &decided);
    good = agrees(lua, expect, reason, &decided, why, sizeof(why));
    if (faults_of(runner) != faults) {
        good = false;
        ps_str_copy(why, sizeof(why), "the policy failed: its answer was left out");
    }
    runner->report->row_count++;
    runner->report->failed_count += good ? 0 : 1;
    runner->on_row(runner->user, name, good ? NULL : why);
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
    hook = text_or(lua, lua_gettop(lua), "hook", "");
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
    FILE *file = fopen(runner->test_path, "re");
    struct ps_buf text;
    char chunk[4096];
    size_t got_bytes;
    enum ps_code code = PS_OK;

    if (file == NULL) {
        return ps_err_set_errno(err, errno, "%s", runner->test_path);
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
    return ps_err_set(err, PS_E_INVALID, "%s:%s%s", runner->test_path,
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
        ps_upload_decision_clear(&one.decisions.upload);
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

enum ps_code ps_policy_test_run(const struct ps_policy_options *options, const char *policy_path,
                                const char *test_path, ps_policy_row_fn on_row, void *user,
                                struct ps_policy_test_report *report, struct ps_err *err)
{
    struct ps_policy_options one = *options;
    struct runner runner = {
        .test_path = test_path, .report = report, .on_row = on_row, .user = user
    };
    struct ps_lua_limits limits = options->limits;
    enum ps_code code;

    limits.call_ms = ROW_MS;
    memset(report, 0, sizeof(*report));
    one.only_file = policy_path;
    code = ps_policy_set_load(&runner.set, &one, err);
    if (code == PS_OK) {
        ps_policy_set_each(runner.set, note_hooks, report);
        runner.decider = ps_policy_set_decider(runner.set);
    }
    if (code == PS_OK && test_path != NULL) {
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
