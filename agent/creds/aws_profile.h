/**
 * aws_profile - what the shared files of the AWS tools say of one profile.
 *
 * Flow:    creds_profile.c -> [aws_profile] -> shared_file.h
 * Thread:  any; holds no state
 * Source:  AWS SDKs and Tools Reference Guide: AWS_SHARED_CREDENTIALS_FILE (~/.aws/credentials, "[name]") goes before
 *          AWS_CONFIG_FILE (~/.aws/config, "[profile name]", "[default]")
 */
#ifndef PS_CREDS_AWS_PROFILE_H
#define PS_CREDS_AWS_PROFILE_H

#include "creds/creds.h"

#include <stdbool.h>

enum ps_aws_setting {
    PS_AWS_REGION,
    PS_AWS_ROLE_ARN,
    PS_AWS_SOURCE_PROFILE,
    PS_AWS_CREDENTIAL_SOURCE,
    PS_AWS_EXTERNAL_ID,
    PS_AWS_ROLE_SESSION_NAME,
    PS_AWS_DURATION_SECONDS,
    PS_AWS_WEB_IDENTITY_TOKEN_FILE,
    PS_AWS_CREDENTIAL_PROCESS,
    PS_AWS_MFA_SERIAL,
    PS_AWS_SSO_SESSION,
    PS_AWS_SSO_START_URL,
    PS_AWS_SETTING_COUNT,
};

/** Zeroed = empty. */
struct ps_aws_profile {
    bool there;                         /* in one of the files */
    struct ps_creds keys;               /* access_key_id NULL = none */
    char *values[PS_AWS_SETTING_COUNT]; /* NULL = not set */
};

/** Where the files are; NULL = not known, as there is no HOME. */
struct ps_aws_files {
    char *credentials_path;
    char *config_path;
};

/** By AWS_SHARED_CREDENTIALS_FILE, AWS_CONFIG_FILE ("~/" is HOME) and HOME. */
void ps_aws_files_init(struct ps_aws_files *files, ps_getenv_fn getenv_fn, void *getenv_user);
void ps_aws_files_clear(struct ps_aws_files *files);

/**
 * Read both files; one that is not there says nothing. Keys come as a pair from one file.
 *
 * Errors:  PS_E_INVALID when a file cannot be parsed, or has one key of two; PS_E_DENIED, PS_E_IO when it cannot be
 *          read; PS_E_NO_MEMORY. *profile_out is untouched then.
 */
PS_MUST_USE enum ps_code ps_aws_profile_read(const struct ps_aws_files *files, const char *name,
                                             struct ps_aws_profile *profile_out,
                                             struct ps_err *err);

void ps_aws_profile_clear(struct ps_aws_profile *profile);

/** "role_arn" */
const char *ps_aws_setting_name(enum ps_aws_setting setting);

#endif
