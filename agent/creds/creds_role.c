#include "creds/creds_role.h"

#include "base/str.h"
#include "creds/creds_answer.h"
#include "creds/creds_env.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct role_provider {
    struct ps_creds_provider base;
    const struct ps_creds_context *context;
    struct ps_creds_role role; /* its text is ours: */
    char *texts[6];
    struct ps_creds_provider *source; /* NULL = a token */
    struct ps_creds_fetch *fetch;
    ps_creds_reply_fn reply;
    void *user;
};

/* --- the answer --- */

static void fail(struct role_provider *role, struct ps_err *err)
{
    (void)ps_err_wrap(err, err->code, "role %.90s", role->role.role_arn);
    role->reply(role->user, PS_CREDS_FAILED, NULL, err);
}

static enum ps_code read_answer(const struct role_provider *role, const char *body,
                                size_t size_bytes, struct ps_creds *creds, struct ps_err *err)
{
    if (role->context->family == PS_CREDS_ALIYUN) {
        return ps_creds_answer_json(body, size_bytes, &ps_creds_json_aliyun_sts, creds, err);
    }
    return ps_creds_answer_xml(body, size_bytes, creds, err);
}

static void on_answer(void *user, int status, const char *body, size_t size_bytes,
                      const struct ps_err *err)
{
    struct role_provider *role = user;
    struct ps_creds creds = { 0 };
    struct ps_err failure;
    char said[140];

    role->fetch = NULL;
    if (err != NULL) {
        failure = *err;
        fail(role, &failure);
        return;
    }
    if (status != 200) {
        ps_creds_answer_refusal(status, body, size_bytes, said, sizeof(said));
        (void)ps_err_set(&failure, status >= 500 || status == 429 ? PS_E_TEMPORARY : PS_E_DENIED,
                         "%s", said);
        fail(role, &failure);
        return;
    }
    if (read_answer(role, body, size_bytes, &creds, &failure) != PS_OK) {
        fail(role, &failure);
        return;
    }
    (void)snprintf(creds.source, sizeof(creds.source), "role %s", role->role.role_arn);
    role->reply(role->user, PS_CREDS_FOUND, &creds, NULL);
}

/* --- the question --- */

static void ask(struct role_provider *role, const char *token, const struct ps_creds *source)
{
    const struct ps_creds_sts_question question = { &role->role, token, source };
    struct ps_err err;

    if (ps_creds_sts_start(role->context, &question, on_answer, role, &role->fetch, &err) !=
        PS_OK) {
        fail(role, &err);
    }
}

static void on_source(void *user, enum ps_creds_reply reply, struct ps_creds *creds,
                      const struct ps_err *err)
{
    struct role_provider *role = user;
    struct ps_err failure;

    if (reply == PS_CREDS_FOUND) {
        ask(role, NULL, creds);
        ps_creds_clear(creds);
        return;
    }
    failure = *err;
    fail(role, &failure);
}

static void look(struct ps_creds_provider *provider, ps_creds_reply_fn reply_fn, void *user)
{
    struct role_provider *role = (struct role_provider *)provider;
    struct ps_err err;
    char *token = NULL;

    role->reply = reply_fn;
    role->user = user;
    if (role->source != NULL) {
        role->source->look(role->source, on_source, role);
        return;
    }
    if (ps_creds_read_token(role->role.token_file, &token, &err) != PS_OK) {
        fail(role, &err);
        return;
    }
    ask(role, token, NULL);
    ps_creds_wipe(token);
}

/* --- life --- */

static void role_free(struct ps_creds_provider *provider)
{
    struct role_provider *role = (struct role_provider *)provider;

    ps_creds_fetch_cancel(role->fetch);
    if (role->source != NULL) {
        role->source->free(role->source);
    }
    for (size_t i = 0; i < sizeof(role->texts) / sizeof(role->texts[0]); i++) {
        free(role->texts[i]);
    }
    free(role);
}

static enum ps_code copy_role(struct role_provider *provider, const struct ps_creds_role *role,
                              struct ps_err *err)
{
    const char **const fields[] = {
        &provider->role.role_arn,   &provider->role.session_name, &provider->role.external_id,
        &provider->role.token_file, &provider->role.region,       &provider->role.oidc_provider_arn
    };

    provider->role = *role;
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (*fields[i] != NULL) {
            provider->texts[i] = ps_strdup(*fields[i]);
            *fields[i] = provider->texts[i];
            if (*fields[i] == NULL) {
                return ps_err_set(err, PS_E_NO_MEMORY, "credentials: out of memory");
            }
        }
    }
    return PS_OK;
}

enum ps_code ps_creds_role_new(struct ps_creds_provider **provider_out,
                               const struct ps_creds_context *context,
                               const struct ps_creds_role *role, struct ps_creds_provider **source,
                               struct ps_err *err)
{
    struct role_provider *provider = calloc(1, sizeof(*provider));
    enum ps_code code;

    if (provider == NULL) {
        if (source != NULL && *source != NULL) {
            (*source)->free(*source);
            *source = NULL;
        }
        return ps_err_set(err, PS_E_NO_MEMORY, "credentials: out of memory");
    }
    provider->base.look = look;
    provider->base.free = role_free;
    provider->context = context;
    if (source != NULL) {
        provider->source = *source;
        *source = NULL;
    }
    code = copy_role(provider, role, err);
    if (code == PS_OK && (role->role_arn == NULL || role->role_arn[0] == '\0')) {
        code = ps_err_set(err, PS_E_INVALID, "a role has no ARN");
    }
    if (code != PS_OK) {
        role_free(&provider->base);
        return code;
    }
    *provider_out = &provider->base;
    return PS_OK;
}

/* --- by the environment --- */

struct env_role {
    struct ps_creds_provider base;
    const struct ps_creds_context *context;
    struct ps_creds_provider *place; /* of the last look */
};

/* The variables that must all be set, the one that decides first; and the session's name. */
static const struct variables {
    const char *token_file;
    const char *role_arn;
    const char *provider_arn; /* NULL = none is needed */
    const char *session_name;
} variables[] = {
    [PS_CREDS_AWS] = { "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", NULL,
                       "AWS_ROLE_SESSION_NAME" },
    [PS_CREDS_ALIYUN] = { "ALIBABA_CLOUD_OIDC_TOKEN_FILE", "ALIBABA_CLOUD_ROLE_ARN",
                          "ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "ALIBABA_CLOUD_ROLE_SESSION_NAME" },
};

static const char *get(const struct env_role *env, const char *name)
{
    return name != NULL ? ps_creds_env_get(env->context->getenv, env->context->getenv_user, name)
                        : NULL;
}

static enum ps_creds_reply resolve(struct env_role *env, struct ps_err *err)
{
    const struct variables *names = &variables[env->context->family];
    const struct ps_creds_role role = {
        .role_arn = get(env, names->role_arn),
        .token_file = get(env, names->token_file),
        .oidc_provider_arn = get(env, names->provider_arn),
        .session_name = get(env, names->session_name),
    };

    if (role.token_file == NULL) { /* a role's ARN alone is set for other uses as well */
        (void)ps_err_set(err, PS_E_DENIED, "%s is not set", names->token_file);
        return PS_CREDS_NONE;
    }
    if (role.role_arn == NULL || (names->provider_arn != NULL && role.oidc_provider_arn == NULL)) {
        (void)ps_err_set(err, PS_E_INVALID, "%s is set, but %s is not: set all or none",
                         names->token_file,
                         role.role_arn == NULL ? names->role_arn : names->provider_arn);
        return PS_CREDS_FAILED;
    }
    return ps_creds_role_new(&env->place, env->context, &role, NULL, err) == PS_OK
               ? PS_CREDS_FOUND
               : PS_CREDS_FAILED;
}

static void env_drop_place(struct env_role *env)
{
    if (env->place != NULL) {
        env->place->free(env->place);
        env->place = NULL;
    }
}

static void env_look(struct ps_creds_provider *provider, ps_creds_reply_fn reply_fn, void *user)
{
    struct env_role *env = (struct env_role *)provider;
    struct ps_err err = { 0 };
    enum ps_creds_reply reply;

    env_drop_place(env);
    reply = resolve(env, &err);
    if (reply == PS_CREDS_FOUND) {
        env->place->look(env->place, reply_fn, user);
        return;
    }
    reply_fn(user, reply, NULL, &err);
}

static void env_free(struct ps_creds_provider *provider)
{
    struct env_role *env = (struct env_role *)provider;

    env_drop_place(env);
    free(env);
}

enum ps_code ps_creds_role_of_env_new(struct ps_creds_provider **provider_out,
                                      const struct ps_creds_context *context, struct ps_err *err)
{
    struct env_role *env = calloc(1, sizeof(*env));

    if (env == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "credentials: out of memory");
    }
    env->base.look = env_look;
    env->base.free = env_free;
    env->context = context;
    *provider_out = &env->base;
    return PS_OK;
}
