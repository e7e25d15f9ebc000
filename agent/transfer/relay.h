/**
 * relay - one object from a store to another: a stream through memory, proved at both ends.
 *
 * Flow:    store/ -> stream_out -> a pipe -> upload -> store/ (a file:// source is read as the file that it is)
 * Thread:  the loop thread; reading and writing the pipe on workers
 * Source:  none
 *
 * The pipe ends only when the source was verified, so a damaged or cut source never becomes an object. Type, metadata
 * and tags come along where they are not given anew. An interrupted relay goes on as an upload does: from file:// where
 * it stopped, else by reading the source again and sending only what the target has not got.
 */
#ifndef PS_TRANSFER_RELAY_H
#define PS_TRANSFER_RELAY_H

#include "transfer/upload.h"

struct ps_relay;

struct ps_relay_options {
    struct ps_store *from;
    const char *from_key;
    const char *from_url;
    const char *from_path; /* the local file, where the source is one; NULL = a stream */
    /** Where to: on_done's user gets the upload's result, confirmed only where the source was too. source_path and stream_fd are set by the relay. */
    struct ps_upload_options upload;
};

/** Start. Text is copied. Errors: PS_E_NO_MEMORY, PS_E_INVALID; those of both stores come through on_done. */
PS_MUST_USE enum ps_code ps_relay_start(struct ps_relay **relay_out,
                                        const struct ps_relay_options *options, struct ps_err *err);

/** Stop: on_done comes with PS_E_CANCELLED, when both ends have ended. */
void ps_relay_stop(struct ps_relay *relay);

void ps_relay_progress(const struct ps_relay *relay, struct ps_progress *progress_out);

#endif
