/* The reclaim hook: keep from anyone wins, and so does a policy that fails. */
#include "tests/unit/lua/policy_rig.h"

TestSuite(reclaim_decider, .timeout = 60);

static const struct ps_pairs labels = { .count = 2, .items = { { "b", "2" }, { "a", "1" } } };

static struct ps_reclaim_decision decide(const char *first, const char *second)
{
    const struct ps_artifact_facts artifact = { .url = "s3://b/logs/a.log",
                                                .store = "s3",
                                                .key = "logs/a.log",
                                                .name = "a.log",
                                                .has_size = true,
                                                .size_bytes = 7,
                                                .created_unix_s = 900,
                                                .age_s = 100,
                                                .storage_class = "",
                                                .labels = &labels,
                                                .strategy = "OnWorkflowDeletion",
                                                .node_status = "Failed",
                                                .event = "completed" };
    const struct ps_workflow_facts workflow = { .ns = "n",
                                                .name = "w",
                                                .uid = "u",
                                                .template_name = "t",
                                                .status = "Failed",
                                                .finished_unix_s = 950,
                                                .newer = 3,
                                                .annotations = &labels };
    const struct ps_reclaim_question question = { .artifact = &artifact,
                                                  .workflow = &workflow,
                                                  .now_unix_s = 1000 };
    struct policy_rig rig;
    struct ps_reclaim_decision decision;
    struct ps_err err = { .code = PS_OK };
    char text[1024];
    int length;

    policy_rig_init(&rig);
    length =
        snprintf(text, sizeof(text),
                 "return { api = 1, name = 'one', reclaim = function(a, w, now) %s end }", first);
    policy_rig_write(&rig, "10-one.lua", text, (size_t)length);
    length =
        snprintf(text, sizeof(text),
                 "return { api = 1, name = 'two', reclaim = function(a, w, now) %s end }", second);
    policy_rig_write(&rig, "20-two.lua", text, (size_t)length);
    cr_assert_eq(policy_rig_load(&rig, &err), PS_OK, "%s", err.message);
    rig.decider.reclaim(rig.decider.user, &question, &decision);
    policy_rig_clear(&rig);
    return decision;
}

#define DELETE "return { action = 'delete', reason = 'd' }"
#define KEEP "return { action = 'keep', reason = 'k' }"

Test(reclaim_decider, keep_from_anyone_wins)
{
    cr_expect_eq(decide("", "").action, PS_ACTION_NONE);
    cr_expect_eq(decide(DELETE, "").action, PS_ACTION_DELETE);
    cr_expect_eq(decide(DELETE, KEEP).action, PS_ACTION_KEEP);
    cr_expect_eq(decide(KEEP, DELETE).action, PS_ACTION_KEEP);
    cr_expect_str_eq(decide(KEEP, DELETE).origin.policy, "one");
    cr_expect_str_eq(decide(KEEP, DELETE).origin.reason, "k");
}

Test(reclaim_decider, the_last_answer_wins_for_each_field)
{
    struct ps_reclaim_decision decision =
        decide(DELETE, "return { after = '7d', reason = 'later' }");

    cr_expect_eq(decision.action, PS_ACTION_DELETE);
    cr_expect_eq(decision.after_s, 7 * 86400);
    decision = decide(DELETE, "return { action = 'archive', class = 'COLD', reason = 'cold' }");
    cr_expect_eq(decision.action, PS_ACTION_ARCHIVE);
    cr_expect_str_eq(decision.storage_class, "COLD");
    cr_expect_str_eq(decision.origin.policy, "two");
}

Test(reclaim_decider, a_policy_that_fails_keeps)
{
    static const char *const faults[] = {
        "error('broken')",
        "while true do end",
        "local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1000) end",
        "return 7",
        "return { action = 'delete' }",
        "return { action = 'destroy', reason = 'x' }",
        "return { reason = 'x' }",
        "return { action = 'delete', after = -1, reason = 'x' }",
        "return { action = 'delete', after = 0/0, reason = 'x' }",
        "return { action = 'delete', after = math.huge, reason = 'x' }",
        "return { action = 'delete', after = 'soon', reason = 'x' }",
        "return { action = 'archive', reason = 'x' }",
        "return { action = 'delete', class = 'COLD', reason = 'x' }",
        "return { action = 'keep', after = '1d', reason = 'x' }",
        "return { action = 'delete', when = 'now', reason = 'x' }",
        "a.key = 'x' return { action = 'delete', reason = 'x' }",
        "w.labels.x = 'x' return { action = 'delete', reason = 'x' }",
    };

    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        struct ps_reclaim_decision decision = decide(faults[i], DELETE);

        cr_expect_eq(decision.action, PS_ACTION_KEEP, "%s", faults[i]);
        cr_expect(decision.faulty, "%s", faults[i]);
        cr_expect_not_null(strstr(decision.origin.reason, "10-one.lua:"), "%s: %s", faults[i],
                           decision.origin.reason);
        cr_expect_eq(decide(DELETE, faults[i]).action, PS_ACTION_KEEP, "%s", faults[i]);
    }
}

Test(reclaim_decider, facts_are_as_documented)
{
    static const char body[] =
        "local seen = {} for k, v in pairs(a) do seen[#seen + 1] = k end "
        "assert(table.concat(seen, ' ') == 'age_s created event key labels name node_status "
        "size_bytes storage_class store strategy url') "
        "local l = {} for k, v in pairs(a.labels) do l[#l + 1] = k .. v end "
        "assert(#l == 2 and a.labels.a == '1' and a.labels.c == nil) "
        "assert(a.url == 's3://b/logs/a.log' and a.key == 'logs/a.log' and a.name == 'a.log') "
        "assert(a.size_bytes == 7 and a.created == 900 and a.age_s == 100 and a.event == "
        "'completed') "
        "assert(w.namespace == 'n' and w.name == 'w' and w.status == 'Failed' and w.newer == 3) "
        "assert(w.finished == 950 and w.deleted == nil and w.annotations.b == '2') "
        "assert(w.template == 't' and next(a) == nil and now == 1000) " DELETE;
    struct ps_reclaim_decision decision = decide(body, "");

    cr_expect_eq(decision.action, PS_ACTION_DELETE, "%s", decision.origin.reason);
    cr_expect(decision.used_newer);
    cr_expect_not(decide(DELETE, "").used_newer);
}

/* What a policy keeps of its arguments shows nothing once it has answered. */
Test(reclaim_decider, kept_facts_are_empty)
{
    struct ps_reclaim_decision decision =
        decide("local k = a return { action = 'delete', reason = tostring(k.url) }", "");

    cr_expect_str_eq(decision.origin.reason, "s3://b/logs/a.log");
}
