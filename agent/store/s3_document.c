#include "store/s3_document.h"

#include "store/s3_checksum.h"

#include <string.h>

struct document_op {
    struct ps_s3_op op;
    const char *settled_by_code;
    ps_store_done_fn done;
    void *user;
};

static void on_document_done(void *user, const struct ps_s3_outcome *outcome)
{
    struct document_op *document = user;
    const struct ps_err *err = outcome->err;

    document->op.call = NULL;
    if (err != NULL && document->settled_by_code != NULL &&
        strcmp(err->store_code, document->settled_by_code) == 0) {
        err = NULL;
    }
    ps_s3_op_enter(&document->op);
    document->done(document->user, err);
    ps_s3_op_end(&document->op);
}

/* AWS wants one of Content-MD5 and a checksum; all others know the former. */
static enum ps_code add_headers(struct ps_s3_pairs *headers, const struct ps_buf *text,
                                struct ps_err *err)
{
    enum ps_code code;

    if (text->size_bytes == 0) {
        return PS_OK;
    }
    code = ps_s3_pairs_add(headers, "content-type", "application/xml", err);
    return code == PS_OK ? ps_s3_checksum_add_of(headers, PS_CHECKSUM_MD5, text, err) : code;
}

struct ps_store_op *ps_s3_document_send(struct ps_store *store, struct ps_s3_document *document,
                                        ps_store_done_fn done, void *user, struct ps_err *err)
{
    struct document_op *op = ps_s3_op_new(store, sizeof(*op), document->key, err);
    struct ps_s3_call_options call = {
        .operation = document->operation,
        .method = document->method,
        .headers = document->headers,
        .text = document->text,
        .done = on_document_done,
        .user = op,
    };
    enum ps_code code = op != NULL ? PS_OK : PS_E_INVALID;

    memset(&document->headers, 0, sizeof(document->headers));
    ps_buf_init(&document->text, 0);
    if (code == PS_OK) {
        call.key = op->op.key;
        op->settled_by_code = document->settled_by_code;
        op->done = done;
        op->user = user;
        code = ps_s3_query_add(&call.query, document->subresource, "", err);
    }
    if (code == PS_OK) {
        code = add_headers(&call.headers, &call.text, err);
    }
    if (code == PS_OK) {
        return ps_s3_op_started(&op->op, ps_s3_call_start(op->op.store, &call, &op->op.call, err));
    }
    ps_s3_pairs_clear(&call.query);
    ps_s3_pairs_clear(&call.headers);
    ps_buf_clear(&call.text);
    if (op != NULL) {
        ps_s3_op_free(&op->op);
    }
    return NULL;
}
