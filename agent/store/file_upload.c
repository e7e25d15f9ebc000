#include "store/file_internal.h"

#include "base/encode.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* begin, list_parts, list_uploads, complete, abort: each one turn on a worker. */

struct upload_op {
    struct file_op op;
    ps_store_begin_fn begin_done;
    ps_store_parts_fn parts_page;
    ps_store_uploads_fn uploads_page;
    ps_store_put_fn complete_done;
    ps_store_done_fn abort_done;
    void *user;
    char *key; /* list_uploads: the prefix */
    char *upload_id;

    struct ps_buf text; /* begin: contents of `upload` */
    bool has_size;
    uint64_t size_bytes;

    struct ps_part_info *parts; /* complete */
    size_t part_count;
    struct ps_checksum checksum;
    bool create_only;
    char etag[64];

    struct file_note *notes;
    size_t note_count;

    struct found *found; /* list_uploads */
    size_t found_count;
};

struct found {
    char *key;
    char *upload_id;
    int64_t initiated_unix_ms;
    enum ps_checksum_algorithm checksum;
};

static void upload_op_free(struct file_op *base)
{
    struct upload_op *op = (struct upload_op *)base;

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

static struct upload_op *upload_op_new(struct ps_store *store, const char *key,
                                       const char *upload_id, struct ps_err *err)
{
    struct upload_op *op = file_op_new(store, sizeof(*op), err);

    if (op == NULL) {
        return NULL;
    }
    op->op.free = upload_op_free;
    op->key = ps_strdup(key);
    op->upload_id = ps_strdup(upload_id);
    if (op->key == NULL || (op->upload_id == NULL && upload_id != NULL)) {
        upload_op_free(&op->op);
        (void)ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
        return NULL;
    }
    return op;
}

/* An ID becomes part of a path. */
static bool is_upload_id(const char *upload_id)
{
    return upload_id[0] != '\0' && strspn(upload_id, "0123456789abcdef-") == strlen(upload_id);
}

static struct ps_store_op *start(struct upload_op *op, void (*run)(struct file_op *op),
                                 void (*done)(struct file_op *op))
{
    op->op.run = run;
    op->op.done = done;
    file_op_work(&op->op);
    return &op->op.base;
}

/* `upload` goes last: an upload without it, or without `data`, is what a kill left of one (was_ended). */
static void remove_upload(const struct file_store *store, const char *upload_id)
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

/* --- begin --- */

static enum ps_code create_file(const struct upload_op *op, const char *dir, const char *name,
                                const void *data, size_t size_bytes, uint64_t allocate_bytes,
                                struct ps_err *err)
{
    char *path = ps_str_format("%s/%s", dir, name);
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
    code = file_write_all(fd, path, 0, data, size_bytes, err);
    /* All of the object's blocks now: a full disk is seen before the first byte is sent. */
    if (code == PS_OK && allocate_bytes > 0 && fallocate(fd, 0, 0, (off_t)allocate_bytes) != 0 &&
        errno != EOPNOTSUPP && errno != ENOSYS) {
        code = ps_err_set_errno(err, errno, "%s: make room for %" PRIu64 " bytes",
                                op->op.store->root_dir, allocate_bytes);
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

static enum ps_code fill_upload_dir(const struct upload_op *op, const char *dir, struct ps_err *err)
{
    enum ps_code code = mkdir(dir, 0777) == 0 ? PS_OK : ps_err_set_errno(err, errno, "%s", dir);

    if (code == PS_OK) {
        code = create_file(op, dir, "data", NULL, 0, op->has_size ? op->size_bytes : 0, err);
    }
    if (code == PS_OK) {
        code = create_file(op, dir, "parts", NULL, 0, 0, err);
    }
    if (code == PS_OK) {
        code = create_file(op, dir, "upload", op->text.data, op->text.size_bytes, 0, err);
    }
    return code;
}

/* Made in tmp and renamed when whole: a kill leaves either an upload or something that is swept. */
static void run_begin(struct file_op *base)
{
    struct upload_op *op = (struct upload_op *)base;
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
        remove_upload(base->store, op->upload_id);
        file_staging_sweep(base->store);
    }
    free(staged);
    free(dir);
}

static void on_begun(struct file_op *base)
{
    struct upload_op *op = (struct upload_op *)base;

    op->begin_done(op->user, op->upload_id, base->code != PS_OK ? &base->err : NULL);
    upload_op_free(base);
}

static enum ps_code encode_upload(struct upload_op *op, const struct ps_begin_request *request,
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
    struct upload_op *op;
    char upload_id[48];

    if (file_check_key(request->key, err) != PS_OK) {
        return NULL;
    }
    (void)snprintf(upload_id, sizeof(upload_id), "%" PRIx64 "-%016" PRIx64,
                   (uint64_t)ps_clock_unix_ms(files->clock), ps_clock_random(files->clock));
    op = upload_op_new(store, request->key, upload_id, err);
    if (op == NULL) {
        return NULL;
    }
    op->begin_done = done;
    op->user = user;
    op->has_size = request->has_size;
    op->size_bytes = request->size_bytes;
    if (encode_upload(op, request, err) != PS_OK) {
        upload_op_free(&op->op);
        return NULL;
    }
    return start(op, run_begin, on_begun);
}

/* --- list_parts --- */

/* Complete renames `data` away and then removes the rest, abort removes one file after the other: a kill in between
 * leaves a rest that is no upload any more. By its notes it would be adopted, though nothing of it can be completed. It
 * is swept up where it is met. */
static bool was_ended(const struct file_store *store, const char *upload_id)
{
    static const char *const names[] = { "data", "upload" };
    bool ended = false;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char *path = file_upload_path(store, upload_id, names[i]);

        ended = ended || (path != NULL && access(path, F_OK) != 0 && errno == ENOENT);
        free(path);
    }
    if (ended) {
        remove_upload(store, upload_id);
    }
    return ended;
}

static void run_list_parts(struct file_op *base)
{
    struct upload_op *op = (struct upload_op *)base;

    if (!is_upload_id(op->upload_id) || was_ended(base->store, op->upload_id)) {
        base->code = ps_err_set(&base->err, PS_E_NO_UPLOAD, "NoSuchUpload: %s", op->upload_id);
        return;
    }
    base->code =
        file_notes_read(base->store, op->upload_id, &op->notes, &op->note_count, &base->err);
}

static void on_listed_parts(struct file_op *base)
{
    struct upload_op *op = (struct upload_op *)base;
    struct ps_part_info *parts = calloc(op->note_count + 1, sizeof(*parts));
    char(*etags)[96] = calloc(op->note_count + 1, sizeof(*etags));

    if (base->code == PS_OK && (parts == NULL || etags == NULL)) {
        base->code = ps_err_set(&base->err, PS_E_NO_MEMORY, "out of memory");
    }
    for (size_t i = 0; base->code == PS_OK && i < op->note_count; i++) {
        parts[i].part_number = op->notes[i].part_number;
        parts[i].size_bytes = op->notes[i].size_bytes;
        parts[i].checksum = op->notes[i].checksum;
        parts[i].etag = file_part_etag(&op->notes[i], etags[i]);
    }
    op->parts_page(op->user, parts, op->note_count, false, base->code != PS_OK ? &base->err : NULL);
    free(parts);
    free(etags);
    upload_op_free(base);
}

struct ps_store_op *file_list_parts(struct ps_store *store, const char *key, const char *upload_id,
                                    ps_store_parts_fn page, void *user, struct ps_err *err)
{
    struct upload_op *op = upload_op_new(store, key, upload_id, err);

    if (op == NULL) {
        return NULL;
    }
    op->parts_page = page;
    op->user = user;
    return start(op, run_list_parts, on_listed_parts);
}

/* --- list_uploads --- */

static bool parse_upload_line(struct found *found, char *line)
{
    char *value = strchr(line, ' ');

    if (value == NULL) {
        return false;
    }
    *value++ = '\0';
    if (strcmp(line, "key") == 0) {
        free(found->key);
        found->key = ps_strdup(value);
        return found->key != NULL && ps_uri_decode(found->key, false);
    }
    if (strcmp(line, "initiated") == 0) {
        found->initiated_unix_ms = strtoll(value, NULL, 10);
    } else if (strcmp(line, "algorithm") == 0) {
        return ps_checksum_parse_name(value, &found->checksum);
    }
    return true;
}

static bool read_upload(const struct file_store *store, const char *upload_id, struct found *found)
{
    char *path = file_upload_path(store, upload_id, "upload");
    struct ps_buf text;
    bool good = false;

    ps_buf_init(&text, 0);
    if (path != NULL && file_read_small(path, &text, NULL) == PS_OK && text.size_bytes > 0) {
        char *save = NULL;

        good = true;
        for (char *line = strtok_r(text.data, "\n", &save); line != NULL && good;
             line = strtok_r(NULL, "\n", &save)) {
            good = parse_upload_line(found, line);
        }
        found->upload_id = ps_strdup(upload_id);
        good = good && found->key != NULL && found->upload_id != NULL;
    }
    ps_buf_clear(&text);
    free(path);
    return good;
}

static enum ps_code keep_found(struct upload_op *op, const char *upload_id, struct ps_err *err)
{
    struct found found = { 0 };
    struct found *all;

    if (!read_upload(op->op.store, upload_id, &found) || !ps_str_has_prefix(found.key, op->key)) {
        free(found.key);
        free(found.upload_id);
        return PS_OK;
    }
    all = realloc(op->found, (op->found_count + 1) * sizeof(*all));
    if (all == NULL) {
        free(found.key);
        free(found.upload_id);
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    op->found = all;
    op->found[op->found_count++] = found;
    return PS_OK;
}

static void run_list_uploads(struct file_op *base)
{
    struct upload_op *op = (struct upload_op *)base;
    char *path = ps_str_format("%s/" FILE_DIR_NAME "/uploads", base->store->root_dir);
    DIR *dir = path != NULL ? opendir(path) : NULL;

    if (dir == NULL && errno != ENOENT && errno != ENOTDIR) {
        base->code = ps_err_set_errno(&base->err, errno, "%s", path != NULL ? path : "uploads");
    }
    file_staging_sweep(base->store);
    while (dir != NULL && base->code == PS_OK) {
        const struct dirent *entry = readdir(dir);

        if (entry == NULL) {
            break;
        }
        if (is_upload_id(entry->d_name) && !was_ended(base->store, entry->d_name)) {
            base->code = keep_found(op, entry->d_name, &base->err);
        }
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
    free(path);
}

static void on_listed_uploads(struct file_op *base)
{
    struct upload_op *op = (struct upload_op *)base;
    struct ps_upload_info *uploads = calloc(op->found_count + 1, sizeof(*uploads));

    if (base->code == PS_OK && uploads == NULL) {
        base->code = ps_err_set(&base->err, PS_E_NO_MEMORY, "out of memory");
    }
    for (size_t i = 0; base->code == PS_OK && i < op->found_count; i++) {
        uploads[i].key = op->found[i].key;
        uploads[i].upload_id = op->found[i].upload_id;
        uploads[i].initiated_unix_ms = op->found[i].initiated_unix_ms;
        uploads[i].checksum = op->found[i].checksum;
    }
    op->uploads_page(op->user, uploads, op->found_count, false,
                     base->code != PS_OK ? &base->err : NULL);
    free(uploads);
    upload_op_free(base);
}

struct ps_store_op *file_list_uploads(struct ps_store *store, const char *prefix,
                                      ps_store_uploads_fn page, void *user, struct ps_err *err)
{
    struct upload_op *op = upload_op_new(store, prefix, NULL, err);

    if (op == NULL) {
        return NULL;
    }
    op->uploads_page = page;
    op->user = user;
    return start(op, run_list_uploads, on_listed_uploads);
}

/* --- complete --- */

static const struct file_note *find_note(const struct upload_op *op, uint32_t part_number)
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
static enum ps_code check_parts(const struct upload_op *op, struct ps_checksum *whole_out,
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

static enum ps_code seal(struct upload_op *op, const char *path, const struct ps_checksum *whole,
                         struct ps_err *err)
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

static enum ps_code complete_checked(struct upload_op *op, struct ps_err *err)
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
    struct upload_op *op = (struct upload_op *)base;

    run_list_parts(base);
    if (base->code == PS_OK) {
        base->code = complete_checked(op, &base->err);
    }
    if (base->code == PS_OK) {
        remove_upload(base->store, op->upload_id);
    }
}

static void on_completed(struct file_op *base)
{
    struct upload_op *op = (struct upload_op *)base;

    op->complete_done(op->user, op->etag, &op->checksum, base->code != PS_OK ? &base->err : NULL);
    upload_op_free(base);
}

struct ps_store_op *file_complete(struct ps_store *store, const struct ps_complete_request *request,
                                  ps_store_put_fn done, void *user, struct ps_err *err)
{
    struct upload_op *op;

    if (file_check_key(request->key, err) != PS_OK) {
        return NULL;
    }
    op = upload_op_new(store, request->key, request->upload_id, err);
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
        upload_op_free(&op->op);
        return NULL;
    }
    return start(op, run_complete, on_completed);
}

/* --- abort --- */

static void run_abort(struct file_op *base)
{
    struct upload_op *op = (struct upload_op *)base;

    if (is_upload_id(op->upload_id)) {
        remove_upload(base->store, op->upload_id);
    }
}

static void on_aborted(struct file_op *base)
{
    struct upload_op *op = (struct upload_op *)base;

    op->abort_done(op->user, NULL);
    upload_op_free(base);
}

struct ps_store_op *file_abort(struct ps_store *store, const char *key, const char *upload_id,
                               ps_store_done_fn done, void *user, struct ps_err *err)
{
    struct upload_op *op = upload_op_new(store, key, upload_id, err);

    if (op == NULL) {
        return NULL;
    }
    op->abort_done = done;
    op->user = user;
    return start(op, run_abort, on_aborted);
}
