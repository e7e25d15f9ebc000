/* A server that only reads: takes PUT and POST bodies and throws them away unlooked at, and answers as S3 does.
 *
 * bench_sink [PORT] prints its port and serves until it is killed. Bodies are discarded in the kernel (MSG_TRUNC), so
 * that what is measured is the client. ListMultipartUploads answers no uploads; CreateMultipartUpload an upload_id;
 * UploadPart the checksum that the request's header announced; Complete an object. One thread, epoll. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    HEAD_SIZE = 8192,
    EVENTS = 64,
    DISCARD_SIZE = 1 << 20
};

struct client {
    int fd;
    char head[HEAD_SIZE + 1];
    size_t head_size;
    uint64_t left_bytes; /* of the body */
    bool in_body;
    char answer[1024];
};

static void format_answer(struct client *client)
{
    const char *sum = strcasestr(client->head, "x-amz-checksum-crc64nvme:");
    char checksum[64] = "";
    const char *body = "";

    if (sum != NULL) {
        (void)snprintf(checksum, sizeof(checksum), "%.*s\r\n", (int)strcspn(sum, "\r\n"), sum);
    }
    if (strstr(client->head, "uploads") != NULL && strncmp(client->head, "POST", 4) == 0) {
        body = "<InitiateMultipartUploadResult><UploadId>u1</UploadId></"
               "InitiateMultipartUploadResult>";
    } else if (strncmp(client->head, "POST", 4) == 0) {
        body =
            "<CompleteMultipartUploadResult><ETag>\"e-1\"</ETag></CompleteMultipartUploadResult>";
    } else if (strncmp(client->head, "GET", 3) == 0) {
        body = "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated></"
               "ListMultipartUploadsResult>";
    }
    (void)snprintf(client->answer, sizeof(client->answer),
                   "HTTP/1.1 200 OK\r\nETag: \"e1\"\r\n%sContent-Length: %zu\r\n\r\n%s", checksum,
                   strlen(body), body);
}

static bool answer(struct client *client)
{
    size_t size;

    format_answer(client);
    size = strlen(client->answer);
    client->in_body = false;
    client->head_size = 0;
    return send(client->fd, client->answer, size, MSG_NOSIGNAL) == (ssize_t)size;
}

static bool discard_body(struct client *client)
{
    static char nowhere[DISCARD_SIZE];

    while (client->left_bytes > 0) {
        size_t want = client->left_bytes < DISCARD_SIZE ? (size_t)client->left_bytes : DISCARD_SIZE;
        ssize_t got = recv(client->fd, nowhere, want, MSG_TRUNC | MSG_DONTWAIT);

        if (got < 0 && errno == EAGAIN) {
            return true;
        }
        if (got <= 0) {
            return false;
        }
        client->left_bytes -= (uint64_t)got;
    }
    return answer(client);
}

static bool read_head(struct client *client)
{
    ssize_t got = recv(client->fd, client->head + client->head_size, HEAD_SIZE - client->head_size,
                       MSG_DONTWAIT | MSG_PEEK);
    const char *end;
    const char *length;
    size_t take;

    if (got <= 0) {
        return got < 0 && errno == EAGAIN;
    }
    client->head[client->head_size + (size_t)got] = '\0';
    end = strstr(client->head, "\r\n\r\n");
    take = end != NULL ? (size_t)(end + 4 - client->head) - client->head_size : (size_t)got;
    got = recv(client->fd, client->head + client->head_size, take, MSG_DONTWAIT);
    client->head_size += (size_t)got;
    client->head[client->head_size] = '\0';
    if (end == NULL) {
        return client->head_size < HEAD_SIZE;
    }
    length = strcasestr(client->head, "content-length:");
    client->left_bytes = length != NULL ? strtoull(length + 15, NULL, 10) : 0;
    client->in_body = true;
    if (strcasestr(client->head, "expect: 100-continue") != NULL) {
        static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";

        if (send(client->fd, go_on, sizeof(go_on) - 1, MSG_NOSIGNAL) < 0) {
            return false;
        }
    }
    return discard_body(client);
}

static int listen_on(uint16_t port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
    socklen_t size = sizeof(address);
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(fd, 64) != 0 || getsockname(fd, (struct sockaddr *)&address, &size) != 0) {
        perror("bench_sink");
        exit(1);
    }
    (void)printf("%u\n", ntohs(address.sin_port));
    (void)fflush(stdout);
    return fd;
}

static void add_client(int epoll_fd, int listener)
{
    struct epoll_event event = { .events = EPOLLIN };
    struct client *client = calloc(1, sizeof(*client));
    int one = 1;

    if (client == NULL) {
        exit(1);
    }
    client->fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    (void)setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    event.data.ptr = client;
    (void)epoll_ctl(epoll_fd, EPOLL_CTL_ADD, client->fd, &event);
}

int main(int argc, char **argv)
{
    int listener = listen_on((uint16_t)(argc > 1 ? strtoul(argv[1], NULL, 10) : 0));
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event listen_event = { .events = EPOLLIN };

    (void)epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &listen_event);
    for (;;) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(epoll_fd, events, EVENTS, -1);

        for (int i = 0; i < count; i++) {
            struct client *client = events[i].data.ptr;

            if (client == NULL) {
                add_client(epoll_fd, listener);
            } else if (!(client->in_body ? discard_body(client) : read_head(client))) {
                (void)close(client->fd);
                free(client);
            }
        }
    }
}
