#include "transfer/member_stream_internal.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/** Rows of a list are handed on in pieces of about this. */
#define ROWS_BYTES ((size_t)16 * 1024)

/* Bytes from an offset on: the loop answers with a descriptor. */
static bool open_at(struct ps_member_stream *stream, uint64_t offset_bytes, struct ps_err *err)
{
    int fd = -1;
    ssize_t got_bytes;

    ps_member_stream_close_fd(&stream->thread_in_fd);
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
    if (got_bytes == 0 && atomic_load(&stream->is_cut)) {
        (void)ps_err_set(err, PS_E_TEMPORARY, "the store's bytes end too soon");
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

    atomic_store(&stream->has_begun, true);
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

void ps_member_stream_run_thread(void *user)
{
    struct ps_member_stream *stream = user;
    const struct ps_members_options options = {
        .size_bytes = stream->size_bytes,
        .limits = stream->limits,
        .pull = pull,
        .seek = seek,
        .on_member = on_member,
        .is_stopped = is_stopped,
        .on_data = on_data,
        .user = stream,
    };
    enum ps_code code = ps_archive_members(&options, &stream->thread_err);

    if (code == PS_OK && stream->member == NULL) {
        code = end_list(stream, &stream->thread_err);
    } else if (code == PS_OK && !stream->has_found) {
        code =
            ps_err_set(&stream->thread_err, PS_E_NOT_FOUND, "%.200s: is not in it", stream->member);
    }
    stream->thread_code = code;
    ps_member_stream_close_fd(&stream->thread_in_fd);
    atomic_store(&stream->has_ended, true);
    (void)uv_async_send(stream->async);
}
