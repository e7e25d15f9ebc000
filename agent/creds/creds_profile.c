#include "creds/creds_profile.h"

#include "base/str.h"
#include "creds/aws_profile.h"
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

struct profile_provider {
    struct ps_creds_provider base;
    const struct ps_creds_context *context;
    char *name;
    struct ps_aws_files files;
    struct ps_creds_provider *place; /* what the profile led to at the last look */
};

/* Way of source_profile, from the profile asked for on. */
struct way {
    const struct way *before;
    const char *name;
    unsigned depth;
};

static enum ps_creds_reply resolve(const struct profile_provider *provider, const struct way *way,
                                   struct ps_creds_provider **place_out, struct ps_err *err);

static enum ps_creds_reply failed(enum ps_code code)
{
    return code == PS_OK ? PS_CREDS_FOUND : PS_CREDS_FAILED;
}

/* --- where the keys of a role come from --- */

static enum ps_creds_reply resolve_source_profile(const struct profile_provider *provider,
                                                  const struct way *way,
                                                  struct ps_aws_profile *profile,
                                                  struct ps_creds_provider **place_out,
                                                  struct ps_err *err)
{
    const char *name = profile->values[PS_AWS_SOURCE_PROFILE];
    const struct way further = { .before = way, .name = name, .depth = way->depth + 1 };
    enum ps_creds_reply reply;

    if (strcmp(name, way->name) == 0 && profile->keys.access_key_id != NULL) {
        return failed(ps_creds_static_new(place_out, &profile->keys, err));
    }
    for (const struct way *at = way; at != NULL; at = at->before) {
        if (strcmp(at->name, name) == 0) {
            (void)ps_err_set(err, PS_E_INVALID, "source_profile of %.60s leads back to %.60s",
                             way->name, name);
            return PS_CREDS_FAILED;
        }
    }
    if (further.depth > PS_CREDS_PROFILE_DEPTH_MAX) {
        (void)ps_err_set(err, PS_E_INVALID, "source_profile leads over more than %d profiles",
                         PS_CREDS_PROFILE_DEPTH_MAX);
        return PS_CREDS_FAILED;
    }
    reply = resolve(provider, &further, place_out, err);
    return reply == PS_CREDS_NONE ? PS_CREDS_FAILED : reply;
}

static enum ps_creds_reply resolve_credential_source(const struct profile_provider *provider,
                                                     const char *source,
                                                     struct ps_creds_provider **place_out,
                                                     struct ps_err *err)
{
    const struct ps_creds_context *context = provider->context;

    if (strcmp(source, "Environment") == 0) {
        return failed(ps_creds_env_new(place_out, context, err));
    }
    if (strcmp(source, "Ec2InstanceMetadata") == 0) {
        return failed(ps_creds_imds_new(place_out, context, NULL, err));
    }
    if (strcmp(source, "EcsContainer") == 0) {
        return failed(ps_creds_container_new(place_out, context, NULL, err));
    }
    (void)ps_err_set(err, PS_E_INVALID,
                     "credential_source %.40s is none of Environment Ec2InstanceMetadata "
                     "EcsContainer",
                     source);
    return PS_CREDS_FAILED;
}

/* --- roles --- */

static enum ps_code fill_role(const struct ps_aws_profile *profile, struct ps_creds_role *role,
                              struct ps_err *err)
{
    const char *duration = profile->values[PS_AWS_DURATION_SECONDS];
    uint64_t duration_s = 0;

    role->role_arn = profile->values[PS_AWS_ROLE_ARN];
    role->session_name = profile->values[PS_AWS_ROLE_SESSION_NAME];
    role->external_id = profile->values[PS_AWS_EXTERNAL_ID];
    role->token_file = profile->values[PS_AWS_WEB_IDENTITY_TOKEN_FILE];
    role->region = profile->values[PS_AWS_REGION];
    if (duration != NULL &&
        (!ps_u64_parse(duration, &duration_s) || duration_s < 900 || duration_s > 43200)) {
        return ps_err_set(err, PS_E_INVALID, "duration_seconds %.20s is not 900 to 43200",
                          duration);
    }
    role->duration_s = (uint32_t)duration_s;
    return PS_OK;
}

static enum ps_creds_reply resolve_source(const struct profile_provider *provider,
                                          const struct way *way, struct ps_aws_profile *profile,
                                          struct ps_creds_provider **source_out, struct ps_err *err)
{
    if (profile->values[PS_AWS_WEB_IDENTITY_TOKEN_FILE] != NULL) {
        return PS_CREDS_FOUND;
    }
    if (profile->values[PS_AWS_SOURCE_PROFILE] != NULL) {
        return resolve_source_profile(provider, way, profile, source_out, err);
    }
    if (profile->values[PS_AWS_CREDENTIAL_SOURCE] != NULL) {
        return resolve_credential_source(provider, profile->values[PS_AWS_CREDENTIAL_SOURCE],
                                         source_out, err);
    }
    (void)ps_err_set(err, PS_E_INVALID,
                     "profile %.60s has role_arn, but neither source_profile nor "
                     "credential_source nor web_identity_token_file",
                     way->name);
    return PS_CREDS_FAILED;
}

static enum ps_creds_reply resolve_role(const struct profile_provider *provider,
                                        const struct way *way, struct ps_aws_profile *profile,
                                        struct ps_creds_provider **place_out, struct ps_err *err)
{
    struct ps_creds_provider *source = NULL;
    struct ps_creds_role role = { 0 };
    enum ps_creds_reply reply;

    if (fill_role(profile, &role, err) != PS_OK) {
        (void)ps_err_wrap(err, err->code, "profile %.60s", way->name);
        return PS_CREDS_FAILED;
    }
    reply = resolve_source(provider, way, profile, &source, err);
    if (reply == PS_CREDS_FOUND) {
        reply = failed(ps_creds_role_new(place_out, provider->context, &role, &source, err));
    }
    return reply;
}

/* --- profiles --- */

/* The setting which asks for what cannot be done, NULL = none. */
static const char *cannot(const struct ps_aws_profile *profile)
{
    bool has_other = profile->keys.access_key_id != NULL ||
                     profile->values[PS_AWS_ROLE_ARN] != NULL ||
                     profile->values[PS_AWS_CREDENTIAL_PROCESS] != NULL;
    const struct {
        enum ps_aws_setting setting;
        bool is_beyond_us;
    } settings[] = {
        { PS_AWS_MFA_SERIAL, profile->values[PS_AWS_ROLE_ARN] != NULL },
        { PS_AWS_SSO_SESSION, !has_other },
        { PS_AWS_SSO_START_URL, !has_other },
    };

    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        if (settings[i].is_beyond_us && profile->values[settings[i].setting] != NULL) {
            return ps_aws_setting_name(settings[i].setting);
        }
    }
    return NULL;
}

/* Why there is nothing, in words that fit beside those of the other places. */
static void say_none(const struct profile_provider *provider, const char *name, bool there,
                     struct ps_err *err)
{
    const char *first = provider->files.credentials_path;
    const char *second = provider->files.config_path;

    if (first == NULL && second == NULL) {
        (void)ps_err_set(err, PS_E_DENIED, "no shared files: HOME is not set");
        return;
    }
    (void)ps_err_set(err, PS_E_DENIED, "profile %.64s %s %.60s or %.60s", name,
                     there ? "has no keys in" : "is not in", first != NULL ? first : "",
                     second != NULL ? second : "");
}

static enum ps_creds_reply resolve_read(const struct profile_provider *provider,
                                        const struct way *way, struct ps_aws_profile *profile,
                                        struct ps_creds_provider **place_out, struct ps_err *err)
{
    const char *beyond_us = cannot(profile);

    if (beyond_us != NULL) {
        (void)ps_err_set(err, PS_E_DENIED, "profile %.64s uses %s, which purser cannot", way->name,
                         beyond_us);
        return PS_CREDS_NONE;
    }
    /* The keys beside role_arn are only to get the role with: to act with them would be another identity. */
    if (profile->values[PS_AWS_ROLE_ARN] != NULL) {
        return resolve_role(provider, way, profile, place_out, err);
    }
    if (profile->keys.access_key_id != NULL) {
        return failed(ps_creds_static_new(place_out, &profile->keys, err));
    }
    if (profile->values[PS_AWS_CREDENTIAL_PROCESS] != NULL) {
        return failed(ps_creds_process_new(place_out, provider->context,
                                           profile->values[PS_AWS_CREDENTIAL_PROCESS],
                                           &ps_creds_json_aws_process, err));
    }
    say_none(provider, way->name, profile->there, err);
    return PS_CREDS_NONE;
}

static enum ps_creds_reply resolve(const struct profile_provider *provider, const struct way *way,
                                   struct ps_creds_provider **place_out, struct ps_err *err)
{
    struct ps_aws_profile profile = { 0 };
    enum ps_creds_reply reply = PS_CREDS_FAILED;

    if (ps_aws_profile_read(&provider->files, way->name, &profile, err) == PS_OK) {
        reply = resolve_read(provider, way, &profile, place_out, err);
    }
    ps_aws_profile_clear(&profile);
    return reply;
}

static void drop_place(struct profile_provider *provider)
{
    if (provider->place != NULL) {
        provider->place->free(provider->place);
        provider->place = NULL;
    }
}

static void look(struct ps_creds_provider *base, ps_creds_reply_fn reply_fn, void *user)
{
    struct profile_provider *provider = (struct profile_provider *)base;
    const struct way way = { .name = provider->name };
    struct ps_err err = { 0 };
    enum ps_creds_reply reply;

    drop_place(provider);
    reply = resolve(provider, &way, &provider->place, &err);
    if (reply == PS_CREDS_FOUND) {
        provider->place->look(provider->place, reply_fn, user);
        return;
    }
    reply_fn(user, reply, NULL, &err);
}

/* --- life --- */

static void profile_free(struct ps_creds_provider *base)
{
    struct profile_provider *provider = (struct profile_provider *)base;

    drop_place(provider);
    free(provider->name);
    ps_aws_files_clear(&provider->files);
    free(provider);
}

enum ps_code ps_creds_profile_new(struct ps_creds_provider **provider_out,
                                  const struct ps_creds_context *context, const char *name,
                                  struct ps_err *err)
{
    struct profile_provider *provider = calloc(1, sizeof(*provider));

    if (provider != NULL) {
        provider->base.look = look;
        provider->base.free = profile_free;
        provider->context = context;
        provider->name = ps_strdup(name);
        ps_aws_files_init(&provider->files, context->getenv, context->getenv_user);
    }
    if (provider == NULL || provider->name == NULL) {
        if (provider != NULL) {
            profile_free(&provider->base);
        }
        return ps_err_set(err, PS_E_NO_MEMORY, "credentials: out of memory");
    }
    *provider_out = &provider->base;
    return PS_OK;
}

char *ps_creds_profile_region(const struct ps_creds_provider *base)
{
    const struct profile_provider *provider = (const struct profile_provider *)base;
    struct ps_aws_profile profile = { 0 };
    char *region = NULL;

    if (ps_aws_profile_read(&provider->files, provider->name, &profile, NULL) == PS_OK) {
        region = profile.values[PS_AWS_REGION];
        profile.values[PS_AWS_REGION] = NULL;
    }
    ps_aws_profile_clear(&profile);
    return region;
}
