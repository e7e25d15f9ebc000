#include "creds/creds_env.h"

#include "base/str.h"

#include <stdlib.h>
#include <string.h>

struct env_provider {
    struct ps_creds_provider base;
    ps_getenv_fn getenv_fn;
    void *getenv_user;
};

static const char *get(const struct env_provider *env, const char *name)
{
    return ps_creds_env_get(env->getenv_fn, env->getenv_user, name);
}

static enum ps_code fill(const struct env_provider *env, const char *id, const char *secret,
                         struct ps_creds *creds, struct ps_err *err)
{
    const char *token = get(env, "AWS_SESSION_TOKEN");

    if (token == NULL) {
        token = get(env, "AWS_SECURITY_TOKEN");
    }
    creds->access_key_id = ps_strdup(id);
    creds->secret_access_key = ps_strdup(secret);
    creds->session_token = ps_strdup(token);
    ps_str_copy(creds->source, sizeof(creds->source), "environment");
    if (creds->access_key_id == NULL || creds->secret_access_key == NULL ||
        (token != NULL && creds->session_token == NULL)) {
        ps_creds_clear(creds);
        return ps_err_set(err, PS_E_NO_MEMORY, "credentials: out of memory");
    }
    return PS_OK;
}

static void look(struct ps_creds_provider *provider, ps_creds_reply_fn reply, void *user)
{
    const struct env_provider *env = (const struct env_provider *)provider;
    const char *id = get(env, "AWS_ACCESS_KEY_ID");
    const char *secret = get(env, "AWS_SECRET_ACCESS_KEY");
    struct ps_creds creds = { 0 };
    struct ps_err err = { 0 };

    if (id == NULL && secret == NULL) {
        (void)ps_err_set(&err, PS_E_DENIED, "AWS_ACCESS_KEY_ID is not set");
        reply(user, PS_CREDS_NONE, NULL, &err);
        return;
    }
    if (id == NULL || secret == NULL) {
        (void)ps_err_set(&err, PS_E_INVALID, "%s is set, but %s is not: set both or none",
                         id != NULL ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY",
                         id != NULL ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID");
        reply(user, PS_CREDS_FAILED, NULL, &err);
        return;
    }
    if (fill(env, id, secret, &creds, &err) != PS_OK) {
        reply(user, PS_CREDS_FAILED, NULL, &err);
        return;
    }
    reply(user, PS_CREDS_FOUND, &creds, NULL);
}

static void env_free(struct ps_creds_provider *provider)
{
    free(provider);
}

enum ps_code ps_creds_env_new(struct ps_creds_provider **provider_out, ps_getenv_fn getenv_fn,
                              void *getenv_user, struct ps_err *err)
{
    struct env_provider *env = calloc(1, sizeof(*env));

    if (env == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "credentials: out of memory");
    }
    env->base.look = look;
    env->base.free = env_free;
    env->getenv_fn = getenv_fn;
    env->getenv_user = getenv_user;
    *provider_out = &env->base;
    return PS_OK;
}

const char *ps_creds_env_get(ps_getenv_fn getenv_fn, void *getenv_user, const char *name)
{
    const char *value = getenv_fn != NULL ? getenv_fn(getenv_user, name) : NULL;

    return value != NULL && value[0] != '\0' ? value : NULL;
}

const char *ps_creds_env_region(ps_getenv_fn getenv_fn, void *getenv_user)
{
    const char *region = ps_creds_env_get(getenv_fn, getenv_user, "AWS_REGION");

    return region != NULL ? region : ps_creds_env_get(getenv_fn, getenv_user, "AWS_DEFAULT_REGION");
}
