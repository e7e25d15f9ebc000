#include "reclaim/reclaim_planner.h"

#include "reclaim/verdict.h"
#include "transfer/job.h"

#include <stdlib.h>

struct ps_planner {
    struct ps_planner_options options;
    struct ps_job job;
    struct ps_reclaim_batch batch; /* of the worker while a job runs */
    struct ps_plan_result result;
    bool stopping;
};

static void read_batch(struct ps_planner *planner);

static int64_t now_of(const struct ps_planner *planner)
{
    return planner->options.now_unix_s != 0 ? planner->options.now_unix_s
                                            : ps_clock_unix_ms(planner->options.clock) / 1000;
}

static void end(struct ps_planner *planner, const struct ps_err *err)
{
    struct ps_err cancelled;

    if (err == NULL && planner->stopping) {
        (void)ps_err_set(&cancelled, PS_E_CANCELLED, "planning was stopped");
        err = &cancelled;
    }
    planner->options.on_done(planner->options.user, &planner->result, err);
    ps_reclaim_batch_clear(&planner->batch);
    free(planner);
}

static void count(struct ps_planner *planner, const struct ps_reclaim_item *item)
{
    planner->result.asked_count++;
    planner->result.planned_count += item->outcome == PS_OUTCOME_PLAN ? 1 : 0;
    planner->result.kept_count += item->outcome == PS_OUTCOME_KEEP ? 1 : 0;
}

static void run_write(struct ps_job *job)
{
    struct ps_planner *planner = job->user;

    job->code =
        ps_reclaim_settle(planner->options.state, &planner->batch, now_of(planner), &job->err);
}

static void on_written(struct ps_job *job)
{
    struct ps_planner *planner = job->user;

    if (job->code != PS_OK) {
        end(planner, &job->err);
        return;
    }
    ps_fault_point(planner->options.fault, "plan.written");
    if (planner->stopping) {
        end(planner, NULL);
    } else {
        read_batch(planner);
    }
}

static void run_read(struct ps_job *job)
{
    struct ps_planner *planner = job->user;

    job->code = ps_reclaim_take_queued(planner->options.state, PS_PLANNER_BATCH_MAX,
                                       now_of(planner), &planner->batch, &job->err);
}

static void on_read(struct ps_job *job)
{
    struct ps_planner *planner = job->user;
    int64_t now_unix_s = now_of(planner);

    if (job->code != PS_OK || planner->batch.queue_count == 0) {
        end(planner, job->code != PS_OK ? &job->err : NULL);
        return;
    }
    planner->result.damaged_count += planner->batch.damaged_count;
    for (size_t i = 0; i < planner->batch.count; i++) {
        ps_verdict_plan(&planner->batch.items[i], &planner->options.rules, now_unix_s);
        count(planner, &planner->batch.items[i]);
    }
    ps_fault_point(planner->options.fault, "plan.asked");
    ps_job_start(&planner->job, planner->options.loop, planner, run_write, on_written);
}

static void read_batch(struct ps_planner *planner)
{
    ps_job_start(&planner->job, planner->options.loop, planner, run_read, on_read);
}

enum ps_code ps_planner_start(struct ps_planner **planner_out,
                              const struct ps_planner_options *options, struct ps_err *err)
{
    struct ps_planner *planner = calloc(1, sizeof(*planner));

    if (planner == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "planner: out of memory");
    }
    planner->options = *options;
    *planner_out = planner;
    read_batch(planner);
    return PS_OK;
}

void ps_planner_stop(struct ps_planner *planner)
{
    planner->stopping = true;
}
