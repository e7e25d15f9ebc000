#include "source/stream_reader.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

TestSuite(stream_reader, .timeout = 20);

static struct ps_stream_reader *open_reader(int fd)
{
    struct ps_stream_reader *reader = NULL;

    cr_assert_eq(ps_stream_reader_open(&reader, fd, NULL), PS_OK);
    return reader;
}

/* Writes its bytes in pieces of piece_bytes and closes. */
struct writer {
    int fd;
    const unsigned char *data;
    size_t size;
    size_t piece_bytes;
};

static void *write_pieces(void *user)
{
    const struct writer *writer = user;

    for (size_t at = 0; at < writer->size;) {
        size_t left = writer->size - at;
        ssize_t put = write(writer->fd, writer->data + at,
                            left < writer->piece_bytes ? left : writer->piece_bytes);

        if (put < 0) {
            break;
        }
        at += (size_t)put;
    }
    (void)close(writer->fd);
    return NULL;
}

Test(stream_reader, fills_whole_buffers_from_pieces_of_any_size)
{
    static unsigned char data[300007];
    static const size_t pieces[] = { 1021, 4096, 65536, sizeof(data) };
    static const size_t buffers[] = { 1000, 65536, 100000 };

    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = (unsigned char)(i * 11 + (i >> 9));
    }
    for (size_t p = 0; p < sizeof(pieces) / sizeof(pieces[0]); p++) {
        for (size_t b = 0; b < sizeof(buffers) / sizeof(buffers[0]); b++) {
            unsigned char *into = malloc(buffers[b]);
            struct writer writer = { .data = data, .size = sizeof(data), .piece_bytes = pieces[p] };
            struct ps_stream_reader *reader;
            pthread_t thread;
            int fds[2];
            size_t used = 0;
            size_t got = 0;

            cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
            writer.fd = fds[1];
            reader = open_reader(fds[0]);
            cr_assert_eq(pthread_create(&thread, NULL, write_pieces, &writer), 0);
            do {
                cr_assert_eq(ps_stream_reader_fill(reader, into, buffers[b], &got, NULL), PS_OK);
                cr_assert_leq(got, sizeof(data) - used);
                cr_assert_eq(memcmp(into, data + used, got), 0, "at %zu", used);
                used += got;
            } while (got == buffers[b]);
            cr_assert_eq(used, sizeof(data), "only the last buffer is not full");
            cr_assert_eq(ps_stream_reader_fill(reader, into, buffers[b], &got, NULL), PS_OK);
            cr_assert_eq(got, 0, "the end stays the end");
            (void)pthread_join(thread, NULL);
            ps_stream_reader_close(reader);
            (void)close(fds[0]);
            free(into);
        }
    }
}

Test(stream_reader, an_exact_fit_is_followed_by_an_empty_end)
{
    struct ps_stream_reader *reader;
    char into[4];
    size_t got = 99;
    int fds[2];

    cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
    cr_assert_eq(write(fds[1], "abcd", 4), 4);
    (void)close(fds[1]);
    reader = open_reader(fds[0]);

    cr_assert_eq(ps_stream_reader_fill(reader, into, 4, &got, NULL), PS_OK);
    cr_assert_eq(got, 4);
    cr_assert_eq(ps_stream_reader_fill(reader, into, 4, &got, NULL), PS_OK);
    cr_assert_eq(got, 0);
    cr_assert_eq(ps_stream_reader_fill(reader, into, 0, &got, NULL), PS_OK, "no room, no read");
    cr_assert_eq(got, 0);
    ps_stream_reader_close(reader);
    (void)close(fds[0]);
}

/* A shell may hand us a descriptor that is non-blocking: then read(2) says EAGAIN though poll(2) said ready. */
Test(stream_reader, waits_on_a_non_blocking_descriptor)
{
    static const unsigned char data[] = "late bytes";
    struct writer writer = { .data = data, .size = sizeof(data), .piece_bytes = 1 };
    struct ps_stream_reader *reader;
    char into[32];
    pthread_t thread;
    size_t got = 0;
    int fds[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    writer.fd = fds[1];
    reader = open_reader(fds[0]);
    cr_assert_eq(pthread_create(&thread, NULL, write_pieces, &writer), 0);

    cr_assert_eq(ps_stream_reader_fill(reader, into, sizeof(into), &got, NULL), PS_OK);

    cr_assert_eq(got, sizeof(data));
    cr_assert_eq(memcmp(into, data, got), 0);
    (void)pthread_join(thread, NULL);
    ps_stream_reader_close(reader);
    (void)close(fds[0]);
}

struct filler {
    struct ps_stream_reader *reader;
    enum ps_code code;
};

static void *fill_for_ever(void *user)
{
    struct filler *filler = user;
    char into[16];
    size_t got = 0;

    filler->code = ps_stream_reader_fill(filler->reader, into, sizeof(into), &got, NULL);
    return NULL;
}

/* Nobody ever writes: without stop the fill would wait for ever. */
Test(stream_reader, stop_ends_a_fill_and_every_later_one)
{
    struct filler filler = { .code = PS_OK };
    char into[4];
    size_t got = 99;
    pthread_t thread;
    struct ps_err err;
    int fds[2];

    cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
    filler.reader = open_reader(fds[0]);
    cr_assert_eq(pthread_create(&thread, NULL, fill_for_ever, &filler), 0);

    ps_stream_reader_stop(filler.reader);

    (void)pthread_join(thread, NULL);
    cr_assert_eq(filler.code, PS_E_CANCELLED);
    cr_assert_eq(write(fds[1], "data", 4), 4);
    ps_stream_reader_stop(filler.reader);
    cr_assert_eq(ps_stream_reader_fill(filler.reader, into, 4, &got, &err), PS_E_CANCELLED);
    cr_assert_str_eq(err.message, "standard input: stopped");
    cr_assert_eq(got, 99, "untouched on failure");
    ps_stream_reader_close(filler.reader);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

Test(stream_reader, a_descriptor_that_cannot_be_read_is_an_error)
{
    struct ps_stream_reader *reader;
    char into[4];
    size_t got = 99;
    struct ps_err err;
    int fds[2];

    cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
    reader = open_reader(fds[0]);
    (void)close(fds[0]);
    (void)close(fds[1]);

    cr_assert_eq(ps_stream_reader_fill(reader, into, 4, &got, &err), PS_E_IO);

    cr_assert_str_eq(err.message, "standard input: read: Bad file descriptor");
    cr_assert_eq(got, 99, "untouched on failure");
    ps_stream_reader_close(reader);
    ps_stream_reader_close(NULL);
}

Test(stream_reader, reads_a_file_as_well_as_a_pipe)
{
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    struct ps_stream_reader *reader = open_reader(fd);
    char into[4];
    size_t got = 0;

    cr_assert_eq(ps_stream_reader_fill(reader, into, 4, &got, NULL), PS_OK);

    cr_assert_eq(got, 4);
    cr_assert_eq(memcmp(into, "\177ELF", 4), 0);
    ps_stream_reader_close(reader);
    cr_assert_eq(close(fd), 0, "the descriptor is borrowed");
}
