#include "base/encode.h"
#include "base/str.h"
#include "base/xml_read.h"
#include "store/s3_answer.h"
#include "store/s3_checksum.h"
#include "store/s3_internal.h"
#include "store/s3_write.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- begin --- */

struct begin_op {
    struct ps_s3_op op;
    struct ps_s3_pairs headers;
    enum ps_checksum_algorithm checksum;
    bool create_only;
    char *upload_id;
    ps_store_begin_fn done;
    void *user;
};

static enum ps_code start_begin(struct begin_op *begin, struct ps_err *err);

static void begin_finish(struct begin_op *begin, const char *upload_id, const struct ps_err *err)
{
    ps_s3_op_enter(&begin->op);
    begin->done(begin->user, upload_id, err);
    ps_s3_op_end(&begin->op);
}

static enum ps_code on_begin_end(void *user, const char *path, const char *text, struct ps_err *err)
{
    struct begin_op *begin = user;

    if (strcmp(path, "/InitiateMultipartUploadResult/UploadId") == 0) {
        free(begin->upload_id);
        begin->upload_id = ps_strdup(text);
        if (begin->upload_id == NULL) {
            return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
        }
    }
    return PS_OK;
}

static enum ps_code check_begin(void *user, const struct ps_http_answer *answer, struct ps_err *err)
{
    static const struct ps_xml_handler handler = { .end = on_begin_end };
    struct begin_op *begin = user;
    enum ps_code code =
        ps_s3_xml_read(answer, "/InitiateMultipartUploadResult", &handler, begin, err);

    if (code == PS_OK && (begin->upload_id == NULL || begin->upload_id[0] == '\0')) {
        return ps_err_set(err, PS_E_PARSE, "the answer has no UploadId");
    }
    return code;
}

static void on_begin_done(void *user, const struct ps_s3_outcome *outcome)
{
    struct begin_op *begin = user;
    struct ps_err err;

    begin->op.call = NULL;
    if (outcome->err == NULL) {
        begin_finish(begin, begin->upload_id, NULL);
    } else if (!ps_s3_checksum_refused(begin->op.store, begin->checksum, outcome)) {
        begin_finish(begin, NULL, outcome->err);
    } else if (start_begin(begin, &err) != PS_OK) {
        begin_finish(begin, NULL, &err);
    }
}

/* CRCs of parts combine to that of the object, which the store checks at Complete; others stay a list. */
static enum ps_code add_algorithm(const struct begin_op *begin, struct ps_s3_pairs *headers,
                                  struct ps_err *err)
{
    const char *name = ps_s3_checksum_wire_name(begin->checksum);
    enum ps_code code;

    if (name == NULL || !ps_s3_checksum_is_taken(begin->op.store, begin->checksum)) {
        return PS_OK;
    }
    code = ps_s3_pairs_add(headers, "x-amz-checksum-algorithm", name, err);
    if (code == PS_OK) {
        code = ps_s3_pairs_add(
            headers, "x-amz-checksum-type",
            ps_checksum_can_combine(begin->checksum) ? "FULL_OBJECT" : "COMPOSITE", err);
    }
    return code;
}

static enum ps_code start_begin(struct begin_op *begin, struct ps_err *err)
{
    const struct ps_s3_dialect *dialect = begin->op.store->dialect;
    struct ps_s3_call_options call = {
        .operation = "begin_multipart",
        .method = "POST",
        .key = begin->op.key,
        .check = check_begin,
        .done = on_begin_done,
        .user = begin,
    };
    enum ps_code code = ps_s3_query_add(&call.query, "uploads", "", err);

    if (code == PS_OK) {
        code = ps_s3_pairs_add_all(&call.headers, &begin->headers, err);
    }
    if (code == PS_OK) {
        code = add_algorithm(begin, &call.headers, err);
    }
    if (code == PS_OK && begin->create_only && dialect->begin_takes_create_only) {
        code =
            ps_s3_pairs_add(&call.headers, dialect->create_only, dialect->create_only_value, err);
    }
    if (code == PS_OK) {
        return ps_s3_call_start(begin->op.store, &call, &begin->op.call, err);
    }
    ps_s3_pairs_clear(&call.query);
    ps_s3_pairs_clear(&call.headers);
    return code;
}

static void begin_clear(struct ps_s3_op *op)
{
    struct begin_op *begin = (struct begin_op *)op;

    ps_s3_pairs_clear(&begin->headers);
    free(begin->upload_id);
}

struct ps_store_op *ps_s3_begin_multipart(struct ps_store *store,
                                          const struct ps_begin_request *request,
                                          ps_store_begin_fn done, void *user, struct ps_err *err)
{
    struct begin_op *begin = ps_s3_op_new(store, sizeof(*begin), request->key, err);
    enum ps_code code;

    if (begin == NULL) {
        return NULL;
    }
    begin->op.clear = begin_clear;
    begin->checksum = request->options.checksum;
    begin->create_only = request->options.create_only;
    begin->done = done;
    begin->user = user;
    code = ps_s3_write_headers(begin->op.store, &begin->headers, &request->options, err);
    if (code == PS_OK && begin->create_only) {
        code = ps_s3_write_check_create_only(begin->op.store, begin->op.key, err);
    }
    if (code == PS_OK) {
        code = start_begin(begin, err);
    }
    return ps_s3_op_started(&begin->op, code);
}

/* --- abort --- */

/**
 * Parts still in flight when an upload is aborted may be stored after it, and are paid for: Abort is repeated until
 * the store knows no such upload. More rounds than this mean that another process still sends parts.
 */
#define ABORT_ROUNDS_MAX 8

struct abort_op {
    struct ps_s3_op op;
    char *upload_id;
    unsigned round;
    ps_store_done_fn done;
    void *user;
};

static void on_abort_done(void *user, const struct ps_s3_outcome *outcome);
static void on_look_done(void *user, const struct ps_s3_outcome *outcome);

static void abort_finish(struct abort_op *abort_op, const struct ps_err *err)
{
    ps_s3_op_enter(&abort_op->op);
    abort_op->done(abort_op->user, err);
    ps_s3_op_end(&abort_op->op);
}

/* AbortMultipartUpload, or with looks ListParts, to see whether the upload is gone. */
static enum ps_code start_abort(struct abort_op *abort_op, bool looks, struct ps_err *err)
{
    struct ps_s3_call_options call = {
        .operation = "abort",
        .method = looks ? "GET" : "DELETE",
        .key = abort_op->op.key,
        .done = looks ? on_look_done : on_abort_done,
        .user = abort_op,
    };
    enum ps_code code = looks ? ps_s3_query_add(&call.query, "max-parts", "1", err) : PS_OK;

    if (code == PS_OK) {
        code = ps_s3_query_add(&call.query, "uploadId", abort_op->upload_id, err);
    }
    if (code == PS_OK) {
        return ps_s3_call_start(abort_op->op.store, &call, &abort_op->op.call, err);
    }
    ps_s3_pairs_clear(&call.query);
    return code;
}

static void abort_go_on(struct abort_op *abort_op, bool looks)
{
    struct ps_err err;

    if (start_abort(abort_op, looks, &err) != PS_OK) {
        abort_finish(abort_op, &err);
    }
}

static void on_abort_done(void *user, const struct ps_s3_outcome *outcome)
{
    struct abort_op *abort_op = user;

    abort_op->op.call = NULL;
    if (outcome->err == NULL) {
        abort_go_on(abort_op, true);
    } else if (outcome->err->code == PS_E_NO_UPLOAD) {
        abort_finish(abort_op, NULL);
    } else {
        abort_finish(abort_op, outcome->err);
    }
}

static void on_look_done(void *user, const struct ps_s3_outcome *outcome)
{
    struct abort_op *abort_op = user;
    struct ps_err err;

    abort_op->op.call = NULL;
    if (outcome->err != NULL) {
        /* Not allowed to list parts, or the store cannot: the Abort itself was answered with success. */
        bool settled = outcome->err->code == PS_E_NO_UPLOAD || outcome->err->code == PS_E_DENIED ||
                       outcome->err->code == PS_E_UNSUPPORTED;

        abort_finish(abort_op, settled ? NULL : outcome->err);
        return;
    }
    if (++abort_op->round == ABORT_ROUNDS_MAX) {
        (void)ps_err_set(&err, PS_E_TEMPORARY,
                         "abort: the upload is still there: another process sends parts to it");
        abort_finish(abort_op, &err);
        return;
    }
    abort_go_on(abort_op, false);
}

static void abort_clear(struct ps_s3_op *op)
{
    free(((struct abort_op *)op)->upload_id);
}

struct ps_store_op *ps_s3_abort(struct ps_store *store, const char *key, const char *upload_id,
                                ps_store_done_fn done, void *user, struct ps_err *err)
{
    struct abort_op *abort_op = ps_s3_op_new(store, sizeof(*abort_op), key, err);
    enum ps_code code;

    if (abort_op == NULL) {
        return NULL;
    }
    abort_op->op.clear = abort_clear;
    abort_op->done = done;
    abort_op->user = user;
    abort_op->upload_id = ps_strdup(upload_id);
    code = abort_op->upload_id != NULL ? start_abort(abort_op, false, err)
                                       : ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    return ps_s3_op_started(&abort_op->op, code);
}
