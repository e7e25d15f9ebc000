#include "creds/creds_aliyun.h"

#include "base/str.h"
#include "creds/aliyun_profile.h"
#include "creds/creds_answer.h"
#include "creds/creds_container.h"
#include "creds/creds_env.h"
#include "creds/creds_imds.h"
#include "creds/creds_process.h"
#include "creds/creds_role.h"
#include "creds/creds_static.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** Longest way of source_profile, as at AWS. */
#define DEPTH_MAX 8

struct aliyun_provider {
    struct ps_creds_provider base;
    const struct ps_creds_context *context;
    char *name; /* NULL = by the environment and the file */
    bool is_ini;
    char *path; /* NULL = not known: no HOME */
    struct ps_creds_provider *place;
};

static enum ps_creds_reply resolve(const struct aliyun_provider *provider, const char *name,
                                   unsigned depth, struct ps_creds_provider **place_out,
                                   struct ps_err *err);

static const char *env(const struct aliyun_provider *provider, const char *name)
{
    return ps_creds_env_get(provider->context->getenv, provider->context->getenv_user, name);
}

static enum ps_creds_reply failed(enum ps_code code)
{
    return code == PS_OK ? PS_CREDS_FOUND : PS_CREDS_FAILED;
}

static const char *shown_name(const struct aliyun_provider *provider, const char *name)
{
    return name != NULL ? name : provider->is_ini ? "default" : "(current)";
}

/* --- what a profile may say --- */

static enum ps_creds_reply take_keys(const struct aliyun_provider *provider, const char *name,
                                     struct ps_aliyun_profile *profile,
                                     struct ps_creds_provider **place_out, struct ps_err *err)
{
    char **values = profile->values;
    struct ps_creds keys = { 0 };

    if (values[PS_ALIYUN_ID] == NULL && values[PS_ALIYUN_SECRET] == NULL) {
        (void)ps_err_set(err, PS_E_DENIED, "profile %.60s has no keys in %.80s",
                         shown_name(provider, name), provider->path);
        return PS_CREDS_NONE;
    }
    if (values[PS_ALIYUN_ID] == NULL || values[PS_ALIYUN_SECRET] == NULL) {
        (void)ps_err_set(err, PS_E_INVALID,
                         "%.90s: profile %.60s has one of access_key_id and "
                         "access_key_secret only",
                         provider->path, shown_name(provider, name));
        return PS_CREDS_FAILED;
    }
    keys.access_key_id = values[PS_ALIYUN_ID];
    keys.secret_access_key = values[PS_ALIYUN_SECRET];
    keys.session_token = values[PS_ALIYUN_TOKEN];
    values[PS_ALIYUN_ID] = NULL;
    values[PS_ALIYUN_SECRET] = NULL;
    values[PS_ALIYUN_TOKEN] = NULL;
    (void)snprintf(keys.source, sizeof(keys.source), "profile %s in %s", shown_name(provider, name),
                   provider->path);
    return failed(ps_creds_static_new(place_out, &keys, err));
}

/* The place of the keys that sign for a role; *source_out stays NULL for a web identity. */
static enum ps_creds_reply take_source(const struct aliyun_provider *provider, const char *name,
                                       unsigned depth, struct ps_aliyun_profile *profile,
                                       struct ps_creds_provider **source_out, struct ps_err *err)
{
    const char *source = profile->values[PS_ALIYUN_SOURCE_PROFILE];

    if (profile->kind == PS_ALIYUN_OIDC) {
        if (profile->values[PS_ALIYUN_OIDC_TOKEN_FILE] != NULL &&
            profile->values[PS_ALIYUN_OIDC_PROVIDER_ARN] != NULL) {
            return PS_CREDS_FOUND;
        }
        (void)ps_err_set(err, PS_E_INVALID,
                         "%.90s: profile %.60s has no token file or no provider's ARN",
                         provider->path, shown_name(provider, name));
        return PS_CREDS_FAILED;
    }
    if (profile->kind == PS_ALIYUN_ROLE_BY_ECS) {
        return failed(ps_creds_imds_new(source_out, provider->context,
                                        profile->values[PS_ALIYUN_ROLE_NAME], err));
    }
    if (profile->kind == PS_ALIYUN_ROLE) {
        return take_keys(provider, name, profile, source_out, err);
    }
    if (source == NULL || depth >= DEPTH_MAX) {
        (void)ps_err_set(err, PS_E_INVALID, "%.90s: profile %.60s %s", provider->path,
                         shown_name(provider, name),
                         source == NULL ? "has no source_profile"
                                        : "is led to by source_profile in a circle");
        return PS_CREDS_FAILED;
    }
    return resolve(provider, source, depth + 1, source_out, err);
}

static enum ps_creds_reply take_role(const struct aliyun_provider *provider, const char *name,
                                     unsigned depth, struct ps_aliyun_profile *profile,
                                     struct ps_creds_provider **place_out, struct ps_err *err)
{
    struct ps_creds_provider *source = NULL;
    const struct ps_creds_role role = {
        .role_arn = profile->values[PS_ALIYUN_ROLE_ARN],
        .session_name = profile->values[PS_ALIYUN_SESSION_NAME],
        .external_id = profile->values[PS_ALIYUN_EXTERNAL_ID],
        .token_file =
            profile->kind == PS_ALIYUN_OIDC ? profile->values[PS_ALIYUN_OIDC_TOKEN_FILE] : NULL,
        .oidc_provider_arn = profile->values[PS_ALIYUN_OIDC_PROVIDER_ARN],
    };
    enum ps_creds_reply reply = take_source(provider, name, depth, profile, &source, err);

    if (reply == PS_CREDS_FOUND) {
        reply = failed(ps_creds_role_new(place_out, provider->context, &role, &source, err));
    }
    return reply == PS_CREDS_NONE ? PS_CREDS_FAILED : reply;
}

static enum ps_creds_reply take_uri(const struct aliyun_provider *provider, const char *name,
                                    const struct ps_aliyun_profile *profile,
                                    struct ps_creds_provider **place_out, struct ps_err *err)
{
    const char *uri = profile->values[PS_ALIYUN_CREDENTIALS_URI];
    const char *command = profile->values[PS_ALIYUN_PROCESS_COMMAND];

    if (profile->kind == PS_ALIYUN_URI && uri != NULL) {
        return failed(ps_creds_container_new(place_out, provider->context, uri, err));
    }
    if (profile->kind == PS_ALIYUN_PROCESS && command != NULL) {
        return failed(ps_creds_process_new(place_out, provider->context, command,
                                           &ps_creds_json_aliyun_process, err));
    }
    (void)ps_err_set(err, PS_E_INVALID, "%.90s: profile %.60s has no %s", provider->path,
                     shown_name(provider, name),
                     profile->kind == PS_ALIYUN_URI ? "credentials_uri" : "process_command");
    return PS_CREDS_FAILED;
}

static enum ps_creds_reply resolve_read(const struct aliyun_provider *provider, const char *name,
                                        unsigned depth, struct ps_aliyun_profile *profile,
                                        struct ps_creds_provider **place_out, struct ps_err *err)
{
    switch (profile->kind) {
    case PS_ALIYUN_KEYS:
        return take_keys(provider, name, profile, place_out, err);
    case PS_ALIYUN_ECS_ROLE:
        return failed(ps_creds_imds_new(place_out, provider->context,
                                        profile->values[PS_ALIYUN_ROLE_NAME], err));
    case PS_ALIYUN_ROLE:
    case PS_ALIYUN_ROLE_BY_ECS:
    case PS_ALIYUN_CHAIN:
    case PS_ALIYUN_OIDC:
        return take_role(provider, name, depth, profile, place_out, err);
    case PS_ALIYUN_PROCESS:
    case PS_ALIYUN_URI:
        return take_uri(provider, name, profile, place_out, err);
    case PS_ALIYUN_UNKNOWN:
        break;
    }
    (void)ps_err_set(err, PS_E_DENIED, "profile %.60s uses %.40s, which purser cannot",
                     shown_name(provider, name), profile->values[PS_ALIYUN_MODE]);
    return PS_CREDS_NONE;
}

/* --- looking --- */

static enum ps_code read_profile(const struct aliyun_provider *provider, const char *name,
                                 struct ps_aliyun_profile *profile, struct ps_err *err)
{
    return provider->is_ini ? ps_aliyun_profile_read_ini(provider->path, name, profile, err)
                            : ps_aliyun_profile_read_json(provider->path, name, profile, err);
}

static enum ps_creds_reply resolve(const struct aliyun_provider *provider, const char *name,
                                   unsigned depth, struct ps_creds_provider **place_out,
                                   struct ps_err *err)
{
    struct ps_aliyun_profile profile = { 0 };
    enum ps_creds_reply reply = PS_CREDS_FAILED;

    if (read_profile(provider, name, &profile, err) != PS_OK) {
        return PS_CREDS_FAILED;
    }
    if (profile.there) {
        reply = resolve_read(provider, name, depth, &profile, place_out, err);
    } else {
        (void)ps_err_set(err, PS_E_DENIED, "profile %.60s is not in %.90s",
                         shown_name(provider, name), provider->path);
        reply = PS_CREDS_NONE;
    }
    ps_aliyun_profile_clear(&profile);
    return reply;
}

static const char *name_of(const struct aliyun_provider *provider)
{
    return provider->name != NULL ? provider->name : env(provider, "ALIBABA_CLOUD_PROFILE");
}

static void drop_place(struct aliyun_provider *provider)
{
    if (provider->place != NULL) {
        provider->place->free(provider->place);
        provider->place = NULL;
    }
}

static void look(struct ps_creds_provider *base, ps_creds_reply_fn reply_fn, void *user)
{
    struct aliyun_provider *provider = (struct aliyun_provider *)base;
    enum ps_creds_reply reply = PS_CREDS_NONE;
    struct ps_err err = { 0 };

    drop_place(provider);
    if (provider->path == NULL) {
        (void)ps_err_set(&err, PS_E_DENIED, "no profiles: HOME is not set");
    } else {
        reply = resolve(provider, name_of(provider), 0, &provider->place, &err);
    }
    if (reply == PS_CREDS_FOUND) {
        provider->place->look(provider->place, reply_fn, user);
        return;
    }
    reply_fn(user, reply, NULL, &err);
}

/* --- life --- */

static void aliyun_free(struct ps_creds_provider *base)
{
    struct aliyun_provider *provider = (struct aliyun_provider *)base;

    drop_place(provider);
    free(provider->name);
    free(provider->path);
    free(provider);
}

static char *find_path(const struct aliyun_provider *provider)
{
    const char *home = env(provider, "HOME");
    const char *path = env(provider, provider->is_ini ? "ALIBABA_CLOUD_CREDENTIALS_FILE"
                                                      : "ALIBABA_CLOUD_CONFIG_FILE");

    if (path != NULL) {
        return ps_strdup(path);
    }
    return home != NULL ? ps_str_format("%s/%s", home,
                                        provider->is_ini ? ".alibabacloud/credentials"
                                                         : ".aliyun/config.json")
                        : NULL;
}

enum ps_code ps_creds_aliyun_new(struct ps_creds_provider **provider_out,
                                 const struct ps_creds_context *context, const char *name,
                                 bool is_ini, struct ps_err *err)
{
    struct aliyun_provider *provider = calloc(1, sizeof(*provider));

    if (provider == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "credentials: out of memory");
    }
    provider->base.look = look;
    provider->base.free = aliyun_free;
    provider->context = context;
    provider->is_ini = is_ini;
    provider->name = ps_strdup(name);
    provider->path = find_path(provider);
    if (name != NULL && provider->name == NULL) {
        aliyun_free(&provider->base);
        return ps_err_set(err, PS_E_NO_MEMORY, "credentials: out of memory");
    }
    *provider_out = &provider->base;
    return PS_OK;
}

char *ps_creds_aliyun_region(const struct ps_creds_provider *base)
{
    const struct aliyun_provider *provider = (const struct aliyun_provider *)base;
    struct ps_aliyun_profile profile = { 0 };
    char *region = NULL;

    if (provider->path != NULL &&
        read_profile(provider, name_of(provider), &profile, NULL) == PS_OK) {
        region = profile.values[PS_ALIYUN_REGION];
        profile.values[PS_ALIYUN_REGION] = NULL;
    }
    ps_aliyun_profile_clear(&profile);
    return region;
}
