#include "lua/policy_test_internal.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

PS_MAY_RAISE void ps_policy_row_check_keys(lua_State *lua, int table, const char *known,
                                           const char *what)
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

PS_MAY_RAISE const char *ps_policy_row_text_of(lua_State *lua, int table, const char *name)
{
    const char *text;

    (void)lua_getfield(lua, table, name);
    text = lua_type(lua, -1) == LUA_TSTRING ? lua_tostring(lua, -1) : NULL;
    lua_pop(lua, 1);
    return text;
}

PS_MAY_RAISE const char *ps_policy_row_text_or(lua_State *lua, int table, const char *name,
                                               const char *otherwise)
{
    const char *text = ps_policy_row_text_of(lua, table, name);

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

static void add_number(struct ps_policy_decided *decided, const char *name, uint64_t value)
{
    decided->fields[decided->count++] = (struct ps_policy_field){ .name = name,
                                                                  .kind = PS_POLICY_FIELD_NUMBER,
                                                                  .number = (double)value };
}

static void add_text(struct ps_policy_decided *decided, const char *name, const char *text)
{
    decided->fields[decided->count++] =
        (struct ps_policy_field){ .name = name, .kind = PS_POLICY_FIELD_TEXT, .text = text };
}

static void add_bool(struct ps_policy_decided *decided, const char *name, bool value)
{
    decided->fields[decided->count++] = (struct ps_policy_field){ .name = name,
                                                                  .kind = PS_POLICY_FIELD_BOOL,
                                                                  .number = value ? 1 : 0 };
}

static const struct ps_origin *of_policy(const struct ps_origin *origin)
{
    return strcmp(origin->policy, "built-in") != 0 ? origin : NULL;
}

/* --- hooks --- */

static PS_MAY_RAISE struct ps_object_facts object_of(lua_State *lua, int facts,
                                                     struct ps_pairs *labels)
{
    ps_policy_row_check_keys(
        lua, facts, " url store bucket key name path size_bytes sent_bytes mtime workflow labels ",
        "`facts`");
    pairs_of(lua, facts, "labels", labels);
    return (struct ps_object_facts){
        .url = ps_policy_row_text_or(lua, facts, "url", ""),
        .store = ps_policy_row_text_or(lua, facts, "store", ""),
        .bucket = ps_policy_row_text_or(lua, facts, "bucket", ""),
        .key = ps_policy_row_text_or(lua, facts, "key", ""),
        .name = ps_policy_row_text_or(lua, facts, "name", ""),
        .path = ps_policy_row_text_of(lua, facts, "path"),
        .has_size = has(lua, facts, "size_bytes"),
        .size_bytes = (uint64_t)number_of(lua, facts, "size_bytes"),
        .sent_bytes = (uint64_t)number_of(lua, facts, "sent_bytes"),
        .mtime_unix_s = number_of(lua, facts, "mtime"),
        .workflow = ps_policy_row_text_of(lua, facts, "workflow"),
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

static void list_upload(const struct ps_upload_decision *decision,
                        struct ps_policy_decided *decided)
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

static PS_MAY_RAISE void ask_retry(lua_State *lua, const struct ps_decider *decider, int facts,
                                   int64_t now_unix_s, struct ps_policy_decided *decided)
{
    struct ps_retry_facts failure = {
        .operation = ps_policy_row_text_or(lua, facts, "operation", ""),
        .retry_class = ps_policy_row_text_or(lua, facts, "class", ""),
        .http_status = (int)number_of(lua, facts, "http_status"),
        .store_code = ps_policy_row_text_or(lua, facts, "store_code", ""),
        .attempt = (uint32_t)number_of(lua, facts, "attempt"),
        .elapsed_ms = (uint64_t)number_of(lua, facts, "elapsed_ms"),
        .has_retry_after = has(lua, facts, "retry_after_ms"),
        .retry_after_ms = (uint64_t)number_of(lua, facts, "retry_after_ms"),
        .part_number = (uint32_t)number_of(lua, facts, "part_number"),
    };

    ps_policy_row_check_keys(
        lua, facts,
        " operation class http_status store_code attempt elapsed_ms retry_after_ms "
        "part_number ",
        "`facts`");
    decider->retry(decider->user, &failure, now_unix_s, &decided->retry);
    decided->origin = of_policy(&decided->retry.origin);
    if (decided->origin != NULL && decided->retry.has_after) {
        add_number(decided, "after", decided->retry.after_ms / 1000);
    } else if (decided->origin != NULL) {
        add_bool(decided, "give_up", decided->retry.give_up);
    }
}

static PS_MAY_RAISE struct ps_artifact_facts artifact_of(lua_State *lua, int facts,
                                                         struct ps_pairs *labels)
{
    ps_policy_row_check_keys(
        lua, facts,
        " url store key name size_bytes created age_s storage_class labels strategy "
        "node_status event ",
        "`facts`");
    pairs_of(lua, facts, "labels", labels);
    return (struct ps_artifact_facts){
        .url = ps_policy_row_text_or(lua, facts, "url", ""),
        .store = ps_policy_row_text_or(lua, facts, "store", ""),
        .key = ps_policy_row_text_or(lua, facts, "key", ""),
        .name = ps_policy_row_text_or(lua, facts, "name", ""),
        .has_size = has(lua, facts, "size_bytes"),
        .size_bytes = (uint64_t)number_of(lua, facts, "size_bytes"),
        .created_unix_s = number_of(lua, facts, "created"),
        .age_s = number_of(lua, facts, "age_s"),
        .storage_class = ps_policy_row_text_or(lua, facts, "storage_class", ""),
        .labels = labels,
        .strategy = ps_policy_row_text_or(lua, facts, "strategy", ""),
        .node_status = ps_policy_row_text_or(lua, facts, "node_status", ""),
        .event = ps_policy_row_text_or(lua, facts, "event", "age"),
    };
}

static PS_MAY_RAISE struct ps_workflow_facts
workflow_of(lua_State *lua, int table, struct ps_pairs *labels, struct ps_pairs *annotations)
{
    ps_policy_row_check_keys(
        lua, table,
        " namespace name uid template status created finished deleted newer labels "
        "annotations ",
        "`workflow`");
    pairs_of(lua, table, "labels", labels);
    pairs_of(lua, table, "annotations", annotations);
    return (struct ps_workflow_facts){
        .ns = ps_policy_row_text_or(lua, table, "namespace", ""),
        .name = ps_policy_row_text_or(lua, table, "name", ""),
        .uid = ps_policy_row_text_or(lua, table, "uid", ""),
        .template_name = ps_policy_row_text_or(lua, table, "template", ""),
        .status = ps_policy_row_text_or(lua, table, "status", ""),
        .created_unix_s = number_of(lua, table, "created"),
        .finished_unix_s = number_of(lua, table, "finished"),
        .deleted_unix_s = number_of(lua, table, "deleted"),
        .newer = (uint32_t)number_of(lua, table, "newer"),
        .labels = labels,
        .annotations = annotations,
    };
}

static PS_MAY_RAISE void ask_reclaim(lua_State *lua, const struct ps_decider *decider, int row,
                                     int facts, int64_t now_unix_s,
                                     struct ps_policy_decided *decided)
{
    struct ps_pairs labels;
    struct ps_pairs workflow_labels = { 0 };
    struct ps_pairs annotations = { 0 };
    bool has_workflow = lua_getfield(lua, row, "workflow") == LUA_TTABLE;
    int table = lua_gettop(lua);
    struct ps_artifact_facts artifact = artifact_of(lua, facts, &labels);
    struct ps_workflow_facts workflow;
    struct ps_reclaim_question question = { .artifact = &artifact, .now_unix_s = now_unix_s };

    if (has_workflow) {
        workflow = workflow_of(lua, table, &workflow_labels, &annotations);
        question.workflow = &workflow;
    }
    decider->reclaim(decider->user, &question, &decided->reclaim);
    decided->origin = of_policy(&decided->reclaim.origin);
    if (decided->origin == NULL) {
        return;
    }
    add_text(decided, "action", ps_reclaim_action_name(decided->reclaim.action));
    if (decided->reclaim.has_after) {
        add_number(decided, "after", decided->reclaim.after_s);
    }
    if (decided->reclaim.storage_class[0] != '\0') {
        add_text(decided, "class", decided->reclaim.storage_class);
    }
}

PS_MAY_RAISE void ps_policy_row_ask(lua_State *lua, const struct ps_decider *decider,
                                    enum ps_hook hook, int row, int facts,
                                    struct ps_policy_decided *decided)
{
    int64_t now_unix_s = number_of(lua, row, "now");
    struct ps_pairs labels;
    struct ps_object_facts object;

    switch (hook) {
    case PS_HOOK_UPLOAD:
        object = object_of(lua, facts, &labels);
        decider->upload(decider->user, &object, now_unix_s, &decided->upload);
        list_upload(&decided->upload, decided);
        break;
    case PS_HOOK_PART_SIZE:
        object = object_of(lua, facts, &labels);
        decider->part_size(decider->user, &object, now_unix_s, &decided->part_size);
        decided->origin = of_policy(&decided->part_size.origin);
        if (decided->origin != NULL) {
            add_number(decided, "bytes", decided->part_size.bytes);
        }
        break;
    case PS_HOOK_RETRY:
        ask_retry(lua, decider, facts, now_unix_s, decided);
        break;
    case PS_HOOK_RECLAIM:
        ask_reclaim(lua, decider, row, facts, now_unix_s, decided);
        break;
    case PS_HOOK_DOWNLOAD:
    case PS_HOOK_LIFECYCLE:
    case PS_HOOK_COUNT:
        (void)luaL_error(lua, "rows cannot ask `%s` yet", ps_hook_name(hook));
    }
}
