#include "serve/gateway_internal.h"

#include "base/str.h"
#include "serve/media_type.h"
#include "serve/member_listing.h"
#include "serve/page.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* GET of an archive with ?members (what is in it) or ?member=NAME (one of them, as if it were an object). */

/** Taken of the thread's pipe at once; libmicrohttpd holds as much. */
#define BLOCK_BYTES ((size_t)64 * 1024)

/** Each has a thread that unpacks. More: 503. */
#define MEMBERS_MAX 16

static ssize_t cut(struct ps_exchange *exchange)
{
    const struct ps_err *err = ps_member_stream_error(exchange->members);
    struct ps_gateway *gateway = exchange->gateway;

    ps_log(gateway->log, PS_LOG_WARN, "gateway", "%s/%s: member cut after %" PRIu64 " bytes: %s",
           exchange->store->name, exchange->name, exchange->sent_bytes, err->message);
    gateway->stats.cut_count++;
    gateway->stats.corrupt_count += err->code == PS_E_CORRUPT ? 1 : 0;
    exchange->body.failed = true;
    return PS_HTTPD_FAILED;
}

static ssize_t read_member(void *user, void *into, size_t size)
{
    struct ps_exchange *exchange = user;
    ssize_t got_bytes;

    size = ps_gateway_paced(exchange, size);
    if (size == 0) {
        return PS_HTTPD_LATER;
    }
    got_bytes = ps_member_stream_read(exchange->members, into, size);
    if (got_bytes == PS_MEMBER_STREAM_LATER) {
        return PS_HTTPD_LATER;
    }
    if (got_bytes == PS_MEMBER_STREAM_END) {
        return PS_HTTPD_END;
    }
    if (got_bytes < 0) {
        return cut(exchange);
    }
    exchange->sent_bytes += (uint64_t)got_bytes;
    exchange->gateway->stats.sent_bytes += (uint64_t)got_bytes;
    return got_bytes;
}

/* What is not an archive, or has no such member, is told in words: they are of this gateway, not of the store. */
static void refuse(struct ps_exchange *exchange, const struct ps_err *err)
{
    unsigned status = err->code == PS_E_NOT_FOUND ? 404
                      : err->code == PS_E_CORRUPT ? 422
                      : err->code == PS_E_REFUSED ? 422
                      : err->code == PS_E_INVALID ? 422
                                                  : 0;

    if (err->code == PS_E_NO_MEMORY && err->http_status == 0) {
        exchange->gateway->stats.refused_busy_count++;
        ps_gateway_fail(exchange, 503, "%s", err->message);
    } else if (status != 0 && err->http_status == 0) {
        ps_gateway_fail(exchange, status, "%s/%s: %s", exchange->store->name, exchange->name,
                        err->message);
    } else {
        ps_gateway_fail_by(exchange, err);
    }
}

static void on_open(void *user, const struct ps_member *member)
{
    struct ps_exchange *exchange = user;
    bool list = exchange->lists_members;
    bool sized = member->has_size && !list;
    const struct ps_httpd_stream stream = {
        .size_bytes = sized ? member->size_bytes : PS_HTTPD_SIZE_UNKNOWN,
        .block_bytes = BLOCK_BYTES,
        .read = read_member,
        .user = exchange,
    };

    if (exchange->state != PS_EXCHANGE_OPENING) {
        return;
    }
    if (!sized && !ps_httpd_takes_chunks(exchange->request)) {
        ps_gateway_fail(exchange, 505, "this has no known length: it needs HTTP/1.1");
        return;
    }
    if (list) {
        ps_httpd_add_header(exchange->request, "Content-Type",
                            ps_gateway_wants_json(exchange) ? "application/json"
                                                            : "text/html; charset=utf-8");
        ps_httpd_add_header(exchange->request, "X-Content-Type-Options", "nosniff");
        ps_httpd_add_header(exchange->request, "Content-Security-Policy", PS_PAGE_POLICY);
    } else {
        ps_gateway_add_content_headers(exchange, exchange->member,
                                       ps_media_type_of(exchange->member));
    }
    ps_httpd_add_header(exchange->request, "Cache-Control", "no-cache");
    exchange->state = exchange->is_head ? PS_EXCHANGE_ENDED : PS_EXCHANGE_SENDING;
    ps_httpd_send_stream(exchange->request, 200, &stream);
}

static void on_ready(void *user)
{
    struct ps_exchange *exchange = user;
    const struct ps_err *err = ps_member_stream_error(exchange->members);

    if (exchange->state == PS_EXCHANGE_SENDING) {
        ps_httpd_wake(exchange->request);
    } else if (exchange->state == PS_EXCHANGE_OPENING && err->code != PS_OK) {
        refuse(exchange, err);
    }
}

static enum ps_code format_row(void *user, const struct ps_member *member, struct ps_buf *buf,
                               struct ps_err *err)
{
    return ps_member_listing_add(user, member, buf, err);
}

void ps_gateway_member_clear(struct ps_exchange *exchange)
{
    if (exchange->members != NULL) {
        exchange->gateway->stats.store_bytes += ps_member_stream_received(exchange->members);
        ps_member_stream_free(exchange->members);
        exchange->gateway->member_count--;
    }
    ps_member_listing_free(exchange->member_listing); /* was the thread's */
}

static enum ps_code start(struct ps_exchange *exchange, struct ps_err *err)
{
    const struct ps_settings *settings = exchange->gateway->settings;
    char *title = ps_str_format("%s/%s", exchange->store->name, exchange->name);
    char *query = ps_gateway_link_query(exchange);
    struct ps_member_stream_options options = {
        .loop = exchange->gateway->loop,
        .store = exchange->store->open.store,
        .key = exchange->key,
        .etag = exchange->etag,
        .size_bytes = exchange->size_bytes,
        .limits = { .entry_count_max = settings->extract_entry_limit,
                    .size_max_bytes = settings->extract_size_limit_bytes,
                    .ratio_max = settings->extract_ratio_limit },
        .member = exchange->lists_members ? NULL : exchange->member,
        .format = format_row,
        .reserve = ps_gateway_reserve_more,
        .on_open = on_open,
        .on_ready = on_ready,
        .user = exchange,
    };
    enum ps_code code = PS_OK;

    if (title == NULL || query == NULL) {
        code = ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    } else {
        code = ps_member_listing_new(&exchange->member_listing, ps_gateway_wants_json(exchange),
                                     title, query, err);
    }
    free(title);
    free(query);
    options.format_user = exchange->member_listing;
    return code == PS_OK ? ps_member_stream_start(&exchange->members, &options, err) : code;
}

void ps_gateway_member_start(struct ps_exchange *exchange)
{
    struct ps_gateway *gateway = exchange->gateway;
    struct ps_err err;

    if (gateway->member_count >= MEMBERS_MAX) {
        gateway->stats.refused_busy_count++;
        ps_gateway_fail(exchange, 503, "too many archives are read at once: try again");
    } else if (exchange->size_bytes == 0) {
        ps_gateway_fail(exchange, 422, "%s/%s: is empty, no archive", exchange->store->name,
                        exchange->name);
    } else if (ps_gateway_reserve(exchange, PS_MEMBER_STREAM_MEMORY_BYTES)) {
        exchange->state = PS_EXCHANGE_OPENING;
        if (start(exchange, &err) == PS_OK) {
            gateway->member_count++;
        } else {
            ps_gateway_fail_by(exchange, &err);
        }
    }
}
