#include "store/file_internal.h"

#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* get and head. A worker reads the next block while the loop hands on the last one. */

struct get {
    struct file_op op;
    ps_store_done_fn done;
    ps_store_head_fn head_done; /* head: no body */
    void (*on_info)(void *user, const struct ps_object_info *info);
    void *user;
    struct ps_sink sink;
    char *key;
    char *if_match; /* NULL = any */
    bool has_range;
    uint64_t offset_bytes;
    uint64_t left_bytes; /* to be read */

    int fd;
    struct stat status;
    struct file_meta meta;
    char etag[64];
    char *block;
    size_t block_capacity_bytes;
    size_t block_size_bytes; /* read and not pushed yet */
    bool paused;
    bool flushing; /* sink.flush is on the stack: a wake is noted only */
};

static void step(struct get *get);

static void get_free(struct file_op *op)
{
    struct get *get = (struct get *)op;

    if (get->fd >= 0) {
        (void)close(get->fd);
    }
    file_meta_clear(&get->meta);
    free(get->block);
    free(get->key);
    free(get->if_match);
    free(get);
}

static struct ps_object_info info_of(const struct get *get)
{
    return (struct ps_object_info){
        .key = get->key,
        .size_bytes = (uint64_t)get->status.st_size,
        .mtime_unix_ms =
            (int64_t)get->status.st_mtim.tv_sec * 1000 + get->status.st_mtim.tv_nsec / 1000000,
        .etag = get->etag,
        .content_type = get->meta.content_type != NULL ? get->meta.content_type : "",
        .storage_class = get->meta.storage_class != NULL ? get->meta.storage_class : "",
        .version_id = "",
        .restore = "",
        .composite = "",
        .checksum = get->meta.checksum,
        .metadata = get->meta.metadata,
        .metadata_count = get->meta.metadata_count,
    };
}

static void finish(struct get *get, enum ps_code code)
{
    const struct ps_object_info info = info_of(get);
    const struct ps_err *err = code != PS_OK ? &get->op.err : NULL;

    if (get->head_done != NULL) {
        get->head_done(get->user, err == NULL ? &info : NULL, err);
    } else {
        get->done(get->user, err);
    }
    get_free(&get->op);
}

static enum ps_code check_range(struct get *get)
{
    uint64_t size_bytes = (uint64_t)get->status.st_size;

    if (get->if_match != NULL && strcmp(get->if_match, get->etag) != 0) {
        return ps_err_set(&get->op.err, PS_E_CHANGED, "%s: is not the version that was asked for",
                          get->key);
    }
    if (!get->has_range) {
        get->left_bytes = size_bytes;
    } else if (get->offset_bytes >= size_bytes) {
        return ps_err_set(&get->op.err, PS_E_INVALID, "%s: no bytes at %" PRIu64 " of %" PRIu64,
                          get->key, get->offset_bytes, size_bytes);
    } else if (get->left_bytes > size_bytes - get->offset_bytes) {
        get->left_bytes = size_bytes - get->offset_bytes;
    }
    return PS_OK;
}

static void run_open(struct file_op *op)
{
    struct get *get = (struct get *)op;

    op->code = file_open_object(op->store, get->key, &get->fd, &get->status, &op->err);
    if (op->code == PS_OK) {
        (void)file_etag(&get->status, get->etag);
        op->code = file_meta_read(op->store, get->fd, get->key, &get->status, &get->meta, &op->err);
    }
    if (op->code == PS_OK && get->head_done == NULL) {
        op->code = check_range(get);
    }
}

static void run_read(struct file_op *op)
{
    struct get *get = (struct get *)op;
    size_t want_bytes = get->left_bytes < get->block_capacity_bytes ? (size_t)get->left_bytes
                                                                    : get->block_capacity_bytes;
    ssize_t got_bytes;

    do {
        got_bytes = pread(get->fd, get->block, want_bytes, (off_t)get->offset_bytes);
    } while (got_bytes < 0 && errno == EINTR);
    if (got_bytes < 0) {
        op->code =
            ps_err_set_errno(&op->err, errno, "%s: read at %" PRIu64, get->key, get->offset_bytes);
    } else if (got_bytes == 0) {
        op->code =
            ps_err_set(&op->err, PS_E_CHANGED, "%s: was truncated while it was read", get->key);
    } else {
        get->block_size_bytes = (size_t)got_bytes;
    }
}

static void on_read(struct file_op *op)
{
    struct get *get = (struct get *)op;

    if (op->code != PS_OK) {
        finish(get, op->code);
    } else {
        step(get);
    }
}

static void on_open(struct file_op *op)
{
    struct get *get = (struct get *)op;

    if (op->code != PS_OK || get->head_done != NULL) {
        finish(get, op->code);
        return;
    }
    if (get->on_info != NULL) {
        const struct ps_object_info info = info_of(get);

        get->on_info(get->user, &info);
    }
    step(get);
}

static void flush(struct get *get)
{
    if (get->sink.flush != NULL) {
        get->flushing = true;
        get->sink.flush(get->sink.user);
        get->flushing = false;
    }
}

static bool push(struct get *get)
{
    enum ps_push push;

    if (get->block_size_bytes == 0) {
        return true;
    }
    push = get->sink.write(get->sink.user, get->block, get->block_size_bytes);
    switch (push) {
    case PS_PUSH_TAKEN:
    case PS_PUSH_FULL:
        get->offset_bytes += get->block_size_bytes;
        get->left_bytes -= get->block_size_bytes;
        get->block_size_bytes = 0;
        get->paused = push == PS_PUSH_FULL && get->left_bytes > 0; /* the end needs no leave */
        flush(get);
        return !get->paused;
    case PS_PUSH_PAUSE:
        get->paused = true;
        return false;
    case PS_PUSH_STOP:
        break;
    }
    (void)ps_err_set(&get->op.err, PS_E_CANCELLED, "%s: stopped by the reader", get->key);
    finish(get, PS_E_CANCELLED);
    return false;
}

static void step(struct get *get)
{
    if (!push(get)) {
        return;
    }
    if (get->left_bytes == 0) {
        finish(get, PS_OK);
        return;
    }
    get->op.run = run_read;
    get->op.done = on_read;
    file_op_work(&get->op);
}

static void wake(struct file_op *op)
{
    struct get *get = (struct get *)op;

    if (get->paused) {
        get->paused = false;
        if (!get->flushing) {
            step(get);
        }
    }
}

static struct get *get_new(struct ps_store *store, const char *key, struct ps_err *err)
{
    struct get *get;

    if (file_check_key(key, err) != PS_OK) {
        return NULL;
    }
    get = file_op_new(store, sizeof(*get), err);
    if (get == NULL) {
        return NULL;
    }
    get->fd = -1;
    get->op.free = get_free;
    get->op.wake = wake;
    get->op.run = run_open;
    get->op.done = on_open;
    get->key = ps_strdup(key);
    return get;
}

static struct ps_store_op *get_start(struct get *get, bool ready, struct ps_err *err)
{
    if (get->key == NULL || !ready) {
        (void)ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
        get_free(&get->op);
        return NULL;
    }
    file_op_work(&get->op);
    return &get->op.base;
}

struct ps_store_op *file_get(struct ps_store *store, const struct ps_get_request *request,
                             ps_store_done_fn done, void *user, struct ps_err *err)
{
    struct get *get = get_new(store, request->key, err);

    if (get == NULL) {
        return NULL;
    }
    get->done = done;
    get->user = user;
    get->on_info = request->on_info;
    get->sink = request->sink;
    get->has_range = request->has_range;
    get->offset_bytes = request->has_range ? request->offset_bytes : 0;
    get->left_bytes = request->length_bytes;
    get->if_match = ps_strdup(request->if_match);
    get->block_capacity_bytes =
        request->buffer_bytes != 0 ? request->buffer_bytes : FILE_BLOCK_BYTES;
    get->block = malloc(get->block_capacity_bytes);
    return get_start(
        get, get->block != NULL && (request->if_match == NULL || get->if_match != NULL), err);
}

struct ps_store_op *file_head(struct ps_store *store, const char *key, ps_store_head_fn done,
                              void *user, struct ps_err *err)
{
    struct get *get = get_new(store, key, err);

    if (get == NULL) {
        return NULL;
    }
    get->head_done = done;
    get->user = user;
    return get_start(get, true, err);
}
