#include "base/str.h"
#include "base/uv_handle.h"
#include "store/s3_checksum.h"
#include "store/s3_internal.h"
#include "store/s3_write.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/**
 * Bytes hashed in one turn of the loop, where a store takes MD5 only and the caller brought another checksum: 6 ms of
 * MD5. Higher: other transfers wait longer for their turn.
 */
#define HASH_TURN_BYTES ((size_t)4 * 1024 * 1024)
#define HASH_CHUNK_BYTES ((size_t)256 * 1024)

/** PutObject or UploadPart. */
struct put_op {
    struct ps_s3_op op;
    struct ps_body body;
    struct ps_checksum checksum;
    struct ps_checksum sha256;
    uint32_t part_number; /* 0 = PutObject */
    char *upload_id;
    struct ps_s3_pairs headers; /* those of the write options */
    bool create_only;
    ps_store_put_fn done;
    void *user;
    struct ps_checksum confirmed;
    struct {
        uv_timer_t *timer; /* NULL = no MD5 is being made */
        struct ps_hasher hasher;
        uint64_t done_bytes;
        char *chunk;
    } md5;
};

static void send_put(struct put_op *put);
static enum ps_code start_put(struct put_op *put, struct ps_err *err);

static void finish(struct put_op *put, const char *etag, const struct ps_err *err)
{
    ps_s3_op_enter(&put->op);
    put->done(put->user, etag, &put->confirmed, err);
    ps_s3_op_end(&put->op);
}

/* --- MD5 of the whole body before it is sent, for a store that takes no other checksum --- */

static void md5_clear(struct put_op *put)
{
    if (put->md5.timer != NULL) {
        ps_uv_handle_close((uv_handle_t *)put->md5.timer);
        put->md5.timer = NULL;
    }
    ps_hasher_clear(&put->md5.hasher);
    free(put->md5.chunk);
    put->md5.chunk = NULL;
}

static void md5_failed(struct put_op *put)
{
    struct ps_err err;

    md5_clear(put);
    (void)ps_err_set(&err, PS_E_CANCELLED, "put: the body cannot be read");
    finish(put, NULL, &err);
}

/* False when it waits for the reader, or has ended. */
static bool md5_chunk(struct put_op *put)
{
    uint64_t left_bytes = put->body.size_bytes - put->md5.done_bytes;
    size_t wanted = left_bytes < HASH_CHUNK_BYTES ? (size_t)left_bytes : HASH_CHUNK_BYTES;
    ssize_t got;

    ps_s3_op_enter(&put->op);
    got = put->body.read(put->body.user, put->md5.done_bytes, put->md5.chunk, wanted);
    if (!ps_s3_op_leave(&put->op)) {
        return false;
    }
    if (got == PS_BODY_LATER) {
        (void)uv_timer_stop(put->md5.timer); /* until md5_wake */
        return false;
    }
    if (got <= 0) {
        md5_failed(put);
        return false;
    }
    ps_hasher_update(&put->md5.hasher, put->md5.chunk, (size_t)got);
    put->md5.done_bytes += (uint64_t)got;
    return true;
}

static void on_md5_turn(uv_timer_t *timer)
{
    struct put_op *put = timer->data;
    uint64_t until_bytes = put->md5.done_bytes + HASH_TURN_BYTES;

    (void)uv_timer_start(timer, on_md5_turn, 0, 0);
    while (put->md5.done_bytes < put->body.size_bytes && put->md5.done_bytes < until_bytes) {
        if (!md5_chunk(put)) {
            return;
        }
    }
    if (put->md5.done_bytes == put->body.size_bytes) {
        put->checksum = ps_hasher_finish(&put->md5.hasher);
        md5_clear(put);
        send_put(put);
    }
}

static void md5_wake(struct ps_s3_op *op)
{
    struct put_op *put = (struct put_op *)op;

    if (put->md5.timer != NULL) {
        (void)uv_timer_start(put->md5.timer, on_md5_turn, 0, 0);
    }
}

static enum ps_code md5_start(struct put_op *put, struct ps_err *err)
{
    enum ps_code code = ps_hasher_init(&put->md5.hasher, PS_CHECKSUM_MD5, err);

    if (code != PS_OK) {
        return code;
    }
    put->md5.done_bytes = 0;
    put->md5.chunk = malloc(HASH_CHUNK_BYTES);
    put->md5.timer = ps_uv_timer_new(put->op.store->loop, put);
    if (put->md5.chunk == NULL || put->md5.timer == NULL) {
        md5_clear(put);
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    (void)uv_timer_start(put->md5.timer, on_md5_turn, 0, 0);
    return PS_OK;
}

/* --- the request --- */

static enum ps_code check_put(void *user, const struct ps_http_answer *answer, struct ps_err *err)
{
    struct put_op *put = user;
    bool confirmed = false;
    enum ps_code code =
        ps_s3_checksum_confirm(put->op.store, answer, &put->checksum, &confirmed, err);

    if (code == PS_OK && ps_http_answer_header(answer, "etag") == NULL) {
        code = ps_err_set(err, PS_E_PARSE, "the answer has no ETag");
    }
    if (confirmed) {
        put->confirmed = put->checksum;
    }
    return code;
}

static void on_put_done(void *user, const struct ps_s3_outcome *outcome)
{
    struct put_op *put = user;
    struct ps_err err;

    put->op.call = NULL;
    if (outcome->err == NULL) {
        finish(put, ps_http_answer_header(outcome->answer, "etag"), NULL);
        return;
    }
    if (ps_s3_checksum_refused(put->op.store, put->checksum.algorithm, outcome)) {
        send_put(put);
        return;
    }
    ps_s3_write_error(outcome, put->create_only, &err);
    finish(put, NULL, &err);
}

static enum ps_code add_query(const struct put_op *put, struct ps_s3_pairs *query,
                              struct ps_err *err)
{
    char number[16];
    enum ps_code code;

    if (put->part_number == 0) {
        return PS_OK;
    }
    (void)snprintf(number, sizeof(number), "%u", put->part_number);
    code = ps_s3_query_add(query, "partNumber", number, err);
    return code == PS_OK ? ps_s3_query_add(query, "uploadId", put->upload_id, err) : code;
}

static enum ps_code add_headers(const struct put_op *put, struct ps_s3_pairs *headers,
                                struct ps_err *err)
{
    const struct ps_s3_dialect *dialect = put->op.store->dialect;
    enum ps_code code = ps_s3_pairs_add_all(headers, &put->headers, err);

    if (code == PS_OK) {
        code = ps_s3_checksum_add(headers, &put->checksum, err);
    }
    if (code == PS_OK && put->create_only) {
        code = ps_s3_pairs_add(headers, dialect->create_only, dialect->create_only_value, err);
    }
    return code;
}

/* With a checksum that the store takes: send. Else make its MD5 first, which comes back here. */
static enum ps_code start_put(struct put_op *put, struct ps_err *err)
{
    struct ps_s3_call_options call = {
        .operation = put->part_number != 0 ? "put_part" : "put",
        .method = "PUT",
        .key = put->op.key,
        .part_number = put->part_number,
        .data = &put->body,
        .sha256 = put->op.store->sign_payload ? &put->sha256 : NULL,
        .check = check_put,
        .done = on_put_done,
        .user = put,
    };
    enum ps_code code;

    if (!ps_s3_checksum_is_taken(put->op.store, put->checksum.algorithm)) {
        return md5_start(put, err);
    }
    code = add_query(put, &call.query, err);
    if (code == PS_OK) {
        code = add_headers(put, &call.headers, err);
    }
    if (code == PS_OK) {
        return ps_s3_call_start(put->op.store, &call, &put->op.call, err);
    }
    ps_s3_pairs_clear(&call.query);
    ps_s3_pairs_clear(&call.headers);
    return code;
}

static void send_put(struct put_op *put)
{
    struct ps_err err;

    if (start_put(put, &err) != PS_OK) {
        finish(put, NULL, &err);
    }
}

static void put_clear(struct ps_s3_op *op)
{
    struct put_op *put = (struct put_op *)op;

    md5_clear(put);
    ps_s3_pairs_clear(&put->headers);
    free(put->upload_id);
}

static struct put_op *put_new(struct ps_store *store, const char *key, const struct ps_body *body,
                              const struct ps_checksum *checksum, const struct ps_checksum *sha256,
                              struct ps_err *err)
{
    struct put_op *put = NULL;

    const struct ps_s3_dialect *dialect = ((struct ps_s3_store *)store)->dialect;

    if (!ps_s3_checksum_is_known(dialect, checksum->algorithm)) {
        (void)ps_err_set(err, PS_E_UNSUPPORTED, "%s knows no checksum %s", dialect->name,
                         ps_checksum_name(checksum->algorithm));
        return NULL;
    }
    put = ps_s3_op_new(store, sizeof(*put), key, err);
    if (put != NULL) {
        put->op.clear = put_clear;
        put->op.wake = md5_wake;
        put->body = *body;
        put->checksum = *checksum;
        put->sha256 = *sha256;
    }
    return put;
}

struct ps_store_op *ps_s3_put(struct ps_store *store, const struct ps_put_request *request,
                              ps_store_put_fn done, void *user, struct ps_err *err)
{
    struct put_op *put =
        put_new(store, request->key, &request->body, &request->checksum, &request->sha256, err);
    enum ps_code code;

    if (put == NULL) {
        return NULL;
    }
    put->done = done;
    put->user = user;
    put->create_only = request->options.create_only;
    code = ps_s3_write_headers(put->op.store, &put->headers, &request->options, err);
    if (code == PS_OK) {
        code = start_put(put, err);
    }
    return ps_s3_op_started(&put->op, code);
}

struct ps_store_op *ps_s3_put_part(struct ps_store *store, const struct ps_part_request *request,
                                   ps_store_put_fn done, void *user, struct ps_err *err)
{
    struct put_op *put = NULL;
    enum ps_code code;

    if (request->part_number == 0 || request->part_number > store->capabilities.part_count_max) {
        (void)ps_err_set(err, PS_E_INVALID, "part %u: parts count from 1 to %u",
                         request->part_number, store->capabilities.part_count_max);
        return NULL;
    }
    put = put_new(store, request->key, &request->body, &request->checksum, &request->sha256, err);
    if (put == NULL) {
        return NULL;
    }
    put->done = done;
    put->user = user;
    put->part_number = request->part_number;
    put->upload_id = ps_strdup(request->upload_id);
    code = put->upload_id != NULL ? start_put(put, err)
                                  : ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    return ps_s3_op_started(&put->op, code);
}
