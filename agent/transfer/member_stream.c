#include "transfer/member_stream.h"

#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/** What the store reads ahead. */
#define RECEIVE_BYTES ((size_t)64 * 1024)

/** Rows of a list are handed on in pieces of about this. */
#define ROWS_BYTES ((size_t)16 * 1024)

struct ps_member_stream {
    uv_loop_t *loop;
    struct ps_store *store;
    char *key;
    char *etag;
    uint64_t size_bytes;
    void (*on_open)(void *user, const struct ps_member *member);
    void (*on_ready)(void *user);
    void *user;

    struct ps_store_op *op;
    uint64_t received_bytes;
    uint64_t asked_count; /* requests of the thread that were answered */
    int feed_fd;          /* where bytes of the store go; -1 = none is open */
    uv_poll_t *feed_poll; /* while a block waits for room in the pipe */
    char *block;          /* RECEIVE_BYTES */
    size_t block_used_bytes;
    size_t block_taken_bytes;
    bool received;      /* the whole range is in the block or the pipe */
    int descriptors_fd; /* where descriptors go to the thread */
    int out_fd;         /* what the thread made */
    uv_poll_t *out_poll;
    bool opened;
    bool ended; /* the thread has */
    struct ps_err store_err;
    struct ps_err err;
    uv_async_t *async;
    uv_thread_t thread;

    /* The thread's, but for what is atomic. */
    struct ps_members_options members;
    char *member;
    enum ps_code (*format)(void *user, const struct ps_member *member, struct ps_buf *buf,
                           struct ps_err *err);
    void *format_user;
    int thread_descriptors_fd;
    int thread_in_fd;
    int thread_out_fd;
    struct ps_buf rows;
    struct ps_member found;
    bool has_found;
    enum ps_code thread_code;
    struct ps_err thread_err;
    atomic_uint_fast64_t wanted_offset_bytes;
    atomic_uint_fast64_t wanted_count;
    atomic_bool is_found; /* found may be read */
    atomic_bool has_ended;
    atomic_bool is_stopped;
};

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        (void)close(*fd);
        *fd = -1;
    }
}

static void free_handle(uv_handle_t *handle)
{
    free(handle);
}

static void close_poll(uv_poll_t **poll)
{
    if (*poll != NULL) {
        uv_close((uv_handle_t *)*poll,
                 free_handle); /* stops at once: its descriptor may be closed */
        *poll = NULL;
    }
}

/* --- the thread --- */

/* Bytes from an offset on: the loop answers with a descriptor. */
static bool open_at(struct ps_member_stream *stream, uint64_t offset_bytes, struct ps_err *err)
{
    int fd = -1;
    ssize_t got_bytes;

    close_fd(&stream->thread_in_fd);
    atomic_store(&stream->wanted_offset_bytes, offset_bytes);
    (void)atomic_fetch_add(&stream->wanted_count, 1);
    (void)uv_async_send(stream->async);
    do {
        got_bytes = read(stream->thread_descriptors_fd, &fd, sizeof(fd));
    } while (got_bytes < 0 && errno == EINTR);
    if (got_bytes != (ssize_t)sizeof(fd)) {
        (void)ps_err_set(err, PS_E_CANCELLED, "given up");
        return false;
    }
    stream->thread_in_fd = fd;
    return true;
}

static bool pull(void *user, void *into, size_t size, size_t *got_out, struct ps_err *err)
{
    struct ps_member_stream *stream = user;
    ssize_t got_bytes;

    if (stream->thread_in_fd < 0 && !open_at(stream, 0, err)) {
        return false;
    }
    do {
        got_bytes = read(stream->thread_in_fd, into, size);
    } while (got_bytes < 0 && errno == EINTR);
    if (got_bytes < 0) {
        (void)ps_err_set_errno(err, errno, "pipe");
        return false;
    }
    *got_out = (size_t)got_bytes;
    return true;
}

static bool seek(void *user, uint64_t offset_bytes, struct ps_err *err)
{
    return open_at(user, offset_bytes, err);
}

static bool is_stopped(void *user)
{
    struct ps_member_stream *stream = user;

    return atomic_load(&stream->is_stopped);
}

static bool on_data(void *user, const void *data, size_t size_bytes, struct ps_err *err)
{
    struct ps_member_stream *stream = user;
    const char *at = data;

    while (size_bytes > 0) {
        ssize_t put_bytes = write(stream->thread_out_fd, at, size_bytes);

        if (put_bytes < 0 && errno == EINTR) {
            continue;
        }
        if (put_bytes < 0) {
            (void)ps_err_set(err, PS_E_CANCELLED, "the reader went");
            return false;
        }
        at += put_bytes;
        size_bytes -= (size_t)put_bytes;
    }
    return true;
}

static void tell_found(struct ps_member_stream *stream, const struct ps_member *member)
{
    stream->found = *member;
    stream->found.name = NULL;
    stream->found.link_target = NULL;
    stream->has_found = true;
    atomic_store(&stream->is_found, true);
    (void)uv_async_send(stream->async);
}

static bool send_rows(struct ps_member_stream *stream, struct ps_err *err)
{
    bool sent = on_data(stream, ps_buf_peek(&stream->rows), stream->rows.size_bytes, err);

    ps_buf_rewind(&stream->rows);
    return sent;
}

static enum ps_member_wish list_member(struct ps_member_stream *stream,
                                       const struct ps_member *member, struct ps_err *err)
{
    static const struct ps_member none = { .kind = PS_MEMBER_OTHER };

    if (!stream->has_found) {
        tell_found(stream, &none); /* it is an archive */
    }
    if (stream->format(stream->format_user, member, &stream->rows, err) != PS_OK ||
        (stream->rows.size_bytes >= ROWS_BYTES && !send_rows(stream, err))) {
        return PS_MEMBER_FAIL;
    }
    return PS_MEMBER_NEXT;
}

static enum ps_member_wish on_member(void *user, const struct ps_member *member, struct ps_err *err)
{
    struct ps_member_stream *stream = user;

    if (stream->member == NULL) {
        return list_member(stream, member, err);
    }
    if (strcmp(member->name, stream->member) != 0) {
        return PS_MEMBER_NEXT;
    }
    if (member->kind != PS_MEMBER_FILE) {
        (void)ps_err_set(err, PS_E_NOT_FOUND, "%.150s: is no file that can be read%s%.60s",
                         member->name, member->link_target != NULL ? ", but a link to " : "",
                         member->link_target != NULL ? member->link_target : "");
        return PS_MEMBER_FAIL;
    }
    tell_found(stream, member);
    return PS_MEMBER_READ;
}

static enum ps_code end_list(struct ps_member_stream *stream, struct ps_err *err)
{
    static const struct ps_member none = { .kind = PS_MEMBER_OTHER };
    enum ps_code code = stream->format(stream->format_user, NULL, &stream->rows, err);

    if (code == PS_OK && !stream->has_found) {
        tell_found(stream, &none);
    }
    return code == PS_OK && !send_rows(stream, err) ? err->code : code;
}

static void run_thread(void *user)
{
    struct ps_member_stream *stream = user;
    enum ps_code code = ps_archive_members(&stream->members, &stream->thread_err);

    if (code == PS_OK && stream->member == NULL) {
        code = end_list(stream, &stream->thread_err);
    } else if (code == PS_OK && !stream->has_found) {
        code =
            ps_err_set(&stream->thread_err, PS_E_NOT_FOUND, "%.200s: is not in it", stream->member);
    }
    stream->thread_code = code;
    close_fd(&stream->thread_in_fd);
    atomic_store(&stream->has_ended, true);
    (void)uv_async_send(stream->async);
}

/* --- from the store into the pipe --- */

static void close_feed(struct ps_member_stream *stream)
{
    close_poll(&stream->feed_poll);
    close_fd(&stream->feed_fd);
    stream->block_used_bytes = 0;
    stream->block_taken_bytes = 0;
    stream->received = false;
}

/* Not from within a call of the store. */
static void stop_feed(struct ps_member_stream *stream)
{
    ps_store_cancel(stream->op);
    stream->op = NULL;
    close_feed(stream);
}

static void on_feed_room(uv_poll_t *poll, int status, int events);

/* What waits in the block, as far as there is room. */
static void push_block(struct ps_member_stream *stream)
{
    while (stream->block_taken_bytes < stream->block_used_bytes) {
        ssize_t put_bytes = write(stream->feed_fd, stream->block + stream->block_taken_bytes,
                                  stream->block_used_bytes - stream->block_taken_bytes);

        if (put_bytes < 0 && errno == EINTR) {
            continue;
        }
        if (put_bytes < 0 && errno == EAGAIN) {
            (void)uv_poll_start(stream->feed_poll, UV_WRITABLE, on_feed_room);
            return;
        }
        if (put_bytes < 0) {
            close_feed(stream); /* the thread has enough */
            return;
        }
        stream->block_taken_bytes += (size_t)put_bytes;
    }
    stream->block_used_bytes = 0;
    stream->block_taken_bytes = 0;
    if (stream->received) {
        close_feed(stream); /* the thread reads the end */
    }
}

static void on_feed_room(uv_poll_t *poll, int status, int events)
{
    struct ps_member_stream *stream = poll->data;

    (void)status;
    (void)events;
    (void)uv_poll_stop(poll);
    push_block(stream);
    if (stream->feed_fd < 0) {
        stop_feed(stream);
    } else if (stream->block_used_bytes == 0) {
        ps_store_wake(stream->op);
    }
}

static enum ps_push on_store_data(void *user, const void *data, size_t size_bytes)
{
    struct ps_member_stream *stream = user;

    if (stream->feed_fd < 0 || size_bytes > RECEIVE_BYTES) {
        return PS_PUSH_STOP;
    }
    if (stream->block_used_bytes > 0) {
        return PS_PUSH_PAUSE;
    }
    memcpy(stream->block, data, size_bytes);
    stream->block_used_bytes = size_bytes;
    stream->received_bytes += size_bytes;
    push_block(stream);
    return stream->feed_fd < 0             ? PS_PUSH_STOP
           : stream->block_used_bytes == 0 ? PS_PUSH_TAKEN
                                           : PS_PUSH_FULL;
}

static void on_received(void *user, const struct ps_err *err)
{
    struct ps_member_stream *stream = user;

    stream->op = NULL;
    if (err != NULL && stream->feed_fd >= 0 && stream->store_err.code == PS_OK) {
        stream->store_err = *err;
    }
    stream->received = true;
    if (stream->block_used_bytes == 0) {
        close_feed(stream);
    }
}

static enum ps_code open_feed(struct ps_member_stream *stream, int *thread_fd_out,
                              struct ps_err *err)
{
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) != 0) {
        return ps_err_set_errno(err, errno, "pipe");
    }
    *thread_fd_out = fds[0];
    stream->feed_fd = fds[1];
    stream->feed_poll = calloc(1, sizeof(*stream->feed_poll));
    if (stream->feed_poll == NULL ||
        uv_poll_init(stream->loop, stream->feed_poll, stream->feed_fd) != 0) {
        free(stream->feed_poll);
        stream->feed_poll = NULL;
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    stream->feed_poll->data = stream;
    return PS_OK; /* uv_poll_init has made it non-blocking */
}

static enum ps_code start_get(struct ps_member_stream *stream, uint64_t offset_bytes,
                              struct ps_err *err)
{
    const struct ps_get_request request = {
        .key = stream->key,
        .if_match = stream->etag[0] == '"' ? stream->etag : NULL,
        .has_range = offset_bytes > 0,
        .offset_bytes = offset_bytes,
        .length_bytes = stream->size_bytes - offset_bytes,
        .sink = { .write = on_store_data, .user = stream },
        .buffer_bytes = RECEIVE_BYTES,
    };

    stream->op = ps_store_get(stream->store, &request, on_received, stream, err);
    return stream->op != NULL ? PS_OK : err->code;
}

/* The thread waits for a descriptor. */
static void answer_thread(struct ps_member_stream *stream)
{
    uint64_t offset_bytes = atomic_load(&stream->wanted_offset_bytes);
    int thread_fd = -1;
    struct ps_err err = { .code = PS_OK };
    enum ps_code code;

    stop_feed(stream);
    code = open_feed(stream, &thread_fd, &err);
    if (code == PS_OK && offset_bytes < stream->size_bytes) {
        code = start_get(stream, offset_bytes, &err);
    }
    if (code != PS_OK && stream->store_err.code == PS_OK) {
        stream->store_err = err;
    }
    if (stream->op == NULL) {
        stop_feed(stream); /* no bytes at the end, or an error: the thread reads the end */
    }
    if (thread_fd >= 0 &&
        write(stream->descriptors_fd, &thread_fd, sizeof(thread_fd)) != sizeof(thread_fd)) {
        (void)close(thread_fd);
        thread_fd = -1;
    }
    if (thread_fd < 0) {
        close_fd(&stream->descriptors_fd); /* it gives up */
    }
}

/* --- the end --- */

static void stream_free(struct ps_member_stream *stream)
{
    int fd = -1;

    close_fd(&stream->descriptors_fd);
    while (stream->thread_descriptors_fd >= 0 &&
           read(stream->thread_descriptors_fd, &fd, sizeof(fd)) == (ssize_t)sizeof(fd)) {
        (void)close(fd); /* one that the thread did not come to take */
    }
    close_fd(&stream->thread_descriptors_fd);
    close_fd(&stream->thread_out_fd);
    close_poll(&stream->out_poll);
    close_fd(&stream->out_fd);
    if (stream->async != NULL) {
        uv_close((uv_handle_t *)stream->async, free_handle);
    }
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
    close_fd(&stream->thread_out_fd); /* now out_fd has an end */
    stop_feed(stream);
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
        answer_thread(stream);
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
    if (code == PS_OK && uv_thread_create(&stream->thread, run_thread, stream) != 0) {
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
    stream->block = malloc(RECEIVE_BYTES);
    stream->members = (struct ps_members_options){
        .size_bytes = options->size_bytes,
        .limits = options->limits,
        .pull = pull,
        .seek = seek,
        .on_member = on_member,
        .is_stopped = is_stopped,
        .on_data = on_data,
        .user = stream,
    };
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
    stop_feed(stream);
    if (!stream->ended) {
        /* Each of its waits ends by one of these, its work by is_stopped: no more than some 64 KiB are unpacked. */
        close_fd(&stream->descriptors_fd);
        close_poll(&stream->out_poll);
        close_fd(&stream->out_fd);
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
