/* Bytes of an answer that go past libmicrohttpd, from the caller's block straight to the socket. */
#include "serve/httpd_internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/** What is smaller keeps its connection. */
#define PUSH_FROM_BYTES ((uint64_t)1024 * 1024)

/**
 * The system keeps up to 4 MiB for a slow reader: for thousands that is all that it has for TCP, and it resets connections
 * then. So send buffers are bounded when many are pushed; Linux takes twice of what is asked for.
 */
enum {
    FEW_PUSHES = 32,
    MANY_PUSHES = 1000,
    SEND_BUFFER_BYTES = 128 * 1024,
    SEND_BUFFER_MANY_BYTES = 16 * 1024,
};

static void on_event(void *user, int fd, int events)
{
    const struct ps_httpd *httpd = user;
    struct ps_httpd_request *request = httpd->pushed[fd];

    (void)events; /* an error is told by send(2) */
    if (request->blocked) {
        request->blocked = false;
        request->stream.on_room(request->stream.user);
    }
}

enum ps_code ps_httpd_pushes_new(struct ps_httpd *httpd, struct ps_err *err)
{
    return ps_socket_set_new(&httpd->push_sockets, httpd->loop, on_event, httpd, err);
}

void ps_httpd_pushes_free(struct ps_httpd *httpd)
{
    ps_socket_set_close(httpd->push_sockets);
    free(httpd->pushed);
}

/* False: no memory. */
static bool note(struct ps_httpd *httpd, int fd, struct ps_httpd_request *request)
{
    struct ps_httpd_request **grown;
    size_t count = (size_t)fd * 2 + 64;

    if ((size_t)fd >= httpd->pushed_count) {
        grown = realloc(httpd->pushed, count * sizeof(struct ps_httpd_request *));
        if (grown == NULL) {
            return false;
        }
        httpd->pushed = grown;
        httpd->pushed_count = count;
    }
    httpd->pushed[fd] = request;
    return true;
}

static void wait_for_room(struct ps_httpd_request *request)
{
    request->blocked = true;
    request->pushed_at_ms = uv_now(request->httpd->loop);
}

static void bound_send_buffer(const struct ps_httpd *httpd, int fd)
{
    const int size_bytes =
        httpd->push_count < MANY_PUSHES ? SEND_BUFFER_BYTES : SEND_BUFFER_MANY_BYTES;

    if (httpd->push_count >= FEW_PUSHES) {
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size_bytes, sizeof(size_bytes));
    }
}

/* The headers are with the system. */
static void begin(struct ps_httpd_request *request, int fd)
{
    const int off = 0;
    struct ps_httpd *httpd = request->httpd;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_CORK, &off, sizeof(off));
    request->headers_out = true;
    if (!note(httpd, fd, request) ||
        !ps_socket_set_add_edge(httpd->push_sockets, fd, UV_WRITABLE)) {
        ps_httpd_request_cut(request);
        return;
    }
    request->push_fd = fd;
    bound_send_buffer(httpd, fd);
    httpd->push_count++;
    wait_for_room(request); /* there is some: on_event comes from the loop */
}

ssize_t ps_httpd_push_read(struct ps_httpd_request *request)
{
    const struct ps_httpd_connection *connection = ps_httpd_connection_of(request->mhd);

    if (connection == NULL) {
        return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    ps_httpd_suspend(request);
    if (!request->headers_out) {
        begin(request, connection->fd);
    }
    return 0;
}

void ps_httpd_push_end(struct ps_httpd_request *request)
{
    if (request->push_fd >= 0) {
        ps_socket_set_forget(request->httpd->push_sockets, request->push_fd);
        request->push_fd = -1;
        request->httpd->push_count--;
    }
}

bool ps_httpd_is_pushed(const struct ps_httpd_request *request,
                        const struct ps_httpd_stream *stream)
{
    return stream->on_room != NULL && stream->size_bytes >= PUSH_FROM_BYTES &&
           !request->httpd->has_tls && strcmp(request->method, "GET") == 0;
}

size_t ps_httpd_push(struct ps_httpd_request *request, const void *data, size_t size)
{
    size_t wanted = size < request->push_left_bytes ? size : (size_t)request->push_left_bytes;
    ssize_t sent;

    if (request->push_fd < 0 || request->blocked || request->is_cut || wanted == 0) {
        return 0;
    }
    do {
        sent = send(request->push_fd, data, wanted, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0 && errno != EAGAIN) {
        ps_httpd_request_cut(request); /* the client went */
        return 0;
    }
    sent = sent < 0 ? 0 : sent;
    request->push_left_bytes -= (uint64_t)sent;
    if (request->push_left_bytes == 0) {
        ps_httpd_resume(request); /* for the end */
    } else if ((size_t)sent < wanted) {
        wait_for_room(request);
    }
    return (size_t)sent;
}
