#include "source/stream_reader.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct ps_stream_reader {
    int fd;
    int stop_fd; /* readable once ps_stream_reader_stop was called */
};

enum ps_code ps_stream_reader_open(struct ps_stream_reader **reader_out, int fd, struct ps_err *err)
{
    struct ps_stream_reader *reader = calloc(1, sizeof(*reader));

    if (reader == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "standard input: out of memory");
    }
    reader->fd = fd;
    reader->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (reader->stop_fd < 0) {
        enum ps_code code = ps_err_set_errno(err, errno, "standard input: eventfd");

        free(reader);
        return code;
    }
    *reader_out = reader;
    return PS_OK;
}

void ps_stream_reader_close(struct ps_stream_reader *reader)
{
    if (reader != NULL) {
        (void)close(reader->stop_fd);
        free(reader);
    }
}

/* Wait until fd is readable; a plain read could not be ended from the loop. */
static enum ps_code wait_readable(const struct ps_stream_reader *reader, struct ps_err *err)
{
    struct pollfd fds[2] = {
        { .fd = reader->fd, .events = POLLIN },
        { .fd = reader->stop_fd, .events = POLLIN },
    };

    while (poll(fds, 2, -1) < 0) {
        if (errno != EINTR) {
            return ps_err_set_errno(err, errno, "standard input: poll");
        }
    }
    if (fds[1].revents != 0) {
        return ps_err_set(err, PS_E_CANCELLED, "standard input: stopped");
    }
    return PS_OK;
}

enum ps_code ps_stream_reader_fill(struct ps_stream_reader *reader, void *into, size_t size,
                                   size_t *got_out, struct ps_err *err)
{
    char *at = into;
    size_t used_bytes = 0;

    while (used_bytes < size) {
        enum ps_code code = wait_readable(reader, err);
        ssize_t got_bytes;

        if (code != PS_OK) {
            return code;
        }
        got_bytes = read(reader->fd, at + used_bytes, size - used_bytes);
        if (got_bytes < 0 && (errno == EINTR || errno == EAGAIN)) {
            continue;
        }
        if (got_bytes < 0) {
            return ps_err_set_errno(err, errno, "standard input: read");
        }
        if (got_bytes == 0) {
            break;
        }
        used_bytes += (size_t)got_bytes;
    }
    *got_out = used_bytes;
    return PS_OK;
}

void ps_stream_reader_stop(struct ps_stream_reader *reader)
{
    const uint64_t one = 1;
    ssize_t wrote_bytes = write(reader->stop_fd, &one, sizeof(one));

    (void)wrote_bytes; /* a counter that is full already is readable as well */
}
