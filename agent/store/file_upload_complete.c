#include "store/file_upload_internal.h"

#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct file_note *find_note(const struct file_upload_op *op, uint32_t part_number)
{
    size_t low = 0;
    size_t high = op->note_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (op->notes[middle].part_number == part_number) {
            return &op->notes[middle];
        }
        if (op->notes[middle].part_number < part_number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

/* The parts named must be the ones that are there, follow each other without a gap, and make up the whole. */
static enum ps_code check_parts(const struct file_upload_op *op, struct ps_checksum *whole_out,
                                struct ps_err *err)
{
    uint64_t offset_bytes = 0;
    struct ps_checksum whole = { .algorithm = PS_CHECKSUM_NONE };

    for (size_t i = 0; i < op->part_count; i++) {
        const struct file_note *note = find_note(op, op->parts[i].part_number);
        char etag[96];

        if (note == NULL || strcmp(file_part_etag(note, etag), op->parts[i].etag) != 0 ||
            note->offset_bytes != offset_bytes) {
            return ps_err_set(err, PS_E_INVALID, "InvalidPart: part %" PRIu32 " is not as named",
                              op->parts[i].part_number);
        }
        if (i == 0) {
            whole = note->checksum;
        } else if (!ps_checksum_can_combine(whole.algorithm) ||
                   ps_checksum_combine(&whole, &note->checksum, note->size_bytes, NULL) != PS_OK) {
            whole.algorithm = PS_CHECKSUM_NONE;
        }
        offset_bytes += note->size_bytes;
    }
    if (offset_bytes != op->size_bytes) {
        return ps_err_set(err, PS_E_INVALID,
                          "the parts hold %" PRIu64 " bytes, the object has %" PRIu64, offset_bytes,
                          op->size_bytes);
    }
    *whole_out = whole;
    return PS_OK;
}

static enum ps_code seal(struct file_upload_op *op, const char *path,
                         const struct ps_checksum *whole, struct ps_err *err)
{
    struct ps_write_options options = { 0 };
    struct file_meta meta = { 0 };
    struct stat status;
    char *text = ps_buf_steal(&op->text);
    enum ps_code code = text != NULL ? file_meta_parse(text, &meta, err) : PS_OK;
    int fd = -1;

    if (code != PS_OK) {
        free(text);
        return code;
    }
    options.content_type = meta.content_type;
    options.storage_class = meta.storage_class;
    options.metadata = meta.metadata;
    options.metadata_count = meta.metadata_count;
    options.tags = meta.tags;
    options.tag_count = meta.tag_count;
    fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT) {
        code = ps_err_set(err, PS_E_NO_UPLOAD, "NoSuchUpload: %s", op->upload_id);
    } else if (fd < 0 || fstat(fd, &status) != 0 ||
               ((uint64_t)status.st_size != op->size_bytes &&
                ftruncate(fd, (off_t)op->size_bytes) != 0)) {
        code = ps_err_set_errno(err, errno, "%s", path);
    }
    if (code == PS_OK) {
        code = file_meta_write(op->op.store, fd, op->key, &options, whole, err);
    }
    if (code == PS_OK && (fsync(fd) != 0 || fstat(fd, &status) != 0)) {
        code = ps_err_set_errno(err, errno, "%s: sync", path);
    }
    if (code == PS_OK) {
        (void)file_etag(&status, op->etag);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    file_meta_clear(&meta);
    return code;
}

static enum ps_code complete_checked(struct file_upload_op *op, struct ps_err *err)
{
    char *data = file_upload_path(op->op.store, op->upload_id, "data");
    char *upload = file_upload_path(op->op.store, op->upload_id, "upload");
    struct ps_checksum whole = { .algorithm = PS_CHECKSUM_NONE };
    enum ps_code code = check_parts(op, &whole, err);

    if (code == PS_OK && (data == NULL || upload == NULL)) {
        code = ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    if (code == PS_OK && op->checksum.algorithm == whole.algorithm &&
        whole.algorithm != PS_CHECKSUM_NONE && !ps_checksum_equal(&op->checksum, &whole)) {
        code = ps_err_set(err, PS_E_CORRUPT, "BadDigest: the whole has another checksum");
    }
    if (code == PS_OK) {
        code = file_read_small(upload, &op->text, err);
    }
    if (code == PS_OK) {
        code = seal(op, data, &whole, err);
    }
    if (code == PS_OK) {
        code = file_publish(op->op.store, data, op->key, op->create_only, err);
        op->checksum = whole;
    }
    free(data);
    free(upload);
    return code;
}

static void run_complete(struct file_op *base)
{
    struct file_upload_op *op = (struct file_upload_op *)base;

    file_upload_read_notes(base);
    if (base->code == PS_OK) {
        base->code = complete_checked(op, &base->err);
    }
    if (base->code == PS_OK) {
        file_upload_remove(base->store, op->upload_id);
    }
}

static void on_completed(struct file_op *base)
{
    struct file_upload_op *op = (struct file_upload_op *)base;

    op->complete_done(op->user, op->etag, &op->checksum, base->code != PS_OK ? &base->err : NULL);
    file_upload_op_free(base);
}

struct ps_store_op *file_complete(struct ps_store *store, const struct ps_complete_request *request,
                                  ps_store_put_fn done, void *user, struct ps_err *err)
{
    struct file_upload_op *op;

    if (file_check_key(request->key, err) != PS_OK) {
        return NULL;
    }
    op = file_upload_op_new(store, request->key, request->upload_id, err);
    if (op == NULL) {
        return NULL;
    }
    op->complete_done = done;
    op->user = user;
    op->size_bytes = request->size_bytes;
    op->checksum = request->checksum;
    op->create_only = request->options.create_only;
    op->parts = calloc(request->part_count + 1, sizeof(*op->parts));
    for (size_t i = 0; op->parts != NULL && i < request->part_count; i++) {
        op->parts[i] = request->parts[i];
        op->parts[i].etag = ps_strdup(request->parts[i].etag);
        op->part_count = i + 1;
        if (op->parts[i].etag == NULL) {
            free(op->parts);
            op->parts = NULL;
            op->part_count = 0;
        }
    }
    if (op->parts == NULL) {
        (void)ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
        file_upload_op_free(&op->op);
        return NULL;
    }
    return file_upload_op_start(op, run_complete, on_completed);
}
