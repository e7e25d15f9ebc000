/**
 * reclaim_planner - asks the policies about everything that was recorded or reported, and writes what they say.
 *
 * Flow:    state/artifact.h (plan_queue) -> [reclaim_planner] -> decide/ -> state/pending_reclaim.h
 * Thread:  the loop thread; reading and writing the state on workers
 * Source:  README.md of this folder
 *
 *   state     durable on entry                          next
 *   READING   rows in plan_queue                        ASKING | DONE (the queue is empty)
 *   ASKING    the same                                  WRITING
 *   WRITING   the same                                  READING
 *   DONE      all decisions, and no row that they are of
 */
#ifndef PS_RECLAIM_RECLAIM_PLANNER_H
#define PS_RECLAIM_RECLAIM_PLANNER_H

#include "base/clock.h"
#include "base/err.h"
#include "base/fault.h"
#include "reclaim/reclaim_question.h"
#include "state/state.h"

#include <stdint.h>
#include <uv.h>

/**
 * Questions in one commit. Lower: more flushes of the disk. Higher: the loop answers policies for longer at a time
 * (2 µs each) and a commit holds more memory.
 */
#define PS_PLANNER_BATCH_MAX 4096

struct ps_planner;

struct ps_plan_result {
    uint64_t asked_count;
    uint64_t planned_count; /* pending, also when they had been before */
    uint64_t kept_count;
    uint64_t damaged_count; /* records that cannot be read: nothing is done with them */
};

struct ps_planner_options {
    uv_loop_t *loop;
    struct ps_state *state;
    struct ps_reclaim_rules rules;
    const struct ps_clock *clock;
    int64_t now_unix_s;     /* 0 = the clock's */
    struct ps_fault *fault; /* NULL = none */
    /** The end, once. The planner is freed when it returns. */
    void (*on_done)(void *user, const struct ps_plan_result *result, const struct ps_err *err);
    void *user;
};

/** Start. Errors: PS_E_NO_MEMORY. Through on_done: those of the state; what is not planned stays queued. */
PS_MUST_USE enum ps_code ps_planner_start(struct ps_planner **planner_out,
                                          const struct ps_planner_options *options,
                                          struct ps_err *err);

/** Stop after the batch under way; on_done comes with PS_E_CANCELLED. */
void ps_planner_stop(struct ps_planner *planner);

#endif
