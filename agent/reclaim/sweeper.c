#include "reclaim/sweeper.h"

#include "base/str.h"
#include "reclaim/sweep_delete.h"
#include "reclaim/sweep_verify.h"
#include "reclaim/verdict.h"
#include "transfer/job.h"

#include <stdlib.h>
#include <string.h>

/* Passes over what is due: a record that changed under a round is looked at again in the next. */
enum {
    PASSES_MAX = 3
};

struct ps_sweeper {
    struct ps_sweeper_options options;
    struct ps_job job;
    struct ps_reclaim_batch batch; /* of the worker while a job runs */
    struct ps_reclaim_counts counts;
    struct ps_sweep_stores stores;
    struct ps_sweep_result result;
    struct ps_verify *verify;
    struct ps_sweep_delete *deleting;
    struct ps_err err; /* why it ends; code OK = nothing went wrong */
    bool locked;
    bool stopping;
    bool changed; /* in this pass */
    int pass;
};

static void take(struct ps_sweeper *sweeper);

static int64_t now_of(const struct ps_sweeper *sweeper)
{
    return sweeper->options.now_unix_s != 0 ? sweeper->options.now_unix_s
                                            : ps_clock_unix_ms(sweeper->options.clock) / 1000;
}

static void start_job(struct ps_sweeper *sweeper, void (*run)(struct ps_job *job),
                      void (*done)(struct ps_job *job))
{
    ps_job_start(&sweeper->job, sweeper->options.loop, sweeper, run, done);
}

/* --- the end --- */

static void done(struct ps_sweeper *sweeper)
{
    sweeper->options.on_done(sweeper->options.user, &sweeper->result,
                             sweeper->err.code != PS_OK ? &sweeper->err : NULL);
    ps_sweep_stores_clear(&sweeper->stores);
    ps_reclaim_batch_clear(&sweeper->batch);
    free(sweeper);
}

static void run_unlock(struct ps_job *job)
{
    struct ps_sweeper *sweeper = job->user;

    job->code = ps_reclaim_unlock(sweeper->options.state, &job->err);
}

static void on_unlocked(struct ps_job *job)
{
    struct ps_sweeper *sweeper = job->user;

    if (job->code != PS_OK && sweeper->err.code == PS_OK) {
        sweeper->err = job->err;
    }
    done(sweeper);
}

static void end(struct ps_sweeper *sweeper, const struct ps_err *err)
{
    if (err != NULL) {
        sweeper->err = *err;
    } else if (sweeper->stopping) {
        (void)ps_err_set(&sweeper->err, PS_E_CANCELLED,
                         "the sweep was stopped: what is left stays due");
    }
    if (sweeper->locked) {
        start_job(sweeper, run_unlock, on_unlocked);
    } else {
        done(sweeper);
    }
}

/* --- what became of items --- */

/* Tell what is settled; only what is marked goes on to the stores. */
static void tell(struct ps_sweeper *sweeper)
{
    for (size_t i = 0; i < sweeper->batch.count; i++) {
        struct ps_reclaim_item *item = &sweeper->batch.items[i];

        sweeper->changed = sweeper->changed || item->changed;
        if (item->outcome != PS_OUTCOME_NONE && item->outcome != PS_OUTCOME_MARK) {
            ps_sweep_result_count(&sweeper->result, item);
            if (sweeper->options.on_item != NULL) {
                sweeper->options.on_item(sweeper->options.user, item);
            }
            item->outcome = PS_OUTCOME_NONE;
        }
    }
}

static void run_settle(struct ps_job *job)
{
    struct ps_sweeper *sweeper = job->user;

    job->code =
        ps_reclaim_settle(sweeper->options.state, &sweeper->batch, now_of(sweeper), &job->err);
}

static void on_settled(struct ps_job *job)
{
    struct ps_sweeper *sweeper = job->user;

    if (job->code != PS_OK) {
        end(sweeper, &job->err);
        return;
    }
    ps_fault_point(sweeper->options.fault, "sweep.settled");
    tell(sweeper);
    take(sweeper);
}

static void on_asked_stores(void *user)
{
    struct ps_sweeper *sweeper = user;

    sweeper->deleting = NULL;
    ps_fault_point(sweeper->options.fault, "sweep.asked");
    start_job(sweeper, run_settle, on_settled);
}

/* --- a round --- */

static bool has_marked(const struct ps_sweeper *sweeper)
{
    for (size_t i = 0; i < sweeper->batch.count; i++) {
        if (sweeper->batch.items[i].outcome == PS_OUTCOME_MARK) {
            return true;
        }
    }
    return false;
}

static void on_marked(struct ps_job *job)
{
    struct ps_sweeper *sweeper = job->user;
    const struct ps_sweep_delete_options options = {
        .loop = sweeper->options.loop,
        .batch = &sweeper->batch,
        .stores = &sweeper->stores,
        .rate_per_s = sweeper->options.rate_per_s,
        .now_unix_s = now_of(sweeper),
        .fault = sweeper->options.fault,
        .on_done = on_asked_stores,
        .user = sweeper,
    };
    struct ps_err err;

    if (job->code != PS_OK) {
        end(sweeper, &job->err);
        return;
    }
    ps_fault_point(sweeper->options.fault, "sweep.marked");
    tell(sweeper);
    if (!has_marked(sweeper)) {
        take(sweeper);
    } else if (ps_sweep_delete_start(&sweeper->deleting, &options, &err) != PS_OK) {
        end(sweeper, &err);
    }
}

static void on_verified(void *user)
{
    struct ps_sweeper *sweeper = user;

    sweeper->verify = NULL;
    ps_fault_point(sweeper->options.fault, "sweep.verified");
    start_job(sweeper, run_settle, on_marked);
}

static void run_take(struct ps_job *job)
{
    struct ps_sweeper *sweeper = job->user;

    job->code = ps_reclaim_take_due(sweeper->options.state, PS_SWEEP_ROUND_MAX, now_of(sweeper),
                                    &sweeper->batch, &job->err);
}

static void on_taken(struct ps_job *job)
{
    struct ps_sweeper *sweeper = job->user;
    const struct ps_verify_options options = {
        .loop = sweeper->options.loop,
        .batch = &sweeper->batch,
        .stores = &sweeper->stores,
        .now_unix_s = now_of(sweeper),
        .on_done = on_verified,
        .user = sweeper,
    };
    struct ps_err err;

    if (job->code != PS_OK) {
        end(sweeper, &job->err);
        return;
    }
    sweeper->result.damaged_count += sweeper->batch.damaged_count;
    if (sweeper->batch.count == 0) {
        sweeper->pass++;
        if (sweeper->changed && sweeper->pass < PASSES_MAX) {
            sweeper->changed = false;
            sweeper->batch.after_due_unix_s = 0;
            sweeper->batch.after_number = 0;
            take(sweeper);
        } else {
            end(sweeper, NULL);
        }
        return;
    }
    for (size_t i = 0; i < sweeper->batch.count; i++) {
        ps_verdict_due(&sweeper->batch.items[i], &sweeper->options.rules, now_of(sweeper));
    }
    ps_fault_point(sweeper->options.fault, "sweep.taken");
    if (ps_verify_start(&sweeper->verify, &options, &err) != PS_OK) {
        end(sweeper, &err);
    }
}

static void take(struct ps_sweeper *sweeper)
{
    if (sweeper->stopping) {
        end(sweeper, NULL);
    } else {
        start_job(sweeper, run_take, on_taken);
    }
}

/* --- the beginning --- */

static void run_lock(struct ps_job *job)
{
    struct ps_sweeper *sweeper = job->user;
    struct ps_owner self;

    job->code = ps_owner_self(&self, &job->err);
    if (job->code == PS_OK) {
        job->code = ps_reclaim_lock(sweeper->options.state, &self, &job->err);
    }
    sweeper->locked = job->code == PS_OK;
    if (job->code == PS_OK) {
        job->code =
            ps_reclaim_count(sweeper->options.state, now_of(sweeper), &sweeper->counts, &job->err);
    }
}

static void on_locked(struct ps_job *job)
{
    struct ps_sweeper *sweeper = job->user;
    struct ps_err err;

    if (job->code != PS_OK) {
        end(sweeper, &job->err);
        return;
    }
    sweeper->result.due_count = sweeper->counts.due_count;
    sweeper->result.known_count = sweeper->counts.known_count;
    if (ps_fuse_check(&sweeper->options.fuse, sweeper->counts.due_count,
                      sweeper->counts.known_count, &err) != PS_OK) {
        end(sweeper, &err);
        return;
    }
    take(sweeper);
}

static void count_done(struct ps_sweep_result *result, const struct ps_reclaim_item *item,
                       bool archived)
{
    struct ps_artifact artifact;

    if (archived) {
        result->archived_count++;
        return;
    }
    result->deleted_count++;
    result->delete_marker_count += item->delete_marker ? 1 : 0;
    if (ps_reclaim_item_artifact(item, &artifact) && artifact.has_size) {
        result->deleted_bytes += artifact.size_bytes;
    }
}

void ps_sweep_result_count(struct ps_sweep_result *result, const struct ps_reclaim_item *item)
{
    switch (item->outcome) {
    case PS_OUTCOME_MARK:
        count_done(result, item, item->next_what == PS_RECLAIM_ARCHIVE);
        break;
    case PS_OUTCOME_DELETED:
        count_done(result, item, false);
        break;
    case PS_OUTCOME_GONE:
        result->gone_count++;
        break;
    case PS_OUTCOME_ARCHIVED:
        count_done(result, item, true);
        break;
    case PS_OUTCOME_KEEP:
    case PS_OUTCOME_DROP:
        result->kept_count++;
        break;
    case PS_OUTCOME_POSTPONE:
        result->postponed_count++;
        if (!item->held) {
            ps_str_copy(result->last_failure, sizeof(result->last_failure), item->words.reason);
        }
        break;
    case PS_OUTCOME_PLAN:
        result->later_count++;
        break;
    case PS_OUTCOME_NONE:
        break;
    }
}

enum ps_code ps_sweeper_start(struct ps_sweeper **sweeper_out,
                              const struct ps_sweeper_options *options, struct ps_err *err)
{
    struct ps_sweeper *sweeper = calloc(1, sizeof(*sweeper));

    if (sweeper == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "sweep: out of memory");
    }
    sweeper->options = *options;
    sweeper->stores.opener = options->opener;
    *sweeper_out = sweeper;
    start_job(sweeper, run_lock, on_locked);
    return PS_OK;
}

void ps_sweeper_stop(struct ps_sweeper *sweeper)
{
    sweeper->stopping = true;
}
