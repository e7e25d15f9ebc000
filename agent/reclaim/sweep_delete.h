/**
 * sweep_delete - asks the stores to delete, or to archive, what is marked. Nothing else in reclaim/ holds a deleter.
 *
 * Flow:    sweeper.c -> [sweep_delete] -> store/ DeleteObjects, CopyObject
 * Thread:  the loop thread
 * Source:  S3 DeleteObjects: 1 to 1,000 keys; CopyObject onto itself changes the storage class
 */
#ifndef PS_RECLAIM_SWEEP_DELETE_H
#define PS_RECLAIM_SWEEP_DELETE_H

#include "base/fault.h"
#include "reclaim/sweep_stores.h"

#include <stdint.h>

struct ps_sweep_delete;

struct ps_sweep_delete_options {
    uv_loop_t *loop;
    struct ps_reclaim_batch *batch; /* items with outcome MARK, durably marked */
    struct ps_sweep_stores *stores;
    uint64_t rate_per_s; /* keys; 0 = as fast as the store takes them */
    int64_t now_unix_s;
    struct ps_fault *fault;
    /** The end, once: items are DELETED, GONE, ARCHIVED, KEEP or POSTPONE. */
    void (*on_done)(void *user);
    void *user;
};

/** Start. batch and stores are borrowed until on_done. Errors: PS_E_NO_MEMORY. */
PS_MUST_USE enum ps_code ps_sweep_delete_start(struct ps_sweep_delete **delete_out,
                                               const struct ps_sweep_delete_options *options,
                                               struct ps_err *err);

#endif
