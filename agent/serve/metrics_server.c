#include "serve/metrics_server.h"

#include "serve/httpd.h"
#include "serve/metrics.h"

#include <stdlib.h>
#include <string.h>

/** A scraper and some probes. */
#define CONNECTIONS_MAX 64
#define HEADER_LIMIT_BYTES ((size_t)16 * 1024)
#define TIMEOUT_MS ((uint64_t)30000)

#define TEXT_PLAIN "text/plain; charset=utf-8"

struct ps_metrics_server {
    struct ps_httpd *httpd;
    const struct ps_gateway *gateway;
};

static void say(struct ps_httpd_request *request, unsigned status, const char *text)
{
    ps_httpd_send_text(request, status, TEXT_PLAIN, text, strlen(text));
}

static void send_metrics(const struct ps_metrics_server *server, struct ps_httpd_request *request)
{
    struct ps_gateway_stats stats;
    struct ps_buf text;

    ps_buf_init(&text, 0);
    ps_gateway_stats(server->gateway, &stats);
    if (ps_metrics_format(&text, &stats, NULL) == PS_OK) {
        ps_httpd_send_text(request, 200, PS_METRICS_CONTENT_TYPE, ps_buf_peek(&text),
                           text.size_bytes);
    } else {
        say(request, 500, "out of memory\n");
    }
    ps_buf_clear(&text);
}

static void on_request(void *user, struct ps_httpd_request *request)
{
    const struct ps_metrics_server *server = user;
    const char *target = ps_httpd_target(request);
    const char *method = ps_httpd_method(request);

    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
        say(request, 405, "only GET and HEAD\n");
    } else if (strcmp(target, "/metrics") == 0) {
        send_metrics(server, request);
    } else if (strcmp(target, "/healthz") == 0) {
        say(request, 200, "ok\n");
    } else if (strcmp(target, "/readyz") == 0) {
        if (ps_gateway_is_draining(server->gateway)) {
            say(request, 503, "draining\n");
        } else {
            say(request, 200, "ready\n");
        }
    } else {
        say(request, 404, "nothing is here\n");
    }
}

static void on_end(void *user, struct ps_httpd_request *request)
{
    (void)user;
    (void)request;
}

enum ps_code ps_metrics_server_new(struct ps_metrics_server **server_out, uv_loop_t *loop,
                                   const struct ps_log *log, const char *listen,
                                   const struct ps_gateway *gateway, struct ps_err *err)
{
    struct ps_metrics_server *server = calloc(1, sizeof(*server));
    const struct ps_httpd_options options = {
        .loop = loop,
        .log = log,
        .name = "metrics",
        .listen = listen,
        .header_limit_bytes = HEADER_LIMIT_BYTES,
        .connections_max = CONNECTIONS_MAX,
        .header_timeout_ms = TIMEOUT_MS,
        .stall_timeout_ms = TIMEOUT_MS,
        .on_request = on_request,
        .on_end = on_end,
        .user = server,
    };
    enum ps_code code;

    if (server == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    server->gateway = gateway;
    code = ps_httpd_new(&server->httpd, &options, err);
    if (code != PS_OK) {
        free(server);
        return ps_err_wrap(err, code, "metrics.listen");
    }
    *server_out = server;
    return PS_OK;
}

void ps_metrics_server_free(struct ps_metrics_server *server)
{
    if (server != NULL) {
        ps_httpd_free(server->httpd);
        free(server);
    }
}

const char *ps_metrics_server_address(const struct ps_metrics_server *server)
{
    return ps_httpd_address(server->httpd);
}
