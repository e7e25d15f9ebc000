#include "serve/httpd.h"

#include "base/str.h"
#include "base/uv_handle.h"
#include "serve/httpd_internal.h"
#include "serve/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/** How often the header deadline is looked at. */
#define SWEEP_INTERVAL_MS 1000

/** A certificate or key file. Larger is a mistake. */
#define PEM_LIMIT_BYTES ((size_t)256 * 1024)

/** GnuTLS's NORMAL of Debian 12 still takes TLS 1.0; RFC 8996. */
#define TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

static void run(struct ps_httpd *httpd);

static void on_timer(uv_timer_t *timer)
{
    run(timer->data);
}

static void check_drained(struct ps_httpd *httpd)
{
    void (*drained)(void *user) = httpd->drained;

    if (httpd->draining && httpd->connection_count == 0 && drained != NULL) {
        httpd->drained = NULL;
        drained(httpd->drained_user);
    }
}

/* libmicrohttpd does what it can without waiting, and says when it wants to be called without an event. */
static void run(struct ps_httpd *httpd)
{
    MHD_UNSIGNED_LONG_LONG timeout_ms = 0;

    httpd->running = true;
    (void)MHD_run(httpd->mhd);
    httpd->running = false;
    if (MHD_get_timeout(httpd->mhd, &timeout_ms) == MHD_YES) {
        (void)uv_timer_start(httpd->timer, on_timer, timeout_ms, 0);
    } else {
        (void)uv_timer_stop(httpd->timer);
    }
    check_drained(httpd);
}

void ps_httpd_kick(struct ps_httpd *httpd)
{
    if (!httpd->running) {
        (void)uv_timer_start(httpd->timer, on_timer, 0, 0);
    }
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    run(poll->data);
}

/* --- connections --- */

static void connection_add(struct ps_httpd *httpd, struct MHD_Connection *mhd, void **context)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct ps_httpd_connection *connection = calloc(1, sizeof(*connection));

    *context = connection;
    if (connection == NULL || info == NULL) {
        return; /* without a deadline of its own */
    }
    connection->httpd = httpd;
    connection->fd = info->connect_fd;
    connection->waiting_from_ms = uv_now(httpd->loop);
    connection->next = httpd->connections;
    if (connection->next != NULL) {
        connection->next->link = &connection->next;
    }
    httpd->connections = connection;
    connection->link = &httpd->connections;
    httpd->connection_count++;
}

static void connection_remove(struct ps_httpd_connection *connection)
{
    if (connection == NULL) {
        return;
    }
    if (connection->link != NULL) {
        *connection->link = connection->next;
        if (connection->next != NULL) {
            connection->next->link = connection->link;
        }
        connection->httpd->connection_count--;
    }
    free(connection);
}

static void on_connection(void *user, struct MHD_Connection *mhd, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    switch (what) {
    case MHD_CONNECTION_NOTIFY_STARTED:
        connection_add(user, mhd, context);
        break;
    case MHD_CONNECTION_NOTIFY_CLOSED:
        connection_remove(*context);
        *context = NULL;
        break;
    default:
        break;
    }
}

struct ps_httpd_connection *ps_httpd_connection_of(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info != NULL ? info->socket_context : NULL;
}

/* libmicrohttpd's own timeout starts again with every byte: a client that sends one now and then would never end. Shut
 * down here, the socket reads as ended, and libmicrohttpd closes it. */
static void on_sweep(uv_timer_t *timer)
{
    struct ps_httpd *httpd = timer->data;
    uint64_t now_ms = uv_now(httpd->loop);

    for (struct ps_httpd_connection *connection = httpd->connections; connection != NULL;
         connection = connection->next) {
        uint64_t waited_ms = now_ms - connection->waiting_from_ms;

        if (!connection->has_request && (waited_ms > httpd->header_timeout_ms || httpd->draining)) {
            (void)shutdown(connection->fd, SHUT_RDWR);
        }
        if (connection->request != NULL && connection->request->blocked &&
            now_ms - connection->request->pushed_at_ms > httpd->stall_timeout_ms) {
            ps_httpd_request_cut(connection->request);
        }
    }
}

/* --- start and end --- */

static void on_mhd_log(void *user, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

static void on_mhd_log(void *user, const char *format, va_list args)
{
    struct ps_httpd *httpd = user;
    char text[256];
    size_t length;

    (void)vsnprintf(text, sizeof(text), format, args);
    length = strlen(text);
    while (length > 0 && text[length - 1] == '\n') {
        text[--length] = '\0';
    }
    ps_log(httpd->log, PS_LOG_DEBUG, httpd->name, "%s", text);
}

/* Targets and arguments are decoded by target.c, which refuses what libmicrohttpd would let pass. */
static size_t leave_escaped(void *user, struct MHD_Connection *mhd, char *text)
{
    (void)user;
    (void)mhd;
    return strlen(text);
}

static enum ps_code read_pem(const char *path, char **text_out, struct ps_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *text = malloc(PEM_LIMIT_BYTES + 1);
    ssize_t got_bytes = -1;
    enum ps_code code = PS_OK;

    if (text == NULL) {
        code = ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    } else if (fd >= 0) {
        got_bytes = read(fd, text, PEM_LIMIT_BYTES);
    }
    if (code == PS_OK && got_bytes < 0) {
        code = ps_err_set_errno(err, errno, "%s", path);
    }
    if (code == PS_OK) {
        text[got_bytes] = '\0';
        *text_out = text;
        text = NULL;
    }
    free(text);
    if (fd >= 0) {
        (void)close(fd);
    }
    return code;
}

static enum ps_code start_mhd(struct ps_httpd *httpd, const struct ps_httpd_options *options,
                              const char *cert, const char *key, struct ps_err *err)
{
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    struct MHD_OptionItem tls[] = {
        { MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)TLS_PRIORITIES },
        { MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)cert },
        { MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)key },
        { MHD_OPTION_END, 0, NULL },
    };

    if (cert == NULL) {
        tls[0].option = MHD_OPTION_END;
    } else {
        flags |= MHD_USE_TLS;
    }
    httpd->mhd = MHD_start_daemon(
        flags, 0, NULL, NULL, ps_httpd_on_call, httpd, MHD_OPTION_EXTERNAL_LOGGER, on_mhd_log,
        httpd, MHD_OPTION_LISTEN_SOCKET, httpd->listen_fd, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        options->header_limit_bytes, MHD_OPTION_CONNECTION_LIMIT, options->connections_max,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, options->connections_per_address_max,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)((options->stall_timeout_ms + 999) / 1000),
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1,
        MHD_OPTION_URI_LOG_CALLBACK, ps_httpd_on_target, httpd, MHD_OPTION_UNESCAPE_CALLBACK,
        leave_escaped, NULL, MHD_OPTION_NOTIFY_COMPLETED, ps_httpd_on_completed, httpd,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, httpd, MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
    if (httpd->mhd == NULL) {
        return ps_err_set(err, PS_E_INVALID, "%s: cannot serve%s", options->listen,
                          cert != NULL ? ": see that certificate and key are PEM and match" : "");
    }
    return PS_OK;
}

static enum ps_code watch(struct ps_httpd *httpd, struct ps_err *err)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(httpd->mhd, MHD_DAEMON_INFO_EPOLL_FD);
    uv_poll_t *poll = malloc(sizeof(*poll));

    httpd->timer = ps_uv_timer_new(httpd->loop, httpd);
    httpd->sweep = ps_uv_timer_new(httpd->loop, httpd);
    if (info == NULL || poll == NULL || httpd->timer == NULL || httpd->sweep == NULL ||
        uv_poll_init(httpd->loop, poll, info->epoll_fd) != 0) {
        free(poll);
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    poll->data = httpd;
    httpd->poll = poll;
    (void)uv_poll_start(poll, UV_READABLE, on_readable);
    (void)uv_timer_start(httpd->sweep, on_sweep, SWEEP_INTERVAL_MS, SWEEP_INTERVAL_MS);
    return ps_httpd_pushes_new(httpd, err);
}

static enum ps_code start(struct ps_httpd *httpd, const struct ps_httpd_options *options,
                          struct ps_err *err)
{
    bool has_tls = options->tls_cert_file != NULL && options->tls_cert_file[0] != '\0';
    bool has_key = options->tls_key_file != NULL && options->tls_key_file[0] != '\0';
    char *cert = NULL;
    char *key = NULL;
    enum ps_code code = ps_listen_open(options->listen, &httpd->listen_fd, httpd->address,
                                       sizeof(httpd->address), &httpd->unix_path, err);

    if (code == PS_OK && has_tls != has_key) {
        code =
            ps_err_set(err, PS_E_INVALID, "%s: TLS takes both tls_cert and tls_key", options->name);
    }
    if (code == PS_OK && has_tls) {
        code = read_pem(options->tls_cert_file, &cert, err);
    }
    if (code == PS_OK && has_tls) {
        code = read_pem(options->tls_key_file, &key, err);
    }
    httpd->has_tls = has_tls;
    if (code == PS_OK) {
        code = start_mhd(httpd, options, cert, key, err);
    }
    if (code == PS_OK) {
        code = watch(httpd, err);
    }
    free(cert);
    if (key != NULL) {
        explicit_bzero(key, strlen(key));
    }
    free(key);
    return code;
}

enum ps_code ps_httpd_new(struct ps_httpd **httpd_out, const struct ps_httpd_options *options,
                          struct ps_err *err)
{
    struct ps_httpd *httpd = calloc(1, sizeof(*httpd));
    enum ps_code code;

    if (httpd == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    httpd->loop = options->loop;
    httpd->log = options->log;
    httpd->name = ps_strdup(options->name);
    httpd->listen_fd = -1;
    httpd->header_limit_bytes = options->header_limit_bytes;
    httpd->header_timeout_ms = options->header_timeout_ms;
    httpd->stall_timeout_ms = options->stall_timeout_ms;
    httpd->on_request = options->on_request;
    httpd->on_end = options->on_end;
    httpd->user = options->user;
    code = start(httpd, options, err);
    if (code != PS_OK) {
        ps_httpd_free(httpd);
        return code;
    }
    *httpd_out = httpd;
    return PS_OK;
}

static void stop_listening(struct ps_httpd *httpd)
{
    if (httpd->listen_fd < 0) {
        return;
    }
    if (httpd->mhd != NULL) {
        (void)MHD_quiesce_daemon(httpd->mhd);
    }
    (void)close(httpd->listen_fd);
    httpd->listen_fd = -1;
    if (httpd->unix_path != NULL) {
        (void)unlink(httpd->unix_path);
    }
}

void ps_httpd_free(struct ps_httpd *httpd)
{
    if (httpd == NULL) {
        return;
    }
    stop_listening(httpd);
    ps_uv_handle_close((uv_handle_t *)httpd->poll); /* before its descriptor is closed */
    ps_uv_handle_close((uv_handle_t *)httpd->timer);
    ps_uv_handle_close((uv_handle_t *)httpd->sweep);
    httpd->running = true; /* no timer is started any more */
    if (httpd->mhd != NULL) {
        for (struct ps_httpd_connection *connection = httpd->connections; connection != NULL;
             connection = connection->next) {
            (void)shutdown(connection->fd, SHUT_RDWR);
            if (connection->request != NULL) {
                ps_httpd_request_cut(connection->request);
            }
        }
        MHD_stop_daemon(httpd->mhd);
    }
    ps_httpd_pushes_free(httpd);
    free(httpd->unix_path);
    free(httpd->name);
    free(httpd);
}

const char *ps_httpd_address(const struct ps_httpd *httpd)
{
    return httpd->address;
}

size_t ps_httpd_connection_count(const struct ps_httpd *httpd)
{
    return httpd->connection_count;
}

void ps_httpd_drain(struct ps_httpd *httpd, void (*drained)(void *user), void *user)
{
    httpd->drained = drained;
    httpd->drained_user = user;
    httpd->draining = true;
    stop_listening(httpd);
    on_sweep(httpd->sweep);
    ps_httpd_kick(httpd);
}
