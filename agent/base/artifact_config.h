/**
 * artifact_config - what an artifact's `configuration` says in Argo: a store, and how to write to it.
 *
 * Flow:    serve/plugin_config.h, kube/workflow_parse.h -> [artifact_config] -> settings.h
 * Thread:  one at a time
 * Source:  YAML; keys as those of a store in purser.yaml, and part_size, concurrency, policies, credentials
 */
#ifndef PS_BASE_ARTIFACT_CONFIG_H
#define PS_BASE_ARTIFACT_CONFIG_H

#include "base/settings.h"

struct ps_artifact_config {
    struct ps_settings settings; /* holds one store */
    char *url;                   /* of the prefix, ending in '/' */
    uint64_t part_size_bytes;    /* 0 = the policy decides */
    uint32_t concurrency;        /* 0 = the policy decides */
    char *policies; /* directories, colon-separated, besides those of the process; "" = none */

    /* Where credentials are, when it is not the usual place. Of files a path, of variables the name; "" = the usual. */
    char *credentials_file;
    char *config_file;
    char *access_key_id_env;
    char *secret_access_key_env;
    char *session_token_env;
};

/**
 * What a variable of the SDKs stands for, as the configuration has it: true and *value_out when it names another one,
 * a file, or none (NULL: with keys of its own, those of the pod are not looked at). False: the process's own.
 */
bool ps_artifact_config_variable(const struct ps_artifact_config *config, const char *name,
                                 ps_getenv_fn getenv_fn, void *getenv_user, const char **value_out);

/** Errors: PS_E_INVALID "configuration:LINE: key `x`: ..."; PS_E_NO_MEMORY. *config is to be cleared in any case. */
PS_MUST_USE enum ps_code ps_artifact_config_read(struct ps_artifact_config *config,
                                                 const char *text, struct ps_err *err);

void ps_artifact_config_clear(struct ps_artifact_config *config);

#endif
