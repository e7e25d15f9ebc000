#include "http/http_internal.h"

#include <errno.h>
#include <stdlib.h>

static CURL *easy_take(struct ps_http_client *client)
{
    if (client->idle_count > 0) {
        return client->idle_easy[--client->idle_count];
    }
    return curl_easy_init();
}

static void easy_give(struct ps_http_client *client, CURL *easy)
{
    if (client->idle_count < sizeof(client->idle_easy) / sizeof(client->idle_easy[0])) {
        curl_easy_reset(easy);
        client->idle_easy[client->idle_count++] = easy;
    } else {
        curl_easy_cleanup(easy);
    }
}

static void link_in(struct ps_http_request *request)
{
    struct ps_http_client *client = request->client;

    request->next = client->requests;
    if (request->next != NULL) {
        request->next->link = &request->next;
    }
    client->requests = request;
    request->link = &client->requests;
}

void ps_http_lists_init(struct ps_http_client *client)
{
    for (size_t i = 0; i < PS_HTTP_LIST_COUNT; i++) {
        client->lists[i].end = &client->lists[i].first;
    }
}

void ps_http_list_add(struct ps_http_request *request, enum ps_http_list list)
{
    struct ps_http_client *client = request->client;

    if (request->in[list].link == NULL) {
        request->in[list].link = client->lists[list].end;
        *client->lists[list].end = request;
        client->lists[list].end = &request->in[list].next;
    }
}

void ps_http_list_take(struct ps_http_request *request, enum ps_http_list list)
{
    struct ps_http_request *next = request->in[list].next;

    if (request->in[list].link == NULL) {
        return;
    }
    *request->in[list].link = next;
    if (next != NULL) {
        next->in[list].link = request->in[list].link;
    } else {
        request->client->lists[list].end = request->in[list].link;
    }
    request->in[list].link = NULL;
    request->in[list].next = NULL;
}

enum ps_code ps_http_request_new(struct ps_http_client *client,
                                 const struct ps_http_options *options,
                                 struct ps_http_request **request_out, struct ps_err *err)
{
    struct ps_http_request *request = calloc(1, sizeof(*request));

    if (request == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "HTTP request: out of memory");
    }
    request->client = client;
    request->body_size_bytes = options->body_size_bytes;
    request->read_body = options->read_body;
    request->on_send = options->on_send;
    request->on_answer = options->on_answer;
    request->on_data = options->on_data;
    request->on_flush = options->on_flush;
    request->on_done = options->on_done;
    request->user = options->user;
    ps_buf_init(&request->answer.headers, PS_HTTP_HEADERS_LIMIT_BYTES);
    ps_buf_init(&request->answer.body, options->body_limit_bytes);
    link_in(request);
    request->easy = easy_take(client);
    if (request->easy == NULL || !ps_http_easy_set(request, options)) {
        ps_http_request_free(request);
        return ps_err_set(err, PS_E_NO_MEMORY, "HTTP request: out of memory");
    }
    *request_out = request;
    return PS_OK;
}

void ps_http_request_free(struct ps_http_request *request)
{
    if (request == NULL) {
        return;
    }
    for (size_t i = 0; i < PS_HTTP_LIST_COUNT; i++) {
        ps_http_list_take(request, (enum ps_http_list)i);
    }
    *request->link = request->next;
    if (request->next != NULL) {
        request->next->link = request->link;
    }
    if (request->easy != NULL) {
        easy_give(request->client, request->easy);
    }
    curl_slist_free_all(request->headers);
    ps_buf_clear(&request->answer.headers);
    ps_buf_clear(&request->answer.body);
    free(request);
}

/* The one place where a CURLcode becomes a ps_code. */
static enum ps_code code_of_curl(const struct ps_http_request *request, CURLcode result)
{
    switch (result) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_SSL_CACERT_BADFILE:
        return PS_E_INVALID;
    case CURLE_OUT_OF_MEMORY:
        return PS_E_NO_MEMORY;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CERTPROBLEM:
        return PS_E_DENIED;
    case CURLE_ABORTED_BY_CALLBACK:
    case CURLE_WRITE_ERROR:
    case CURLE_READ_ERROR:
        if (request->body_too_large) {
            return PS_E_TOO_LARGE;
        }
        return request->stopped_by_user ? PS_E_CANCELLED : PS_E_TEMPORARY;
    default:
        return PS_E_TEMPORARY;
    }
}

static void fill_error(const struct ps_http_request *request, CURLcode result, struct ps_err *err)
{
    const char *text =
        request->error_text[0] != '\0' ? request->error_text : curl_easy_strerror(result);
    long sys_errno = 0;

    if (request->body_too_large) {
        text = "the answer is larger than purser accepts";
    }
    (void)ps_err_set(err, code_of_curl(request, result), "%s", text);
    (void)curl_easy_getinfo(request->easy, CURLINFO_OS_ERRNO, &sys_errno);
    err->sys_errno = result == CURLE_OPERATION_TIMEDOUT ? ETIMEDOUT : (int)sys_errno;
    err->http_status = request->answer.status;
}

void ps_http_request_finish(struct ps_http_request *request, CURLcode result)
{
    struct ps_err err;
    long connect_count = 0;

    (void)curl_easy_getinfo(request->easy, CURLINFO_NUM_CONNECTS, &connect_count);
    request->client->stats.connect_count += (uint64_t)connect_count;
    if (result == CURLE_OK && !request->body_too_large) {
        request->on_done(request->user, &request->answer, NULL);
        return;
    }
    fill_error(request, result, &err);
    request->on_done(request->user, &request->answer, &err);
}
