#include "creds/creds_container.h"

#include "base/str.h"
#include "creds/creds_answer.h"
#include "creds/creds_env.h"
#include "creds/creds_fetch.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RELATIVE_TO "http://169.254.170.2"

/** AWS SDKs: 2 s a try, 3 tries. */
#define TIMEOUT_MS ((uint32_t)2000)
#define TRY_COUNT 3

struct container {
    struct ps_creds_provider base;
    const struct ps_creds_context *context;
    char *uri; /* NULL = by the environment */
    char *url; /* asked now */
    struct ps_creds_fetch *fetch;
    ps_creds_reply_fn reply;
    void *user;
};

static const char *env(const struct container *container, const char *name)
{
    return ps_creds_env_get(container->context->getenv, container->context->getenv_user, name);
}

/* --- where a token may go --- */

static bool is_local_address(const char *host)
{
    static const char *const links[] = { "169.254.170.2", "169.254.170.23", "[fd00:ec2::23]" };
    struct in_addr address;

    for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
        if (strcmp(host, links[i]) == 0) {
            return true;
        }
    }
    if (strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0) {
        return true;
    }
    /* Dotted decimal only: "127.1" and "0x7f000001" are read differently by different libraries. */
    return inet_pton(AF_INET, host, &address) == 1 && (ntohl(address.s_addr) >> 24) == 127;
}

bool ps_creds_container_is_safe(const char *url)
{
    char host[64];
    const char *start = url + strlen("http://");
    size_t length;

    if (ps_str_has_prefix(url, "https://")) {
        return true;
    }
    if (!ps_str_has_prefix(url, "http://")) {
        return false;
    }
    length = strcspn(start, "/?#");
    if (memchr(start, '@', length) != NULL || memchr(start, '\\', length) != NULL) {
        return false;
    }
    if (start[0] == '[') {
        const char *end = memchr(start, ']', length);

        length = end != NULL ? (size_t)(end - start) + 1 : 0;
    } else {
        length = strcspn(start, ":/?#");
    }
    if (length == 0 || length >= sizeof(host)) {
        return false;
    }
    memcpy(host, start, length);
    host[length] = '\0';
    return is_local_address(host);
}

/* --- the answer --- */

static const struct ps_creds_json *names_of(const struct container *container)
{
    return container->context->family == PS_CREDS_ALIYUN ? &ps_creds_json_aliyun
                                                         : &ps_creds_json_aws_metadata;
}

static void fail(struct container *container, struct ps_err *err)
{
    container->reply(container->user, PS_CREDS_FAILED, NULL, err);
}

static void on_answer(void *user, int status, const char *body, size_t size_bytes,
                      const struct ps_err *err)
{
    struct container *container = user;
    struct ps_creds creds = { 0 };
    struct ps_err failure;
    char said[160];

    container->fetch = NULL;
    if (err != NULL) {
        failure = *err;
        fail(container, &failure);
        return;
    }
    if (status != 200) {
        ps_creds_answer_refusal(status, body, size_bytes, said, sizeof(said));
        (void)ps_err_set(&failure, status >= 500 ? PS_E_TEMPORARY : PS_E_DENIED, "%s", said);
    } else if (ps_creds_answer_json(body, size_bytes, names_of(container), &creds, &failure) ==
               PS_OK) {
        (void)snprintf(creds.source, sizeof(creds.source), "%s", container->url);
        container->reply(container->user, PS_CREDS_FOUND, &creds, NULL);
        return;
    }
    (void)ps_err_wrap(&failure, failure.code, "%.100s", container->url);
    fail(container, &failure);
}

/* --- the question --- */

/* The URL as heap text; NULL with NONE when nothing names one. */
static enum ps_creds_reply find_url(const struct container *container, char **url_out,
                                    struct ps_err *err)
{
    bool is_aliyun = container->context->family == PS_CREDS_ALIYUN;
    const char *relative =
        is_aliyun ? NULL : env(container, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *full = is_aliyun ? env(container, "ALIBABA_CLOUD_CREDENTIALS_URI")
                                 : env(container, "AWS_CONTAINER_CREDENTIALS_FULL_URI");

    full = container->uri != NULL ? container->uri : full;
    if (relative == NULL && full == NULL) {
        (void)ps_err_set(err, PS_E_DENIED, "%s is not set",
                         is_aliyun ? "ALIBABA_CLOUD_CREDENTIALS_URI"
                                   : "AWS_CONTAINER_CREDENTIALS_FULL_URI");
        return PS_CREDS_NONE;
    }
    *url_out = relative != NULL
                   ? ps_str_format("%s%s%s", RELATIVE_TO, relative[0] == '/' ? "" : "/", relative)
                   : ps_strdup(full);
    if (*url_out == NULL) {
        (void)ps_err_set(err, PS_E_NO_MEMORY, "credentials: out of memory");
        return PS_CREDS_FAILED;
    }
    /* Aliyun's URI carries no token, but its answer is a secret: over plain http it stays on this machine as well. */
    if (!ps_creds_container_is_safe(*url_out)) {
        (void)ps_err_set(err, PS_E_INVALID,
                         "%.100s: credentials are asked for over https, or on this machine",
                         *url_out);
        return PS_CREDS_FAILED;
    }
    return PS_CREDS_FOUND;
}

/* "authorization: TOKEN" as heap text, or NULL when there is no token. */
static enum ps_code make_header(const struct container *container, char **header_out,
                                struct ps_err *err)
{
    const char *path = env(container, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    const char *inline_token = env(container, "AWS_CONTAINER_AUTHORIZATION_TOKEN");
    char *token = NULL;
    enum ps_code code = PS_OK;

    if (container->context->family == PS_CREDS_ALIYUN || (path == NULL && inline_token == NULL)) {
        return PS_OK;
    }
    if (path != NULL) {
        code = ps_creds_read_token(path, &token, err);
    } else if (strpbrk(inline_token, "\r\n") != NULL) {
        code = ps_err_set(err, PS_E_INVALID,
                          "AWS_CONTAINER_AUTHORIZATION_TOKEN has a line break in it");
    } else {
        token = ps_strdup(inline_token);
    }
    if (code == PS_OK) {
        *header_out = token != NULL ? ps_str_format("authorization: %s", token) : NULL;
        code = *header_out != NULL ? PS_OK
                                   : ps_err_set(err, PS_E_NO_MEMORY, "credentials: out of memory");
    }
    ps_creds_wipe(token);
    return code;
}

static enum ps_code ask(struct container *container, struct ps_err *err)
{
    char *header = NULL;
    struct ps_creds_question question = {
        .method = "GET",
        .url = container->url,
        .headers = (const char *const *)&header,
        .timeout_ms = TIMEOUT_MS,
        .try_count = TRY_COUNT,
        .link_local = ps_str_has_prefix(container->url, "http://"),
    };
    enum ps_code code = make_header(container, &header, err);

    question.header_count = header != NULL ? 1 : 0;
    if (code == PS_OK) {
        code = ps_creds_fetch_start(container->context, &question, on_answer, container,
                                    &container->fetch, err);
    }
    ps_creds_wipe(header);
    return code;
}

static void look(struct ps_creds_provider *provider, ps_creds_reply_fn reply_fn, void *user)
{
    struct container *container = (struct container *)provider;
    struct ps_err err = { 0 };
    enum ps_creds_reply reply;

    container->reply = reply_fn;
    container->user = user;
    free(container->url);
    container->url = NULL;
    reply = find_url(container, &container->url, &err);
    if (reply == PS_CREDS_FOUND && ask(container, &err) == PS_OK) {
        return;
    }
    reply_fn(user, reply == PS_CREDS_NONE ? reply : PS_CREDS_FAILED, NULL, &err);
}

static void container_free(struct ps_creds_provider *provider)
{
    struct container *container = (struct container *)provider;

    ps_creds_fetch_cancel(container->fetch);
    free(container->uri);
    free(container->url);
    free(container);
}

enum ps_code ps_creds_container_new(struct ps_creds_provider **provider_out,
                                    const struct ps_creds_context *context, const char *uri,
                                    struct ps_err *err)
{
    struct container *container = calloc(1, sizeof(*container));

    if (container != NULL) {
        container->base.look = look;
        container->base.free = container_free;
        container->context = context;
        container->uri = ps_strdup(uri);
    }
    if (container == NULL || (uri != NULL && container->uri == NULL)) {
        free(container);
        return ps_err_set(err, PS_E_NO_MEMORY, "credentials: out of memory");
    }
    *provider_out = &container->base;
    return PS_OK;
}
