/**
 * s3_write - the headers of a write: content type, storage class, metadata, tags.
 *
 * Flow:    struct ps_write_options -> [s3_write] -> s3_put.c, s3_multipart.c
 * Thread:  any; holds no state
 * Source:  S3 PutObject, CreateMultipartUpload
 */
#ifndef PS_STORE_S3_WRITE_H
#define PS_STORE_S3_WRITE_H

#include "store/s3_internal.h"

/**
 * Add the headers that PutObject and CreateMultipartUpload share. The checksum and create_only are not among them.
 *
 * Errors:  PS_E_INVALID for a metadata name that no header can have, or a value with a line break; PS_E_NO_MEMORY.
 */
PS_MUST_USE enum ps_code ps_s3_write_headers(const struct ps_s3_store *store,
                                             struct ps_s3_pairs *headers,
                                             const struct ps_write_options *options,
                                             struct ps_err *err);

/** Add the tags alone, as one header; nothing without tags. Errors: PS_E_NO_MEMORY. */
PS_MUST_USE enum ps_code ps_s3_write_tags(const struct ps_s3_store *store,
                                          struct ps_s3_pairs *headers,
                                          const struct ps_write_options *options,
                                          struct ps_err *err);

/** PS_E_UNSUPPORTED where an upload in parts would overwrite what is there, whatever its condition says. */
PS_MUST_USE enum ps_code ps_s3_write_check_create_only(const struct ps_s3_store *store,
                                                       const char *key, struct ps_err *err);

/**
 * What a refused condition means: with create_only a 412 is PS_E_EXISTS (OSS: FileAlreadyExists), or PS_E_UNKNOWN_OUTCOME when an attempt before
 * may have written the object itself. *err is a copy of outcome's, corrected.
 */
void ps_s3_write_error(const struct ps_s3_outcome *outcome, bool create_only, struct ps_err *err);

#endif
