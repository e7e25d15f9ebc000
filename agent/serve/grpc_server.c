#include "serve/grpc_internal.h"

#include "base/str.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/** How often deadlines and stalls are looked at, while there are calls. */
#define TICK_MS 100

/**
 * A reader that takes nothing for this long has gone. Lower: a user's browser that pauses a download for a while loses
 * it. Higher: streams that Argo's client abandoned hold their store connection longer.
 */
#define STALL_TIMEOUT_DEFAULT_MS 300000

enum {
    BACKLOG = 128
};

/* --- ticks and counts --- */

static void on_tick(uv_timer_t *timer)
{
    struct ps_grpc_server *server = timer->data;
    int64_t now_mono_ms = ps_clock_mono_ms(server->clock);
    struct ps_grpc_connection *next;

    for (struct ps_grpc_connection *at = server->connections; at != NULL; at = next) {
        next = at->next;
        at->busy = true; /* calls and the connection stay where they are while they are walked */
        for (struct ps_grpc_call *call = at->calls; call != NULL; call = call->next) {
            ps_grpc_call_tick(call, now_mono_ms);
        }
        at->busy = false;
        ps_grpc_connection_flush(at);
    }
}

static void on_kick(uv_timer_t *timer)
{
    struct ps_grpc_server *server = timer->data;
    struct ps_grpc_connection *next;

    for (struct ps_grpc_connection *at = server->connections; at != NULL; at = next) {
        next = at->next;
        if (at->dirty) {
            ps_grpc_connection_flush(at);
        }
    }
}

void ps_grpc_server_kick(struct ps_grpc_server *server)
{
    if (!server->stopping && uv_is_active((uv_handle_t *)&server->kick) == 0) {
        (void)uv_timer_start(&server->kick, on_kick, 0, 0);
    }
}

void ps_grpc_server_count_call(struct ps_grpc_server *server, int change)
{
    server->call_count = (size_t)((ssize_t)server->call_count + change);
    if (server->stopping) {
        return;
    }
    if (server->call_count > 0 && uv_is_active((uv_handle_t *)&server->tick) == 0) {
        (void)uv_timer_start(&server->tick, on_tick, TICK_MS, TICK_MS);
    } else if (server->call_count == 0) {
        (void)uv_timer_stop(&server->tick);
    }
}

size_t ps_grpc_server_call_count(const struct ps_grpc_server *server)
{
    return server->call_count;
}

/* --- the end --- */

static void server_free(struct ps_grpc_server *server)
{
    free(server->socket_path);
    free(server);
}

void ps_grpc_server_handle_closed(struct ps_grpc_server *server)
{
    void (*on_stopped)(void *user) = server->on_stopped;
    void *user = server->user;

    server->open_handles--;
    if (server->open_handles > 0 || !server->stopping) {
        return;
    }
    server_free(server);
    if (on_stopped != NULL) {
        on_stopped(user);
    }
}

static void on_handle_closed(uv_handle_t *handle)
{
    ps_grpc_server_handle_closed(handle->data);
}

/* Another one may have put its socket there meanwhile: only ours is taken away. */
static void remove_socket(const struct ps_grpc_server *server)
{
    struct stat status;

    if (server->socket_path != NULL && lstat(server->socket_path, &status) == 0 &&
        status.st_dev == server->socket_device && status.st_ino == server->socket_inode) {
        (void)unlink(server->socket_path);
    }
}

void ps_grpc_server_drain(struct ps_grpc_server *server)
{
    struct ps_grpc_connection *next;

    if (!server->listening) {
        return;
    }
    server->listening = false;
    remove_socket(server);
    uv_close(&server->listener.handle, on_handle_closed);
    for (struct ps_grpc_connection *at = server->connections; at != NULL; at = next) {
        next = at->next;
        ps_grpc_connection_drain(at);
    }
}

void ps_grpc_server_stop(struct ps_grpc_server *server)
{
    ps_grpc_server_drain(server);
    server->stopping = true;
    while (server->connections != NULL) {
        ps_grpc_connection_close(server->connections);
    }
    uv_close((uv_handle_t *)&server->tick, on_handle_closed);
    uv_close((uv_handle_t *)&server->kick, on_handle_closed);
}

/* --- listening --- */

static void on_client(uv_stream_t *stream, int status)
{
    if (status == 0) {
        ps_grpc_connection_accept(stream->data);
    }
}

static enum ps_code make_parents(const char *path, struct ps_err *err)
{
    char *copy = ps_strdup(path);
    enum ps_code code = PS_OK;

    if (copy == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    for (char *slash = strchr(copy + 1, '/'); slash != NULL && code == PS_OK;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(copy, 0755) != 0 && errno != EEXIST) {
            code = ps_err_set_errno(err, errno, "%s", copy);
        }
        *slash = '/';
    }
    free(copy);
    return code;
}

static enum ps_code bad_socket(const char *path, int uv_code, struct ps_err *err)
{
    return ps_err_set_errno(err, -uv_code, "socket %s", path);
}

/* What lies at path may be replaced: nothing, or a socket. */
static enum ps_code check_place(const char *path, struct ps_err *err)
{
    struct stat status;

    if (lstat(path, &status) == 0 && !S_ISSOCK(status.st_mode)) {
        return ps_err_set(err, PS_E_EXISTS, "%s: is there and no socket: remove it", path);
    }
    return PS_OK;
}

/* Bound and listening under another name first: a client that sees the socket can connect to it. */
static enum ps_code listen_at(struct ps_grpc_server *server, const char *path,
                              const char *temporary, struct ps_err *err)
{
    struct stat status;
    int result;

    (void)unlink(temporary);
    result = uv_pipe_bind(&server->listener.pipe, temporary);
    if (result == 0) {
        result = uv_listen(&server->listener.stream, BACKLOG, on_client);
    }
    if (result != 0) {
        return bad_socket(temporary, result, err);
    }
    /* Any container of the pod may connect, whatever its user: the directory says who sees it. */
    if (chmod(temporary, 0777) != 0 || lstat(temporary, &status) != 0 ||
        rename(temporary, path) != 0) {
        enum ps_code code = ps_err_set_errno(err, errno, "socket %s", path);

        (void)unlink(temporary);
        return code;
    }
    server->socket_device = status.st_dev;
    server->socket_inode = status.st_ino;
    return PS_OK;
}

static enum ps_code listen_unix(struct ps_grpc_server *server, const char *path, struct ps_err *err)
{
    char *temporary = ps_str_format("%s.%d", path, (int)getpid());
    enum ps_code code;

    server->socket_path = ps_strdup(path);
    if (temporary == NULL || server->socket_path == NULL) {
        code = ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    } else if (strlen(temporary) >= sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
        code = ps_err_set(err, PS_E_INVALID, "%s: longer than a socket's path may be (%zu bytes)",
                          path, sizeof(((struct sockaddr_un *)NULL)->sun_path) - 9);
    } else {
        code = make_parents(path, err);
        code = code == PS_OK ? check_place(path, err) : code;
        code = code == PS_OK ? listen_at(server, path, temporary, err) : code;
    }
    free(temporary);
    return code;
}

/* There is no login and no TLS: nothing but loopback. */
static enum ps_code listen_tcp(struct ps_grpc_server *server, const char *port_text,
                               struct ps_err *err)
{
    struct sockaddr_in address;
    uint64_t port = 0;
    int result;

    if (!ps_u64_parse(port_text, &port) || port > 65535) {
        return ps_err_set(err, PS_E_INVALID, "127.0.0.1:%s: no port", port_text);
    }
    result = uv_ip4_addr("127.0.0.1", (int)port, &address);
    if (result == 0) {
        result = uv_tcp_bind(&server->listener.tcp, (const struct sockaddr *)&address, 0);
    }
    if (result == 0) {
        result = uv_listen(&server->listener.stream, BACKLOG, on_client);
    }
    return result == 0 ? PS_OK : bad_socket("127.0.0.1", result, err);
}

int ps_grpc_server_port(const struct ps_grpc_server *server)
{
    struct sockaddr_in address = { 0 };
    int size = sizeof(address);

    if (!server->is_tcp ||
        uv_tcp_getsockname(&server->listener.tcp, (struct sockaddr *)&address, &size) != 0) {
        return 0;
    }
    return ntohs(address.sin_port);
}

static enum ps_code start(struct ps_grpc_server *server, const char *listen, struct ps_err *err)
{
    static const char loopback[] = "127.0.0.1:";
    enum ps_code code;

    server->is_tcp = ps_str_has_prefix(listen, loopback);
    if (server->is_tcp ? uv_tcp_init(server->loop, &server->listener.tcp) != 0
                       : uv_pipe_init(server->loop, &server->listener.pipe, 0) != 0) {
        return ps_err_set(err, PS_E_NO_MEMORY, "no socket to be had");
    }
    server->listener.handle.data = server;
    server->listening = true;
    server->open_handles++;
    code = server->is_tcp ? listen_tcp(server, listen + sizeof(loopback) - 1, err)
                          : listen_unix(server, listen, err);
    return code;
}

enum ps_code ps_grpc_server_start(struct ps_grpc_server **server_out,
                                  const struct ps_grpc_server_options *options, struct ps_err *err)
{
    struct ps_grpc_server *server = calloc(1, sizeof(*server));
    enum ps_code code;

    if (server == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    server->loop = options->loop;
    server->clock = options->clock;
    server->log = options->log;
    server->methods = options->methods;
    server->stall_timeout_ms =
        options->stall_timeout_ms != 0 ? options->stall_timeout_ms : STALL_TIMEOUT_DEFAULT_MS;
    server->user = options->user;
    (void)uv_timer_init(server->loop, &server->tick);
    server->tick.data = server;
    (void)uv_timer_init(server->loop, &server->kick);
    server->kick.data = server;
    server->open_handles = 2;
    code = start(server, options->listen, err);
    if (code != PS_OK) {
        ps_grpc_server_stop(server); /* frees it, and tells nobody: on_stopped is not set */
        return code;
    }
    server->on_stopped = options->on_stopped;
    *server_out = server;
    return PS_OK;
}
