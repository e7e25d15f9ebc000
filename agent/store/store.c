#include "store/store.h"

#include <stdio.h>
#include <string.h>

/* What every entry answers where the store has none. A macro would hide the control flow, so each one asks. */
static struct ps_store_op *unsupported(const struct ps_store *store, const char *operation,
                                       struct ps_err *err)
{
    (void)ps_err_set(err, PS_E_UNSUPPORTED, "a store of the kind %s has no %s",
                     store->capabilities.family != NULL ? store->capabilities.family : "unknown",
                     operation);
    return NULL;
}

struct ps_store_op *ps_store_put(struct ps_store *store, const struct ps_put_request *request,
                                 ps_store_put_fn done, void *user, struct ps_err *err)
{
    if (store->ops->put == NULL) {
        return unsupported(store, "put", err);
    }
    return store->ops->put(store, request, done, user, err);
}

struct ps_store_op *ps_store_begin_multipart(struct ps_store *store,
                                             const struct ps_begin_request *request,
                                             ps_store_begin_fn done, void *user, struct ps_err *err)
{
    if (store->ops->begin_multipart == NULL) {
        return unsupported(store, "begin_multipart", err);
    }
    return store->ops->begin_multipart(store, request, done, user, err);
}

struct ps_store_op *ps_store_put_part(struct ps_store *store, const struct ps_part_request *request,
                                      ps_store_put_fn done, void *user, struct ps_err *err)
{
    if (store->ops->put_part == NULL) {
        return unsupported(store, "put_part", err);
    }
    return store->ops->put_part(store, request, done, user, err);
}

struct ps_store_op *ps_store_list_parts(struct ps_store *store, const char *key,
                                        const char *upload_id, ps_store_parts_fn page, void *user,
                                        struct ps_err *err)
{
    if (store->ops->list_parts == NULL) {
        return unsupported(store, "list_parts", err);
    }
    return store->ops->list_parts(store, key, upload_id, page, user, err);
}

struct ps_store_op *ps_store_list_uploads(struct ps_store *store, const char *prefix,
                                          ps_store_uploads_fn page, void *user, struct ps_err *err)
{
    if (store->ops->list_uploads == NULL) {
        return unsupported(store, "list_uploads", err);
    }
    return store->ops->list_uploads(store, prefix, page, user, err);
}

struct ps_store_op *ps_store_complete(struct ps_store *store,
                                      const struct ps_complete_request *request,
                                      ps_store_put_fn done, void *user, struct ps_err *err)
{
    if (store->ops->complete == NULL) {
        return unsupported(store, "complete", err);
    }
    return store->ops->complete(store, request, done, user, err);
}

struct ps_store_op *ps_store_abort(struct ps_store *store, const char *key, const char *upload_id,
                                   ps_store_done_fn done, void *user, struct ps_err *err)
{
    if (store->ops->abort_multipart == NULL) {
        return unsupported(store, "abort", err);
    }
    return store->ops->abort_multipart(store, key, upload_id, done, user, err);
}

struct ps_store_op *ps_store_get(struct ps_store *store, const struct ps_get_request *request,
                                 ps_store_done_fn done, void *user, struct ps_err *err)
{
    if (store->ops->get == NULL) {
        return unsupported(store, "get", err);
    }
    return store->ops->get(store, request, done, user, err);
}

struct ps_store_op *ps_store_head(struct ps_store *store, const char *key, ps_store_head_fn done,
                                  void *user, struct ps_err *err)
{
    if (store->ops->head == NULL) {
        return unsupported(store, "head", err);
    }
    return store->ops->head(store, key, done, user, err);
}

struct ps_store_op *ps_store_list(struct ps_store *store, const struct ps_list_request *request,
                                  ps_store_list_fn page, void *user, struct ps_err *err)
{
    if (store->ops->list == NULL) {
        return unsupported(store, "list", err);
    }
    return store->ops->list(store, request, page, user, err);
}

struct ps_store_op *ps_store_copy(struct ps_store *store, const struct ps_copy_request *request,
                                  ps_store_put_fn done, void *user, struct ps_err *err)
{
    if (store->ops->copy == NULL) {
        return unsupported(store, "copy", err);
    }
    return store->ops->copy(store, request, done, user, err);
}

struct ps_store_op *ps_store_presign(struct ps_store *store,
                                     const struct ps_presign_request *request,
                                     ps_store_text_fn done, void *user, struct ps_err *err)
{
    if (store->ops->presign == NULL) {
        return unsupported(store, "presigned URLs", err);
    }
    return store->ops->presign(store, request, done, user, err);
}

struct ps_store_op *ps_store_restore(struct ps_store *store,
                                     const struct ps_restore_request *request,
                                     ps_store_done_fn done, void *user, struct ps_err *err)
{
    if (store->ops->restore == NULL) {
        return unsupported(store, "restore", err);
    }
    return store->ops->restore(store, request, done, user, err);
}

struct ps_store_op *ps_store_get_tags(struct ps_store *store, const char *key,
                                      ps_store_tags_fn done, void *user, struct ps_err *err)
{
    if (store->ops->get_tags == NULL) {
        return unsupported(store, "tags", err);
    }
    return store->ops->get_tags(store, key, done, user, err);
}

struct ps_store_op *ps_store_put_tags(struct ps_store *store, const struct ps_tags_request *request,
                                      ps_store_done_fn done, void *user, struct ps_err *err)
{
    if (store->ops->put_tags == NULL) {
        return unsupported(store, "tags", err);
    }
    return store->ops->put_tags(store, request, done, user, err);
}

struct ps_store_op *ps_store_get_lifecycle(struct ps_store *store, ps_store_text_fn done,
                                           void *user, struct ps_err *err)
{
    if (store->ops->get_lifecycle == NULL) {
        return unsupported(store, "lifecycle rules", err);
    }
    return store->ops->get_lifecycle(store, done, user, err);
}

struct ps_store_op *ps_store_put_lifecycle(struct ps_store *store, const char *xml,
                                           size_t size_bytes, ps_store_done_fn done, void *user,
                                           struct ps_err *err)
{
    if (store->ops->put_lifecycle == NULL) {
        return unsupported(store, "lifecycle rules", err);
    }
    return store->ops->put_lifecycle(store, xml, size_bytes, done, user, err);
}

struct ps_store_op *ps_deleter_delete_batch(struct ps_deleter *deleter, const char *const *keys,
                                            size_t count, ps_store_delete_fn done, void *user,
                                            struct ps_err *err)
{
    struct ps_store *store = deleter->store;

    if (store->deleter_ops == NULL || store->deleter_ops->delete_batch == NULL) {
        return unsupported(store, "delete", err);
    }
    if (count > store->capabilities.delete_batch_max) {
        (void)ps_err_set(err, PS_E_INVALID, "delete: %zu keys; a batch has at most %u", count,
                         store->capabilities.delete_batch_max);
        return NULL;
    }
    return store->deleter_ops->delete_batch(store, keys, count, done, user, err);
}

void ps_store_cancel(struct ps_store_op *op)
{
    if (op != NULL && op->ops->cancel != NULL) {
        op->ops->cancel(op);
    }
}

void ps_store_wake(struct ps_store_op *op)
{
    if (op != NULL && op->ops->wake != NULL) {
        op->ops->wake(op);
    }
}

void ps_store_free(struct ps_store *store)
{
    if (store != NULL && store->ops->free != NULL) {
        store->ops->free(store);
    }
}

void ps_store_name_missing(struct ps_err *err, const char *url)
{
    if (err->code == PS_E_NOT_FOUND && strcmp(err->store_code, "NoSuchBucket") != 0) {
        (void)snprintf(err->message, sizeof(err->message), "%s: not found", url);
    }
}
