/**
 * sign_oss1 - Aliyun OSS signature version 1 (HMAC-SHA1), for endpoints that do not know version 4.
 *
 * Flow:    store/oss_dialect.c -> [sign_oss1] -> hash/digest.h
 * Thread:  any; holds no state
 * Source:  Aliyun OSS "Include V1 signatures in the Authorization header" and "... in URLs", and its SDKs
 */
#ifndef PS_STORE_SIGN_OSS1_H
#define PS_STORE_SIGN_OSS1_H

#include "store/sign_oss4.h"

/**
 * Append the whole value of Authorization: "OSS AccessKeyId:Signature".
 *
 * What is signed as the time is the header x-oss-date, else date: one of them must be there.
 * *authorization is unchanged on failure. Errors: PS_E_INVALID without a date; PS_E_NO_MEMORY, PS_E_TOO_LARGE.
 */
PS_MUST_USE enum ps_code ps_sign_oss1_authorize(const struct ps_sign_request *request,
                                                struct ps_buf *authorization, struct ps_err *err);

/**
 * Append the whole query of a presigned URL (without '?') that is good until expires_unix_s.
 *
 * Errors:  PS_E_NO_MEMORY, PS_E_TOO_LARGE.
 */
PS_MUST_USE enum ps_code ps_sign_oss1_presign(const struct ps_sign_request *request,
                                              int64_t expires_unix_s, struct ps_buf *query,
                                              struct ps_err *err);

#endif
