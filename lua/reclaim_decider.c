#include "lua/policy_set.h"

#include "base/str.h"
#include "lua/answer.h"
#include "lua/facts_reclaim.h"
#include "lua/policy_internal.h"

#include <string.h>

/* The reclaim hook. It differs from the others: keep from anyone wins, and so does a policy that fails. */

struct asking {
    struct ps_policy_set *set;
    const struct policy *policy;
    struct ps_reclaim_fields fields;
    bool answered;
};

static int ask(lua_State *lua)
{
    struct asking *asking = lua_touserdata(lua, 1);

    (void)lua_rawgeti(lua, LUA_REGISTRYINDEX, asking->policy->refs[PS_HOOK_RECLAIM]);
    ps_facts_push_reclaim(lua, &asking->set->reclaim_facts);
    lua_pushinteger(lua, asking->set->reclaim_facts.question->now_unix_s);
    lua_call(lua, 3, 1);
    if (!lua_isnil(lua, -1)) {
        ps_answer_take_reclaim(lua, &asking->fields);
        asking->answered = true;
    }
    return 0;
}

static void set_origin(const struct ps_policy_set *set, const struct policy *policy,
                       const char *reason, struct ps_origin *origin)
{
    ps_str_copy(origin->policy, sizeof(origin->policy), policy->name);
    ps_policy_where(policy, PS_HOOK_RECLAIM, origin->where, sizeof(origin->where));
    ps_str_copy(origin->reason, sizeof(origin->reason), reason);
    ps_str_copy(origin->digest, sizeof(origin->digest), set->digest);
}

static void take_fault(struct ps_policy_set *set, struct policy *policy, const char *message,
                       struct ps_reclaim_decision *out)
{
    ps_policy_count_fault(set, policy, PS_HOOK_RECLAIM, message);
    if (out->action != PS_ACTION_KEEP) {
        out->action = PS_ACTION_KEEP;
        out->faulty = true;
        set_origin(set, policy, policy->last_fault, &out->origin);
    }
}

static void take_answer(const struct ps_policy_set *set, const struct policy *policy,
                        const struct ps_reclaim_fields *fields, struct ps_reclaim_decision *out)
{
    if (fields->has_after) {
        out->has_after = true;
        out->after_s = fields->after_s;
    }
    if (fields->action == PS_ACTION_NONE || out->action == PS_ACTION_KEEP) {
        return;
    }
    out->action = fields->action;
    ps_str_copy(out->storage_class, sizeof(out->storage_class), fields->storage_class);
    set_origin(set, policy, fields->reason, &out->origin);
}

static void tell(const struct ps_reclaim_question *question, const struct policy *policy,
                 const struct asking *asking, bool faulty)
{
    char where[192];
    const struct ps_reclaim_answer answer = {
        .policy = policy->name,
        .where = where,
        .action = faulty ? PS_ACTION_KEEP : asking->fields.action,
        .has_after = asking->fields.has_after,
        .after_s = asking->fields.after_s,
        .reason = faulty             ? policy->last_fault
                  : asking->answered ? asking->fields.reason
                                     : "",
        .faulty = faulty,
    };

    ps_policy_where(policy, PS_HOOK_RECLAIM, where, sizeof(where));
    question->on_answer(question->user, &answer);
}

static void ask_one(struct ps_policy_set *set, struct policy *policy,
                    const struct ps_reclaim_question *question, struct ps_reclaim_decision *out)
{
    struct asking asking = { .set = set, .policy = policy };
    struct ps_err err;
    bool faulty = ps_lua_protect(&set->host, ask, &asking, &err) != PS_OK;

    if (faulty) {
        take_fault(set, policy, err.message, out);
    } else if (asking.answered) {
        take_answer(set, policy, &asking.fields, out);
    }
    if (question->on_answer != NULL) {
        tell(question, policy, &asking, faulty);
    }
}

void ps_policy_decide_reclaim(void *user, const struct ps_reclaim_question *question,
                              struct ps_reclaim_decision *out)
{
    struct ps_policy_set *set = user;

    ps_reclaim_decision_init(question, out);
    ps_str_copy(out->origin.digest, sizeof(out->origin.digest), set->digest);
    ps_reclaim_tell_builtin(question, out);
    set->reclaim_facts.question = question;
    set->reclaim_facts.used_newer = false;
    for (size_t i = 0; i < set->count; i++) {
        struct policy *policy = &set->policies[i];

        if (out->action == PS_ACTION_KEEP && question->on_answer == NULL) {
            break; /* nothing can change it, and nobody wants to know more */
        }
        if (policy->refs[PS_HOOK_RECLAIM] != LUA_NOREF) {
            ask_one(set, policy, question, out);
        }
    }
    set->reclaim_facts.question = NULL;
    out->used_newer = set->reclaim_facts.used_newer;
}
