#include "creds/creds_fetch.h"

#include "base/str.h"
#include "base/uv_handle.h"
#include "creds/shared_file.h"
#include "http/http_client.h"

#include <stdlib.h>
#include <string.h>

/**
 * Before the second try, doubled each time. Lower: a service that starts up is pressed on. Higher: a first request
 * waits longer than people do.
 */
#define PAUSE_MS ((uint64_t)100)

/** A token of a service account has some KiB. */
#define TOKEN_MAX_BYTES ((size_t)64 * 1024)

enum {
    HEADERS_MAX = 8,
};

struct ps_creds_fetch {
    const struct ps_creds_context *context;
    struct ps_creds_question question;
    char *url;
    char *headers[HEADERS_MAX];
    char *body;
    unsigned tried;
    uv_timer_t *timer; /* on the heap, as it outlives the fetch until closed */
    struct ps_http_request *request;
    ps_creds_fetch_fn done;
    void *user;
};

void ps_creds_wipe(char *secret)
{
    if (secret != NULL) {
        explicit_bzero(secret, strlen(secret));
        free(secret);
    }
}

static void fetch_free(struct ps_creds_fetch *fetch)
{
    if (fetch == NULL) {
        return;
    }
    ps_http_cancel(fetch->request);
    ps_uv_handle_close((uv_handle_t *)fetch->timer);
    for (size_t i = 0; i < HEADERS_MAX; i++) {
        ps_creds_wipe(fetch->headers[i]);
    }
    ps_creds_wipe(fetch->body);
    free(fetch->url);
    free(fetch);
}

/* --- one try --- */

static void send_question(struct ps_creds_fetch *fetch);

static void finish(struct ps_creds_fetch *fetch, int status, const char *body, size_t size_bytes,
                   const struct ps_err *err)
{
    fetch->done(fetch->user, status, body, size_bytes, err);
    fetch_free(fetch);
}

static ssize_t on_read(void *user, uint64_t offset, void *into, size_t size)
{
    struct ps_creds_fetch *fetch = user;
    size_t left = strlen(fetch->body) - (size_t)offset;
    size_t taken = size < left ? size : left;

    memcpy(into, fetch->body + offset, taken);
    return (ssize_t)taken;
}

static void on_timer(uv_timer_t *timer)
{
    send_question(timer->data);
}

static bool is_worth_another_try(const struct ps_creds_fetch *fetch, int status, const char *body,
                                 const struct ps_err *err)
{
    const char *const *words = fetch->question.retry_words;

    if (err != NULL) {
        return err->code == PS_E_TEMPORARY;
    }
    if (status >= 500 || status == 429) {
        return true;
    }
    for (; status >= 400 && words != NULL && *words != NULL; words++) {
        if (strstr(body, *words) != NULL) {
            return true;
        }
    }
    return false;
}

static void on_done(void *user, const struct ps_http_answer *answer, const struct ps_err *err)
{
    struct ps_creds_fetch *fetch = user;
    size_t size_bytes = 0;
    const char *body = err == NULL ? ps_http_answer_body(answer, &size_bytes) : "";
    int status = err == NULL ? ps_http_answer_status(answer) : 0;
    struct ps_err failure;

    fetch->request = NULL;
    if (is_worth_another_try(fetch, status, body, err) &&
        fetch->tried < fetch->question.try_count) {
        (void)uv_timer_start(fetch->timer, on_timer, PAUSE_MS << (fetch->tried - 1), 0);
        return;
    }
    if (err != NULL) {
        failure = *err;
        (void)ps_err_wrap(&failure, failure.code, "%.*s", (int)strcspn(fetch->url, "?"),
                          fetch->url);
    }
    finish(fetch, status, body, size_bytes, err != NULL ? &failure : NULL);
}

static enum ps_code start_http(struct ps_creds_fetch *fetch, struct ps_err *err)
{
    const struct ps_http_options http = {
        .method = fetch->question.method,
        .url = fetch->url,
        .headers = (const char *const *)fetch->headers,
        .header_count = fetch->question.header_count,
        .body_size_bytes = fetch->body != NULL ? strlen(fetch->body) : 0,
        .read_body = fetch->body != NULL ? on_read : NULL,
        .on_done = on_done,
        .user = fetch,
        .body_limit_bytes = PS_CREDS_ANSWER_MAX_BYTES,
        .connect_timeout_ms = fetch->question.timeout_ms,
        .total_timeout_ms = fetch->question.timeout_ms,
        .no_proxy = fetch->question.link_local,
        .ca_bundle = fetch->question.ca_bundle,
    };

    fetch->tried++;
    return ps_http_start(fetch->context->http, &http, &fetch->request, err);
}

static void send_question(struct ps_creds_fetch *fetch)
{
    struct ps_err err;

    if (start_http(fetch, &err) != PS_OK) {
        finish(fetch, 0, "", 0, &err);
    }
}

/* --- life --- */

static enum ps_code copy_question(struct ps_creds_fetch *fetch,
                                  const struct ps_creds_question *question, struct ps_err *err)
{
    bool whole;

    fetch->question = *question;
    fetch->question.try_count = question->try_count != 0 ? question->try_count : 1;
    fetch->url = ps_strdup(question->url);
    fetch->body = ps_strdup(question->body);
    fetch->timer = ps_uv_timer_new(fetch->context->loop, fetch);
    whole = fetch->url != NULL && fetch->timer != NULL &&
            (question->body == NULL || fetch->body != NULL);
    for (size_t i = 0; i < question->header_count && i < HEADERS_MAX; i++) {
        fetch->headers[i] = ps_strdup(question->headers[i]);
        whole = whole && fetch->headers[i] != NULL;
    }
    return whole ? PS_OK : ps_err_set(err, PS_E_NO_MEMORY, "credentials: out of memory");
}

enum ps_code ps_creds_fetch_start(const struct ps_creds_context *context,
                                  const struct ps_creds_question *question, ps_creds_fetch_fn done,
                                  void *user, struct ps_creds_fetch **fetch_out, struct ps_err *err)
{
    struct ps_creds_fetch *fetch = calloc(1, sizeof(*fetch));
    enum ps_code code;

    if (context->http == NULL || context->loop == NULL) {
        free(fetch);
        return ps_err_set(err, PS_E_UNSUPPORTED, "nothing is asked over the network here");
    }
    if (fetch == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "credentials: out of memory");
    }
    fetch->context = context;
    fetch->done = done;
    fetch->user = user;
    code = copy_question(fetch, question, err);
    if (code == PS_OK) {
        code = start_http(fetch, err);
    }
    if (code != PS_OK) {
        fetch_free(fetch);
        return code;
    }
    *fetch_out = fetch;
    return PS_OK;
}

void ps_creds_fetch_cancel(struct ps_creds_fetch *fetch)
{
    fetch_free(fetch);
}

/* --- tokens in files --- */

static enum ps_code check_token(const char *path, char *text, size_t size, struct ps_err *err)
{
    while (size > 0 && (text[size - 1] == '\n' || text[size - 1] == '\r')) {
        size--;
    }
    text[size] = '\0';
    if (size == 0) {
        return ps_err_set(err, PS_E_INVALID, "%s: the file is empty", path);
    }
    if (size > TOKEN_MAX_BYTES) {
        return ps_err_set(err, PS_E_TOO_LARGE, "%s: larger than a token", path);
    }
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) {
            return ps_err_set(err, PS_E_INVALID, "%s: a control character: not a token", path);
        }
    }
    return PS_OK;
}

enum ps_code ps_creds_read_token(const char *path, char **token_out, struct ps_err *err)
{
    char *text = NULL;
    size_t size_bytes = 0;
    enum ps_code code = ps_shared_file_load(path, &text, &size_bytes, err);

    if (code == PS_OK) {
        code = check_token(path, text, size_bytes, err);
    }
    if (code == PS_OK) {
        *token_out = ps_strdup(text);
        code = *token_out != NULL ? PS_OK : ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    ps_shared_file_wipe(text);
    return code;
}
