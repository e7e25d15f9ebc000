/**
 * archive_download - one object, an archive, into a directory, without a temporary file; resumes at entries.
 *
 * Flow:    transfer/stream_out.h -> a pipe -> [archive_download] -> sink/archive_writer.h on a thread of its own
 * Thread:  the loop thread; the extraction has its own thread, as libarchive blocks where it reads and libuv's four
 *          workers are needed to feed it
 * Source:  as archive_writer.h
 *
 *   state      durable on entry                                  next
 *   HEADING    nothing, or an earlier run's record               CLAIMING
 *   CLAIMING   as before                                         RUNNING
 *   RUNNING    record; every second or less often, after syncfs, FORGETTING | CLAIMING (the place to go on was none:
 *              the entries that are finished and the place       from the start)
 *              from which the rest can be unpacked
 *   FORGETTING all entries                                       DONE
 *   DONE       the directory, no record; or as before an error
 *
 * A run after a kill fetches a tar, a zip or anything in gzip from there by a range with If-Match, zstd from the last
 * frame. zstd of one frame, or an object whose checksum is MD5 or SHA-256, which cannot be joined, is fetched again from
 * the start, and the entries that are finished are passed over.
 */
#ifndef PS_TRANSFER_ARCHIVE_DOWNLOAD_H
#define PS_TRANSFER_ARCHIVE_DOWNLOAD_H

#include "base/clock.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/log.h"
#include "sink/archive_writer.h"
#include "source/tree_walk.h"
#include "state/state.h"
#include "store/store.h"
#include "transfer/progress.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct ps_archive_download;

struct ps_archive_download_result {
    struct ps_extract_result tree;
    uint64_t size_bytes;         /* of the object */
    uint64_t resumed_bytes;      /* of it that were not fetched again */
    struct ps_checksum checksum; /* of its bytes */
    bool verified;               /* compared with the store's own and equal */
};

struct ps_archive_download_options {
    uv_loop_t *loop;
    struct ps_store *store;
    const char *key;
    const char *url;
    const char *dest; /* absolute */
    const struct ps_clock *clock;
    const struct ps_log *log;
    struct ps_fault *fault; /* "extract.noted": a place to go on at is durable; may be NULL */
    struct ps_state *(*open_state)(void *user,
                                   struct ps_err *err); /* as in upload.h; NULL = never resumes */
    void *open_state_user;
    /** limits, outside_links, attributes, same_owner, modes; the rest is set by this module. */
    struct ps_extract_options extract;
    const struct ps_tree_filter *filter; /* NULL = all; borrowed until on_done */
    bool restart;                        /* forget what an earlier run has finished */
    /** The end, once. With an error, result says how far it came. Freed when it returns. */
    void (*on_done)(void *user, const struct ps_archive_download_result *result,
                    const struct ps_err *err);
    void *user;
};

/** Start; text is copied. Errors: PS_E_NO_MEMORY, PS_E_IO. Through on_done those of archive_writer.h and the store. */
PS_MUST_USE enum ps_code
ps_archive_download_start(struct ps_archive_download **op_out,
                          const struct ps_archive_download_options *options, struct ps_err *err);

/** Stop: on_done comes with PS_E_CANCELLED. */
void ps_archive_download_stop(struct ps_archive_download *op);

void ps_archive_download_progress(const struct ps_archive_download *op,
                                  struct ps_progress *progress_out);

#endif
