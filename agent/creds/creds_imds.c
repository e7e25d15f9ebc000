#include "creds/creds_imds.h"

#include "base/str.h"
#include "creds/creds_answer.h"
#include "creds/creds_env.h"
#include "creds/creds_fetch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/** AWS and Aliyun SDKs. A container whose hop limit is 1 waits for this long for nothing. */
#define TIMEOUT_MS ((uint32_t)1000)

/** Once the service has given a token it is there: then it is worth asking again. */
#define TRY_COUNT 3

/** AWS SDK: what the service gives again although it has ended is used for this long, and then asked for anew. */
#define OUTLIVED_MS ((int64_t)15 * 60 * 1000)

/** Longest name of a role; IAM has 64. */
#define ROLE_MAX_BYTES ((size_t)128)

struct dialect {
    const char *endpoint;
    const char *endpoint_variable; /* NULL = none */
    const char *disabled_variable;
    const char *v1_disabled_variable;
    const char *ttl_header;
    const char *token_header;
    const char *path;
    const char *role_variable; /* NULL = none */
    const struct ps_creds_json *names;
};

static const struct dialect dialects[] = {
    [PS_CREDS_AWS] = { .endpoint = "http://169.254.169.254",
                       .endpoint_variable = "AWS_EC2_METADATA_SERVICE_ENDPOINT",
                       .disabled_variable = "AWS_EC2_METADATA_DISABLED",
                       .v1_disabled_variable = "AWS_EC2_METADATA_V1_DISABLED",
                       .ttl_header = "x-aws-ec2-metadata-token-ttl-seconds: 21600",
                       .token_header = "x-aws-ec2-metadata-token",
                       .path = "/latest/meta-data/iam/security-credentials/",
                       .names = &ps_creds_json_aws_metadata },
    [PS_CREDS_ALIYUN] = { .endpoint = "http://100.100.100.200",
                          .endpoint_variable = "ALIBABA_CLOUD_ECS_METADATA_SERVICE_ENDPOINT",
                          .disabled_variable = "ALIBABA_CLOUD_ECS_METADATA_DISABLED",
                          .v1_disabled_variable = "ALIBABA_CLOUD_IMDSV1_DISABLED",
                          .ttl_header = "x-aliyun-ecs-metadata-token-ttl-seconds: 21600",
                          .token_header = "x-aliyun-ecs-metadata-token",
                          .path = "/latest/meta-data/ram/security-credentials/",
                          .role_variable = "ALIBABA_CLOUD_ECS_METADATA",
                          .names = &ps_creds_json_aliyun },
};

enum imds_state {
    IMDS_TOKEN, /* for the session token of version 2 */
    IMDS_ROLE,  /* for the name of the role */
    IMDS_KEYS,  /* for its keys */
};

struct imds {
    struct ps_creds_provider base;
    const struct ps_creds_context *context;
    const struct dialect *dialect;
    char *role_given; /* NULL = ask */
    enum imds_state state;
    char *token; /* of version 2, kept between looks; NULL = none */
    char role[ROLE_MAX_BYTES + 1];
    bool answered; /* something was answered in this look: the service is there */
    bool renewed;  /* a void token was replaced in this look */
    struct ps_creds_fetch *fetch;
    ps_creds_reply_fn reply;
    void *user;
};

static const char *env(const struct imds *imds, const char *name)
{
    return name != NULL ? ps_creds_env_get(imds->context->getenv, imds->context->getenv_user, name)
                        : NULL;
}

static bool is_true(const char *value)
{
    return value != NULL && strcasecmp(value, "true") == 0;
}

static const char *endpoint_of(const struct imds *imds)
{
    const char *endpoint = env(imds, imds->dialect->endpoint_variable);
    const char *mode = imds->context->family == PS_CREDS_AWS
                           ? env(imds, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE")
                           : NULL;

    if (endpoint != NULL) {
        return endpoint;
    }
    return mode != NULL && strcasecmp(mode, "IPv6") == 0 ? "http://[fd00:ec2::254]"
                                                         : imds->dialect->endpoint;
}

/* --- the end --- */

static void end(struct imds *imds, enum ps_creds_reply reply, const struct ps_err *err)
{
    imds->reply(imds->user, reply, NULL, err);
}

static void say_none(struct imds *imds, const char *why)
{
    struct ps_err err;

    (void)ps_err_set(&err, PS_E_DENIED, "%s: %s", endpoint_of(imds), why);
    end(imds, PS_CREDS_NONE, &err);
}

static void fail(struct imds *imds, int status, const char *body, size_t size_bytes,
                 const struct ps_err *err)
{
    struct ps_err failure;
    char said[120];

    if (err != NULL) {
        failure = *err;
    } else {
        ps_creds_answer_refusal(status, body, size_bytes, said, sizeof(said));
        (void)ps_err_set(&failure, status >= 500 ? PS_E_TEMPORARY : PS_E_DENIED, "%s: %s",
                         endpoint_of(imds), said);
    }
    end(imds, PS_CREDS_FAILED, &failure);
}

static void found(struct imds *imds, struct ps_creds *creds)
{
    int64_t now_ms = ps_clock_unix_ms(imds->context->clock);

    if (creds->expires_unix_ms != 0 && creds->expires_unix_ms <= now_ms) {
        ps_log(imds->context->log, PS_LOG_WARN, "creds",
               "%s gives credentials that have ended: using them for 15 more minutes",
               endpoint_of(imds));
        creds->expires_unix_ms = now_ms + OUTLIVED_MS;
    }
    creds->outlives_outage = true;
    (void)snprintf(creds->source, sizeof(creds->source), "role %.48s of %s", imds->role,
                   endpoint_of(imds));
    imds->reply(imds->user, PS_CREDS_FOUND, creds, NULL);
}

/* --- the questions --- */

static void on_answer(void *user, int status, const char *body, size_t size_bytes,
                      const struct ps_err *err);

static enum ps_code start(struct imds *imds, struct ps_err *err)
{
    bool wants_token = imds->state == IMDS_TOKEN;
    char *url = ps_str_format("%s%s%s", endpoint_of(imds),
                              wants_token ? "/latest/api/token" : imds->dialect->path,
                              imds->state == IMDS_KEYS ? imds->role : "");
    char *header = wants_token ? ps_strdup(imds->dialect->ttl_header)
                   : imds->token != NULL
                       ? ps_str_format("%s: %s", imds->dialect->token_header, imds->token)
                       : NULL;
    const struct ps_creds_question question = {
        .method = wants_token ? "PUT" : "GET",
        .url = url,
        .headers = (const char *const *)&header,
        .header_count = header != NULL ? 1 : 0,
        .timeout_ms = TIMEOUT_MS,
        .try_count = imds->answered ? TRY_COUNT : 1,
        .link_local = true,
    };
    enum ps_code code = PS_OK;

    if (url == NULL || (header == NULL && (wants_token || imds->token != NULL))) {
        code = ps_err_set(err, PS_E_NO_MEMORY, "credentials: out of memory");
    } else {
        code = ps_creds_fetch_start(imds->context, &question, on_answer, imds, &imds->fetch, err);
    }
    ps_creds_wipe(header);
    free(url);
    return code;
}

static void go_to(struct imds *imds, enum imds_state state)
{
    struct ps_err err;

    imds->state = state;
    if (start(imds, &err) != PS_OK) {
        end(imds, PS_CREDS_FAILED, &err);
    }
}

static void after_token(struct imds *imds)
{
    go_to(imds, imds->role[0] != '\0' ? IMDS_KEYS : IMDS_ROLE);
}

/* --- the answers --- */

static bool is_token(const char *body, size_t size_bytes)
{
    if (size_bytes == 0 || strlen(body) != size_bytes) {
        return false;
    }
    for (const char *c = body; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x21 || (unsigned char)*c > 0x7e) {
            return false;
        }
    }
    return true;
}

static void on_token(struct imds *imds, int status, const char *body, size_t size_bytes,
                     const struct ps_err *err)
{
    if (status == 200 && is_token(body, size_bytes)) {
        imds->token = ps_strdup(body);
        after_token(imds);
        return;
    }
    if (status == 400 || status >= 500) {
        fail(imds, status, body, size_bytes, err);
        return;
    }
    /* A refused connection, a timeout (hop limit), 403, 404 or 405: perhaps a service of version 1 only. */
    if (is_true(env(imds, imds->dialect->v1_disabled_variable))) {
        say_none(imds, err != NULL ? "no metadata service" : "no token, and IMDSv1 is disabled");
        return;
    }
    if (err != NULL && strstr(err->message, "refused") != NULL) {
        say_none(imds, "no metadata service");
        return;
    }
    after_token(imds);
}

/* The role's name is the first line. */
static void on_role(struct imds *imds, const char *body)
{
    size_t length = strcspn(body, "\r\n");

    if (length == 0 || length > ROLE_MAX_BYTES ||
        strspn(body, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+=,.@_-") <
            length) {
        say_none(imds, "the machine has no role");
        return;
    }
    memcpy(imds->role, body, length);
    imds->role[length] = '\0';
    go_to(imds, IMDS_KEYS);
}

static void on_keys(struct imds *imds, const char *body, size_t size_bytes)
{
    struct ps_creds creds = { 0 };
    struct ps_err err;

    if (ps_creds_answer_json(body, size_bytes, imds->dialect->names, &creds, &err) != PS_OK) {
        (void)ps_err_wrap(&err, err.code, "%s", endpoint_of(imds));
        end(imds, PS_CREDS_FAILED, &err);
        return;
    }
    found(imds, &creds);
}

static void on_answer(void *user, int status, const char *body, size_t size_bytes,
                      const struct ps_err *err)
{
    struct imds *imds = user;

    imds->fetch = NULL;
    imds->answered = imds->answered || status != 0;
    if (imds->state == IMDS_TOKEN) {
        on_token(imds, status, body, size_bytes, err);
    } else if (status == 401 && !imds->renewed) {
        imds->renewed = true;
        ps_creds_wipe(imds->token);
        imds->token = NULL;
        go_to(imds, IMDS_TOKEN);
    } else if (status == 200 && imds->state == IMDS_ROLE) {
        on_role(imds, body);
    } else if (status == 200) {
        on_keys(imds, body, size_bytes);
    } else if (status == 404) {
        imds->role[0] = '\0';
        say_none(imds, "the machine has no role");
    } else if (!imds->answered) {
        say_none(imds, "no metadata service");
    } else if (status >= 400 && status < 500 && imds->state == IMDS_ROLE) {
        /* It is switched off, or a proxy answers in its place: there is nothing to be had here. */
        say_none(imds, "the metadata service refuses");
    } else {
        fail(imds, status, body, size_bytes, err);
    }
}

/* --- looking --- */

static void look(struct ps_creds_provider *provider, ps_creds_reply_fn reply_fn, void *user)
{
    struct imds *imds = (struct imds *)provider;
    const char *role =
        imds->role_given != NULL ? imds->role_given : env(imds, imds->dialect->role_variable);

    imds->reply = reply_fn;
    imds->user = user;
    imds->answered = false;
    imds->renewed = false;
    ps_str_copy(imds->role, sizeof(imds->role), role);
    if (is_true(env(imds, imds->dialect->disabled_variable))) {
        struct ps_err err;

        (void)ps_err_set(&err, PS_E_DENIED, "%s is true", imds->dialect->disabled_variable);
        end(imds, PS_CREDS_NONE, &err);
        return;
    }
    if (imds->token != NULL) {
        after_token(imds);
    } else {
        go_to(imds, IMDS_TOKEN);
    }
}

static void imds_free(struct ps_creds_provider *provider)
{
    struct imds *imds = (struct imds *)provider;

    ps_creds_fetch_cancel(imds->fetch);
    ps_creds_wipe(imds->token);
    free(imds->role_given);
    free(imds);
}

enum ps_code ps_creds_imds_new(struct ps_creds_provider **provider_out,
                               const struct ps_creds_context *context, const char *role,
                               struct ps_err *err)
{
    struct imds *imds = calloc(1, sizeof(*imds));

    if (imds != NULL) {
        imds->base.look = look;
        imds->base.free = imds_free;
        imds->context = context;
        imds->dialect = &dialects[context->family];
        imds->role_given = ps_strdup(role);
    }
    if (imds == NULL || (role != NULL && imds->role_given == NULL)) {
        free(imds);
        return ps_err_set(err, PS_E_NO_MEMORY, "credentials: out of memory");
    }
    *provider_out = &imds->base;
    return PS_OK;
}
