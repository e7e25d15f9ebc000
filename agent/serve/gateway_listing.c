#include "serve/gateway_internal.h"

#include "base/str.h"
#include "serve/listing.h"
#include "serve/page.h"

#include <stdlib.h>
#include <string.h>

/* GET of a key that ends in '/': one page of what is below. */

/** What a page may take while it is made: 500 keys of 1,024 bytes, escaped. */
#define LISTING_COST_BYTES ((uint64_t)2 * 1024 * 1024)

bool ps_gateway_wants_json(const struct ps_exchange *exchange)
{
    const char *format = ps_target_arg(&exchange->target, "format");
    const char *accept = ps_httpd_header(exchange->request, "Accept");

    if (format != NULL) {
        return strcmp(format, "json") == 0;
    }
    return accept != NULL && strstr(accept, "application/json") != NULL &&
           strstr(accept, "text/html") == NULL;
}

/* The query of a signed link as it came, without where the page begins: links of the page need it. */
char *ps_gateway_link_query(const struct ps_exchange *exchange)
{
    const char *query = strchr(ps_httpd_target(exchange->request), '?');
    const char *expires = query != NULL ? strstr(query, "expires=") : NULL;

    if (strcmp(exchange->access.subject, "link") != 0 || expires == NULL) {
        return ps_strdup("");
    }
    return ps_strdup(expires);
}

static int by_key(const void *a, const void *b)
{
    const struct ps_object_info *x = a;
    const struct ps_object_info *y = b;

    return strcmp(x->key, y->key);
}

/* S3 tells a page's objects first and its directories after them. NULL when memory is out. */
static struct ps_object_info *sorted(const struct ps_object_info *objects, size_t count)
{
    struct ps_object_info *copy = malloc((count + 1) * sizeof(*copy));

    if (copy != NULL && count > 0) {
        memcpy(copy, objects, count * sizeof(*copy));
        qsort(copy, count, sizeof(*copy), by_key);
    }
    return copy;
}

static void send_page(struct ps_exchange *exchange, const struct ps_listing *listing)
{
    bool json = ps_gateway_wants_json(exchange);
    struct ps_buf buf;
    struct ps_err err;

    ps_buf_init(&buf, 0);
    if ((json ? ps_listing_json(&buf, listing, &err) : ps_listing_html(&buf, listing, &err)) !=
        PS_OK) {
        ps_gateway_fail(exchange, 500, "%s", err.message);
    } else {
        exchange->state = PS_EXCHANGE_ENDED;
        ps_httpd_add_header(exchange->request, "Cache-Control", "no-cache");
        ps_httpd_add_header(exchange->request, "X-Content-Type-Options", "nosniff");
        ps_httpd_add_header(exchange->request, "Content-Security-Policy", PS_PAGE_POLICY);
        ps_httpd_send_text(exchange->request, 200,
                           json ? "application/json" : "text/html; charset=utf-8",
                           ps_buf_peek(&buf), buf.size_bytes);
    }
    ps_buf_clear(&buf);
}

static void on_list(void *user, const struct ps_object_info *objects, size_t count, bool more,
                    const struct ps_err *err)
{
    struct ps_exchange *exchange = user;
    struct ps_listing listing = {
        .store = exchange->store->name,
        .prefix = exchange->name,
        .hidden_length = strlen(exchange->key),
        .count = count < PS_LISTING_PAGE_MAX ? count : PS_LISTING_PAGE_MAX,
        .more = more || count > PS_LISTING_PAGE_MAX,
    };
    struct ps_object_info *copy;
    char *query;

    if (err != NULL || !more) {
        exchange->op = NULL; /* it ends by itself; else it is cancelled with the exchange */
    }
    if (exchange->state == PS_EXCHANGE_ENDED) {
        return;
    }
    if (err != NULL) {
        ps_gateway_fail_by(exchange, err);
        return;
    }
    query = ps_gateway_link_query(exchange);
    copy = sorted(objects, count);
    listing.query = query != NULL ? query : "";
    listing.objects = copy;
    if (copy != NULL) {
        send_page(exchange, &listing);
    } else {
        ps_gateway_fail(exchange, 500, "out of memory");
    }
    free(copy);
    free(query);
}

void ps_gateway_listing_start(struct ps_exchange *exchange)
{
    const char *after = ps_target_arg(&exchange->target, "after");
    char *start_after = after != NULL ? ps_str_format("%s%s", exchange->key, after) : NULL;
    const struct ps_list_request request = {
        .prefix = exchange->key,
        .delimiter = "/",
        .start_after = start_after,
        .page_size = PS_LISTING_PAGE_MAX,
    };
    struct ps_err err;

    exchange->state = PS_EXCHANGE_LOOKING;
    if (!ps_gateway_reserve(exchange, LISTING_COST_BYTES)) {
        free(start_after);
        return;
    }
    exchange->op = ps_store_list(exchange->store->open.store, &request, on_list, exchange, &err);
    free(start_after);
    if (exchange->op == NULL) {
        ps_gateway_fail_by(exchange, &err);
    }
}
