#include "source/archive_source.h"

#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/**
 * Most extents of a sparse file that are told apart; a file with more is archived with its zeros. Each costs 32 bytes
 * and a line in the archive.
 */
#define EXTENTS_MAX ((size_t)64 * 1024)

/** Linux: XATTR_LIST_MAX and XATTR_SIZE_MAX, limits.h. */
enum {
    ATTRIBUTE_LIST_MAX_BYTES = 65536,
    ATTRIBUTE_VALUE_MAX_BYTES = 65536,
    ATTRIBUTES_MAX = 64
};

struct ps_archive_source {
    int fd;
    char *path;
    uint64_t size_bytes;
    int64_t mtime_ns;
    uint64_t offset_bytes;
    struct ps_archive_extent *extents;
    size_t extent_count;
    char *attribute_names;
    struct ps_archive_attribute attributes[ATTRIBUTES_MAX];
    size_t attribute_count;
};

static int64_t mtime_of(const struct stat *status)
{
    return (int64_t)status->st_mtim.tv_sec * 1000000000 + (int64_t)status->st_mtim.tv_nsec;
}

static enum ps_code check_unchanged(const struct ps_archive_source *source,
                                    const struct stat *status, struct ps_err *err)
{
    if ((uint64_t)status->st_size != source->size_bytes || mtime_of(status) != source->mtime_ns) {
        return ps_err_set(err, PS_E_CHANGED,
                          "%s: was written to while it was read: run it again when nothing writes "
                          "there",
                          source->path);
    }
    return PS_OK;
}

/* --- holes --- */

static bool add_extent(struct ps_archive_source *source, size_t *capacity, off_t from, off_t to)
{
    if (source->extent_count == *capacity) {
        size_t wanted = *capacity != 0 ? *capacity * 2 : 16;
        struct ps_archive_extent *extents;

        if (*capacity == EXTENTS_MAX) {
            return false;
        }
        extents = realloc(source->extents, wanted * sizeof(*extents));
        if (extents == NULL) {
            return false;
        }
        source->extents = extents;
        *capacity = wanted;
    }
    source->extents[source->extent_count++] =
        (struct ps_archive_extent){ (uint64_t)from, (uint64_t)(to - from) };
    return true;
}

/* Leaves extent_count 0 where holes cannot be told: then all is read. */
static void find_extents(struct ps_archive_source *source)
{
    off_t size = (off_t)source->size_bytes;
    size_t capacity = 0;
    off_t at = 0;

    while (at < size) {
        off_t data = lseek(source->fd, at, SEEK_DATA);
        off_t hole = data >= 0 ? lseek(source->fd, data, SEEK_HOLE) : -1;

        if (data < 0 && errno == ENXIO) {
            break; /* a hole to the end */
        }
        if (data < 0 || hole < 0 ||
            !add_extent(source, &capacity, data, hole < size ? hole : size)) {
            source->extent_count = 0;
            return;
        }
        at = hole;
    }
    /* The archive's map ends where the file ends, else a reader would make it shorter. */
    if (source->extent_count == 0 || source->extents[source->extent_count - 1].offset_bytes +
                                             source->extents[source->extent_count - 1].size_bytes <
                                         source->size_bytes) {
        if (!add_extent(source, &capacity, size, size)) {
            source->extent_count = 0;
        }
    }
}

/* --- attributes --- */

static enum ps_code add_attribute(struct ps_archive_source *source, const char *name,
                                  struct ps_err *err)
{
    char *value;
    ssize_t got_bytes;

    if (source->attribute_count == ATTRIBUTES_MAX) {
        return ps_err_set(err, PS_E_TOO_LARGE, "%s: more than %d extended attributes", source->path,
                          ATTRIBUTES_MAX);
    }
    value = malloc(ATTRIBUTE_VALUE_MAX_BYTES);
    if (value == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "%s: out of memory", source->path);
    }
    got_bytes = fgetxattr(source->fd, name, value, ATTRIBUTE_VALUE_MAX_BYTES);
    if (got_bytes < 0) {
        enum ps_code code = ps_err_set_errno(err, errno, "%s: attribute %s", source->path, name);

        free(value);
        return code;
    }
    source->attributes[source->attribute_count++] =
        (struct ps_archive_attribute){ name, value, (size_t)got_bytes };
    return PS_OK;
}

static enum ps_code find_attributes(struct ps_archive_source *source, struct ps_err *err)
{
    enum ps_code code = PS_OK;
    ssize_t got_bytes;

    source->attribute_names = malloc(ATTRIBUTE_LIST_MAX_BYTES);
    if (source->attribute_names == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "%s: out of memory", source->path);
    }
    got_bytes = flistxattr(source->fd, source->attribute_names, ATTRIBUTE_LIST_MAX_BYTES);
    if (got_bytes < 0) {
        return errno == EOPNOTSUPP ? PS_OK
                                   : ps_err_set_errno(err, errno, "%s: attributes", source->path);
    }
    for (const char *name = source->attribute_names;
         code == PS_OK && name < source->attribute_names + got_bytes; name += strlen(name) + 1) {
        if (ps_str_has_prefix(name, "user.")) {
            code = add_attribute(source, name, err);
        }
    }
    return code;
}

/* --- life --- */

enum ps_code ps_archive_source_open(struct ps_archive_source **source_out,
                                    const struct ps_tree_entry *entry, bool sparse, bool attributes,
                                    struct ps_err *err)
{
    struct ps_archive_source *source = calloc(1, sizeof(*source));
    struct stat status;
    enum ps_code code = PS_OK;

    if (source == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "%s: out of memory", entry->path);
    }
    source->size_bytes = entry->size_bytes;
    source->mtime_ns = entry->mtime_ns;
    source->path = ps_strdup(entry->path);
    source->fd = openat(entry->dir_fd, entry->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (source->path == NULL) {
        code = ps_err_set(err, PS_E_NO_MEMORY, "%s: out of memory", entry->path);
    } else if (source->fd < 0) {
        code = errno == ENOENT || errno == ELOOP
                   ? ps_err_set(err, PS_E_CHANGED, "%s: went away while the tree was read",
                                entry->path)
                   : ps_err_set_errno(err, errno, "%s", entry->path);
    } else if (fstat(source->fd, &status) != 0) {
        code = ps_err_set_errno(err, errno, "%s", entry->path);
    } else {
        code = check_unchanged(source, &status, err);
    }
    if (code == PS_OK && sparse && entry->allocated_bytes < entry->size_bytes) {
        find_extents(source);
    }
    if (code == PS_OK && attributes) {
        code = find_attributes(source, err);
    }
    if (code == PS_OK) {
        *source_out = source;
        source = NULL;
    }
    ps_archive_source_close(source);
    return code;
}

void ps_archive_source_close(struct ps_archive_source *source)
{
    if (source == NULL) {
        return;
    }
    if (source->fd >= 0) {
        (void)close(source->fd);
    }
    for (size_t i = 0; i < source->attribute_count; i++) {
        free((void *)(uintptr_t)source->attributes[i].value);
    }
    free(source->attribute_names);
    free(source->extents);
    free(source->path);
    free(source);
}

void ps_archive_source_describe(const struct ps_archive_source *source,
                                struct ps_archive_entry *entry)
{
    entry->extents = source->extents;
    entry->extent_count = source->extent_count;
    entry->attributes = source->attributes;
    entry->attribute_count = source->attribute_count;
}

enum ps_code ps_archive_source_read(struct ps_archive_source *source, void *into, size_t size,
                                    size_t *got_out, struct ps_err *err)
{
    uint64_t left_bytes = source->size_bytes - source->offset_bytes;
    struct stat status;
    ssize_t got_bytes;

    if (left_bytes == 0) {
        *got_out = 0;
        return fstat(source->fd, &status) == 0 ? check_unchanged(source, &status, err)
                                               : ps_err_set_errno(err, errno, "%s", source->path);
    }
    do {
        got_bytes = pread(source->fd, into, left_bytes < size ? (size_t)left_bytes : size,
                          (off_t)source->offset_bytes);
    } while (got_bytes < 0 && errno == EINTR);
    if (got_bytes < 0) {
        return ps_err_set_errno(err, errno, "%s: read at %llu", source->path,
                                (unsigned long long)source->offset_bytes);
    }
    if (got_bytes == 0) {
        return ps_err_set(err, PS_E_CHANGED, "%s: got shorter while it was read", source->path);
    }
    source->offset_bytes += (uint64_t)got_bytes;
    *got_out = (size_t)got_bytes;
    return PS_OK;
}
