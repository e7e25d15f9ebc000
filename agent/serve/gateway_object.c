#include "serve/gateway_internal.h"

#include "base/str.h"
#include "http/http_date.h"
#include "serve/media_type.h"
#include "serve/object_headers.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Scripts of an artifact run in no origin, and nothing is loaded from elsewhere: a report may look like anything. */
#define CONTENT_SECURITY_POLICY                                                                    \
    "sandbox; default-src 'none'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "        \
    "base-uri 'none'; form-action 'none'"

/** A restore takes minutes to hours: clients that honour this do not ask every second. */
#define RESTORE_RETRY_AFTER_S "300"

/* --- errors --- */

static unsigned status_of(enum ps_code code)
{
    switch (code) {
    case PS_E_NOT_FOUND:
        return 404;
    case PS_E_INVALID:
        return 400;
    case PS_E_TEMPORARY:
    case PS_E_CHANGED:
        return 503;
    case PS_E_NO_MEMORY:
    case PS_E_BUG:
        return 500;
    case PS_E_UNSUPPORTED:
        return 501;
    case PS_OK:
    case PS_E_PARSE:
    case PS_E_IO:
    case PS_E_NO_SPACE:
    case PS_E_EXISTS:
    case PS_E_DENIED:
    case PS_E_TOO_LARGE:
    case PS_E_LOCKED:
    case PS_E_REFUSED:
    case PS_E_CORRUPT:
    case PS_E_NO_UPLOAD:
    case PS_E_UNKNOWN_OUTCOME:
    case PS_E_CANCELLED:
    case PS_E_PARTIAL:
        break;
    }
    return 502;
}

void ps_gateway_fail_by(struct ps_exchange *exchange, const struct ps_err *err)
{
    unsigned status = status_of(err->code);

    if (strcmp(err->store_code, "InvalidObjectState") == 0) {
        ps_gateway_tell_archived(exchange);
        return;
    }
    if (status == 404) {
        ps_gateway_fail(exchange, status, "%s/%s: not found", exchange->store->name,
                        exchange->name);
        return;
    }
    /* What the store said may name hosts and rights that are none of a user's business. */
    ps_log(exchange->gateway->log, status >= 500 ? PS_LOG_WARN : PS_LOG_INFO, "gateway",
           "%s/%s: %s", exchange->store->name, exchange->name, err->message);
    ps_gateway_fail(exchange, status, "%s/%s: %s", exchange->store->name, exchange->name,
                    status == 503 ? "the store does not answer now: try again"
                                  : "the store refused or failed");
}

/* --- archived objects --- */

void ps_gateway_fail_archived(struct ps_exchange *exchange, bool asked)
{
    bool ongoing = asked || exchange->restore == PS_RESTORE_ONGOING;

    ps_httpd_add_header(exchange->request, "X-Purser-Restore", ongoing ? "ongoing" : "none");
    if (ongoing) {
        ps_httpd_add_header(exchange->request, "Retry-After", RESTORE_RETRY_AFTER_S);
    }
    ps_gateway_fail(exchange, 409, "%s/%s: is archived%s%s: %s", exchange->store->name,
                    exchange->name, exchange->storage_class[0] != '\0' ? " in " : "",
                    exchange->storage_class,
                    asked     ? "its restore was asked for, come again"
                    : ongoing ? "its restore is under way, come again"
                              : "it must be restored first");
}

static void on_archived_head(void *user, const struct ps_object_info *info,
                             const struct ps_err *err)
{
    struct ps_exchange *exchange = user;

    exchange->op = NULL;
    if (err == NULL) {
        ps_str_copy(exchange->storage_class, sizeof(exchange->storage_class), info->storage_class);
        exchange->restore = ps_restore_parse(info->restore, exchange->restore_expiry);
    }
    ps_gateway_fail_archived(exchange, false);
}

void ps_gateway_tell_archived(struct ps_exchange *exchange)
{
    struct ps_err err;

    exchange->op =
        ps_store_head(exchange->store->open.store, exchange->key, on_archived_head, exchange, &err);
    if (exchange->op == NULL) {
        ps_gateway_fail_archived(exchange, false);
    }
}

/* --- what is known of the object --- */

static bool is_vague(const char *content_type)
{
    return content_type[0] == '\0' || strcmp(content_type, "application/octet-stream") == 0 ||
           strcmp(content_type, "binary/octet-stream") == 0;
}

static bool take_info(struct ps_exchange *exchange, const struct ps_object_info *info)
{
    free(exchange->etag);
    free(exchange->content_type);
    exchange->size_bytes = info->size_bytes;
    exchange->mtime_unix_ms = info->mtime_unix_ms;
    exchange->etag = ps_strdup(info->etag);
    exchange->content_type = ps_strdup(
        is_vague(info->content_type) ? ps_media_type_of(exchange->name) : info->content_type);
    exchange->checksum = info->checksum;
    ps_str_copy(exchange->storage_class, sizeof(exchange->storage_class), info->storage_class);
    exchange->restore = ps_restore_parse(info->restore, exchange->restore_expiry);
    return exchange->etag != NULL && exchange->content_type != NULL;
}

static void add_validators(struct ps_exchange *exchange)
{
    char date[PS_HTTP_DATE_IMF_SIZE];

    if (exchange->etag[0] != '\0') {
        ps_httpd_add_header(exchange->request, "ETag", exchange->etag);
    }
    if (exchange->mtime_unix_ms > 0 && ps_http_date_format_imf(exchange->mtime_unix_ms, date)) {
        ps_httpd_add_header(exchange->request, "Last-Modified", date);
    }
}

void ps_gateway_add_content_headers(struct ps_exchange *exchange, const char *name,
                                    const char *content_type)
{
    struct ps_buf disposition;
    bool attachment = ps_target_arg(&exchange->target, "download") != NULL;

    ps_buf_init(&disposition, 8192);
    ps_httpd_add_header(exchange->request, "Content-Type", content_type);
    ps_httpd_add_header(exchange->request, "X-Content-Type-Options", "nosniff");
    ps_httpd_add_header(exchange->request, "Content-Security-Policy", CONTENT_SECURITY_POLICY);
    if (ps_disposition_format(&disposition, name, attachment, NULL) == PS_OK) {
        ps_httpd_add_header(exchange->request, "Content-Disposition", ps_buf_peek(&disposition));
    }
    ps_buf_clear(&disposition);
}

/* --- the answer --- */

static void add_content_range(struct ps_exchange *exchange)
{
    const struct ps_range *range = &exchange->ranges[0];
    char text[80];

    (void)snprintf(text, sizeof(text), "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64,
                   range->offset_bytes, range->offset_bytes + range->length_bytes - 1,
                   exchange->size_bytes);
    ps_httpd_add_header(exchange->request, "Content-Range", text);
}

static void send_headers(struct ps_exchange *exchange)
{
    bool mixed = exchange->range_count > 1 || exchange->body.rate_bytes_per_s != 0;
    const struct ps_httpd_stream stream = {
        .size_bytes = ps_gateway_body_size(exchange),
        .block_bytes = exchange->body.blocks.read_bytes,
        .read = ps_gateway_body_read,
        .on_room = mixed
                       ? NULL
                       : ps_gateway_body_on_room, /* texts between ranges, and a rate, are read's */
        .user = exchange,
    };
    char multipart[80];

    (void)snprintf(multipart, sizeof(multipart), "multipart/byteranges; boundary=%s",
                   exchange->boundary);
    ps_gateway_add_content_headers(exchange, exchange->name,
                                   exchange->range_count > 1 ? multipart : exchange->content_type);
    add_validators(exchange);
    ps_httpd_add_header(exchange->request, "Accept-Ranges", "bytes");
    if (exchange->range_count == 1) {
        add_content_range(exchange);
    }
    exchange->state = exchange->is_head ? PS_EXCHANGE_ENDED : PS_EXCHANGE_SENDING;
    ps_httpd_send_stream(exchange->request, exchange->range_count > 0 ? 206 : 200, &stream);
}

static void send_not_modified(struct ps_exchange *exchange)
{
    exchange->state = PS_EXCHANGE_ENDED;
    add_validators(exchange);
    ps_httpd_send_text(exchange->request, 304, NULL, "", 0);
}

static void send_no_range(struct ps_exchange *exchange)
{
    char text[48];

    (void)snprintf(text, sizeof(text), "bytes */%" PRIu64, exchange->size_bytes);
    ps_httpd_add_header(exchange->request, "Content-Range", text);
    ps_gateway_fail(exchange, 416, "the object has %" PRIu64 " bytes", exchange->size_bytes);
}

static struct ps_conditions conditions_of(const struct ps_exchange *exchange)
{
    const struct ps_httpd_request *request = exchange->request;

    return (struct ps_conditions){
        .if_match = ps_httpd_header(request, "If-Match"),
        .if_none_match = ps_httpd_header(request, "If-None-Match"),
        .if_modified_since = ps_httpd_header(request, "If-Modified-Since"),
        .if_unmodified_since = ps_httpd_header(request, "If-Unmodified-Since"),
        .if_range = ps_httpd_header(request, "If-Range"),
    };
}

/* Which bytes are wanted. False: 416 was sent. */
static bool choose_ranges(struct ps_exchange *exchange, const struct ps_conditions *conditions,
                          const struct ps_object_validators *validators)
{
    const char *range = ps_httpd_header(exchange->request, "Range");

    if (range == NULL || !ps_conditions_range_counts(conditions, validators)) {
        return true;
    }
    switch (ps_range_parse(range, exchange->size_bytes, exchange->ranges, &exchange->range_count)) {
    case PS_RANGE_WHOLE:
        exchange->range_count = 0;
        return true;
    case PS_RANGE_PARTS:
        (void)snprintf(exchange->boundary, sizeof(exchange->boundary), "%016" PRIx64,
                       ps_clock_random(exchange->gateway->clock));
        return true;
    case PS_RANGE_NONE:
        break;
    }
    send_no_range(exchange);
    return false;
}

static void decide(struct ps_exchange *exchange)
{
    const struct ps_conditions conditions = conditions_of(exchange);
    const struct ps_object_validators validators = {
        .etag = exchange->etag,
        .mtime_unix_ms = exchange->mtime_unix_ms,
    };

    switch (ps_conditions_check(&conditions, &validators)) {
    case PS_CONDITION_NOT_MODIFIED:
        send_not_modified(exchange);
        return;
    case PS_CONDITION_FAILED:
        ps_gateway_fail(exchange, 412, "%s/%s: is another version", exchange->store->name,
                        exchange->name);
        return;
    case PS_CONDITION_SEND:
        break;
    }
    if (!choose_ranges(exchange, &conditions, &validators)) {
        return;
    }
    if (exchange->is_head || exchange->size_bytes == 0) {
        send_headers(exchange);
    } else {
        ps_gateway_body_start(exchange);
    }
}

/* Who has no rule is told the same whether there is an object or not. */
static bool hides(struct ps_exchange *exchange)
{
    if (exchange->needs_policy) {
        ps_gateway_fail(exchange, exchange->access.known ? 403 : 401, "a token is needed");
    }
    return exchange->needs_policy;
}

static void on_head(void *user, const struct ps_object_info *info, const struct ps_err *err)
{
    struct ps_exchange *exchange = user;

    exchange->op = NULL;
    if (err != NULL) {
        if (!hides(exchange)) {
            ps_gateway_fail_by(exchange, err);
        }
    } else if (!take_info(exchange, info)) {
        ps_gateway_fail(exchange, 500, "out of memory");
    } else if (ps_gateway_policy_allows(exchange)) {
        if (exchange->lists_members || exchange->member != NULL) {
            ps_gateway_member_start(exchange);
        } else {
            decide(exchange);
        }
    }
}

/* A range's answer tells less of the object than head did; the store has seen to it that it is the same version. */
void ps_gateway_object_opened(struct ps_exchange *exchange, const struct ps_object_info *info)
{
    struct ps_gateway_body *body = &exchange->body;

    if (exchange->etag == NULL && !take_info(exchange, info)) {
        ps_gateway_fail(exchange, 500, "out of memory");
        return;
    }
    body->verify = exchange->range_count == 0 && exchange->checksum.algorithm != PS_CHECKSUM_NONE &&
                   ps_hasher_init(&body->hasher, exchange->checksum.algorithm, NULL) == PS_OK;
    send_headers(exchange);
}

/* A plain GET asks the store once: what head would tell comes with the body. */
static bool needs_head(const struct ps_exchange *exchange)
{
    static const char *const names[] = { "Range", "If-Match", "If-None-Match", "If-Modified-Since",
                                         "If-Unmodified-Since" };

    if (exchange->is_head || exchange->gateway->decider->asks_download || exchange->lists_members ||
        exchange->member != NULL) {
        return true;
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (ps_httpd_header(exchange->request, names[i]) != NULL) {
            return true;
        }
    }
    return false;
}

void ps_gateway_object_start(struct ps_exchange *exchange)
{
    struct ps_err err;

    exchange->member = ps_target_arg(&exchange->target, "member");
    exchange->lists_members =
        exchange->member == NULL && ps_target_arg(&exchange->target, "members") != NULL;
    if (!needs_head(exchange)) {
        ps_gateway_body_start(exchange);
        return;
    }
    exchange->state = PS_EXCHANGE_LOOKING;
    exchange->op =
        ps_store_head(exchange->store->open.store, exchange->key, on_head, exchange, &err);
    if (exchange->op == NULL) {
        ps_gateway_fail_by(exchange, &err);
    }
}
