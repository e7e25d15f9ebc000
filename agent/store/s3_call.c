#include "store/s3_call.h"

#include "base/str.h"
#include "base/uv_handle.h"
#include "store/s3_error.h"
#include "store/s3_fixes.h"
#include "store/s3_internal.h"
#include "store/s3_learn.h"
#include "store/s3_request.h"

#include <stdlib.h>
#include <string.h>

/**
 * A Complete of 10,000 parts takes minutes at AWS. Lower: it is sent again while the first still runs. Higher: a dead
 * connection is noticed late.
 */
#define PATIENT_TIMEOUT_MS ((uint32_t)10 * 60 * 1000)

/** Bodies from here on wait for leave, so that a refusal costs no upload (1 MiB as the AWS SDK for C++ has it). */
#define EXPECT_FROM_BYTES ((uint64_t)1024 * 1024)

enum call_state {
    CALL_WAITING, /* for the timer: the first turn of the loop, a backoff, a throttled store */
    CALL_CREDS,   /* for credentials */
    CALL_SENDING, /* for the answer */
};

/** Stands for the call at the credentials chain, which knows no cancel: it outlives the call if it must. */
struct ticket {
    struct ps_s3_call *call; /* NULL = cancelled */
};

struct ps_s3_call {
    struct ps_s3_store *store;
    struct ps_s3_call_options options;
    struct ps_body data;
    char payload_hash[PS_SIGN_V4_HEX_SIZE];
    enum call_state state;
    uv_timer_t *timer; /* on the heap, as it outlives the call until closed */
    struct ticket *ticket;
    struct ps_http_request *request;
    int64_t started_mono_ms;
    uint32_t failed_count; /* since the last progress */
    uint32_t sent_count;
    struct ps_s3_fixes fixes;
    bool resending;
    bool maybe_done;
    bool body_was_read; /* in this attempt: its head had been sent, and the store may act on it */
    bool hook_failed;   /* hook_err says why the answer is not wanted */
    struct ps_err hook_err;
    bool in_hook;
    bool cancelled; /* from within a hook */
};

static void call_free(struct ps_s3_call *call);
static void fail(struct ps_s3_call *call, const struct ps_http_answer *answer, struct ps_err *err);

/* --- the end --- */

static void finish(struct ps_s3_call *call, const struct ps_http_answer *answer, struct ps_err *err)
{
    struct ps_s3_outcome outcome = {
        .answer = answer,
        .err = err,
        .sent_count = call->sent_count,
        .maybe_done = call->maybe_done,
    };

    if (err != NULL && call->options.part_number != 0) {
        (void)ps_err_wrap(err, err->code, "%s %u", call->options.operation,
                          call->options.part_number);
    } else if (err != NULL) {
        (void)ps_err_wrap(err, err->code, "%s", call->options.operation);
    }
    call->options.done(call->options.user, &outcome);
    call_free(call);
}

/* --- hooks: the user of the call may cancel it from within --- */

static void enter(struct ps_s3_call *call)
{
    call->in_hook = true;
}

/* False when it was cancelled: call is gone then. */
static bool leave(struct ps_s3_call *call)
{
    call->in_hook = false;
    if (call->cancelled) {
        call_free(call);
        return false;
    }
    return true;
}

static ssize_t read_text(struct ps_s3_call *call, uint64_t offset, void *into, size_t size)
{
    size_t left = call->options.text.size_bytes - (size_t)offset;
    size_t taken = size < left ? size : left;

    memcpy(into, call->options.text.data + offset, taken);
    return (ssize_t)taken;
}

static ssize_t on_http_read(void *user, uint64_t offset, void *into, size_t size)
{
    struct ps_s3_call *call = user;
    ssize_t got;

    if (offset == 0 && call->body_was_read) {
        /* The HTTP client starts over on a new connection when a kept one was dead; the store may have read. */
        call->maybe_done = true;
        call->sent_count++;
    }
    if (call->options.data == NULL) {
        call->body_was_read = true;
        return read_text(call, offset, into, size);
    }
    enter(call);
    got = call->data.read(call->data.user, offset, into, size);
    if (!leave(call)) {
        return PS_BODY_FAILED;
    }
    call->body_was_read = call->body_was_read || got > 0;
    return got;
}

/* A small body is about to be sent with its head. */
static void on_http_send(void *user)
{
    struct ps_s3_call *call = user;

    if (call->body_was_read) { /* as in on_http_read */
        call->maybe_done = true;
        call->sent_count++;
    }
    call->body_was_read = true;
}

static void on_http_answer(void *user, const struct ps_http_answer *answer)
{
    struct ps_s3_call *call = user;
    enum ps_code code;

    ps_s3_learn_head(call->store, answer);
    if (ps_http_answer_status(answer) / 100 != 2 || call->options.on_answer == NULL) {
        return;
    }
    enter(call);
    code = call->options.on_answer(call->options.user, answer, &call->hook_err);
    if (leave(call)) {
        call->hook_failed = code != PS_OK;
    }
}

static enum ps_push on_http_data(void *user, const void *data, size_t size_bytes)
{
    struct ps_s3_call *call = user;
    enum ps_push push;

    if (call->hook_failed) {
        return PS_PUSH_STOP;
    }
    enter(call);
    push = call->options.on_data(call->options.user, data, size_bytes);
    return leave(call) ? push : PS_PUSH_STOP;
}

static void on_http_flush(void *user)
{
    const struct ps_s3_call *call = user;

    if (call->options.on_flush != NULL && !call->hook_failed) {
        call->options.on_flush(call->options.user);
    }
}

/* --- an attempt ends --- */

static void on_http_done(void *user, const struct ps_http_answer *answer, const struct ps_err *err)
{
    struct ps_s3_call *call = user;
    int status = ps_http_answer_status(answer);
    struct ps_s3_error error;
    struct ps_err failure;
    enum ps_code code = PS_OK;

    call->request = NULL;
    if (status != 0 || call->body_was_read) {
        call->sent_count++;
    }
    if (call->hook_failed) {
        failure = call->hook_err;
    } else if (err != NULL) {
        failure = *err;
        ps_s3_error_of_transport(&failure);
        call->maybe_done = call->maybe_done || call->body_was_read;
    } else if (status / 100 == 2) {
        if (call->options.data != NULL && call->data.size_bytes > EXPECT_FROM_BYTES) {
            ps_s3_learn_continue(call->store, answer);
        }
        if (call->options.check != NULL) {
            enter(call);
            code = call->options.check(call->options.user, answer, &failure);
            if (!leave(call)) {
                return;
            }
        }
        if (code == PS_OK) {
            ps_retry_succeeded(call->store->retry, call->failed_count);
            finish(call, answer, NULL);
            return;
        }
        call->maybe_done = call->maybe_done || failure.retry == PS_RETRY_TRANSIENT;
    } else {
        ps_s3_error_read(answer, &error);
        (void)ps_s3_error_fill(&error, status, &failure);
        ps_s3_error_note_lost_upload(&error, call->options.method, &call->options.query, &failure);
        call->maybe_done =
            call->maybe_done || (status >= 500 && failure.retry == PS_RETRY_TRANSIENT);
    }
    fail(call, status != 0 ? answer : NULL, &failure);
}

/* --- an attempt begins --- */

static void set_limits(const struct ps_s3_call *call, struct ps_http_options *http)
{
    http->connect_timeout_ms = call->store->connect_timeout_ms;
    http->stall_timeout_ms = call->store->stall_timeout_ms;
    if (call->options.patient) {
        http->stall_timeout_ms = UINT32_MAX;
        http->total_timeout_ms = PATIENT_TIMEOUT_MS;
    }
    http->ca_bundle = call->store->ca_bundle;
}

static enum ps_code start_http(struct ps_s3_call *call, const struct ps_s3_request *request,
                               struct ps_err *err)
{
    struct ps_http_options http = {
        .method = call->options.method,
        .url = request->url.data,
        .headers = (const char *const *)request->lines,
        .header_count = request->line_count,
        .on_answer = on_http_answer,
        .on_data = call->options.sink ? on_http_data : NULL,
        .on_flush = on_http_flush,
        .on_done = on_http_done,
        .receive_buffer_bytes = call->options.receive_buffer_bytes,
        .user = call,
    };

    if (call->options.data != NULL) {
        http.body_size_bytes = call->data.size_bytes;
        http.expect_continue =
            call->data.size_bytes > EXPECT_FROM_BYTES && !call->store->continue_is_ignored;
    } else {
        http.body_size_bytes = call->options.text.size_bytes;
    }
    if (call->options.data != NULL && call->data.bytes != NULL && http.body_size_bytes != 0 &&
        http.body_size_bytes <= PS_HTTP_SMALL_BODY_BYTES) {
        http.small_body = call->data.bytes;
        http.on_send = on_http_send;
    } else if (http.body_size_bytes != 0) {
        http.read_body = on_http_read;
    }
    set_limits(call, &http);
    return ps_http_start(call->store->http, &http, &call->request, err);
}

static enum ps_code send_attempt(struct ps_s3_call *call, const struct ps_creds *creds,
                                 struct ps_err *err)
{
    struct ps_s3_request request = { 0 };
    const struct ps_s3_request_parts parts = {
        .method = call->options.method,
        .key = call->options.key,
        .query = &call->options.query,
        .headers = &call->options.headers,
        .payload_hash = call->payload_hash,
    };
    enum ps_code code = PS_OK;

    call->body_was_read = false;
    call->hook_failed = false;
    if (call->resending && call->options.before_resend != NULL) {
        code = call->options.before_resend(call->options.user, &call->options.headers, err);
    }
    if (code == PS_OK) {
        code = ps_s3_request_build(call->store, &parts, creds, &request, err);
    }
    if (code == PS_OK) {
        code = start_http(call, &request, err);
    }
    ps_s3_request_clear(&request);
    return code;
}

static void on_creds(void *user, const struct ps_creds *creds, const struct ps_err *err)
{
    struct ticket *ticket = user;
    struct ps_s3_call *call = ticket->call;
    struct ps_err failure;

    free(ticket);
    if (call == NULL) {
        return;
    }
    call->ticket = NULL;
    if (err != NULL) {
        failure = *err;
        finish(call, NULL, &failure);
        return;
    }
    ps_s3_fixes_signed(&call->fixes, creds);
    call->state = CALL_SENDING;
    if (send_attempt(call, creds, &failure) != PS_OK) {
        finish(call, NULL, &failure);
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct ps_s3_call *call = timer->data;
    uint64_t pause_ms = ps_retry_pause_ms(call->store->retry);
    struct ps_err err;

    if (pause_ms != 0) {
        (void)uv_timer_start(call->timer, on_timer, pause_ms, 0);
        return;
    }
    call->ticket = malloc(sizeof(*call->ticket));
    if (call->ticket == NULL) {
        (void)ps_err_set(&err, PS_E_NO_MEMORY, "out of memory");
        finish(call, NULL, &err);
        return;
    }
    call->ticket->call = call;
    call->state = CALL_CREDS;
    ps_creds_get(call->store->creds, call->fixes.refused_creds_number, on_creds, call->ticket);
}

static void wait_and_resend(struct ps_s3_call *call, uint64_t wait_ms)
{
    call->resending = true;
    call->state = CALL_WAITING;
    (void)uv_timer_start(call->timer, on_timer, wait_ms, 0);
}

static bool may_try_again(struct ps_s3_call *call, const struct ps_http_answer *answer,
                          const struct ps_err *err, uint64_t *wait_ms_out)
{
    int64_t elapsed_ms = ps_clock_mono_ms(call->store->clock) - call->started_mono_ms;
    char *url = ps_str_format("%s/%s", call->store->base.root_url,
                              call->options.key != NULL ? call->options.key : "");
    struct ps_retry_failure failure = {
        .operation = call->options.operation,
        .url = url != NULL ? url : call->store->base.root_url,
        .part_number = call->options.part_number,
        .err = err,
        .attempt = ++call->failed_count,
        .elapsed_ms = elapsed_ms > 0 ? (uint64_t)elapsed_ms : 0,
    };
    bool again;

    failure.has_retry_after =
        answer != NULL && ps_s3_error_retry_after(call->store, answer, &failure.retry_after_ms);
    again = ps_retry_next(call->store->retry, &failure, wait_ms_out);
    free(url);
    return again;
}

static void fail(struct ps_s3_call *call, const struct ps_http_answer *answer, struct ps_err *err)
{
    uint64_t wait_ms = 0;

    if (answer != NULL && !call->hook_failed &&
        ps_s3_fixes_try(&call->fixes, call->store, answer)) {
        wait_and_resend(call, 0);
        return;
    }
    if ((err->retry == PS_RETRY_TRANSIENT || err->retry == PS_RETRY_THROTTLE) &&
        may_try_again(call, answer, err, &wait_ms)) {
        ps_log(call->store->log, PS_LOG_INFO, call->store->dialect->family,
               "%s: %s; again in %llu ms", call->options.operation, err->message,
               (unsigned long long)wait_ms);
        wait_and_resend(call, wait_ms);
        return;
    }
    finish(call, answer, err);
}

/* --- life of a call --- */

static void call_free(struct ps_s3_call *call)
{
    if (call->ticket != NULL) {
        call->ticket->call = NULL;
    }
    ps_http_cancel(call->request);
    ps_uv_handle_close((uv_handle_t *)call->timer);
    ps_s3_pairs_clear(&call->options.query);
    ps_s3_pairs_clear(&call->options.headers);
    ps_buf_clear(&call->options.text);
    free(call);
}

/* What was moved in is the call's now, or is freed. */
static void take_options(struct ps_s3_call *call, struct ps_s3_call_options *options)
{
    size_t text_limit = options->text.limit_bytes;

    call->options = *options;
    memset(&options->query, 0, sizeof(options->query));
    memset(&options->headers, 0, sizeof(options->headers));
    ps_buf_init(&options->text, text_limit);
    if (options->data != NULL) {
        call->data = *options->data;
    }
}

enum ps_code ps_s3_call_start(struct ps_s3_store *store, struct ps_s3_call_options *options,
                              struct ps_s3_call **call_out, struct ps_err *err)
{
    struct ps_s3_call *call = calloc(1, sizeof(*call));
    enum ps_code code;

    if (call == NULL) {
        ps_s3_pairs_clear(&options->query);
        ps_s3_pairs_clear(&options->headers);
        ps_buf_clear(&options->text);
        return ps_err_set(err, PS_E_NO_MEMORY, "request: out of memory");
    }
    call->store = store;
    take_options(call, options);
    ps_s3_request_hash(store, call->options.data == NULL ? &call->options.text : NULL,
                       call->options.sha256, call->payload_hash);
    call->options.sha256 = NULL; /* not ours to keep */
    call->started_mono_ms = ps_clock_mono_ms(store->clock);
    code = ps_s3_extras_add(&store->extras, store->dialect, call->options.operation,
                            &call->options.headers, err);
    call->timer = code == PS_OK ? ps_uv_timer_new(store->loop, call) : NULL;
    if (call->timer == NULL) {
        call_free(call);
        return code != PS_OK ? code : ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    call->state = CALL_WAITING;
    (void)uv_timer_start(call->timer, on_timer, call->options.wait_ms, 0);
    *call_out = call;
    return PS_OK;
}

void ps_s3_call_wake(struct ps_s3_call *call)
{
    if (call->request != NULL) {
        ps_http_resume(call->request);
    }
}

void ps_s3_call_progress(struct ps_s3_call *call)
{
    if (call->failed_count != 0) {
        ps_retry_succeeded(call->store->retry, call->failed_count);
        call->failed_count = 0;
    }
}

void ps_s3_call_cancel(struct ps_s3_call *call)
{
    if (call == NULL) {
        return;
    }
    if (call->in_hook) {
        call->cancelled = true;
        return;
    }
    call_free(call);
}
