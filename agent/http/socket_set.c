#include "http/socket_set.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

/**
 * Events taken on one turn of the loop. Lower: more system calls. Higher: whoever asks for something new waits longer while
 * thousands of streams go on, some 50 us for each.
 */
enum {
    BATCH_MAX = 8
};

struct ps_socket_set {
    uv_poll_t poll;
    int epoll_fd;
    ps_socket_set_fn on_event;
    void *user;
    struct epoll_event batch[BATCH_MAX];
    int batch_count;
    int batch_next; /* events before it were handed out */
    size_t added_count;
    bool closing;
};

static int events_of(uint32_t epoll_events)
{
    int events = 0;

    if ((epoll_events & (EPOLLERR | EPOLLHUP)) != 0) {
        return UV_READABLE | UV_WRITABLE;
    }
    events |= (epoll_events & (EPOLLIN | EPOLLRDHUP)) != 0 ? UV_READABLE : 0;
    events |= (epoll_events & EPOLLOUT) != 0 ? UV_WRITABLE : 0;
    return events;
}

static void on_readable(uv_poll_t *poll, int status, int poll_events)
{
    struct ps_socket_set *set = poll->data;

    (void)status;
    (void)poll_events;
    set->batch_next = 0;
    set->batch_count = epoll_wait(set->epoll_fd, set->batch, BATCH_MAX, 0);
    while (!set->closing && set->batch_next < set->batch_count) {
        const struct epoll_event *event = &set->batch[set->batch_next++];

        if (event->data.fd >= 0) {
            set->on_event(set->user, event->data.fd, events_of(event->events));
        }
    }
    set->batch_count = 0;
}

static void free_set(uv_handle_t *handle)
{
    struct ps_socket_set *set = handle->data;

    (void)close(set->epoll_fd);
    free(set);
}

enum ps_code ps_socket_set_new(struct ps_socket_set **set_out, uv_loop_t *loop,
                               ps_socket_set_fn on_event, void *user, struct ps_err *err)
{
    struct ps_socket_set *set = calloc(1, sizeof(*set));

    if (set == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    set->on_event = on_event;
    set->user = user;
    set->poll.data = set;
    set->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (set->epoll_fd < 0) {
        free(set);
        return ps_err_set_errno(err, errno, "epoll");
    }
    if (uv_poll_init(loop, &set->poll, set->epoll_fd) != 0) {
        (void)close(set->epoll_fd);
        free(set);
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    (void)uv_poll_start(&set->poll, UV_READABLE, on_readable);
    uv_unref((uv_handle_t *)&set->poll); /* until there is a socket to wait for */
    *set_out = set;
    return PS_OK;
}

void ps_socket_set_close(struct ps_socket_set *set)
{
    if (set != NULL) {
        set->closing = true;
        uv_close((uv_handle_t *)&set->poll, free_set);
    }
}

static bool control(const struct ps_socket_set *set, int what, int fd, int events, uint32_t mode)
{
    struct epoll_event event = { .events = mode, .data.fd = fd };

    event.events |= (events & UV_READABLE) != 0 ? EPOLLIN : 0U;
    event.events |= (events & UV_WRITABLE) != 0 ? EPOLLOUT : 0U;
    return epoll_ctl(set->epoll_fd, what, fd, &event) == 0;
}

static bool add(struct ps_socket_set *set, int fd, int events, uint32_t mode)
{
    if (!control(set, EPOLL_CTL_ADD, fd, events, mode)) {
        return false;
    }
    if (set->added_count++ == 0) {
        uv_ref((uv_handle_t *)&set->poll);
    }
    return true;
}

bool ps_socket_set_add(struct ps_socket_set *set, int fd, int events)
{
    return add(set, fd, events, 0);
}

bool ps_socket_set_add_edge(struct ps_socket_set *set, int fd, int events)
{
    return add(set, fd, events, EPOLLET);
}

bool ps_socket_set_change(struct ps_socket_set *set, int fd, int events)
{
    return control(set, EPOLL_CTL_MOD, fd, events, 0);
}

void ps_socket_set_forget(struct ps_socket_set *set, int fd)
{
    if (--set->added_count == 0) {
        uv_unref((uv_handle_t *)&set->poll);
    }
    (void)control(set, EPOLL_CTL_DEL, fd, 0, 0);
    /* An event of it that waits in the batch would reach the next socket of this number. */
    for (int i = set->batch_next; i < set->batch_count; i++) {
        if (set->batch[i].data.fd == fd) {
            set->batch[i].data.fd = -1;
        }
    }
}
