/**
 * s3_dialect - what differs between the stores that the files s3_* speak to: S3 and OSS share their operations.
 *
 * Flow:    s3_store.c, s3_request.c, s3_put.c, ... -> [s3_dialect] -> s3_dialect.c, oss_dialect.c
 * Thread:  any; the tables are constant
 * Source:  Amazon S3 API reference; Aliyun OSS API reference
 *
 * OSS took over the shape of S3's calls (paths, query parameters, XML documents) and renamed the headers. Names stand
 * in the table as text; what is more than a name is a function of it.
 */
#ifndef PS_STORE_S3_DIALECT_H
#define PS_STORE_S3_DIALECT_H

#include "base/buf.h"
#include "creds/creds.h"
#include "creds/sign_v4.h"

#include <stdbool.h>
#include <stdint.h>

struct ps_s3_options;
struct ps_s3_store;

/** Header names in lower case; NULL = the dialect has none. */
struct ps_s3_dialect {
    const char *family;        /* "s3": the scheme, and the name in logs */
    const char *name;          /* "S3": in messages */
    const char *xml_namespace; /* what follows the name of a document's root: " xmlns=..." or "" */

    const char *date;
    const char *content_sha256;
    const char *security_token;
    const char *meta_prefix;
    const char *tagging;
    const char *storage_class;
    const char *version_id;
    const char *restore;
    const char *delete_marker;
    const char *checksum_mode; /* asks HEAD and GET for checksums */
    const char *
        range_behavior; /* "standard" = ranges as RFC 9110 has them, not the whole object for odd ones */
    const char *create_only;
    const char *create_only_value;
    const char *copy_source;
    const char *copy_source_range;
    const char *copy_source_if_match;
    const char *metadata_directive;
    const char *tagging_directive;
    const char *tagging_directive_replace;
    const char *restore_parameters; /* element around Tier */
    const char *sse;
    const char *sse_key;
    const char *sse_words;           /* what the setting may be, but for none and customer */
    const char *sse_kms_word;        /* what the setting calls aws:kms */
    const char *sse_customer;        /* what "key" is appended to */
    const char *sse_customer_source; /* the same for the source of a copy */
    const char *request_payer;
    bool begin_takes_create_only; /* CreateMultipartUpload knows create_only too */
    bool tokens_are_encoded;      /* encoding-type=url also encodes NextContinuationToken */

    uint32_t key_max_bytes; /* at most PS_S3_KEY_MAX_BYTES */
    uint32_t checksum_set;  /* bit 1 << enum ps_checksum_algorithm: those it knows */
    bool date_is_imf;       /* date as RFC 9110 writes it; else 20130524T000000Z */
    bool hashes_text;       /* small bodies are signed by their SHA-256, else as UNSIGNED-PAYLOAD */

    /** Host that the region stands for, without the bucket. NULL when memory is out; free(). */
    char *(*region_host)(const struct ps_s3_store *store);
    /** Write the region that an endpoint stands for; false = none. NULL where answers name regions. */
    bool (*endpoint_region)(const char *host, char *region, size_t region_size_bytes);
    /** Append the value of Authorization. Errors as ps_sign_v4_authorize. */
    enum ps_code (*authorize)(struct ps_s3_store *store, const struct ps_sign_request *request,
                              struct ps_buf *authorization, struct ps_err *err);
    /**
     * Append the whole query of a presigned URL; request's headers are those its user must send. NULL = the dialect
     * cannot. Errors as ps_sign_v4_presign.
     */
    enum ps_code (*presign)(struct ps_s3_store *store, const struct ps_sign_request *request,
                            uint32_t expires_s, struct ps_buf *query, struct ps_err *err);
    /** Fill the store's capabilities. Errors: PS_E_INVALID for a checksum that the dialect does not know. */
    enum ps_code (*set_capabilities)(struct ps_s3_store *store, const struct ps_s3_options *options,
                                     struct ps_err *err);
};

extern const struct ps_s3_dialect ps_s3_dialect_s3;

#endif
