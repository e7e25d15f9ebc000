#include "creds/creds_profile.h"

#include "base/str.h"
#include "creds/creds_env.h"
#include "creds/shared_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct profile_provider {
    struct ps_creds_provider base;
    char *profile;
    char *credentials_path; /* NULL = not known: no HOME */
    char *config_path;
};

/* What one file says of the profile. */
struct found {
    const char *profile;
    bool is_config; /* sections are called "profile name" */
    bool there;
    unsigned line; /* of the section */
    bool no_memory;
    struct ps_creds creds;
    char *region;
    char cannot[32]; /* a setting that asks for what purser cannot do: "role_arn" */
};

static void found_clear(struct found *found)
{
    ps_creds_clear(&found->creds);
    free(found->region);
    memset(found, 0, sizeof(*found));
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
        return strcmp(section, found->profile) == 0;
    }
    name = name_in_config(section, &length);
    return name != NULL && strlen(found->profile) == length &&
           memcmp(found->profile, name, length) == 0;
}

static void on_section(void *user, const char *section, unsigned line)
{
    struct found *found = user;

    if (is_our_section(found, section)) {
        found->there = true;
        found->line = line;
    }
}

/* The last one counts. An empty value is none. */
static void keep(struct found *found, char **field, const char *value)
{
    if (*field != NULL) {
        explicit_bzero(*field, strlen(*field));
        free(*field);
        *field = NULL;
    }
    if (value[0] != '\0') {
        *field = ps_strdup(value);
        found->no_memory = found->no_memory || *field == NULL;
    }
}

static void on_setting(void *user, const char *section, const char *name, const char *value,
                       unsigned line)
{
    /* role_arn stays once seen: it decides over keys that stand beside it. */
    static const char *const beyond_us[] = { "role_arn", "credential_process", "sso_session",
                                             "sso_start_url", "web_identity_token_file" };
    struct found *found = user;

    (void)line;
    if (!is_our_section(found, section)) {
        return;
    }
    if (strcasecmp(name, "aws_access_key_id") == 0) {
        keep(found, &found->creds.access_key_id, value);
    } else if (strcasecmp(name, "aws_secret_access_key") == 0) {
        keep(found, &found->creds.secret_access_key, value);
    } else if (strcasecmp(name, "aws_session_token") == 0) {
        keep(found, &found->creds.session_token, value);
    } else if (strcasecmp(name, "region") == 0) {
        keep(found, &found->region, value);
    }
    for (size_t i = 0; i < sizeof(beyond_us) / sizeof(beyond_us[0]); i++) {
        if (strcasecmp(name, beyond_us[i]) == 0 && strcmp(found->cannot, beyond_us[0]) != 0) {
            ps_str_copy(found->cannot, sizeof(found->cannot), beyond_us[i]);
        }
    }
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

/* --- looking --- */

/* The keys of one file: false when it has none. */
static bool take_creds(const struct profile_provider *profile, const char *path,
                       struct found *found, struct ps_creds *creds, struct ps_err *err)
{
    bool has_id = found->creds.access_key_id != NULL;
    bool has_secret = found->creds.secret_access_key != NULL;

    if (!has_id && !has_secret) {
        return false;
    }
    if (!has_id || !has_secret) {
        (void)ps_err_set(err, PS_E_INVALID, "%s:%u: profile %.64s has %s, but no %s", path,
                         found->line, profile->profile,
                         has_id ? "aws_access_key_id" : "aws_secret_access_key",
                         has_id ? "aws_secret_access_key" : "aws_access_key_id");
        return true;
    }
    *creds = found->creds;
    memset(&found->creds, 0, sizeof(found->creds));
    (void)snprintf(creds->source, sizeof(creds->source), "profile %s in %s", profile->profile,
                   path);
    return true;
}

/* Why there is nothing, in words that fit beside those of the other places. */
static void say_none(const struct profile_provider *profile, const struct found *credentials,
                     const struct found *config, struct ps_err *err)
{
    const char *first = profile->credentials_path != NULL ? profile->credentials_path : "";
    const char *second = profile->config_path != NULL ? profile->config_path : "";
    const char *cannot = credentials->cannot[0] != '\0' ? credentials->cannot : config->cannot;

    if (first[0] == '\0' && second[0] == '\0') {
        (void)ps_err_set(err, PS_E_DENIED, "no shared files: HOME is not set");
    } else if (cannot[0] != '\0') {
        (void)ps_err_set(err, PS_E_DENIED, "profile %.64s uses %s, which purser cannot",
                         profile->profile, cannot);
    } else {
        (void)ps_err_set(err, PS_E_DENIED, "profile %.64s %s %.60s or %.60s", profile->profile,
                         credentials->there || config->there ? "has no keys in" : "is not in",
                         first, second);
    }
}

static enum ps_creds_reply find(const struct profile_provider *profile, struct ps_creds *creds,
                                struct ps_err *err)
{
    struct found credentials = { .profile = profile->profile };
    struct found config = { .profile = profile->profile, .is_config = true };
    enum ps_creds_reply reply = PS_CREDS_FAILED;

    if (read_file(profile->credentials_path, &credentials, err) == PS_OK &&
        read_file(profile->config_path, &config, err) == PS_OK) {
        /* The keys beside role_arn are only to get the role with: to act with them would be another identity. */
        bool has_role =
            strcmp(credentials.cannot, "role_arn") == 0 || strcmp(config.cannot, "role_arn") == 0;

        if (!has_role &&
            (take_creds(profile, profile->credentials_path, &credentials, creds, err) ||
             take_creds(profile, profile->config_path, &config, creds, err))) {
            reply = creds->access_key_id != NULL ? PS_CREDS_FOUND : PS_CREDS_FAILED;
        } else {
            say_none(profile, &credentials, &config, err);
            reply = PS_CREDS_NONE;
        }
    }
    found_clear(&credentials);
    found_clear(&config);
    return reply;
}

static void look(struct ps_creds_provider *provider, ps_creds_reply_fn reply_fn, void *user)
{
    const struct profile_provider *profile = (const struct profile_provider *)provider;
    struct ps_creds creds = { 0 };
    struct ps_err err = { 0 };
    enum ps_creds_reply reply = find(profile, &creds, &err);

    reply_fn(user, reply, reply == PS_CREDS_FOUND ? &creds : NULL,
             reply == PS_CREDS_FOUND ? NULL : &err);
}

/* --- life --- */

static void profile_free(struct ps_creds_provider *provider)
{
    struct profile_provider *profile = (struct profile_provider *)provider;

    free(profile->profile);
    free(profile->credentials_path);
    free(profile->config_path);
    free(profile);
}

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

enum ps_code ps_creds_profile_new(struct ps_creds_provider **provider_out, const char *profile_name,
                                  ps_getenv_fn getenv_fn, void *getenv_user, struct ps_err *err)
{
    struct profile_provider *profile = calloc(1, sizeof(*profile));

    if (profile == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "credentials: out of memory");
    }
    profile->base.look = look;
    profile->base.free = profile_free;
    profile->profile = ps_strdup(profile_name);
    profile->credentials_path =
        find_path(getenv_fn, getenv_user, "AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials");
    profile->config_path = find_path(getenv_fn, getenv_user, "AWS_CONFIG_FILE", ".aws/config");
    if (profile->profile == NULL) {
        profile_free(&profile->base);
        return ps_err_set(err, PS_E_NO_MEMORY, "credentials: out of memory");
    }
    *provider_out = &profile->base;
    return PS_OK;
}

char *ps_creds_profile_region(const struct ps_creds_provider *provider)
{
    const struct profile_provider *profile = (const struct profile_provider *)provider;
    struct found credentials = { .profile = profile->profile };
    struct found config = { .profile = profile->profile, .is_config = true };
    char *region = NULL;

    if (read_file(profile->credentials_path, &credentials, NULL) == PS_OK &&
        read_file(profile->config_path, &config, NULL) == PS_OK) {
        struct found *from = credentials.region != NULL ? &credentials : &config;

        region = from->region;
        from->region = NULL;
    }
    found_clear(&credentials);
    found_clear(&config);
    return region;
}
