/**
 * sweep_verify - is every object still the one that was recorded? It can look, and nothing else.
 *
 * Flow:    sweeper.c, preview.c -> [sweep_verify] -> store/ list, head
 * Thread:  the loop thread
 * Source:  S3 ListObjectsV2 (a page tells ETag, size and time of 1,000 objects), HeadObject
 *
 * Many keys of one bucket are looked up in pages of its list, what those do not show one by one. An object is gone only
 * when a HEAD says so and the bucket itself is there: a wrong endpoint or an unmounted disk must not make us forget.
 */
#ifndef PS_RECLAIM_SWEEP_VERIFY_H
#define PS_RECLAIM_SWEEP_VERIFY_H

#include "reclaim/sweep_stores.h"

#include <stdint.h>

struct ps_verify;

struct ps_verify_options {
    uv_loop_t *loop;
    struct ps_reclaim_batch *batch;
    struct ps_sweep_stores *stores; /* as batch: borrowed until on_done */
    int64_t now_unix_s;
    /** The end, once; the verify is freed when it returns. */
    void (*on_done)(void *user);
    void *user;
};

/**
 * Look at all items of the batch with outcome MARK. They keep it when all is as recorded, else become KEEP (another
 * object), GONE, or POSTPONE (the store did not say).
 *
 * Errors:  PS_E_NO_MEMORY; nothing was started then.
 */
PS_MUST_USE enum ps_code ps_verify_start(struct ps_verify **verify_out,
                                         const struct ps_verify_options *options,
                                         struct ps_err *err);

#endif
