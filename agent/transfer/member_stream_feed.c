#include "transfer/member_stream_internal.h"

#include "sink/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/** Held by libarchive for each byte of a zip's directory: an entry of 46 bytes and its name becomes one of some 200. */
#define DIRECTORY_BYTES_FACTOR ((uint64_t)5)
/** Asked of reserve at a time. */
#define RESERVE_STEP_BYTES ((uint64_t)256 * 1024)

static void close_feed(struct ps_member_stream *stream)
{
    ps_member_stream_close_poll(&stream->feed_poll);
    ps_member_stream_close_fd(&stream->feed_fd);
    stream->block_used_bytes = 0;
    stream->block_taken_bytes = 0;
    stream->received = false;
}

void ps_member_stream_stop_feed(struct ps_member_stream *stream)
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
        ps_member_stream_stop_feed(stream);
    } else if (stream->block_used_bytes == 0) {
        ps_store_wake(stream->op);
    }
}

/* The thread must not take the pipe's end for that of the archive. */
static void cut_feed(struct ps_member_stream *stream, const struct ps_err *err)
{
    if (stream->store_err.code == PS_OK) {
        stream->store_err = *err;
    }
    atomic_store(&stream->is_cut, true);
}

static bool reserve(struct ps_member_stream *stream, uint64_t size_bytes)
{
    if (stream->reserve != NULL && !stream->reserve(stream->user, size_bytes)) {
        return false;
    }
    stream->reserved_bytes += size_bytes;
    return true;
}

/* A zip's directory is what comes before its first member, but for what was pulled to see that it is one. */
static bool may_hold_directory(struct ps_member_stream *stream, size_t size_bytes)
{
    uint64_t needed_bytes =
        DIRECTORY_BYTES_FACTOR * (stream->range_received_bytes + (uint64_t)size_bytes);

    if (stream->range_size_bytes == stream->size_bytes || atomic_load(&stream->has_begun)) {
        return true;
    }
    while (stream->reserved_bytes < needed_bytes) {
        if (!reserve(stream, RESERVE_STEP_BYTES)) {
            return false;
        }
    }
    return true;
}

/* Asked before the thread gets the bytes: what zstd needs it takes at its first ones. */
static bool may_unpack(struct ps_member_stream *stream, const char *data, size_t size_bytes)
{
    bool was_known = stream->first_size_bytes == sizeof(stream->first);

    for (size_t i = 0; i < size_bytes && stream->first_size_bytes < sizeof(stream->first); i++) {
        stream->first[stream->first_size_bytes++] = (uint8_t)data[i];
    }
    if (stream->first_size_bytes < sizeof(stream->first)) {
        return true;
    }
    if (memcmp(stream->first, "PK\3\4", 4) == 0) {
        return may_hold_directory(stream, size_bytes);
    }
    return was_known || !ps_unpack_is_zstd(stream->first) ||
           reserve(stream, PS_MEMBER_STREAM_ZSTD_MEMORY_BYTES);
}

static void give_up(struct ps_member_stream *stream)
{
    struct ps_err err = { .code = PS_OK };

    (void)ps_err_set(&err, PS_E_NO_MEMORY,
                     "this archive needs more memory than there is: try again");
    cut_feed(stream, &err);
    close_feed(stream);
}

static enum ps_push on_store_data(void *user, const void *data, size_t size_bytes)
{
    struct ps_member_stream *stream = user;

    if (stream->feed_fd < 0 || size_bytes > PS_MEMBER_STREAM_RECEIVE_BYTES) {
        return PS_PUSH_STOP;
    }
    if (stream->block_used_bytes > 0) {
        return PS_PUSH_PAUSE;
    }
    if (!may_unpack(stream, data, size_bytes)) {
        give_up(stream);
        return PS_PUSH_STOP;
    }
    memcpy(stream->block, data, size_bytes);
    stream->block_used_bytes = size_bytes;
    stream->received_bytes += size_bytes;
    stream->range_received_bytes += size_bytes;
    push_block(stream);
    return stream->feed_fd < 0             ? PS_PUSH_STOP
           : stream->block_used_bytes == 0 ? PS_PUSH_TAKEN
                                           : PS_PUSH_FULL;
}

static void on_received(void *user, const struct ps_err *err)
{
    struct ps_member_stream *stream = user;
    struct ps_err own = { .code = PS_OK };

    stream->op = NULL;
    if (stream->feed_fd >= 0 && err != NULL) {
        cut_feed(stream, err);
    } else if (stream->feed_fd >= 0 && stream->range_received_bytes < stream->range_size_bytes) {
        (void)ps_err_set(&own, PS_E_TEMPORARY, "the store sent %" PRIu64 " of %" PRIu64 " bytes",
                         stream->range_received_bytes, stream->range_size_bytes);
        cut_feed(stream, &own);
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
        .length_bytes = stream->range_size_bytes,
        .sink = { .write = on_store_data, .user = stream },
        .buffer_bytes = PS_MEMBER_STREAM_RECEIVE_BYTES,
    };

    stream->op = ps_store_get(stream->store, &request, on_received, stream, err);
    return stream->op != NULL ? PS_OK : err->code;
}

/* The thread waits for a descriptor. */
void ps_member_stream_answer_thread(struct ps_member_stream *stream)
{
    uint64_t offset_bytes = atomic_load(&stream->wanted_offset_bytes);
    int thread_fd = -1;
    struct ps_err err = { .code = PS_OK };
    enum ps_code code;

    ps_member_stream_stop_feed(stream);
    atomic_store(&stream->is_cut, false);
    stream->range_received_bytes = 0;
    stream->range_size_bytes = stream->size_bytes - offset_bytes;
    code = open_feed(stream, &thread_fd, &err);
    if (code == PS_OK && offset_bytes < stream->size_bytes) {
        code = start_get(stream, offset_bytes, &err);
    }
    if (code != PS_OK) {
        cut_feed(stream, &err);
    }
    if (stream->op == NULL) {
        ps_member_stream_stop_feed(
            stream); /* no bytes at the end, or an error: the thread reads the end */
    }
    if (thread_fd >= 0 &&
        write(stream->descriptors_fd, &thread_fd, sizeof(thread_fd)) != sizeof(thread_fd)) {
        (void)close(thread_fd);
        thread_fd = -1;
    }
    if (thread_fd < 0) {
        ps_member_stream_close_fd(&stream->descriptors_fd); /* it gives up */
    }
}
