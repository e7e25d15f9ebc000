#include "store/store.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(store, .timeout = 20);

/* A store that can nothing: each function must say so, and not call through a NULL entry. */
static const struct ps_store_ops no_ops = { .put = NULL };
static struct ps_store none = { .ops = &no_ops, .capabilities = { .family = "none" } };

static void check_unsupported(const struct ps_store_op *op, struct ps_err *err, const char *name)
{
    cr_expect_null(op, "%s", name);
    cr_expect_eq(err->code, PS_E_UNSUPPORTED, "%s", name);
    cr_expect_not_null(strstr(err->message, name), "%s: %s", name, err->message);
    ps_err_clear(err);
}

Test(store, entry_that_is_missing_is_unsupported)
{
    struct ps_deleter deleter = { &none };
    struct ps_err err = { .code = PS_OK };

    check_unsupported(ps_store_put(&none, NULL, NULL, NULL, &err), &err, "put");
    check_unsupported(ps_store_begin_multipart(&none, NULL, NULL, NULL, &err), &err,
                      "begin_multipart");
    check_unsupported(ps_store_put_part(&none, NULL, NULL, NULL, &err), &err, "put_part");
    check_unsupported(ps_store_list_parts(&none, "k", "u", NULL, NULL, &err), &err, "list_parts");
    check_unsupported(ps_store_list_uploads(&none, "", NULL, NULL, &err), &err, "list_uploads");
    check_unsupported(ps_store_complete(&none, NULL, NULL, NULL, &err), &err, "complete");
    check_unsupported(ps_store_abort(&none, "k", "u", NULL, NULL, &err), &err, "abort");
    check_unsupported(ps_store_get(&none, NULL, NULL, NULL, &err), &err, "get");
    check_unsupported(ps_store_head(&none, "k", NULL, NULL, &err), &err, "head");
    check_unsupported(ps_store_list(&none, NULL, NULL, NULL, &err), &err, "list");
    check_unsupported(ps_store_copy(&none, NULL, NULL, NULL, &err), &err, "copy");
    check_unsupported(ps_store_presign(&none, NULL, NULL, NULL, &err), &err, "presigned URLs");
    check_unsupported(ps_store_restore(&none, NULL, NULL, NULL, &err), &err, "restore");
    check_unsupported(ps_store_get_tags(&none, "k", NULL, NULL, &err), &err, "tags");
    check_unsupported(ps_store_put_tags(&none, NULL, NULL, NULL, &err), &err, "tags");
    check_unsupported(ps_store_get_lifecycle(&none, NULL, NULL, &err), &err, "lifecycle");
    check_unsupported(ps_store_put_lifecycle(&none, "", 0, NULL, NULL, &err), &err, "lifecycle");
    check_unsupported(ps_deleter_delete_batch(&deleter, NULL, 0, NULL, NULL, &err), &err, "delete");
}

Test(store, null_handles_and_missing_life_entries_are_let_pass)
{
    struct ps_store_op op = { &no_ops };

    ps_store_cancel(NULL);
    ps_store_wake(NULL);
    ps_store_free(NULL);
    ps_store_cancel(&op);
    ps_store_wake(&op);
    ps_store_free(&none);
}

static struct ps_store_op answer_op = { &no_ops };

static struct ps_store_op *head(struct ps_store *store, const char *key, ps_store_head_fn done,
                                void *user, struct ps_err *err)
{
    (void)done;
    (void)err;
    cr_expect_str_eq(store->capabilities.family, "head");
    cr_expect_str_eq(key, "k");
    *(int *)user = 1;
    return &answer_op;
}

Test(store, entry_that_is_there_gets_the_arguments)
{
    static const struct ps_store_ops ops = { .head = head };
    struct ps_store store = { .ops = &ops, .capabilities = { .family = "head" } };
    int called = 0;

    cr_expect_eq(ps_store_head(&store, "k", NULL, &called, NULL), &answer_op);
    cr_expect_eq(called, 1);
}
