#include "store/file_internal.h"

#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/**
 * Bytes copied on one turn of a worker: a cancelled copy stops after it. Lower: more turns of the loop. Higher: a
 * slow disk holds the cancelled one for longer.
 */
#define SLICE_BYTES ((uint64_t)64 * 1024 * 1024)

/* A whole object to a new file, or a range of one into the data of an upload. */
struct copy {
    struct file_op op;
    ps_store_put_fn done;
    void *user;
    struct file_store from; /* no more than its root_dir is used */
    char *from_root;
    char *from_key;
    char *if_match; /* NULL = any */
    char *key;
    char *path; /* of the file that is written */
    char *upload_id;
    uint32_t part_number;
    uint64_t offset_bytes; /* of the range, in both */
    uint64_t length_bytes;
    uint64_t copied_bytes;
    struct ps_write_options options; /* its text is in given */
    struct file_meta given;
    struct file_meta kept; /* the source's */
    enum ps_checksum_algorithm algorithm;
    struct stat source; /* as it was opened */
    int from_fd;
    int fd;
    bool opened;
    bool published;
    bool cloned;
    bool no_range_copy; /* the kernel cannot between these two: bytes go through here */
    struct ps_hasher hasher;
    struct ps_checksum checksum;
    char *block;
    char etag[96];
};

static void copy_free(struct file_op *op)
{
    struct copy *copy = (struct copy *)op;

    ps_hasher_clear(&copy->hasher);
    if (copy->fd >= 0) {
        (void)close(copy->fd);
    }
    if (copy->from_fd >= 0) {
        (void)close(copy->from_fd);
    }
    if (copy->upload_id == NULL && copy->opened && !copy->published) {
        (void)unlink(copy->path); /* nothing is left half-written */
    }
    file_meta_clear(&copy->given);
    file_meta_clear(&copy->kept);
    free(copy->from_root);
    free(copy->from_key);
    free(copy->if_match);
    free(copy->key);
    free(copy->path);
    free(copy->upload_id);
    free(copy->block);
    free(copy);
}

static void finish(struct copy *copy)
{
    bool failed = copy->op.code != PS_OK;

    copy->done(copy->user, failed ? NULL : copy->etag, failed ? NULL : &copy->checksum,
               failed ? &copy->op.err : NULL);
    copy_free(&copy->op);
}

/* --- on the worker: opening --- */

static enum ps_code open_source(struct copy *copy, struct ps_err *err)
{
    char etag[64];
    enum ps_code code =
        file_open_object(&copy->from, copy->from_key, &copy->from_fd, &copy->source, err);

    if (code != PS_OK) {
        return code;
    }
    if (copy->if_match != NULL && strcmp(copy->if_match, file_etag(&copy->source, etag)) != 0) {
        return ps_err_set(err, PS_E_CHANGED, "%s: another version is there now", copy->from_key);
    }
    if (copy->upload_id == NULL) {
        copy->length_bytes = (uint64_t)copy->source.st_size;
        return file_meta_read(&copy->from, copy->from_fd, copy->from_key, &copy->source,
                              &copy->kept, err);
    }
    if (copy->offset_bytes > (uint64_t)copy->source.st_size ||
        copy->length_bytes > (uint64_t)copy->source.st_size - copy->offset_bytes) {
        return ps_err_set(err, PS_E_INVALID, "%s: the range goes over its end", copy->from_key);
    }
    return PS_OK;
}

static enum ps_code open_target(struct copy *copy, struct ps_err *err)
{
    bool is_part = copy->upload_id != NULL;
    int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | (is_part ? 0 : O_CREAT | O_EXCL);
    enum ps_code code = is_part ? PS_OK : file_make_parents(copy->op.store, copy->path, err);

    if (code != PS_OK) {
        return code;
    }
    copy->fd = open(copy->path, flags, 0666);
    if (copy->fd < 0 && errno == ENOENT && is_part) {
        return ps_err_set(err, PS_E_NO_UPLOAD, "NoSuchUpload: %s", copy->upload_id);
    }
    if (copy->fd < 0) {
        return ps_err_set_errno(err, errno, "%s", copy->path);
    }
    copy->opened = true;
    return PS_OK;
}

/* The algorithm of the copy: the source's, so that the two can be compared. */
static void choose_algorithm(struct copy *copy)
{
    if (copy->kept.checksum.algorithm != PS_CHECKSUM_NONE) {
        copy->algorithm = copy->kept.checksum.algorithm;
    } else if (copy->algorithm == PS_CHECKSUM_NONE) {
        copy->algorithm = copy->op.store->base.capabilities.checksum_default;
    }
}

/* The very blocks are shared: what was known of their bytes holds. */
static bool clone_whole(struct copy *copy)
{
    if (copy->upload_id != NULL || copy->length_bytes == 0 ||
        copy->kept.checksum.algorithm == PS_CHECKSUM_NONE ||
        ioctl(copy->fd, FICLONE, copy->from_fd) != 0) {
        return false;
    }
    copy->checksum = copy->kept.checksum;
    copy->copied_bytes = copy->length_bytes;
    return true;
}

static void run_open(struct file_op *op)
{
    struct copy *copy = (struct copy *)op;

    op->code = open_source(copy, &op->err);
    if (op->code == PS_OK) {
        op->code = open_target(copy, &op->err);
    }
    if (op->code != PS_OK) {
        return;
    }
    choose_algorithm(copy);
    op->code = ps_hasher_init(&copy->hasher, copy->algorithm, &op->err);
    if (op->code == PS_OK) {
        copy->cloned = clone_whole(copy);
    }
}

/* --- on the worker: a slice --- */

static enum ps_code copy_block(struct copy *copy, uint64_t offset, size_t size_bytes,
                               struct ps_err *err)
{
    size_t done_bytes = 0;

    while (done_bytes < size_bytes) {
        off_t from = (off_t)(offset + done_bytes);
        off_t to = from;
        ssize_t got = -1;

        if (!copy->no_range_copy) {
            got = copy_file_range(copy->from_fd, &from, copy->fd, &to, size_bytes - done_bytes, 0);
            copy->no_range_copy = got < 0 && (errno == EXDEV || errno == EINVAL ||
                                              errno == ENOSYS || errno == EOPNOTSUPP);
        }
        if (copy->no_range_copy) {
            got = pread(copy->from_fd, copy->block, size_bytes - done_bytes, from);
            if (got > 0 && file_write_all(copy->fd, copy->path, (uint64_t)from, copy->block,
                                          (size_t)got, err) != PS_OK) {
                return err->code;
            }
        }
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return ps_err_set_errno(err, errno, "%s", copy->path);
        }
        if (got == 0) {
            return ps_err_set(err, PS_E_CHANGED, "%s became shorter", copy->from_key);
        }
        done_bytes += (size_t)got;
    }
    return PS_OK;
}

/* What the copy holds, as it is read back. */
static enum ps_code hash_block(struct copy *copy, uint64_t offset, size_t size_bytes,
                               struct ps_err *err)
{
    size_t done_bytes = 0;

    while (done_bytes < size_bytes) {
        ssize_t got =
            pread(copy->fd, copy->block, size_bytes - done_bytes, (off_t)(offset + done_bytes));

        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return ps_err_set_errno(err, got < 0 ? errno : EIO, "%s", copy->path);
        }
        ps_hasher_update(&copy->hasher, copy->block, (size_t)got);
        done_bytes += (size_t)got;
    }
    return PS_OK;
}

static void run_slice(struct file_op *op)
{
    struct copy *copy = (struct copy *)op;
    uint64_t end_bytes = copy->copied_bytes + SLICE_BYTES;

    while (op->code == PS_OK && copy->copied_bytes < copy->length_bytes &&
           copy->copied_bytes < end_bytes) {
        uint64_t left_bytes = copy->length_bytes - copy->copied_bytes;
        size_t size_bytes = left_bytes < FILE_BLOCK_BYTES ? (size_t)left_bytes : FILE_BLOCK_BYTES;
        uint64_t offset = copy->offset_bytes + copy->copied_bytes;

        op->code = copy_block(copy, offset, size_bytes, &op->err);
        if (op->code == PS_OK) {
            op->code = hash_block(copy, offset, size_bytes, &op->err);
        }
        copy->copied_bytes += size_bytes;
    }
}

/* --- on the worker: the end --- */

static enum ps_code check_bytes(struct copy *copy, struct ps_err *err)
{
    struct stat now;
    char before[64];
    char after[64];

    if (!copy->cloned) {
        copy->checksum = ps_hasher_finish(&copy->hasher);
    }
    if (fstat(copy->from_fd, &now) != 0 ||
        strcmp(file_etag(&copy->source, before), file_etag(&now, after)) != 0) {
        return ps_err_set(err, PS_E_CHANGED, "%s changed while it was copied", copy->from_key);
    }
    if (copy->kept.checksum.algorithm != PS_CHECKSUM_NONE &&
        !ps_checksum_equal(&copy->kept.checksum, &copy->checksum)) {
        return ps_err_set(err, PS_E_CORRUPT,
                          "%s: its bytes have another %s than was noted when it was written",
                          copy->from_key, ps_checksum_name(copy->algorithm));
    }
    return PS_OK;
}

/* What is not given anew comes from the source. */
static struct ps_write_options merged_options(const struct copy *copy)
{
    struct ps_write_options options = copy->options;

    if (options.metadata_count == 0 && options.content_type == NULL) {
        options.metadata = copy->kept.metadata;
        options.metadata_count = copy->kept.metadata_count;
        options.content_type = copy->kept.content_type;
    }
    if (options.tag_count == 0) {
        options.tags = copy->kept.tags;
        options.tag_count = copy->kept.tag_count;
    }
    if (options.storage_class == NULL || options.storage_class[0] == '\0') {
        options.storage_class = copy->kept.storage_class;
    }
    return options;
}

static void run_end_whole(struct file_op *op)
{
    struct copy *copy = (struct copy *)op;
    const struct ps_write_options options = merged_options(copy);
    struct stat status;

    op->code = check_bytes(copy, &op->err);
    if (op->code == PS_OK) {
        op->code =
            file_meta_write(op->store, copy->fd, copy->key, &options, &copy->checksum, &op->err);
    }
    if (op->code == PS_OK && (fsync(copy->fd) != 0 || fstat(copy->fd, &status) != 0)) {
        op->code = ps_err_set_errno(&op->err, errno, "%s: sync", copy->path);
    }
    if (op->code == PS_OK) {
        op->code =
            file_publish(op->store, copy->path, copy->key, copy->options.create_only, &op->err);
    }
    if (op->code == PS_OK) {
        copy->published = true;
        (void)file_etag(&status, copy->etag);
    }
}

static void run_end_part(struct file_op *op)
{
    struct copy *copy = (struct copy *)op;
    struct file_note note = {
        .part_number = copy->part_number,
        .offset_bytes = copy->offset_bytes,
        .size_bytes = copy->length_bytes,
    };

    op->code = check_bytes(copy, &op->err);
    if (op->code == PS_OK && fdatasync(copy->fd) != 0) {
        op->code = ps_err_set_errno(&op->err, errno, "%s: sync", copy->path);
    }
    if (op->code == PS_OK) {
        note.checksum = copy->checksum;
        op->code = file_notes_append(op->store, copy->upload_id, &note, &op->err);
        (void)file_part_etag(&note, copy->etag);
    }
}

/* --- on the loop --- */

static void on_end(struct file_op *op)
{
    finish((struct copy *)op);
}

static void go_on(struct file_op *op)
{
    struct copy *copy = (struct copy *)op;

    if (op->code != PS_OK) {
        finish(copy);
        return;
    }
    op->run = run_slice;
    op->done = go_on;
    if (copy->copied_bytes == copy->length_bytes) {
        op->run = copy->upload_id != NULL ? run_end_part : run_end_whole;
        op->done = on_end;
    }
    file_op_work(op);
}

/* The request's text is borrowed for the call: a copy is kept in the form in which it is stored. */
static bool copy_options(struct copy *copy, const struct ps_write_options *options)
{
    struct ps_buf text = { 0 };
    char *stored = NULL;

    if (file_options_encode(options, &text, NULL) != PS_OK) {
        ps_buf_clear(&text);
        return false;
    }
    stored = ps_buf_steal(&text);
    if (stored != NULL && file_meta_parse(stored, &copy->given, NULL) != PS_OK) {
        free(stored);
        return false;
    }
    copy->algorithm = options->checksum;
    copy->options = *options;
    copy->options.content_type = copy->given.content_type;
    copy->options.storage_class = copy->given.storage_class;
    copy->options.metadata = copy->given.metadata;
    copy->options.metadata_count = copy->given.metadata_count;
    copy->options.tags = copy->given.tags;
    copy->options.tag_count = copy->given.tag_count;
    return true;
}

static bool fill(struct copy *copy, const struct ps_copy_request *request)
{
    struct file_store *store = copy->op.store;

    copy->from_root =
        ps_strdup(request->from_bucket != NULL ? request->from_bucket : store->root_dir);
    copy->from.root_dir = copy->from_root;
    copy->from_key = ps_strdup(request->from_key);
    copy->key = ps_strdup(request->key);
    copy->if_match = ps_strdup(request->from_if_match);
    copy->upload_id = ps_strdup(request->upload_id);
    copy->block = malloc(FILE_BLOCK_BYTES);
    copy->path = request->upload_id != NULL
                     ? file_upload_path(store, request->upload_id, "data")
                     : ps_str_format("%s/" FILE_DIR_NAME "/tmp/%016" PRIx64, store->root_dir,
                                     ps_clock_random(store->clock));
    return copy->from_root != NULL && copy->from_key != NULL && copy->key != NULL &&
           copy->block != NULL && copy->path != NULL &&
           (request->from_if_match == NULL || copy->if_match != NULL) &&
           (request->upload_id == NULL || copy->upload_id != NULL) &&
           copy_options(copy, &request->options);
}

struct ps_store_op *file_copy(struct ps_store *store, const struct ps_copy_request *request,
                              ps_store_put_fn done, void *user, struct ps_err *err)
{
    struct copy *copy;

    if (file_check_key(request->key, err) != PS_OK ||
        file_check_key(request->from_key, err) != PS_OK) {
        return NULL;
    }
    copy = file_op_new(store, sizeof(*copy), err);
    if (copy == NULL) {
        return NULL;
    }
    copy->fd = -1;
    copy->from_fd = -1;
    copy->op.free = copy_free;
    copy->done = done;
    copy->user = user;
    copy->part_number = request->part_number;
    copy->offset_bytes = request->upload_id != NULL ? request->offset_bytes : 0;
    copy->length_bytes = request->length_bytes;
    if (!fill(copy, request)) {
        (void)ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
        copy_free(&copy->op);
        return NULL;
    }
    copy->op.run = run_open;
    copy->op.done = go_on;
    file_op_work(&copy->op);
    return &copy->op.base;
}
