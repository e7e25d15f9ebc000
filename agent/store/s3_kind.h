/**
 * s3_kind - what stores that speak like S3 cannot do, or do in another way: one table, a row a kind.
 *
 * Flow:    s3_store.c, s3_call.c -> [s3_kind] -> the store's capabilities
 * Thread:  any; the table is constant
 * Source:  the vendors' pages on S3 compatibility; what versitygw 1.8.0, MinIO and Ceph RGW 16.2.15 answered in tests/.
 *          Aliyun: its S3 face takes aws-chunked only when it is signed chunk by chunk and no checksum trailers; R2:
 *          equal part sizes, no tags; Ceph RGW: checksum headers since Squid, older ones ignore them
 *
 * purser sends no aws-chunked bodies and no checksum trailers to anybody, so no row speaks of them.
 */
#ifndef PS_STORE_S3_KIND_H
#define PS_STORE_S3_KIND_H

#include "store/store.h"

#include <stdbool.h>

struct ps_s3_kind {
    const char *name;        /* in the setting `kind`: "minio" */
    const char *title;       /* for people: "MinIO" */
    const char *host_part;   /* an endpoint whose host has this is of the kind; NULL = none */
    const char *server;      /* its Server header begins like that; NULL = none */
    bool virtual_host;       /* bucket.host where nothing is said; else host/bucket */
    bool no_checksums;       /* x-amz-checksum-* is refused: Content-MD5 from the start */
    bool no_delete_checksum; /* DeleteObjects takes Content-MD5 only */
    bool
        no_part_copy_checksums; /* UploadPartCopy does not make those of parts, or makes wrong ones */
    bool no_part_copy_percent; /* UploadPartCopy decodes its source's key twice: another's bytes */
    bool no_conditional_write; /* If-None-Match is not known */
    bool no_conditional_complete; /* CompleteMultipartUpload ignores it, and overwrites */
    bool no_tags;
    bool no_lifecycle;
    bool no_restore;
    bool no_versioning;
    bool equal_parts_only;          /* all parts but the last alike */
    bool takes_object_size;         /* Complete checks x-amz-mp-object-size */
    uint64_t object_size_max_bytes; /* 0 = S3's */
};

/** The row of a name; NULL = there is none. "auto" and "" are the row of stores that nobody knows. */
const struct ps_s3_kind *ps_s3_kind_parse(const char *name);

/** The row of an endpoint's host ("" = AWS itself), by its name alone. */
const struct ps_s3_kind *ps_s3_kind_of_host(const char *host);

/** The row of a Server header; NULL = it says nothing. Must not be believed where a kind is set or known by its host. */
const struct ps_s3_kind *ps_s3_kind_of_server(const char *server);

/** The same of an x-amz-request-id, for servers that do not say what they are. */
const struct ps_s3_kind *ps_s3_kind_of_request_id(const char *id);

/** Whether nothing is known of it: the first answer may tell. */
bool ps_s3_kind_is_unknown(const struct ps_s3_kind *kind);

/** Take from *can what the kind cannot. */
void ps_s3_kind_restrict(const struct ps_s3_kind *kind, struct ps_store_capabilities *can);

#endif
