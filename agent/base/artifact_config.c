#include "base/artifact_config.h"

#include "base/settings_table.h"
#include "base/str.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define STORE_NAME "plugin"

#define FIELD(field) offsetof(struct ps_artifact_config, field)
static const struct ps_setting rows[] = {
    { "part_size", PS_SETTING_SIZE, FIELD(part_size_bytes), "", "", 0, "of an upload" },
    { "concurrency", PS_SETTING_NUMBER, FIELD(concurrency), "", "", 0, "parts at once" },
    { "policies", PS_SETTING_LIST, FIELD(policies), "", "", ':', "directories" },
    { "credentials.profile", PS_SETTING_TEXT, FIELD(settings.stores[0].profile), "", "", 0, "" },
    { "credentials.file", PS_SETTING_TEXT, FIELD(credentials_file), "", "", 0, "of profiles" },
    { "credentials.config_file", PS_SETTING_TEXT, FIELD(config_file), "", "", 0, "of profiles" },
    { "credentials.access_key_id_env", PS_SETTING_TEXT, FIELD(access_key_id_env), "", "", 0, "" },
    { "credentials.secret_access_key_env", PS_SETTING_TEXT, FIELD(secret_access_key_env), "", "", 0,
      "" },
    { "credentials.session_token_env", PS_SETTING_TEXT, FIELD(session_token_env), "", "", 0, "" },
};

/* The SDKs' variables, and what the configuration has in their place. */
static const struct variable {
    const char *name;
    size_t offset;
    bool is_path; /* the field is the value; else it is the name of another variable */
} variables[] = {
    { "AWS_SHARED_CREDENTIALS_FILE", FIELD(credentials_file), true },
    { "ALIBABA_CLOUD_CREDENTIALS_FILE", FIELD(credentials_file), true },
    { "AWS_CONFIG_FILE", FIELD(config_file), true },
    { "ALIBABA_CLOUD_CONFIG_FILE", FIELD(config_file), true },
    { "AWS_ACCESS_KEY_ID", FIELD(access_key_id_env), false },
    { "OSS_ACCESS_KEY_ID", FIELD(access_key_id_env), false },
    { "AWS_SECRET_ACCESS_KEY", FIELD(secret_access_key_env), false },
    { "OSS_ACCESS_KEY_SECRET", FIELD(secret_access_key_env), false },
    { "AWS_SESSION_TOKEN", FIELD(session_token_env), false },
    { "OSS_SESSION_TOKEN", FIELD(session_token_env), false },
};

/* A program that a file names which a configuration names: one step too far from who runs the plugin. */
#define NO_PROCESS "PURSER_NO_CREDENTIAL_PROCESS"

/* With keys of its own, these of the pod would get in their way: another token, a profile that is asked before them. */
static const char *const hidden[] = { "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN",
                                      "OSS_SESSION_TOKEN", "AWS_PROFILE" };

/* The URL ends in one '/', so that a key is below it and not beside it. */
static enum ps_code set_url(struct ps_artifact_config *config, struct ps_err *err)
{
    const struct ps_store_settings *store = &config->settings.stores[0];
    size_t length = strlen(store->url);

    if (length == 0) {
        return ps_err_set(err, PS_E_INVALID,
                          "configuration: no url: write e.g. url: s3://bucket/prefix");
    }
    while (length > 0 && store->url[length - 1] == '/') {
        length--;
    }
    config->url = ps_str_format("%.*s/", (int)length, store->url);
    return config->url != NULL ? PS_OK : ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
}

static bool is_set(const char *text)
{
    return text != NULL && text[0] != '\0';
}

static bool ends_in(const char *text, const char *a, const char *b)
{
    return !is_set(text) || ps_str_has_suffix(text, a) || ps_str_has_suffix(text, b);
}

/*
 * One name without the other would mix two sets of keys. An id and a token are sent as they are, to an endpoint that the
 * configuration names too: so they may not be just any variable of the pod's.
 */
static enum ps_code check_credentials(const struct ps_artifact_config *config, struct ps_err *err)
{
    if (is_set(config->access_key_id_env) != is_set(config->secret_access_key_env) ||
        (is_set(config->session_token_env) && !is_set(config->access_key_id_env))) {
        return ps_err_set(err, PS_E_INVALID,
                          "configuration: credentials: access_key_id_env and "
                          "secret_access_key_env go together");
    }
    if (!ends_in(config->access_key_id_env, "ACCESS_KEY_ID", "ACCESS_KEY_ID") ||
        !ends_in(config->session_token_env, "SESSION_TOKEN", "SECURITY_TOKEN")) {
        return ps_err_set(err, PS_E_INVALID,
                          "configuration: credentials: the variable of a key id ends in "
                          "ACCESS_KEY_ID, that of a token in SESSION_TOKEN or SECURITY_TOKEN");
    }
    return PS_OK;
}

enum ps_code ps_artifact_config_read(struct ps_artifact_config *config, const char *text,
                                     struct ps_err *err)
{
    const struct ps_settings_extra extra = { .rows = rows,
                                             .count = sizeof(rows) / sizeof(rows[0]),
                                             .base = config };
    enum ps_code code;

    memset(config, 0, sizeof(*config));
    code =
        ps_settings_read_store(&config->settings, STORE_NAME, text, "configuration", &extra, err);
    if (code == PS_OK) {
        code = check_credentials(config, err);
    }
    return code == PS_OK ? set_url(config, err) : code;
}

static const char *text_at(const struct ps_artifact_config *config, size_t offset)
{
    return *(const char *const *)(const void *)((const char *)config + offset);
}

static bool is_hidden(const char *name)
{
    for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++) {
        if (strcmp(hidden[i], name) == 0) {
            return true;
        }
    }
    return false;
}

bool ps_artifact_config_variable(const struct ps_artifact_config *config, const char *name,
                                 ps_getenv_fn getenv_fn, void *getenv_user, const char **value_out)
{
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
        const char *field = text_at(config, variables[i].offset);

        if (strcmp(variables[i].name, name) == 0 && is_set(field)) {
            *value_out = variables[i].is_path ? field : getenv_fn(getenv_user, field);
            return true;
        }
    }
    if (is_set(config->access_key_id_env) && is_hidden(name)) {
        *value_out = NULL;
        return true;
    }
    if (strcmp(name, NO_PROCESS) == 0 &&
        (is_set(config->credentials_file) || is_set(config->config_file))) {
        *value_out = "1";
        return true;
    }
    return false;
}

void ps_artifact_config_clear(struct ps_artifact_config *config)
{
    ps_settings_clear(&config->settings);
    free(config->url);
    free(config->policies);
    free(config->credentials_file);
    free(config->config_file);
    free(config->access_key_id_env);
    free(config->secret_access_key_env);
    free(config->session_token_env);
    memset(config, 0, sizeof(*config));
}
