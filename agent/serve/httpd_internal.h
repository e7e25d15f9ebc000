/**
 * httpd_internal - what httpd.c (daemon, connections), httpd_request.c (requests, answers) and httpd_push.c share.
 *
 * Flow:    httpd.c <-> [httpd_internal] <-> httpd_request.c <-> httpd_push.c
 * Thread:  the loop thread
 * Source:  libmicrohttpd 0.9.75
 */
#ifndef PS_SERVE_HTTPD_INTERNAL_H
#define PS_SERVE_HTTPD_INTERNAL_H

#include "serve/httpd.h"

#include "base/buf.h"
#include "http/socket_set.h"

#include <microhttpd.h>

/** A POST carries a name and a number. Lower: none. Higher: memory for whoever may connect. */
#define PS_HTTPD_BODY_LIMIT_BYTES ((size_t)64 * 1024)

/** Most headers of an answer. */
#define PS_HTTPD_HEADERS_MAX 24

/** One connection; lives as long as libmicrohttpd's. */
struct ps_httpd_connection {
    struct ps_httpd *httpd;
    struct ps_httpd_request *request; /* the one under way; NULL = none */
    struct ps_httpd_connection *next;
    struct ps_httpd_connection **link;
    int fd;
    bool has_request;         /* its headers are whole: the header deadline does not count */
    uint64_t waiting_from_ms; /* loop time since when there is none */
};

enum ps_httpd_request_state {
    PS_HTTPD_RECEIVING, /* headers and body come */
    PS_HTTPD_ASKED,     /* on_request was called, and no answer is there */
    PS_HTTPD_ANSWERED,  /* the answer is made, and not handed to libmicrohttpd yet */
    PS_HTTPD_SENDING,   /* libmicrohttpd has it */
};

struct ps_httpd_request {
    struct ps_httpd *httpd;
    struct MHD_Connection *mhd;
    char *target;
    const char *method;
    const char *version;
    struct ps_buf body;
    void *data;
    enum ps_httpd_request_state state;
    bool suspended;
    bool closing; /* "Connection: close" */
    bool failed;  /* no memory for the answer: the connection is closed */
    bool was_sent;

    unsigned status;
    struct MHD_Response *response;
    struct {
        const char *name; /* static */
        char *value;
    } headers[PS_HTTPD_HEADERS_MAX];
    size_t header_count;
    struct ps_httpd_stream stream;
    bool is_cut; /* the stream's functions are not called any more */

    /* Of an answer that is pushed. libmicrohttpd sends the headers and asks for the body; then it is suspended while
     * all of it is pushed, and is told that the stream ends. It closes the connection by that, which is announced. */
    uint64_t push_left_bytes; /* 0 = read, or the end */
    bool headers_out;         /* push may begin */
    bool blocked;             /* the socket is full: room is watched */
    uint64_t pushed_at_ms;    /* loop time of the last progress */
    int push_fd;              /* -1 = not begun */
};

struct ps_httpd {
    uv_loop_t *loop;
    const struct ps_log *log;
    char *name;
    struct MHD_Daemon *mhd;
    int listen_fd; /* -1 when it is closed */
    char *unix_path;
    char address[128];
    size_t header_limit_bytes;
    uint64_t header_timeout_ms;
    uint64_t stall_timeout_ms;
    bool has_tls;
    void (*on_request)(void *user, struct ps_httpd_request *request);
    void (*on_end)(void *user, struct ps_httpd_request *request);
    void *user;
    uv_poll_t *poll;   /* libmicrohttpd's epoll descriptor */
    uv_timer_t *timer; /* its timeouts */
    uv_timer_t *sweep; /* the header deadline */
    struct ps_socket_set *push_sockets;
    struct ps_httpd_request **pushed; /* by descriptor; what is not in push_sockets is stale */
    size_t pushed_count;              /* slots */
    size_t push_count;                /* requests */
    struct ps_httpd_connection *connections;
    size_t connection_count;
    bool running; /* MHD_run is on the stack */
    bool draining;
    void (*drained)(void *user);
    void *drained_user;
};

/* Callbacks of libmicrohttpd, in httpd_request.c. */
void *ps_httpd_on_target(void *user, const char *target, struct MHD_Connection *mhd);
enum MHD_Result ps_httpd_on_call(void *user, struct MHD_Connection *mhd, const char *url,
                                 const char *method, const char *version, const char *upload_data,
                                 size_t *upload_data_size, void **request_data);
void ps_httpd_on_completed(void *user, struct MHD_Connection *mhd, void **request_data,
                           enum MHD_RequestTerminationCode why);

/** The connection's own struct. */
struct ps_httpd_connection *ps_httpd_connection_of(struct MHD_Connection *mhd);

/* Between httpd_request.c and httpd_push.c. */
void ps_httpd_suspend(struct ps_httpd_request *request);
void ps_httpd_resume(struct ps_httpd_request *request);
/** Whether the stream's bytes go past libmicrohttpd. */
bool ps_httpd_is_pushed(const struct ps_httpd_request *request,
                        const struct ps_httpd_stream *stream);
/** libmicrohttpd asks for bytes that are pushed: it is suspended, and 0 returned, or what ends the stream. */
ssize_t ps_httpd_push_read(struct ps_httpd_request *request);
/** The request ends: its socket is watched no more. */
void ps_httpd_push_end(struct ps_httpd_request *request);

PS_MUST_USE enum ps_code ps_httpd_pushes_new(struct ps_httpd *httpd, struct ps_err *err);
void ps_httpd_pushes_free(struct ps_httpd *httpd);

/** Go on with a request that waits, as one that is cut. */
void ps_httpd_request_cut(struct ps_httpd_request *request);

/** Run libmicrohttpd soon: something was resumed. */
void ps_httpd_kick(struct ps_httpd *httpd);

#endif
