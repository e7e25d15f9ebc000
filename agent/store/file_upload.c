#include "store/file_upload_internal.h"

#include "base/encode.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void file_upload_op_free(struct file_op *base)
{
    struct file_upload_op *op = (struct file_upload_op *)base;

    for (size_t i = 0; i < op->part_count; i++) {
        free((void *)(uintptr_t)op->parts[i].etag);
    }
    for (size_t i = 0; i < op->found_count; i++) {
        free(op->found[i].key);
        free(op->found[i].upload_id);
    }
    ps_buf_clear(&op->text);
    free(op->found);
    free(op->parts);
    free(op->notes);
    free(op->key);
    free(op->upload_id);
    free(op);
}

struct file_upload_op *file_upload_op_new(struct ps_store *store, const char *key,
                                          const char *upload_id, struct ps_err *err)
{
    struct file_upload_op *op = file_op_new(store, sizeof(*op), err);

    if (op == NULL) {
        return NULL;
    }
    op->op.free = file_upload_op_free;
    op->key = ps_strdup(key);
    op->upload_id = ps_strdup(upload_id);
    if (op->key == NULL || (op->upload_id == NULL && upload_id != NULL)) {
        file_upload_op_free(&op->op);
        (void)ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
        return NULL;
    }
    return op;
}

/* An ID becomes part of a path. */
bool file_upload_is_id(const char *upload_id)
{
    return upload_id[0] != '\0' && strspn(upload_id, "0123456789abcdef-") == strlen(upload_id);
}

struct ps_store_op *file_upload_op_start(struct file_upload_op *op, void (*run)(struct file_op *op),
                                         void (*done)(struct file_op *op))
{
    op->op.run = run;
    op->op.done = done;
    file_op_work(&op->op);
    return &op->op.base;
}

/* `upload` goes last: an upload without it, or without `data`, is what a kill left of one (file_upload_was_ended). */
void file_upload_remove(const struct file_store *store, const char *upload_id)
{
    static const char *const names[] = { "parts", "data", "upload", NULL };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char *path = file_upload_path(store, upload_id, names[i]);

        if (path != NULL) {
            (void)(names[i] != NULL ? unlink(path) : rmdir(path)); /* gone already is as good */
        }
        free(path);
    }
}

/* Complete renames `data` away and then removes the rest, abort removes one file after the other: a kill in between
 * leaves a rest that is no upload any more. By its notes it would be adopted, though nothing of it can be completed. It
 * is swept up where it is met. */
bool file_upload_was_ended(const struct file_store *store, const char *upload_id)
{
    static const char *const names[] = { "data", "upload" };
    bool ended = false;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char *path = file_upload_path(store, upload_id, names[i]);

        ended = ended || (path != NULL && access(path, F_OK) != 0 && errno == ENOENT);
        free(path);
    }
    if (ended) {
        file_upload_remove(store, upload_id);
    }
    return ended;
}

/* --- begin --- */

/* A file of the upload's directory as it is at first. */
struct new_file {
    const char *name;
    const void *data;
    size_t size_bytes;
    uint64_t allocate_bytes;
};

static enum ps_code create_file(const struct file_upload_op *op, const char *dir,
                                const struct new_file *file, struct ps_err *err)
{
    char *path = ps_str_format("%s/%s", dir, file->name);
    enum ps_code code = PS_OK;
    int fd = -1;

    if (path == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (fd < 0) {
        code = ps_err_set_errno(err, errno, "%s", path);
        goto out;
    }
    code = file_write_all(fd, path, 0, file->data, file->size_bytes, err);
    /* All of the object's blocks now: a full disk is seen before the first byte is sent. */
    if (code == PS_OK && file->allocate_bytes > 0 &&
        fallocate(fd, 0, 0, (off_t)file->allocate_bytes) != 0 && errno != EOPNOTSUPP &&
        errno != ENOSYS) {
        code = ps_err_set_errno(err, errno, "%s: make room for %" PRIu64 " bytes",
                                op->op.store->root_dir, file->allocate_bytes);
    }
    if (code == PS_OK && fsync(fd) != 0) {
        code = ps_err_set_errno(err, errno, "%s: sync", path);
    }
out:
    if (fd >= 0) {
        (void)close(fd);
    }
    free(path);
    return code;
}

static enum ps_code fill_upload_dir(const struct file_upload_op *op, const char *dir,
                                    struct ps_err *err)
{
    const struct new_file files[] = {
        { .name = "data", .allocate_bytes = op->has_size ? op->size_bytes : 0 },
        { .name = "parts" },
        { .name = "upload", .data = op->text.data, .size_bytes = op->text.size_bytes },
    };
    enum ps_code code = mkdir(dir, 0777) == 0 ? PS_OK : ps_err_set_errno(err, errno, "%s", dir);

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]) && code == PS_OK; i++) {
        code = create_file(op, dir, &files[i], err);
    }
    return code;
}

/* Made in tmp and renamed when whole: a kill leaves either an upload or something that is swept. */
static void run_begin(struct file_op *base)
{
    struct file_upload_op *op = (struct file_upload_op *)base;
    char *staged = file_staging_path(base->store, op->upload_id);
    char *dir = file_upload_path(base->store, op->upload_id, NULL);
    int lock_fd = -1;

    base->code = staged != NULL && dir != NULL
                     ? file_staging_enter(base->store, &lock_fd, &base->err)
                     : ps_err_set(&base->err, PS_E_NO_MEMORY, "out of memory");
    if (base->code == PS_OK) {
        base->code = file_make_parents(base->store, dir, &base->err);
    }
    if (base->code == PS_OK) {
        base->code = fill_upload_dir(op, staged, &base->err);
    }
    if (base->code == PS_OK && rename(staged, dir) != 0) {
        base->code = ps_err_set_errno(&base->err, errno, "%s", dir);
    }
    if (base->code == PS_OK) {
        base->code = file_sync_parent(dir, &base->err);
    }
    file_staging_leave(&lock_fd);
    if (base->code != PS_OK) {
        file_upload_remove(base->store, op->upload_id);
        file_staging_sweep(base->store);
    }
    free(staged);
    free(dir);
}

static void on_begun(struct file_op *base)
{
    struct file_upload_op *op = (struct file_upload_op *)base;

    op->begin_done(op->user, op->upload_id, base->code != PS_OK ? &base->err : NULL);
    file_upload_op_free(base);
}

static enum ps_code encode_upload(struct file_upload_op *op, const struct ps_begin_request *request,
                                  struct ps_err *err)
{
    enum ps_code code = ps_buf_append_format(
        &op->text, err, "purser-upload 1\ninitiated %" PRId64 "\nalgorithm %s\nkey ",
        ps_clock_unix_ms(op->op.store->clock), ps_checksum_name(request->options.checksum));

    if (code == PS_OK) {
        code = ps_uri_encode(&op->text, request->key, PS_URI_KEEP_SLASH, err);
    }
    if (code == PS_OK) {
        code = ps_buf_append_str(&op->text, "\n", err);
    }
    return code == PS_OK ? file_options_encode(&request->options, &op->text, err) : code;
}

struct ps_store_op *file_begin(struct ps_store *store, const struct ps_begin_request *request,
                               ps_store_begin_fn done, void *user, struct ps_err *err)
{
    const struct file_store *files = (const struct file_store *)store;
    struct file_upload_op *op;
    char upload_id[48];

    if (file_check_key(request->key, err) != PS_OK) {
        return NULL;
    }
    (void)snprintf(upload_id, sizeof(upload_id), "%" PRIx64 "-%016" PRIx64,
                   (uint64_t)ps_clock_unix_ms(files->clock), ps_clock_random(files->clock));
    op = file_upload_op_new(store, request->key, upload_id, err);
    if (op == NULL) {
        return NULL;
    }
    op->begin_done = done;
    op->user = user;
    op->has_size = request->has_size;
    op->size_bytes = request->size_bytes;
    if (encode_upload(op, request, err) != PS_OK) {
        file_upload_op_free(&op->op);
        return NULL;
    }
    return file_upload_op_start(op, run_begin, on_begun);
}

/* --- abort --- */

static void run_abort(struct file_op *base)
{
    struct file_upload_op *op = (struct file_upload_op *)base;

    if (file_upload_is_id(op->upload_id)) {
        file_upload_remove(base->store, op->upload_id);
    }
}

static void on_aborted(struct file_op *base)
{
    struct file_upload_op *op = (struct file_upload_op *)base;

    op->abort_done(op->user, NULL);
    file_upload_op_free(base);
}

struct ps_store_op *file_abort(struct ps_store *store, const char *key, const char *upload_id,
                               ps_store_done_fn done, void *user, struct ps_err *err)
{
    struct file_upload_op *op = file_upload_op_new(store, key, upload_id, err);

    if (op == NULL) {
        return NULL;
    }
    op->abort_done = done;
    op->user = user;
    return file_upload_op_start(op, run_abort, on_aborted);
}
