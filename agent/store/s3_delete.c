#include "base/str.h"
#include "base/xml_read.h"
#include "store/error_class.h"
#include "store/s3_answer.h"
#include "store/s3_checksum.h"
#include "store/s3_error.h"
#include "store/s3_internal.h"

#include <stdlib.h>
#include <string.h>

/** Keys whose own error passes (InternalError, SlowDown) are asked for again this often, by themselves. */
#define ROUNDS_MAX 5

enum fate {
    FATE_OPEN,   /* to be sent */
    FATE_SENT,   /* in the batch under way, and not in its answer yet */
    FATE_SINGLE, /* XML cannot carry the key there and back: DeleteObject */
    FATE_DONE,
};

struct target {
    char *key;
    enum fate fate;
    enum ps_code code;
    char *message; /* NULL = none */
    bool delete_marker;
};

/** DeleteObjects, then DeleteObject for the keys that XML cannot carry. */
struct delete_op {
    struct ps_s3_op op;
    struct target *targets;
    size_t count;
    size_t current; /* the single one that is sent */
    uint32_t round;
    int64_t started_mono_ms;
    uint64_t wait_ms;        /* before the next request */
    struct ps_err transient; /* of a key, the latest; code PS_OK = none */
    struct {
        char key[PS_S3_KEY_MAX_BYTES + 1];
        struct ps_s3_error error;
        bool delete_marker;
        size_t at; /* where the search for the next key begins: answers mostly keep the order */
    } read;
    ps_store_delete_fn done;
    void *user;
};

static void step(struct delete_op *delete_op);

/* --- the end --- */

static void finish(struct delete_op *delete_op, const struct ps_err *err)
{
    struct ps_delete_result *results = NULL;
    struct ps_err local;

    if (err == NULL) {
        results = calloc(delete_op->count, sizeof(*results));
        if (results == NULL) {
            (void)ps_err_set(&local, PS_E_NO_MEMORY, "delete_batch: out of memory");
            err = &local;
        }
    }
    for (size_t i = 0; results != NULL && i < delete_op->count; i++) {
        const struct target *target = &delete_op->targets[i];

        results[i].key = target->key;
        results[i].code = target->code;
        results[i].message = target->message != NULL ? target->message : "";
        results[i].delete_marker = target->delete_marker;
    }
    ps_s3_op_enter(&delete_op->op);
    delete_op->done(delete_op->user, results, results != NULL ? delete_op->count : 0, err);
    free(results);
    ps_s3_op_end(&delete_op->op);
}

static void settle(struct target *target, enum ps_code code, const char *message)
{
    target->fate = FATE_DONE;
    target->code = code;
    free(target->message);
    target->message = message != NULL ? ps_strdup(message) : NULL; /* lost when memory is out */
}

/* --- the answer of a batch --- */

static struct target *find_sent(struct delete_op *delete_op, const char *key)
{
    for (size_t i = 0; i < delete_op->count; i++) {
        size_t index = (delete_op->read.at + i) % delete_op->count;
        struct target *target = &delete_op->targets[index];

        if (target->fate == FATE_SENT && strcmp(target->key, key) == 0) {
            delete_op->read.at = index + 1;
            return target;
        }
    }
    return NULL;
}

static enum ps_code on_begin(void *user, const char *path, struct ps_err *err)
{
    struct delete_op *delete_op = user;

    (void)err;
    if (strcmp(path, "/DeleteResult/Deleted") == 0 || strcmp(path, "/DeleteResult/Error") == 0) {
        delete_op->read.key[0] = '\0';
        delete_op->read.delete_marker = false;
        memset(&delete_op->read.error, 0, sizeof(delete_op->read.error));
    }
    return PS_OK;
}

static void key_deleted(struct delete_op *delete_op)
{
    struct target *target = find_sent(delete_op, delete_op->read.key);

    if (target != NULL) {
        settle(target, PS_OK, NULL);
        target->delete_marker = delete_op->read.delete_marker;
    }
}

static void key_failed(struct delete_op *delete_op)
{
    struct target *target = find_sent(delete_op, delete_op->read.key);
    struct ps_err err;

    if (target == NULL) {
        return;
    }
    (void)ps_s3_error_fill(&delete_op->read.error, 200, &err);
    if (err.code == PS_E_NOT_FOUND && strcmp(err.store_code, "NoSuchBucket") != 0) {
        settle(target, PS_OK, NULL);
        return;
    }
    if (err.retry == PS_RETRY_TRANSIENT || err.retry == PS_RETRY_THROTTLE) {
        delete_op->transient = err;
        settle(target, err.code, err.message);
        target->fate = FATE_OPEN;
        return;
    }
    settle(target, err.code, err.message);
}

static enum ps_code on_end(void *user, const char *path, const char *text, struct ps_err *err)
{
    struct delete_op *delete_op = user;
    const char *name = strrchr(path, '/');

    (void)err;
    if (strcmp(path, "/DeleteResult/Deleted") == 0) {
        key_deleted(delete_op);
    } else if (strcmp(path, "/DeleteResult/Error") == 0) {
        key_failed(delete_op);
    } else if (strcmp(name, "/Key") == 0) {
        /* A longer key is none of ours; cut, it might look like one. */
        ps_str_copy(delete_op->read.key, sizeof(delete_op->read.key),
                    strlen(text) < sizeof(delete_op->read.key) ? text : "");
    } else if (strcmp(name, "/Code") == 0) {
        ps_s3_error_copy(delete_op->read.error.code, sizeof(delete_op->read.error.code), text);
    } else if (strcmp(name, "/Message") == 0) {
        ps_s3_error_copy(delete_op->read.error.message, sizeof(delete_op->read.error.message),
                         text);
    } else if (strcmp(name, "/DeleteMarker") == 0) {
        delete_op->read.delete_marker = strcmp(text, "true") == 0;
    }
    return PS_OK;
}

/* A key that the answer does not name: settled like its twin, else unknown. */
static void settle_unnamed(struct delete_op *delete_op, size_t index)
{
    struct target *target = &delete_op->targets[index];

    for (size_t i = 0; i < delete_op->count; i++) {
        const struct target *twin = &delete_op->targets[i];

        if (twin->fate == FATE_DONE && strcmp(twin->key, target->key) == 0) {
            settle(target, twin->code, twin->message);
            target->delete_marker = twin->delete_marker;
            return;
        }
    }
    settle(target, PS_E_UNKNOWN_OUTCOME, "the store did not say what became of it");
}

static enum ps_code check_batch(void *user, const struct ps_http_answer *answer, struct ps_err *err)
{
    static const struct ps_xml_handler handler = { .begin = on_begin, .end = on_end };
    struct delete_op *delete_op = user;
    enum ps_code code;

    delete_op->read.at = 0;
    code = ps_s3_xml_read(answer, "/DeleteResult", &handler, delete_op, err);
    if (code != PS_OK && err->retry != PS_RETRY_NEVER) {
        /* The same text would be sent again; it is done here, without the keys that are settled. */
        delete_op->transient = *err;
        err->retry = PS_RETRY_NEVER;
    }
    return code;
}

/* --- requests --- */

static void reopen_sent(struct delete_op *delete_op)
{
    for (size_t i = 0; i < delete_op->count; i++) {
        if (delete_op->targets[i].fate == FATE_SENT) {
            delete_op->targets[i].fate = FATE_OPEN;
        }
    }
}

/* Keys that stay open are sent again after a wait, or settled with the error they have. */
static void again_or_settle(struct delete_op *delete_op)
{
    int64_t elapsed_ms = ps_clock_mono_ms(delete_op->op.store->clock) - delete_op->started_mono_ms;
    const struct ps_retry_failure failure = {
        .operation = "delete_batch",
        .url = delete_op->op.store->base.root_url,
        .err = &delete_op->transient,
        .attempt = ++delete_op->round,
        .elapsed_ms = elapsed_ms > 0 ? (uint64_t)elapsed_ms : 0,
    };

    if (delete_op->round < ROUNDS_MAX &&
        ps_retry_next(delete_op->op.store->retry, &failure, &delete_op->wait_ms)) {
        return;
    }
    for (size_t i = 0; i < delete_op->count; i++) {
        struct target *target = &delete_op->targets[i];

        if (target->fate == FATE_OPEN) {
            settle(target, delete_op->transient.code, delete_op->transient.message);
        }
    }
}

static void on_batch_done(void *user, const struct ps_s3_outcome *outcome)
{
    struct delete_op *delete_op = user;

    delete_op->op.call = NULL;
    if (outcome->err != NULL && delete_op->transient.code == PS_OK) {
        finish(delete_op, outcome->err);
        return;
    }
    if (outcome->err != NULL) {
        reopen_sent(delete_op);
    }
    for (size_t i = 0; i < delete_op->count; i++) {
        if (delete_op->targets[i].fate == FATE_SENT) {
            settle_unnamed(delete_op, i);
        }
    }
    if (delete_op->transient.code != PS_OK) {
        again_or_settle(delete_op);
        ps_err_clear(&delete_op->transient);
    }
    step(delete_op);
}

static enum ps_code write_text(struct delete_op *delete_op, struct ps_buf *text, size_t *count_out,
                               struct ps_err *err)
{
    enum ps_code code =
        ps_buf_append_format(text, err, "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Delete%s>",
                             delete_op->op.store->dialect->xml_namespace);

    for (size_t i = 0; i < delete_op->count && code == PS_OK; i++) {
        struct target *target = &delete_op->targets[i];
        size_t before = text->size_bytes;

        if (target->fate != FATE_OPEN) {
            continue;
        }
        code = ps_buf_append_str(text, "<Object><Key>", err);
        if (code == PS_OK) {
            /* A bare CR in the answer is read as LF (XML 1.0 2.11): which key was deleted would not be known. */
            code = strchr(target->key, '\r') == NULL ? ps_xml_escape(text, target->key, err)
                                                     : PS_E_INVALID;
        }
        if (code == PS_E_INVALID) {
            text->size_bytes = before;
            text->data[before] = '\0';
            target->fate = FATE_SINGLE;
            code = PS_OK;
            continue;
        }
        if (code == PS_OK) {
            code = ps_buf_append_str(text, "</Key></Object>", err);
        }
        target->fate = FATE_SENT;
        (*count_out)++;
    }
    return code == PS_OK ? ps_buf_append_str(text, "</Delete>", err) : code;
}

/* Old stores want Content-MD5, and AWS one of both. */
static enum ps_code add_headers(const struct delete_op *delete_op, struct ps_s3_pairs *headers,
                                const struct ps_buf *text, struct ps_err *err)
{
    enum ps_checksum_algorithm algorithm = delete_op->op.store->base.capabilities.checksum_default;
    enum ps_code code = ps_s3_pairs_add(headers, "content-type", "application/xml", err);

    if (code == PS_OK) {
        code = ps_s3_checksum_add_of(headers, PS_CHECKSUM_MD5, text, err);
    }
    if (code == PS_OK && ps_s3_checksum_header(algorithm) != NULL &&
        !delete_op->op.store->kind->no_delete_checksum) {
        code = ps_s3_checksum_add_of(headers, algorithm, text, err);
    }
    return code;
}

/* *sent_out is false when no key is left that a batch can carry. */
static enum ps_code start_batch(struct delete_op *delete_op, bool *sent_out, struct ps_err *err)
{
    struct ps_s3_call_options call = {
        .operation = "delete_batch",
        .method = "POST",
        .wait_ms = delete_op->wait_ms,
        .check = check_batch,
        .done = on_batch_done,
        .user = delete_op,
    };
    size_t count = 0;
    enum ps_code code;

    ps_buf_init(&call.text, 0);
    code = write_text(delete_op, &call.text, &count, err);
    *sent_out = code == PS_OK && count != 0;
    if (*sent_out) {
        code = ps_s3_query_add(&call.query, "delete", "", err);
        if (code == PS_OK) {
            code = add_headers(delete_op, &call.headers, &call.text, err);
        }
        if (code == PS_OK) {
            return ps_s3_call_start(delete_op->op.store, &call, &delete_op->op.call, err);
        }
    }
    ps_s3_pairs_clear(&call.query);
    ps_s3_pairs_clear(&call.headers);
    ps_buf_clear(&call.text);
    return code;
}

static void on_single_done(void *user, const struct ps_s3_outcome *outcome)
{
    struct delete_op *delete_op = user;
    struct target *target = &delete_op->targets[delete_op->current];
    const struct ps_err *err = outcome->err;
    const char *marker;

    delete_op->op.call = NULL;
    if (err == NULL ||
        (err->code == PS_E_NOT_FOUND && strcmp(err->store_code, "NoSuchBucket") != 0)) {
        settle(target, PS_OK, NULL);
        marker = outcome->answer != NULL
                     ? ps_http_answer_header(outcome->answer,
                                             delete_op->op.store->dialect->delete_marker)
                     : NULL;
        target->delete_marker = marker != NULL && strcmp(marker, "true") == 0;
    } else {
        settle(target, err->code, err->message);
    }
    step(delete_op);
}

static bool next_single(struct delete_op *delete_op)
{
    for (size_t i = 0; i < delete_op->count; i++) {
        if (delete_op->targets[i].fate == FATE_SINGLE) {
            delete_op->current = i;
            return true;
        }
    }
    return false;
}

static enum ps_code start_single(struct delete_op *delete_op, struct ps_err *err)
{
    struct ps_s3_call_options call = {
        .operation = "delete",
        .method = "DELETE",
        .key = delete_op->targets[delete_op->current].key,
        .done = on_single_done,
        .user = delete_op,
    };

    return ps_s3_call_start(delete_op->op.store, &call, &delete_op->op.call, err);
}

/* *ended_out: nothing is left to be sent. */
static enum ps_code start_next(struct delete_op *delete_op, bool *ended_out, struct ps_err *err)
{
    bool sent = false;
    enum ps_code code = start_batch(delete_op, &sent, err);

    delete_op->wait_ms = 0;
    *ended_out = false;
    if (code != PS_OK || sent) {
        return code;
    }
    if (next_single(delete_op)) {
        return start_single(delete_op, err);
    }
    *ended_out = true;
    return PS_OK;
}

static void step(struct delete_op *delete_op)
{
    struct ps_err err;
    bool ended = false;

    if (start_next(delete_op, &ended, &err) != PS_OK) {
        finish(delete_op, &err);
    } else if (ended) {
        finish(delete_op, NULL);
    }
}

static void delete_clear(struct ps_s3_op *op)
{
    struct delete_op *delete_op = (struct delete_op *)op;

    for (size_t i = 0; delete_op->targets != NULL && i < delete_op->count; i++) {
        free(delete_op->targets[i].key);
        free(delete_op->targets[i].message);
    }
    free(delete_op->targets);
}

static enum ps_code copy_keys(struct delete_op *delete_op, const char *const *keys, size_t count,
                              struct ps_err *err)
{
    delete_op->targets = calloc(count, sizeof(*delete_op->targets));
    if (delete_op->targets == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    delete_op->count = count;
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(keys[i]);

        if (length == 0 || length > delete_op->op.store->dialect->key_max_bytes) {
            /* An empty key would be a request on the bucket itself. */
            return ps_err_set(err, PS_E_INVALID, "delete_batch: a key of %zu bytes", length);
        }
        delete_op->targets[i].key = ps_strdup(keys[i]);
        if (delete_op->targets[i].key == NULL) {
            return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
        }
    }
    return PS_OK;
}

struct ps_store_op *ps_s3_delete_batch(struct ps_store *store, const char *const *keys,
                                       size_t count, ps_store_delete_fn done, void *user,
                                       struct ps_err *err)
{
    struct delete_op *delete_op = NULL;
    bool ended = false;
    enum ps_code code;

    if (count == 0 || count > store->capabilities.delete_batch_max) {
        (void)ps_err_set(err, PS_E_INVALID, "delete_batch: %zu keys; the store takes 1 to %u",
                         count, store->capabilities.delete_batch_max);
        return NULL;
    }
    delete_op = ps_s3_op_new(store, sizeof(*delete_op), NULL, err);
    if (delete_op == NULL) {
        return NULL;
    }
    delete_op->op.clear = delete_clear;
    delete_op->done = done;
    delete_op->user = user;
    delete_op->started_mono_ms = ps_clock_mono_ms(delete_op->op.store->clock);
    code = copy_keys(delete_op, keys, count, err);
    if (code == PS_OK) {
        code = start_next(delete_op, &ended, err);
    }
    return ps_s3_op_started(&delete_op->op, code);
}
