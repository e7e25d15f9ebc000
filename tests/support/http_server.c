#include "tests/support/http_server.h"

#include "tests/support/http_text.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    ANSWERS_MAX = 256,
    REQUESTS_MAX = 1024,
};

struct answer {
    char *bytes; /* NULL = close without a byte */
    size_t size_bytes;
    bool closes;
    bool held;
    bool early;
};

struct connection {
    uv_tcp_t tcp;
    struct http_server *server;
    struct connection *next;
    unsigned number;
    char *in;
    size_t in_size;
    size_t in_capacity;
    bool continued; /* 100 was sent for the request that is coming in */
    bool busy;      /* a request was taken, its answer is held */
    struct answer held;
    bool closing;
};

struct http_server {
    uv_tcp_t tcp;
    uv_loop_t *loop;
    int port;
    char url[64];
    struct connection *connections;
    unsigned connection_count;
    struct answer answers[ANSWERS_MAX];
    size_t answer_count;
    size_t answers_used;
    struct http_seen requests[REQUESTS_MAX];
    size_t request_count;
    void (*on_request)(void *user);
    void *user;
};

struct sending {
    uv_write_t write;
    char *bytes;
    bool closes;
};

static void connection_close(struct connection *connection);

static void on_closed(uv_handle_t *handle)
{
    struct connection *connection = handle->data;

    free(connection->in);
    free(connection->held.bytes);
    free(connection);
}

static void connection_close(struct connection *connection)
{
    struct connection **link = &connection->server->connections;

    if (connection->closing) {
        return;
    }
    connection->closing = true;
    while (*link != connection) {
        link = &(*link)->next;
    }
    *link = connection->next;
    uv_close((uv_handle_t *)&connection->tcp, on_closed);
}

static void on_written(uv_write_t *write, int status)
{
    struct sending *sending = write->data;
    struct connection *connection = write->handle->data;

    if (!connection->closing && (sending->closes || status < 0)) {
        connection_close(connection);
    }
    free(sending->bytes);
    free(sending);
}

static void send_bytes(struct connection *connection, char *bytes, size_t size_bytes, bool closes)
{
    struct sending *sending = http_text_must(calloc(1, sizeof(*sending)));
    uv_buf_t buf = uv_buf_init(bytes, (unsigned)size_bytes);

    sending->bytes = bytes;
    sending->closes = closes;
    sending->write.data = sending;
    if (uv_write(&sending->write, (uv_stream_t *)&connection->tcp, &buf, 1, on_written) != 0) {
        free(bytes);
        free(sending);
        connection_close(connection);
    }
}

static void send_answer(struct connection *connection, struct answer *answer)
{
    char *bytes = answer->bytes;

    answer->bytes = NULL;
    if (bytes == NULL) {
        connection_close(connection);
        return;
    }
    send_bytes(connection, bytes, answer->size_bytes, answer->closes);
}

static struct answer next_answer(struct http_server *server)
{
    static const char empty[] = "HTTP/1.1 418 Script Is Empty\r\ncontent-length: 0\r\n\r\n";
    struct answer none = { .bytes = NULL };

    if (server->answers_used < server->answer_count) {
        return server->answers[server->answers_used++];
    }
    none.bytes = http_text_copy(empty, sizeof(empty) - 1);
    none.size_bytes = sizeof(empty) - 1;
    return none;
}

static void note_request(struct connection *connection, size_t head_size, size_t body_size)
{
    struct http_server *server = connection->server;
    struct http_seen *seen = &server->requests[server->request_count];
    const char *head = connection->in;
    const char *space = strchr(head, ' ');
    const char *end = strstr(head, "\r\n");
    const char *second = space != NULL ? strchr(space + 1, ' ') : NULL;

    if (server->request_count == REQUESTS_MAX || second == NULL || second > end) {
        fprintf(stderr, "http_server: too many or bad requests\n");
        abort();
    }
    server->request_count++;
    seen->method = http_text_copy(head, (size_t)(space - head));
    seen->target = http_text_copy(space + 1, (size_t)(second - space - 1));
    seen->head = http_text_copy(end + 2, head_size - (size_t)(end + 2 - head) - 2);
    seen->body = http_text_copy(head + head_size, body_size);
    seen->body_size_bytes = body_size;
    seen->connection_number = connection->number;
}

static void take_request(struct connection *connection, size_t head_size, size_t body_size)
{
    struct http_server *server = connection->server;
    size_t used = head_size + body_size;
    struct answer answer;

    note_request(connection, head_size, body_size);
    memmove(connection->in, connection->in + used, connection->in_size - used + 1);
    connection->in_size -= used;
    connection->continued = false;
    answer = next_answer(server);
    if (answer.held) {
        connection->held = answer;
        connection->busy = true;
    } else {
        send_answer(connection, &answer);
    }
    if (server->on_request != NULL) {
        server->on_request(server->user);
    }
}

static bool next_is_early(const struct http_server *server)
{
    return server->answers_used < server->answer_count &&
           server->answers[server->answers_used].early;
}

static void look_at_input(struct connection *connection)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    const char *end = connection->in != NULL ? strstr(connection->in, "\r\n\r\n") : NULL;
    const char *length_text;
    size_t head_size;
    size_t body_size;

    if (end == NULL || connection->busy || connection->closing) {
        return;
    }
    head_size = (size_t)(end - connection->in) + 4;
    length_text = http_text_find(connection->in, "content-length");
    if (length_text != NULL && length_text > end) {
        length_text = NULL;
    }
    body_size = length_text != NULL ? (size_t)strtoull(length_text, NULL, 10) : 0;
    if (next_is_early(connection->server)) {
        take_request(connection, head_size, 0);
        return;
    }
    if (connection->in_size - head_size >= body_size) {
        take_request(connection, head_size, body_size);
    } else if (!connection->continued && http_text_find(connection->in, "expect") != NULL) {
        connection->continued = true;
        send_bytes(connection, http_text_copy(go_on, sizeof(go_on) - 1), sizeof(go_on) - 1, false);
    }
}

static void on_alloc(uv_handle_t *handle, size_t wanted, uv_buf_t *buf)
{
    (void)handle;
    *buf = uv_buf_init(http_text_must(malloc(wanted)), (unsigned)wanted);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buf)
{
    struct connection *connection = stream->data;

    if (size < 0) {
        connection_close(connection);
    } else if (size > 0) {
        size_t need = connection->in_size + (size_t)size + 1;

        if (need > connection->in_capacity) {
            connection->in_capacity = need * 2;
            connection->in = http_text_must(realloc(connection->in, connection->in_capacity));
        }
        memcpy(connection->in + connection->in_size, buf->base, (size_t)size);
        connection->in_size += (size_t)size;
        connection->in[connection->in_size] = '\0';
        look_at_input(connection);
    }
    free(buf->base);
}

static void on_connection(uv_stream_t *stream, int status)
{
    struct http_server *server = stream->data;
    struct connection *connection;

    if (status < 0) {
        return;
    }
    connection = http_text_must(calloc(1, sizeof(*connection)));
    connection->server = server;
    connection->number = ++server->connection_count;
    (void)uv_tcp_init(server->loop, &connection->tcp);
    connection->tcp.data = connection;
    connection->next = server->connections;
    server->connections = connection;
    if (uv_accept(stream, (uv_stream_t *)&connection->tcp) != 0 ||
        uv_read_start((uv_stream_t *)&connection->tcp, on_alloc, on_read) != 0) {
        connection_close(connection);
    }
}

struct http_server *http_server_new(uv_loop_t *loop)
{
    struct http_server *server = http_text_must(calloc(1, sizeof(*server)));
    struct sockaddr_in address;
    int size = sizeof(address);

    server->loop = loop;
    (void)uv_tcp_init(loop, &server->tcp);
    server->tcp.data = server;
    (void)uv_ip4_addr("127.0.0.1", 0, &address);
    if (uv_tcp_bind(&server->tcp, (const struct sockaddr *)&address, 0) != 0 ||
        uv_listen((uv_stream_t *)&server->tcp, 64, on_connection) != 0 ||
        uv_tcp_getsockname(&server->tcp, (struct sockaddr *)&address, &size) != 0) {
        fprintf(stderr, "http_server: cannot listen\n");
        abort();
    }
    server->port = ntohs(address.sin_port);
    (void)snprintf(server->url, sizeof(server->url), "http://127.0.0.1:%d", server->port);
    return server;
}

static void on_server_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void http_server_free(struct http_server *server)
{
    if (server == NULL) {
        return;
    }
    while (server->connections != NULL) {
        connection_close(server->connections);
    }
    for (size_t i = server->answers_used; i < server->answer_count; i++) {
        free(server->answers[i].bytes);
    }
    for (size_t i = 0; i < server->request_count; i++) {
        free(server->requests[i].method);
        free(server->requests[i].target);
        free(server->requests[i].head);
        free(server->requests[i].body);
    }
    uv_close((uv_handle_t *)&server->tcp, on_server_closed);
}

int http_server_port(const struct http_server *server)
{
    return server->port;
}

const char *http_server_url(const struct http_server *server)
{
    return server->url;
}

static struct answer *add_answer(struct http_server *server, const char *text,
                                 size_t *head_size_out)
{
    struct answer *answer = &server->answers[server->answer_count];
    size_t head_size = 0;

    if (server->answer_count == ANSWERS_MAX) {
        fprintf(stderr, "http_server: too many answers\n");
        abort();
    }
    server->answer_count++;
    if (text != NULL) {
        answer->bytes = http_text_finish(text, &answer->size_bytes, &head_size);
        answer->closes = strstr(text, "onnection: close") != NULL;
    }
    if (head_size_out != NULL) {
        *head_size_out = head_size;
    }
    return answer;
}

void http_server_answer(struct http_server *server, const char *text)
{
    (void)add_answer(server, text, NULL);
}

void http_server_answer_file(struct http_server *server, const char *name)
{
    char *text = http_vector_read(name);

    http_server_answer(server, text);
    free(text);
}

void http_server_answer_cut(struct http_server *server, const char *text, size_t body_bytes)
{
    size_t head_size = 0;
    struct answer *answer = add_answer(server, text, &head_size);

    answer->closes = true;
    if (head_size + body_bytes < answer->size_bytes) {
        answer->size_bytes = head_size + body_bytes;
    }
}

void http_server_answer_nothing(struct http_server *server)
{
    (void)add_answer(server, NULL, NULL);
}

void http_server_answer_held(struct http_server *server, const char *text)
{
    add_answer(server, text, NULL)->held = true;
}

void http_server_answer_early(struct http_server *server, const char *text)
{
    struct answer *answer = add_answer(server, text, NULL);

    answer->early = true;
    answer->closes = true;
}

void http_server_release(struct http_server *server)
{
    struct connection *next;

    for (struct connection *connection = server->connections; connection != NULL;
         connection = next) {
        next = connection->next;
        if (connection->busy) {
            connection->busy = false;
            send_answer(connection, &connection->held);
            look_at_input(connection);
        }
    }
}

void http_server_on_request(struct http_server *server, void (*call)(void *user), void *user)
{
    server->on_request = call;
    server->user = user;
}

size_t http_server_request_count(const struct http_server *server)
{
    return server->request_count;
}

size_t http_server_answers_left(const struct http_server *server)
{
    return server->answer_count - server->answers_used;
}

const struct http_seen *http_server_request(const struct http_server *server, size_t index)
{
    if (index >= server->request_count) {
        fprintf(stderr, "http_server: no request %zu\n", index);
        abort();
    }
    return &server->requests[index];
}
