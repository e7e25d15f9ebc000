/**
 * lifecycle_find - finds what the lifecycle rules of directories let expire, and gives it to the planner.
 *
 * Flow:    lifecycle_local.h, store/ list -> [lifecycle_find] -> state/artifact.h (plan_queue)
 * Thread:  the loop thread; writing the state on workers
 * Source:  S3 lifecycle: Expiration, AbortIncompleteMultipartUpload
 *
 * It deletes nothing: an object that has expired becomes an artifact of no workflow, which planner, fuse and sweeper deal
 * with as with any other. What has a record already is asked about anew. Uploads that a rule ends are aborted here.
 */
#ifndef PS_RECLAIM_LIFECYCLE_FIND_H
#define PS_RECLAIM_LIFECYCLE_FIND_H

#include "reclaim/lifecycle_local.h"
#include "reclaim/sweep_stores.h"
#include "state/state.h"

#include <stdint.h>
#include <uv.h>

struct ps_lifecycle_find;

struct ps_lifecycle_found {
    uint64_t expired_count;
    uint64_t recorded_count; /* of them, that were no artifacts before */
    uint64_t aborted_count;  /* uploads */
};

struct ps_lifecycle_find_options {
    uv_loop_t *loop;
    struct ps_state *state; /* NULL: only tell, write nothing and abort nothing */
    struct ps_store_opener opener;
    const struct ps_lifecycle_local *local; /* borrowed until the end */
    int64_t now_unix_s;
    /** Told of each object that has expired; may be NULL. */
    void (*on_expired)(void *user, const char *url, const struct ps_lifecycle_rule *rule);
    /** The end, once; freed when it returns. err: of the last directory that could not be read, NULL = none. */
    void (*on_done)(void *user, const struct ps_lifecycle_found *found, const struct ps_err *err);
    void *user;
};

/** Start. Errors: PS_E_NO_MEMORY. */
PS_MUST_USE enum ps_code ps_lifecycle_find_start(struct ps_lifecycle_find **find_out,
                                                 const struct ps_lifecycle_find_options *options,
                                                 struct ps_err *err);

/** Stop after the page under way. */
void ps_lifecycle_find_stop(struct ps_lifecycle_find *find);

#endif
