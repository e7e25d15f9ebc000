/**
 * progress - how far a transfer is, and what happened on the way, for whoever watches.
 *
 * Flow:    transfer/upload.h, transfer/download.h -> [progress] -> cli/progress_bar.h, serve/admin.h
 * Thread:  the loop thread
 * Source:  none
 */
#ifndef PS_TRANSFER_PROGRESS_H
#define PS_TRANSFER_PROGRESS_H

#include "base/err.h"
#include "decide/decision.h"

#include <stdbool.h>
#include <stdint.h>

/** A snapshot; all numbers count since this process started the transfer, except where said. */
struct ps_progress {
    const char *state; /* "sending parts"; static */
    bool has_total;    /* false for a stream whose end was not seen */
    uint64_t total_bytes;
    uint64_t done_bytes;    /* confirmed, those of earlier runs included */
    uint64_t moved_bytes;   /* over the wire or to the disk, repeats included, confirmed or not */
    uint64_t resumed_bytes; /* done by earlier runs */
    uint32_t resumed_count; /* parts or ranges of earlier runs */
    uint32_t part_count;    /* 0 = not known */
    uint32_t done_count;
    uint32_t active_count; /* parts under way */
    bool has_files;        /* many files or objects, of which file_count are done */
    uint64_t file_count;
};

enum ps_transfer_event_kind {
    PS_TRANSFER_DECIDED, /* a policy (or the built-in default) decided a field */
    PS_TRANSFER_RESUMED, /* goes on where an earlier run stopped */
    PS_TRANSFER_ADOPTED, /* as resumed, though the checkpoint was lost: found at the store and verified */
    PS_TRANSFER_AFRESH, /* an earlier run's work cannot be used; text says why */
    PS_TRANSFER_NOTICE, /* worth a line */
};

/** Borrowed for the call. */
struct ps_transfer_event {
    enum ps_transfer_event_kind kind;
    const char *text;               /* one line */
    const char *field;              /* DECIDED: "part_size" */
    const char *value;              /* DECIDED: "16777216" */
    const struct ps_origin *origin; /* DECIDED */
    uint32_t part_count;            /* RESUMED, ADOPTED */
    uint64_t size_bytes;            /* RESUMED, ADOPTED */
};

typedef void (*ps_transfer_event_fn)(void *user, const struct ps_transfer_event *event);

#endif
