#include "serve/gateway_internal.h"

#include "base/str.h"
#include "serve/metrics.h"

#include <stdlib.h>
#include <string.h>

static void send_plain(struct ps_exchange *exchange, const char *text)
{
    exchange->state = PS_EXCHANGE_ENDED;
    ps_httpd_add_header(exchange->request, "Cache-Control", "no-store");
    ps_httpd_send_text(exchange->request, 200, PS_GATEWAY_TEXT_PLAIN, text, strlen(text));
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

static bool reserve_stream(struct ps_exchange *exchange)
{
    exchange->body.blocks = ps_gateway_blocks(exchange->gateway);
    return ps_gateway_reserve_stream(exchange, ps_gateway_stream_cost(&exchange->body.blocks));
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

static void route_path(struct ps_exchange *exchange)
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

void ps_gateway_route(struct ps_exchange *exchange)
{
    struct ps_httpd_request *request = exchange->request;
    struct ps_err err;

    if (!exchange->is_head && !exchange->is_post && strcmp(ps_httpd_method(request), "GET") != 0) {
        refuse_method(exchange);
    } else if (ps_target_parse(ps_httpd_target(request), &exchange->target, &err) != PS_OK) {
        ps_gateway_fail(exchange, 400, "%s", err.message);
    } else {
        route_path(exchange);
    }
}
