/**
 * sign_v4 - AWS Signature Version 4 for S3: the Authorization header, and the query of a presigned URL.
 *
 * Flow:    store/s3_request.h, store/aws_chunked.h -> [sign_v4] -> hash/digest.h
 * Thread:  any; a key cache belongs to one thread at a time
 * Source:  AWS Signature Version 4 for S3 (the path is encoded once and never normalised), IAM "Create a signed
 *          request", RFC 3986 2.3
 *
 * The caller passes the very headers that are to be signed, and sends them as it passed them: host, x-amz-date,
 * x-amz-content-sha256, x-amz-security-token when there is a token, every other x-amz-*, and what else has a fixed
 * value (content-md5, content-type, range). No secret ever enters a message.
 */
#ifndef PS_CREDS_SIGN_V4_H
#define PS_CREDS_SIGN_V4_H

#include "base/buf.h"
#include "base/err.h"
#include "creds/sign_request.h"
#include "hash/digest.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PS_SIGN_V4_ALGORITHM "AWS4-HMAC-SHA256"
#define PS_SIGN_V4_UNSIGNED_PAYLOAD "UNSIGNED-PAYLOAD"

/** A signature or a SHA-256 as lower-case hex, with its NUL. */
#define PS_SIGN_V4_HEX_SIZE (PS_SHA256_SIZE * 2 + 1)

/** "YYYYMMDD/region/service/aws4_request" with its NUL; a region is a short name. Longer is refused. */
#define PS_SIGN_V4_SCOPE_SIZE 160

/** S3: a presigned URL lives 1 second to 7 days. */
#define PS_SIGN_V4_EXPIRES_MAX_S 604800U

/**
 * The signing key of one secret, day, region and service, so that four HMACs are saved on each request. Zeroed =
 * empty. Safe to use with changing secrets: a key that does not fit is made anew. Holds no secret in clear.
 */
struct ps_sign_v4_key {
    bool filled;
    uint8_t made_for[PS_SHA256_SIZE]; /* HMAC(secret, scope) */
    uint8_t bytes[PS_SHA256_SIZE];
};

/** Wipe. Safe twice. */
void ps_sign_v4_key_clear(struct ps_sign_v4_key *key);

/**
 * Append the whole value of Authorization: "AWS4-HMAC-SHA256 Credential=..., SignedHeaders=..., Signature=...".
 *
 * key: a cache, may be NULL. *authorization is unchanged on failure.
 * Errors:  PS_E_INVALID for a time before 1970 or after 9999, a scope over PS_SIGN_V4_SCOPE_SIZE, no host header;
 *          PS_E_NO_MEMORY, PS_E_TOO_LARGE.
 */
PS_MUST_USE enum ps_code ps_sign_v4_authorize(const struct ps_sign_request *request,
                                              struct ps_sign_v4_key *key,
                                              struct ps_buf *authorization, struct ps_err *err);

/** The bare signature that ps_sign_v4_authorize writes: what the first chunk's signature follows. Errors as there. */
PS_MUST_USE enum ps_code ps_sign_v4_signature(const struct ps_sign_request *request,
                                              struct ps_sign_v4_key *key,
                                              char signature[PS_SIGN_V4_HEX_SIZE],
                                              struct ps_err *err);

/**
 * Append the whole query of a presigned URL (without '?'): request's own query, X-Amz-*, X-Amz-Signature last.
 *
 * The headers in request (at least host) must be sent by whoever uses the URL. The result is as secret as what it
 * opens: it never enters a message or a log.
 * Errors:  as ps_sign_v4_authorize; PS_E_INVALID when expires_s is not 1..PS_SIGN_V4_EXPIRES_MAX_S or
 *          canonical_query is set.
 */
PS_MUST_USE enum ps_code ps_sign_v4_presign(const struct ps_sign_request *request,
                                            uint32_t expires_s, struct ps_sign_v4_key *key,
                                            struct ps_buf *query, struct ps_err *err);

/** Append the canonical query: encoded, sorted, joined. Errors as ps_buf_append. */
PS_MUST_USE enum ps_code ps_sign_v4_append_query(struct ps_buf *out,
                                                 const struct ps_sign_request *request,
                                                 struct ps_err *err);

/** Append "METHOD\nPATH\nQUERY\nHEADERS\nSIGNEDHEADERS\nPAYLOADHASH": what is signed, for tests and diagnosis. */
PS_MUST_USE enum ps_code ps_sign_v4_canonical(const struct ps_sign_request *request,
                                              struct ps_buf *canonical, struct ps_err *err);

/** The SHA-256 of ps_sign_v4_canonical as hex. Errors as there. */
PS_MUST_USE enum ps_code ps_sign_v4_canonical_hash(const struct ps_sign_request *request,
                                                   char hash[PS_SIGN_V4_HEX_SIZE],
                                                   struct ps_err *err);

/**
 * Put the signing key for request's secret, time, region and service into *key, and "DATE/REGION/SERVICE/aws4_request"
 * into scope. Errors: PS_E_INVALID as ps_sign_v4_authorize.
 */
PS_MUST_USE enum ps_code ps_sign_v4_key_fill(const struct ps_sign_request *request,
                                             struct ps_sign_v4_key *key,
                                             char scope[PS_SIGN_V4_SCOPE_SIZE], struct ps_err *err);

#endif
