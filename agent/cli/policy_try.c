#include "cli/policy_try.h"

#include "base/str.h"
#include "cli/output.h"
#include "cli/policies.h"
#include "cli/reclaim_cli.h"
#include "reclaim/verdict.h"
#include "state/decision_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* policy simulate, replay, bench. */

enum change {
    CHANGE_SAME,
    CHANGE_DELETE, /* was to stay, would go */
    CHANGE_KEEP,   /* was to go, would stay */
    CHANGE_COUNT,
};

static const char *const change_names[CHANGE_COUNT] = { "same", "+delete", "+keep" };

/** Samples and reasons that are told of each change. */
#define SAMPLES_MAX 5
#define REASONS_MAX 64

struct reason {
    char text[200]; /* "policy: reason" */
    uint64_t count;
};

struct tally {
    uint64_t counts[CHANGE_COUNT];
    uint64_t bytes[CHANGE_COUNT];
    char samples[CHANGE_COUNT][SAMPLES_MAX][256];
    size_t sample_count[CHANGE_COUNT];
    struct reason reasons[CHANGE_COUNT][REASONS_MAX]; /* the first so many; others are not told */
    size_t reason_count[CHANGE_COUNT];
};

struct trial {
    struct ps_app *app;
    struct ps_policy_set *set;
    struct ps_decider decider;
    struct ps_reclaim_rules rules;
    struct ps_state *state; /* read-only */
    int64_t now_unix_s;
    struct tally tally;
    uint64_t damaged_count;
    uint64_t fetched_count; /* replay: would have been missed */
    json_t *fetched;        /* replay: URL -> when it was last read */
};

/* --- the set and the state --- */

static enum ps_code trial_init(struct trial *trial, struct ps_app *app, const char *dir,
                               struct ps_err *err)
{
    enum ps_code code = PS_OK;

    memset(trial, 0, sizeof(*trial));
    trial->app = app;
    if (access(dir, R_OK | X_OK) != 0) {
        return ps_err_set(err, PS_E_NOT_FOUND, "%s: is no directory that can be read", dir);
    }
    code = ps_reclaim_now(app, &trial->now_unix_s, err);
    if (code == PS_OK) {
        code = ps_policies_load_set(app, &dir, 1, &trial->set, err);
    }
    if (code == PS_OK) {
        trial->decider = ps_policy_set_decider(trial->set);
        trial->rules =
            (struct ps_reclaim_rules){ .decider = &trial->decider, .settings = &app->settings };
        trial->state = ps_app_open_state_read_only(app, err);
        code = trial->state != NULL ? PS_OK : err->code;
    }
    return code;
}

static void trial_clear(struct trial *trial)
{
    ps_state_close(trial->state);
    ps_policy_set_free(trial->set);
    json_decref(trial->fetched);
}

/* --- counting --- */

static void count_reason(struct tally *tally, enum change change,
                         const struct ps_reclaim_decision *decision)
{
    char text[200];

    (void)snprintf(text, sizeof(text), "%s: %.120s", decision->origin.policy,
                   decision->origin.reason[0] != '\0' ? decision->origin.reason : "no opinion");
    for (size_t i = 0; i < tally->reason_count[change]; i++) {
        if (strcmp(tally->reasons[change][i].text, text) == 0) {
            tally->reasons[change][i].count++;
            return;
        }
    }
    if (tally->reason_count[change] < REASONS_MAX) {
        struct reason *reason = &tally->reasons[change][tally->reason_count[change]++];

        ps_str_copy(reason->text, sizeof(reason->text), text);
        reason->count = 1;
    }
}

static void count(struct tally *tally, enum change change, const struct ps_artifact *artifact,
                  const struct ps_reclaim_decision *decision)
{
    tally->counts[change]++;
    tally->bytes[change] += artifact->has_size ? artifact->size_bytes : 0;
    if (change == CHANGE_SAME) {
        return;
    }
    count_reason(tally, change, decision);
    if (tally->sample_count[change] < SAMPLES_MAX) {
        ps_str_copy(tally->samples[change][tally->sample_count[change]++], 256, artifact->url);
    }
}

static int by_count(const void *left, const void *right)
{
    const struct reason *a = left;
    const struct reason *b = right;

    return (a->count < b->count) - (a->count > b->count);
}

static json_t *tell_json(struct tally *tally, enum change change)
{
    json_t *reasons = json_array();
    json_t *samples = json_array();

    for (size_t i = 0; i < tally->reason_count[change] && i < SAMPLES_MAX; i++) {
        (void)json_array_append_new(
            reasons,
            json_pack("{s:o, s:I}", "reason", ps_output_text(tally->reasons[change][i].text),
                      "count", (json_int_t)tally->reasons[change][i].count));
    }
    for (size_t i = 0; i < tally->sample_count[change]; i++) {
        (void)json_array_append_new(samples, ps_output_text(tally->samples[change][i]));
    }
    return json_pack("{s:I, s:I, s:o, s:o}", "count", (json_int_t)tally->counts[change], "bytes",
                     (json_int_t)tally->bytes[change], "reasons", reasons, "samples", samples);
}

static void tell_plain(struct tally *tally, enum change change)
{
    char size[16];

    (void)printf("%-8s %10" PRIu64 "  %9s\n", change_names[change], tally->counts[change],
                 ps_size_format(tally->bytes[change], size, sizeof(size)));
    for (size_t i = 0; i < tally->reason_count[change] && i < SAMPLES_MAX; i++) {
        (void)printf("  %10" PRIu64 "  %s\n", tally->reasons[change][i].count,
                     tally->reasons[change][i].text);
    }
    for (size_t i = 0; i < tally->sample_count[change]; i++) {
        (void)printf("              e.g. ");
        ps_output_key(tally->samples[change][i]);
        (void)putchar('\n');
    }
}

static enum ps_exit tell(struct trial *trial, const char *command)
{
    struct tally *tally = &trial->tally;

    for (int change = 0; change < CHANGE_COUNT; change++) {
        qsort(tally->reasons[change], tally->reason_count[change], sizeof(struct reason), by_count);
    }
    if (trial->app->json) {
        json_t *object = json_pack(
            "{s:s, s:s, s:o, s:o, s:o, s:I, s:I}", "command", command, "digest",
            ps_policy_set_digest(trial->set), "delete", tell_json(tally, CHANGE_DELETE), "keep",
            tell_json(tally, CHANGE_KEEP), "same", tell_json(tally, CHANGE_SAME), "damaged",
            (json_int_t)trial->damaged_count, "fetched_again", (json_int_t)trial->fetched_count);

        ps_output_json("result", &object);
        return PS_EXIT_DONE;
    }
    for (int change = CHANGE_COUNT - 1; change >= 0; change--) {
        tell_plain(tally, (enum change)change);
    }
    if (trial->fetched_count > 0) {
        (void)printf("%" PRIu64 " of +delete were read after they would have gone\n",
                     trial->fetched_count);
    }
    return PS_EXIT_DONE;
}

static bool removes(const struct ps_reclaim_decision *decision)
{
    return decision->action == PS_ACTION_DELETE || decision->action == PS_ACTION_ARCHIVE;
}

/* --- simulate --- */

static bool simulate_one(void *user, const struct ps_scanned *scanned)
{
    struct trial *trial = user;
    struct ps_reclaim_asked asked;
    struct ps_reclaim_decision decision;
    bool was = scanned->reclaim != NULL && scanned->reclaim->state != PS_RECLAIM_KEPT;
    enum ps_reclaim_event event =
        was ? scanned->reclaim->event : ps_reclaim_weightiest(scanned->artifact, scanned->workflow);

    ps_reclaim_ask_scanned(&asked, scanned, &trial->rules, event, trial->now_unix_s);
    trial->decider.reclaim(trial->decider.user, &asked.question, &decision);
    if (!was && decision.action == PS_ACTION_NONE && event != PS_EVENT_AGE) {
        ps_reclaim_ask_scanned(&asked, scanned, &trial->rules, PS_EVENT_AGE, trial->now_unix_s);
        trial->decider.reclaim(trial->decider.user, &asked.question, &decision);
    }
    count(&trial->tally,
          was == removes(&decision) ? CHANGE_SAME
          : was                     ? CHANGE_KEEP
                                    : CHANGE_DELETE,
          scanned->artifact, &decision);
    return true;
}

enum ps_exit ps_policy_simulate(struct ps_app *app, const char *dir)
{
    struct trial *trial = calloc(1, sizeof(*trial));
    struct ps_err err;
    enum ps_exit exit_code;
    enum ps_code code = trial != NULL ? trial_init(trial, app, dir, &err)
                                      : ps_err_set(&err, PS_E_NO_MEMORY, "out of memory");

    if (code == PS_OK) {
        code = ps_artifact_scan(trial->state, simulate_one, trial, &trial->damaged_count, &err);
    }
    exit_code = code == PS_OK ? tell(trial, "policy simulate") : ps_app_fail(app, &err);
    if (trial != NULL) {
        trial_clear(trial);
        free(trial);
    }
    return exit_code;
}

/* --- replay --- */

static bool note_fetched(void *user, const struct ps_decision_entry *entry)
{
    struct trial *trial = user;

    if (entry->kind == PS_LOGGED_FETCHED) {
        (void)json_object_set_new(trial->fetched, entry->url,
                                  json_integer(entry->at_unix_ms / 1000));
    }
    return true;
}

static bool was_fetched_after(const struct trial *trial, const char *url, int64_t unix_s)
{
    const json_t *at = json_object_get(trial->fetched, url);

    return at != NULL && json_integer_value(at) > unix_s;
}

static bool replay_one(void *user, const struct ps_decision_entry *entry)
{
    struct trial *trial = user;
    struct ps_reclaim_asked asked;
    struct ps_reclaim_decision decision;
    bool was = entry->kind == PS_LOGGED_PLANNED;
    int64_t at_unix_s = entry->at_unix_ms / 1000;
    int64_t due_unix_s;

    if ((entry->kind != PS_LOGGED_PLANNED && entry->kind != PS_LOGGED_KEPT) ||
        !ps_decision_artifact(entry, &asked.artifact)) {
        return true;
    }
    asked.has_workflow = ps_decision_workflow(entry, &asked.workflow);
    ps_reclaim_ask_fill(&asked, 0, &trial->rules, entry->event, at_unix_s);
    trial->decider.reclaim(trial->decider.user, &asked.question, &decision);
    count(&trial->tally,
          was == removes(&decision) ? CHANGE_SAME
          : was                     ? CHANGE_KEEP
                                    : CHANGE_DELETE,
          &asked.artifact, &decision);
    due_unix_s = ps_reclaim_base_unix_s(&asked, entry->event) + (int64_t)decision.after_s;
    if (!was && removes(&decision) && was_fetched_after(trial, entry->url, due_unix_s)) {
        trial->fetched_count++;
        if (!trial->app->json) {
            (void)printf("read after it would have gone: ");
            ps_output_key(entry->url);
            (void)putchar('\n');
        }
    }
    return true;
}

static enum ps_code since(const struct trial *trial, int64_t *from_unix_ms_out, struct ps_err *err)
{
    const char *text = trial->app->options.values[PS_OPT_SINCE];
    uint64_t ms = 0;

    if (text == NULL) {
        *from_unix_ms_out = 0;
        return PS_OK;
    }
    if (!ps_duration_parse(text, &ms) || ms > INT64_MAX / 2) {
        return ps_err_set(err, PS_E_INVALID, "--since %s: write a duration like 30d", text);
    }
    *from_unix_ms_out = trial->now_unix_s * 1000 - (int64_t)ms;
    return PS_OK;
}

enum ps_exit ps_policy_replay(struct ps_app *app, const char *dir)
{
    struct trial *trial = calloc(1, sizeof(*trial));
    struct ps_decision_query query = { 0 };
    int64_t from_unix_ms = 0;
    struct ps_err err;
    enum ps_exit exit_code;
    enum ps_code code = trial != NULL ? trial_init(trial, app, dir, &err)
                                      : ps_err_set(&err, PS_E_NO_MEMORY, "out of memory");

    if (code == PS_OK) {
        trial->fetched = json_object();
        code = since(trial, &from_unix_ms, &err);
    }
    if (code == PS_OK) {
        query.since_unix_ms = from_unix_ms;
        code = ps_decision_each(trial->state, &query, note_fetched, trial, NULL, &err);
    }
    if (code == PS_OK) {
        code = ps_decision_each(trial->state, &query, replay_one, trial, NULL, &err);
    }
    exit_code = code == PS_OK ? tell(trial, "policy replay") : ps_app_fail(app, &err);
    if (trial != NULL) {
        trial_clear(trial);
        free(trial);
    }
    return exit_code;
}

/* --- bench --- */

#define BENCH_QUESTIONS 100000

static double bench_reclaim(const struct ps_app *app, const struct ps_decider *decider)
{
    const struct ps_reclaim_rules rules = { .decider = decider, .settings = &app->settings };
    struct ps_reclaim_asked asked = { .has_workflow = true };
    int64_t now_unix_s = ps_clock_unix_ms(app->clock) / 1000;
    int64_t started_ms = ps_clock_mono_ms(app->clock);

    asked.artifact = (struct ps_artifact){ .url = "s3://bucket/argo/workflow-x7k2p/main/out.tgz",
                                           .has_size = true,
                                           .size_bytes = 1 << 20,
                                           .etag = "\"0\"",
                                           .storage_class = "",
                                           .node_status = "Succeeded",
                                           .strategy = PS_GC_ON_COMPLETION,
                                           .created_unix_s = now_unix_s };
    asked.workflow = (struct ps_workflow){ .ns = "argo",
                                           .name = "workflow-x7k2p",
                                           .uid = "",
                                           .template_name = "workflow",
                                           .status = "Succeeded",
                                           .created_unix_s = now_unix_s,
                                           .finished_unix_s = now_unix_s };
    for (int i = 0; i < BENCH_QUESTIONS; i++) {
        struct ps_reclaim_decision decision;

        ps_reclaim_ask_fill(&asked, 0, &rules, PS_EVENT_COMPLETED, now_unix_s);
        decider->reclaim(decider->user, &asked.question, &decision);
    }
    return (double)(ps_clock_mono_ms(app->clock) - started_ms) * 1000.0 / BENCH_QUESTIONS;
}

static double bench_part_size(const struct ps_app *app, const struct ps_decider *decider)
{
    const struct ps_object_facts object = { .url = "s3://bucket/key",
                                            .store = "s3",
                                            .bucket = "bucket",
                                            .key = "key",
                                            .name = "key",
                                            .path = "/data/key",
                                            .has_size = true,
                                            .size_bytes = 1 << 30 };
    int64_t started_ms = ps_clock_mono_ms(app->clock);

    for (int i = 0; i < BENCH_QUESTIONS; i++) {
        struct ps_part_size_decision decision;

        decider->part_size(decider->user, &object, 0, &decision);
    }
    return (double)(ps_clock_mono_ms(app->clock) - started_ms) * 1000.0 / BENCH_QUESTIONS;
}

enum ps_exit ps_policy_bench(struct ps_app *app, const char **dirs, size_t dir_count)
{
    struct ps_policy_set *set = NULL;
    struct ps_decider decider;
    struct ps_err err;
    double reclaim_us;
    double part_size_us;

    if (ps_policies_load_set(app, dirs, dir_count, &set, &err) != PS_OK) {
        return ps_app_fail(app, &err);
    }
    decider = ps_policy_set_decider(set);
    reclaim_us = bench_reclaim(app, &decider);
    part_size_us = bench_part_size(app, &decider);
    if (app->json) {
        json_t *object =
            json_pack("{s:s, s:f, s:f, s:i}", "command", "policy bench", "reclaim_us", reclaim_us,
                      "part_size_us", part_size_us, "questions", BENCH_QUESTIONS);

        ps_output_json("result", &object);
    } else {
        (void)printf("reclaim    %6.2f us a decision\npart_size  %6.2f us a decision\n", reclaim_us,
                     part_size_us);
    }
    ps_policy_set_free(set);
    return PS_EXIT_DONE;
}
