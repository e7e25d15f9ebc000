#include "serve/gateway_internal.h"

#include "base/str.h"
#include "serve/object_headers.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* GET of a directory with ?archive=tar, tar.gz or zip: all below it, made while it is sent. The answer has no length, so
 * what ends early is told by chunks: the last one is missing. */

/** Taken of the archive at once; libmicrohttpd holds as much. */
#define BLOCK_BYTES ((size_t)64 * 1024)

/* Nothing was sent yet: a proper status. */
static void refuse(struct ps_exchange *exchange, const struct ps_err *err)
{
    bool ours = err->http_status ==
                0; /* else it is the store's, whose words are none of a user's business */

    if (ours && err->code == PS_E_REFUSED) {
        ps_gateway_fail(exchange, 403, "%s", err->message);
    } else if (ours && err->code == PS_E_INVALID) {
        ps_gateway_fail(exchange, 409, "%s/%s: %s", exchange->store->name, exchange->name,
                        err->message);
    } else if (err->code == PS_E_NO_MEMORY) {
        exchange->gateway->stats.refused_busy_count++;
        ps_gateway_fail(exchange, 503, "%s", err->message);
    } else if (strcmp(err->store_code, "InvalidObjectState") == 0) {
        ps_gateway_fail(exchange, 409, "%s/%s: an object in it is archived: restore it first",
                        exchange->store->name, exchange->name);
    } else {
        ps_gateway_fail_by(exchange, err);
    }
}

static ssize_t cut(struct ps_exchange *exchange)
{
    const struct ps_err *err = ps_prefix_archive_error(exchange->archive);
    struct ps_gateway *gateway = exchange->gateway;

    ps_log(gateway->log, PS_LOG_WARN, "gateway", "%s/%s: archive cut after %" PRIu64 " bytes: %s",
           exchange->store->name, exchange->name, exchange->sent_bytes, err->message);
    gateway->stats.cut_count++;
    gateway->stats.corrupt_count += err->code == PS_E_CORRUPT ? 1 : 0;
    exchange->body.failed = true;
    return PS_HTTPD_FAILED;
}

static ssize_t read_archive(void *user, void *into, size_t size)
{
    struct ps_exchange *exchange = user;
    uint64_t before_bytes = ps_prefix_archive_received(exchange->archive);
    ssize_t got_bytes;

    size = ps_gateway_paced(exchange, size);
    if (size == 0) {
        return PS_HTTPD_LATER;
    }
    got_bytes = ps_prefix_archive_read(exchange->archive, into, size);
    if (got_bytes == PS_PREFIX_ARCHIVE_LATER) {
        return PS_HTTPD_LATER;
    }
    if (got_bytes == PS_PREFIX_ARCHIVE_END) {
        return PS_HTTPD_END;
    }
    if (got_bytes < 0) {
        return cut(exchange);
    }
    exchange->sent_bytes += (uint64_t)got_bytes;
    exchange->gateway->stats.sent_bytes += (uint64_t)got_bytes;
    exchange->gateway->stats.store_bytes +=
        ps_prefix_archive_received(exchange->archive) - before_bytes;
    return got_bytes;
}

/* "runs/42/" as "42.tar.gz"; the store's name for all of it. */
static void add_name(struct ps_exchange *exchange, enum ps_archive_format format)
{
    size_t length = strlen(exchange->name);
    char *name =
        length > 0 ? ps_strndup(exchange->name, length - 1) : ps_strdup(exchange->store->name);
    char *file = name != NULL ? ps_str_format("%s.%s", name, ps_archive_format_name(format)) : NULL;
    struct ps_buf disposition;

    ps_buf_init(&disposition, 8192);
    if (file != NULL && ps_disposition_format(&disposition, file, true, NULL) == PS_OK) {
        ps_httpd_add_header(exchange->request, "Content-Disposition", ps_buf_peek(&disposition));
    }
    ps_buf_clear(&disposition);
    free(file);
    free(name);
}

static void send_headers(struct ps_exchange *exchange)
{
    enum ps_archive_format format = exchange->archive_format;
    const struct ps_httpd_stream stream = {
        .size_bytes = PS_HTTPD_SIZE_UNKNOWN,
        .block_bytes = BLOCK_BYTES,
        .read = read_archive,
        .user = exchange,
    };

    add_name(exchange, format);
    ps_httpd_add_header(exchange->request, "Content-Type", ps_archive_format_content_type(format));
    ps_httpd_add_header(exchange->request, "Cache-Control", "no-cache");
    ps_httpd_add_header(exchange->request, "Accept-Ranges", "none");
    ps_httpd_add_header(exchange->request, "X-Content-Type-Options", "nosniff");
    exchange->state = exchange->is_head ? PS_EXCHANGE_ENDED : PS_EXCHANGE_SENDING;
    ps_httpd_send_stream(exchange->request, 200, &stream);
}

static void on_ready(void *user)
{
    struct ps_exchange *exchange = user;

    if (exchange->state == PS_EXCHANGE_SENDING) {
        ps_httpd_wake(exchange->request);
    } else if (exchange->state == PS_EXCHANGE_OPENING) {
        if (ps_prefix_archive_read(exchange->archive, NULL, 0) == PS_PREFIX_ARCHIVE_FAILED) {
            refuse(exchange, ps_prefix_archive_error(exchange->archive));
        } else {
            send_headers(exchange);
        }
    }
}

static bool may_add(void *user, const struct ps_object_info *info, struct ps_err *err)
{
    return ps_gateway_policy_may_add(user, info, err);
}

void ps_gateway_archive_start(struct ps_exchange *exchange, const char *format_name)
{
    struct ps_prefix_archive_options options = {
        .loop = exchange->gateway->loop,
        .store = exchange->store->open.store,
        .prefix = exchange->key,
        .may_add = may_add,
        .reserve = ps_gateway_reserve_more,
        .on_ready = on_ready,
        .user = exchange,
    };
    struct ps_err err;

    if (!ps_archive_format_parse(format_name, &options.format) ||
        options.format == PS_ARCHIVE_TAR_ZST) {
        ps_gateway_fail(exchange, 400, "archive=%.20s: tar, tar.gz or zip", format_name);
    } else if (!ps_httpd_takes_chunks(exchange->request)) {
        ps_gateway_fail(exchange, 505, "an archive has no known length: it needs HTTP/1.1");
    } else if (ps_gateway_reserve_stream(exchange, PS_PREFIX_ARCHIVE_MEMORY_BYTES)) {
        exchange->state = PS_EXCHANGE_OPENING;
        exchange->archive_format = options.format;
        if (ps_prefix_archive_start(&exchange->archive, &options, &err) != PS_OK) {
            ps_gateway_fail_by(exchange, &err);
        }
    }
}
