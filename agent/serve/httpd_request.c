#include "serve/httpd_internal.h"

#include "base/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

/* --- a request comes --- */

void *ps_httpd_on_target(void *user, const char *target, struct MHD_Connection *mhd)
{
    struct ps_httpd *httpd = user;
    struct ps_httpd_request *request = calloc(1, sizeof(*request));

    if (request == NULL) {
        return NULL; /* on_call closes the connection */
    }
    request->httpd = httpd;
    request->mhd = mhd;
    request->push_fd = -1;
    request->target = ps_strdup(target);
    ps_buf_init(&request->body, PS_HTTPD_BODY_LIMIT_BYTES);
    return request;
}

/* What the headers have that decides where a request ends. */
struct framing {
    size_t lengths;
    size_t hosts;
    size_t codings;
    bool broken; /* a name that is no token, or a value with control bytes */
};

static bool is_plain(const char *value)
{
    for (const char *c = value; *c != '\0'; c++) {
        if (((unsigned char)*c < 0x20 && *c != '\t') || *c == 0x7f) {
            return false;
        }
    }
    return true;
}

/* token of RFC 9110 5.6.2: libmicrohttpd would let "Content-Length : 5" pass as a name with a blank. */
static bool is_token(const char *name)
{
    return name[0] != '\0' &&
           name[strspn(name, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                             "ABCDEFGHIJKLMNOPQRSTUVWXYZ")] == '\0';
}

static enum MHD_Result look_at(void *user, enum MHD_ValueKind kind, const char *name,
                               const char *value)
{
    struct framing *framing = user;

    (void)kind;
    framing->lengths += strcasecmp(name, "Content-Length") == 0 ? 1 : 0;
    framing->hosts += strcasecmp(name, "Host") == 0 ? 1 : 0;
    framing->codings += strcasecmp(name, "Transfer-Encoding") == 0 ? 1 : 0;
    framing->broken = framing->broken || !is_token(name) || (value != NULL && !is_plain(value));
    return MHD_YES;
}

/*
 * Where two servers could disagree on where a request ends, there is no answer but 400 and the end of the connection
 * (RFC 9112 6.1, 11.2): two lengths or hosts, a transfer coding, or a body where none belongs.
 */
static const char *what_is_odd(struct ps_httpd_request *request, const char *version)
{
    const char *length = ps_httpd_header(request, "Content-Length");
    bool posts = strcmp(request->method, "POST") == 0;
    struct framing framing = { 0 };
    uint64_t size_bytes = 0;

    (void)MHD_get_connection_values(request->mhd, MHD_HEADER_KIND, look_at, &framing);
    if (framing.broken) {
        return "a header is malformed";
    }
    if (strcmp(version, "HTTP/1.1") != 0 && strcmp(version, "HTTP/1.0") != 0) {
        return "only HTTP/1.1 and HTTP/1.0 are spoken here";
    }
    if (framing.codings != 0) {
        return "a request may not have a Transfer-Encoding";
    }
    if (framing.lengths > 1 || framing.hosts > 1) {
        return "Content-Length or Host is there twice";
    }
    if (length != NULL && !ps_u64_parse(length, &size_bytes)) {
        return "Content-Length is no number";
    }
    if (size_bytes > 0 && !posts) {
        return "only a POST has a body";
    }
    if (size_bytes > PS_HTTPD_BODY_LIMIT_BYTES) {
        return "the body is larger than 64 KiB";
    }
    return NULL;
}

static void refuse(struct ps_httpd_request *request, const char *why)
{
    char *text = ps_str_format("%s\n", why);

    request->closing = true;
    ps_httpd_send_text(request, MHD_HTTP_BAD_REQUEST, "text/plain; charset=utf-8",
                       text != NULL ? text : "", text != NULL ? strlen(text) : 0);
    free(text);
}

static enum MHD_Result hand_over(struct ps_httpd_request *request)
{
    enum MHD_Result result;

    if (request->failed) {
        return MHD_NO;
    }
    result = MHD_queue_response(request->mhd, request->status, request->response);
    MHD_destroy_response(request->response); /* the connection holds it now */
    request->response = NULL;
    request->state = PS_HTTPD_SENDING;
    return result;
}

static enum MHD_Result ask(struct ps_httpd_request *request)
{
    struct ps_httpd *httpd = request->httpd;
    struct ps_httpd_connection *connection = ps_httpd_connection_of(request->mhd);

    if (connection != NULL) {
        connection->has_request = true;
        connection->request = request;
    }
    if (request->state == PS_HTTPD_RECEIVING) {
        request->state = PS_HTTPD_ASKED;
        httpd->on_request(httpd->user, request);
    }
    if (request->state == PS_HTTPD_ASKED && !request->failed) {
        ps_httpd_suspend(request);
        return MHD_YES;
    }
    return hand_over(request);
}

static void begin(struct ps_httpd_request *request, const char *method, const char *version)
{
    const char *odd;

    request->method = method;
    request->version = version;
    odd = what_is_odd(request, version);
    if (odd != NULL) {
        request->state = PS_HTTPD_ASKED;
        refuse(request, odd);
    }
}

/* NOLINTNEXTLINE(readability-function-size): the parameters are libmicrohttpd's */
enum MHD_Result ps_httpd_on_call(void *user, struct MHD_Connection *mhd, const char *url,
                                 const char *method, const char *version, const char *upload_data,
                                 size_t *upload_data_size, void **request_data)
{
    struct ps_httpd_request *request = *request_data;

    (void)user;
    (void)mhd;
    (void)url;
    if (request == NULL || request->target == NULL) {
        return MHD_NO;
    }
    if (request->method == NULL) {
        begin(request, method, version);
        if (request->state == PS_HTTPD_RECEIVING) {
            return MHD_YES; /* called again behind the body, if any: an answer now would end the connection */
        }
    }
    if (*upload_data_size > 0) {
        if (ps_buf_append(&request->body, upload_data, *upload_data_size, NULL) != PS_OK) {
            return MHD_NO;
        }
        *upload_data_size = 0;
        return MHD_YES;
    }
    return ask(request);
}

static void request_free(struct ps_httpd_request *request)
{
    ps_httpd_push_end(request); /* before libmicrohttpd closes the socket */
    if (request->response != NULL) {
        MHD_destroy_response(request->response);
    }
    for (size_t i = 0; i < request->header_count; i++) {
        free(request->headers[i].value);
    }
    ps_buf_clear(&request->body);
    free(request->target);
    free(request);
}

void ps_httpd_on_completed(void *user, struct MHD_Connection *mhd, void **request_data,
                           enum MHD_RequestTerminationCode why)
{
    struct ps_httpd *httpd = user;
    struct ps_httpd_request *request = *request_data;
    struct ps_httpd_connection *connection = ps_httpd_connection_of(mhd);

    if (connection != NULL) {
        connection->has_request = false;
        connection->request = NULL;
        connection->waiting_from_ms = uv_now(httpd->loop);
    }
    if (request == NULL) {
        return;
    }
    *request_data = NULL;
    request->was_sent = why == MHD_REQUEST_TERMINATED_COMPLETED_OK;
    if (request->state != PS_HTTPD_RECEIVING) {
        httpd->on_end(httpd->user, request);
    }
    request_free(request);
}

/* --- what it says --- */

const char *ps_httpd_method(const struct ps_httpd_request *request)
{
    return request->method;
}

const char *ps_httpd_target(const struct ps_httpd_request *request)
{
    return request->target;
}

bool ps_httpd_takes_chunks(const struct ps_httpd_request *request)
{
    return strcmp(request->version, "HTTP/1.1") == 0;
}

const char *ps_httpd_header(const struct ps_httpd_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->mhd, MHD_HEADER_KIND, name);
}

const char *ps_httpd_body(const struct ps_httpd_request *request, size_t *size_bytes_out)
{
    *size_bytes_out = request->body.size_bytes;
    return ps_buf_peek(&request->body);
}

const char *ps_httpd_remote(const struct ps_httpd_request *request, char *text)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *address = info != NULL ? info->client_addr : NULL;

    text[0] = '\0';
    if (address != NULL && address->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const void *)address;

        (void)inet_ntop(AF_INET, &v4->sin_addr, text, 64);
    } else if (address != NULL && address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const void *)address;

        (void)inet_ntop(AF_INET6, &v6->sin6_addr, text, 64);
    }
    return text;
}

bool ps_httpd_peer(const struct ps_httpd_request *request, uid_t *uid_out, pid_t *pid_out)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct ucred peer;
    socklen_t size = sizeof(peer);

    if (request->httpd->unix_path == NULL || info == NULL ||
        getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
        return false;
    }
    *uid_out = peer.uid;
    *pid_out = peer.pid;
    return true;
}

void ps_httpd_set_data(struct ps_httpd_request *request, void *data)
{
    request->data = data;
}

void *ps_httpd_data(const struct ps_httpd_request *request)
{
    return request->data;
}

/* --- the answer --- */

void ps_httpd_add_header(struct ps_httpd_request *request, const char *name, const char *value)
{
    if (value == NULL || !is_plain(value) || request->header_count == PS_HTTPD_HEADERS_MAX) {
        return;
    }
    request->headers[request->header_count].name = name;
    request->headers[request->header_count].value = ps_strdup(value);
    request->header_count++;
}

void ps_httpd_close_after(struct ps_httpd_request *request)
{
    request->closing = true;
}

void ps_httpd_resume(struct ps_httpd_request *request)
{
    if (request->suspended) {
        request->suspended = false;
        MHD_resume_connection(request->mhd);
        ps_httpd_kick(request->httpd);
    }
}

static void answer(struct ps_httpd_request *request, unsigned status, struct MHD_Response *response)
{
    request->status = status;
    request->response = response;
    request->failed = response == NULL;
    if (response != NULL) {
        for (size_t i = 0; i < request->header_count; i++) {
            (void)MHD_add_response_header(response, request->headers[i].name,
                                          request->headers[i].value);
        }
        if (request->closing || request->httpd->draining) {
            (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
        }
    }
    request->state = PS_HTTPD_ANSWERED;
    ps_httpd_resume(request);
}

void ps_httpd_send_text(struct ps_httpd_request *request, unsigned status, const char *content_type,
                        const char *body, size_t size_bytes)
{
    if (content_type != NULL) {
        ps_httpd_add_header(request, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
    }
    answer(request, status,
           MHD_create_response_from_buffer(size_bytes, (void *)(uintptr_t)body,
                                           MHD_RESPMEM_MUST_COPY));
}

void ps_httpd_suspend(struct ps_httpd_request *request)
{
    request->suspended = true;
    MHD_suspend_connection(request->mhd);
}

static ssize_t read_stream(void *user, uint64_t position, char *into, size_t size)
{
    struct ps_httpd_request *request = user;
    ssize_t got_bytes;

    (void)position;
    if (request->is_cut) {
        return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    if (request->push_left_bytes > 0) {
        return ps_httpd_push_read(request);
    }
    if (request->headers_out) {
        return MHD_CONTENT_READER_END_OF_STREAM; /* all is pushed: the connection ends, as was told */
    }
    got_bytes = request->stream.read(request->stream.user, into, size);
    if (got_bytes == PS_HTTPD_LATER) {
        ps_httpd_suspend(request);
        return 0;
    }
    if (got_bytes == PS_HTTPD_END) {
        return MHD_CONTENT_READER_END_OF_STREAM;
    }
    return got_bytes > 0 ? got_bytes : MHD_CONTENT_READER_END_WITH_ERROR;
}

void ps_httpd_send_stream(struct ps_httpd_request *request, unsigned status,
                          const struct ps_httpd_stream *stream)
{
    uint64_t size_bytes =
        stream->size_bytes == PS_HTTPD_SIZE_UNKNOWN ? MHD_SIZE_UNKNOWN : stream->size_bytes;
    bool pushed = ps_httpd_is_pushed(request, stream);

    request->stream = *stream;
    if (pushed) {
        request->push_left_bytes = size_bytes;
        request->closing = true;
    }
    /* Of what is pushed libmicrohttpd holds nothing. */
    answer(request, status,
           MHD_create_response_from_callback(size_bytes, pushed ? 1 : stream->block_bytes,
                                             read_stream, request, NULL));
}

void ps_httpd_request_cut(struct ps_httpd_request *request)
{
    request->is_cut = true;
    request->blocked = false;
    ps_httpd_resume(request);
}

void ps_httpd_cut(struct ps_httpd_request *request)
{
    if (request->state == PS_HTTPD_SENDING || request->state == PS_HTTPD_ANSWERED) {
        ps_httpd_request_cut(request);
    }
}

void ps_httpd_wake(struct ps_httpd_request *request)
{
    if (request->state == PS_HTTPD_SENDING && request->push_left_bytes == 0) {
        ps_httpd_resume(request);
    }
}

unsigned ps_httpd_status(const struct ps_httpd_request *request)
{
    return request->status;
}

bool ps_httpd_was_sent(const struct ps_httpd_request *request)
{
    return request->was_sent;
}
