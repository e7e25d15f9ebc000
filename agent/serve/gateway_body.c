#include "serve/gateway_internal.h"

#include "base/str.h"
#include "base/uv_handle.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/**
 * What a stream costs besides its blocks: libcurl's handle and connection, libmicrohttpd's connection with its header
 * buffer, ours. Measured as the growth of RSS over 1,000 streams that wait for their readers.
 */
#define STREAM_FIXED_BYTES ((uint64_t)32 * 1024)

/**
 * The store itself sends a failed request again, for some seconds. After that the gateway asks anew every so often, until
 * gateway.outage_timeout: spread, as thousands of streams may have failed at once.
 */
#define AGAIN_MIN_MS ((uint64_t)1000)
#define AGAIN_SPREAD_MS ((uint64_t)2000)

#define KIB(count) ((size_t)(count)*1024)

/**
 * Bytes taken by one recv(2), and gathered to be handed on by one send(2): wake-ups are what a fast stream costs. Measured on
 * loopback, CPU-seconds a GiB of one stream by what a recv takes: 64 KiB 0.75, 128 KiB 0.61, 256 KiB 0.53, 512 KiB 0.46,
 * 1 MiB 0.38 (beside 0.35 of nginx). Of thousands each is slow, and memory counts: libcurl's buffer is held all the time.
 */
static const struct ps_gateway_blocks block_steps[] = {
    { 1, KIB(2048), KIB(1024), KIB(256) }, { 4, KIB(1024), KIB(512), KIB(256) },
    { 8, KIB(512), KIB(256), KIB(256) },   { 32, KIB(64), KIB(64), KIB(64) },
    { 1000, KIB(24), KIB(24), KIB(24) },   { UINT32_MAX, KIB(12), KIB(12), KIB(4) },
};

/** No single stream is worth more of gateway.memory_limit. */
#define MEMORY_SHARE 16

struct ps_gateway_blocks ps_gateway_blocks(const struct ps_gateway *gateway)
{
    size_t last = sizeof(block_steps) / sizeof(block_steps[0]) - 1;

    for (size_t i = 0; i < last; i++) {
        if (gateway->stats.streams < block_steps[i].streams_max &&
            ps_gateway_stream_cost(&block_steps[i]) <= gateway->memory_limit_bytes / MEMORY_SHARE) {
            return block_steps[i];
        }
    }
    return block_steps[last];
}

uint64_t ps_gateway_stream_cost(const struct ps_gateway_blocks *blocks)
{
    return (uint64_t)blocks->block_bytes + blocks->receive_bytes + blocks->read_bytes +
           STREAM_FIXED_BYTES;
}

void ps_gateway_body_clear(struct ps_gateway_body *body)
{
    ps_uv_handle_close((uv_handle_t *)body->pacer);
    ps_uv_handle_close((uv_handle_t *)body->again);
    free(body->block);
    free(body->text);
    ps_hasher_clear(&body->hasher);
}

/* --- ranges --- */

static uint64_t range_length(const struct ps_exchange *exchange)
{
    return exchange->range_count == 0 ? exchange->size_bytes
                                      : exchange->ranges[exchange->body.range_index].length_bytes;
}

/* RFC 9110 14.6: what stands before each part. */
static int format_part_head(const struct ps_exchange *exchange, size_t index, char *text,
                            size_t text_size_bytes)
{
    const struct ps_range *range = &exchange->ranges[index];

    return snprintf(text, text_size_bytes,
                    "\r\n--%s\r\nContent-Type: %s\r\nContent-Range: bytes %" PRIu64 "-%" PRIu64
                    "/%" PRIu64 "\r\n\r\n",
                    exchange->boundary, exchange->content_type, range->offset_bytes,
                    range->offset_bytes + range->length_bytes - 1, exchange->size_bytes);
}

static int format_last(const struct ps_exchange *exchange, char *text, size_t text_size_bytes)
{
    return snprintf(text, text_size_bytes, "\r\n--%s--\r\n", exchange->boundary);
}

uint64_t ps_gateway_body_size(const struct ps_exchange *exchange)
{
    uint64_t sum_bytes = 0;

    if (exchange->range_count == 0) {
        return exchange->size_bytes;
    }
    for (size_t i = 0; i < exchange->range_count; i++) {
        sum_bytes += exchange->ranges[i].length_bytes;
        if (exchange->range_count > 1) {
            sum_bytes += (uint64_t)format_part_head(exchange, i, NULL, 0);
        }
    }
    return exchange->range_count > 1 ? sum_bytes + (uint64_t)format_last(exchange, NULL, 0)
                                     : sum_bytes;
}

/* Put the part's head, or what stands behind the last part, in front of the block. */
static void set_text(struct ps_exchange *exchange, bool is_last)
{
    struct ps_gateway_body *body = &exchange->body;
    int length = is_last ? format_last(exchange, NULL, 0)
                         : format_part_head(exchange, body->range_index, NULL, 0);

    free(body->text);
    body->text = malloc((size_t)length + 1);
    body->text_taken_bytes = 0;
    body->text_size_bytes = (size_t)length;
    if (body->text == NULL) {
        body->failed = true;
    } else if (is_last) {
        (void)format_last(exchange, body->text, (size_t)length + 1);
    } else {
        (void)format_part_head(exchange, body->range_index, body->text, (size_t)length + 1);
    }
}

/* --- from the store --- */

static void cut(struct ps_exchange *exchange, const struct ps_err *err)
{
    struct ps_gateway *gateway = exchange->gateway;

    ps_log(gateway->log, PS_LOG_WARN, "gateway", "%s/%s: cut after %" PRIu64 " bytes: %s",
           exchange->store->name, exchange->name, exchange->sent_bytes, err->message);
    gateway->stats.cut_count++;
    gateway->stats.corrupt_count += err->code == PS_E_CORRUPT ? 1 : 0;
    exchange->body.failed = true;
    exchange->body.block_taken_bytes = exchange->body.block_used_bytes;
    ps_httpd_cut(exchange->request);
}

/* Called with the last bytes, before they can be read: a user never gets a whole body that is wrong. */
static bool is_right(struct ps_exchange *exchange)
{
    struct ps_checksum have;
    struct ps_err err;

    if (!exchange->body.verify) {
        return true;
    }
    have = ps_hasher_finish(&exchange->body.hasher);
    if (ps_checksum_equal(&have, &exchange->checksum)) {
        exchange->gateway->stats.verified_count++;
        return true;
    }
    (void)ps_err_set(&err, PS_E_CORRUPT, "the bytes received do not have the object's %s",
                     ps_checksum_name(exchange->checksum.algorithm));
    cut(exchange, &err);
    return false;
}

/* False: no memory. */
static bool keep(struct ps_gateway_body *body, const char *data, size_t size_bytes)
{
    if (body->block == NULL) {
        body->block = malloc(body->blocks.block_bytes);
        if (body->block == NULL) {
            return false;
        }
    }
    memcpy(body->block + body->block_used_bytes, data, size_bytes);
    body->block_used_bytes += size_bytes;
    return true;
}

static enum ps_push take_data(struct ps_exchange *exchange, const char *data, size_t size_bytes)
{
    struct ps_gateway_body *body = &exchange->body;
    bool is_last;

    if (body->verify) {
        ps_hasher_update(&body->hasher, data, size_bytes);
    }
    body->range_received_bytes += size_bytes;
    body->failing_from_ms = 0;
    exchange->gateway->stats.store_bytes += size_bytes;
    is_last = body->range_received_bytes >= range_length(exchange);
    if (is_last && !is_right(exchange)) {
        return PS_PUSH_STOP;
    }
    if (!keep(body, data, size_bytes)) {
        return PS_PUSH_STOP;
    }
    if (is_last) {
        return PS_PUSH_TAKEN; /* let the store end */
    }
    /* The first bytes are not held up by what comes behind them. */
    return exchange->sent_bytes > 0 &&
                   body->block_used_bytes + body->blocks.receive_bytes <= body->blocks.block_bytes
               ? PS_PUSH_TAKEN
               : PS_PUSH_FULL;
}

static enum ps_push on_data(void *user, const void *data, size_t size_bytes)
{
    struct ps_exchange *exchange = user;
    const struct ps_gateway_body *body = &exchange->body;

    if (body->failed || exchange->state != PS_EXCHANGE_SENDING ||
        size_bytes > body->blocks.block_bytes) {
        return PS_PUSH_STOP;
    }
    if (body->block_used_bytes + size_bytes > body->blocks.block_bytes) {
        return PS_PUSH_PAUSE;
    }
    return take_data(exchange, data, size_bytes);
}

/* All that the store sent at once goes on at once: system calls are what a stream costs. */
static void on_flush(void *user)
{
    struct ps_exchange *exchange = user;

    if (!exchange->body.failed && exchange->state == PS_EXCHANGE_SENDING) {
        ps_httpd_wake(exchange->request);
        ps_gateway_body_on_room(exchange);
    }
}

static void on_info(void *user, const struct ps_object_info *info)
{
    struct ps_exchange *exchange = user;

    if (exchange->state == PS_EXCHANGE_OPENING) {
        ps_gateway_object_opened(exchange, info);
    }
}

static void on_done(void *user, const struct ps_err *err);

/* From where the store stopped; a whole object may have become a range by that. */
static bool start_get(struct ps_exchange *exchange, struct ps_err *err)
{
    struct ps_gateway_body *body = &exchange->body;
    uint64_t offset_bytes =
        exchange->range_count > 0 ? exchange->ranges[body->range_index].offset_bytes : 0;
    struct ps_get_request request = {
        .key = exchange->key,
        .if_match = exchange->etag != NULL && exchange->etag[0] == '"' ? exchange->etag : NULL,
        .sink = { .write = on_data, .flush = on_flush, .user = exchange },
        .buffer_bytes = body->blocks.receive_bytes,
        .on_info = on_info,
    };

    if (exchange->range_count > 0 || body->range_received_bytes > 0) {
        request.has_range = true;
        request.offset_bytes = offset_bytes + body->range_received_bytes;
        request.length_bytes = range_length(exchange) - body->range_received_bytes;
    }
    exchange->op = ps_store_get(exchange->store->open.store, &request, on_done, exchange, err);
    return exchange->op != NULL;
}

static void on_again(uv_timer_t *timer)
{
    struct ps_exchange *exchange = timer->data;
    struct ps_err err;

    if (!start_get(exchange, &err)) {
        cut(exchange, &err);
    }
}

/* Whether the store is worth waiting for: the user has half of it, and would have to begin anew. */
static bool waits_for_store(struct ps_exchange *exchange, const struct ps_err *err)
{
    struct ps_gateway *gateway = exchange->gateway;
    struct ps_gateway_body *body = &exchange->body;
    uint64_t now_ms = uv_now(gateway->loop);
    bool strong = exchange->etag != NULL && exchange->etag[0] == '"';

    if (body->failing_from_ms == 0) {
        body->failing_from_ms = now_ms;
    }
    if (err->code != PS_E_TEMPORARY || !strong ||
        now_ms - body->failing_from_ms > gateway->settings->gateway_outage_timeout_ms) {
        return false;
    }
    if (body->again == NULL) {
        body->again = ps_uv_timer_new(gateway->loop, exchange);
        if (body->again == NULL) {
            return false;
        }
        ps_log(gateway->log, PS_LOG_WARN, "gateway",
               "%s/%s: waits for the store after %" PRIu64 " bytes: %s", exchange->store->name,
               exchange->name, exchange->sent_bytes, err->message);
    }
    return uv_timer_start(body->again, on_again,
                          AGAIN_MIN_MS + ps_clock_random(gateway->clock) % AGAIN_SPREAD_MS, 0) == 0;
}

static void on_done(void *user, const struct ps_err *err)
{
    struct ps_exchange *exchange = user;
    struct ps_err failure;

    exchange->op = NULL;
    if (exchange->state == PS_EXCHANGE_ENDED || exchange->body.failed) {
        return;
    }
    if (err == NULL) {
        (void)ps_err_set(&failure, PS_E_TEMPORARY, "the store sent less than it said");
        err = &failure;
    }
    if (exchange->state == PS_EXCHANGE_OPENING) {
        ps_gateway_fail_by(exchange, err);
    } else if (exchange->body.range_received_bytes < range_length(exchange) &&
               !waits_for_store(exchange, err)) {
        cut(exchange, err);
    }
}

void ps_gateway_body_start(struct ps_exchange *exchange)
{
    struct ps_err err;

    exchange->state = PS_EXCHANGE_OPENING;
    if (exchange->range_count > 1) {
        set_text(exchange, false);
    }
    if (!start_get(exchange, &err)) {
        ps_gateway_fail_by(exchange, &err);
    }
}

/* --- to the user --- */

/* The range is sent: the next one, or the end of a multipart. */
static void next_range(struct ps_exchange *exchange)
{
    struct ps_gateway_body *body = &exchange->body;
    struct ps_err err;

    ps_store_cancel(exchange->op);
    exchange->op = NULL;
    if (exchange->range_count < 2 || body->range_index >= exchange->range_count) {
        return;
    }
    body->range_index++;
    if (body->range_index == exchange->range_count) {
        set_text(exchange, true);
        return;
    }
    set_text(exchange, false);
    body->range_received_bytes = 0;
    if (!start_get(exchange, &err)) {
        cut(exchange, &err);
    }
}

static size_t take_text(struct ps_gateway_body *body, void *into, size_t size)
{
    size_t left_bytes = body->text_size_bytes - body->text_taken_bytes;
    size_t taken_bytes = left_bytes < size ? left_bytes : size;

    memcpy(into, body->text + body->text_taken_bytes, taken_bytes);
    body->text_taken_bytes += taken_bytes;
    if (body->text_taken_bytes == body->text_size_bytes) {
        free(body->text);
        body->text = NULL;
    }
    return taken_bytes;
}

/* Bytes of the block; when it is empty the store is asked for more. */
static size_t take_block(struct ps_exchange *exchange, void *into, size_t size)
{
    struct ps_gateway_body *body = &exchange->body;
    size_t left_bytes = body->block_used_bytes - body->block_taken_bytes;
    size_t taken_bytes = left_bytes < size ? left_bytes : size;

    memcpy(into, body->block + body->block_taken_bytes, taken_bytes);
    body->block_taken_bytes += taken_bytes;
    if (body->block_taken_bytes < body->block_used_bytes) {
        return taken_bytes;
    }
    body->block_taken_bytes = 0;
    body->block_used_bytes = 0;
    if (body->range_received_bytes >= range_length(exchange)) {
        next_range(exchange);
    } else {
        ps_store_wake(exchange->op);
    }
    return taken_bytes;
}

static void on_pace(uv_timer_t *timer)
{
    const struct ps_exchange *exchange = timer->data;

    ps_httpd_wake(exchange->request);
}

size_t ps_gateway_paced(struct ps_exchange *exchange, size_t size)
{
    struct ps_gateway_body *body = &exchange->body;
    uint64_t elapsed_ms = uv_now(exchange->gateway->loop) - exchange->started_ms;
    uint64_t step_bytes = body->rate_bytes_per_s / 10 + 1; /* ten steps a second */
    uint64_t allowed_bytes = body->rate_bytes_per_s / 1000 * elapsed_ms +
                             body->rate_bytes_per_s % 1000 * elapsed_ms / 1000 + step_bytes;
    uint64_t room_bytes =
        allowed_bytes > exchange->sent_bytes ? allowed_bytes - exchange->sent_bytes : 0;

    if (body->rate_bytes_per_s == 0) {
        return size;
    }
    if (room_bytes > 0) {
        return room_bytes < size ? (size_t)room_bytes : size;
    }
    if (body->pacer == NULL) {
        body->pacer = ps_uv_timer_new(exchange->gateway->loop, exchange);
        if (body->pacer == NULL) {
            return size;
        }
    }
    (void)uv_timer_start(body->pacer, on_pace, 100, 0);
    return 0;
}

ssize_t ps_gateway_body_read(void *user, void *into, size_t size)
{
    struct ps_exchange *exchange = user;
    struct ps_gateway_body *body = &exchange->body;
    size_t got_bytes;

    if (body->failed) {
        return PS_HTTPD_FAILED;
    }
    size = ps_gateway_paced(exchange, size);
    if (size == 0) {
        return PS_HTTPD_LATER;
    }
    if (body->text != NULL) {
        got_bytes = take_text(body, into, size);
    } else if (body->block_taken_bytes < body->block_used_bytes) {
        got_bytes = take_block(exchange, into, size);
    } else {
        return PS_HTTPD_LATER;
    }
    exchange->sent_bytes += got_bytes;
    exchange->gateway->stats.sent_bytes += got_bytes;
    return (ssize_t)got_bytes;
}

void ps_gateway_body_on_room(void *user)
{
    struct ps_exchange *exchange = user;
    struct ps_gateway_body *body = &exchange->body;

    size_t taken_bytes = 0;

    if (body->block_used_bytes > 0) {
        taken_bytes = ps_httpd_push(exchange->request, body->block + body->block_taken_bytes,
                                    body->block_used_bytes - body->block_taken_bytes);
    }
    body->block_taken_bytes += taken_bytes;
    exchange->sent_bytes += taken_bytes;
    exchange->gateway->stats.sent_bytes += taken_bytes;
    if (body->block_taken_bytes == body->block_used_bytes) {
        body->block_taken_bytes = 0;
        body->block_used_bytes = 0;
        ps_store_wake(exchange->op);
    }
}
