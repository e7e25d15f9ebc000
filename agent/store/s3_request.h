/**
 * s3_request - the URL and the signed header lines of one attempt.
 *
 * Flow:    s3_call.c -> [s3_request] -> sign_v4.h, base/encode.h
 * Thread:  the loop thread
 * Source:  S3 virtual hosting of buckets; SigV4 for S3 (path encoded once, never normalised)
 */
#ifndef PS_STORE_S3_REQUEST_H
#define PS_STORE_S3_REQUEST_H

#include "creds/creds.h"
#include "store/s3_internal.h"

/** Heap text; ps_s3_request_clear frees it. Zeroed = empty. */
struct ps_s3_request {
    struct ps_buf url;
    char **lines; /* "name: value" */
    size_t line_count;
};

/** What is signed. */
struct ps_s3_request_parts {
    const char *method;
    const char *key; /* NULL = the bucket */
    const struct ps_s3_pairs *query;
    const struct ps_s3_pairs *headers;
    const char *payload_hash; /* x-amz-content-sha256 */
};

/**
 * Build and sign for the store's region and corrected clock.
 *
 * Errors:  PS_E_NO_MEMORY; PS_E_TOO_LARGE for a URL over the buffer's limit. *request_out is empty then.
 */
PS_MUST_USE enum ps_code ps_s3_request_build(struct ps_s3_store *store,
                                             const struct ps_s3_request_parts *parts,
                                             const struct ps_creds *creds,
                                             struct ps_s3_request *request_out, struct ps_err *err);

/**
 * Append the whole presigned URL of parts; whoever uses it must send their headers. payload_hash is NULL. Nothing of it
 * may enter a message or a log.
 *
 * Errors:  PS_E_UNSUPPORTED when the dialect cannot; as ps_sign_v4_presign.
 */
PS_MUST_USE enum ps_code ps_s3_request_presign(struct ps_s3_store *store,
                                               const struct ps_s3_request_parts *parts,
                                               uint32_t expires_s, const struct ps_creds *creds,
                                               struct ps_buf *url, struct ps_err *err);

/** "bucket.host[:port]", or "host[:port]" with path style. NULL when memory is out; free(). */
char *ps_s3_request_host(const struct ps_s3_store *store);

/** Append "/base/bucket/key" percent-encoded. Errors as ps_buf_append. */
PS_MUST_USE enum ps_code ps_s3_request_path(const struct ps_s3_store *store, const char *key,
                                            struct ps_buf *path, struct ps_err *err);

/**
 * What stands for the body in the signature: the SHA-256 of text as hex, or sha256 of a body that is pulled (text NULL),
 * else UNSIGNED-PAYLOAD: where the dialect hashes nothing, or sha256 is NULL or of another kind.
 */
void ps_s3_request_hash(const struct ps_s3_store *store, const struct ps_buf *text,
                        const struct ps_checksum *sha256, char hash[PS_SIGN_V4_HEX_SIZE]);

void ps_s3_request_clear(struct ps_s3_request *request);

#endif
