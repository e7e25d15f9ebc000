#include "store/file_upload_internal.h"

#include "base/encode.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- list_parts --- */

void file_upload_read_notes(struct file_op *base)
{
    struct file_upload_op *op = (struct file_upload_op *)base;

    if (!file_upload_is_id(op->upload_id) || file_upload_was_ended(base->store, op->upload_id)) {
        base->code = ps_err_set(&base->err, PS_E_NO_UPLOAD, "NoSuchUpload: %s", op->upload_id);
        return;
    }
    base->code =
        file_notes_read(base->store, op->upload_id, &op->notes, &op->note_count, &base->err);
}

static void on_listed_parts(struct file_op *base)
{
    struct file_upload_op *op = (struct file_upload_op *)base;
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
    file_upload_op_free(base);
}

struct ps_store_op *file_list_parts(struct ps_store *store, const char *key, const char *upload_id,
                                    ps_store_parts_fn page, void *user, struct ps_err *err)
{
    struct file_upload_op *op = file_upload_op_new(store, key, upload_id, err);

    if (op == NULL) {
        return NULL;
    }
    op->parts_page = page;
    op->user = user;
    return file_upload_op_start(op, file_upload_read_notes, on_listed_parts);
}

/* --- list_uploads --- */

static bool parse_upload_line(struct file_found_upload *found, char *line)
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

static bool read_upload(const struct file_store *store, const char *upload_id,
                        struct file_found_upload *found)
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

static enum ps_code keep_found(struct file_upload_op *op, const char *upload_id, struct ps_err *err)
{
    struct file_found_upload found = { 0 };
    struct file_found_upload *all;

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
    struct file_upload_op *op = (struct file_upload_op *)base;
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
        if (file_upload_is_id(entry->d_name) &&
            !file_upload_was_ended(base->store, entry->d_name)) {
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
    struct file_upload_op *op = (struct file_upload_op *)base;
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
    file_upload_op_free(base);
}

struct ps_store_op *file_list_uploads(struct ps_store *store, const char *prefix,
                                      ps_store_uploads_fn page, void *user, struct ps_err *err)
{
    struct file_upload_op *op = file_upload_op_new(store, prefix, NULL, err);

    if (op == NULL) {
        return NULL;
    }
    op->uploads_page = page;
    op->user = user;
    return file_upload_op_start(op, run_list_uploads, on_listed_uploads);
}
