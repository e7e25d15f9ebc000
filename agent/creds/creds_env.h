/**
 * creds_env - credentials and region from the environment.
 *
 * Flow:    creds_chain.c -> [creds_env]
 * Thread:  the loop thread
 * Source:  AWS SDK environment variables: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN (of old
 *          AWS_SECURITY_TOKEN), AWS_REGION, AWS_DEFAULT_REGION. Aliyun: those of the OSS SDKs (OSS_ACCESS_KEY_ID,
 *          OSS_ACCESS_KEY_SECRET, OSS_SESSION_TOKEN, OSS_REGION), then those of the credentials SDKs
 *          (ALIBABA_CLOUD_ACCESS_KEY_ID, ..._SECRET, ALIBABA_CLOUD_SECURITY_TOKEN, ALIBABA_CLOUD_REGION_ID): the
 *          narrower name goes first. A variable that is empty counts as not set.
 */
#ifndef PS_CREDS_CREDS_ENV_H
#define PS_CREDS_CREDS_ENV_H

#include "creds/creds_provider.h"

/**
 * Make the provider. It replies at once; FAILED with PS_E_INVALID when only one of the two keys is set.
 *
 * Errors:  PS_E_NO_MEMORY.
 */
PS_MUST_USE enum ps_code ps_creds_env_new(struct ps_creds_provider **provider_out,
                                          const struct ps_creds_context *context,
                                          struct ps_err *err);

/** The value of name, NULL when it is unset or empty. Borrowed as getenv_fn says. */
const char *ps_creds_env_get(ps_getenv_fn getenv_fn, void *getenv_user, const char *name);

/** The region that the environment names for the family, else NULL. Borrowed as above. */
const char *ps_creds_env_region(enum ps_creds_family family, ps_getenv_fn getenv_fn,
                                void *getenv_user);

#endif
