/**
 * creds_aliyun - the credentials and the region that one profile of Aliyun's tools leads to.
 *
 * Flow:    creds_chain.c -> [creds_aliyun] -> aliyun_profile.h, creds_role.h, creds_imds.h, ...
 * Thread:  the loop thread
 * Source:  Aliyun credentials SDKs, default chain: the CLI's profile, then the credentials file
 */
#ifndef PS_CREDS_CREDS_ALIYUN_H
#define PS_CREDS_CREDS_ALIYUN_H

#include "creds/creds_provider.h"

/**
 * Make the provider for the profile name (copied; NULL = ALIBABA_CLOUD_PROFILE, else the CLI's current one, and
 * "default" of the credentials file). is_ini: the credentials file; else the CLI's. The file is read at each look.
 *
 * NONE when the profile is nowhere or uses what purser cannot (CloudSSO, RSA key pairs); FAILED with PS_E_INVALID when
 * the file cannot be parsed or a setting is missing; as the places it leads to.
 * Errors:  PS_E_NO_MEMORY.
 */
PS_MUST_USE enum ps_code ps_creds_aliyun_new(struct ps_creds_provider **provider_out,
                                             const struct ps_creds_context *context,
                                             const char *name, bool is_ini, struct ps_err *err);

/** The region of the profile as a heap copy, NULL when there is none or the file cannot be read. */
char *ps_creds_aliyun_region(const struct ps_creds_provider *base);

#endif
