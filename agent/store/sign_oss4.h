/**
 * sign_oss4 - Aliyun OSS signature version 4 (OSS4-HMAC-SHA256): Authorization, and the query of a presigned URL.
 *
 * Flow:    store/oss_dialect.c -> [sign_oss4] -> hash/digest.h
 * Thread:  any; a key cache belongs to one thread at a time
 * Source:  Aliyun OSS "Include V4 signatures in the Authorization header" and "... in URLs", and its SDKs
 *
 * As SigV4, but: the path is /bucket/key whatever the URL looks like, a parameter without a value stands without '=',
 * content-type, content-md5 and x-oss-* are signed whenever they are sent and so are not listed, and there is no
 * header that must be signed. No secret ever enters a message.
 */
#ifndef PS_STORE_SIGN_OSS4_H
#define PS_STORE_SIGN_OSS4_H

#include "base/buf.h"
#include "creds/sign_v4.h"

#define PS_SIGN_OSS4_ALGORITHM "OSS4-HMAC-SHA256"

/**
 * Append the whole value of Authorization.
 *
 * key: a cache, may be NULL. *authorization is unchanged on failure.
 * Errors:  PS_E_INVALID for a time before 1970 or after 9999 and a scope over PS_SIGN_V4_SCOPE_SIZE; PS_E_NO_MEMORY,
 *          PS_E_TOO_LARGE.
 */
PS_MUST_USE enum ps_code ps_sign_oss4_authorize(const struct ps_sign_request *request,
                                                struct ps_sign_v4_key *key,
                                                struct ps_buf *authorization, struct ps_err *err);

/**
 * Append the whole query of a presigned URL (without '?'): request's own query, x-oss-*, x-oss-signature last.
 *
 * What request has of content-type, content-md5, x-oss-* and additional headers must be sent by whoever uses the URL.
 * The result is as secret as what it opens.
 * Errors:  as ps_sign_oss4_authorize; PS_E_INVALID when expires_s is not 1..PS_SIGN_V4_EXPIRES_MAX_S.
 */
PS_MUST_USE enum ps_code ps_sign_oss4_presign(const struct ps_sign_request *request,
                                              uint32_t expires_s, struct ps_sign_v4_key *key,
                                              struct ps_buf *query, struct ps_err *err);

/** Append the canonical request: what is signed, for tests and diagnosis. */
PS_MUST_USE enum ps_code ps_sign_oss4_canonical(const struct ps_sign_request *request,
                                                struct ps_buf *canonical, struct ps_err *err);

/** Put the signing key into *key and "DATE/REGION/PRODUCT/aliyun_v4_request" into scope. Errors as authorize. */
PS_MUST_USE enum ps_code ps_sign_oss4_key_fill(const struct ps_sign_request *request,
                                               struct ps_sign_v4_key *key,
                                               char scope[PS_SIGN_V4_SCOPE_SIZE],
                                               struct ps_err *err);

#endif
