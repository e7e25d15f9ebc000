/**
 * marker_record - what markers say, as records of the state.
 *
 * Flow:    marker_take.c -> [marker_record] -> state/artifact.h
 * Thread:  a worker: it writes the state
 * Source:  marker_take.h: how a marker becomes a workflow
 */
#ifndef PS_RECLAIM_MARKER_RECORD_H
#define PS_RECLAIM_MARKER_RECORD_H

#include "reclaim/marker.h"
#include "state/state.h"

#include <stdint.h>

/** Markers of one page: 10,000 objects at most. Lower: more commits. Higher: up to 4 MiB of memory each. */
#define PS_MARKER_PAGE 10

/** One that was read. */
struct ps_marker_found {
    char *name;           /* without the directory; owned */
    int64_t since_unix_s; /* when the store got it: `after` counts from here */
    struct ps_marker marker;
};

/**
 * Record the objects of markers that lie below prefix_url ("s3://bucket/dir/"), then report the events. Objects that
 * were recorded for the same marker before stay as they are. count: at most
 * PS_MARKER_PAGE.
 *
 * Errors:  those of ps_artifact_record and ps_workflow_report; part of it may be recorded then, and is known next time.
 */
PS_MUST_USE enum ps_code ps_marker_record(struct ps_state *state, const char *prefix_url,
                                          const struct ps_marker_found *found, size_t count,
                                          uint64_t *object_count_out, struct ps_err *err);

#endif
