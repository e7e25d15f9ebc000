/*
 * Many slow readers of one object in one cheap process, for gateway_streams.py: what is measured is not the reader.
 *
 * Usage: slow_readers PORT TARGET HEADER COUNT BODY_BYTES BYTES_PER_S     (each stream's rate)
 * Prints "opened" when all have connected, "answered" when all have their answer's head, then why the first ones failed,
 * and "WHOLE FAILED".
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/** Each stream is looked at so often: its bytes are read in as many pieces. */
#define TICK_MS 100
#define RECEIVE_BUFFER_BYTES 32768
#define WHYS_MAX 5

struct reader {
    int fd; /* -1 = ended */
    bool headed;
    char head[2048];
    size_t head_bytes;
    long long left_bytes;
};

static char block[1024 * 1024];
static int whole;
static int failed;

static void end(struct reader *reader, const char *why)
{
    (void)close(reader->fd);
    reader->fd = -1;
    if (why == NULL) {
        whole++;
        return;
    }
    if (failed++ < WHYS_MAX) {
        (void)printf("failed: %s, %lld bytes left, errno %s\n", why, reader->left_bytes,
                     strerror(errno));
    }
}

static int connect_to(int port, const char *request)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    const int size = RECEIVE_BUFFER_BYTES;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        send(fd, request, strlen(request), MSG_NOSIGNAL) < 0) {
        perror("connect");
        exit(1);
    }
    return fd;
}

/* False: nothing more is there now, or it has ended. */
static bool read_head(struct reader *reader)
{
    ssize_t got = recv(reader->fd, reader->head + reader->head_bytes, 1, MSG_DONTWAIT);

    if (got <= 0) {
        if (got == 0 || errno != EAGAIN) {
            end(reader, "no answer");
        }
        return false;
    }
    reader->head_bytes += (size_t)got;
    reader->head[reader->head_bytes] = '\0';
    if (reader->head_bytes >= 4 && strcmp(reader->head + reader->head_bytes - 4, "\r\n\r\n") == 0) {
        reader->headed = true;
        if (strncmp(reader->head, "HTTP/1.1 200", 12) != 0) {
            end(reader, "status");
            return false;
        }
    } else if (reader->head_bytes + 1 == sizeof(reader->head)) {
        end(reader, "headers");
        return false;
    }
    return true;
}

static void read_some(struct reader *reader, size_t most)
{
    ssize_t got;

    while (!reader->headed) {
        if (!read_head(reader)) {
            return;
        }
    }
    while (most > 0) {
        got = recv(reader->fd, block, most < sizeof(block) ? most : sizeof(block), MSG_DONTWAIT);
        if (got < 0 && errno == EAGAIN) {
            return;
        }
        if (got <= 0) {
            end(reader, reader->left_bytes == 0 ? NULL : got == 0 ? "cut" : "reset");
            return;
        }
        reader->left_bytes -= got;
        most -= (size_t)got;
    }
}

static bool have_heads(const struct reader *readers, int count)
{
    for (int i = 0; i < count; i++) {
        if (readers[i].fd >= 0 && !readers[i].headed) {
            return false;
        }
    }
    return true;
}

int main(int argc, char **argv)
{
    bool all_headed = false;
    struct timespec tick = { .tv_nsec = TICK_MS * 1000000L };
    struct rlimit limit;
    struct reader *readers;
    char request[2048];
    int count;
    size_t most;

    if (argc != 7) {
        return 2;
    }
    count = (int)strtol(argv[4], NULL, 10);
    most = (size_t)strtoull(argv[6], NULL, 10) * TICK_MS / 1000;
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    readers = calloc((size_t)count, sizeof(*readers));
    if (readers == NULL) {
        return 1;
    }
    (void)snprintf(request, sizeof(request),
                   "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n\r\n", argv[2],
                   argv[3]);
    for (int i = 0; i < count; i++) {
        readers[i].fd = connect_to((int)strtol(argv[1], NULL, 10), request);
        readers[i].left_bytes = strtoll(argv[5], NULL, 10);
    }
    (void)printf("opened\n");
    (void)fflush(stdout);
    while (whole + failed < count) {
        if (!all_headed && (all_headed = have_heads(readers, count))) {
            (void)printf("answered\n");
            (void)fflush(stdout);
        }
        (void)nanosleep(&tick, NULL);
        for (int i = 0; i < count; i++) {
            if (readers[i].fd >= 0) {
                read_some(&readers[i], most);
            }
        }
    }
    (void)printf("%d %d\n", whole, failed);
    free(readers);
    return failed != 0;
}
