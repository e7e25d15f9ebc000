/**
 * creds_profile - the credentials and the region that one profile of the AWS tools leads to.
 *
 * Flow:    creds_chain.c -> [creds_profile] -> aws_profile.h, creds_role.h, creds_process.h, creds_imds.h, ...
 * Thread:  the loop thread
 * Source:  AWS SDKs and Tools Reference Guide, "Assume role credential provider", "Process credential provider": a
 *          role goes before keys beside it, keys before a process; source_profile leads on, to keys in the end
 */
#ifndef PS_CREDS_CREDS_PROFILE_H
#define PS_CREDS_CREDS_PROFILE_H

#include "creds/creds_provider.h"

/** Longest way of source_profile. Lower: chained roles of companies fail. Higher: a mistake is walked for long. */
#define PS_CREDS_PROFILE_DEPTH_MAX 8

/**
 * Make the provider for the profile name (copied). The files are read at each look. NONE when the profile is nowhere,
 * has no credentials, or uses what purser cannot (SSO, MFA); FAILED with PS_E_INVALID when a file cannot be parsed, has
 * one key of two, or source_profile leads in a circle; as the places it leads to.
 *
 * Errors:  PS_E_NO_MEMORY.
 */
PS_MUST_USE enum ps_code ps_creds_profile_new(struct ps_creds_provider **provider_out,
                                              const struct ps_creds_context *context,
                                              const char *name, struct ps_err *err);

/** The region of the profile as a heap copy, NULL when there is none or the files cannot be read. */
char *ps_creds_profile_region(const struct ps_creds_provider *base);

#endif
