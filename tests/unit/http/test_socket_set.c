/* Real sockets, as the set's whole work is done by the kernel. */
#include "http/socket_set.h"

#include <criterion/criterion.h>
#include <sys/socket.h>
#include <unistd.h>

TestSuite(socket_set, .timeout = 10);

struct seen {
    struct ps_socket_set *set;
    int count;
    int fd;
    int events;
    int forget; /* fd to forget at the first event; -1 = none */
};

static void on_event(void *user, int fd, int events)
{
    struct seen *seen = user;

    seen->count++;
    seen->fd = fd;
    seen->events = events;
    if (seen->forget >= 0 && seen->forget != fd) {
        ps_socket_set_forget(seen->set, seen->forget);
        seen->forget = -1;
    }
}

struct fixture {
    uv_loop_t loop;
    struct seen seen;
    int one[2];
    int other[2];
};

static void open_all(struct fixture *f)
{
    *f = (struct fixture){ .seen.forget = -1 };
    cr_assert_eq(uv_loop_init(&f->loop), 0);
    cr_assert_eq(ps_socket_set_new(&f->seen.set, &f->loop, on_event, &f->seen, NULL), PS_OK);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, f->one), 0);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, f->other), 0);
}

static void close_all(struct fixture *f)
{
    ps_socket_set_close(f->seen.set);
    (void)uv_run(&f->loop, UV_RUN_DEFAULT);
    cr_assert_eq(uv_loop_close(&f->loop), 0, "the set is gone from the loop");
    for (size_t i = 0; i < 2; i++) {
        (void)close(f->one[i]);
        (void)close(f->other[i]);
    }
}

Test(socket_set, tells_what_it_was_asked_for)
{
    struct fixture f;

    open_all(&f);
    cr_assert(ps_socket_set_add(f.seen.set, f.one[0], UV_WRITABLE));
    (void)uv_run(&f.loop, UV_RUN_ONCE);
    cr_assert_eq(f.seen.fd, f.one[0]);
    cr_assert_eq(f.seen.events, UV_WRITABLE);

    cr_assert(ps_socket_set_change(f.seen.set, f.one[0], UV_READABLE));
    f.seen.count = 0;
    (void)uv_run(&f.loop, UV_RUN_NOWAIT);
    cr_assert_eq(f.seen.count, 0, "there is nothing to read");
    cr_assert_eq(write(f.one[1], "x", 1), 1);
    (void)uv_run(&f.loop, UV_RUN_ONCE);
    cr_assert_eq(f.seen.events, UV_READABLE);
    close_all(&f);
}

Test(socket_set, tells_an_edge_once_and_again_after_a_full_buffer)
{
    struct fixture f;
    char block[4096] = { 0 };

    open_all(&f);
    cr_assert(ps_socket_set_add_edge(f.seen.set, f.one[0], UV_WRITABLE));
    (void)uv_run(&f.loop, UV_RUN_ONCE);
    cr_assert_eq(f.seen.events, UV_WRITABLE);
    f.seen.count = 0;
    (void)uv_run(&f.loop, UV_RUN_NOWAIT);
    cr_assert_eq(f.seen.count, 0, "it was told");
    while (send(f.one[0], block, sizeof(block), MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
    }
    (void)uv_run(&f.loop, UV_RUN_NOWAIT);
    cr_assert_eq(f.seen.count, 0, "there is no room");
    while (recv(f.one[1], block, sizeof(block), MSG_DONTWAIT) > 0) {
    }
    (void)uv_run(&f.loop, UV_RUN_ONCE);
    cr_assert_eq(f.seen.count, 1);
    ps_socket_set_forget(f.seen.set, f.one[0]);
    close_all(&f);
}

Test(socket_set, keeps_the_loop_alive_only_while_it_has_sockets)
{
    struct fixture f;

    open_all(&f);
    cr_assert_eq(uv_loop_alive(&f.loop), 0);
    cr_assert(ps_socket_set_add(f.seen.set, f.one[0], UV_READABLE));
    cr_assert_neq(uv_loop_alive(&f.loop), 0);
    ps_socket_set_forget(f.seen.set, f.one[0]);
    cr_assert_eq(uv_loop_alive(&f.loop), 0);
    close_all(&f);
}

Test(socket_set, an_event_of_a_socket_that_was_forgotten_is_not_told)
{
    struct fixture f;

    open_all(&f);
    cr_assert(ps_socket_set_add(f.seen.set, f.one[0], UV_WRITABLE));
    cr_assert(ps_socket_set_add(f.seen.set, f.other[0], UV_WRITABLE));
    f.seen.forget = f.other[0]; /* whichever comes first forgets it, unless it is itself */

    (void)uv_run(&f.loop, UV_RUN_ONCE);

    cr_assert_eq(f.seen.fd, f.one[0], "epoll hands out in the order of adding");
    cr_assert_eq(f.seen.count, 1);
    close_all(&f);
}

Test(socket_set, a_closed_peer_is_told_as_something_to_read)
{
    struct fixture f;

    open_all(&f);
    cr_assert(ps_socket_set_add(f.seen.set, f.one[0], UV_WRITABLE));
    (void)close(f.one[1]);
    f.one[1] = -1;
    (void)uv_run(&f.loop, UV_RUN_ONCE);
    cr_assert((f.seen.events & UV_READABLE) != 0, "a read says what happened");
    close_all(&f);
}
