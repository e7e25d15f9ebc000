#include "store/file_internal.h"

#include "base/str.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- tags: part of what belongs to an object beside its bytes --- */

struct tags_op {
    struct file_op op;
    char *key;
    bool writes;
    struct file_meta given; /* the new tags */
    struct file_meta meta;  /* what is there */
    ps_store_tags_fn got;
    ps_store_done_fn put;
    void *user;
};

static void tags_free(struct file_op *op)
{
    struct tags_op *tags = (struct tags_op *)op;

    file_meta_clear(&tags->given);
    file_meta_clear(&tags->meta);
    free(tags->key);
    free(tags);
}

static enum ps_code rewrite(struct tags_op *tags, int fd, struct ps_err *err)
{
    const struct ps_write_options options = {
        .content_type = tags->meta.content_type,
        .storage_class = tags->meta.storage_class,
        .metadata = tags->meta.metadata,
        .metadata_count = tags->meta.metadata_count,
        .tags = tags->given.tags,
        .tag_count = tags->given.tag_count,
    };
    enum ps_code code =
        file_meta_write(tags->op.store, fd, tags->key, &options, &tags->meta.checksum, err);

    if (code == PS_OK && fsync(fd) != 0) {
        code = ps_err_set_errno(err, errno, "%s: sync", tags->key);
    }
    return code;
}

static void run_tags(struct file_op *op)
{
    struct tags_op *tags = (struct tags_op *)op;
    struct stat status;
    int fd = -1;

    op->code = file_open_object(op->store, tags->key, &fd, &status, &op->err);
    if (op->code != PS_OK) {
        return;
    }
    op->code = file_meta_read(op->store, fd, tags->key, &status, &tags->meta, &op->err);
    if (op->code == PS_OK && tags->writes) {
        op->code = rewrite(tags, fd, &op->err);
    }
    (void)close(fd);
}

static void on_tags(struct file_op *op)
{
    struct tags_op *tags = (struct tags_op *)op;
    const struct ps_err *err = op->code != PS_OK ? &op->err : NULL;

    if (tags->writes) {
        tags->put(tags->user, err);
    } else {
        tags->got(tags->user, err == NULL ? tags->meta.tags : NULL,
                  err == NULL ? tags->meta.tag_count : 0, err);
    }
    tags_free(op);
}

static struct tags_op *tags_new(struct ps_store *store, const char *key, struct ps_err *err)
{
    struct tags_op *tags;

    if (file_check_key(key, err) != PS_OK) {
        return NULL;
    }
    tags = file_op_new(store, sizeof(*tags), err);
    if (tags == NULL) {
        return NULL;
    }
    tags->op.free = tags_free;
    tags->op.run = run_tags;
    tags->op.done = on_tags;
    tags->key = ps_strdup(key);
    if (tags->key == NULL) {
        (void)ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
        tags_free(&tags->op);
        return NULL;
    }
    return tags;
}

struct ps_store_op *file_get_tags(struct ps_store *store, const char *key, ps_store_tags_fn done,
                                  void *user, struct ps_err *err)
{
    struct tags_op *tags = tags_new(store, key, err);

    if (tags == NULL) {
        return NULL;
    }
    tags->got = done;
    tags->user = user;
    file_op_work(&tags->op);
    return &tags->op.base;
}

/* A copy, in the form in which they are stored. */
static enum ps_code copy_tags(struct tags_op *tags, const struct ps_store_pair *pairs, size_t count,
                              struct ps_err *err)
{
    const struct ps_write_options options = { .tags = pairs, .tag_count = count };
    struct ps_buf text = { 0 };
    char *stored;
    enum ps_code code = file_options_encode(&options, &text, err);

    if (code != PS_OK) {
        ps_buf_clear(&text);
        return code;
    }
    stored = ps_buf_steal(&text);
    if (stored == NULL) {
        return PS_OK;
    }
    code = file_meta_parse(stored, &tags->given, err);
    if (code != PS_OK) {
        free(stored);
    }
    return code;
}

struct ps_store_op *file_put_tags(struct ps_store *store, const struct ps_tags_request *request,
                                  ps_store_done_fn done, void *user, struct ps_err *err)
{
    struct tags_op *tags = tags_new(store, request->key, err);

    if (tags == NULL) {
        return NULL;
    }
    tags->writes = true;
    tags->put = done;
    tags->user = user;
    if (copy_tags(tags, request->tags, request->count, err) != PS_OK) {
        tags_free(&tags->op);
        return NULL;
    }
    file_op_work(&tags->op);
    return &tags->op.base;
}

/* --- lifecycle: kept for whoever sweeps --- */

struct lifecycle_op {
    struct file_op op;
    char *path;
    bool writes;
    struct ps_buf text;
    ps_store_text_fn got;
    ps_store_done_fn put;
    void *user;
};

static void lifecycle_free(struct file_op *op)
{
    struct lifecycle_op *lifecycle = (struct lifecycle_op *)op;

    ps_buf_clear(&lifecycle->text);
    free(lifecycle->path);
    free(lifecycle);
}

static void run_lifecycle(struct file_op *op)
{
    struct lifecycle_op *lifecycle = (struct lifecycle_op *)op;

    if (!lifecycle->writes) {
        op->code = file_read_small(lifecycle->path, &lifecycle->text, &op->err);
        op->code = op->code == PS_E_NOT_FOUND ? PS_OK : op->code;
    } else if (lifecycle->text.size_bytes != 0) {
        op->code = file_write_small(op->store, lifecycle->path, lifecycle->text.data,
                                    lifecycle->text.size_bytes, &op->err);
    } else if (unlink(lifecycle->path) != 0 && errno != ENOENT && errno != ENOTDIR) {
        op->code = ps_err_set_errno(&op->err, errno, "%s", lifecycle->path);
    }
}

static void on_lifecycle(struct file_op *op)
{
    struct lifecycle_op *lifecycle = (struct lifecycle_op *)op;
    const struct ps_err *err = op->code != PS_OK ? &op->err : NULL;

    if (lifecycle->writes) {
        lifecycle->put(lifecycle->user, err);
    } else {
        lifecycle->got(lifecycle->user, err == NULL ? ps_buf_peek(&lifecycle->text) : NULL,
                       err == NULL ? lifecycle->text.size_bytes : 0, err);
    }
    lifecycle_free(op);
}

static struct lifecycle_op *lifecycle_new(struct ps_store *store, struct ps_err *err)
{
    struct lifecycle_op *lifecycle = file_op_new(store, sizeof(*lifecycle), err);

    if (lifecycle == NULL) {
        return NULL;
    }
    lifecycle->op.free = lifecycle_free;
    lifecycle->op.run = run_lifecycle;
    lifecycle->op.done = on_lifecycle;
    lifecycle->path =
        ps_str_format("%s/" FILE_DIR_NAME "/lifecycle.xml", lifecycle->op.store->root_dir);
    if (lifecycle->path == NULL) {
        (void)ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
        lifecycle_free(&lifecycle->op);
        return NULL;
    }
    return lifecycle;
}

struct ps_store_op *file_get_lifecycle(struct ps_store *store, ps_store_text_fn done, void *user,
                                       struct ps_err *err)
{
    struct lifecycle_op *lifecycle = lifecycle_new(store, err);

    if (lifecycle == NULL) {
        return NULL;
    }
    lifecycle->got = done;
    lifecycle->user = user;
    file_op_work(&lifecycle->op);
    return &lifecycle->op.base;
}

struct ps_store_op *file_put_lifecycle(struct ps_store *store, const char *xml, size_t size_bytes,
                                       ps_store_done_fn done, void *user, struct ps_err *err)
{
    struct lifecycle_op *lifecycle = lifecycle_new(store, err);

    if (lifecycle == NULL) {
        return NULL;
    }
    lifecycle->writes = true;
    lifecycle->put = done;
    lifecycle->user = user;
    if (ps_buf_append(&lifecycle->text, xml, size_bytes, err) != PS_OK) {
        lifecycle_free(&lifecycle->op);
        return NULL;
    }
    file_op_work(&lifecycle->op);
    return &lifecycle->op.base;
}

enum ps_code ps_file_store_read_lifecycle(const char *root_dir, struct ps_buf *text,
                                          struct ps_err *err)
{
    char *path = ps_str_format("%s/" FILE_DIR_NAME "/lifecycle.xml", root_dir);
    enum ps_code code = path != NULL ? file_read_small(path, text, err)
                                     : ps_err_set(err, PS_E_NO_MEMORY, "out of memory");

    free(path);
    return code == PS_E_NOT_FOUND ? PS_OK : code;
}
