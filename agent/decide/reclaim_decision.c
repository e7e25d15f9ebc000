#include "decide/decision.h"

#include "base/str.h"

#include <string.h>

#define LABEL_HOLD "purser/hold"
#define LABEL_AFTER "purser/reclaim-after"

const char *ps_reclaim_action_name(enum ps_reclaim_action action)
{
    switch (action) {
    case PS_ACTION_NONE:
        return "none";
    case PS_ACTION_KEEP:
        return "keep";
    case PS_ACTION_DELETE:
        return "delete";
    case PS_ACTION_ARCHIVE:
        return "archive";
    }
    return "none";
}

static const char *find_in(const struct ps_pairs *pairs, const char *name)
{
    for (size_t i = 0; pairs != NULL && i < pairs->count; i++) {
        if (strcmp(pairs->items[i].name, name) == 0) {
            return pairs->items[i].value;
        }
    }
    return NULL;
}

/* The artifact's own label, else the workflow's, else its annotation. */
static const char *find_label(const struct ps_reclaim_question *question, const char *name)
{
    const char *value = find_in(question->artifact->labels, name);

    if (value == NULL && question->workflow != NULL) {
        value = find_in(question->workflow->labels, name);
    }
    if (value == NULL && question->workflow != NULL) {
        value = find_in(question->workflow->annotations, name);
    }
    return value;
}

static void decide(struct ps_reclaim_decision *out, enum ps_reclaim_action action,
                   const char *reason)
{
    out->action = action;
    ps_str_copy(out->origin.reason, sizeof(out->origin.reason), reason);
}

static void by_strategy(const struct ps_reclaim_question *question, struct ps_reclaim_decision *out)
{
    const char *strategy = question->artifact->strategy;
    const char *event = question->artifact->event;
    const struct ps_workflow_facts *workflow = question->workflow;
    bool deleted = workflow != NULL && workflow->deleted_unix_s != 0;
    bool finished = workflow != NULL && workflow->finished_unix_s != 0;

    if (strcmp(strategy, "Never") == 0 || workflow == NULL) {
        return;
    }
    if (strcmp(event, "cleared") == 0) {
        decide(out, PS_ACTION_DELETE, "the workflow was cleared by hand");
    } else if (strcmp(event, "deleted") == 0 && deleted && strategy[0] != '\0') {
        decide(out, PS_ACTION_DELETE, "the workflow is deleted");
    } else if (strcmp(event, "completed") == 0 && finished &&
               strcmp(strategy, "OnWorkflowCompletion") == 0) {
        decide(out, PS_ACTION_DELETE, "the workflow has finished");
    }
}

void ps_reclaim_decision_init(const struct ps_reclaim_question *question,
                              struct ps_reclaim_decision *out)
{
    const char *hold = find_label(question, LABEL_HOLD);
    const char *after = find_label(question, LABEL_AFTER);
    uint64_t after_ms = 0;

    memset(out, 0, sizeof(*out));
    ps_str_copy(out->origin.policy, sizeof(out->origin.policy), "built-in");
    if (hold != NULL && strcmp(hold, "false") != 0) {
        decide(out, PS_ACTION_KEEP, "label " LABEL_HOLD);
    } else if (after != NULL && !ps_duration_parse(after, &after_ms)) {
        decide(out, PS_ACTION_KEEP, "label " LABEL_AFTER " is no duration");
    } else {
        by_strategy(question, out);
        out->has_after = after != NULL;
        out->after_s = after_ms / 1000;
    }
}

void ps_reclaim_tell_builtin(const struct ps_reclaim_question *question,
                             const struct ps_reclaim_decision *decision)
{
    const struct ps_reclaim_answer answer = {
        .policy = decision->origin.policy,
        .where = "",
        .action = decision->action,
        .has_after = decision->has_after,
        .after_s = decision->after_s,
        .reason = decision->origin.reason,
    };

    if (question->on_answer != NULL) {
        question->on_answer(question->user, &answer);
    }
}
