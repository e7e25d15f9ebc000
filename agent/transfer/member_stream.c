#include "transfer/member_stream_internal.h"

#include "base/str.h"
#include "base/uv_handle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

void ps_member_stream_close_fd(int *fd)
{
    if (*fd >= 0) {
        (void)close(*fd);
        *fd = -1;
    }
}

void ps_member_stream_close_poll(uv_poll_t **poll)
{
    if (*poll != NULL) {
        ps_uv_handle_close((uv_handle_t *)*poll); /* stops at once: its descriptor may be closed */
        *poll = NULL;
    }
}

/* --- the end --- */

static void stream_free(struct ps_member_stream *stream)
{
    int fd = -1;

    ps_member_stream_close_fd(&stream->descriptors_fd);
    while (stream->thread_descriptors_fd >= 0 &&
           read(stream->thread_descriptors_fd, &fd, sizeof(fd)) == (ssize_t)sizeof(fd)) {
        (void)close(fd); /* one that the thread did not come to take */
    }
    ps_member_stream_close_fd(&stream->thread_descriptors_fd);
    ps_member_stream_close_fd(&stream->thread_out_fd);
    ps_member_stream_close_poll(&stream->out_poll);
    ps_member_stream_close_fd(&stream->out_fd);
    ps_uv_handle_close((uv_handle_t *)stream->async);
    ps_buf_clear(&stream->rows);
    free(stream->block);
    free(stream->key);
    free(stream->etag);
    free(stream->member);
    free(stream);
}

static void on_thread_ended(struct ps_member_stream *stream)
{
    (void)uv_thread_join(&stream->thread);
    stream->ended = true;
    ps_member_stream_close_fd(&stream->thread_out_fd); /* now out_fd has an end */
    ps_member_stream_stop_feed(stream);
    if (stream->thread_code != PS_OK) {
        /* What the store did is the cause of what the thread saw. */
        stream->err = stream->store_err.code != PS_OK ? stream->store_err : stream->thread_err;
    }
}

static void on_async(uv_async_t *async)
{
    struct ps_member_stream *stream = async->data;

    if (atomic_load(&stream->has_ended) && !stream->ended) {
        on_thread_ended(stream);
    }
    if (!stream->ended && stream->asked_count < atomic_load(&stream->wanted_count)) {
        stream->asked_count++; /* one at a time: the thread waits */
        ps_member_stream_answer_thread(stream);
    }
    if (atomic_load(&stream->is_found) && !stream->opened) {
        stream->opened = true;
        stream->on_open(stream->user, &stream->found);
    }
    if (stream->ended) {
        stream->on_ready(stream->user);
    }
}

/* --- public --- */

static enum ps_code open_pipes(struct ps_member_stream *stream, struct ps_err *err)
{
    int out[2];
    int descriptors[2];

    if (pipe2(out, O_CLOEXEC) != 0) {
        return ps_err_set_errno(err, errno, "pipe");
    }
    stream->out_fd = out[0];
    stream->thread_out_fd = out[1];
    if (pipe2(descriptors, O_CLOEXEC) != 0) {
        return ps_err_set_errno(err, errno, "pipe");
    }
    stream->thread_descriptors_fd = descriptors[0];
    stream->descriptors_fd = descriptors[1];
    stream->out_poll = calloc(1, sizeof(*stream->out_poll));
    stream->async = calloc(1, sizeof(*stream->async));
    if (stream->out_poll == NULL || stream->async == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    if (uv_async_init(stream->loop, stream->async, on_async) != 0) {
        free(stream->async);
        stream->async = NULL;
        return ps_err_set(err, PS_E_NO_MEMORY, "no descriptor to be had");
    }
    stream->async->data = stream;
    if (uv_poll_init(stream->loop, stream->out_poll, stream->out_fd) != 0) {
        free(stream->out_poll);
        stream->out_poll = NULL;
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    stream->out_poll->data = stream;
    return PS_OK; /* uv_poll_init has made it non-blocking */
}

static enum ps_code start(struct ps_member_stream *stream, struct ps_err *err)
{
    enum ps_code code = PS_OK;

    if (stream->key == NULL || stream->etag == NULL || stream->block == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    code = open_pipes(stream, err);
    if (code == PS_OK &&
        uv_thread_create(&stream->thread, ps_member_stream_run_thread, stream) != 0) {
        code = ps_err_set(err, PS_E_NO_MEMORY, "no thread to be had");
    }
    return code;
}

enum ps_code ps_member_stream_start(struct ps_member_stream **stream_out,
                                    const struct ps_member_stream_options *options,
                                    struct ps_err *err)
{
    struct ps_member_stream *stream = calloc(1, sizeof(*stream));
    enum ps_code code;

    if (stream == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    stream->loop = options->loop;
    stream->store = options->store;
    stream->size_bytes = options->size_bytes;
    stream->limits = options->limits;
    stream->reserve = options->reserve;
    stream->on_open = options->on_open;
    stream->on_ready = options->on_ready;
    stream->user = options->user;
    stream->format = options->format;
    stream->format_user = options->format_user;
    stream->feed_fd = -1;
    stream->descriptors_fd = -1;
    stream->out_fd = -1;
    stream->thread_descriptors_fd = -1;
    stream->thread_in_fd = -1;
    stream->thread_out_fd = -1;
    ps_buf_init(&stream->rows, 0);
    stream->key = ps_strdup(options->key);
    stream->etag = ps_strdup(options->etag);
    stream->member = options->member != NULL ? ps_strdup(options->member) : NULL;
    stream->block = malloc(PS_MEMBER_STREAM_RECEIVE_BYTES);
    if (options->member != NULL && stream->member == NULL) {
        code = ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    } else {
        code = start(stream, err);
    }
    if (code != PS_OK) {
        stream_free(stream);
        return code;
    }
    *stream_out = stream;
    return PS_OK;
}

void ps_member_stream_free(struct ps_member_stream *stream)
{
    if (stream == NULL) {
        return;
    }
    atomic_store(&stream->is_stopped, true);
    ps_member_stream_stop_feed(stream);
    if (!stream->ended) {
        /* Each of its waits ends by one of these, its work by is_stopped: no more than some 64 KiB are unpacked. */
        ps_member_stream_close_fd(&stream->descriptors_fd);
        ps_member_stream_close_poll(&stream->out_poll);
        ps_member_stream_close_fd(&stream->out_fd);
        (void)uv_thread_join(&stream->thread);
    }
    stream_free(stream);
}

static void on_out(uv_poll_t *poll, int status, int events)
{
    struct ps_member_stream *stream = poll->data;

    (void)status;
    (void)events;
    (void)uv_poll_stop(poll);
    stream->on_ready(stream->user);
}

ssize_t ps_member_stream_read(struct ps_member_stream *stream, void *into, size_t size)
{
    ssize_t got_bytes;

    do {
        got_bytes = read(stream->out_fd, into, size);
    } while (got_bytes < 0 && errno == EINTR);
    if (got_bytes > 0) {
        return got_bytes;
    }
    if (got_bytes < 0) {
        (void)uv_poll_start(stream->out_poll, UV_READABLE, on_out);
        return PS_MEMBER_STREAM_LATER;
    }
    /* The pipe's other end is closed once the thread has ended. */
    return stream->err.code != PS_OK ? PS_MEMBER_STREAM_FAILED : PS_MEMBER_STREAM_END;
}

const struct ps_err *ps_member_stream_error(const struct ps_member_stream *stream)
{
    return &stream->err;
}

uint64_t ps_member_stream_received(const struct ps_member_stream *stream)
{
    return stream->received_bytes;
}
