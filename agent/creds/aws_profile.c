#include "creds/aws_profile.h"

#include "base/str.h"
#include "creds/creds_env.h"
#include "creds/shared_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const setting_names[PS_AWS_SETTING_COUNT] = {
    [PS_AWS_REGION] = "region",
    [PS_AWS_ROLE_ARN] = "role_arn",
    [PS_AWS_SOURCE_PROFILE] = "source_profile",
    [PS_AWS_CREDENTIAL_SOURCE] = "credential_source",
    [PS_AWS_EXTERNAL_ID] = "external_id",
    [PS_AWS_ROLE_SESSION_NAME] = "role_session_name",
    [PS_AWS_DURATION_SECONDS] = "duration_seconds",
    [PS_AWS_WEB_IDENTITY_TOKEN_FILE] = "web_identity_token_file",
    [PS_AWS_CREDENTIAL_PROCESS] = "credential_process",
    [PS_AWS_MFA_SERIAL] = "mfa_serial",
    [PS_AWS_SSO_SESSION] = "sso_session",
    [PS_AWS_SSO_START_URL] = "sso_start_url",
};

/* What one file says of the profile. */
struct found {
    const char *name;
    bool is_config; /* sections are called "profile name" */
    unsigned line;  /* of the section */
    bool no_memory;
    struct ps_aws_profile profile;
};

const char *ps_aws_setting_name(enum ps_aws_setting setting)
{
    return setting_names[setting];
}

/* --- sections and settings --- */

/* "profile x", "profile 'x y'" -> x; NULL when it is another kind of section. length: without the closing quote. */
static const char *name_in_config(const char *section, size_t *length_out)
{
    const char *name = section + strlen("profile");
    size_t length;

    if (!ps_str_has_prefix(section, "profile") || (*name != ' ' && *name != '\t')) {
        return NULL;
    }
    name += strspn(name, " \t");
    length = strlen(name);
    if (length >= 2 && (*name == '"' || *name == '\'') && name[length - 1] == *name) {
        name++;
        length -= 2;
    }
    *length_out = length;
    return name;
}

static bool is_our_section(const struct found *found, const char *section)
{
    size_t length = 0;
    const char *name;

    if (!found->is_config || strcmp(section, "default") == 0) {
        return strcmp(section, found->name) == 0;
    }
    name = name_in_config(section, &length);
    return name != NULL && strlen(found->name) == length && memcmp(found->name, name, length) == 0;
}

static void on_section(void *user, const char *section, unsigned line)
{
    struct found *found = user;

    if (is_our_section(found, section)) {
        found->profile.there = true;
        found->line = line;
    }
}

static void wipe(char **field)
{
    if (*field != NULL) {
        explicit_bzero(*field, strlen(*field));
        free(*field);
        *field = NULL;
    }
}

/* The last one counts. An empty value is none. */
static void keep(struct found *found, char **field, const char *value)
{
    wipe(field);
    if (value[0] != '\0') {
        *field = ps_strdup(value);
        found->no_memory = found->no_memory || *field == NULL;
    }
}

static char **field_of(struct found *found, const char *name)
{
    if (strcasecmp(name, "aws_access_key_id") == 0) {
        return &found->profile.keys.access_key_id;
    }
    if (strcasecmp(name, "aws_secret_access_key") == 0) {
        return &found->profile.keys.secret_access_key;
    }
    if (strcasecmp(name, "aws_session_token") == 0) {
        return &found->profile.keys.session_token;
    }
    for (size_t i = 0; i < PS_AWS_SETTING_COUNT; i++) {
        if (strcasecmp(name, setting_names[i]) == 0) {
            return &found->profile.values[i];
        }
    }
    return NULL;
}

static void on_setting(void *user, const char *section, const char *name, const char *value,
                       unsigned line)
{
    struct found *found = user;
    char **field;

    (void)line;
    if (!is_our_section(found, section)) {
        return;
    }
    field = field_of(found, name);
    if (field != NULL) {
        keep(found, field, value);
    }
}

/* --- one file --- */

/* One key of two is a mistake. */
static enum ps_code check_keys(const char *path, struct found *found, struct ps_err *err)
{
    struct ps_creds *keys = &found->profile.keys;
    bool has_id = keys->access_key_id != NULL;
    bool has_secret = keys->secret_access_key != NULL;

    if (has_id != has_secret) {
        return ps_err_set(err, PS_E_INVALID, "%s:%u: profile %.64s has %s, but no %s", path,
                          found->line, found->name,
                          has_id ? "aws_access_key_id" : "aws_secret_access_key",
                          has_id ? "aws_secret_access_key" : "aws_access_key_id");
    }
    if (!has_id) {
        wipe(&keys->session_token);
    }
    (void)snprintf(keys->source, sizeof(keys->source), "profile %s in %s", found->name, path);
    return PS_OK;
}

/* A file that is not there is a profile that is not there. */
static enum ps_code read_file(const char *path, struct found *found, struct ps_err *err)
{
    static const struct ps_shared_file_handler handler = { on_section, on_setting };
    enum ps_code code;

    if (path == NULL) {
        return PS_OK;
    }
    code = ps_shared_file_read(path, &handler, found, err);
    if (code == PS_E_NOT_FOUND) {
        return PS_OK;
    }
    if (code == PS_OK && found->no_memory) {
        return ps_err_set(err, PS_E_NO_MEMORY, "%s: out of memory", path);
    }
    return code;
}

/* --- both --- */

static bool has_keys(const struct found *found)
{
    return found->profile.keys.access_key_id != NULL ||
           found->profile.keys.secret_access_key != NULL;
}

/* What first does not say is taken from second. */
static void merge(struct ps_aws_profile *first, struct ps_aws_profile *second)
{
    first->there = first->there || second->there;
    if (first->keys.access_key_id == NULL) {
        ps_creds_clear(&first->keys);
        first->keys = second->keys;
        memset(&second->keys, 0, sizeof(second->keys));
    }
    for (size_t i = 0; i < PS_AWS_SETTING_COUNT; i++) {
        if (first->values[i] == NULL) {
            first->values[i] = second->values[i];
            second->values[i] = NULL;
        }
    }
}

enum ps_code ps_aws_profile_read(const struct ps_aws_files *files, const char *name,
                                 struct ps_aws_profile *profile_out, struct ps_err *err)
{
    struct found credentials = { .name = name };
    struct found config = { .name = name, .is_config = true };
    enum ps_code code = read_file(files->credentials_path, &credentials, err);

    if (code == PS_OK) {
        code = read_file(files->config_path, &config, err);
    }
    if (code == PS_OK && has_keys(&credentials)) {
        code = check_keys(files->credentials_path, &credentials, err);
    } else if (code == PS_OK && has_keys(&config)) {
        code = check_keys(files->config_path, &config, err);
    }
    if (code == PS_OK) {
        merge(&credentials.profile, &config.profile);
        *profile_out = credentials.profile;
        memset(&credentials.profile, 0, sizeof(credentials.profile));
    }
    ps_aws_profile_clear(&credentials.profile);
    ps_aws_profile_clear(&config.profile);
    return code;
}

void ps_aws_profile_clear(struct ps_aws_profile *profile)
{
    ps_creds_clear(&profile->keys);
    for (size_t i = 0; i < PS_AWS_SETTING_COUNT; i++) {
        free(profile->values[i]);
    }
    memset(profile, 0, sizeof(*profile));
}

/* --- where the files are --- */

/* The variable's path ("~/" is HOME), else HOME and fallback. NULL without HOME, or when memory is out. */
static char *find_path(ps_getenv_fn getenv_fn, void *getenv_user, const char *variable,
                       const char *fallback)
{
    const char *home = ps_creds_env_get(getenv_fn, getenv_user, "HOME");
    const char *path = ps_creds_env_get(getenv_fn, getenv_user, variable);

    if (path != NULL && !ps_str_has_prefix(path, "~/")) {
        return ps_strdup(path);
    }
    if (home == NULL) {
        return NULL;
    }
    return ps_str_format("%s/%s", home, path != NULL ? path + strlen("~/") : fallback);
}

void ps_aws_files_init(struct ps_aws_files *files, ps_getenv_fn getenv_fn, void *getenv_user)
{
    files->credentials_path =
        find_path(getenv_fn, getenv_user, "AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials");
    files->config_path = find_path(getenv_fn, getenv_user, "AWS_CONFIG_FILE", ".aws/config");
}

void ps_aws_files_clear(struct ps_aws_files *files)
{
    free(files->credentials_path);
    free(files->config_path);
    memset(files, 0, sizeof(*files));
}
