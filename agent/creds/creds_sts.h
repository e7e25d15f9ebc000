/**
 * creds_sts - the question to a security token service: who we are, and which role we want.
 *
 * Flow:    creds_role.c -> [creds_sts] -> sign_v4.h, sign_rpc.h, creds_fetch.h
 * Thread:  the loop thread
 * Source:  AWS STS API reference 2011-06-15: AssumeRole (SigV4), AssumeRoleWithWebIdentity (unsigned), regional
 *          endpoints, AWS_ENDPOINT_URL_STS, AWS_ENDPOINT_URL. Aliyun STS 2015-04-01: AssumeRole (RPC signature),
 *          AssumeRoleWithOIDC (unsigned); ALIBABA_CLOUD_STS_REGION, ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED
 */
#ifndef PS_CREDS_CREDS_STS_H
#define PS_CREDS_CREDS_STS_H

#include "creds/creds_fetch.h"

/** All borrowed for the call; NULL and 0 = not said. */
struct ps_creds_role {
    const char *role_arn;     /* needed */
    const char *session_name; /* NULL = "purser" */
    const char *external_id;
    uint32_t duration_s;           /* 0 = an hour */
    const char *token_file;        /* of a web identity; NULL = the keys of source sign */
    const char *oidc_provider_arn; /* Aliyun, with token_file */
    const char *region;            /* of the service to ask; NULL = the context's */
};

/** Who asks for which role; borrowed for the call. */
struct ps_creds_sts_question {
    const struct ps_creds_role *role;
    const char *token;             /* the web identity's; NULL = source signs */
    const struct ps_creds *source; /* NULL with a token */
};

/**
 * Ask.
 *
 * Errors:  PS_E_INVALID for a clock or key that cannot sign; PS_E_NO_MEMORY; as ps_creds_fetch_start.
 */
PS_MUST_USE enum ps_code ps_creds_sts_start(const struct ps_creds_context *context,
                                            const struct ps_creds_sts_question *question,
                                            ps_creds_fetch_fn done, void *user,
                                            struct ps_creds_fetch **fetch_out, struct ps_err *err);

/** "https://sts.eu-west-1.amazonaws.com": where ps_creds_sts_start asks, as heap text; NULL when memory is out. */
char *ps_creds_sts_endpoint(const struct ps_creds_context *context, const char *region);

#endif
