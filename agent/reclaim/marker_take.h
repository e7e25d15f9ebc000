/**
 * marker_take - markers of delayed deletes become records of the state, then they go.
 *
 * Flow:    cli/agent_sweep.h -> [marker_take] -> store/ (list, get), state/artifact.h -> the planner; store/ (delete)
 * Thread:  the loop thread; the state is written on a worker
 * Source:  marker.h
 *
 * For each store of the settings, and for each page of the markers below its URL:
 *
 *   state   durable on entry                                                 a kill there
 *   LIST    nothing                                                          begins anew
 *   GET     nothing                                                          begins anew
 *   WRITE   nothing                                                          begins anew
 *   REMOVE  every object of the page has its record, and its event reported  the same again: what is recorded already stays
 *
 * A marker is a workflow to the state: "delete-request/NAME", cleared by hand and deleted when the store got the marker, and
 * `after` is the label purser/reclaim-after of its artifacts. So everything that protects a record protects these:
 * policies, holds, other claims, the fuse, the look at the object before it goes.
 *
 * A marker that makes no sense is left where it is and told in the log; its objects stay.
 */
#ifndef PS_RECLAIM_MARKER_TAKE_H
#define PS_RECLAIM_MARKER_TAKE_H

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/settings.h"
#include "reclaim/sweep_stores.h"
#include "state/state.h"

#include <stdint.h>
#include <uv.h>

struct ps_marker_take;

struct ps_marker_result {
    uint64_t marker_count;
    uint64_t object_count;
    uint64_t unread_count; /* markers that make no sense, or could not be read */
};

/** All borrowed until on_done. */
struct ps_marker_take_options {
    uv_loop_t *loop;
    struct ps_state *state;
    const struct ps_settings *settings; /* its stores */
    struct ps_store_opener opener;
    const struct ps_clock *clock;
    const struct ps_log *log;
    struct ps_fault *fault; /* NULL = none */
    /** The end, once; freed when it returns. err: of the state, PS_E_CANCELLED; a store's trouble is logged only. */
    void (*on_done)(void *user, const struct ps_marker_result *result, const struct ps_err *err);
    void *user;
};

/** Start. Errors: PS_E_NO_MEMORY. */
PS_MUST_USE enum ps_code ps_marker_take_start(struct ps_marker_take **take_out,
                                              const struct ps_marker_take_options *options,
                                              struct ps_err *err);

/** End soon, with PS_E_CANCELLED: what is being written is finished. */
void ps_marker_take_stop(struct ps_marker_take *take);

#endif
