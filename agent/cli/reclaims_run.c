#include "cli/reclaims_run.h"

#include "base/str.h"
#include "cli/output.h"
#include "cli/reclaim_cli.h"
#include "reclaim/orphans.h"
#include "reclaim/preview.h"
#include "reclaim/sweeper.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct run {
    struct ps_app *app;
    struct ps_sweeper *sweeper;
    struct ps_sweep_result result;
    struct ps_err err; /* code OK = none */
    struct ps_err fuse_err;
    bool dry;
    bool done;
};

/* --- lines --- */

static const char *word_of(const struct run *run, const struct ps_reclaim_item *item)
{
    switch (item->outcome) {
    case PS_OUTCOME_MARK:
        return item->next_what == PS_RECLAIM_ARCHIVE ? "archive" : "delete";
    case PS_OUTCOME_DELETED:
        return "deleted";
    case PS_OUTCOME_GONE:
        return "gone";
    case PS_OUTCOME_ARCHIVED:
        return "archived";
    case PS_OUTCOME_KEEP:
    case PS_OUTCOME_DROP:
        return run->dry ? "keep" : "kept";
    case PS_OUTCOME_POSTPONE:
        return "postponed";
    case PS_OUTCOME_PLAN:
        return "later";
    case PS_OUTCOME_NONE:
        return "unchanged";
    }
    return "unknown";
}

static void on_item(void *user, const struct ps_reclaim_item *item)
{
    struct run *run = user;
    const char *word = word_of(run, item);
    struct ps_artifact artifact;

    if (!ps_reclaim_item_artifact(item, &artifact)) {
        return;
    }
    if (run->app->json) {
        json_t *object = json_pack(
            "{s:o, s:s, s:o, s:o, s:o, s:b}", "url", ps_output_text(artifact.url), "what", word,
            "policy", ps_output_text(item->words.policy), "where",
            ps_output_text(item->words.where), "reason", ps_output_text(item->words.reason),
            "delete_marker", (int)item->delete_marker);

        ps_output_json("swept", &object);
    } else if (run->dry || ps_options_has(&run->app->options, PS_OPT_WHY) ||
               item->outcome == PS_OUTCOME_KEEP || item->outcome == PS_OUTCOME_DROP ||
               item->outcome == PS_OUTCOME_POSTPONE) {
        (void)printf("%-9s ", word);
        ps_output_key(artifact.url);
        (void)printf(": %s\n", item->words.reason);
    }
}

static void print_result(const struct run *run)
{
    const struct ps_sweep_result *result = &run->result;
    char size[16];

    if (run->app->json) {
        json_t *object = json_pack(
            "{s:s, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "command",
            "reclaims run", "dry_run", (int)run->dry, "due", (json_int_t)result->due_count, "known",
            (json_int_t)result->known_count, "deleted", (json_int_t)result->deleted_count,
            "deleted_bytes", (json_int_t)result->deleted_bytes, "delete_markers",
            (json_int_t)result->delete_marker_count, "gone", (json_int_t)result->gone_count,
            "archived", (json_int_t)result->archived_count, "kept", (json_int_t)result->kept_count,
            "postponed", (json_int_t)result->postponed_count, "later",
            (json_int_t)result->later_count, "damaged", (json_int_t)result->damaged_count);

        ps_output_json("result", &object);
        return;
    }
    if (run->app->quiet) {
        return;
    }
    (void)fprintf(
        stderr,
        run->dry ? "dry run: %" PRIu64 " due: would delete %" PRIu64 " (%s), %" PRIu64
                   " gone already, archive %" PRIu64 ", keep %" PRIu64 ", postpone %" PRIu64
                   ", %" PRIu64 " later\n"
                 : "%" PRIu64 " due: %" PRIu64 " deleted (%s), %" PRIu64 " gone already, %" PRIu64
                   " archived, %" PRIu64 " kept, %" PRIu64 " postponed, %" PRIu64 " later\n",
        result->due_count, result->deleted_count,
        ps_size_format(result->deleted_bytes, size, sizeof(size)), result->gone_count,
        result->archived_count, result->kept_count, result->postponed_count, result->later_count);
    if (result->delete_marker_count > 0) {
        (void)fprintf(stderr,
                      "%" PRIu64 " are in versioned buckets: a delete marker hides them, the bytes "
                      "stay until their versions expire (lifecycle rows: expire_noncurrent)\n",
                      result->delete_marker_count);
    }
    if (result->damaged_count > 0) {
        (void)fprintf(stderr, "%" PRIu64 " records are damaged: nothing is done with them\n",
                      result->damaged_count);
    }
}

/* --- running --- */

static enum ps_code make_fuse(const struct ps_app *app, struct ps_fuse *fuse, struct ps_err *err)
{
    *fuse = (struct ps_fuse){ .count_max = app->settings.reclaim_fuse_count,
                              .percent_max = app->settings.reclaim_fuse_percent };
    if (app->options.values[PS_OPT_MAX] == NULL) {
        return PS_OK;
    }
    return ps_err_wrap(err, ps_fuse_parse(fuse, app->options.values[PS_OPT_MAX], err), "--max");
}

static void on_swept(void *user, const struct ps_sweep_result *result, const struct ps_err *err)
{
    struct run *run = user;

    run->result = *result;
    run->sweeper = NULL;
    if (err != NULL) {
        run->err = *err;
    }
    run->done = true;
}

static void on_previewed(void *user, const struct ps_sweep_result *result,
                         const struct ps_err *fuse_err, const struct ps_err *err)
{
    struct run *run = user;

    if (fuse_err != NULL) {
        run->fuse_err = *fuse_err;
    }
    on_swept(user, result, err);
}

static void on_stop(void *user)
{
    struct run *run = user;

    if (run->sweeper != NULL) {
        ps_sweeper_stop(run->sweeper);
    }
}

static enum ps_code start_sweep(struct run *run, int64_t now_unix_s, const struct ps_fuse *fuse,
                                struct ps_err *err)
{
    struct ps_app *app = run->app;
    struct ps_state *state = ps_app_open_state(app, err);
    struct ps_plan_result planned = { 0 };
    enum ps_policies_change policies = PS_POLICIES_SAME;
    uint64_t queued_count = 0;
    const struct ps_sweeper_options options = {
        .loop = app->loop,
        .state = state,
        .rules = ps_reclaim_app_rules(app),
        .opener = ps_reclaim_app_opener(app),
        .clock = app->clock,
        .now_unix_s = now_unix_s,
        .fuse = *fuse,
        .rate_per_s = app->settings.reclaim_rate_per_s,
        .fault = &app->fault,
        .on_item = on_item,
        .on_done = on_swept,
        .user = run,
    };
    enum ps_code code = state != NULL ? PS_OK : err->code;

    if (code == PS_OK) {
        code = ps_reclaim_take_policies(state, app->policy_digest, &policies, &queued_count, err);
    }
    if (code == PS_OK && policies == PS_POLICIES_OTHERS && queued_count > 0) {
        ps_log(&app->log, PS_LOG_INFO, "reclaim",
               "the policies are others than before: all %" PRIu64
               " artifacts are asked about anew",
               queued_count);
    }
    if (code == PS_OK) {
        ps_reclaim_find_expired(app, state, now_unix_s, NULL, NULL);
        code = ps_reclaim_plan_all(app, state, now_unix_s, &planned, err);
    }
    return code == PS_OK ? ps_sweeper_start(&run->sweeper, &options, err) : code;
}

/* What is no artifact yet is none in a dry run either: it is told apart. */
static void on_expired(void *user, const char *url, const struct ps_lifecycle_rule *rule)
{
    const struct run *run = user;

    if (run->app->json) {
        json_t *object =
            json_pack("{s:o, s:o}", "url", ps_output_text(url), "rule", ps_output_text(rule->id));

        ps_output_json("expired", &object);
    } else {
        (void)printf("%-9s ", "expired");
        ps_output_key(url);
        (void)printf(": rule %s, %u days\n", rule->id, (unsigned)rule->expire_days);
    }
}

/* A preview asks about what is planned; a run asks about all where the policies are others. */
static void note_policies(const struct ps_app *app, struct ps_state *state)
{
    enum ps_policies_change policies = PS_POLICIES_SAME;

    if (app->quiet || app->json ||
        ps_reclaim_policies_compare(state, app->policy_digest, &policies, NULL) != PS_OK) {
        return;
    }
    if (policies == PS_POLICIES_OTHERS) {
        (void)fprintf(stderr, "note: the policies are others than before: a run first asks anew "
                              "about all artifacts,\nand more may be due then\n");
    } else if (policies == PS_POLICIES_FIRST) {
        (void)fprintf(stderr, "note: this would be the first run: it first asks the policies about "
                              "all artifacts,\nand more may be due then\n");
    }
}

static enum ps_code start_preview(struct run *run, int64_t now_unix_s, const struct ps_fuse *fuse,
                                  struct ps_state **state_out, struct ps_err *err)
{
    struct ps_app *app = run->app;
    struct ps_preview *preview = NULL;
    struct ps_preview_options options = {
        .loop = app->loop,
        .rules = ps_reclaim_app_rules(app),
        .opener = ps_reclaim_app_opener(app),
        .now_unix_s = now_unix_s,
        .fuse = *fuse,
        .on_item = on_item,
        .on_done = on_previewed,
        .user = run,
    };

    ps_reclaim_find_expired(app, NULL, now_unix_s, on_expired, run);
    *state_out = ps_app_open_state_read_only(app, err);
    options.read_only_state = *state_out;
    if (*state_out != NULL) {
        note_policies(app, *state_out);
    }
    return *state_out != NULL ? ps_preview_start(&preview, &options, err) : err->code;
}

/* --- uploads that nobody will resume --- */

struct abort_run {
    uint64_t count;
    struct ps_err err;
    bool done;
};

static void on_orphans(void *user, uint64_t aborted_count, const struct ps_err *err)
{
    struct abort_run *aborting = user;

    aborting->count = aborted_count;
    if (err != NULL) {
        aborting->err = *err;
    }
    aborting->done = true;
}

/* What fails here is tried again by the next run, so it is told and no more. */
static void abort_orphans(struct run *run, int64_t now_unix_s)
{
    struct ps_app *app = run->app;
    struct abort_run aborting = { .done = false };
    const struct ps_orphans_options options = {
        .loop = app->loop,
        .state = app->state,
        .opener = ps_reclaim_app_opener(app),
        .now_unix_s = now_unix_s,
        .older_than_ms = app->settings.reclaim_orphan_uploads_after_ms,
        .on_done = on_orphans,
        .user = &aborting,
    };
    struct ps_orphans *orphans = NULL;

    if (ps_orphans_start(&orphans, &options, &aborting.err) == PS_OK) {
        ps_app_run_until(app, &aborting.done);
    }
    if (aborting.count > 0 && !app->quiet && !app->json) {
        (void)fprintf(stderr, "%" PRIu64 " interrupted uploads were given up and aborted\n",
                      aborting.count);
    }
    if (aborting.err.code != PS_OK) {
        ps_log(&app->log, PS_LOG_WARN, "reclaim", "an interrupted upload stays: %s",
               aborting.err.message);
    }
}

static enum ps_exit finish(struct run *run)
{
    struct ps_app *app = run->app;

    if (run->err.code == PS_E_CANCELLED && app->caught_signal != 0) {
        print_result(run);
        return ps_app_signal_exit(app);
    }
    if (run->err.code != PS_OK) {
        return ps_app_fail(app, &run->err);
    }
    print_result(run);
    if (run->fuse_err.code != PS_OK) {
        return ps_app_fail(app, &run->fuse_err);
    }
    if (run->result.postponed_count > 0 && run->result.last_failure[0] != '\0' && !run->dry) {
        struct ps_err err;

        (void)ps_err_set(&err, PS_E_PARTIAL, "%" PRIu64 " were postponed, the last one as: %s",
                         run->result.postponed_count, run->result.last_failure);
        return ps_app_fail(app, &err);
    }
    return PS_EXIT_DONE;
}

enum ps_exit ps_reclaims_run(struct ps_app *app)
{
    struct run run = { .app = app, .dry = ps_options_has(&app->options, PS_OPT_DRY_RUN) };
    struct ps_state *read_only_state = NULL;
    struct ps_fuse fuse;
    int64_t now_unix_s = 0;
    struct ps_err err;
    enum ps_exit exit_code;
    enum ps_code code = ps_reclaim_now(app, &now_unix_s, &err);

    if (code == PS_OK) {
        code = make_fuse(app, &fuse, &err);
    }
    app->on_stop = on_stop;
    app->on_signal_user = &run;
    if (code == PS_OK && run.dry) {
        code = start_preview(&run, now_unix_s, &fuse, &read_only_state, &err);
    } else if (code == PS_OK) {
        code = start_sweep(&run, now_unix_s, &fuse, &err);
    }
    if (code != PS_OK) {
        exit_code = ps_app_fail(app, &err);
    } else {
        app->on_stop = on_stop; /* planning took it away */
        app->on_signal_user = &run;
        ps_app_run_until(app, &run.done);
        if (!run.dry && run.err.code == PS_OK) {
            abort_orphans(&run, now_unix_s);
        }
        exit_code = finish(&run);
    }
    ps_state_close(read_only_state);
    return exit_code;
}
