#include "base/str.h"
#include "store/s3_answer.h"
#include "store/s3_error.h"
#include "store/s3_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** GetObject, gone on with by ranges when a body is cut. */
struct get_op {
    struct ps_s3_op op;
    struct ps_sink sink;
    void (*on_info)(void *user, const struct ps_object_info *info);
    ps_store_done_fn done;
    void *user;
    bool has_range;
    uint64_t offset_bytes;
    uint64_t length_bytes;
    char *if_match; /* the caller's, then that of the first answer; NULL = none */
    bool informed;  /* on_info was called */
    bool begun;     /* the first answer was read: the fields below hold */
    bool has_total;
    uint64_t total_bytes; /* of the object */
    uint64_t next_bytes;  /* offset of the next byte for the sink */
    uint64_t end_bytes;   /* offset after the last; UINT64_MAX = until the body ends */
    uint64_t skip_bytes;  /* of this body: the store sent more than it was asked for */
};

static void finish(struct get_op *get, const struct ps_err *err)
{
    ps_s3_op_enter(&get->op);
    get->done(get->user, err);
    ps_s3_op_end(&get->op);
}

static enum ps_code add_range(const struct get_op *get, struct ps_s3_pairs *headers,
                              uint64_t first_bytes, uint64_t end_bytes, struct ps_err *err)
{
    const char *behavior = get->op.store->dialect->range_behavior;
    char text[64];
    enum ps_code code;

    if (end_bytes == UINT64_MAX) {
        (void)snprintf(text, sizeof(text), "bytes=%" PRIu64 "-", first_bytes);
    } else {
        (void)snprintf(text, sizeof(text), "bytes=%" PRIu64 "-%" PRIu64, first_bytes,
                       end_bytes - 1);
    }
    code = ps_s3_pairs_set(headers, "range", text, err);
    return code == PS_OK && behavior != NULL ? ps_s3_pairs_set(headers, behavior, "standard", err)
                                             : code;
}

/* --- the head of an answer --- */

static bool is_strong(const char *etag)
{
    return etag[0] != '\0' &&
           !ps_str_has_prefix(etag, "W/"); /* RFC 9110 13.1.1: If-Match is strong */
}

static enum ps_code changed(struct ps_err *err)
{
    return ps_err_set(err, PS_E_CHANGED, "the object was replaced while it was read");
}

static enum ps_code wrong_range(struct ps_err *err)
{
    return ps_err_set(err, PS_E_PARSE, "the store sent other bytes than the range asked for");
}

/* What part of the object this body is: *first_out, and the object's size where it is told. */
static enum ps_code body_place(const struct ps_http_answer *answer, bool *has_total_out,
                               uint64_t *first_out, uint64_t *end_out, uint64_t *total_out,
                               struct ps_err *err)
{
    const char *range = ps_http_answer_header(answer, "content-range");
    const char *length = ps_http_answer_header(answer, "content-length");
    uint64_t last = 0;

    *first_out = 0;
    *end_out = UINT64_MAX;
    if (ps_http_answer_status(answer) == 206) {
        if (range == NULL || !ps_s3_range_parse(range, first_out, &last, total_out)) {
            return wrong_range(err);
        }
        *end_out = last + 1; /* cannot overflow: last < total */
        *has_total_out = true;
        return PS_OK;
    }
    if (ps_http_answer_status(answer) != 200) {
        return wrong_range(err);
    }
    *has_total_out = length != NULL && ps_u64_parse(length, total_out);
    if (*has_total_out) {
        *end_out = *total_out;
    }
    return PS_OK;
}

/* The end of what was asked for; a range may reach over the end of the object. */
static uint64_t wanted_end(const struct get_op *get)
{
    uint64_t end_bytes = UINT64_MAX;

    if (get->has_range && !ps_add_u64(get->offset_bytes, get->length_bytes, &end_bytes)) {
        end_bytes = UINT64_MAX;
    }
    if (get->has_total && get->total_bytes < end_bytes) {
        end_bytes = get->total_bytes;
    }
    return end_bytes;
}

static enum ps_code tell_info(struct get_op *get, const struct ps_http_answer *answer,
                              struct ps_err *err)
{
    struct ps_s3_info info;
    enum ps_code code;
    bool alive;

    if (get->on_info == NULL || get->informed) {
        return PS_OK;
    }
    code =
        ps_s3_info_read(&info, get->op.store->dialect, answer, get->op.key, !get->has_range, err);
    if (code != PS_OK) {
        return code;
    }
    if (get->has_total) {
        info.info.size_bytes = get->total_bytes;
    }
    get->informed = true;
    ps_s3_op_enter(&get->op);
    get->on_info(get->user, &info.info);
    alive = ps_s3_op_leave(&get->op);
    ps_s3_info_clear(&info);
    return alive ? PS_OK : PS_E_CANCELLED;
}

static enum ps_code first_answer(struct get_op *get, const struct ps_http_answer *answer,
                                 struct ps_err *err)
{
    const char *etag = ps_http_answer_header(answer, "etag");
    uint64_t first = 0;
    uint64_t end = 0;
    uint64_t from = get->has_range ? get->offset_bytes : 0;
    enum ps_code code = body_place(answer, &get->has_total, &first, &end, &get->total_bytes, err);

    if (code != PS_OK) {
        return code;
    }
    if (get->if_match != NULL && etag != NULL && is_strong(etag) &&
        strcmp(get->if_match, etag) != 0 && strcmp(get->if_match, "*") != 0) {
        return changed(err); /* a store that does not know If-Match */
    }
    get->next_bytes = from;
    get->end_bytes = wanted_end(get);
    if (first > from || (get->has_total && (from > get->end_bytes || end < get->end_bytes))) {
        return wrong_range(err);
    }
    get->skip_bytes = from - first;
    if (etag != NULL && is_strong(etag)) {
        free(get->if_match);
        get->if_match = ps_strdup(etag);
        if (get->if_match == NULL) {
            return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
        }
    }
    get->begun = true;
    return tell_info(get, answer, err);
}

static enum ps_code next_answer(struct get_op *get, const struct ps_http_answer *answer,
                                struct ps_err *err)
{
    const char *etag = ps_http_answer_header(answer, "etag");
    bool has_total = false;
    uint64_t first = 0;
    uint64_t end = 0;
    uint64_t total = 0;
    enum ps_code code = body_place(answer, &has_total, &first, &end, &total, err);

    if (code != PS_OK) {
        return code;
    }
    if (etag == NULL || strcmp(etag, get->if_match) != 0 ||
        (get->has_total && has_total && total != get->total_bytes)) {
        return changed(err);
    }
    if (first > get->next_bytes || (get->end_bytes != UINT64_MAX && end < get->end_bytes)) {
        return wrong_range(err);
    }
    get->skip_bytes = get->next_bytes - first;
    return PS_OK;
}

static enum ps_code on_get_answer(void *user, const struct ps_http_answer *answer,
                                  struct ps_err *err)
{
    struct get_op *get = user;

    return get->begun ? next_answer(get, answer, err) : first_answer(get, answer, err);
}

/* --- the body --- */

static enum ps_push on_get_data(void *user, const void *data, size_t size_bytes)
{
    struct get_op *get = user;
    size_t skipped = get->skip_bytes < size_bytes ? (size_t)get->skip_bytes : size_bytes;
    uint64_t wanted_bytes = get->end_bytes - get->next_bytes;
    size_t given = size_bytes - skipped;
    enum ps_push push;

    if (given > wanted_bytes) {
        given = (size_t)wanted_bytes;
    }
    if (given == 0) {
        get->skip_bytes -= skipped;
        return PS_PUSH_TAKEN;
    }
    ps_s3_op_enter(&get->op);
    push = get->sink.write(get->sink.user, (const char *)data + skipped, given);
    if (!ps_s3_op_leave(&get->op)) {
        return PS_PUSH_STOP;
    }
    if (push == PS_PUSH_TAKEN || push == PS_PUSH_FULL) {
        get->skip_bytes -= skipped;
        get->next_bytes += given;
        ps_s3_call_progress(get->op.call);
    }
    return push;
}

static void on_get_flush(void *user)
{
    const struct get_op *get = user;

    if (get->sink.flush != NULL) {
        get->sink.flush(get->sink.user);
    }
}

static enum ps_code before_resend(void *user, struct ps_s3_pairs *headers, struct ps_err *err)
{
    struct get_op *get = user;
    const char *checksum_mode = get->op.store->dialect->checksum_mode;
    enum ps_code code;

    if (!get->begun || get->next_bytes == (get->has_range ? get->offset_bytes : 0)) {
        get->begun = get->begun && get->if_match != NULL;
        return PS_OK; /* nothing was delivered: the same request again */
    }
    if (get->if_match == NULL) {
        return ps_err_set(err, PS_E_TEMPORARY,
                          "the body was cut, and the store gave no ETag to go on by");
    }
    if (get->next_bytes >= get->end_bytes) {
        return ps_err_set(err, PS_E_TEMPORARY, "the connection broke after the last byte");
    }
    code = add_range(get, headers, get->next_bytes, get->end_bytes, err);
    if (code == PS_OK) {
        code = ps_s3_pairs_set(headers, "if-match", get->if_match, err);
    }
    return code == PS_OK && checksum_mode != NULL
               ? ps_s3_pairs_set(headers, checksum_mode, NULL, err)
               : code;
}

static enum ps_code check_get(void *user, const struct ps_http_answer *answer, struct ps_err *err)
{
    struct get_op *get = user;

    (void)answer;
    if (get->begun && get->end_bytes != UINT64_MAX && get->next_bytes < get->end_bytes) {
        (void)ps_err_set(err, PS_E_TEMPORARY, "the body is %" PRIu64 " bytes short",
                         get->end_bytes - get->next_bytes);
        ps_s3_error_of_transport(err);
        return PS_E_TEMPORARY;
    }
    return PS_OK;
}

static void on_get_done(void *user, const struct ps_s3_outcome *outcome)
{
    struct get_op *get = user;
    struct ps_err err;

    get->op.call = NULL;
    if (outcome->err == NULL) {
        finish(get, NULL);
        return;
    }
    err = *outcome->err;
    if (err.http_status == 412) {
        err.code = PS_E_CHANGED;
    }
    finish(get, &err);
}

static void get_clear(struct ps_s3_op *op)
{
    free(((struct get_op *)op)->if_match);
}

static enum ps_code start_get(struct get_op *get, size_t buffer_bytes, struct ps_err *err)
{
    struct ps_s3_call_options call = {
        .operation = "get",
        .method = "GET",
        .key = get->op.key,
        .sink = true,
        .receive_buffer_bytes = buffer_bytes,
        .before_resend = before_resend,
        .on_answer = on_get_answer,
        .on_data = on_get_data,
        .on_flush = on_get_flush,
        .check = check_get,
        .done = on_get_done,
        .user = get,
    };
    uint64_t end_bytes = UINT64_MAX;
    enum ps_code code = PS_OK;

    if (get->has_range) {
        if (get->length_bytes == 0 ||
            !ps_add_u64(get->offset_bytes, get->length_bytes, &end_bytes)) {
            return ps_err_set(err, PS_E_INVALID, "get: no such range");
        }
        code = add_range(get, &call.headers, get->offset_bytes, end_bytes, err);
    } else if (get->op.store->dialect->checksum_mode != NULL) {
        code =
            ps_s3_pairs_add(&call.headers, get->op.store->dialect->checksum_mode, "ENABLED", err);
    }
    if (code == PS_OK && get->if_match != NULL) {
        code = ps_s3_pairs_add(&call.headers, "if-match", get->if_match, err);
    }
    if (code == PS_OK) {
        return ps_s3_call_start(get->op.store, &call, &get->op.call, err);
    }
    ps_s3_pairs_clear(&call.headers);
    return code;
}

struct ps_store_op *ps_s3_get(struct ps_store *store, const struct ps_get_request *request,
                              ps_store_done_fn done, void *user, struct ps_err *err)
{
    struct get_op *get = ps_s3_op_new(store, sizeof(*get), request->key, err);
    enum ps_code code = PS_OK;

    if (get == NULL) {
        return NULL;
    }
    get->op.clear = get_clear;
    get->sink = request->sink;
    get->on_info = request->on_info;
    get->done = done;
    get->user = user;
    get->has_range = request->has_range;
    get->offset_bytes = request->offset_bytes;
    get->length_bytes = request->length_bytes;
    if (request->if_match != NULL) {
        get->if_match = ps_strdup(request->if_match);
        if (get->if_match == NULL) {
            code = ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
        }
    }
    if (code == PS_OK) {
        code = start_get(get, request->buffer_bytes, err);
    }
    return ps_s3_op_started(&get->op, code);
}
