#include "store/file_store.h"

#include "base/str.h"
#include "store/file_internal.h"

#include <stdlib.h>
#include <string.h>

static void on_run(uv_work_t *work)
{
    struct file_op *op = work->data;

    op->run(op);
}

static void destroy(struct file_store *store)
{
    free(store->root_dir);
    free(store->base.root_url);
    free(store);
}

static void on_done(uv_work_t *work, int status)
{
    struct file_op *op = work->data;
    struct file_store *store = op->store;

    (void)status; /* nobody calls uv_cancel */
    op->working = false;
    store->working_count--;
    if (op->cancelled) {
        op->free(op);
        if (store->closing && store->working_count == 0) {
            destroy(store);
        }
    } else {
        op->done(op);
    }
}

void file_op_work(struct file_op *op)
{
    op->working = true;
    op->code = PS_OK;
    op->store->working_count++;
    op->work.data = op;
    (void)uv_queue_work(op->store->loop, &op->work, on_run, on_done);
}

void *file_op_new(struct ps_store *store, size_t size_bytes, struct ps_err *err)
{
    struct file_op *op = calloc(1, size_bytes);

    if (op == NULL) {
        (void)ps_err_set(err, PS_E_NO_MEMORY, "%s: out of memory", store->root_url);
        return NULL;
    }
    op->base.ops = store->ops;
    op->store = (struct file_store *)store;
    return op;
}

static void cancel(struct ps_store_op *base)
{
    struct file_op *op = (struct file_op *)base;

    op->cancelled = true;
    if (!op->working) {
        op->free(op);
    }
}

static void wake(struct ps_store_op *base)
{
    struct file_op *op = (struct file_op *)base;

    if (op->wake != NULL) {
        op->wake(op);
    }
}

static void store_free(struct ps_store *base)
{
    struct file_store *store = (struct file_store *)base;

    if (store->working_count > 0) {
        store->closing = true;
    } else {
        destroy(store);
    }
}

static const struct ps_store_ops file_ops = {
    .put = file_put,
    .begin_multipart = file_begin,
    .put_part = file_put_part,
    .list_parts = file_list_parts,
    .list_uploads = file_list_uploads,
    .complete = file_complete,
    .abort_multipart = file_abort,
    .get = file_get,
    .head = file_head,
    .list = file_list,
    .copy = file_copy,
    .get_tags = file_get_tags,
    .put_tags = file_put_tags,
    .get_lifecycle = file_get_lifecycle,
    .put_lifecycle = file_put_lifecycle,
    .cancel = cancel,
    .wake = wake,
    .free = store_free,
};

static const struct ps_deleter_ops file_deleter_ops = { .delete_batch = file_delete_batch };

static const struct ps_store_capabilities file_capabilities = {
    .family = "file",
    .part_size_min_bytes = 1,
    .part_size_max_bytes = (uint64_t)1 << 40,
    .single_put_max_bytes = (uint64_t)1 << 62,
    .object_size_max_bytes = (uint64_t)1 << 62,
    .part_count_max = 10000,
    .checksum_set = 1U << PS_CHECKSUM_CRC64_NVME | 1U << PS_CHECKSUM_CRC64_ECMA |
                    1U << PS_CHECKSUM_CRC32C | 1U << PS_CHECKSUM_CRC32 | 1U << PS_CHECKSUM_MD5 |
                    1U << PS_CHECKSUM_SHA256,
    .checksum_default = PS_CHECKSUM_CRC64_NVME,
    .checksum_place = PS_CHECKSUM_PLACE_ANSWER,
    .object_checksum = true,
    .delete_batch_max = 1000,
    .conditional_write = true,
    .tags = true,
    .copy = true,
    .part_copy_checksums = true,
    .local = true,
};

enum ps_code ps_file_store_new(struct ps_store **store_out,
                               const struct ps_file_store_options *options, struct ps_err *err)
{
    struct file_store *store;
    size_t length = strlen(options->root_dir);

    if (options->root_dir[0] != '/') {
        return ps_err_set(err, PS_E_INVALID, "%s: a file:// store needs an absolute path",
                          options->root_dir);
    }
    store = calloc(1, sizeof(*store));
    if (store == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "%s: out of memory", options->root_dir);
    }
    while (length > 0 && options->root_dir[length - 1] == '/') {
        length--;
    }
    store->base.ops = &file_ops;
    store->base.deleter_ops = &file_deleter_ops;
    store->base.capabilities = file_capabilities;
    store->loop = options->loop;
    store->clock = options->clock;
    store->log = options->log;
    store->root_dir = ps_strndup(options->root_dir, length);
    store->base.root_url = ps_str_format("file://%.*s", (int)length, options->root_dir);
    if (store->root_dir == NULL || store->base.root_url == NULL) {
        store_free(&store->base);
        return ps_err_set(err, PS_E_NO_MEMORY, "%s: out of memory", options->root_dir);
    }
    *store_out = &store->base;
    return PS_OK;
}
