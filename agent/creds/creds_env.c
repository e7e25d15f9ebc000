#include "creds/creds_env.h"

#include "base/str.h"

#include <stdlib.h>
#include <string.h>

/* The variables that hold one set of credentials. */
struct names {
    const char *id;
    const char *secret;
    const char *token;
    const char *token_of_old; /* NULL = none */
};

enum {
    SETS_MAX = 2,
    REGIONS_MAX = 3,
};

/* In the order in which they are looked at; NULL ends. */
static const struct family_names {
    struct names sets[SETS_MAX];
    const char *regions[REGIONS_MAX];
} families[] = {
    [PS_CREDS_AWS] = { .sets = { { "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
                                   "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN" } },
                       .regions = { "AWS_REGION", "AWS_DEFAULT_REGION" } },
    [PS_CREDS_ALIYUN] = { .sets = { { "OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET",
                                      "OSS_SESSION_TOKEN", NULL },
                                    { "ALIBABA_CLOUD_ACCESS_KEY_ID",
                                      "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
                                      "ALIBABA_CLOUD_SECURITY_TOKEN", NULL } },
                          .regions = { "OSS_REGION", "ALIBABA_CLOUD_REGION_ID",
                                       "ALIBABA_CLOUD_REGION" } },
};

struct env_provider {
    struct ps_creds_provider base;
    const struct ps_creds_context *context;
};

static const char *get(const struct env_provider *env, const char *name)
{
    return ps_creds_env_get(env->context->getenv, env->context->getenv_user, name);
}

static enum ps_code fill(const struct env_provider *env, const struct names *names,
                         struct ps_creds *creds, struct ps_err *err)
{
    const char *token = get(env, names->token);

    if (token == NULL && names->token_of_old != NULL) {
        token = get(env, names->token_of_old);
    }
    creds->access_key_id = ps_strdup(get(env, names->id));
    creds->secret_access_key = ps_strdup(get(env, names->secret));
    creds->session_token = ps_strdup(token);
    ps_str_copy(creds->source, sizeof(creds->source), "environment");
    if (creds->access_key_id == NULL || creds->secret_access_key == NULL ||
        (token != NULL && creds->session_token == NULL)) {
        ps_creds_clear(creds);
        return ps_err_set(err, PS_E_NO_MEMORY, "credentials: out of memory");
    }
    return PS_OK;
}

/* NONE when neither of the two keys is set. */
static enum ps_creds_reply look_at(const struct env_provider *env, const struct names *names,
                                   struct ps_creds *creds, struct ps_err *err)
{
    const char *id = get(env, names->id);
    const char *secret = get(env, names->secret);

    if (id == NULL && secret == NULL) {
        return PS_CREDS_NONE;
    }
    if (id == NULL || secret == NULL) {
        (void)ps_err_set(err, PS_E_INVALID, "%s is set, but %s is not: set both or none",
                         id != NULL ? names->id : names->secret,
                         id != NULL ? names->secret : names->id);
        return PS_CREDS_FAILED;
    }
    return fill(env, names, creds, err) == PS_OK ? PS_CREDS_FOUND : PS_CREDS_FAILED;
}

static void look(struct ps_creds_provider *provider, ps_creds_reply_fn reply_fn, void *user)
{
    const struct env_provider *env = (const struct env_provider *)provider;
    const struct names *sets = families[env->context->family].sets;
    enum ps_creds_reply reply = PS_CREDS_NONE;
    struct ps_creds creds = { 0 };
    struct ps_err err = { 0 };

    for (size_t i = 0; i < SETS_MAX && sets[i].id != NULL && reply == PS_CREDS_NONE; i++) {
        (void)ps_err_set(&err, PS_E_DENIED, "%s is not set", sets[i].id);
        reply = look_at(env, &sets[i], &creds, &err);
    }
    reply_fn(user, reply, reply == PS_CREDS_FOUND ? &creds : NULL,
             reply == PS_CREDS_FOUND ? NULL : &err);
}

static void env_free(struct ps_creds_provider *provider)
{
    free(provider);
}

enum ps_code ps_creds_env_new(struct ps_creds_provider **provider_out,
                              const struct ps_creds_context *context, struct ps_err *err)
{
    struct env_provider *env = calloc(1, sizeof(*env));

    if (env == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "credentials: out of memory");
    }
    env->base.look = look;
    env->base.free = env_free;
    env->context = context;
    *provider_out = &env->base;
    return PS_OK;
}

const char *ps_creds_env_get(ps_getenv_fn getenv_fn, void *getenv_user, const char *name)
{
    const char *value = getenv_fn != NULL ? getenv_fn(getenv_user, name) : NULL;

    return value != NULL && value[0] != '\0' ? value : NULL;
}

const char *ps_creds_env_region(enum ps_creds_family family, ps_getenv_fn getenv_fn,
                                void *getenv_user)
{
    const char *region = NULL;

    for (size_t i = 0; i < REGIONS_MAX && families[family].regions[i] != NULL && region == NULL;
         i++) {
        region = ps_creds_env_get(getenv_fn, getenv_user, families[family].regions[i]);
    }
    return region;
}
