/**
 * http_server - a scripted HTTP/1.1 server on the test's own loop: each request takes the next answer.
 *
 * Flow:    tests -> [http_server] -> 127.0.0.1, a port that the system picks
 * Thread:  the loop thread
 * Source:  RFC 9112
 *
 * An answer is the text of a whole message. Lines of its head may end in LF alone (files do); "content-length: auto"
 * is filled in from the body. Requests with a chunked body are not understood.
 */
#ifndef PS_TESTS_SUPPORT_HTTP_SERVER_H
#define PS_TESTS_SUPPORT_HTTP_SERVER_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct http_server;

/** One request as it came. Borrowed until http_server_free. */
struct http_seen {
    char *method;
    char *target; /* "/bucket/key?uploads=" as sent */
    char *head;   /* all header lines, each with CRLF */
    char *body;   /* followed by a NUL */
    size_t body_size_bytes;
    unsigned connection_number; /* from 1 */
};

/** Listen. Ends the test on failure. */
struct http_server *http_server_new(uv_loop_t *loop);

/** Close all; the loop must run once more. NULL is allowed. */
void http_server_free(struct http_server *server);

int http_server_port(const struct http_server *server);

/** "http://127.0.0.1:PORT", owned by the server. */
const char *http_server_url(const struct http_server *server);

/** The next answer. text is copied. */
void http_server_answer(struct http_server *server, const char *text);

/** The next answer is the file tests/vectors/http/NAME. */
void http_server_answer_file(struct http_server *server, const char *name);

/** The next answer ends after body_bytes of its body, and the connection is closed. */
void http_server_answer_cut(struct http_server *server, const char *text, size_t body_bytes);

/** The next request is read whole, then the connection is closed without a byte. */
void http_server_answer_nothing(struct http_server *server);

/** The next answer waits for http_server_release. */
void http_server_answer_held(struct http_server *server, const char *text);

/** The next answer is sent as soon as the head of the request is there, and the connection is closed. */
void http_server_answer_early(struct http_server *server, const char *text);

/** Send every answer that is held. */
void http_server_release(struct http_server *server);

/** Called after each request was read whole (and before it is answered), to end a wait. May be NULL. */
void http_server_on_request(struct http_server *server, void (*call)(void *user), void *user);

size_t http_server_request_count(const struct http_server *server);

/** Answers not used yet. */
size_t http_server_answers_left(const struct http_server *server);

/** index from 0, in the order in which requests were whole. Ends the test when there is none. */
const struct http_seen *http_server_request(const struct http_server *server, size_t index);

/** Value of a header, "" when absent. Owned by the caller, free(). */
char *http_seen_header(const struct http_seen *seen, const char *name);

/** Text of tests/vectors/http/NAME on the heap. Ends the test when it cannot be read. */
char *http_vector_read(const char *name);

#endif
