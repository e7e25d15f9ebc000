/**
 * creds_role - the temporary credentials of a role, asked for with a web identity or with other credentials.
 *
 * Flow:    creds_chain.c, creds_profile.c, aliyun_profile.c -> [creds_role] -> creds_sts.h
 * Thread:  the loop thread
 * Source:  AWS SDKs: assume role and web identity providers. Aliyun credentials SDK: RAM role ARN, OIDC role ARN.
 *          A token file is read at each look, as the kubelet replaces it
 */
#ifndef PS_CREDS_CREDS_ROLE_H
#define PS_CREDS_CREDS_ROLE_H

#include "creds/creds_sts.h"

/**
 * Make the provider; what role points to is copied. source: the place of the keys that sign, owned by the provider then
 * (*source is NULL); NULL when role has a token_file.
 *
 * FAILED: PS_E_DENIED with what the service said; PS_E_TEMPORARY when it does not answer; what source failed with. A
 * source that has none is FAILED too: the role was asked for.
 * Errors:  PS_E_NO_MEMORY, PS_E_INVALID for a role without ARN or a bad session name. *source is freed then.
 */
PS_MUST_USE enum ps_code ps_creds_role_new(struct ps_creds_provider **provider_out,
                                           const struct ps_creds_context *context,
                                           const struct ps_creds_role *role,
                                           struct ps_creds_provider **source, struct ps_err *err);

/**
 * Make the provider of the web identity that the environment names: AWS_WEB_IDENTITY_TOKEN_FILE, AWS_ROLE_ARN,
 * AWS_ROLE_SESSION_NAME; or ALIBABA_CLOUD_OIDC_TOKEN_FILE, ..._OIDC_PROVIDER_ARN, ..._ROLE_ARN, ..._ROLE_SESSION_NAME.
 *
 * NONE when no token file is named; FAILED with PS_E_INVALID when the rest is not whole.
 * Errors:  PS_E_NO_MEMORY.
 */
PS_MUST_USE enum ps_code ps_creds_role_of_env_new(struct ps_creds_provider **provider_out,
                                                  const struct ps_creds_context *context,
                                                  struct ps_err *err);

#endif
