/**
 * creds_profile - static keys and the region of one profile in the shared files of the AWS tools.
 *
 * Flow:    creds_chain.c -> [creds_profile] -> shared_file.h
 * Thread:  the loop thread
 * Source:  AWS SDKs and Tools Reference Guide: AWS_SHARED_CREDENTIALS_FILE (~/.aws/credentials, "[name]") goes before
 *          AWS_CONFIG_FILE (~/.aws/config, "[profile name]", "[default]")
 */
#ifndef PS_CREDS_CREDS_PROFILE_H
#define PS_CREDS_CREDS_PROFILE_H

#include "creds/creds_provider.h"

#include <stdbool.h>

/**
 * Make the provider for profile (copied). The files are read at each look, which replies at once; FAILED with
 * PS_E_INVALID when a file cannot be parsed or has one key of two, PS_E_DENIED or PS_E_IO when it cannot be read.
 *
 * Errors:  PS_E_NO_MEMORY.
 */
PS_MUST_USE enum ps_code ps_creds_profile_new(struct ps_creds_provider **provider_out,
                                              const char *profile, ps_getenv_fn getenv_fn,
                                              void *getenv_user, struct ps_err *err);

/** The region of the profile as a heap copy, NULL when there is none or the files cannot be read. */
char *ps_creds_profile_region(const struct ps_creds_provider *provider);

#endif
