#include "cli/explain.h"

#include "cli/app.h"
#include "cli/output.h"
#include "cli/reclaim_cli.h"
#include "reclaim/verdict.h"

#include "base/str.h"
#include "state/decision_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* explain URL: the record, every policy asked and its answer, who won, and what would change it. */

/** Lines of the log that are told of a URL. */
#define LOG_LINES_MAX 10

struct explain {
    struct ps_app *app;
    const char *url;
    int64_t now_unix_s;
    bool json;
    json_t *answers; /* JSON only, as all below */
    json_t *records; /* NULL: they are printed */
    json_t *history;
    unsigned log_count;
};

/* Into the list, or on standard output. */
static void hand_out(json_t *list, const char *type, json_t *object)
{
    if (list != NULL) {
        (void)json_array_append_new(list, object);
    } else {
        ps_output_json(type, &object);
    }
}

static const char *or_dash(const char *text)
{
    return text[0] != '\0' ? text : "-";
}

static void print_time(const char *label, int64_t unix_s)
{
    char text[32];

    if (unix_s != 0) {
        (void)printf("  %-14s %s\n", label, ps_output_time(unix_s * 1000, text));
    }
}

/* --- the record --- */

static void print_labels(const char *label, const struct ps_labels *labels)
{
    for (size_t i = 0; i < labels->count; i++) {
        (void)printf("  %-14s %s=%s\n", i == 0 ? label : "", labels->items[i].name,
                     labels->items[i].value);
    }
}

static void print_record(const struct ps_reclaim_asked *asked)
{
    const struct ps_artifact *artifact = &asked->artifact;
    char size[16] = "-";

    if (artifact->has_size) {
        (void)ps_size_format(artifact->size_bytes, size, sizeof(size));
    }
    (void)printf("artifact %" PRIu64 "\n  %-14s %s, ETag %s\n", artifact->number, "object", size,
                 or_dash(artifact->etag));
    print_time("created", artifact->created_unix_s);
    (void)printf("  %-14s %s\n", "strategy", or_dash(asked->artifact_facts.strategy));
    print_labels("labels", &artifact->labels);
    if (asked->has_workflow) {
        (void)printf("  %-14s %s/%s%s%s, %s\n", "workflow", asked->workflow.ns,
                     asked->workflow.name, asked->workflow.uid[0] != '\0' ? " " : "",
                     asked->workflow.uid, or_dash(asked->workflow.status));
        print_time("finished", asked->workflow.finished_unix_s);
        print_time("deleted", asked->workflow.deleted_unix_s);
    }
}

/* --- the answers --- */

static void on_answer(void *user, const struct ps_reclaim_answer *answer)
{
    struct explain *explain = user;
    char after[32] = "";

    if (explain->json) {
        (void)json_array_append_new(explain->answers,
                                    json_pack("{s:s, s:o, s:s, s:o, s:b}", "policy", answer->policy,
                                              "where", ps_output_text(answer->where), "action",
                                              ps_reclaim_action_name(answer->action), "reason",
                                              ps_output_text(answer->reason), "faulty",
                                              (int)answer->faulty));
        return;
    }
    if (answer->has_after) {
        (void)ps_reclaim_span((int64_t)answer->after_s, after);
    }
    (void)printf("    %-16s %-8s%s%s%s%s\n", answer->policy,
                 answer->reason[0] == '\0' && !answer->has_after
                     ? "nil"
                     : ps_reclaim_action_name(answer->action),
                 after[0] != '\0' ? " after " : "", after, answer->reason[0] != '\0' ? ": " : "",
                 answer->reason);
    if (answer->where[0] != '\0') {
        (void)printf("      %s%s\n", answer->where, answer->faulty ? " FAULT: kept" : "");
    }
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

/* It is asked again before anything is done; until then its due time is that of the policies before. */
static bool is_outdated(const struct explain *explain, const struct ps_reclaim *reclaim)
{
    return reclaim->policy[0] != '\0' && strcmp(reclaim->digest, explain->app->policy_digest) != 0;
}

static void print_verdict(const struct explain *explain, const struct ps_reclaim_item *item,
                          const struct ps_reclaim_decision *decision, int64_t due_unix_s)
{
    struct ps_reclaim reclaim;
    bool has_reclaim = ps_reclaim_item_reclaim(item, &reclaim);
    char text[32];
    char span[32];

    (void)printf("  %-14s %s by %s: %s\n", "would be", ps_reclaim_action_name(decision->action),
                 decision->origin.policy, or_dash(decision->origin.reason));
    if (decision->action == PS_ACTION_DELETE || decision->action == PS_ACTION_ARCHIVE) {
        (void)printf("  %-14s %s (%s%s)\n", "due", ps_output_time(due_unix_s * 1000, text),
                     due_unix_s > explain->now_unix_s ? "in " : "for ",
                     ps_reclaim_span(due_unix_s - explain->now_unix_s, span));
    }
    if (has_reclaim) {
        (void)printf(
            "  %-14s %s since %s: %s %s\n", "on record", ps_reclaim_state_name(reclaim.state),
            ps_output_time(reclaim.decided_unix_s * 1000, text), reclaim.policy, reclaim.reason);
        print_time("due on record", reclaim.due_unix_s);
        if (is_outdated(explain, &reclaim)) {
            (void)printf("  %-14s by policies %s: it is asked anew before anything is done\n",
                         "planned", reclaim.digest[0] != '\0' ? reclaim.digest : "built-in");
        }
    } else {
        (void)printf("  %-14s nothing is planned\n", "on record");
    }
    if (item->held) {
        (void)printf("  %-14s %s\n", "on hold", or_dash(item->hold_why));
        print_time("until", item->hold_until_unix_s);
    }
    if (item->other_claims > 0) {
        (void)printf("  %-14s %" PRIu32 ", %s\n", "other records", item->other_claims,
                     or_dash(item->other_workflow));
    }
    (void)printf("  %-14s %s\n", "would change", advice(item, decision, has_reclaim));
}

static void print_json(const struct explain *explain, const struct ps_reclaim_item *item,
                       const struct ps_reclaim_asked *asked,
                       const struct ps_reclaim_decision *decision, int64_t due_unix_s)
{
    struct ps_reclaim reclaim;
    bool has_reclaim = ps_reclaim_item_reclaim(item, &reclaim);
    bool removes = decision->action == PS_ACTION_DELETE || decision->action == PS_ACTION_ARCHIVE;
    char due[32];
    char now[32];
    json_t *object = json_pack(
        "{s:o, s:s, s:s, s:o, s:O, s:s, s:o, s:o, s:s, s:s, s:s, s:o, s:s, s:b, s:i, s:s}", "url",
        ps_output_text(asked->artifact.url), "now", ps_output_time(explain->now_unix_s * 1000, now),
        "event", ps_reclaim_event_name(item->event), "workflow",
        asked->has_workflow ? json_sprintf("%s/%s", asked->workflow.ns, asked->workflow.name)
                            : json_null(),
        "answers", explain->answers, "action", ps_reclaim_action_name(decision->action), "policy",
        ps_output_text(decision->origin.policy), "reason", ps_output_text(decision->origin.reason),
        "digest", explain->app->policy_digest, "due",
        removes ? ps_output_time(due_unix_s * 1000, due) : "", "state",
        has_reclaim ? ps_reclaim_state_name(reclaim.state) : "", "state_reason",
        ps_output_text(has_reclaim ? reclaim.reason : ""), "planned_digest",
        has_reclaim ? reclaim.digest : "", "held", (int)item->held, "other_claims",
        (int)item->other_claims, "would_change", advice(item, decision, has_reclaim));

    hand_out(explain->records, "explain", object);
}

static void explain_item(struct explain *explain, const struct ps_reclaim_item *item)
{
    const struct ps_reclaim_rules rules = ps_reclaim_app_rules(explain->app);
    struct ps_reclaim_asked asked;
    struct ps_reclaim_decision decision;
    int64_t due_unix_s;
    char text[32];

    if (!ps_reclaim_ask_init(&asked, item, &rules, item->event, explain->now_unix_s)) {
        return;
    }
    explain->answers = explain->json ? json_array() : NULL;
    if (!explain->json) {
        print_record(&asked);
        (void)printf(
            "  %-14s event '%s', clock %s, policies %s\n", "asked",
            ps_reclaim_event_name(item->event), ps_output_time(explain->now_unix_s * 1000, text),
            explain->app->policy_digest[0] != '\0' ? explain->app->policy_digest : "built-in");
    }
    asked.question.on_answer = on_answer;
    asked.question.user = explain;
    ps_reclaim_ask(&asked, &rules, &decision);
    due_unix_s = ps_reclaim_base_unix_s(&asked, item->event) + (int64_t)decision.after_s;
    if (explain->json) {
        print_json(explain, item, &asked, &decision, due_unix_s);
    } else {
        print_verdict(explain, item, &decision, due_unix_s);
    }
    json_decref(explain->answers);
    explain->answers = NULL;
}

/* --- the log --- */

static bool print_logged(void *user, const struct ps_decision_entry *entry)
{
    struct explain *explain = user;
    char at[32];

    if (strcmp(entry->url, explain->url) != 0) {
        return true;
    }
    explain->log_count++;
    (void)ps_output_time(entry->at_unix_ms, at);
    if (explain->json) {
        json_t *object = json_pack(
            "{s:s, s:s, s:o, s:o}", "at", at, "what", ps_decision_kind_name(entry->kind), "policy",
            ps_output_text(entry->policy), "reason", ps_output_text(entry->reason));

        hand_out(explain->history, "history", object);
    } else {
        (void)printf("%s%s  %s %s: %s\n", explain->log_count == 1 ? "log, newest first\n  " : "  ",
                     at, ps_decision_kind_name(entry->kind), entry->policy, entry->reason);
    }
    return explain->log_count < LOG_LINES_MAX;
}

static enum ps_code explain_url(struct explain *explain, struct ps_state *state, struct ps_err *err)
{
    struct ps_reclaim_batch batch = { 0 };
    enum ps_code code = ps_reclaim_take_url(state, explain->url, explain->now_unix_s, &batch, err);

    for (size_t i = 0; i < batch.count; i++) {
        explain_item(explain, &batch.items[i]);
    }
    if (code == PS_OK) {
        code = ps_decision_each(state, 0, true, print_logged, explain, err);
    }
    if (code == PS_OK && batch.count == 0 && explain->log_count == 0) {
        code = ps_err_set(err, PS_E_NOT_FOUND,
                          "%s: no artifact is recorded under this URL (put --workflow does)",
                          explain->url);
    }
    ps_reclaim_batch_clear(&batch);
    return code;
}

enum ps_code ps_explain_json(struct ps_app *app, const char *url, json_t **json_out,
                             struct ps_err *err)
{
    struct explain explain = {
        .app = app,
        .url = url,
        .json = true,
        .now_unix_s = ps_clock_unix_ms(app->clock) / 1000,
        .records = json_array(),
        .history = json_array(),
    };
    enum ps_code code = explain.records != NULL && explain.history != NULL
                            ? explain_url(&explain, app->state, err)
                            : ps_err_set(err, PS_E_NO_MEMORY, "out of memory");

    if (code != PS_OK) {
        json_decref(explain.records);
        json_decref(explain.history);
        return code;
    }
    *json_out = json_pack("{s:o, s:o}", "records", explain.records, "history", explain.history);
    return *json_out != NULL ? PS_OK : ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
}

enum ps_exit ps_cmd_explain(struct ps_app *app, const char **args, int arg_count)
{
    struct explain explain = { .app = app, .url = args[0], .json = app->json };
    struct ps_state *state = NULL;
    struct ps_err err;
    enum ps_code code = ps_reclaim_now(app, &explain.now_unix_s, &err);

    (void)arg_count;
    if (code == PS_OK) {
        state = ps_app_open_state_to_read(app, &err);
        code = state != NULL ? explain_url(&explain, state, &err) : err.code;
    }
    return code == PS_OK ? PS_EXIT_DONE : ps_app_fail(app, &err);
}
