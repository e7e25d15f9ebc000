#include "base/str.h"
#include "store/s3_document.h"

#include <string.h>

/* The smallest size that a transition moves is a header beside the rules: a PUT without it would change it. */
#define MINIMUM_HEADER "x-amz-transition-default-minimum-object-size"

struct lifecycle_op {
    struct ps_s3_op op;
    ps_store_text_fn done;
    void *user;
};

static void finish(struct lifecycle_op *lifecycle, const char *text, size_t size_bytes,
                   const struct ps_err *err)
{
    ps_s3_op_enter(&lifecycle->op);
    lifecycle->done(lifecycle->user, text, size_bytes, err);
    ps_s3_op_end(&lifecycle->op);
}

static void on_lifecycle_done(void *user, const struct ps_s3_outcome *outcome)
{
    struct lifecycle_op *lifecycle = user;
    struct ps_s3_store *store = lifecycle->op.store;
    const char *minimum;
    const char *text;
    size_t size_bytes = 0;

    lifecycle->op.call = NULL;
    if (outcome->err != NULL &&
        strcmp(outcome->err->store_code, "NoSuchLifecycleConfiguration") != 0 &&
        strcmp(outcome->err->store_code, "NoSuchLifecycle") != 0) {
        finish(lifecycle, NULL, 0, outcome->err);
        return;
    }
    if (outcome->err != NULL) {
        finish(lifecycle, "", 0, NULL);
        return;
    }
    minimum = ps_http_answer_header(outcome->answer, MINIMUM_HEADER);
    ps_str_copy(store->lifecycle_minimum, sizeof(store->lifecycle_minimum), minimum);
    text = ps_http_answer_body(outcome->answer, &size_bytes);
    finish(lifecycle, text, size_bytes, NULL);
}

struct ps_store_op *ps_s3_get_lifecycle(struct ps_store *store, ps_store_text_fn done, void *user,
                                        struct ps_err *err)
{
    struct lifecycle_op *lifecycle = ps_s3_op_new(store, sizeof(*lifecycle), NULL, err);
    struct ps_s3_call_options call = {
        .operation = "get_lifecycle",
        .method = "GET",
        .done = on_lifecycle_done,
        .user = lifecycle,
    };
    enum ps_code code;

    if (lifecycle == NULL) {
        return NULL;
    }
    lifecycle->done = done;
    lifecycle->user = user;
    code = ps_s3_query_add(&call.query, "lifecycle", "", err);
    if (code == PS_OK) {
        code = ps_s3_call_start(lifecycle->op.store, &call, &lifecycle->op.call, err);
    }
    return ps_s3_op_started(&lifecycle->op, code);
}

struct ps_store_op *ps_s3_put_lifecycle(struct ps_store *store, const char *xml, size_t size_bytes,
                                        ps_store_done_fn done, void *user, struct ps_err *err)
{
    const char *minimum = ((const struct ps_s3_store *)store)->lifecycle_minimum;
    struct ps_s3_document document = {
        .operation = "put_lifecycle",
        /* A configuration without rules is not valid: none at all is a DELETE. */
        .method = size_bytes != 0 ? "PUT" : "DELETE",
        .subresource = "lifecycle",
    };
    enum ps_code code = ps_buf_append(&document.text, xml, size_bytes, err);

    if (code == PS_OK && size_bytes != 0 && minimum[0] != '\0') {
        code = ps_s3_pairs_add(&document.headers, MINIMUM_HEADER, minimum, err);
    }
    if (code != PS_OK) {
        ps_buf_clear(&document.text);
        ps_s3_pairs_clear(&document.headers);
        return NULL;
    }
    return ps_s3_document_send(store, &document, done, user, err);
}
