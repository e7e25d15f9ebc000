/**
 * sign_v4_internal - what the files sign_v4*.c share.
 *
 * Flow:    sign_v4_presign.c, sign_v4.c -> [sign_v4_internal] -> sign_v4_canonical.c
 * Thread:  any
 * Source:  as sign_v4.h
 */
#ifndef PS_CREDS_SIGN_V4_INTERNAL_H
#define PS_CREDS_SIGN_V4_INTERNAL_H

#include "creds/sign_v4.h"
#include "http/http_date.h"

/** Append "host;x-amz-date". Errors as ps_buf_append; PS_E_INVALID without a host header. */
PS_MUST_USE enum ps_code ps_sign_v4_append_names(struct ps_buf *out,
                                                 const struct ps_sign_request *request,
                                                 struct ps_err *err);

/** ps_sign_v4_canonical_hash, and the names as ps_sign_v4_append_names has them, by one sorting; names may be NULL. */
PS_MUST_USE enum ps_code ps_sign_v4_hash_named(const struct ps_sign_request *request,
                                               char hash[PS_SIGN_V4_HEX_SIZE], struct ps_buf *names,
                                               struct ps_err *err);

/** Write "20130524T000000Z" and "20130524/us-east-1/s3/aws4_request". Errors: PS_E_INVALID as ps_sign_v4_authorize. */
PS_MUST_USE enum ps_code ps_sign_v4_scope(const struct ps_sign_request *request,
                                          char time[PS_HTTP_DATE_AMZ_SIZE],
                                          char scope[PS_SIGN_V4_SCOPE_SIZE], struct ps_err *err);

#endif
