#include "serve/grpc_internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* A frame as nghttp2 makes them: 9 bytes of head, at most 16 KiB. */
#define FRAME_BYTES ((size_t)16 * 1024 + 9)

/* --- sending --- */

static void on_written(uv_write_t *write, int status);

/* Fill the buffer with frames. False: nghttp2 gave up, the connection is to be closed. */
static bool gather(struct ps_grpc_connection *connection, size_t *used_bytes_out)
{
    size_t used_bytes = 0;

    while (used_bytes + FRAME_BYTES <= PS_GRPC_OUT_BYTES) {
        const uint8_t *data = NULL;
        ssize_t got_bytes = nghttp2_session_mem_send(connection->session, &data);

        if (got_bytes < 0 || (size_t)got_bytes > PS_GRPC_OUT_BYTES - used_bytes) {
            return false;
        }
        if (got_bytes == 0) {
            break;
        }
        memcpy(connection->out + used_bytes, data, (size_t)got_bytes);
        used_bytes += (size_t)got_bytes;
    }
    *used_bytes_out = used_bytes;
    return true;
}

/* What the socket does not take at once is written by libuv; until then nothing more is gathered. */
static bool put(struct ps_grpc_connection *connection, size_t size_bytes)
{
    uv_buf_t buf = uv_buf_init((char *)connection->out, (unsigned)size_bytes);
    int sent_bytes = uv_try_write(&connection->uv.stream, &buf, 1);

    if (sent_bytes < 0 && sent_bytes != UV_EAGAIN) {
        return false;
    }
    if (sent_bytes > 0) {
        buf.base += sent_bytes;
        buf.len -= (size_t)sent_bytes;
    }
    if (buf.len == 0) {
        return true;
    }
    connection->writing = true;
    return uv_write(&connection->write, &connection->uv.stream, &buf, 1, on_written) == 0;
}

/* Services that wait for room go on. Nobody is freed meanwhile: that happens inside nghttp2 only. */
static bool run_drains(struct ps_grpc_connection *connection)
{
    bool any = false;

    for (struct ps_grpc_call *call = connection->calls; call != NULL; call = call->next) {
        if (call->drain_due) {
            call->drain_due = false;
            if (!call->finished && call->watch.on_drain != NULL) {
                any = true;
                call->watch.on_drain(call->watch.user);
            }
        }
    }
    return any;
}

static bool is_over(const struct ps_grpc_connection *connection)
{
    return nghttp2_session_want_read(connection->session) == 0 &&
           nghttp2_session_want_write(connection->session) == 0;
}

void ps_grpc_connection_wake(struct ps_grpc_connection *connection)
{
    connection->dirty = true;
    ps_grpc_server_kick(connection->server);
}

/*
 * A socket that is closed with bytes unread resets the connection, and the client may lose what was sent last: our end
 * is shut, the rest is read until the client closes (RFC 9112 9.6 tells why). A server that drains does not wait.
 */
static void linger(struct ps_grpc_connection *connection)
{
    uv_os_fd_t fd;

    if (!connection->server->listening || uv_fileno(&connection->uv.handle, &fd) != 0 ||
        shutdown(fd, SHUT_WR) != 0) {
        ps_grpc_connection_close(connection);
    } else {
        connection->lingering = true;
    }
}

void ps_grpc_connection_flush(struct ps_grpc_connection *connection)
{
    bool good = true;
    bool more = true;

    if (connection->busy || connection->writing || connection->lingering || connection->closing) {
        return;
    }
    connection->busy = true;
    connection->dirty = false;
    while (good && more && !connection->writing) {
        size_t used_bytes = 0;

        good = gather(connection, &used_bytes) && (used_bytes == 0 || put(connection, used_bytes));
        more = run_drains(connection) || used_bytes > 0;
    }
    connection->busy = false;
    if (!good) {
        ps_grpc_connection_close(connection);
    } else if (!connection->writing && is_over(connection)) {
        linger(connection);
    }
}

static void on_written(uv_write_t *write, int status)
{
    struct ps_grpc_connection *connection = write->data;

    connection->writing = false;
    if (connection->closing) {
        return;
    }
    if (status < 0) {
        ps_grpc_connection_close(connection);
    } else {
        ps_grpc_connection_flush(connection);
    }
}

/* --- receiving --- */

/* One buffer serves all: its bytes are used up before libuv reads again. */
static void on_alloc(uv_handle_t *handle, size_t wanted_bytes, uv_buf_t *buf)
{
    struct ps_grpc_connection *connection = handle->data;

    (void)wanted_bytes;
    *buf = uv_buf_init(connection->server->read, sizeof(connection->server->read));
}

static void on_read_bytes(uv_stream_t *stream, ssize_t size_bytes, const uv_buf_t *buf)
{
    struct ps_grpc_connection *connection = stream->data;
    ssize_t used_bytes = 0;

    if (size_bytes > 0 && connection->lingering) {
        return;
    }
    if (size_bytes > 0) {
        connection->busy = true;
        used_bytes = nghttp2_session_mem_recv(connection->session, (const uint8_t *)buf->base,
                                              (size_t)size_bytes);
        connection->busy = false;
    }
    if (size_bytes < 0 || used_bytes < 0) {
        if (used_bytes < 0) {
            ps_log(connection->server->log, PS_LOG_DEBUG, "grpc", "a client is cut off: %s",
                   nghttp2_strerror((int)used_bytes));
        }
        ps_grpc_connection_close(connection);
        return;
    }
    ps_grpc_connection_flush(connection);
}

/* --- nghttp2 --- */

static struct ps_grpc_call *call_of(nghttp2_session *session, int32_t stream_id)
{
    return nghttp2_session_get_stream_user_data(session, stream_id);
}

/*
 * A new stream's number is higher than all before (RFC 9113 5.1.1: else a connection error). nghttp2 lets a lower one
 * pass in silence, as it may be the trailers of a stream that was reset; gRPC's clients send no trailers.
 */
static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *head, void *user)
{
    const struct ps_grpc_connection *connection = user;

    if (head->type == NGHTTP2_HEADERS && head->stream_id < connection->last_stream_id &&
        nghttp2_session_find_stream(session, head->stream_id) == NULL) {
        (void)nghttp2_session_terminate_session(session, NGHTTP2_PROTOCOL_ERROR);
    }
    return 0;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct ps_grpc_connection *connection = user;
    struct ps_grpc_call *call;

    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
        return 0;
    }
    call = ps_grpc_call_new(connection, frame->hd.stream_id);
    if (call == NULL) {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    connection->last_stream_id = frame->hd.stream_id;
    (void)nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, call);
    return 0;
}

/* nghttp2 ends names and values with a NUL that it does not count; a NUL inside is refused by it (RFC 9113 8.2.1). */
/* NOLINTNEXTLINE(readability-function-size): the parameters are nghttp2's */
static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_bytes, const uint8_t *value, size_t value_bytes, uint8_t flags,
                     void *user)
{
    struct ps_grpc_call *call = call_of(session, frame->hd.stream_id);

    (void)name_bytes;
    (void)value_bytes;
    (void)flags;
    (void)user;
    if (call != NULL && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        ps_grpc_call_header(call, (const char *)name, (const char *)value);
    }
    return 0;
}

static int on_data_chunk(nghttp2_session *session, uint8_t flags, int32_t stream_id,
                         const uint8_t *data, size_t size_bytes, void *user)
{
    struct ps_grpc_call *call = call_of(session, stream_id);

    (void)flags;
    (void)user;
    if (call != NULL) {
        ps_grpc_call_data(call, data, size_bytes);
    }
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct ps_grpc_call *call;

    (void)user;
    if ((frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS) ||
        (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) {
        return 0;
    }
    call = call_of(session, frame->hd.stream_id);
    if (call != NULL) {
        ps_grpc_call_half_close(call);
    }
    return 0;
}

/* An answer that ends before the request: the client is told that the rest is not wanted (RFC 9113 8.1). */
static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct ps_grpc_call *call;

    (void)user;
    if (frame->hd.type != NGHTTP2_HEADERS || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) {
        return 0;
    }
    call = call_of(session, frame->hd.stream_id);
    if (call != NULL && !call->half_closed) {
        (void)nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                        NGHTTP2_NO_ERROR);
    }
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t error_code,
                           void *user)
{
    struct ps_grpc_call *call = call_of(session, stream_id);

    (void)error_code;
    (void)user;
    if (call != NULL) {
        (void)nghttp2_session_set_stream_user_data(session, stream_id, NULL);
        ps_grpc_call_free(call);
    }
    return 0;
}

static bool make_session(struct ps_grpc_connection *connection)
{
    static const nghttp2_settings_entry settings[] = {
        { NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, PS_GRPC_CALLS_MAX },
        { NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, 16 * 1024 },
    };
    nghttp2_session_callbacks *callbacks = NULL;
    bool good = nghttp2_session_callbacks_new(&callbacks) == 0;

    if (good) {
        nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame);
        nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
        nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data_chunk);
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
        nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
        good = nghttp2_session_server_new(&connection->session, callbacks, connection) == 0;
    }
    nghttp2_session_callbacks_del(callbacks);
    return good && nghttp2_submit_settings(connection->session, NGHTTP2_FLAG_NONE, settings,
                                           sizeof(settings) / sizeof(settings[0])) == 0;
}

/* --- life --- */

static void on_closed(uv_handle_t *handle)
{
    struct ps_grpc_connection *connection = handle->data;
    struct ps_grpc_server *server = connection->server;

    free(connection->out);
    free(connection);
    ps_grpc_server_handle_closed(server);
}

/* nghttp2 does not say on_stream_close for what is open when its session goes. */
static void end_calls(struct ps_grpc_connection *connection)
{
    while (connection->calls != NULL) {
        ps_grpc_call_free(connection->calls);
    }
    nghttp2_session_del(connection->session);
    connection->session = NULL;
}

void ps_grpc_connection_close(struct ps_grpc_connection *connection)
{
    if (connection->closing) {
        return;
    }
    connection->closing = true;
    connection->busy = true;
    end_calls(connection);
    *connection->link = connection->next;
    if (connection->next != NULL) {
        connection->next->link = connection->link;
    }
    connection->server->connection_count--;
    uv_close(&connection->uv.handle, on_closed);
}

void ps_grpc_connection_drain(struct ps_grpc_connection *connection)
{
    int32_t last = nghttp2_session_get_last_proc_stream_id(connection->session);

    if (connection->lingering) {
        ps_grpc_connection_close(connection);
        return;
    }
    (void)nghttp2_submit_goaway(connection->session, NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR,
                                NULL, 0);
    ps_grpc_connection_flush(connection);
}

static void link_in(struct ps_grpc_connection *connection)
{
    struct ps_grpc_server *server = connection->server;

    connection->next = server->connections;
    if (connection->next != NULL) {
        connection->next->link = &connection->next;
    }
    server->connections = connection;
    connection->link = &server->connections;
    server->connection_count++;
}

void ps_grpc_connection_accept(struct ps_grpc_server *server)
{
    struct ps_grpc_connection *connection = calloc(1, sizeof(*connection));
    bool good;

    if (connection == NULL) {
        return;
    }
    connection->server = server;
    connection->out = malloc(PS_GRPC_OUT_BYTES);
    good = server->is_tcp ? uv_tcp_init(server->loop, &connection->uv.tcp) == 0
                          : uv_pipe_init(server->loop, &connection->uv.pipe, 0) == 0;
    if (!good) {
        free(connection->out);
        free(connection);
        return;
    }
    connection->uv.handle.data = connection;
    connection->write.data = connection;
    server->open_handles++;
    link_in(connection);
    good = uv_accept(&server->listener.stream, &connection->uv.stream) == 0 &&
           server->connection_count <= PS_GRPC_CONNECTIONS_MAX && connection->out != NULL &&
           make_session(connection) &&
           uv_read_start(&connection->uv.stream, on_alloc, on_read_bytes) == 0;
    if (!good) {
        ps_log(server->log, PS_LOG_WARN, "grpc", "a client is turned away: too many, or no memory");
        ps_grpc_connection_close(connection);
        return;
    }
    if (server->is_tcp) {
        (void)uv_tcp_nodelay(&connection->uv.tcp, 1);
    }
    ps_grpc_connection_flush(connection);
}
