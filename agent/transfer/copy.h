/**
 * copy - one object to another key of the same store, by the store itself: the bytes do not pass through here.
 *
 * Flow:    store/ -> [copy] -> store/; state/checkpoint notes a copy in parts
 * Thread:  the loop thread; checkpoints on workers
 * Source:  S3 CopyObject (at most 5 GiB), UploadPartCopy; each with x-amz-copy-source-if-match
 *
 *   state       durable on entry                        next
 *   LOOKING     nothing                                 WHOLE | TAGS
 *   WHOLE       nothing (a copy is atomic)              CHECKING
 *   TAGS        nothing: a copy in parts carries none   CLAIMING
 *   CLAIMING    nothing, or an earlier run's record     LISTING | ABORTING | BEGINNING
 *   ABORTING    record with upload_id: --restart, or    BEGINNING | ENDING (refused: with PS_E_EXISTS or UNSUPPORTED)
 *               of a copy that is refused for good
 *   LISTING     record with upload_id                   COPYING | BEGINNING (store forgot it)
 *   BEGINNING   record CREATING                         COPYING
 *   COPYING     record SENDING; the store has the parts COMPLETING
 *   COMPLETING  record SENDING, all parts at the store  CHECKING
 *   CHECKING    the object                              ENDING
 *   ENDING      the object                              DONE
 */
#ifndef PS_TRANSFER_COPY_H
#define PS_TRANSFER_COPY_H

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "state/state.h"
#include "store/store.h"
#include "transfer/progress.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct ps_copy;

/**
 * Size of a copied part. Lower: more requests, each a few cents a thousand. Higher: fewer at once, more to do again.
 */
#define PS_COPY_PART_SIZE_BYTES ((uint64_t)256 * 1024 * 1024)
/** Parts under way at once; the work is the store's. */
#define PS_COPY_CONCURRENCY 8U
#define PS_COPY_CONCURRENCY_MAX 64U

struct ps_copy_result {
    const char *etag;            /* of the new object; borrowed for on_done */
    struct ps_checksum checksum; /* of the new object; NONE = the store does not tell */
    bool verified;               /* equal to the source's */
    uint64_t size_bytes;
    uint32_t part_count;    /* 0 = one CopyObject */
    uint32_t resumed_count; /* parts of an earlier run */
};

struct ps_copy_options {
    uv_loop_t *loop;
    struct ps_store *from;
    const char *from_key;
    const char *from_url;    /* for people and the checkpoint */
    const char *from_bucket; /* as struct ps_copy_request has it; NULL = that of store */
    struct ps_store *store;
    const char *key;
    const char *url;
    const struct ps_clock *clock;
    const struct ps_log *log;
    /** Called when a checkpoint is needed. The state stays the owner's. */
    struct ps_state *(*open_state)(void *user, struct ps_err *err);
    void *open_state_user;
    uint64_t threshold_bytes;      /* in parts above this; 0 = the store's limit */
    uint64_t part_size_bytes;      /* 0 = PS_COPY_PART_SIZE_BYTES */
    uint32_t concurrency;          /* 0 = PS_COPY_CONCURRENCY */
    struct ps_write_options write; /* what is not set comes from the source */
    bool restart;                  /* throw an earlier run's parts away */
    ps_transfer_event_fn on_event; /* may be NULL */
    /** The end, once; err NULL = the object is there. The copy is freed when it returns. */
    void (*on_done)(void *user, const struct ps_copy_result *result, const struct ps_err *err);
    void *user;
};

/**
 * Start. Text of options is copied; stores, clock, log are borrowed until on_done.
 *
 * Errors:  PS_E_NO_MEMORY, PS_E_INVALID; then nothing was started. Through on_done: PS_E_CHANGED (the source changed, or
 *          an interrupted copy or upload to the same URL has another source), PS_E_LOCKED, PS_E_CORRUPT, PS_E_UNSUPPORTED
 *          (the store cannot copy), PS_E_CANCELLED, and those of the store and the state.
 */
PS_MUST_USE enum ps_code ps_copy_start(struct ps_copy **copy_out,
                                       const struct ps_copy_options *options, struct ps_err *err);

/** Stop; the parts stay at the store and the next run goes on. on_done comes with PS_E_CANCELLED. */
void ps_copy_stop(struct ps_copy *copy);

void ps_copy_progress(const struct ps_copy *copy, struct ps_progress *progress_out);

#endif
