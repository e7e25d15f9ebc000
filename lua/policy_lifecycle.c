#include "lua/policy_internal.h"

#include "lua/lifecycle_rows.h"

#include <stdio.h>

struct walk {
    struct policy *policy;
    struct ps_lifecycle_rule rule;
    ps_lifecycle_rule_fn each;
    void *user;
    bool stopped;
};

static bool on_rule(void *user, const struct ps_lifecycle_rule *rule)
{
    struct walk *walk = user;

    ps_policy_where(walk->policy, PS_HOOK_LIFECYCLE, walk->rule.where, sizeof(walk->rule.where));
    walk->stopped = !walk->each(walk->user, rule);
    return !walk->stopped;
}

/* Runs protected. */
static int run_walk(lua_State *lua)
{
    struct walk *walk = lua_touserdata(lua, 1);

    (void)lua_rawgeti(lua, LUA_REGISTRYINDEX, walk->policy->refs[PS_HOOK_LIFECYCLE]);
    ps_lifecycle_rows_take(lua, walk->policy->name, &walk->rule, on_rule, walk);
    return 0;
}

enum ps_code ps_policy_set_lifecycle(struct ps_policy_set *set, ps_lifecycle_rule_fn each,
                                     void *user, struct ps_err *err)
{
    struct walk walk = { .each = each, .user = user };
    enum ps_code code = PS_OK;

    for (size_t i = 0; i < set->count && code == PS_OK && !walk.stopped; i++) {
        walk.policy = &set->policies[i];
        if (walk.policy->refs[PS_HOOK_LIFECYCLE] != LUA_NOREF) {
            code = ps_lua_protect(&set->host, run_walk, &walk, err);
        }
    }
    return code;
}
