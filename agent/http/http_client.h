/**
 * http_client - HTTP/1.1 requests on the libuv loop by libcurl's multi interface; one attempt each.
 *
 * Flow:    store/s3_call.h, creds/, kube/ -> [http_client] -> the network
 * Thread:  the loop thread only
 * Source:  RFC 9110, RFC 9112; libcurl CURLMOPT_SOCKETFUNCTION, CURLMOPT_TIMERFUNCTION
 *
 * A request goes: start -> (read body)* -> on_answer -> (on_data* on_flush)* -> on_done, and on_done comes exactly once,
 * never from within start. After ps_http_cancel nothing is called any more. Redirects are never followed.
 */
#ifndef PS_HTTP_HTTP_CLIENT_H
#define PS_HTTP_HTTP_CLIENT_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

struct ps_http_client;
struct ps_http_request;

/** Largest body that can be handed over in memory: libcurl sends up to 64 KiB with the head. */
#define PS_HTTP_SMALL_BODY_BYTES ((uint64_t)32 * 1024)

/** What a body reader answers instead of a count of bytes. */
#define PS_BODY_LATER (-1) /* nothing yet: the owner calls ps_http_resume when there is */
#define PS_BODY_FAILED                                                                             \
    (-2) /* the source failed: the request ends with PS_E_CANCELLED; the owner knows why */

enum ps_push {
    PS_PUSH_TAKEN, /* all bytes were taken */
    PS_PUSH_FULL, /* all were taken, and no more are wanted until ps_http_resume: what was received with them
                      still comes, at most receive_buffer_bytes; cheaper than PAUSE, which has them kept */
    PS_PUSH_PAUSE, /* none were taken: they come again after ps_http_resume */
    PS_PUSH_STOP,  /* end the request with PS_E_CANCELLED; the owner knows why */
};

/** Status line and headers of an answer; borrowed during on_answer and on_done. */
struct ps_http_answer;

/** 0 before an answer came. */
int ps_http_answer_status(const struct ps_http_answer *answer);

/** Whether the server sent 100 Continue first. One that never does makes every body wait for a second. */
bool ps_http_answer_was_continued(const struct ps_http_answer *answer);

/** Value of a header (any case of name), trimmed; NULL when absent. Borrowed as the answer. */
const char *ps_http_answer_header(const struct ps_http_answer *answer, const char *name);

/** Call each header whose name begins with prefix (lower case); names come in lower case. */
void ps_http_answer_each(const struct ps_http_answer *answer, const char *prefix,
                         void (*each)(void *user, const char *name, const char *value), void *user);

/** The body, when the request had no on_data (or the status was not 2xx); "" else. Borrowed as the answer. */
const char *ps_http_answer_body(const struct ps_http_answer *answer, size_t *size_bytes_out);

struct ps_http_options {
    const char *method; /* "GET", static */
    const char *url;    /* copied; sent as it is (no dot segments are removed) */
    const char *const
        *headers; /* "name: value" lines, copied; a name with ":" and no value is left out */
    size_t header_count;

    uint64_t body_size_bytes; /* Content-Length of PUT and POST; 0 = an empty body */
    /** Fill into with up to size bytes of the body from offset on. NULL when there is no body. */
    ssize_t (*read_body)(void *user, uint64_t offset, void *into, size_t size);
    /**
     * A whole body of up to PS_HTTP_SMALL_BODY_BYTES in memory, instead of read_body: it goes out in one send(2) with the
     * head. Borrowed until on_done. NULL = none. on_send comes each time before it is sent: again when a kept connection
     * turns out to be dead.
     */
    const void *small_body;
    void (*on_send)(void *user);

    /** Status and headers are there. May be NULL. */
    void (*on_answer)(void *user, const struct ps_http_answer *answer);
    /** Bytes of a 2xx body. NULL: the body is kept, up to body_limit_bytes. Other bodies are always kept. */
    enum ps_push (*on_data)(void *user, const void *data, size_t size_bytes);
    /** All that was received at once has been given to on_data: time to pass it on. May be NULL. */
    void (*on_flush)(void *user);
    /**
     * The end. err is NULL when a whole answer came (whatever its status), else PS_E_TEMPORARY (no or half an
     * answer), PS_E_DENIED (TLS certificate), PS_E_CANCELLED (reader or writer stopped), PS_E_TOO_LARGE (body over
     * the limit), PS_E_INVALID (URL), PS_E_NO_MEMORY. The request is freed after on_done returns.
     */
    void (*on_done)(void *user, const struct ps_http_answer *answer, const struct ps_err *err);
    void *user;

    size_t body_limit_bytes;     /* 0 = PS_BUF_LIMIT_DEFAULT_BYTES */
    uint32_t connect_timeout_ms; /* 0 = 5,000 */
    uint32_t
        stall_timeout_ms; /* without a byte either way; 0 = 30,000; UINT32_MAX = none (Complete) */
    uint32_t total_timeout_ms;   /* 0 = none */
    size_t receive_buffer_bytes; /* taken by one recv(2) for on_data, 1 KiB or more; 0 = 256 KiB */
    bool expect_continue;        /* send Expect: 100-continue and wait up to 1 s for leave */
    const char *ca_bundle;       /* file; NULL = the system's; copied */
    const char *ca_pem; /* certificates as text, instead of ca_bundle; NULL = none; copied */
    const char *client_cert_pem; /* what we show the server, with its key; NULL = nothing; copied */
    const char *client_key_pem;
    const char *unix_socket; /* NULL = TCP; copied */
    bool no_proxy;           /* whatever http_proxy says: metadata services are of this machine */
};

/** Counts since the client was made, for progress, tests and metrics. */
struct ps_http_stats {
    uint64_t request_count;
    uint64_t connect_count;
    uint64_t sent_bytes;
    uint64_t received_bytes;
};

/** user_agent is copied. Errors: PS_E_NO_MEMORY. */
PS_MUST_USE enum ps_code ps_http_client_new(struct ps_http_client **client_out, uv_loop_t *loop,
                                            const char *user_agent, struct ps_err *err);

/**
 * Cancel what runs (no callbacks) and close. The loop must run once more for the handles to be freed.
 */
void ps_http_client_free(struct ps_http_client *client);

/**
 * Start a request. *request_out is valid until on_done returns or cancel is called.
 *
 * Errors:  PS_E_NO_MEMORY, PS_E_INVALID: nothing was started and no callback comes.
 */
PS_MUST_USE enum ps_code ps_http_start(struct ps_http_client *client,
                                       const struct ps_http_options *options,
                                       struct ps_http_request **request_out, struct ps_err *err);

/** Ask read_body or on_data again after LATER or PAUSE. Safe at any time before on_done. */
void ps_http_resume(struct ps_http_request *request);

/** End it; no callback comes any more. The connection is closed unless the answer was whole. */
void ps_http_cancel(struct ps_http_request *request);

void ps_http_client_stats(const struct ps_http_client *client, struct ps_http_stats *stats_out);

#endif
