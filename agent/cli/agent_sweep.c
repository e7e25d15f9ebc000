#include "cli/agent_sweep.h"

#include "base/uv_handle.h"
#include "cli/reclaim_cli.h"

#include "base/str.h"
#include "reclaim/marker_take.h"
#include "reclaim/reclaim_planner.h"
#include "reclaim/sweeper.h"
#include "state/pending_reclaim.h"
#include "transfer/job.h"

#include <inttypes.h>
#include <stdlib.h>

struct ps_agent_sweep {
    struct ps_app *app;
    uv_timer_t *timer;
    struct ps_lifecycle_find *find; /* NULL = none under way; the same for the others */
    struct ps_marker_take *markers;
    struct ps_planner *planner;
    struct ps_sweeper *sweeper;
    struct ps_job job;
    struct ps_lifecycle_local *loaded; /* of the worker while a job runs */
    int64_t found_unix_s;              /* when directories were looked through last; 0 = never */
    bool working;                      /* a job runs */
    char digest[17];                   /* of the worker, as these */
    enum ps_policies_change policies;  /* to those of the round before */
    uint64_t queued_count;
    bool wanted; /* another round at once */
    bool stopping;
    void (*stopped)(void *user);
    void *user;
};

/** Stores look through their buckets once a day. Lower: every file of every directory is looked at so often. */
#define FIND_EVERY_S ((int64_t)86400)

static void begin_round(struct ps_agent_sweep *sweep);

static void on_timer(uv_timer_t *timer)
{
    begin_round(timer->data);
}

static void end_round(struct ps_agent_sweep *sweep)
{
    void (*stopped)(void *user) = sweep->stopped;

    if (sweep->stopping) {
        sweep->stopped = NULL;
        if (stopped != NULL) {
            stopped(sweep->user);
        }
        return;
    }
    (void)uv_timer_start(sweep->timer, on_timer,
                         sweep->wanted ? 0 : sweep->app->settings.reclaim_interval_ms, 0);
}

/* --- sweep --- */

static void on_swept(void *user, const struct ps_sweep_result *result, const struct ps_err *err)
{
    struct ps_agent_sweep *sweep = user;
    const struct ps_log *log = &sweep->app->log;

    sweep->sweeper = NULL;
    if (err != NULL && err->code == PS_E_LOCKED) {
        ps_log(log, PS_LOG_INFO, "reclaim", "%s", err->message);
    } else if (err != NULL && err->code != PS_E_CANCELLED) {
        ps_log(log, PS_LOG_ERROR, "reclaim", "%s", err->message);
    }
    if (result->due_count > 0) {
        ps_log(log, PS_LOG_INFO, "reclaim",
               "%" PRIu64 " due: %" PRIu64 " deleted, %" PRIu64 " gone already, %" PRIu64
               " archived, %" PRIu64 " kept, %" PRIu64 " postponed%s%s",
               result->due_count, result->deleted_count, result->gone_count, result->archived_count,
               result->kept_count, result->postponed_count,
               result->last_failure[0] != '\0' ? ": " : "", result->last_failure);
    }
    end_round(sweep);
}

static void start_sweeper(struct ps_agent_sweep *sweep)
{
    struct ps_app *app = sweep->app;
    const struct ps_sweeper_options options = {
        .loop = app->loop,
        .state = app->state,
        .rules = ps_reclaim_app_rules(app),
        .opener = ps_reclaim_app_opener(app),
        .clock = app->clock,
        .fuse = { .count_max = app->settings.reclaim_fuse_count,
                  .percent_max = app->settings.reclaim_fuse_percent },
        .rate_per_s = app->settings.reclaim_rate_per_s,
        .fault = &app->fault,
        .on_done = on_swept,
        .user = sweep,
    };
    struct ps_err err;

    if (sweep->stopping) {
        end_round(sweep);
    } else if (ps_sweeper_start(&sweep->sweeper, &options, &err) != PS_OK) {
        ps_log(&app->log, PS_LOG_ERROR, "reclaim", "%s", err.message);
        end_round(sweep);
    }
}

/* --- plan --- */

static void on_planned(void *user, const struct ps_plan_result *result, const struct ps_err *err)
{
    struct ps_agent_sweep *sweep = user;

    sweep->planner = NULL;
    if (err != NULL && err->code != PS_E_CANCELLED) {
        ps_log(&sweep->app->log, PS_LOG_ERROR, "reclaim", "planning: %s", err->message);
        end_round(sweep);
        return;
    }
    if (result->asked_count > 0) {
        ps_log(&sweep->app->log, PS_LOG_INFO, "reclaim",
               "asked about %" PRIu64 ": %" PRIu64 " planned, %" PRIu64 " kept",
               result->asked_count, result->planned_count, result->kept_count);
    }
    start_sweeper(sweep);
}

static void start_planner(struct ps_agent_sweep *sweep)
{
    struct ps_app *app = sweep->app;
    const struct ps_planner_options options = {
        .loop = app->loop,
        .state = app->state,
        .rules = ps_reclaim_app_rules(app),
        .clock = app->clock,
        .fault = &app->fault,
        .on_done = on_planned,
        .user = sweep,
    };
    struct ps_err err;

    if (ps_planner_start(&sweep->planner, &options, &err) != PS_OK) {
        ps_log(&app->log, PS_LOG_ERROR, "reclaim", "planning: %s", err.message);
        end_round(sweep);
    }
}

/* --- what plugins left --- */

static void on_taken(void *user, const struct ps_marker_result *result, const struct ps_err *err)
{
    struct ps_agent_sweep *sweep = user;
    const struct ps_log *log = &sweep->app->log;

    sweep->markers = NULL;
    if (err != NULL && err->code != PS_E_CANCELLED) {
        ps_log(log, PS_LOG_ERROR, "reclaim", "markers: %s", err->message);
    }
    if (result->marker_count > 0) {
        ps_log(log, PS_LOG_INFO, "reclaim",
               "took over %" PRIu64 " delayed deletes of %" PRIu64 " objects", result->marker_count,
               result->object_count);
    }
    if (sweep->stopping) {
        end_round(sweep);
    } else {
        start_planner(sweep);
    }
}

static void start_markers(struct ps_agent_sweep *sweep)
{
    struct ps_app *app = sweep->app;
    const struct ps_marker_take_options options = {
        .loop = app->loop,
        .state = app->state,
        .settings = &app->settings,
        .opener = ps_reclaim_app_opener(app),
        .clock = app->clock,
        .log = &app->log,
        .fault = &app->fault,
        .on_done = on_taken,
        .user = sweep,
    };
    struct ps_err err;

    if (!app->settings.reclaim_take_markers) {
        start_planner(sweep);
    } else if (ps_marker_take_start(&sweep->markers, &options, &err) != PS_OK) {
        ps_log(&app->log, PS_LOG_ERROR, "reclaim", "markers: %s", err.message);
        start_planner(sweep);
    }
}

/* --- all are asked anew --- */

static void run_queue_all(struct ps_job *job)
{
    struct ps_agent_sweep *sweep = job->user;

    job->code = ps_reclaim_take_policies(sweep->app->state, sweep->digest, &sweep->policies,
                                         &sweep->queued_count, &job->err);
}

static void on_queued(struct ps_job *job)
{
    struct ps_agent_sweep *sweep = job->user;

    sweep->working = false;
    if (job->code != PS_OK) {
        ps_log(&sweep->app->log, PS_LOG_ERROR, "reclaim", "%s", job->err.message);
    } else if (sweep->policies == PS_POLICIES_OTHERS && sweep->queued_count > 0) {
        ps_log(&sweep->app->log, PS_LOG_INFO, "reclaim",
               "the policies are others than before: all %" PRIu64
               " artifacts are asked about anew",
               sweep->queued_count);
    }
    if (sweep->stopping) {
        end_round(sweep);
    } else {
        start_markers(sweep);
    }
}

static void start_queueing(struct ps_agent_sweep *sweep)
{
    if (sweep->stopping) {
        end_round(sweep);
        return;
    }
    sweep->wanted = false;
    sweep->working = true;
    sweep->queued_count = 0;
    ps_str_copy(sweep->digest, sizeof(sweep->digest), sweep->app->policy_digest);
    ps_job_start(&sweep->job, sweep->app->loop, sweep, run_queue_all, on_queued);
}

/* --- rules of directories --- */

static void on_found(void *user, const struct ps_lifecycle_found *found, const struct ps_err *err)
{
    struct ps_agent_sweep *sweep = user;

    sweep->find = NULL;
    ps_reclaim_log_found(sweep->app, found, err);
    start_queueing(sweep);
}

static void start_find(struct ps_agent_sweep *sweep)
{
    struct ps_app *app = sweep->app;
    int64_t now_unix_s = ps_clock_unix_ms(app->clock) / 1000;
    const struct ps_lifecycle_find_options options = {
        .loop = app->loop,
        .state = app->state,
        .opener = ps_reclaim_app_opener(app),
        .local = app->local_rules,
        .now_unix_s = now_unix_s,
        .on_done = on_found,
        .user = sweep,
    };
    struct ps_err err;

    if (sweep->stopping || !ps_lifecycle_local_acts(options.local) ||
        (sweep->found_unix_s != 0 && now_unix_s - sweep->found_unix_s < FIND_EVERY_S)) {
        start_queueing(sweep);
        return;
    }
    sweep->found_unix_s = now_unix_s;
    if (ps_lifecycle_find_start(&sweep->find, &options, &err) != PS_OK) {
        ps_log(&app->log, PS_LOG_ERROR, "lifecycle", "%s", err.message);
        start_queueing(sweep);
    }
}

static void run_load(struct ps_job *job)
{
    struct ps_agent_sweep *sweep = job->user;

    job->code =
        ps_lifecycle_local_load(&sweep->loaded, &sweep->app->settings, &sweep->app->log, &job->err);
}

static void on_loaded(struct ps_job *job)
{
    struct ps_agent_sweep *sweep = job->user;

    sweep->working = false;
    if (job->code != PS_OK) {
        ps_log(&sweep->app->log, PS_LOG_ERROR, "lifecycle", "%s", job->err.message);
    } else {
        ps_lifecycle_local_free(sweep->app->local_rules);
        sweep->app->local_rules = sweep->loaded;
        sweep->loaded = NULL;
    }
    start_find(sweep);
}

static void begin_round(struct ps_agent_sweep *sweep)
{
    sweep->working = true;
    ps_job_start(&sweep->job, sweep->app->loop, sweep, run_load, on_loaded);
}

static bool is_busy(const struct ps_agent_sweep *sweep)
{
    return sweep->working || sweep->find != NULL || sweep->markers != NULL ||
           sweep->planner != NULL || sweep->sweeper != NULL;
}

/* --- start and end --- */

enum ps_code ps_agent_sweep_start(struct ps_agent_sweep **sweep_out, struct ps_app *app,
                                  struct ps_err *err)
{
    struct ps_agent_sweep *sweep = calloc(1, sizeof(*sweep));

    if (sweep != NULL) {
        sweep->app = app;
        sweep->timer = ps_uv_timer_new(app->loop, sweep);
    }
    if (sweep == NULL || sweep->timer == NULL) {
        free(sweep);
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    (void)uv_timer_start(sweep->timer, on_timer, 0, 0);
    *sweep_out = sweep;
    return PS_OK;
}

void ps_agent_sweep_stop(struct ps_agent_sweep *sweep, void (*stopped)(void *user), void *user)
{
    sweep->stopping = true;
    sweep->stopped = stopped;
    sweep->user = user;
    (void)uv_timer_stop(sweep->timer);
    if (sweep->find != NULL) {
        ps_lifecycle_find_stop(sweep->find);
    }
    if (sweep->markers != NULL) {
        ps_marker_take_stop(sweep->markers);
    }
    if (sweep->planner != NULL) {
        ps_planner_stop(sweep->planner);
    }
    if (sweep->sweeper != NULL) {
        ps_sweeper_stop(sweep->sweeper);
    }
    if (!is_busy(sweep)) {
        end_round(sweep);
    }
}

void ps_agent_sweep_free(struct ps_agent_sweep *sweep)
{
    if (sweep != NULL) {
        ps_uv_handle_close((uv_handle_t *)sweep->timer);
        free(sweep);
    }
}

void ps_agent_sweep_soon(struct ps_agent_sweep *sweep)
{
    sweep->wanted = true;
    if (!is_busy(sweep) && !sweep->stopping) {
        (void)uv_timer_start(sweep->timer, on_timer, 0, 0);
    }
}
