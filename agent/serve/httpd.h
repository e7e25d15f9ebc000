/**
 * httpd - an HTTP/1.1 server on the libuv loop: libmicrohttpd with limits and deadlines; each request is one call.
 *
 * Flow:    the network, a unix socket -> [httpd] -> serve/gateway.h, serve/admin.h
 * Thread:  the loop thread only
 * Source:  RFC 9110, RFC 9112; libmicrohttpd 0.9.75 with MHD_USE_EPOLL and no thread: its epoll descriptor is watched by
 *          the loop
 *
 * A request goes: on_request -> one ps_httpd_send_* (then or later) -> (reads of a stream)* -> on_end, exactly once,
 * also when the client goes before anything was sent.
 */
#ifndef PS_SERVE_HTTPD_H
#define PS_SERVE_HTTPD_H

#include "base/err.h"
#include "base/log.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

struct ps_httpd;
struct ps_httpd_request;

/** What a stream's read answers instead of a count of bytes. */
#define PS_HTTPD_LATER ((ssize_t)-1) /* nothing yet: ps_httpd_wake when there is */
#define PS_HTTPD_FAILED                                                                            \
    ((ssize_t)-2) /* the connection is cut: a client sees that it has not the whole */
#define PS_HTTPD_END ((ssize_t)-3) /* of a stream of unknown size */

#define PS_HTTPD_SIZE_UNKNOWN UINT64_MAX

struct ps_httpd_options {
    uv_loop_t *loop;
    const struct ps_log *log;
    const char *name; /* in log lines: "gateway" */
    const char
        *listen; /* "127.0.0.1:8080", "[::1]:0", "unix:/path" (made 0600; a dead one is replaced) */
    const char *tls_cert_file; /* NULL or "" = no TLS; PEM */
    const char *tls_key_file;
    /** Of one connection, for the request's and the answer's headers: more is answered 431 (a target: 414). */
    size_t header_limit_bytes;
    uint32_t connections_max;             /* more wait to be accepted */
    uint32_t connections_per_address_max; /* 0 = no limit */
    uint64_t
        header_timeout_ms; /* from the connection, or the last answer, to the end of the request's headers */
    uint64_t stall_timeout_ms; /* an answer of which nothing can be sent is given up */
    void (*on_request)(void *user, struct ps_httpd_request *request);
    void (*on_end)(void *user, struct ps_httpd_request *request);
    void *user;
};

/**
 * Listen. Errors: PS_E_INVALID (address, certificate), PS_E_DENIED, PS_E_EXISTS (the address is in use), PS_E_IO,
 * PS_E_NO_MEMORY.
 */
PS_MUST_USE enum ps_code ps_httpd_new(struct ps_httpd **httpd_out,
                                      const struct ps_httpd_options *options, struct ps_err *err);

/** Cut all connections (on_end is called for each request) and close. NULL is allowed. The loop must run once more. */
void ps_httpd_free(struct ps_httpd *httpd);

/** The address listened at, with the real port: "127.0.0.1:43211". Borrowed. */
const char *ps_httpd_address(const struct ps_httpd *httpd);

/**
 * Accept no more; answers under way are finished, connections without a request are closed. drained is called once
 * there is no connection left.
 */
void ps_httpd_drain(struct ps_httpd *httpd, void (*drained)(void *user), void *user);

size_t ps_httpd_connection_count(const struct ps_httpd *httpd);

/* --- the request; all text is borrowed until on_end --- */

const char *ps_httpd_method(const struct ps_httpd_request *request);
/** As sent: not decoded, with its query. */
const char *ps_httpd_target(const struct ps_httpd_request *request);
/** Whether the client knows chunks: an answer of unknown size that is cut does not look whole then (RFC 9112 8). */
bool ps_httpd_takes_chunks(const struct ps_httpd_request *request);
/** Value of the header, NULL = absent. Of several of one name the first. */
const char *ps_httpd_header(const struct ps_httpd_request *request, const char *name);
/** The body of a POST, at most 64 KiB. */
const char *ps_httpd_body(const struct ps_httpd_request *request, size_t *size_bytes_out);
/** The client's address without port, "" for a unix socket. text holds 64 bytes. Returns text. */
const char *ps_httpd_remote(const struct ps_httpd_request *request, char *text);
/** Who is at the other end of a unix socket (SO_PEERCRED). False for others. */
bool ps_httpd_peer(const struct ps_httpd_request *request, uid_t *uid_out, pid_t *pid_out);

/** Something of the caller's, kept with the request; NULL at first. */
void ps_httpd_set_data(struct ps_httpd_request *request, void *data);
void *ps_httpd_data(const struct ps_httpd_request *request);

/* --- the answer --- */

/**
 * Add a header before one of the sends. A value with control bytes is left out: nothing from a store or a client can
 * begin a header of its own.
 */
void ps_httpd_add_header(struct ps_httpd_request *request, const char *name, const char *value);

/** The answer is the connection's last: for requests that one cannot trust. Before one of the sends. */
void ps_httpd_close_after(struct ps_httpd_request *request);

/** Send a whole answer; body is copied. Of an answer to HEAD only its size is told. */
void ps_httpd_send_text(struct ps_httpd_request *request, unsigned status, const char *content_type,
                        const char *body, size_t size_bytes);

struct ps_httpd_stream {
    uint64_t size_bytes; /* or PS_HTTPD_SIZE_UNKNOWN */
    size_t block_bytes;  /* what read is asked for at most; held for the stream's life */
    /** Fill into with 1 to size bytes, or answer LATER, END or FAILED. Never called for HEAD. */
    ssize_t (*read)(void *user, void *into, size_t size);
    /**
     * Not NULL, with a known size: the bytes of a large answer without TLS go past libmicrohttpd, from the caller's memory
     * straight to the socket (ps_httpd_push), and it ends its connection. This says that push may take bytes (again).
     * Other answers are read as above, and push takes nothing.
     */
    void (*on_room)(void *user);
    void *user;
};

void ps_httpd_send_stream(struct ps_httpd_request *request, unsigned status,
                          const struct ps_httpd_stream *stream);

/** Bytes taken of the next ones of the answer, 0..size. Of those that were not, on_room or read come to ask. */
PS_MUST_USE size_t ps_httpd_push(struct ps_httpd_request *request, const void *data, size_t size);

/** Ask read again after LATER. Safe at any time before on_end. */
void ps_httpd_wake(struct ps_httpd_request *request);

/** A stream cannot go on: the connection is cut. Safe at any time before on_end; read is not called any more. */
void ps_httpd_cut(struct ps_httpd_request *request);

/** What was answered; 0 = nothing. For logs and metrics, in on_end. */
unsigned ps_httpd_status(const struct ps_httpd_request *request);
/** Whether the whole answer went out. In on_end. */
bool ps_httpd_was_sent(const struct ps_httpd_request *request);

#endif
