/**
 * aliyun_profile - what the files of Aliyun's tools say of one profile.
 *
 * Flow:    creds_aliyun.c -> [aliyun_profile] -> shared_file.h, jansson
 * Thread:  any; holds no state
 * Source:  Aliyun CLI: ~/.aliyun/config.json (ALIBABA_CLOUD_CONFIG_FILE), "current" and "profiles" with "mode".
 *          Aliyun credentials SDKs: ~/.alibabacloud/credentials (ALIBABA_CLOUD_CREDENTIALS_FILE), sections with "type"
 *          and "enable"
 */
#ifndef PS_CREDS_ALIYUN_PROFILE_H
#define PS_CREDS_ALIYUN_PROFILE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/** How a profile says that credentials are to be had. */
enum ps_aliyun_kind {
    PS_ALIYUN_UNKNOWN,     /* a word we do not know, or cannot: profile.values[PS_ALIYUN_MODE] */
    PS_ALIYUN_KEYS,        /* keys, with or without a token */
    PS_ALIYUN_ECS_ROLE,    /* of the machine */
    PS_ALIYUN_ROLE,        /* a role, asked for with the keys beside it */
    PS_ALIYUN_ROLE_BY_ECS, /* a role, asked for with the machine's */
    PS_ALIYUN_CHAIN,       /* a role, asked for with those of source_profile */
    PS_ALIYUN_OIDC,        /* a role, asked for with a web identity */
    PS_ALIYUN_PROCESS,     /* a program prints them */
    PS_ALIYUN_URI,         /* asked for at a URL */
};

enum ps_aliyun_setting {
    PS_ALIYUN_MODE,
    PS_ALIYUN_ID,
    PS_ALIYUN_SECRET,
    PS_ALIYUN_TOKEN,
    PS_ALIYUN_ROLE_NAME,
    PS_ALIYUN_ROLE_ARN,
    PS_ALIYUN_SESSION_NAME,
    PS_ALIYUN_EXTERNAL_ID,
    PS_ALIYUN_SOURCE_PROFILE,
    PS_ALIYUN_OIDC_PROVIDER_ARN,
    PS_ALIYUN_OIDC_TOKEN_FILE,
    PS_ALIYUN_PROCESS_COMMAND,
    PS_ALIYUN_CREDENTIALS_URI,
    PS_ALIYUN_REGION,
    PS_ALIYUN_ENABLE,
    PS_ALIYUN_SETTING_COUNT,
};

/** Zeroed = empty. */
struct ps_aliyun_profile {
    bool there;
    enum ps_aliyun_kind kind;
    char *values[PS_ALIYUN_SETTING_COUNT]; /* NULL = not set */
};

/**
 * Read profile name from the JSON at path; name NULL = what the file calls "current". A file that is not there has no
 * profiles: there is false then.
 *
 * Errors:  PS_E_INVALID when it is not such a file; PS_E_DENIED, PS_E_IO, PS_E_TOO_LARGE, PS_E_NO_MEMORY.
 */
PS_MUST_USE enum ps_code ps_aliyun_profile_read_json(const char *path, const char *name,
                                                     struct ps_aliyun_profile *profile_out,
                                                     struct ps_err *err);

/** The same for text. path is for messages. */
PS_MUST_USE enum ps_code ps_aliyun_profile_parse_json(const char *path, const char *text,
                                                      size_t size_bytes, const char *name,
                                                      struct ps_aliyun_profile *profile_out,
                                                      struct ps_err *err);

/** The same for the sections of an ini file; name NULL = "default". A section with enable = false is not there. */
PS_MUST_USE enum ps_code ps_aliyun_profile_read_ini(const char *path, const char *name,
                                                    struct ps_aliyun_profile *profile_out,
                                                    struct ps_err *err);

void ps_aliyun_profile_clear(struct ps_aliyun_profile *profile);

#endif
