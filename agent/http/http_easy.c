/* A request as curl has it: its options, and the callbacks while it runs. */
#include "http/http_internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
    CONNECT_TIMEOUT_DEFAULT_MS = 5000,
    STALL_TIMEOUT_DEFAULT_MS = 30000,
    EXPECT_TIMEOUT_MS = 1000,
};

/**
 * Bytes given to one send(2), held once a connection that sends. Measured on loopback with two connections, CPU-seconds
 * a GiB: 64 KiB 0.54, 128 KiB 0.54, 256 KiB 0.47, 512 KiB 0.45, 1 MiB 0.53 (it no longer fits the second-level cache).
 */
#define SEND_BUFFER_BYTES 524288L

/** Bytes taken by one recv(2); as above. */
#define RECEIVE_BUFFER_BYTES 262144L

/**
 * Whoever takes so little at once has thousands of requests under way: what the system may hold of each counts, 128 KiB and
 * more by itself. A connection with such a small window is not kept for others.
 */
enum {
    THRIFTY_RECEIVE_BYTES = 12 * 1024,
    THRIFTY_SOCKET_BYTES = 16384,
};

static size_t on_curl_read(char *into, size_t size, size_t count, void *user)
{
    struct ps_http_request *request = user;
    uint64_t left_bytes = request->body_size_bytes - request->body_offset_bytes;
    size_t want_bytes = size * count;
    ssize_t got_bytes;

    if (request->state == PS_HTTP_CANCELLED) {
        return CURL_READFUNC_ABORT;
    }
    if (left_bytes == 0) {
        return 0;
    }
    if (want_bytes > left_bytes) {
        want_bytes = (size_t)left_bytes;
    }
    got_bytes = request->read_body(request->user, request->body_offset_bytes, into, want_bytes);
    if (got_bytes == PS_BODY_LATER) {
        return CURL_READFUNC_PAUSE;
    }
    if (got_bytes <= 0) {
        request->stopped_by_user = true;
        return CURL_READFUNC_ABORT;
    }
    request->body_offset_bytes += (uint64_t)got_bytes;
    request->client->stats.sent_bytes += (uint64_t)got_bytes;
    return (size_t)got_bytes;
}

/* curl sends a body again when a kept connection turns out to be dead. */
static int on_curl_seek(void *user, curl_off_t offset, int origin)
{
    struct ps_http_request *request = user;

    if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > request->body_size_bytes) {
        return CURL_SEEKFUNC_CANTSEEK;
    }
    request->body_offset_bytes = (uint64_t)offset;
    return CURL_SEEKFUNC_OK;
}

/* curl is about to send the head and the small body with it; each time, also when it starts over. */
static int on_curl_prereq(void *user, char *primary_ip, char *local_ip, int primary_port,
                          int local_port)
{
    struct ps_http_request *request = user;

    (void)primary_ip;
    (void)local_ip;
    (void)primary_port;
    (void)local_port;
    if (request->state == PS_HTTP_CANCELLED) {
        return CURL_PREREQFUNC_ABORT;
    }
    request->client->stats.sent_bytes += request->body_size_bytes;
    request->on_send(request->user);
    return CURL_PREREQFUNC_OK;
}

static size_t keep_body(struct ps_http_request *request, const char *data, size_t size_bytes)
{
    enum ps_code code = ps_buf_append(&request->answer.body, data, size_bytes, NULL);

    if (code == PS_OK) {
        return size_bytes;
    }
    if (request->on_data != NULL) {
        return size_bytes; /* the text of an error answer: its beginning says enough */
    }
    request->body_too_large = true;
    return 0;
}

static size_t on_curl_write(char *data, size_t size, size_t count, void *user)
{
    struct ps_http_request *request = user;
    size_t size_bytes = size * count;

    if (request->state == PS_HTTP_CANCELLED) {
        return size_bytes == 0 ? 1 : 0;
    }
    if (request->on_data == NULL || request->answer.status / 100 != 2) {
        return keep_body(request, data, size_bytes);
    }
    switch (request->on_data(request->user, data, size_bytes)) {
    case PS_PUSH_FULL:
        /* Both directions: pausing one has curl look at the other at once, and read all the same. */
        (void)curl_easy_pause(request->easy, CURLPAUSE_ALL);
        request->client->stats.received_bytes += size_bytes;
        ps_http_list_add(request, PS_HTTP_LIST_GIVEN);
        return size_bytes;
    case PS_PUSH_TAKEN:
        request->client->stats.received_bytes += size_bytes;
        ps_http_list_add(request, PS_HTTP_LIST_GIVEN);
        return size_bytes;
    case PS_PUSH_PAUSE:
        return CURL_WRITEFUNC_PAUSE;
    case PS_PUSH_STOP:
        break;
    }
    request->stopped_by_user = true;
    return size_bytes == 0 ? 1 : 0;
}

static size_t on_curl_header(char *line, size_t size, size_t count, void *user)
{
    struct ps_http_request *request = user;
    size_t size_bytes = size * count;

    if (request->state == PS_HTTP_CANCELLED) {
        return 0;
    }
    if (size_bytes > 5 && memcmp(line, "HTTP/", 5) == 0) {
        long status = 0;

        (void)curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
        request->answer.status = (int)status;
        request->answer.was_continued = request->answer.was_continued || status == 100;
        ps_buf_rewind(&request->answer.headers);
        return size_bytes;
    }
    if (size_bytes <= 2) { /* the empty line: RFC 9112 2.1 */
        if (request->answer.status >= 200 && request->on_answer != NULL && !request->answered) {
            request->answered = true;
            request->on_answer(request->user, &request->answer);
        }
        return size_bytes;
    }
    if (!ps_http_answer_keep(&request->answer, line, size_bytes)) {
        request->body_too_large = true;
        return 0;
    }
    return size_bytes;
}

static enum ps_code set_headers(struct ps_http_request *request,
                                const struct ps_http_options *options)
{
    struct curl_slist *list;

    for (size_t i = 0; i < options->header_count; i++) {
        list = curl_slist_append(request->headers, options->headers[i]);
        if (list == NULL) {
            return PS_E_NO_MEMORY;
        }
        request->headers = list;
    }
    if (!options->expect_continue) {
        list = curl_slist_append(request->headers, "Expect:");
        if (list == NULL) {
            return PS_E_NO_MEMORY;
        }
        request->headers = list;
    }
    (void)curl_easy_setopt(request->easy, CURLOPT_HTTPHEADER, request->headers);
    return PS_OK;
}

static void set_small_body(struct ps_http_request *request, const struct ps_http_options *options)
{
    CURL *easy = request->easy;

    (void)curl_easy_setopt(easy, CURLOPT_POST, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, options->method);
    (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)options->body_size_bytes);
    (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, options->small_body);
    (void)curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_curl_prereq);
    (void)curl_easy_setopt(easy, CURLOPT_PREREQDATA, request);
}

static void set_method(struct ps_http_request *request, const struct ps_http_options *options)
{
    CURL *easy = request->easy;

    if (options->small_body != NULL) {
        set_small_body(request, options);
    } else if (strcmp(options->method, "PUT") == 0 || strcmp(options->method, "POST") == 0) {
        (void)curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
        (void)curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, options->method);
        (void)curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE,
                               (curl_off_t)options->body_size_bytes);
        (void)curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_curl_read);
        (void)curl_easy_setopt(easy, CURLOPT_READDATA, request);
        (void)curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_curl_seek);
        (void)curl_easy_setopt(easy, CURLOPT_SEEKDATA, request);
        if (options->body_size_bytes > (uint64_t)SEND_BUFFER_BYTES / 4) {
            (void)curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, SEND_BUFFER_BYTES);
        }
    } else if (strcmp(options->method, "HEAD") == 0) {
        (void)curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    } else {
        (void)curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
        if (strcmp(options->method, "GET") != 0) {
            (void)curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, options->method);
        }
    }
}

static int on_curl_socket(void *user, curl_socket_t fd, curlsocktype purpose)
{
    const int size_bytes = THRIFTY_SOCKET_BYTES;

    (void)user;
    (void)purpose;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size_bytes, sizeof(size_bytes));
    return CURL_SOCKOPT_OK;
}

static void set_receiving(CURL *easy, const struct ps_http_options *options)
{
    if (options->on_data == NULL) {
        return;
    }
    (void)curl_easy_setopt(easy, CURLOPT_BUFFERSIZE,
                           options->receive_buffer_bytes != 0 ? (long)options->receive_buffer_bytes
                                                              : RECEIVE_BUFFER_BYTES);
    if (options->receive_buffer_bytes != 0 &&
        options->receive_buffer_bytes <= THRIFTY_RECEIVE_BYTES) {
        (void)curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, on_curl_socket);
        (void)curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    }
}

static void set_timeouts(CURL *easy, const struct ps_http_options *options)
{
    long connect_ms = options->connect_timeout_ms != 0 ? (long)options->connect_timeout_ms
                                                       : CONNECT_TIMEOUT_DEFAULT_MS;
    uint32_t stall_ms =
        options->stall_timeout_ms != 0 ? options->stall_timeout_ms : STALL_TIMEOUT_DEFAULT_MS;

    (void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, connect_ms);
    if (stall_ms != UINT32_MAX) {
        (void)curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
        (void)curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, ((long)stall_ms + 999) / 1000);
    }
    if (options->total_timeout_ms != 0) {
        (void)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)options->total_timeout_ms);
    }
    (void)curl_easy_setopt(easy, CURLOPT_EXPECT_100_TIMEOUT_MS, (long)EXPECT_TIMEOUT_MS);
}

static CURLcode set_pem(CURL *easy, CURLoption option, const char *pem)
{
    struct curl_blob blob = {
        .data = (void *)(uintptr_t)pem,
        .len = pem != NULL ? strlen(pem) : 0,
        .flags = CURL_BLOB_COPY,
    };

    return pem != NULL ? curl_easy_setopt(easy, option, &blob) : CURLE_OK;
}

static CURLcode set_certificates(CURL *easy, const struct ps_http_options *options)
{
    CURLcode result = CURLE_OK;

    if (options->ca_bundle != NULL) {
        result = curl_easy_setopt(easy, CURLOPT_CAINFO, options->ca_bundle);
    }
    result = result == CURLE_OK ? set_pem(easy, CURLOPT_CAINFO_BLOB, options->ca_pem) : result;
    result =
        result == CURLE_OK ? set_pem(easy, CURLOPT_SSLCERT_BLOB, options->client_cert_pem) : result;
    return result == CURLE_OK ? set_pem(easy, CURLOPT_SSLKEY_BLOB, options->client_key_pem)
                              : result;
}

static CURLcode set_transport(struct ps_http_request *request,
                              const struct ps_http_options *options)
{
    CURL *easy = request->easy;
    CURLcode result = curl_easy_setopt(easy, CURLOPT_URL, options->url);

    (void)curl_easy_setopt(easy, CURLOPT_PRIVATE, request);
    (void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, request->error_text);
    (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    (void)curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_USERAGENT, request->client->user_agent);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_curl_write);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, request);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_curl_header);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERDATA, request);
    if (result == CURLE_OK) {
        result = set_certificates(easy, options);
    }
    if (result == CURLE_OK && options->no_proxy) {
        result = curl_easy_setopt(easy, CURLOPT_PROXY, "");
    }
    if (result == CURLE_OK && options->unix_socket != NULL) {
        result = curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, options->unix_socket);
    }
    return result;
}

bool ps_http_easy_set(struct ps_http_request *request, const struct ps_http_options *options)
{
    if (set_transport(request, options) != CURLE_OK || set_headers(request, options) != PS_OK) {
        return false;
    }
    set_method(request, options);
    set_receiving(request->easy, options);
    set_timeouts(request->easy, options);
    return true;
}
