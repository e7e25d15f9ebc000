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

/**
 * Look at all items of batch with outcome MARK. They keep it when all is as recorded, else become KEEP (another
 * object), GONE, or POSTPONE (the store did not say).
 *
 * batch, stores: borrowed until on_done, which comes once; the verify is freed when it returns.
 * Errors:        PS_E_NO_MEMORY; nothing was started then.
 */
PS_MUST_USE enum ps_code ps_verify_start(struct ps_verify **verify_out,
                                         struct ps_reclaim_batch *batch,
                                         struct ps_sweep_stores *stores, uv_loop_t *loop,
                                         int64_t now_unix_s, void (*on_done)(void *user),
                                         void *user, struct ps_err *err);

#endif
