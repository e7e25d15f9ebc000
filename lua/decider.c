#include "lua/policy_set.h"

#include "base/str.h"
#include "lua/answer.h"
#include "lua/facts.h"
#include "lua/policy_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One question to one policy. Everything that may raise happens in ask(), which runs protected. */
struct question {
    struct policy *policy;
    enum ps_hook hook;
    const struct ps_object_facts *object;
    const struct ps_retry_facts *failure;
    const struct ps_download_facts *request;
    int64_t now_unix_s;
    struct ps_origin origin;
    struct ps_upload_decision *upload;
    size_t *text_used;
    struct ps_part_size_decision *part_size;
    struct ps_retry_decision *retry;
    struct ps_download_decision *download;
    bool answered;
};

static int ask(lua_State *lua)
{
    struct question *question = lua_touserdata(lua, 1);

    (void)lua_rawgeti(lua, LUA_REGISTRYINDEX, question->policy->refs[question->hook]);
    if (question->failure != NULL) {
        ps_facts_push_retry(lua, question->failure);
    } else if (question->request != NULL) {
        ps_facts_push_download(lua, question->request);
    } else {
        ps_facts_push_object(lua, question->object);
    }
    lua_pushinteger(lua, question->now_unix_s);
    lua_call(lua, 2, 1);
    if (lua_isnil(lua, -1)) {
        return 0; /* no opinion */
    }
    if (question->upload != NULL) {
        ps_answer_take_upload(lua, &question->origin, question->upload, question->text_used);
    } else if (question->part_size != NULL) {
        ps_answer_take_part_size(lua, &question->origin, question->part_size);
    } else if (question->download != NULL) {
        ps_answer_take_download(lua, &question->origin, question->download);
    } else {
        ps_answer_take_retry(lua, &question->origin, question->retry);
    }
    question->answered = true;
    return 0;
}

void ps_policy_where(const struct policy *policy, enum ps_hook hook, char *where,
                     size_t where_size_bytes)
{
    char line[16];
    size_t length = strlen(policy->path);
    size_t line_length = (size_t)snprintf(line, sizeof(line), ":%d", policy->lines[hook]);
    size_t room = where_size_bytes - line_length - 1;
    bool cut = length > room;

    (void)snprintf(where, where_size_bytes, "%s%s%s", cut ? "..." : "",
                   policy->path + (cut ? length - room + 3 : 0), line);
}

void ps_policy_count_fault(struct ps_policy_set *set, struct policy *policy, enum ps_hook hook,
                           const char *message)
{
    policy->fault_count++;
    ps_policy_locate(policy, policy->lines[hook], message, policy->last_fault,
                     sizeof(policy->last_fault));
    ps_log(set->log, PS_LOG_WARN, "policy", "%s: its answer is left out: %s", ps_hook_name(hook),
           policy->last_fault);
}

/* False: the policy has no such hook, no opinion, or failed, which is counted. */
static bool put_question(struct ps_policy_set *set, struct question *question)
{
    struct policy *policy = question->policy;
    struct ps_err err;

    if (policy->refs[question->hook] == LUA_NOREF) {
        return false;
    }
    question->answered = false;
    memset(&question->origin, 0, sizeof(question->origin));
    ps_str_copy(question->origin.policy, sizeof(question->origin.policy), policy->name);
    ps_policy_where(policy, question->hook, question->origin.where, sizeof(question->origin.where));
    ps_str_copy(question->origin.digest, sizeof(question->origin.digest), set->digest);
    if (ps_lua_protect(&set->host, ask, question, &err) != PS_OK) {
        ps_policy_count_fault(set, policy, question->hook, err.message);
        return false;
    }
    return question->answered;
}

static void decide_upload(void *user, const struct ps_object_facts *object, int64_t now_unix_s,
                          struct ps_upload_decision *out)
{
    struct ps_policy_set *set = user;
    size_t text_used = 0;

    ps_upload_decision_init(out);
    for (size_t i = 0; i < set->count; i++) {
        struct ps_upload_decision next = *out;
        size_t next_used = text_used;
        struct question question = {
            .policy = &set->policies[i],
            .hook = PS_HOOK_UPLOAD,
            .object = object,
            .now_unix_s = now_unix_s,
            .upload = &next,
            .text_used = &next_used,
        };

        if (next.text == NULL && set->policies[i].refs[PS_HOOK_UPLOAD] != LUA_NOREF) {
            next.text = malloc(PS_ANSWER_TEXT_MAX);
            out->text = next.text;
            if (next.text == NULL) {
                return; /* the answers so far stand */
            }
        }
        if (put_question(set, &question)) {
            *out = next; /* whole answers only: one with a fault changes nothing */
            text_used = next_used;
        }
    }
}

static void decide_part_size(void *user, const struct ps_object_facts *object, int64_t now_unix_s,
                             struct ps_part_size_decision *out)
{
    struct ps_policy_set *set = user;

    ps_part_size_decision_init(object, out);
    for (size_t i = 0; i < set->count; i++) {
        struct ps_part_size_decision next = *out;
        struct question question = {
            .policy = &set->policies[i],
            .hook = PS_HOOK_PART_SIZE,
            .object = object,
            .now_unix_s = now_unix_s,
            .part_size = &next,
        };

        if (put_question(set, &question)) {
            *out = next;
        }
    }
}

static void decide_retry(void *user, const struct ps_retry_facts *failure, int64_t now_unix_s,
                         struct ps_retry_decision *out)
{
    struct ps_policy_set *set = user;

    ps_retry_decision_init(failure, out);
    for (size_t i = 0; i < set->count; i++) {
        struct ps_retry_decision next = *out;
        struct question question = {
            .policy = &set->policies[i],
            .hook = PS_HOOK_RETRY,
            .failure = failure,
            .now_unix_s = now_unix_s,
            .retry = &next,
        };

        if (put_question(set, &question)) {
            *out = next;
        }
    }
}

/* A policy that fails may have been the one to say no: it counts as deny, and deny from anyone wins. */
static void decide_download(void *user, const struct ps_download_facts *request, int64_t now_unix_s,
                            struct ps_download_decision *out)
{
    struct ps_policy_set *set = user;

    ps_download_decision_init(out);
    for (size_t i = 0; i < set->count; i++) {
        struct policy *policy = &set->policies[i];
        uint64_t fault_count = policy->fault_count;
        struct ps_download_decision next = *out;
        struct question question = {
            .policy = policy,
            .hook = PS_HOOK_DOWNLOAD,
            .request = request,
            .now_unix_s = now_unix_s,
            .download = &next,
        };

        if (put_question(set, &question)) {
            *out = next;
        } else if (policy->fault_count != fault_count) {
            out->origin = question.origin;
            ps_str_copy(out->origin.reason, sizeof(out->origin.reason), "the policy failed");
            out->has_action = true;
            out->action = PS_DOWNLOAD_DENY;
        }
        if (out->action == PS_DOWNLOAD_DENY) {
            return;
        }
    }
}

static bool has_hook(const struct ps_policy_set *set, enum ps_hook hook)
{
    for (size_t i = 0; i < set->count; i++) {
        if (set->policies[i].refs[hook] != LUA_NOREF) {
            return true;
        }
    }
    return false;
}

struct ps_decider ps_policy_set_decider(struct ps_policy_set *set)
{
    if (set->count == 0) {
        return *ps_decider_builtin();
    }
    return (struct ps_decider){
        .user = set,
        .upload = decide_upload,
        .part_size = decide_part_size,
        .retry = decide_retry,
        .asks_download = has_hook(set, PS_HOOK_DOWNLOAD),
        .download = decide_download,
        .asks_reclaim = has_hook(set, PS_HOOK_RECLAIM),
        .reclaim = ps_policy_decide_reclaim,
    };
}
