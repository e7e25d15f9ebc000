#include "source/tree_batch.h"

#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct ps_tree_reader {
    struct ps_tree_walk *walk;
    char *root;
    enum ps_tree_directories directories;
    struct ps_tree_item
        directory; /* held back: whether something is in it is seen by the next entry; path NULL = none */
    bool ended;
};

enum ps_code ps_tree_reader_open(struct ps_tree_reader **reader_out, const char *root,
                                 const struct ps_tree_filter *filter,
                                 enum ps_tree_directories directories, struct ps_err *err)
{
    struct ps_tree_reader *reader = calloc(1, sizeof(*reader));
    enum ps_code code;

    if (reader == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "%s: out of memory", root);
    }
    reader->directories = directories;
    reader->root = ps_strdup(root);
    code = reader->root != NULL ? ps_tree_walk_open(&reader->walk, root, filter, err)
                                : ps_err_set(err, PS_E_NO_MEMORY, "%s: out of memory", root);
    if (code != PS_OK) {
        ps_tree_reader_close(reader);
        return code;
    }
    *reader_out = reader;
    return PS_OK;
}

void ps_tree_reader_close(struct ps_tree_reader *reader)
{
    if (reader != NULL) {
        ps_tree_walk_close(reader->walk);
        free(reader->directory.path);
        free(reader->root);
        free(reader);
    }
}

void ps_tree_batch_clear(struct ps_tree_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        free(batch->items[i].path);
    }
    free(batch->buffer);
    memset(batch, 0, sizeof(*batch));
}

/* --- one item --- */

static unsigned int type_bits(enum ps_tree_kind kind)
{
    switch (kind) {
    case PS_TREE_FILE:
        return S_IFREG;
    case PS_TREE_DIRECTORY:
        return S_IFDIR;
    case PS_TREE_LINK:
        return S_IFLNK;
    case PS_TREE_SPECIAL:
        return 0;
    }
    return 0;
}

static bool describe(struct ps_tree_item *item, const struct ps_tree_entry *entry)
{
    memset(item, 0, sizeof(*item));
    item->path = ps_str_format("%s%s", entry->path, entry->kind == PS_TREE_DIRECTORY ? "/" : "");
    item->kind = entry->kind;
    item->mode = entry->mode | type_bits(entry->kind);
    item->mtime_ns = entry->mtime_ns;
    item->size_bytes = entry->size_bytes;
    return item->path != NULL;
}

static enum ps_code sum_up(struct ps_tree_item *item, enum ps_checksum_algorithm algorithm,
                           struct ps_checksum *sum_out, struct ps_err *err)
{
    struct ps_hasher hasher;
    enum ps_code code = ps_hasher_init(&hasher, algorithm, err);

    if (code == PS_OK) {
        ps_hasher_update(&hasher, item->data, (size_t)item->size_bytes);
        *sum_out = ps_hasher_finish(&hasher);
        ps_hasher_clear(&hasher);
    }
    return code;
}

/* One byte more than the file has is asked for: a short answer is then its end. */
static enum ps_code read_whole(const struct ps_tree_entry *entry, char *into, struct ps_err *err)
{
    size_t size_bytes = (size_t)entry->size_bytes;
    size_t used_bytes = 0;
    enum ps_code code = PS_OK;
    int fd = openat(entry->dir_fd, entry->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0) {
        return ps_err_set_errno(err, errno, "%s", entry->path);
    }
    while (code == PS_OK) {
        ssize_t got_bytes = read(fd, into + used_bytes, size_bytes + 1 - used_bytes);

        if (got_bytes < 0 && errno != EINTR) {
            code = ps_err_set_errno(err, errno, "%s: read", entry->path);
        }
        if (got_bytes == 0 || used_bytes + (size_t)(got_bytes > 0 ? got_bytes : 0) == size_bytes) {
            used_bytes += (size_t)(got_bytes > 0 ? got_bytes : 0);
            break;
        }
        used_bytes += (size_t)(got_bytes > 0 ? got_bytes : 0);
        if (used_bytes > size_bytes) {
            break;
        }
    }
    (void)close(fd);
    if (code == PS_OK && used_bytes != size_bytes) {
        code = ps_err_set(err, PS_E_CHANGED, "%s: changed its size while it was read", entry->path);
    }
    return code;
}

static void read_small(struct ps_tree_batch *batch, struct ps_tree_item *item,
                       const struct ps_tree_entry *entry, enum ps_checksum_algorithm algorithm,
                       bool want_md5)
{
    char *into = batch->buffer + batch->used_bytes;
    enum ps_code code = PS_OK;

    if (entry->kind == PS_TREE_LINK) {
        item->size_bytes = strlen(entry->link_target);
        memcpy(into, entry->link_target, (size_t)item->size_bytes);
    } else if (entry->kind == PS_TREE_FILE) {
        code = read_whole(entry, into, &item->err);
    }
    if (code != PS_OK) {
        return;
    }
    item->data = into;
    batch->used_bytes += (size_t)item->size_bytes;
    code = sum_up(item, algorithm, &item->checksum, &item->err);
    if (code == PS_OK && want_md5) {
        (void)sum_up(item, PS_CHECKSUM_MD5, &item->md5, &item->err);
    }
}

/* --- a batch --- */

static void release_directory(struct ps_tree_reader *reader)
{
    free(reader->directory.path);
    reader->directory.path = NULL;
}

static bool is_common_mode(uint32_t mode)
{
    return (mode & 07777) == 0755 || (mode & 07777) == 0775;
}

/* A directory that was held back is empty when the next entry does not lie in it. */
static void settle_directory(struct ps_tree_reader *reader, struct ps_tree_batch *batch,
                             const struct ps_tree_entry *next, enum ps_checksum_algorithm algorithm)
{
    struct ps_tree_item *item;

    if (reader->directory.path == NULL) {
        return;
    }
    if (next != NULL && ps_str_has_prefix(next->path, reader->directory.path) &&
        reader->directories == PS_TREE_DIRECTORIES_ODD && is_common_mode(reader->directory.mode)) {
        release_directory(reader);
        return;
    }
    item = &batch->items[batch->count++];
    *item = reader->directory;
    item->size_bytes = 0;
    item->data = batch->buffer;
    (void)sum_up(item, algorithm, &item->checksum, &item->err);
    reader->directory.path = NULL;
}

static enum ps_code take_entry(struct ps_tree_reader *reader, struct ps_tree_batch *batch,
                               const struct ps_tree_entry *entry,
                               enum ps_checksum_algorithm algorithm, bool want_md5,
                               struct ps_err *err)
{
    bool directory = entry->kind == PS_TREE_DIRECTORY;
    struct ps_tree_item *item = directory ? &reader->directory : &batch->items[batch->count];

    if (directory && reader->directories == PS_TREE_DIRECTORIES_NONE) {
        return PS_OK;
    }
    if (!describe(item, entry)) {
        return ps_err_set(err, PS_E_NO_MEMORY, "%s: out of memory", reader->root);
    }
    if (directory) {
        return PS_OK;
    }
    batch->count++;
    if (entry->kind == PS_TREE_SPECIAL) {
        (void)ps_err_set(&item->err, PS_E_UNSUPPORTED, "is a device, fifo or socket: not sent");
    } else if (entry->kind == PS_TREE_LINK || entry->size_bytes <= PS_TREE_SMALL_FILE_BYTES) {
        read_small(batch, item, entry, algorithm, want_md5);
    }
    return PS_OK;
}

/* An error of the walk (a directory that may not be read) is an item of its own: the others go on. */
static void take_walk_error(struct ps_tree_batch *batch, const struct ps_err *err)
{
    struct ps_tree_item *item = &batch->items[batch->count];

    memset(item, 0, sizeof(*item));
    item->kind = PS_TREE_SPECIAL;
    item->path = ps_strdup("");
    item->err = *err;
    batch->count += item->path != NULL ? 1 : 0;
}

static bool has_room(const struct ps_tree_batch *batch)
{
    /* Two items can come of one entry, and the bytes of the next are not known yet. */
    return batch->count + 2 <= PS_TREE_BATCH_ITEMS &&
           batch->used_bytes + PS_TREE_SMALL_FILE_BYTES + 1 <= PS_TREE_BATCH_BYTES;
}

enum ps_code ps_tree_reader_fill(struct ps_tree_reader *reader, struct ps_tree_batch *batch,
                                 enum ps_checksum_algorithm algorithm, bool want_md5,
                                 struct ps_err *err)
{
    char *buffer = batch->buffer != NULL ? batch->buffer : malloc(PS_TREE_BATCH_BYTES);
    enum ps_code code = PS_OK;

    batch->buffer = NULL;
    ps_tree_batch_clear(batch);
    if (buffer == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "%s: out of memory", reader->root);
    }
    batch->buffer = buffer;
    while (code == PS_OK && !reader->ended && has_room(batch)) {
        const struct ps_tree_entry *entry = NULL;
        struct ps_err walk_err;

        if (ps_tree_walk_next(reader->walk, &entry, &walk_err) != PS_OK) {
            take_walk_error(batch, &walk_err);
            release_directory(reader); /* it is the one that cannot be read */
            continue;
        }
        settle_directory(reader, batch, entry, algorithm);
        reader->ended = entry == NULL;
        if (entry != NULL) {
            code = take_entry(reader, batch, entry, algorithm, want_md5, err);
        }
    }
    batch->last = reader->ended;
    return code;
}
