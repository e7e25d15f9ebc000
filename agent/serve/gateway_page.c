#include "serve/gateway_internal.h"

#include "base/encode.h"
#include "base/str.h"
#include "serve/admin_route.h"
#include "serve/listing.h"
#include "serve/media_type.h"
#include "serve/page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The page at "/", its files, and the answers that its script asks for. */

#define STORES_MARK "<!--stores-->"

static const struct ps_page_file *find_file(const char *name)
{
    for (const struct ps_page_file *file = ps_page_files; file->name != NULL; file++) {
        if (strcmp(file->name, name) == 0) {
            return file;
        }
    }
    return NULL;
}

static void send_file(struct ps_exchange *exchange, const char *content_type, const char *data,
                      size_t size_bytes)
{
    exchange->state = PS_EXCHANGE_ENDED;
    ps_httpd_add_header(exchange->request, "X-Content-Type-Options", "nosniff");
    ps_httpd_add_header(exchange->request, "Content-Security-Policy", PS_PAGE_POLICY);
    ps_httpd_add_header(exchange->request, "Cache-Control", "no-cache");
    ps_httpd_send_text(exchange->request, 200, content_type, data, size_bytes);
}

/* Who has any token may see the page; each store's listing asks for its own right. */
static bool may_look(struct ps_exchange *exchange)
{
    ps_access_check(exchange->gateway->access, ps_httpd_header(exchange->request, "Authorization"),
                    NULL, "", &exchange->access);
    if (exchange->access.level == PS_ACCESS_NONE) {
        ps_gateway_fail(exchange, 401, "a token is needed: as the password, with any name");
        return false;
    }
    return true;
}

static enum ps_code append_stores(struct ps_buf *buf, const struct ps_gateway *gateway,
                                  struct ps_err *err)
{
    enum ps_code code = PS_OK;

    for (size_t i = 0; i < gateway->store_count && code == PS_OK; i++) {
        code = ps_buf_append_str(buf, "<li><a href=\"/a/", err);
        if (code == PS_OK) {
            code = ps_uri_encode(buf, gateway->stores[i].name, PS_URI_KEEP_NONE, err);
        }
        if (code == PS_OK) {
            code = ps_buf_append_str(buf, "/\">", err);
        }
        if (code == PS_OK) {
            code = ps_html_escape(buf, gateway->stores[i].name, err);
        }
        if (code == PS_OK) {
            code = ps_buf_append_str(buf, "</a></li>\n", err);
        }
    }
    return code;
}

void ps_gateway_page(struct ps_exchange *exchange)
{
    const struct ps_page_file *file = find_file("index.html");
    const char *text = file != NULL ? (const char *)file->data : "";
    const char *mark = strstr(text, STORES_MARK);
    struct ps_buf buf;
    struct ps_err err;
    enum ps_code code;

    if (!may_look(exchange)) {
        return;
    }
    if (mark == NULL) {
        ps_gateway_fail(exchange, 500, "the page is not in this build");
        return;
    }
    ps_buf_init(&buf, 0);
    code = ps_buf_append(&buf, text, (size_t)(mark - text), &err);
    if (code == PS_OK) {
        code = append_stores(&buf, exchange->gateway, &err);
    }
    if (code == PS_OK) {
        code = ps_buf_append_str(&buf, mark + strlen(STORES_MARK), &err);
    }
    if (code == PS_OK) {
        send_file(exchange, "text/html; charset=utf-8", ps_buf_peek(&buf), buf.size_bytes);
    } else {
        ps_gateway_fail(exchange, 500, "%s", err.message);
    }
    ps_buf_clear(&buf);
}

void ps_gateway_page_file(struct ps_exchange *exchange, const char *name)
{
    const struct ps_page_file *file = find_file(name);

    if (file == NULL) {
        ps_gateway_fail(exchange, 404, "nothing is here");
        return;
    }
    send_file(exchange, ps_media_type_of(name), (const char *)file->data, file->size_bytes);
}

/* --- what the script asks for --- */

static void on_changed(void *user, json_t *json, const struct ps_err *err)
{
    struct ps_exchange *exchange = user;

    (void)json;
    exchange->change = NULL;
    if (err != NULL) {
        ps_gateway_fail(exchange, err->code == PS_E_NOT_FOUND ? 404 : 409, "%s", err->message);
    } else {
        send_file(exchange, "application/json", "{}", 2);
    }
}

static enum ps_code start_change(struct ps_exchange *exchange, enum ps_admin_verb verb,
                                 struct ps_err *err)
{
    char *why = ps_str_format("by %s", exchange->access.subject);
    const struct ps_admin_change_options options = {
        .loop = exchange->gateway->loop,
        .context = exchange->gateway->admin,
        .verb = verb,
        .url = ps_target_arg(&exchange->target, "url"),
        .why = why,
        .done = on_changed,
        .user = exchange,
    };
    enum ps_code code = ps_admin_change_start(&exchange->change, &options, err);

    free(why);
    return code;
}

/* A page of another site can have a browser send a POST with the user's login, but not with this header. */
static void change(struct ps_exchange *exchange, enum ps_admin_verb verb)
{
    struct ps_err err;

    if (!exchange->is_post || ps_httpd_header(exchange->request, "X-Purser-Page") == NULL) {
        ps_gateway_fail(exchange, 400, "a POST of purser's own page");
    } else if (exchange->access.level != PS_ACCESS_OPERATE) {
        ps_gateway_fail(exchange, 403, "this token may not: it is not one to operate with");
    } else if (start_change(exchange, verb, &err) != PS_OK) {
        ps_gateway_fail(exchange, 400, "%s", err.message);
    }
}

static void tell(struct ps_exchange *exchange, const struct ps_admin_route *route)
{
    json_t *json = NULL;
    char *text = NULL;
    struct ps_err err = { 0 };
    enum ps_code code =
        ps_admin_route_answer(route, exchange->gateway->admin, &exchange->target, &json, &err);

    if (code == PS_OK) {
        text = json_dumps(json, JSON_COMPACT | JSON_PRESERVE_ORDER);
        json_decref(json);
    }
    if (text != NULL) {
        send_file(exchange, "application/json", text, strlen(text));
    } else {
        ps_gateway_fail(exchange, code == PS_E_INVALID || code == PS_E_UNSUPPORTED ? 400 : 500,
                        "%s", code != PS_OK ? err.message : "out of memory");
    }
    free(text);
}

/* What the page shows, by the handlers of the admin socket; explain and the like are the operator's. */
void ps_gateway_api(struct ps_exchange *exchange, const char *name)
{
    static const char *const told[] = { "status",   "uploads", "streams",
                                        "reclaims", "holds",   "decisions" };
    enum ps_admin_verb verb;
    char path[32];

    if (!may_look(exchange)) {
        return;
    }
    if (exchange->access.scoped && strcmp(name, "status") != 0) {
        /* Lists name objects of all stores, and a release lets one of any go. */
        ps_gateway_fail(exchange, 403,
                        "this token is for a part of the stores: the rest is not told");
        return;
    }
    for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++) {
        if (strcmp(told[i], name) == 0 && !exchange->is_post) {
            (void)snprintf(path, sizeof(path), "/v1/%s", name);
            tell(exchange, ps_admin_route_find(path));
            return;
        }
    }
    if (ps_admin_verb_parse(name, &verb) &&
        (verb == PS_ADMIN_HOLD || verb == PS_ADMIN_RELEASE || verb == PS_ADMIN_CANCEL)) {
        change(exchange, verb);
    } else {
        ps_gateway_fail(exchange, 404, "nothing is here");
    }
}
