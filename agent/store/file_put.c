#include "store/file_internal.h"

#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* put and put_part. The loop fills one block from the body while a worker hashes and writes the other. */

enum block_state {
    BLOCK_EMPTY,
    BLOCK_FULL,
};

struct block {
    enum block_state state;
    size_t size_bytes;
    char *data;
};

struct put {
    struct file_op op;
    ps_store_put_fn done;
    void *user;
    struct ps_body body;
    struct ps_checksum expected;
    bool is_part;
    char *key;
    char *path; /* of the file that is written */
    int fd;
    int lock_fd;                /* keeps the temporary file from being swept; -1 for a part */
    uint64_t file_offset_bytes; /* of the body in it */

    char *upload_id; /* put_part */
    uint32_t part_number;

    struct ps_write_options options; /* put; its text is in meta */
    struct file_meta meta;

    struct block blocks[2];
    unsigned fill_index;
    unsigned write_index;
    uint64_t filled_bytes;
    uint64_t written_bytes;
    bool opened;
    bool published;
    bool source_failed;
    struct ps_hasher hasher;
    char etag[96];
};

static void pump(struct put *put);

static void put_free(struct file_op *op)
{
    struct put *put = (struct put *)op;

    ps_hasher_clear(&put->hasher);
    if (put->fd >= 0) {
        (void)close(put->fd);
    }
    if (!put->is_part && put->path != NULL && put->opened && !put->published) {
        (void)unlink(put->path); /* nothing is left half-written */
    }
    file_staging_leave(&put->lock_fd);
    for (size_t i = 0; i < 2; i++) {
        free(put->blocks[i].data);
    }
    file_meta_clear(&put->meta);
    free(put->key);
    free(put->path);
    free(put->upload_id);
    free(put);
}

static void finish(struct put *put, enum ps_code code)
{
    struct ps_checksum sum = put->expected;

    put->op.code = code;
    if (code != PS_OK) {
        put->done(put->user, NULL, NULL, &put->op.err);
    } else {
        put->done(put->user, put->etag, &sum, NULL);
    }
    put_free(&put->op);
}

/* --- on the worker --- */

static void run_open(struct file_op *op)
{
    struct put *put = (struct put *)op;
    int flags = O_WRONLY | O_CLOEXEC | O_NOFOLLOW;

    if (!put->is_part) {
        op->code = file_staging_enter(op->store, &put->lock_fd, &op->err);
        flags |= O_CREAT | O_EXCL;
    }
    if (op->code != PS_OK) {
        return;
    }
    put->fd = open(put->path, flags, 0666);
    if (put->fd < 0 && errno == ENOENT && put->is_part) {
        op->code = ps_err_set(&op->err, PS_E_NO_UPLOAD, "NoSuchUpload: %s", put->upload_id);
    } else if (put->fd < 0) {
        op->code = ps_err_set_errno(&op->err, errno, "%s", put->path);
    } else {
        put->opened = true;
        op->code = ps_hasher_init(&put->hasher, put->expected.algorithm, &op->err);
    }
}

static void run_write(struct file_op *op)
{
    struct put *put = (struct put *)op;
    const struct block *block = &put->blocks[put->write_index];

    ps_hasher_update(&put->hasher, block->data, block->size_bytes);
    op->code = file_write_all(put->fd, put->path, put->file_offset_bytes + put->written_bytes,
                              block->data, block->size_bytes, &op->err);
}

static enum ps_code compare(struct put *put)
{
    struct ps_checksum sum = ps_hasher_finish(&put->hasher);
    enum ps_code code;

    if (ps_checksum_equal(&sum, &put->expected)) {
        return PS_OK;
    }
    code = ps_err_set(&put->op.err, PS_E_CORRUPT,
                      "%s: the bytes that came have another %s than was announced", put->path,
                      ps_checksum_name(put->expected.algorithm));
    put->op.err.retry = PS_RETRY_RESEND_PART;
    return code;
}

static void run_end_part(struct file_op *op)
{
    struct put *put = (struct put *)op;
    const struct file_note note = {
        .part_number = put->part_number,
        .offset_bytes = put->file_offset_bytes,
        .size_bytes = put->body.size_bytes,
        .checksum = put->expected,
    };

    op->code = compare(put);
    if (op->code == PS_OK && fdatasync(put->fd) != 0) {
        op->code = ps_err_set_errno(&op->err, errno, "%s: sync", put->path);
    }
    if (op->code == PS_OK) {
        op->code = file_notes_append(op->store, put->upload_id, &note, &op->err);
        (void)file_part_etag(&note, put->etag);
    }
}

static void run_end_put(struct file_op *op)
{
    struct put *put = (struct put *)op;
    struct stat status;

    op->code = compare(put);
    if (op->code == PS_OK) {
        op->code =
            file_meta_write(op->store, put->fd, put->key, &put->options, &put->expected, &op->err);
    }
    if (op->code == PS_OK && (fsync(put->fd) != 0 || fstat(put->fd, &status) != 0)) {
        op->code = ps_err_set_errno(&op->err, errno, "%s: sync", put->path);
    }
    if (op->code == PS_OK) {
        op->code = file_publish(op->store, put->path, put->key, put->options.create_only, &op->err);
    }
    if (op->code == PS_OK) {
        put->published = true;
        (void)file_etag(&status, put->etag);
    }
}

/* --- on the loop --- */

static void on_end(struct file_op *op)
{
    finish((struct put *)op, op->code);
}

static void on_written(struct file_op *op)
{
    struct put *put = (struct put *)op;
    struct block *block = &put->blocks[put->write_index];

    if (op->code != PS_OK) {
        finish(put, op->code);
        return;
    }
    put->written_bytes += block->size_bytes;
    block->state = BLOCK_EMPTY;
    block->size_bytes = 0;
    put->write_index ^= 1;
    pump(put);
}

static void on_open(struct file_op *op)
{
    struct put *put = (struct put *)op;

    if (op->code != PS_OK) {
        finish(put, op->code);
    } else {
        pump(put);
    }
}

/* Fill the block from the body. False: the body has nothing now, or has failed. */
static bool fill(struct put *put)
{
    struct block *block = &put->blocks[put->fill_index];

    while (block->size_bytes < FILE_BLOCK_BYTES && put->filled_bytes < put->body.size_bytes) {
        uint64_t left_bytes = put->body.size_bytes - put->filled_bytes;
        size_t room_bytes = FILE_BLOCK_BYTES - block->size_bytes;
        ssize_t got_bytes =
            put->body.read(put->body.user, put->filled_bytes, block->data + block->size_bytes,
                           left_bytes < room_bytes ? (size_t)left_bytes : room_bytes);

        if (got_bytes == PS_BODY_LATER) {
            return false;
        }
        if (got_bytes <= 0) {
            put->source_failed = true;
            return false;
        }
        block->size_bytes += (size_t)got_bytes;
        put->filled_bytes += (uint64_t)got_bytes;
    }
    block->state = BLOCK_FULL;
    put->fill_index ^= 1;
    return true;
}

static void start(struct put *put, void (*run)(struct file_op *op),
                  void (*done)(struct file_op *op))
{
    put->op.run = run;
    put->op.done = done;
    file_op_work(&put->op);
}

static void pump(struct put *put)
{
    if (put->written_bytes == put->body.size_bytes && !put->op.working) {
        start(put, put->is_part ? run_end_part : run_end_put, on_end);
        return;
    }
    for (;;) {
        if (!put->op.working && put->blocks[put->write_index].state == BLOCK_FULL) {
            start(put, run_write, on_written);
        }
        if (put->filled_bytes == put->body.size_bytes ||
            put->blocks[put->fill_index].state != BLOCK_EMPTY) {
            return;
        }
        if (put->op.working && put->op.run != run_write) {
            return; /* opening or ending */
        }
        if (!fill(put)) {
            break;
        }
    }
    if (put->source_failed && !put->op.working) { /* else when the worker is done */
        (void)ps_err_set(&put->op.err, PS_E_CANCELLED, "%s: the source failed", put->path);
        finish(put, PS_E_CANCELLED);
    }
}

static void wake(struct file_op *op)
{
    struct put *put = (struct put *)op;

    if (put->opened) {
        pump(put);
    }
}

static struct put *put_new(struct ps_store *store, const struct ps_body *body,
                           const struct ps_checksum *checksum, const char *key, struct ps_err *err)
{
    struct put *put;

    if (file_check_key(key, err) != PS_OK) {
        return NULL;
    }
    put = file_op_new(store, sizeof(*put), err);
    if (put == NULL) {
        return NULL;
    }
    put->fd = -1;
    put->lock_fd = -1;
    put->op.free = put_free;
    put->op.wake = wake;
    put->body = *body;
    put->expected = *checksum;
    put->key = ps_strdup(key);
    for (size_t i = 0; i < 2 && body->size_bytes > 0; i++) {
        put->blocks[i].data = malloc(FILE_BLOCK_BYTES);
    }
    return put;
}

static struct ps_store_op *put_start(struct put *put, struct ps_err *err)
{
    bool no_blocks =
        put->body.size_bytes > 0 && (put->blocks[0].data == NULL || put->blocks[1].data == NULL);

    if (put->key == NULL || put->path == NULL || no_blocks) {
        (void)ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
        put_free(&put->op);
        return NULL;
    }
    start(put, run_open, on_open);
    return &put->op.base;
}

/* The request's text is borrowed for the call: keep a copy in the form it is stored in. */
static bool copy_options(struct put *put, const struct ps_write_options *options)
{
    struct ps_buf text;
    char *copy;

    ps_buf_init(&text, 0);
    if (file_options_encode(options, &text, NULL) != PS_OK) {
        ps_buf_clear(&text);
        return false;
    }
    put->options = *options;
    copy = ps_buf_steal(&text);
    if (copy != NULL && file_meta_parse(copy, &put->meta, NULL) != PS_OK) {
        free(copy);
        return false;
    }
    put->options.content_type = put->meta.content_type;
    put->options.storage_class = put->meta.storage_class;
    put->options.metadata = put->meta.metadata;
    put->options.tags = put->meta.tags;
    return true;
}

struct ps_store_op *file_put(struct ps_store *store, const struct ps_put_request *request,
                             ps_store_put_fn done, void *user, struct ps_err *err)
{
    struct put *put = put_new(store, &request->body, &request->checksum, request->key, err);
    char name[20];

    if (put == NULL) {
        return NULL;
    }
    put->done = done;
    put->user = user;
    (void)snprintf(name, sizeof(name), "%016" PRIx64, ps_clock_random(put->op.store->clock));
    put->path = file_staging_path(put->op.store, name);
    if (!copy_options(put, &request->options)) {
        (void)ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
        put_free(&put->op);
        return NULL;
    }
    return put_start(put, err);
}

struct ps_store_op *file_put_part(struct ps_store *store, const struct ps_part_request *request,
                                  ps_store_put_fn done, void *user, struct ps_err *err)
{
    struct put *put = put_new(store, &request->body, &request->checksum, request->key, err);

    if (put == NULL) {
        return NULL;
    }
    put->done = done;
    put->user = user;
    put->is_part = true;
    put->part_number = request->part_number;
    put->file_offset_bytes = request->offset_bytes;
    put->upload_id = ps_strdup(request->upload_id);
    put->path = file_upload_path(put->op.store, request->upload_id, "data");
    return put_start(put, err);
}
