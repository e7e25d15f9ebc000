/**
 * preview - what a sweep would do now. It is given a state that cannot be written and stores that cannot delete.
 *
 * Flow:    state/pending_reclaim.h -> verdict -> sweep_verify -> [preview] -> cli/cmd_reclaims.c
 * Thread:  the loop thread; reading the state on workers
 * Source:  README.md of this folder
 */
#ifndef PS_RECLAIM_PREVIEW_H
#define PS_RECLAIM_PREVIEW_H

#include "reclaim/fuse.h"
#include "reclaim/sweeper.h"

struct ps_preview;

struct ps_preview_options {
    uv_loop_t *loop;
    struct ps_state *read_only_state;
    struct ps_reclaim_rules rules;
    struct ps_store_opener opener; /* what it opens loses its deleter before it is used */
    int64_t now_unix_s;
    struct ps_fuse fuse;
    /** Told of each record that is due: outcome MARK would be deleted or archived; all others as in sweeper.h. */
    void (*on_item)(void *user, const struct ps_reclaim_item *item);
    /** The end, once. result: counts MARK as deleted or archived. fuse_err: NULL, or what would stop the sweep. */
    void (*on_done)(void *user, const struct ps_sweep_result *result, const struct ps_err *fuse_err,
                    const struct ps_err *err);
    void *user;
};

/** Start. Errors: PS_E_NO_MEMORY. */
PS_MUST_USE enum ps_code ps_preview_start(struct ps_preview **preview_out,
                                          const struct ps_preview_options *options,
                                          struct ps_err *err);

#endif
