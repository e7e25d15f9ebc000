#include "serve/listen.h"

#include "base/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/** Connections waiting to be accepted; the kernel's own limit is 4096. */
#define BACKLOG 1024

static enum ps_code bad_address(const char *text, struct ps_err *err)
{
    return ps_err_set(err, PS_E_INVALID,
                      "%s: is no address: write 127.0.0.1:8080, [::1]:8080 or unix:/path", text);
}

static enum ps_code parse(const char *text, struct sockaddr_storage *address, socklen_t *size,
                          struct ps_err *err)
{
    struct sockaddr_in *v4 = (void *)address;
    struct sockaddr_in6 *v6 = (void *)address;
    const char *colon = strrchr(text, ':');
    uint64_t port = 0;
    char host[64];

    if (colon == NULL || !ps_u64_parse(colon + 1, &port) || port > UINT16_MAX ||
        (size_t)(colon - text) >= sizeof(host)) {
        return bad_address(text, err);
    }
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    memset(address, 0, sizeof(*address));
    if (host[0] == '[' && host[strlen(host) - 1] == ']') {
        host[strlen(host) - 1] = '\0';
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)port);
        *size = sizeof(*v6);
        return inet_pton(AF_INET6, host + 1, &v6->sin6_addr) == 1 ? PS_OK : bad_address(text, err);
    }
    v4->sin_family = AF_INET;
    v4->sin_port = htons((uint16_t)port);
    *size = sizeof(*v4);
    if (host[0] != '\0' && inet_pton(AF_INET, host, &v4->sin_addr) != 1) {
        return bad_address(text, err);
    }
    return PS_OK;
}

static enum ps_code bind_failed(const char *text, struct ps_err *err)
{
    if (errno == EADDRINUSE) {
        return ps_err_set(err, PS_E_LOCKED, "%s: another process listens there", text);
    }
    return ps_err_set_errno(err, errno, "%s: listen", text);
}

static void say_address(int fd, char *text, size_t text_size_bytes)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof(address);
    char host[INET6_ADDRSTRLEN] = "";

    memset(&address, 0, sizeof(address));
    if (getsockname(fd, (struct sockaddr *)&address, &size) != 0) {
        return;
    }
    if (address.ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const void *)&address;

        (void)inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
        (void)snprintf(text, text_size_bytes, "[%s]:%u", host, (unsigned)ntohs(v6->sin6_port));
    } else {
        const struct sockaddr_in *v4 = (const void *)&address;

        (void)inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
        (void)snprintf(text, text_size_bytes, "%s:%u", host, (unsigned)ntohs(v4->sin_port));
    }
}

static enum ps_code open_inet(const char *text, int *fd_out, char *address,
                              size_t address_size_bytes, struct ps_err *err)
{
    struct sockaddr_storage wanted;
    socklen_t size = 0;
    int on = 1;
    int fd = -1;
    enum ps_code code = parse(text, &wanted, &size, err);

    if (code != PS_OK) {
        return code;
    }
    fd = socket(wanted.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return ps_err_set_errno(err, errno, "%s: socket", text);
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&wanted, size) != 0 || listen(fd, BACKLOG) != 0) {
        code = bind_failed(text, err);
        (void)close(fd);
        return code;
    }
    say_address(fd, address, address_size_bytes);
    *fd_out = fd;
    return PS_OK;
}

/* True when somebody answers at the socket file. */
static bool is_alive(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool alive = fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0;

    if (fd >= 0) {
        (void)close(fd);
    }
    return alive;
}

static enum ps_code bind_unix(int fd, const struct sockaddr_un *address, struct ps_err *err)
{
    mode_t mask = umask(0177); /* 0600 from the first moment on */
    int failed = bind(fd, (const struct sockaddr *)address, sizeof(*address));

    if (failed != 0 && errno == EADDRINUSE && !is_alive(address)) {
        (void)unlink(address->sun_path);
        failed = bind(fd, (const struct sockaddr *)address, sizeof(*address));
    }
    (void)umask(mask);
    if (failed != 0 || listen(fd, BACKLOG) != 0) {
        return bind_failed(address->sun_path, err);
    }
    return PS_OK;
}

static enum ps_code open_unix(const char *path, int *fd_out, char **path_out, struct ps_err *err)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    char *copy = NULL;
    int fd = -1;
    enum ps_code code;

    if (strlen(path) >= sizeof(address.sun_path)) {
        return ps_err_set(err, PS_E_INVALID, "%s: the path of a socket has at most %zu bytes", path,
                          sizeof(address.sun_path) - 1);
    }
    ps_str_copy(address.sun_path, sizeof(address.sun_path), path);
    copy = ps_strdup(path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (copy == NULL || fd < 0) {
        code = ps_err_set_errno(err, errno, "%s: socket", path);
    } else {
        code = bind_unix(fd, &address, err);
    }
    if (code != PS_OK) {
        free(copy);
        if (fd >= 0) {
            (void)close(fd);
        }
        return code;
    }
    *fd_out = fd;
    *path_out = copy;
    return PS_OK;
}

enum ps_code ps_listen_open(const char *text, int *fd_out, char *address, size_t address_size_bytes,
                            char **unix_path_out, struct ps_err *err)
{
    *unix_path_out = NULL;
    if (ps_str_has_prefix(text, "unix:")) {
        ps_str_copy(address, address_size_bytes, text);
        return open_unix(text + strlen("unix:"), fd_out, unix_path_out, err);
    }
    return open_inet(text, fd_out, address, address_size_bytes, err);
}
