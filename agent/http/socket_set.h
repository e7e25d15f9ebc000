/**
 * socket_set - many sockets that come and go, in one epoll(7) set that the loop watches.
 *
 * Flow:    http_client.c, serve/httpd_push.c -> [socket_set] -> the loop
 * Thread:  the loop thread only
 * Source:  epoll(7): a set is readable when a socket in it is; libuv 1.44 uv_poll_*: eight epoll_ctl(2) for a socket that
 *          connects, sends and receives once, against three here
 */
#ifndef PS_HTTP_SOCKET_SET_H
#define PS_HTTP_SOCKET_SET_H

#include "base/err.h"

#include <stdbool.h>
#include <uv.h>

struct ps_socket_set;

/** events: UV_READABLE, UV_WRITABLE; both after an error, which a read will tell. May add, change and forget. */
typedef void (*ps_socket_set_fn)(void *user, int fd, int events);

/** Errors: PS_E_NO_MEMORY, PS_E_IO. */
PS_MUST_USE enum ps_code ps_socket_set_new(struct ps_socket_set **set_out, uv_loop_t *loop,
                                           ps_socket_set_fn on_event, void *user,
                                           struct ps_err *err);

/** Freed on a later turn of the loop; on_event is not called any more. NULL is allowed. */
void ps_socket_set_close(struct ps_socket_set *set);

/** Watch fd for events from now on; while a socket is watched the loop is alive. False when the kernel refuses. */
PS_MUST_USE bool ps_socket_set_add(struct ps_socket_set *set, int fd, int events);

/** The same, but an event is told once, when it sets in: what is writable is told again after a send(2) that found no room. */
PS_MUST_USE bool ps_socket_set_add_edge(struct ps_socket_set *set, int fd, int events);

/** Watch fd, which was added, for other events. */
PS_MUST_USE bool ps_socket_set_change(struct ps_socket_set *set, int fd, int events);

/** Watch fd no more. To be called before it is closed. */
void ps_socket_set_forget(struct ps_socket_set *set, int fd);

#endif
