/* The built-in answer: strategies as Argo Workflows defines artifactGC, and labels. */
#include "decide/decision.h"

#include <criterion/criterion.h>

TestSuite(reclaim_decision, .timeout = 10);

struct row {
    const char *strategy;
    const char *event;
    int64_t finished;
    int64_t deleted;
    enum ps_reclaim_action action;
};

Test(reclaim_decision, strategies)
{
    static const struct row rows[] = {
        { "OnWorkflowCompletion", "completed", 5, 0, PS_ACTION_DELETE },
        { "OnWorkflowCompletion", "completed", 0, 0, PS_ACTION_NONE }, /* it runs again */
        { "OnWorkflowCompletion", "deleted", 0, 6, PS_ACTION_DELETE },
        { "OnWorkflowCompletion", "age", 5, 6, PS_ACTION_NONE },
        { "OnWorkflowDeletion", "completed", 5, 0, PS_ACTION_NONE },
        { "OnWorkflowDeletion", "deleted", 5, 6, PS_ACTION_DELETE },
        { "OnWorkflowDeletion", "deleted", 5, 0, PS_ACTION_NONE },
        { "OnWorkflowDeletion", "cleared", 0, 0, PS_ACTION_DELETE },
        { "Never", "completed", 5, 0, PS_ACTION_NONE },
        { "Never", "deleted", 5, 6, PS_ACTION_NONE },
        { "Never", "cleared", 5, 6, PS_ACTION_NONE },
        { "", "completed", 5, 0, PS_ACTION_NONE },
        { "", "deleted", 5, 6, PS_ACTION_NONE },
        { "", "cleared", 0, 0, PS_ACTION_DELETE },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct ps_artifact_facts artifact = { .strategy = rows[i].strategy,
                                                    .event = rows[i].event };
        const struct ps_workflow_facts workflow = { .finished_unix_s = rows[i].finished,
                                                    .deleted_unix_s = rows[i].deleted };
        const struct ps_reclaim_question question = { .artifact = &artifact,
                                                      .workflow = &workflow };
        const struct ps_reclaim_question alone = { .artifact = &artifact };
        struct ps_reclaim_decision decision;

        ps_reclaim_decision_init(&question, &decision);
        cr_expect_eq(decision.action, rows[i].action, "%s %s", rows[i].strategy, rows[i].event);
        ps_reclaim_decision_init(&alone, &decision);
        cr_expect_eq(decision.action, PS_ACTION_NONE, "%s %s", rows[i].strategy, rows[i].event);
    }
}

static struct ps_reclaim_decision with_label(const char *name, const char *value)
{
    const struct ps_pairs labels = { .count = 1, .items = { { name, value } } };
    const struct ps_artifact_facts artifact = { .strategy = "OnWorkflowCompletion",
                                                .event = "completed" };
    const struct ps_workflow_facts workflow = { .finished_unix_s = 5, .annotations = &labels };
    const struct ps_reclaim_question question = { .artifact = &artifact, .workflow = &workflow };
    struct ps_reclaim_decision decision;

    ps_reclaim_decision_init(&question, &decision);
    return decision;
}

Test(reclaim_decision, labels)
{
    cr_expect_eq(with_label("purser/hold", "true").action, PS_ACTION_KEEP);
    cr_expect_eq(with_label("purser/hold", "").action, PS_ACTION_KEEP);
    cr_expect_eq(with_label("purser/hold", "false").action, PS_ACTION_DELETE);
    cr_expect_eq(with_label("purser/reclaim-after", "7d").action, PS_ACTION_DELETE);
    cr_expect_eq(with_label("purser/reclaim-after", "7d").after_s, 7 * 86400);
    cr_expect_eq(with_label("purser/reclaim-after", "soon").action, PS_ACTION_KEEP);
    cr_expect_eq(with_label("other", "7d").after_s, 0);
}
