#include "store/s3_answer.h"
#include "store/s3_internal.h"

struct head_op {
    struct ps_s3_op op;
    ps_store_head_fn done;
    void *user;
};

static void finish(struct head_op *head, const struct ps_object_info *info,
                   const struct ps_err *err)
{
    ps_s3_op_enter(&head->op);
    head->done(head->user, info, err);
    ps_s3_op_end(&head->op);
}

static void on_head_done(void *user, const struct ps_s3_outcome *outcome)
{
    struct head_op *head = user;
    struct ps_s3_info info;
    struct ps_err err;

    head->op.call = NULL;
    if (outcome->err != NULL) {
        finish(head, NULL, outcome->err);
        return;
    }
    if (ps_s3_info_read(&info, head->op.store->dialect, outcome->answer, head->op.key, true,
                        &err) != PS_OK) {
        finish(head, NULL, &err);
        return;
    }
    finish(head, &info.info, NULL);
    ps_s3_info_clear(&info);
}

struct ps_store_op *ps_s3_head(struct ps_store *store, const char *key, ps_store_head_fn done,
                               void *user, struct ps_err *err)
{
    struct head_op *head = ps_s3_op_new(store, sizeof(*head), key, err);
    struct ps_s3_call_options call = {
        .operation = "head",
        .method = "HEAD",
        .done = on_head_done,
        .user = head,
    };
    enum ps_code code;

    if (head == NULL) {
        return NULL;
    }
    call.key = head->op.key;
    head->done = done;
    head->user = user;
    code =
        head->op.store->dialect->checksum_mode != NULL
            ? ps_s3_pairs_add(&call.headers, head->op.store->dialect->checksum_mode, "ENABLED", err)
            : PS_OK;
    if (code == PS_OK) {
        code = ps_s3_call_start(head->op.store, &call, &head->op.call, err);
    }
    return ps_s3_op_started(&head->op, code);
}
