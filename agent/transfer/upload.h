/**
 * upload - one artifact from a file, a stream or a byte source to a store: multipart, parallel, resumable, every part proved.
 *
 * Flow:    source/ -> hash/ -> [upload] -> store/; state/checkpoint notes what is durable
 * Thread:  the loop thread; reading and hashing on workers
 * Source:  S3 CreateMultipartUpload, UploadPart, ListParts, ListMultipartUploads, CompleteMultipartUpload
 *
 *   state       durable on entry                        next
 *   STARTING    nothing                                 SINGLE | CLAIMING
 *   SINGLE      nothing (a PUT is atomic)               DONE
 *   CLAIMING    nothing, or an earlier run's record     LISTING | FINDING | CONFIRMING
 *   LISTING     record with upload_id                   SENDING | BEGINNING (store forgot it) | CONFIRMING
 *   FINDING     nothing, or a record without upload_id  VERIFYING | BEGINNING
 *   VERIFYING   an upload at the store, no record       FINDING (next candidate) | SENDING | STARTING (a byte source,
 *                                                       which has no way back: it is read again)
 *   BEGINNING   record CREATING                         SENDING
 *   SENDING     record SENDING, parts one by one        COMPLETING
 *   COMPLETING  record COMPLETING, all parts            DONE | CONFIRMING
 *   CONFIRMING  record COMPLETING                       DONE | COMPLETING | BEGINNING
 *   ENDING      whatever was                            DONE
 *   DONE        the object, no record; or as before ENDING
 */
#ifndef PS_TRANSFER_UPLOAD_H
#define PS_TRANSFER_UPLOAD_H

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "decide/decision.h"
#include "state/state.h"
#include "store/store.h"
#include "transfer/byte_source.h"
#include "transfer/progress.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct ps_upload;

struct ps_upload_result {
    const char *etag;            /* borrowed for on_done; "" = none */
    struct ps_checksum checksum; /* of the whole object; NONE = of its parts only */
    bool confirmed; /* the store told what it has of the object or of each part, and it is equal */
    uint64_t size_bytes;
    uint32_t part_count;    /* 0 = a single PUT */
    uint32_t resumed_count; /* parts that were not sent again */
    uint64_t resumed_bytes;
    uint64_t sent_bytes; /* of this run, repeats not counted */
    bool adopted;        /* the checkpoint was lost; the upload was found at the store */
    bool skipped;        /* a policy said not to upload */
};

/** What the user fixed; 0, NULL and NONE leave it to the policy. */
struct ps_upload_wishes {
    uint64_t threshold_bytes;
    uint64_t part_size_bytes;
    uint32_t concurrency;
    enum ps_checksum_algorithm checksum;
    const char *storage_class;
    const char *content_type;
    const struct ps_store_pair *metadata;
    size_t metadata_count;
    const struct ps_store_pair *tags;
    size_t tag_count;
    bool create_only;
    bool restart;      /* throw an earlier run's parts away */
    bool sign_payload; /* hash every part by SHA-256 too */
};

struct ps_upload_options {
    uv_loop_t *loop;
    struct ps_store *store;
    const char *key;
    const char *url; /* for people, policies and the checkpoint */
    const char *store_name;
    const char *bucket;
    const char *source_path; /* absolute; NULL = byte_source or stream_fd */
    int stream_fd;
    const struct ps_byte_source
        *byte_source; /* NULL = none; copied, open until on_done. Then source_path is a name */
    const struct ps_decider *decider;
    const char *policy_digest; /* "" = built-in */
    const struct ps_clock *clock;
    const struct ps_log *log;
    /** Called when a checkpoint is needed, which a small object never does. The state stays the owner's. */
    struct ps_state *(*open_state)(void *user, struct ps_err *err);
    void *open_state_user;
    uint64_t
        memory_limit_bytes; /* for the parts of a stream that are held until the store has them */
    struct ps_upload_wishes wishes;
    ps_transfer_event_fn on_event; /* may be NULL */
    /** The end, once; err NULL = the object is there. The upload is freed when it returns. */
    void (*on_done)(void *user, const struct ps_upload_result *result, const struct ps_err *err);
    void *user;
};

/**
 * Start. Text of options is copied; store, decider, clock, log are borrowed until on_done.
 *
 * Errors:  those of ps_file_reader_open; PS_E_TOO_LARGE; PS_E_NO_MEMORY; then nothing was started.
 *          Through on_done: PS_E_LOCKED, PS_E_CHANGED (source differs from the interrupted run's), PS_E_CORRUPT, and
 *          those of the store and the state.
 */
PS_MUST_USE enum ps_code ps_upload_start(struct ps_upload **upload_out,
                                         const struct ps_upload_options *options,
                                         struct ps_err *err);

/** Stop: what is done is made durable, then on_done comes with PS_E_CANCELLED. */
void ps_upload_stop(struct ps_upload *upload);

void ps_upload_progress(const struct ps_upload *upload, struct ps_progress *progress_out);

#endif
