/**
 * stream_out - one object to a descriptor (standard output), in order, with bounded read-ahead, verified as it passes.
 *
 * Flow:    store/ -> hash/ -> [stream_out] -> a descriptor
 * Thread:  the loop thread; writing on a worker
 * Source:  S3 GetObject; the store resumes a cut body by a ranged request with If-Match
 */
#ifndef PS_TRANSFER_STREAM_OUT_H
#define PS_TRANSFER_STREAM_OUT_H

#include "base/err.h"
#include "store/store.h"
#include "transfer/progress.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct ps_stream_out;

struct ps_stream_out_result {
    uint64_t size_bytes;         /* of what was received */
    struct ps_checksum checksum; /* of the bytes that were written */
    bool verified;               /* compared with the store's own and equal */
};

struct ps_stream_out_options {
    uv_loop_t *loop;
    struct ps_store *store;
    const char *key;
    const char *url;
    int fd;                            /* borrowed */
    const struct ps_object_info *info; /* what a HEAD said, borrowed for the call; NULL = ask */
    uint64_t offset_bytes;             /* begin there; not behind info's size */
    bool unhashed; /* who reads fd verifies: result has no checksum and is not verified */
    /** The end, once. PS_E_CORRUPT: the bytes were written, but they are not the object. Freed when it returns. */
    void (*on_done)(void *user, const struct ps_stream_out_result *result,
                    const struct ps_err *err);
    void *user;
};

/** Start. Text is copied. Errors: PS_E_NO_MEMORY; those of the store come through on_done. */
PS_MUST_USE enum ps_code ps_stream_out_start(struct ps_stream_out **stream_out,
                                             const struct ps_stream_out_options *options,
                                             struct ps_err *err);

/** Stop: on_done comes with PS_E_CANCELLED, when a write under way has ended (close the other end of a pipe for that). */
void ps_stream_out_stop(struct ps_stream_out *stream);

void ps_stream_out_progress(const struct ps_stream_out *stream, struct ps_progress *progress_out);

#endif
