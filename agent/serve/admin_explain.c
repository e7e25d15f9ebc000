#include "serve/admin_explain.h"

#include "reclaim/verdict.h"
#include "serve/admin_reclaims.h"
#include "serve/json_text.h"
#include "state/decision_log.h"

#include <string.h>

/** Lines of the log that are told of a URL. */
#define LOG_LINES_MAX 10

struct explain {
    const struct ps_admin_context *context;
    struct ps_reclaim_rules rules;
    const char *url;
    int64_t now_unix_s;
    json_t *answers; /* of the record at hand */
    json_t *records;
    json_t *history;
};

static void on_answer(void *user, const struct ps_reclaim_answer *answer)
{
    struct explain *explain = user;

    (void)json_array_append_new(
        explain->answers,
        json_pack("{s:o, s:o, s:s, s:b, s:o, s:o, s:b}", "policy", ps_json_text(answer->policy),
                  "where", ps_json_text(answer->where), "action",
                  ps_reclaim_action_name(answer->action), "nil",
                  (int)(answer->reason[0] == '\0' && !answer->has_after), "after_s",
                  answer->has_after ? json_integer((json_int_t)answer->after_s) : json_null(),
                  "reason", ps_json_text(answer->reason), "faulty", (int)answer->faulty));
}

static const char *advice(const struct ps_reclaim_item *item,
                          const struct ps_reclaim_decision *decision, bool has_reclaim)
{
    if (item->held) {
        return "a hold keeps it: `purser reclaims release`";
    }
    if (item->other_claims > 0) {
        return "another record claims the object: this one ends first";
    }
    if (decision->faulty) {
        return "the policy that failed: mend it, then `purser reclaims plan`";
    }
    if (decision->action == PS_ACTION_KEEP) {
        return "the policy that says keep; `workflow NS/NAME cleared` asks anew";
    }
    if (decision->action == PS_ACTION_NONE) {
        return "a policy that says delete, --gc, or another event of the workflow";
    }
    return has_reclaim ? "`purser reclaims hold` or `cancel`; another object at the same URL"
                       : "`purser reclaims plan` plans it by the policies of today";
}

/* --- the parts of a record; each adds its members and takes nothing away --- */

static int add_object(json_t *into, const struct ps_reclaim_asked *asked)
{
    const struct ps_artifact *artifact = &asked->artifact;
    json_t *labels = json_object();

    for (size_t i = 0; i < artifact->labels.count; i++) {
        (void)json_object_set_new(labels, artifact->labels.items[i].name,
                                  ps_json_text(artifact->labels.items[i].value));
    }
    return json_object_update_new(
        into,
        json_pack("{s:o, s:I, s:o, s:o, s:o, s:s, s:o}", "url", ps_json_text(artifact->url),
                  "number", (json_int_t)artifact->number, "size_bytes",
                  artifact->has_size ? json_integer((json_int_t)artifact->size_bytes) : json_null(),
                  "etag", ps_json_text(artifact->etag), "created",
                  ps_json_time(artifact->created_unix_s * 1000), "strategy",
                  asked->artifact_facts.strategy, "labels", labels));
}

static int add_workflow(json_t *into, const struct ps_reclaim_asked *asked)
{
    const struct ps_workflow *workflow = &asked->workflow;

    if (!asked->has_workflow) {
        return json_object_set_new(into, "workflow", json_null());
    }
    return json_object_update_new(
        into,
        json_pack("{s:o, s:o, s:o, s:o, s:o}", "workflow",
                  json_sprintf("%s/%s", workflow->ns, workflow->name), "workflow_uid",
                  ps_json_text(workflow->uid), "workflow_status", ps_json_text(workflow->status),
                  "workflow_finished", ps_json_time(workflow->finished_unix_s * 1000),
                  "workflow_deleted", ps_json_time(workflow->deleted_unix_s * 1000)));
}

static int add_decision(json_t *into, const struct explain *explain,
                        const struct ps_reclaim_item *item,
                        const struct ps_reclaim_decision *decision, int64_t due_unix_s)
{
    bool removes = decision->action == PS_ACTION_DELETE || decision->action == PS_ACTION_ARCHIVE;

    return json_object_update_new(
        into,
        json_pack("{s:o, s:I, s:s, s:O, s:s, s:o, s:o, s:s, s:o, s:o}", "now",
                  ps_json_time(explain->now_unix_s * 1000), "now_unix_s",
                  (json_int_t)explain->now_unix_s, "event", ps_reclaim_event_name(item->event),
                  "answers", explain->answers, "action", ps_reclaim_action_name(decision->action),
                  "policy", ps_json_text(decision->origin.policy), "reason",
                  ps_json_text(decision->origin.reason), "digest", explain->context->policy_digest,
                  "due", ps_json_time(removes ? due_unix_s * 1000 : 0), "due_unix_s",
                  removes ? json_integer((json_int_t)due_unix_s) : json_null()));
}

/* It is asked again before anything is done; until then its due time is that of the policies before. */
static bool is_outdated(const struct explain *explain, const struct ps_reclaim *reclaim)
{
    return reclaim->policy[0] != '\0' &&
           strcmp(reclaim->digest, explain->context->policy_digest) != 0;
}

static int add_plan(json_t *into, const struct explain *explain, const struct ps_reclaim_item *item)
{
    struct ps_reclaim reclaim;

    if (!ps_reclaim_item_reclaim(item, &reclaim)) {
        return json_object_update_new(into, json_pack("{s:s, s:s, s:s}", "state", "",
                                                      "state_reason", "", "planned_digest", ""));
    }
    return json_object_update_new(
        into, json_pack("{s:s, s:o, s:o, s:s, s:o, s:o, s:b}", "state",
                        ps_reclaim_state_name(reclaim.state), "state_policy",
                        ps_json_text(reclaim.policy), "state_reason", ps_json_text(reclaim.reason),
                        "planned_digest", reclaim.digest, "planned_at",
                        ps_json_time(reclaim.decided_unix_s * 1000), "planned_due",
                        ps_json_time(reclaim.due_unix_s * 1000), "outdated",
                        (int)is_outdated(explain, &reclaim)));
}

static int add_holds(json_t *into, const struct ps_reclaim_item *item,
                     const struct ps_reclaim_decision *decision)
{
    struct ps_reclaim reclaim;

    return json_object_update_new(
        into, json_pack("{s:b, s:o, s:o, s:I, s:o, s:s}", "held", (int)item->held, "hold_why",
                        item->held ? ps_json_text(item->hold_why) : json_null(), "hold_until",
                        item->held ? ps_json_time(item->hold_until_unix_s * 1000) : json_null(),
                        "other_claims", (json_int_t)item->other_claims, "other_workflow",
                        ps_json_text(item->other_workflow), "would_change",
                        advice(item, decision, ps_reclaim_item_reclaim(item, &reclaim))));
}

/* --- records and history --- */

static enum ps_code explain_item(struct explain *explain, const struct ps_reclaim_item *item,
                                 struct ps_err *err)
{
    struct ps_reclaim_asked asked;
    struct ps_reclaim_decision decision;
    json_t *record;
    int64_t due_unix_s;
    int rc;

    if (!ps_reclaim_ask_init(&asked, item, &explain->rules, item->event, explain->now_unix_s)) {
        return PS_OK;
    }
    record = json_object();
    explain->answers = json_array();
    asked.question.on_answer = on_answer;
    asked.question.user = explain;
    ps_reclaim_ask(&asked, &explain->rules, &decision);
    due_unix_s = ps_reclaim_base_unix_s(&asked, item->event) + (int64_t)decision.after_s;
    rc = add_object(record, &asked) | add_workflow(record, &asked) |
         add_decision(record, explain, item, &decision, due_unix_s) |
         add_plan(record, explain, item) | add_holds(record, item, &decision);
    json_decref(explain->answers);
    explain->answers = NULL;
    rc |= json_array_append_new(explain->records, record);
    return rc == 0 ? PS_OK : ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
}

static bool add_logged(void *user, const struct ps_decision_entry *entry)
{
    struct explain *explain = user;

    if (strcmp(entry->url, explain->url) != 0) {
        return true;
    }
    return json_array_size(explain->history) < LOG_LINES_MAX &&
           json_array_append_new(explain->history, ps_admin_decision_json(entry)) == 0;
}

static enum ps_code explain_url(struct explain *explain, struct ps_err *err)
{
    struct ps_decision_query query = { .newest_first = true };
    struct ps_reclaim_batch batch = { 0 };
    struct ps_state *state = explain->context->state;
    enum ps_code code = ps_reclaim_take_url(state, explain->url, explain->now_unix_s, &batch, err);

    for (size_t i = 0; i < batch.count && code == PS_OK; i++) {
        code = explain_item(explain, &batch.items[i], err);
    }
    if (code == PS_OK) {
        code = ps_decision_each(state, &query, add_logged, explain, NULL, err);
    }
    if (code == PS_OK && batch.count == 0 && json_array_size(explain->history) == 0) {
        code = ps_err_set(err, PS_E_NOT_FOUND,
                          "%s: no artifact is recorded under this URL (put --workflow does)",
                          explain->url);
    }
    ps_reclaim_batch_clear(&batch);
    return code;
}

enum ps_code ps_admin_explain(const struct ps_admin_context *context,
                              const struct ps_target *target, json_t **json_out, struct ps_err *err)
{
    struct explain explain = {
        .context = context,
        .rules = context->rules(context->user),
        .url = ps_target_arg(target, "url"),
        .records = json_array(),
        .history = json_array(),
    };
    enum ps_code code = ps_admin_now(context, target, &explain.now_unix_s, err);

    if (code == PS_OK && (explain.url == NULL || explain.url[0] == '\0')) {
        code = ps_err_set(err, PS_E_INVALID, "url=: write s3://BUCKET/KEY");
    }
    if (code == PS_OK) {
        code = explain.records != NULL && explain.history != NULL
                   ? explain_url(&explain, err)
                   : ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    if (code == PS_OK) {
        *json_out = json_pack("{s:O, s:O}", "records", explain.records, "history", explain.history);
    }
    json_decref(explain.records);
    json_decref(explain.history);
    return code;
}
