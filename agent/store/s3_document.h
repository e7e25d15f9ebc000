/**
 * s3_document - a small XML document put to a subresource: ?tagging, ?lifecycle, ?restore.
 *
 * Flow:    s3_tags.c, s3_lifecycle.c, s3_restore.c -> [s3_document] -> s3_call.h
 * Thread:  the loop thread
 * Source:  S3 PutObjectTagging, PutBucketLifecycleConfiguration, RestoreObject; OSS has the same under the same names
 */
#ifndef PS_STORE_S3_DOCUMENT_H
#define PS_STORE_S3_DOCUMENT_H

#include "store/s3_internal.h"

struct ps_s3_document {
    const char *operation; /* static */
    const char *method;    /* static */
    const char *key;       /* NULL = the bucket */
    const char *subresource;
    struct ps_buf text;          /* moved; empty = no body */
    struct ps_s3_pairs headers;  /* moved; content-type and Content-MD5 are added */
    const char *settled_by_code; /* a refusal that means it is done already; static, NULL = none */
};

/** Send it. What is moved is gone also on failure. Contract as in store.h. */
struct ps_store_op *ps_s3_document_send(struct ps_store *store, struct ps_s3_document *document,
                                        ps_store_done_fn done, void *user, struct ps_err *err);

#endif
