#include "serve/gateway.h"

#include "base/str.h"
#include "serve/gateway_internal.h"
#include "serve/metrics.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_PLAIN "text/plain; charset=utf-8"

/* --- answers without a stream --- */

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
    ps_httpd_send_text(exchange->request, status, TEXT_PLAIN, text, strlen(text));
}

static void send_plain(struct ps_exchange *exchange, const char *text)
{
    exchange->state = PS_EXCHANGE_ENDED;
    ps_httpd_add_header(exchange->request, "Cache-Control", "no-store");
    ps_httpd_send_text(exchange->request, 200, TEXT_PLAIN, text, strlen(text));
}

static void send_ready(struct ps_exchange *exchange)
{
    if (exchange->gateway->draining) {
        ps_gateway_fail(exchange, 503, "draining");
    } else {
        send_plain(exchange, "ready\n");
    }
}

static void send_metrics(struct ps_exchange *exchange)
{
    struct ps_gateway_stats stats;
    struct ps_buf text;
    struct ps_err err;

    ps_buf_init(&text, 0);
    ps_gateway_stats(exchange->gateway, &stats);
    if (ps_metrics_format(&text, &stats, &err) != PS_OK) {
        ps_gateway_fail(exchange, 500, "%s", err.message);
    } else {
        exchange->state = PS_EXCHANGE_ENDED;
        ps_httpd_send_text(exchange->request, 200, PS_METRICS_CONTENT_TYPE, ps_buf_peek(&text),
                           text.size_bytes);
    }
    ps_buf_clear(&text);
}

/* --- routes --- */

static struct ps_gateway_store *find_store(struct ps_gateway *gateway, const char *name)
{
    for (size_t i = 0; i < gateway->store_count; i++) {
        if (strcmp(gateway->stores[i].name, name) == 0) {
            return &gateway->stores[i];
        }
    }
    return NULL;
}

/* The key in the store: the prefix of the store's URL and the user's. */
static char *full_key(const struct ps_gateway_store *store, const char *name)
{
    const char *prefix = store->open.key;
    bool joined = prefix[0] == '\0' || ps_str_has_suffix(prefix, "/");

    return ps_str_format("%s%s%s", prefix, joined ? "" : "/", name);
}

/* A link is for its key and nothing else; one that is wrong is told so, whatever else the request has. */
static bool has_link(struct ps_exchange *exchange, const char *store, bool *refused_out)
{
    int64_t now_unix_s = ps_clock_unix_ms(exchange->gateway->clock) / 1000;

    switch (ps_signed_link_check(&exchange->gateway->link_key, &exchange->target, store,
                                 exchange->name, now_unix_s)) {
    case PS_LINK_NONE:
        return false;
    case PS_LINK_VALID:
        exchange->access.level = PS_ACCESS_READ;
        ps_str_copy(exchange->access.subject, sizeof(exchange->access.subject), "link");
        return true;
    case PS_LINK_EXPIRED:
        ps_gateway_fail(exchange, 403, "this link has expired");
        break;
    case PS_LINK_WRONG:
        ps_gateway_fail(exchange, 403, "this link is not valid here");
        break;
    }
    *refused_out = true;
    return false;
}

static bool may_read(struct ps_exchange *exchange, const char *store)
{
    bool refused = false;

    ps_access_check(exchange->gateway->access, ps_httpd_header(exchange->request, "Authorization"),
                    store, exchange->name, &exchange->access);
    if (exchange->access.level != PS_ACCESS_NONE || has_link(exchange, store, &refused)) {
        return true;
    }
    if (refused) {
        return false;
    }
    if (exchange->gateway->decider->asks_download && store[0] != '\0' &&
        exchange->name[0] != '\0' && !ps_str_has_suffix(exchange->name, "/")) {
        exchange->needs_policy = true;
        return true;
    }
    if (exchange->access.known) {
        ps_gateway_fail(exchange, 403, "this token may not read %s/%s", store, exchange->name);
    } else {
        ps_gateway_fail(exchange, 401, "a token is needed");
    }
    return false;
}

bool ps_gateway_reserve(struct ps_exchange *exchange, uint64_t cost_bytes)
{
    struct ps_gateway *gateway = exchange->gateway;

    if (gateway->stats.reserved_bytes + cost_bytes > gateway->memory_limit_bytes) {
        gateway->stats.refused_busy_count++;
        ps_gateway_fail(exchange, 503, "too many streams at once: try again");
        return false;
    }
    gateway->stats.reserved_bytes += cost_bytes;
    exchange->reserved_bytes += cost_bytes;
    return true;
}

bool ps_gateway_reserve_stream(struct ps_exchange *exchange, size_t block_bytes,
                               uint64_t cost_bytes)
{
    struct ps_gateway *gateway = exchange->gateway;

    if (!ps_gateway_reserve(exchange, cost_bytes)) {
        return false;
    }
    gateway->stats.streams++;
    exchange->is_stream = true;
    exchange->body.block_capacity_bytes = block_bytes;
    return true;
}

static bool reserve_stream(struct ps_exchange *exchange)
{
    size_t block_bytes = ps_gateway_block_bytes(exchange->gateway);

    return ps_gateway_reserve_stream(exchange, block_bytes, ps_gateway_stream_cost(block_bytes));
}

static void link_in(struct ps_exchange *exchange)
{
    struct ps_gateway *gateway = exchange->gateway;

    exchange->next = gateway->exchanges;
    if (exchange->next != NULL) {
        exchange->next->link = &exchange->next;
    }
    gateway->exchanges = exchange;
    exchange->link = &gateway->exchanges;
}

/* Links of a listing are relative: "/a/STORE" must become "/a/STORE/". */
static void serve_directory(struct ps_exchange *exchange)
{
    const char *archive = ps_target_arg(&exchange->target, "archive");
    char *location;

    if (ps_str_has_suffix(exchange->target.path, "/")) {
        if (archive != NULL) {
            ps_gateway_archive_start(exchange, archive);
        } else {
            ps_gateway_listing_start(exchange);
        }
        return;
    }
    location = ps_str_format("/a/%s/", exchange->store->name);
    ps_httpd_add_header(exchange->request, "Location", location != NULL ? location : "/");
    free(location);
    ps_gateway_fail(exchange, 301, "with a '/' at its end");
}

static void serve_artifact(struct ps_exchange *exchange, const char *store_name)
{
    if (!may_read(exchange, store_name)) {
        return;
    }
    exchange->store = find_store(exchange->gateway, store_name);
    if (exchange->store == NULL && exchange->needs_policy) {
        ps_gateway_fail(exchange, 401, "a token is needed");
        return;
    }
    if (exchange->store == NULL) {
        ps_gateway_fail(exchange, 404, "there is no store %s", store_name);
        return;
    }
    link_in(exchange);
    exchange->key = full_key(exchange->store, exchange->name);
    if (exchange->key == NULL) {
        ps_gateway_fail(exchange, 500, "out of memory");
    } else if (exchange->name[0] == '\0' || ps_str_has_suffix(exchange->name, "/")) {
        serve_directory(exchange);
    } else if (reserve_stream(exchange)) {
        ps_gateway_object_start(exchange);
    }
}

static void refuse_method(struct ps_exchange *exchange)
{
    ps_httpd_add_header(exchange->request, "Allow", "GET, HEAD");
    ps_gateway_fail(exchange, 405, "only GET and HEAD");
}

static void route(struct ps_exchange *exchange)
{
    const char *path = exchange->target.path;
    char store_name[128];

    if (exchange->is_post && !ps_str_has_prefix(path, "/api/")) {
        refuse_method(exchange);
    } else if (strcmp(path, "/healthz") == 0) {
        send_plain(exchange, "ok\n");
    } else if (strcmp(path, "/readyz") == 0) {
        send_ready(exchange);
    } else if (strcmp(path, "/metrics") == 0 &&
               exchange->gateway->settings->metrics_listen[0] == '\0') {
        send_metrics(exchange);
    } else if (strcmp(path, "/") == 0) {
        ps_gateway_page(exchange);
    } else if (ps_str_has_prefix(path, "/page/")) {
        ps_gateway_page_file(exchange, path + strlen("/page/"));
    } else if (ps_str_has_prefix(path, "/api/")) {
        ps_gateway_api(exchange, path + strlen("/api/"));
    } else if (ps_target_artifact(&exchange->target, store_name, sizeof(store_name),
                                  &exchange->name)) {
        serve_artifact(exchange, store_name);
    } else {
        ps_gateway_fail(exchange, 404, "nothing is here");
    }
}

static void on_request(void *user, struct ps_httpd_request *request)
{
    struct ps_gateway *gateway = user;
    struct ps_exchange *exchange = calloc(1, sizeof(*exchange));
    const char *method = ps_httpd_method(request);
    struct ps_err err;

    if (exchange == NULL) {
        ps_httpd_send_text(request, 500, TEXT_PLAIN, "", 0);
        return;
    }
    exchange->gateway = gateway;
    exchange->request = request;
    exchange->started_ms = uv_now(gateway->loop);
    exchange->is_head = strcmp(method, "HEAD") == 0;
    ps_httpd_set_data(request, exchange);
    exchange->is_post = strcmp(method, "POST") == 0;
    if (!exchange->is_head && !exchange->is_post && strcmp(method, "GET") != 0) {
        refuse_method(exchange);
    } else if (ps_target_parse(ps_httpd_target(request), &exchange->target, &err) != PS_OK) {
        ps_gateway_fail(exchange, 400, "%s", err.message);
    } else {
        route(exchange);
    }
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
