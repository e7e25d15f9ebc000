/**
 * download - one object into a file: parallel ranges with If-Match, resumable, verified as a whole.
 *
 * Flow:    store/ -> hash/ -> [download] -> sink/file_writer; state/checkpoint notes what is durable
 * Thread:  the loop thread; writing on workers
 * Source:  S3 GetObject (Range, If-Match), HeadObject; RFC 9110 13.1.1, 14
 *
 *   state       durable on entry                          next
 *   HEADING     nothing, or an earlier run's record       CLAIMING | FETCHING (one range only: no record)
 *   CLAIMING    as before                                 FETCHING
 *   FETCHING    record, ranges one by one                 PUBLISHING
 *   PUBLISHING  all ranges, the whole was verified        DONE
 *   ENDING      whatever was                              DONE
 *   DONE        the file, no record; or as before ENDING
 */
#ifndef PS_TRANSFER_DOWNLOAD_H
#define PS_TRANSFER_DOWNLOAD_H

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "sink/dest_tree.h"
#include "state/state.h"
#include "store/store.h"
#include "transfer/progress.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct ps_download;

struct ps_download_result {
    const char *etag; /* borrowed for on_done */
    uint64_t size_bytes;
    struct ps_checksum checksum; /* of the bytes that were written */
    bool verified;               /* it was compared with the store's own and is equal */
    uint32_t range_count;
    uint32_t resumed_count;
    uint64_t resumed_bytes;
};

struct ps_download_options {
    uv_loop_t *loop;
    struct ps_store *store;
    const char *key;
    const char *url;
    const char *path; /* absolute */
    const struct ps_clock *clock;
    const struct ps_log *log;
    struct ps_state *(*open_state)(void *user, struct ps_err *err); /* as in upload.h */
    void *open_state_user;
    uint32_t concurrency;      /* 0 = 8 */
    uint64_t range_size_bytes; /* 0 = 16 MiB, more for objects over 156 GiB */
    bool restart;              /* throw an earlier run's bytes away */
    /** What the file has when it appears; may be filled by on_info. Borrowed until on_done; NULL = nothing is set. */
    const struct ps_dest_attributes *attributes;
    ps_transfer_event_fn on_event; /* may be NULL */
    /** What the store says of the object, once; borrowed for the call. May be NULL. */
    void (*on_info)(void *user, const struct ps_object_info *info);
    /** The end, once; err NULL = the file is there, whole. The download is freed when it returns. */
    void (*on_done)(void *user, const struct ps_download_result *result, const struct ps_err *err);
    void *user;
};

/**
 * Start. Text is copied; store, clock and log are borrowed until on_done.
 *
 * Errors:  PS_E_NO_MEMORY. Through on_done: PS_E_NOT_FOUND, PS_E_LOCKED, PS_E_CHANGED (the object changed while it was
 *          fetched), PS_E_CORRUPT (the whole differs from the store's checksum; nothing is left), PS_E_NO_SPACE, others
 *          of store and state.
 */
PS_MUST_USE enum ps_code ps_download_start(struct ps_download **download_out,
                                           const struct ps_download_options *options,
                                           struct ps_err *err);

/** Stop: what is done is made durable, then on_done comes with PS_E_CANCELLED. */
void ps_download_stop(struct ps_download *download);

void ps_download_progress(const struct ps_download *download, struct ps_progress *progress_out);

#endif
