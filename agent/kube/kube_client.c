#include "kube/kube_client.h"

#include "base/str.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

struct ps_kube_client {
    struct ps_http_client *http;
    struct ps_kube_config config;
};

struct ps_kube_call {
    struct ps_http_request *request;
    char *what; /* "GET /api/...", without its query: for messages */
    char *body;
    size_t body_bytes;
    enum ps_push (*on_data)(void *user, const char *data, size_t size_bytes);
    void (*on_done)(void *user, const char *text, size_t size_bytes, const struct ps_err *err);
    void *user;
};

enum ps_code ps_kube_client_new(struct ps_kube_client **client_out, struct ps_http_client *http,
                                struct ps_kube_config *config, struct ps_err *err)
{
    struct ps_kube_client *client = calloc(1, sizeof(*client));

    if (client == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    client->http = http;
    client->config = *config;
    memset(config, 0, sizeof(*config));
    *client_out = client;
    return PS_OK;
}

void ps_kube_client_free(struct ps_kube_client *client)
{
    if (client != NULL) {
        ps_kube_config_clear(&client->config);
        free(client);
    }
}

const char *ps_kube_client_namespace(const struct ps_kube_client *client)
{
    return client->config.ns;
}

const char *ps_kube_client_server(const struct ps_kube_client *client)
{
    return client->config.server;
}

static void call_free(struct ps_kube_call *call)
{
    if (call != NULL) {
        free(call->what);
        free(call->body);
        free(call);
    }
}

/* --- answers --- */

static enum ps_code code_of_status(int status)
{
    switch (status) {
    case 404:
        return PS_E_NOT_FOUND;
    case 401:
    case 403:
        return PS_E_DENIED;
    case 409:
    case 410:
        return PS_E_CHANGED;
    case 429:
        return PS_E_TEMPORARY;
    default:
        return status >= 500 || status < 400 ? PS_E_TEMPORARY : PS_E_INVALID;
    }
}

/* An error's body is a Status object with a message (Kubernetes API conventions); a proxy's may be anything. */
static void tell_status(const struct ps_kube_call *call, const struct ps_http_answer *answer,
                        struct ps_err *err)
{
    int status = ps_http_answer_status(answer);
    size_t size_bytes = 0;
    const char *body = ps_http_answer_body(answer, &size_bytes);
    json_t *object = json_loadb(body, size_bytes, 0, NULL);
    const char *message = json_string_value(json_object_get(object, "message"));

    (void)ps_err_set(err, code_of_status(status), "%s: HTTP %d%s%s", call->what, status,
                     message != NULL ? ": " : "", message != NULL ? message : "");
    err->http_status = status;
    json_decref(object);
}

static void on_http_done(void *user, const struct ps_http_answer *answer, const struct ps_err *err)
{
    struct ps_kube_call *call = user;
    size_t size_bytes = 0;
    const char *text = "";
    struct ps_err own = { 0 };

    if (err != NULL) {
        own = *err;
        (void)ps_err_wrap(&own, own.code, "%s", call->what);
    } else if (ps_http_answer_status(answer) / 100 != 2) {
        tell_status(call, answer, &own);
    } else {
        text = ps_http_answer_body(answer, &size_bytes);
    }
    call->on_done(call->user, text, size_bytes, own.code != PS_OK ? &own : NULL);
    call_free(call);
}

static enum ps_push on_http_data(void *user, const void *data, size_t size_bytes)
{
    struct ps_kube_call *call = user;

    return call->on_data(call->user, data, size_bytes);
}

static ssize_t on_http_read(void *user, uint64_t offset, void *into, size_t size)
{
    const struct ps_kube_call *call = user;
    size_t left_bytes = call->body_bytes - (size_t)offset;
    size_t take = left_bytes < size ? left_bytes : size;

    memcpy(into, call->body + offset, take);
    return (ssize_t)take;
}

/* --- requests --- */

static enum ps_code send_request(struct ps_kube_client *client,
                                 const struct ps_kube_request *request, struct ps_kube_call *call,
                                 const char *url, const char *bearer, struct ps_err *err)
{
    const char *const headers[] = { "accept: application/json", "content-type: application/json",
                                    bearer };
    const struct ps_http_options options = {
        .method = request->method,
        .url = url,
        .headers = headers,
        .header_count = bearer != NULL ? 3 : 2,
        .body_size_bytes = call->body_bytes,
        .read_body = call->body != NULL ? on_http_read : NULL,
        .on_data = request->on_data != NULL ? on_http_data : NULL,
        .on_done = on_http_done,
        .user = call,
        .body_limit_bytes = request->body_limit_bytes,
        .stall_timeout_ms = request->stall_timeout_ms,
        .ca_bundle = client->config.ca_file,
        .ca_pem = client->config.ca_pem,
        .client_cert_pem = client->config.client_cert_pem,
        .client_key_pem = client->config.client_key_pem,
    };

    return ps_http_start(client->http, &options, &call->request, err);
}

static enum ps_code fill(struct ps_kube_call *call, const struct ps_kube_request *request,
                         struct ps_err *err)
{
    call->on_data = request->on_data;
    call->on_done = request->on_done;
    call->user = request->user;
    call->what =
        ps_str_format("%s %.*s", request->method, (int)strcspn(request->path, "?"), request->path);
    if (request->body != NULL) {
        call->body = ps_strdup(request->body);
        call->body_bytes = strlen(request->body);
    }
    return call->what != NULL && (request->body == NULL || call->body != NULL)
               ? PS_OK
               : ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
}

enum ps_code ps_kube_start(struct ps_kube_client *client, const struct ps_kube_request *request,
                           struct ps_kube_call **call_out, struct ps_err *err)
{
    struct ps_kube_call *call = calloc(1, sizeof(*call));
    char *url = ps_str_format(
        "%s%s", request->server != NULL ? request->server : client->config.server, request->path);
    char *token = NULL;
    char *bearer = NULL;
    enum ps_code code = PS_E_NO_MEMORY;

    if (call == NULL || url == NULL) {
        (void)ps_err_set(err, code, "out of memory");
        goto out;
    }
    code = fill(call, request, err);
    if (code == PS_OK) {
        code = ps_kube_config_token(&client->config, &token, err);
    }
    if (code == PS_OK && token != NULL) {
        bearer = ps_str_format("authorization: Bearer %s", token);
        code = bearer != NULL ? PS_OK : ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    if (code == PS_OK) {
        code = send_request(client, request, call, url, bearer, err);
    }
out:
    free(token);
    free(bearer);
    free(url);
    if (code != PS_OK) {
        call_free(call);
        return code;
    }
    *call_out = call;
    return PS_OK;
}

void ps_kube_resume(struct ps_kube_call *call)
{
    ps_http_resume(call->request);
}

void ps_kube_cancel(struct ps_kube_call *call)
{
    if (call != NULL) {
        ps_http_cancel(call->request);
        call_free(call);
    }
}
