#include "sink/archive_writer_internal.h"

#include "base/str.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

static int64_t mtime_of(const struct ps_extract *extract, struct archive_entry *entry)
{
    int64_t ns = 0;

    if (extract->lib.archive_entry_mtime_is_set(entry) == 0 ||
        __builtin_mul_overflow((int64_t)extract->lib.archive_entry_mtime(entry),
                               (int64_t)1000000000, &ns) ||
        __builtin_add_overflow(ns, (int64_t)extract->lib.archive_entry_mtime_nsec(entry), &ns)) {
        return INT64_MIN;
    }
    return ns;
}

static struct ps_dest_attributes attributes_of(const struct ps_extract *extract,
                                               struct archive_entry *entry)
{
    return (struct ps_dest_attributes){
        .mode = extract->options->mode >= 0 ? extract->options->mode
                                            : (int)(extract->lib.archive_entry_perm(entry) & 0777),
        .mtime_ns = mtime_of(extract, entry),
        .owned = extract->options->same_owner,
        .uid = (uint32_t)extract->lib.archive_entry_uid(entry),
        .gid = (uint32_t)extract->lib.archive_entry_gid(entry),
    };
}

static enum ps_code set_extended(const struct ps_extract *extract, struct archive_entry *entry,
                                 int fd, const char *path, struct ps_err *err)
{
    const char *name = NULL;
    const void *value = NULL;
    size_t size_bytes = 0;

    (void)extract->lib.archive_entry_xattr_reset(entry);
    while (extract->lib.archive_entry_xattr_next(entry, &name, &value, &size_bytes) == ARCHIVE_OK) {
        /* Others are the system's: capabilities, labels, access lists. */
        if (name != NULL && ps_str_has_prefix(name, "user.") &&
            fsetxattr(fd, name, value, size_bytes, 0) != 0) {
            return ps_err_set_errno(err, errno, "%s: attribute %s", path, name);
        }
    }
    return PS_OK;
}

static enum ps_code write_all(int fd, const void *data, size_t size_bytes, int64_t offset,
                              const char *path, struct ps_err *err)
{
    const char *at = data;

    while (size_bytes > 0) {
        ssize_t wrote_bytes = pwrite(fd, at, size_bytes, (off_t)offset);

        if (wrote_bytes < 0 && errno == EINTR) {
            continue;
        }
        if (wrote_bytes < 0) {
            return ps_err_set_errno(err, errno, "%s: write", path);
        }
        at += wrote_bytes;
        offset += wrote_bytes;
        size_bytes -= (size_t)wrote_bytes;
    }
    return PS_OK;
}

/* Blocks come with their offsets, so holes stay holes. */
static enum ps_code write_data(struct ps_extract *extract, struct archive_entry *entry, int fd,
                               const char *path, struct ps_err *err)
{
    bool sized = extract->lib.archive_entry_size_is_set(entry) != 0;
    int64_t end_bytes = 0;
    enum ps_code code = PS_OK;

    for (;;) {
        const void *data = NULL;
        size_t size_bytes = 0;
        la_int64_t offset = 0;
        int status =
            extract->lib.archive_read_data_block(extract->archive, &data, &size_bytes, &offset);

        if (status == ARCHIVE_EOF) {
            end_bytes = offset > end_bytes ? offset : end_bytes;
            break;
        }
        if (status != ARCHIVE_OK) {
            /* Bytes without their CRC are no more than a warning to libarchive. */
            return ps_extract_fail(extract, err);
        }
        code = ps_extract_count_bytes(extract, sized ? 0 : size_bytes, err);
        if (code == PS_OK && offset < 0) {
            code = ps_err_set(err, PS_E_CORRUPT, "%s: bytes at a negative offset", path);
        }
        if (code == PS_OK) {
            code = write_all(fd, data, size_bytes, offset, path, err);
        }
        if (code != PS_OK) {
            return code;
        }
        end_bytes = offset + (int64_t)size_bytes;
    }
    if (sized && (int64_t)extract->lib.archive_entry_size(entry) > end_bytes) {
        end_bytes = (int64_t)extract->lib.archive_entry_size(entry);
    }
    return ftruncate(fd, (off_t)end_bytes) == 0 ? PS_OK : ps_err_set_errno(err, errno, "%s", path);
}

/* By an earlier run, whose entries are all read again. */
static bool is_finished(const struct ps_extract *extract)
{
    const struct ps_extract_point *from = extract->options->from;

    return from != NULL && !from->restartable && extract->result.entry_count < from->entry_count;
}

static enum ps_code write_file(struct ps_extract *extract, struct archive_entry *entry,
                               const char *path, struct ps_err *err)
{
    const struct ps_dest_attributes attributes = attributes_of(extract, entry);
    struct ps_dest_file file = { .fd = -1 };
    enum ps_code code = PS_OK;

    if (extract->lib.archive_entry_size_is_set(entry) != 0) {
        int64_t size_bytes = (int64_t)extract->lib.archive_entry_size(entry);

        if (size_bytes < 0) {
            return ps_err_set(err, PS_E_CORRUPT, "%s: has a negative size", path);
        }
        code = ps_extract_count_bytes(extract, (uint64_t)size_bytes, err);
    }
    extract->result.file_count++;
    if (code == PS_OK && is_finished(extract) &&
        ps_dest_tree_has_file(extract->tree, path, (uint64_t)extract->lib.archive_entry_size(entry),
                              attributes.mtime_ns)) {
        extract->result.passed_count++;
        return PS_OK; /* libarchive passes over the bytes */
    }
    if (code == PS_OK) {
        code = ps_dest_tree_file_begin(extract->tree, &file, err);
    }
    if (code == PS_OK) {
        code = write_data(extract, entry, file.fd, path, err);
    }
    if (code == PS_OK && extract->options->attributes) {
        code = set_extended(extract, entry, file.fd, path, err);
    }
    if (code == PS_OK) {
        code = ps_dest_tree_file_commit(extract->tree, &file, path, &attributes, err);
    }
    ps_dest_tree_file_abort(extract->tree, &file);
    return code;
}

static enum ps_code write_link(struct ps_extract *extract, struct archive_entry *entry,
                               const char *path, struct ps_err *err)
{
    const struct ps_dest_attributes attributes = attributes_of(extract, entry);
    const char *target = extract->lib.archive_entry_symlink(entry);
    enum ps_code code;

    if (target == NULL || target[0] == '\0') {
        return ps_err_set(err, PS_E_REFUSED, "%s: a symbolic link to nothing", path);
    }
    if (!extract->options->outside_links && !ps_dest_link_stays_inside(path, target)) {
        return ps_err_set(err, PS_E_REFUSED,
                          "%.100s: a symbolic link that may lead out, to %.60s; --outside-links "
                          "keeps such links",
                          path, target);
    }
    code = ps_dest_tree_symlink(extract->tree, path, target, attributes.mtime_ns, err);
    return code == PS_OK && attributes.owned
               ? ps_dest_tree_own(extract->tree, path, attributes.uid, attributes.gid, err)
               : code;
}

static enum ps_code write_hard_link(struct ps_extract *extract, struct archive_entry *entry,
                                    const char *path, struct ps_err *err)
{
    char existing[PATH_MAX];
    enum ps_code code =
        ps_dest_path_clean(extract->lib.archive_entry_hardlink(entry), existing, err);

    if (code != PS_OK) {
        return ps_err_wrap(err, code, "%s: hard link", path);
    }
    if (existing[0] == '\0') {
        return ps_err_set(err, PS_E_REFUSED, "%s: a hard link to nothing", path);
    }
    return ps_dest_tree_hard_link(extract->tree, path, existing, err);
}

static enum ps_code check_seen(struct ps_extract *extract, const char *path, bool directory,
                               struct ps_err *err)
{
    bool known = false;
    bool was_directory = false;
    enum ps_code code =
        ps_path_set_add(&extract->seen, path, directory, &known, &was_directory, err);

    if (code == PS_OK && known && !(directory && was_directory)) {
        return ps_err_set(err, PS_E_REFUSED, "%.150s: is in it twice%s", path,
                          extract->seen.fold_case
                              ? ", or differs in case only, which this file system does not see"
                              : "");
    }
    return code;
}

static enum ps_code write_entry(struct ps_extract *extract, struct archive_entry *entry,
                                const char *path, struct ps_err *err)
{
    unsigned int type = (unsigned int)extract->lib.archive_entry_filetype(entry);
    bool directory = type == AE_IFDIR && extract->lib.archive_entry_hardlink(entry) == NULL;
    struct ps_dest_attributes attributes;
    enum ps_code code = PS_OK;

    if (path[0] == '\0') { /* "./" */
        return directory ? PS_OK
                         : ps_err_set(err, PS_E_REFUSED, "an entry without a name is no directory");
    }
    if (extract->options->wanted != NULL &&
        !extract->options->wanted(extract->options->user, path, directory)) {
        return PS_OK;
    }
    code = check_seen(extract, path, directory, err);
    if (code != PS_OK) {
        return code;
    }
    if (extract->lib.archive_entry_hardlink(entry) != NULL) {
        return write_hard_link(extract, entry, path, err);
    }
    switch (type) {
    case AE_IFREG:
        return write_file(extract, entry, path, err);
    case AE_IFDIR:
        attributes = attributes_of(extract, entry);
        return extract->options->needed_directories
                   ? ps_dest_tree_give(extract->tree, path, &attributes, err)
                   : ps_dest_tree_directory(extract->tree, path, &attributes, err);
    case AE_IFLNK:
        return write_link(extract, entry, path, err);
    default:
        return ps_err_set(err, PS_E_REFUSED, "%.150s: is a device, fifo or socket", path);
    }
}

enum ps_code ps_extract_take(struct ps_extract *extract, struct archive_entry *entry,
                             struct ps_err *err)
{
    const char *raw = extract->lib.archive_entry_pathname(entry);
    uint64_t entry_count_max = extract->options->limits.entry_count_max;
    char path[PATH_MAX];
    enum ps_code code;

    if (extract->result.entry_count >= entry_count_max) {
        return ps_err_set(err, PS_E_REFUSED,
                          "it holds more than %" PRIu64
                          " entries: raise extract.entry_limit if that is meant",
                          entry_count_max);
    }
    if (raw == NULL) {
        return ps_err_set(err, PS_E_REFUSED, "entry %" PRIu64 " has no readable name",
                          extract->result.entry_count + 1);
    }
    if (extract->lib.archive_entry_is_data_encrypted(entry) != 0) {
        return ps_err_set(err, PS_E_REFUSED, "%.150s: is encrypted", raw);
    }
    code = ps_dest_path_clean(raw, path, err);
    if (code == PS_OK) {
        code = write_entry(extract, entry, path, err);
    }
    if (code == PS_OK) {
        extract->result.entry_count++;
    }
    return code;
}
