/**
 * sweeper - deletes what is due: in rounds, each with what it does durable before it does it.
 *
 * Flow:    state/pending_reclaim.h -> verdict -> sweep_verify -> [sweeper] -> sweep_delete -> store/
 * Thread:  the loop thread; reading and writing the state on workers
 * Source:  README.md of this folder
 *
 *   state      durable on entry                                    next
 *   LOCKING    nothing                                             TAKING | DONE (the fuse, another sweep)
 *   TAKING     the lock                                            VERIFYING | UNLOCKING (nothing is due any more)
 *   VERIFYING  records PENDING (or DELETING, of a killed sweep)    MARKING
 *   MARKING    the same                                            DELETING
 *   DELETING   records DELETING; all others of the round settled   SETTLING
 *   SETTLING   the same; the store did it or did not               TAKING
 *   UNLOCKING  everything                                          DONE
 *   DONE       the same, and no lock
 */
#ifndef PS_RECLAIM_SWEEPER_H
#define PS_RECLAIM_SWEEPER_H

#include "base/clock.h"
#include "base/fault.h"
#include "reclaim/fuse.h"
#include "reclaim/reclaim_question.h"
#include "reclaim/sweep_stores.h"
#include "state/pending_reclaim.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

/**
 * Records in a round. Lower: more flushes of the disk. Higher: more memory (about 1.3 KB each) and, after a kill, more
 * records to look at again.
 */
#define PS_SWEEP_ROUND_MAX 6000

struct ps_sweeper;

struct ps_sweep_result {
    uint64_t due_count; /* when it began */
    uint64_t known_count;
    uint64_t deleted_count;
    uint64_t deleted_bytes;
    uint64_t delete_marker_count; /* of them in versioned buckets: the bytes stay */
    uint64_t gone_count;
    uint64_t archived_count;
    uint64_t kept_count;      /* with their reasons, and claims that ended */
    uint64_t postponed_count; /* failed, or held for a time */
    uint64_t later_count;     /* the policies of today say later */
    uint64_t damaged_count;
    char last_failure[256]; /* "" = none */
};

/** Add what became of an item; MARK counts as what would be done. */
void ps_sweep_result_count(struct ps_sweep_result *result, const struct ps_reclaim_item *item);

struct ps_sweeper_options {
    uv_loop_t *loop;
    struct ps_state *state;
    struct ps_reclaim_rules rules;
    struct ps_store_opener opener;
    const struct ps_clock *clock;
    int64_t now_unix_s; /* 0 = the clock's */
    struct ps_fuse fuse;
    uint64_t rate_per_s; /* 0 = no limit of ours */
    struct ps_fault *fault;
    /** Told what became of each item once that is durable; may be NULL. */
    void (*on_item)(void *user, const struct ps_reclaim_item *item);
    /** The end, once; the sweeper is freed when it returns. */
    void (*on_done)(void *user, const struct ps_sweep_result *result, const struct ps_err *err);
    void *user;
};

/**
 * Start. What is due is planned before: reclaim_planner.h.
 *
 * Errors:  PS_E_NO_MEMORY. Through on_done: PS_E_REFUSED (the fuse: nothing was done), PS_E_LOCKED (another sweep),
 *          PS_E_CANCELLED (stopped), those of the state.
 */
PS_MUST_USE enum ps_code ps_sweeper_start(struct ps_sweeper **sweeper_out,
                                          const struct ps_sweeper_options *options,
                                          struct ps_err *err);

/** Stop after the round under way. */
void ps_sweeper_stop(struct ps_sweeper *sweeper);

#endif
