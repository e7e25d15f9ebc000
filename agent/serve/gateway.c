#include "serve/gateway.h"

#include "base/str.h"
#include "serve/gateway_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void ps_gateway_fail(struct ps_exchange *exchange, unsigned status, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text) - 1, format, args);
    va_end(args);
    (void)snprintf(text + strlen(text), 2, "\n");
    exchange->state = PS_EXCHANGE_ENDED;
    if (status == 401) {
        /* A line each: browsers do not take a list apart. */
        ps_httpd_add_header(exchange->request, "WWW-Authenticate",
                            "Basic realm=\"purser\", charset=\"UTF-8\"");
        ps_httpd_add_header(exchange->request, "WWW-Authenticate", "Bearer realm=\"purser\"");
    }
    if (status == 400) {
        ps_httpd_close_after(exchange->request);
    }
    if (status == 401 || status == 403) {
        exchange->gateway->stats.denied_count++;
    }
    if (status == 503) {
        ps_httpd_add_header(exchange->request, "Retry-After", "2");
    }
    ps_httpd_add_header(exchange->request, "X-Content-Type-Options", "nosniff");
    ps_httpd_send_text(exchange->request, status, PS_GATEWAY_TEXT_PLAIN, text, strlen(text));
}

bool ps_gateway_reserve_more(void *user, uint64_t size_bytes)
{
    struct ps_exchange *exchange = user;
    struct ps_gateway *gateway = exchange->gateway;

    if (gateway->stats.reserved_bytes + size_bytes > gateway->memory_limit_bytes) {
        return false;
    }
    gateway->stats.reserved_bytes += size_bytes;
    exchange->reserved_bytes += size_bytes;
    return true;
}

bool ps_gateway_reserve(struct ps_exchange *exchange, uint64_t cost_bytes)
{
    if (!ps_gateway_reserve_more(exchange, cost_bytes)) {
        exchange->gateway->stats.refused_busy_count++;
        ps_gateway_fail(exchange, 503, "too many streams at once: try again");
        return false;
    }
    return true;
}

bool ps_gateway_reserve_stream(struct ps_exchange *exchange, uint64_t cost_bytes)
{
    struct ps_gateway *gateway = exchange->gateway;

    if (!ps_gateway_reserve(exchange, cost_bytes)) {
        return false;
    }
    gateway->stats.streams++;
    exchange->is_stream = true;
    return true;
}

/* --- one request --- */

static void on_request(void *user, struct ps_httpd_request *request)
{
    struct ps_gateway *gateway = user;
    struct ps_exchange *exchange = calloc(1, sizeof(*exchange));
    const char *method = ps_httpd_method(request);

    if (exchange == NULL) {
        ps_httpd_send_text(request, 500, PS_GATEWAY_TEXT_PLAIN, "", 0);
        return;
    }
    exchange->gateway = gateway;
    exchange->request = request;
    exchange->started_ms = uv_now(gateway->loop);
    exchange->is_head = strcmp(method, "HEAD") == 0;
    exchange->is_post = strcmp(method, "POST") == 0;
    ps_httpd_set_data(request, exchange);
    ps_gateway_route(exchange);
}

static void exchange_free(struct ps_exchange *exchange)
{
    struct ps_gateway *gateway = exchange->gateway;

    ps_store_cancel(exchange->op);
    ps_prefix_archive_free(exchange->archive);
    ps_gateway_member_clear(exchange);
    ps_admin_change_abandon(exchange->change);
    if (exchange->link != NULL) {
        *exchange->link = exchange->next;
        if (exchange->next != NULL) {
            exchange->next->link = exchange->link;
        }
    }
    gateway->stats.reserved_bytes -= exchange->reserved_bytes;
    gateway->stats.streams -= exchange->is_stream ? 1 : 0;
    ps_gateway_body_clear(&exchange->body);
    ps_target_clear(&exchange->target);
    free(exchange->key);
    free(exchange->etag);
    free(exchange->content_type);
    free(exchange);
}

static void on_end(void *user, struct ps_httpd_request *request)
{
    struct ps_gateway *gateway = user;
    struct ps_exchange *exchange = ps_httpd_data(request);
    unsigned status = ps_httpd_status(request);
    char remote[64];

    gateway->stats.requests[status / 100 < 6 ? status / 100 : 0]++;
    if (exchange == NULL) {
        return;
    }
    ps_log(gateway->log, PS_LOG_INFO, "gateway", "%s %s %s -> %u, %llu bytes in %llu ms%s, %s%s%s",
           ps_httpd_remote(request, remote), ps_httpd_method(request),
           exchange->target.path != NULL ? exchange->target.path : "-", status,
           (unsigned long long)exchange->sent_bytes,
           (unsigned long long)(uv_now(gateway->loop) - exchange->started_ms),
           ps_httpd_was_sent(request) ? "" : " (not to the end)", exchange->access.subject,
           exchange->access.subject[0] != '\0' ? "" : "nobody",
           exchange->body.failed ? ", cut" : "");
    exchange_free(exchange);
}

/* --- start and end --- */

/* A file store's root is the directory itself, not the one above it. */
static enum ps_code open_store(struct ps_gateway *gateway, const struct ps_store_factory *factory,
                               const struct ps_store_settings *settings, struct ps_err *err)
{
    struct ps_gateway_store *store = &gateway->stores[gateway->store_count];
    bool is_dir =
        ps_str_has_prefix(settings->url, "file://") && !ps_str_has_suffix(settings->url, "/");
    char *url = ps_str_format("%s%s", settings->url, is_dir ? "/" : "");
    enum ps_code code;

    if (url == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    code = ps_store_open(factory, url, &store->open, err);
    free(url);
    if (code != PS_OK) {
        return ps_err_wrap(err, code, "store %s", settings->name);
    }
    store->name = settings->name;
    gateway->store_count++;
    return PS_OK;
}

static enum ps_code start(struct ps_gateway *gateway, const struct ps_gateway_options *options,
                          struct ps_err *err)
{
    const struct ps_settings *settings = options->settings;
    const struct ps_access_options access = {
        .tokens_file = settings->gateway_tokens_file,
        .allow = settings->gateway_allow,
    };
    const struct ps_httpd_options httpd = {
        .loop = options->loop,
        .log = options->log,
        .name = "gateway",
        .listen = settings->gateway_listen,
        .tls_cert_file = settings->gateway_tls_cert,
        .tls_key_file = settings->gateway_tls_key,
        .header_limit_bytes = (size_t)settings->gateway_header_limit_bytes,
        .connections_max = settings->gateway_connections,
        .connections_per_address_max = settings->gateway_connections_per_address,
        .header_timeout_ms = settings->gateway_header_timeout_ms,
        .stall_timeout_ms = settings->gateway_stall_timeout_ms,
        .on_request = on_request,
        .on_end = on_end,
        .user = gateway,
    };
    enum ps_code code = ps_access_new(&gateway->access, &access, err);

    if (code == PS_OK) {
        code = ps_link_key_load(&gateway->link_key, options->link_key_path, err);
    }
    for (size_t i = 0; i < settings->store_count && code == PS_OK; i++) {
        code = open_store(gateway, options->factory, &settings->stores[i], err);
    }
    return code == PS_OK ? ps_httpd_new(&gateway->httpd, &httpd, err) : code;
}

enum ps_code ps_gateway_new(struct ps_gateway **gateway_out,
                            const struct ps_gateway_options *options, struct ps_err *err)
{
    struct ps_gateway *gateway = calloc(1, sizeof(*gateway));
    enum ps_code code;

    if (gateway == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    gateway->loop = options->loop;
    gateway->settings = options->settings;
    gateway->decider = options->decider;
    gateway->admin = options->admin;
    gateway->clock = options->clock;
    gateway->log = options->log;
    gateway->memory_limit_bytes = options->settings->gateway_memory_limit_bytes;
    code = start(gateway, options, err);
    if (code != PS_OK) {
        ps_gateway_free(gateway);
        return code;
    }
    *gateway_out = gateway;
    return PS_OK;
}

void ps_gateway_free(struct ps_gateway *gateway)
{
    if (gateway == NULL) {
        return;
    }
    ps_httpd_free(gateway->httpd); /* ends all exchanges */
    for (size_t i = 0; i < gateway->store_count; i++) {
        ps_store_close(&gateway->stores[i].open);
    }
    ps_access_free(gateway->access);
    explicit_bzero(&gateway->link_key, sizeof(gateway->link_key));
    free(gateway);
}

void ps_gateway_drain(struct ps_gateway *gateway, void (*drained)(void *user), void *user)
{
    gateway->draining = true;
    ps_httpd_drain(gateway->httpd, drained, user);
}

bool ps_gateway_is_draining(const struct ps_gateway *gateway)
{
    return gateway->draining;
}

enum ps_code ps_gateway_set_access(struct ps_gateway *gateway, const char *tokens_file,
                                   const char *allow, struct ps_err *err)
{
    const struct ps_access_options options = { .tokens_file = tokens_file, .allow = allow };
    struct ps_access *access = NULL;
    enum ps_code code = ps_access_new(&access, &options, err);

    if (code == PS_OK) {
        ps_access_free(gateway->access);
        gateway->access = access;
    }
    return code;
}

const char *ps_gateway_address(const struct ps_gateway *gateway)
{
    return ps_httpd_address(gateway->httpd);
}

void ps_gateway_each_stream(const struct ps_gateway *gateway,
                            void (*each)(void *user, const struct ps_gateway_stream *stream),
                            void *user)
{
    for (const struct ps_exchange *exchange = gateway->exchanges; exchange != NULL;
         exchange = exchange->next) {
        char remote[64];
        const struct ps_gateway_stream stream = {
            .store = exchange->store->name,
            .key = exchange->name,
            .remote = ps_httpd_remote(exchange->request, remote),
            .subject = exchange->access.subject,
            .sent_bytes = exchange->sent_bytes,
            .size_bytes = exchange->size_bytes,
            .elapsed_ms = uv_now(gateway->loop) - exchange->started_ms,
        };

        each(user, &stream);
    }
}

void ps_gateway_stats(const struct ps_gateway *gateway, struct ps_gateway_stats *stats_out)
{
    *stats_out = gateway->stats;
    stats_out->connections = ps_httpd_connection_count(gateway->httpd);
}
