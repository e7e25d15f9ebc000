/**
 * http_internal - what http_client.c, http_request.c, http_easy.c and http_answer.c share; nobody else
 *                 includes it.
 *
 * Flow:    http_client.c <-> [http_internal] <-> http_request.c -> http_easy.c (curl's side) -> http_answer.c (what came
 *          back)
 * Thread:  the loop thread
 * Source:  libcurl 7.88: add, remove and pause are refused inside a callback of the multi handle, so they are
 *          put off until it has returned
 */
#ifndef PS_HTTP_HTTP_INTERNAL_H
#define PS_HTTP_HTTP_INTERNAL_H

#include "http/http_client.h"
#include "http/socket_set.h"

#include <curl/curl.h>

/**
 * Headers of one answer. AWS sends under 2 KiB. Lower: odd proxies fail. Higher: a hostile server makes us hold it.
 */
#define PS_HTTP_HEADERS_LIMIT_BYTES ((size_t)64 * 1024)

struct ps_http_answer {
    int status;
    bool was_continued;
    struct ps_buf headers; /* "name\0value\0" repeated, names in lower case */
    struct ps_buf body;
};

/** Keep a header line, without its end. False when the headers are too long. */
bool ps_http_answer_keep(struct ps_http_answer *answer, const char *line, size_t size_bytes);

enum ps_http_state {
    PS_HTTP_QUEUED,  /* made inside a callback of curl: added when that has returned */
    PS_HTTP_RUNNING, /* curl has it */
    PS_HTTP_CANCELLED, /* to be removed when the callback of curl has returned; the user is not called any more */
};

/** Of a client, in the order of adding. Lists of their own, as there may be thousands of requests. */
enum ps_http_list {
    PS_HTTP_LIST_GIVEN,   /* were given data while curl was on the stack: to be flushed */
    PS_HTTP_LIST_PUT_OFF, /* to be added or removed when curl has returned */
    PS_HTTP_LIST_WOKEN,   /* to go on, some on each turn of the loop */
    PS_HTTP_LIST_COUNT,
};

struct ps_http_request {
    struct ps_http_client *client;
    struct ps_http_request *next; /* in client->requests */
    struct ps_http_request **link;
    struct {
        struct ps_http_request *next;
        struct ps_http_request **link; /* NULL = not in it */
    } in[PS_HTTP_LIST_COUNT];
    enum ps_http_state state;
    bool stopped_by_user; /* reader or writer ended it */
    bool body_too_large;
    bool answered; /* on_answer was called */

    CURL *easy;
    struct curl_slist *headers;
    char error_text[CURL_ERROR_SIZE];
    uint64_t body_offset_bytes;
    struct ps_http_answer answer;

    uint64_t body_size_bytes;
    ssize_t (*read_body)(void *user, uint64_t offset, void *into, size_t size);
    void (*on_send)(void *user); /* with a small body */
    void (*on_answer)(void *user, const struct ps_http_answer *answer);
    enum ps_push (*on_data)(void *user, const void *data, size_t size_bytes);
    void (*on_flush)(void *user); /* may be NULL */
    void (*on_done)(void *user, const struct ps_http_answer *answer, const struct ps_err *err);
    void *user;
};

struct ps_http_client {
    uv_loop_t *loop;
    CURLM *multi;
    char *user_agent;
    struct ps_socket_set *sockets;
    uv_timer_t *timer; /* curl's timeouts; on the heap, as it outlives the client until closed */
    uv_idle_t
        *soon; /* runs what was put off, and curl when it is due, on the next turn of the loop */
    bool curl_is_due;
    bool in_curl; /* a callback of the multi handle may be on the stack */
    struct ps_http_request *requests;
    struct {
        struct ps_http_request *first;
        struct ps_http_request **end;
    } lists[PS_HTTP_LIST_COUNT];
    CURL
        *idle_easy[64]; /* handles kept for the next requests; curl frees their buffers by itself */
    size_t idle_count;
    struct ps_http_stats stats;
};

/** Give the request's easy handle all that the options say. False: no memory, or an option that curl refuses. */
PS_MUST_USE bool ps_http_easy_set(struct ps_http_request *request,
                                  const struct ps_http_options *options);

/** Make the request and its easy handle; not added yet. */
PS_MUST_USE enum ps_code ps_http_request_new(struct ps_http_client *client,
                                             const struct ps_http_options *options,
                                             struct ps_http_request **request_out,
                                             struct ps_err *err);

void ps_http_lists_init(struct ps_http_client *client);
/** At the end; twice is once. */
void ps_http_list_add(struct ps_http_request *request, enum ps_http_list list);
/** Also if it is not in it. */
void ps_http_list_take(struct ps_http_request *request, enum ps_http_list list);

/** Free it; the easy handle must be out of the multi handle. NULL is allowed. */
void ps_http_request_free(struct ps_http_request *request);

/** Say what became of it: on_done, with the CURLcode as ps_err. */
void ps_http_request_finish(struct ps_http_request *request, CURLcode result);

#endif
