/**
 * s3_error - what an answer that is no success says, as ps_err, and what could be corrected before another try.
 *
 * Flow:    s3_call.c, s3_delete.c -> [s3_error] -> error_class.h, xml_read.h
 * Thread:  the loop thread
 * Source:  S3 "Error responses"; HEAD answers have no body, so headers and the status must do
 */
#ifndef PS_STORE_S3_ERROR_H
#define PS_STORE_S3_ERROR_H

#include "http/http_client.h"
#include "store/s3_internal.h"

/** The texts of one <Error>, cut to fit; empty = not there. */
struct ps_s3_error {
    char code[64];
    char message[160];
    char request_id[64];
    char region[PS_S3_REGION_SIZE];
    char endpoint[128]; /* where OSS says the bucket is */
    char ec[32];        /* EC of OSS: the exact cause, for its support */
};

/** What may be corrected, once each a call. */
enum ps_s3_fix {
    PS_S3_FIX_NONE = 0,
    PS_S3_FIX_CLOCK = 1 << 0,
    PS_S3_FIX_CREDS = 1 << 1,
    PS_S3_FIX_REGION = 1 << 2,
};

/** Copy src, cut to fit, into one line without control characters: it goes to terminals and logs. */
void ps_s3_error_copy(char *dst, size_t dst_size_bytes, const char *src);

/** Read an answer that is an error (or a 200 that holds one). Never fails: what cannot be read stays empty. */
void ps_s3_error_read(const struct ps_http_answer *answer, struct ps_s3_error *error_out);

/**
 * Fill *err from error: code, retry class, and one line that says what, who (request ID) and the mend.
 *
 * Returns err->code.
 */
enum ps_code ps_s3_error_fill(const struct ps_s3_error *error, int http_status, struct ps_err *err);

/** The retry class of an error that came without an answer (connect, reset, cut body, TLS). Sets err->retry. */
void ps_s3_error_of_transport(struct ps_err *err);

/** *err = the answer makes no sense, and may be asked for again. Returns PS_E_PARSE. */
enum ps_code ps_s3_error_parse(struct ps_err *err);

/**
 * Correct what the answer shows to be wrong: the clock and the region at once in store, credentials by the caller
 * (get them with force).
 *
 * fixes_done: those made for this call already; they are not made again. PS_S3_FIX_NONE = nothing to be done.
 */
enum ps_s3_fix ps_s3_error_fix(struct ps_s3_store *store, const struct ps_http_answer *answer,
                               const struct ps_s3_error *error, unsigned fixes_done);

/** True and *ms_out when the answer says how long to wait: x-amz-retry-after (ms), Retry-After (s or date). */
PS_MUST_USE bool ps_s3_error_retry_after(const struct ps_s3_store *store,
                                         const struct ps_http_answer *answer, uint64_t *ms_out);

/**
 * Ceph RGW has no NoSuchUpload for ListParts: it misses the key. A part that is copied misses its source by that name,
 * so only what names nothing but an upload counts: to look at its parts and to abort it. Then failure is NO_UPLOAD.
 */
void ps_s3_error_note_lost_upload(const struct ps_s3_error *error, const char *method,
                                  const struct ps_s3_pairs *query, struct ps_err *failure);

#endif
