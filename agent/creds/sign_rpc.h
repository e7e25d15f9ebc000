/**
 * sign_rpc - the signature of Aliyun's RPC services (STS), version 1.0, HMAC-SHA1.
 *
 * Flow:    creds_sts.c -> [sign_rpc] -> hash/digest.h
 * Thread:  any; holds no state
 * Source:  Aliyun "RPC style and signature": base64(HMAC-SHA1(secret + "&", METHOD & %2F & enc(sorted parameters)))
 */
#ifndef PS_CREDS_SIGN_RPC_H
#define PS_CREDS_SIGN_RPC_H

#include "base/encode.h"
#include "creds/sign_v4.h"
#include "hash/digest.h"

#define PS_SIGN_RPC_SIZE PS_BASE64_SIZE(PS_SHA1_SIZE)

/**
 * Sign the parameters of query and body together, in any order, without Signature. secret is wiped from every copy.
 *
 * Errors:  PS_E_NO_MEMORY, PS_E_TOO_LARGE, PS_E_INVALID for a secret over 1 KiB.
 */
PS_MUST_USE enum ps_code ps_sign_rpc(const char *method, const struct ps_sign_pair *parameters,
                                     size_t count, const char *secret,
                                     char signature[PS_SIGN_RPC_SIZE], struct ps_err *err);

/** Append "name=value&..." percent-encoded, in the order given. Errors as ps_buf_append. */
PS_MUST_USE enum ps_code ps_sign_rpc_append_form(struct ps_buf *text,
                                                 const struct ps_sign_pair *parameters,
                                                 size_t count, struct ps_err *err);

#endif
