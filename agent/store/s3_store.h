/**
 * s3_store - s3://bucket: the store interface on the S3 API, for AWS and for whatever speaks like it.
 *
 * Flow:    main.c -> [s3_store] -> s3_call.h -> http/http_client.h
 * Thread:  the loop thread only
 * Source:  Amazon S3 API reference; checksums "Checking object integrity"; virtual hosting of buckets
 *
 * Checksums. Under auto a write carries x-amz-checksum-crc64nvme. A store that refuses the header (400 or 501 with
 * "checksum" in its answer) is remembered: from then on capabilities say MD5, and Content-MD5 is sent, for which the
 * body of a write that came with another checksum is read twice. A store that takes the header and does not answer it
 * has perhaps ignored it: the write is accepted, but said once as a warning, and object_checksum becomes false, as
 * nothing but the ETag then tells what the store holds. A value that is answered and differs is PS_E_CORRUPT.
 *
 * Regions. A wrong region is corrected once a call from x-amz-bucket-region or <Region>, by signing again. A Location
 * or <Endpoint> is never followed: the host is the endpoint given, or made from the region for AWS.
 */
#ifndef PS_STORE_S3_STORE_H
#define PS_STORE_S3_STORE_H

#include "base/clock.h"
#include "base/log.h"
#include "creds/creds.h"
#include "http/http_client.h"
#include "http/retry.h"
#include "store/s3_extras.h"
#include "store/store.h"

enum ps_s3_path_style {
    PS_S3_PATH_STYLE_AUTO, /* path style for an endpoint that is not AWS, and for a bucket with dots */
    PS_S3_PATH_STYLE_ON,  /* https://host/bucket/key */
    PS_S3_PATH_STYLE_OFF, /* https://bucket.host/key */
};

struct ps_s3_dialect;

/** All text is copied; the parts are borrowed for the life of the store. Zeroed = defaults, but for those named. */
struct ps_s3_options {
    uv_loop_t *loop;                     /* needed */
    struct ps_http_client *http;         /* needed */
    struct ps_creds_chain *creds;        /* needed */
    struct ps_retrier *retry;            /* needed; one for each store */
    const struct ps_clock *clock;        /* needed */
    const struct ps_log *log;            /* NULL = silent */
    const char *bucket;                  /* needed */
    const struct ps_s3_dialect *dialect; /* NULL = S3 */
    const char *endpoint;                /* NULL or "" = AWS; else "http[s]://host[:port][/path]" */
    const char *region; /* NULL or "" = that of the credentials chain, else us-east-1 */
    const char *kind;   /* NULL or "" = by the host, else by the Server header: s3_kind.h */
    struct ps_s3_extras_options extras;
    enum ps_s3_path_style path_style;
    bool checksum_fixed; /* checksum holds; false = auto */
    enum ps_checksum_algorithm checksum;
    bool sign_payload;           /* sign the sha256 that requests carry (plain http) */
    bool equal_parts_only;       /* the store wants all parts but the last alike (R2) */
    const char *ca_bundle;       /* NULL = the system's */
    uint32_t connect_timeout_ms; /* 0 = the HTTP client's */
    uint32_t stall_timeout_ms;   /* 0 = the HTTP client's */
};

/**
 * Make the store. Nothing is sent.
 *
 * Owns:    *store_out is the caller's: ps_store_free, when its operations have ended or were cancelled.
 * Errors:  PS_E_INVALID for a bucket, endpoint, region or checksum that cannot be; PS_E_NO_MEMORY.
 */
PS_MUST_USE enum ps_code ps_s3_store_new(struct ps_store **store_out,
                                         const struct ps_s3_options *options, struct ps_err *err);

#endif
