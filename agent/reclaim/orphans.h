/**
 * orphans - aborts multipart uploads of purser's own that nobody will resume: stores bill their parts for ever, and often
 *           refuse the lifecycle rule that would end them.
 *
 * Flow:    state/checkpoint.h -> [orphans] -> store/ AbortMultipartUpload
 * Thread:  the loop thread; reading and writing the state on workers
 * Source:  S3 AbortMultipartUpload
 *
 * Only uploads with a checkpoint in this state are purser's own for certain. One goes when its process is dead and its
 * checkpoint is older than the limit; the record goes last, so that what could not be aborted is tried again.
 */
#ifndef PS_RECLAIM_ORPHANS_H
#define PS_RECLAIM_ORPHANS_H

#include "reclaim/sweep_stores.h"
#include "state/state.h"

#include <stdint.h>
#include <uv.h>

struct ps_orphans;

struct ps_orphans_options {
    uv_loop_t *loop;
    struct ps_state *state;
    struct ps_store_opener opener;
    int64_t now_unix_s;
    uint64_t older_than_ms; /* 0 = none goes */
    uint64_t
        upload_number; /* not 0: only this one, however old; PS_E_NOT_FOUND, PS_E_LOCKED when it runs */
    /** One was aborted and forgotten. NULL = nobody wants to know. */
    void (*on_aborted)(void *user, const char *url);
    /** The end, once; freed when it returns. err: of the last that could not be aborted, NULL = none. */
    void (*on_done)(void *user, uint64_t aborted_count, const struct ps_err *err);
    void *user;
};

/** Start. Errors: PS_E_NO_MEMORY. */
PS_MUST_USE enum ps_code ps_orphans_start(struct ps_orphans **orphans_out,
                                          const struct ps_orphans_options *options,
                                          struct ps_err *err);

#endif
