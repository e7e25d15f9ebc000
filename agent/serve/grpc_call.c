#include "serve/grpc_internal.h"

#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/** A client enforces its deadline itself: it has this long to be the first. */
#define RESET_AFTER_MS 1000

#define REFUSED_TEXT "This is a gRPC service: POST with content-type application/grpc.\n"

struct ps_grpc_call *ps_grpc_call_new(struct ps_grpc_connection *connection, int32_t stream_id)
{
    struct ps_grpc_call *call = calloc(1, sizeof(*call));

    if (call == NULL) {
        return NULL;
    }
    call->connection = connection;
    call->stream_id = stream_id;
    ps_buf_init(&call->out, PS_GRPC_QUEUE_LIMIT_BYTES);
    ps_buf_init(&call->request, PS_GRPC_MESSAGE_LIMIT_BYTES);
    call->next = connection->calls;
    if (call->next != NULL) {
        call->next->link = &call->next;
    }
    connection->calls = call;
    call->link = &connection->calls;
    ps_grpc_server_count_call(connection->server, 1);
    return call;
}

void ps_grpc_call_free(struct ps_grpc_call *call)
{
    if (!call->finished) {
        call->finished = true;
        if (call->watch.on_end != NULL) {
            call->watch.on_end(call->watch.user);
        }
    }
    *call->link = call->next;
    if (call->next != NULL) {
        call->next->link = call->link;
    }
    ps_grpc_server_count_call(call->connection->server, -1);
    ps_grpc_frame_clear(&call->frame);
    ps_buf_clear(&call->request);
    ps_buf_clear(&call->out);
    free(call);
}

void ps_grpc_call_watch(struct ps_grpc_call *call, const struct ps_grpc_watch *watch)
{
    call->watch = *watch;
}

size_t ps_grpc_call_waiting_bytes(const struct ps_grpc_call *call)
{
    return call->out.size_bytes - call->out_taken_bytes;
}

uint64_t ps_grpc_call_stalled_ms(const struct ps_grpc_call *call)
{
    int64_t now = ps_clock_mono_ms(call->connection->server->clock);

    if (ps_grpc_call_waiting_bytes(call) == 0 || now < call->taken_mono_ms) {
        return 0;
    }
    return (uint64_t)(now - call->taken_mono_ms);
}

/* --- the answer --- */

/* nghttp2_nv has no const; nghttp2 copies name and value. */
static nghttp2_nv header(const char *name, const char *value)
{
    return (nghttp2_nv){
        .name = (uint8_t *)(uintptr_t)name,
        .value = (uint8_t *)(uintptr_t)value,
        .namelen = strlen(name),
        .valuelen = strlen(value),
        .flags = NGHTTP2_NV_FLAG_NONE,
    };
}

static size_t status_headers(const struct ps_grpc_call *call, nghttp2_nv *headers, char *number)
{
    size_t count = 0;

    (void)snprintf(number, 16, "%d", (int)call->status);
    headers[count++] = header("grpc-status", number);
    if (call->message[0] != '\0') {
        headers[count++] = header("grpc-message", call->message);
    }
    return count;
}

static void submit_trailers(struct ps_grpc_call *call)
{
    nghttp2_nv headers[2];
    char number[16];
    size_t count = status_headers(call, headers, number);

    (void)nghttp2_submit_trailer(call->connection->session, call->stream_id, headers, count);
}

static void note_taken(struct ps_grpc_call *call, size_t size_bytes)
{
    call->out_taken_bytes += size_bytes;
    call->taken_mono_ms = ps_clock_mono_ms(call->connection->server->clock);
    if (call->out_taken_bytes == call->out.size_bytes) {
        ps_buf_rewind(&call->out);
        call->out_taken_bytes = 0;
    }
    call->drain_due = true;
}

/* NOLINTNEXTLINE(readability-function-size): the parameters are nghttp2's */
static ssize_t on_read(nghttp2_session *session, int32_t stream_id, uint8_t *into, size_t size,
                       uint32_t *flags, nghttp2_data_source *source, void *user)
{
    struct ps_grpc_call *call = source->ptr;
    size_t waiting_bytes = ps_grpc_call_waiting_bytes(call);
    size_t take = waiting_bytes < size ? waiting_bytes : size;

    (void)session;
    (void)stream_id;
    (void)user;
    if (waiting_bytes == 0 && !call->finished) {
        call->deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    if (take > 0) {
        memcpy(into, call->out.data + call->out_taken_bytes, take);
        note_taken(call, take);
    }
    if (call->finished && take == waiting_bytes) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (call->is_grpc) {
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            submit_trailers(call);
        }
    }
    return (ssize_t)take;
}

/* Headers go out once: with the body to follow, or (gRPC's Trailers-Only) with the status and nothing after. */
static void submit_answer(struct ps_grpc_call *call)
{
    const nghttp2_data_provider body = { .source = { .ptr = call }, .read_callback = on_read };
    bool only_status = call->finished && call->is_grpc && ps_grpc_call_waiting_bytes(call) == 0;
    nghttp2_nv headers[4];
    char number[16];
    size_t count = 0;

    call->answered = true;
    headers[count++] = header(":status", call->is_grpc ? "200" : "415");
    headers[count++] = header("content-type", call->is_grpc ? "application/grpc" : "text/plain");
    if (only_status) {
        count += status_headers(call, headers + count, number);
    }
    (void)nghttp2_submit_response(call->connection->session, call->stream_id, headers, count,
                                  only_status ? NULL : &body);
}

static void go_on(struct ps_grpc_call *call)
{
    if (!call->answered) {
        submit_answer(call);
    } else if (call->deferred) {
        call->deferred = false;
        (void)nghttp2_session_resume_data(call->connection->session, call->stream_id);
    }
    ps_grpc_connection_wake(call->connection);
}

/* What was taken makes room: the queue is a window that moves along. */
static void close_up(struct ps_grpc_call *call)
{
    size_t waiting_bytes = ps_grpc_call_waiting_bytes(call);

    if (call->out_taken_bytes > waiting_bytes) {
        memmove(call->out.data, call->out.data + call->out_taken_bytes, waiting_bytes);
        call->out.size_bytes = waiting_bytes;
        call->out_taken_bytes = 0;
    }
}

struct pack_buffer {
    ProtobufCBuffer base;
    struct ps_buf *into;
    enum ps_code code;
};

static void on_packed(ProtobufCBuffer *buffer, size_t size_bytes, const uint8_t *data)
{
    struct pack_buffer *pack = (struct pack_buffer *)buffer;

    if (pack->code == PS_OK) {
        pack->code = ps_buf_append(pack->into, data, size_bytes, NULL);
    }
}

enum ps_code ps_grpc_call_send(struct ps_grpc_call *call, const ProtobufCMessage *message,
                               struct ps_err *err)
{
    size_t packed_bytes = protobuf_c_message_get_packed_size(message);
    struct pack_buffer pack = { .base = { .append = on_packed }, .into = &call->out };
    size_t before_bytes;
    uint8_t head[PS_GRPC_HEAD_BYTES];

    if (packed_bytes > PS_GRPC_QUEUE_LIMIT_BYTES) {
        return ps_err_set(err, PS_E_TOO_LARGE, "an answer of %zu bytes: the limit is %zu",
                          packed_bytes, PS_GRPC_QUEUE_LIMIT_BYTES);
    }
    if (ps_grpc_call_waiting_bytes(call) == 0) {
        call->taken_mono_ms = ps_clock_mono_ms(call->connection->server->clock);
    }
    close_up(call);
    before_bytes = call->out.size_bytes;
    ps_grpc_frame_head(head, (uint32_t)packed_bytes);
    pack.code = ps_buf_append(&call->out, head, sizeof(head), NULL);
    (void)protobuf_c_message_pack_to_buffer(message, &pack.base);
    if (pack.code != PS_OK) {
        call->out.size_bytes = before_bytes;
        return ps_err_set(err, pack.code, "no room for an answer of %zu bytes", packed_bytes);
    }
    go_on(call);
    return PS_OK;
}

void ps_grpc_call_finish(struct ps_grpc_call *call, enum ps_grpc_status status, const char *message)
{
    call->finished = true;
    call->status = status;
    memset(&call->watch, 0, sizeof(call->watch));
    (void)ps_grpc_message_format(message != NULL ? message : "", call->message,
                                 sizeof(call->message));
    go_on(call);
}

void ps_grpc_call_answer(struct ps_grpc_call *call, const ProtobufCMessage *message)
{
    struct ps_err err;

    if (ps_grpc_call_send(call, message, &err) == PS_OK) {
        ps_grpc_call_finish(call, PS_GRPC_OK, NULL);
    } else {
        ps_grpc_call_finish(call, ps_grpc_status_of(err.code), err.message);
    }
}

/* The service is told that its client is gone, once. */
static void tell_end(struct ps_grpc_call *call)
{
    struct ps_grpc_watch watch = call->watch;

    memset(&call->watch, 0, sizeof(call->watch));
    if (watch.on_end != NULL) {
        watch.on_end(watch.user);
    }
}

static void reset(struct ps_grpc_call *call)
{
    call->finished = true;
    call->was_reset = true;
    (void)nghttp2_submit_rst_stream(call->connection->session, NGHTTP2_FLAG_NONE, call->stream_id,
                                    NGHTTP2_CANCEL);
    ps_grpc_connection_wake(call->connection);
}

/*
 * Trailers cannot overtake data that the client does not take. A client that is only slow sees the status after it, or
 * its own deadline's; one that takes nothing has its stream reset a moment later.
 */
static void pass_deadline(struct ps_grpc_call *call, int64_t now_mono_ms)
{
    tell_end(call);
    call->reset_mono_ms = now_mono_ms + RESET_AFTER_MS;
    ps_grpc_call_finish(call, PS_GRPC_DEADLINE_EXCEEDED, "the deadline has passed");
}

void ps_grpc_call_tick(struct ps_grpc_call *call, int64_t now_mono_ms)
{
    const struct ps_grpc_server *server = call->connection->server;

    if (call->was_reset) {
        return; /* the socket does not take the frame yet */
    }
    if (call->reset_mono_ms != 0 && now_mono_ms >= call->reset_mono_ms) {
        reset(call);
    } else if (!call->finished && call->deadline_mono_ms != 0 &&
               now_mono_ms >= call->deadline_mono_ms) {
        pass_deadline(call, now_mono_ms);
    } else if (ps_grpc_call_stalled_ms(call) >= server->stall_timeout_ms) {
        ps_log(server->log, PS_LOG_WARN, "grpc", "%s: the client takes nothing any more: ended",
               call->method != NULL ? call->method->path : "a call");
        ps_grpc_call_abandon(call);
    }
}

void ps_grpc_call_abandon(struct ps_grpc_call *call)
{
    tell_end(call);
    reset(call);
}

/* --- the request --- */

static const struct ps_grpc_method *find_method(const struct ps_grpc_method *methods,
                                                const char *path)
{
    for (; methods->path != NULL; methods++) {
        if (strcmp(methods->path, path) == 0) {
            return methods;
        }
    }
    return NULL;
}

void ps_grpc_call_header(struct ps_grpc_call *call, const char *name, const char *value)
{
    static const char grpc[] = "application/grpc";
    const struct ps_grpc_server *server = call->connection->server;
    uint64_t timeout_ms = 0;

    if (strcmp(name, ":path") == 0) {
        call->method = find_method(server->methods, value);
    } else if (strcmp(name, ":method") == 0) {
        call->is_post = strcmp(value, "POST") == 0;
    } else if (strcmp(name, "content-type") == 0) {
        call->is_grpc = strncasecmp(value, grpc, sizeof(grpc) - 1) == 0 &&
                        strchr("+;", value[sizeof(grpc) - 1]) != NULL; /* or the text's end */
    } else if (strcmp(name, "grpc-timeout") == 0 && ps_grpc_timeout_parse(value, &timeout_ms)) {
        call->deadline_mono_ms = ps_clock_mono_ms(server->clock) + (int64_t)timeout_ms;
    }
}

static void hand_over(struct ps_grpc_call *call, const uint8_t *data, size_t size_bytes)
{
    call->method->on_message(call, call->method->user, data, size_bytes);
}

static bool on_request_message(void *user, const uint8_t *data, size_t size_bytes)
{
    struct ps_grpc_call *call = user;
    struct ps_err err;

    if (call->method->streams_in) {
        hand_over(call, data, size_bytes);
        return !call->finished;
    }
    if (call->has_request) {
        ps_grpc_call_finish(call, PS_GRPC_UNIMPLEMENTED, "one message is expected");
        return false;
    }
    call->has_request = true;
    if (ps_buf_append(&call->request, data, size_bytes, &err) != PS_OK) {
        ps_grpc_call_finish(call, ps_grpc_status_of(err.code), err.message);
        return false;
    }
    return true;
}

void ps_grpc_call_data(struct ps_grpc_call *call, const uint8_t *data, size_t size_bytes)
{
    struct ps_err err;

    if (call->finished || !call->is_grpc || !call->is_post || call->method == NULL) {
        return; /* its answer is on the way, or comes at the client's end */
    }
    if (ps_grpc_frame_feed(&call->frame, data, size_bytes, on_request_message, call, &err) !=
        PS_OK) {
        tell_end(call);
        ps_grpc_call_finish(call, ps_grpc_status_of(err.code), err.message);
    }
}

static void refuse_plain(struct ps_grpc_call *call)
{
    if (ps_buf_append_str(&call->out, REFUSED_TEXT, NULL) != PS_OK) {
        ps_buf_rewind(&call->out); /* then without a word */
    }
    call->is_grpc = false;
    ps_grpc_call_finish(call, PS_GRPC_UNKNOWN, NULL);
}

void ps_grpc_call_half_close(struct ps_grpc_call *call)
{
    call->half_closed = true;
    if (call->finished) {
        return;
    }
    if (!call->is_grpc || !call->is_post) {
        refuse_plain(call);
    } else if (call->method == NULL) {
        ps_grpc_call_finish(call, PS_GRPC_UNIMPLEMENTED, "no such method");
    } else if (!ps_grpc_frame_is_between(&call->frame) ||
               (!call->method->streams_in && !call->has_request)) {
        tell_end(call);
        ps_grpc_call_finish(call, PS_GRPC_INVALID_ARGUMENT, "the request is cut short");
    } else if (call->method->streams_in) {
        tell_end(call);
        ps_grpc_call_finish(call, PS_GRPC_OK, NULL);
    } else {
        hand_over(call, (const uint8_t *)ps_buf_peek(&call->request), call->request.size_bytes);
        ps_buf_clear(&call->request);
    }
}
