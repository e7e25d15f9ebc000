#include "sink/archive_writer.h"

#include "base/archive_lib.h"
#include "base/str.h"
#include "sink/dest_tree.h"
#include "sink/gunzip.h"
#include "sink/path_set.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/** What is pulled at a time. */
#define PULL_BYTES ((size_t)128 * 1024)

struct extract {
    struct ps_archive_lib lib;
    const struct ps_extract_options *options;
    struct archive *archive;
    bool begun; /* a header was read: it is an archive */
    struct ps_gunzip *gunzip;
    struct ps_dest_tree *tree;
    struct ps_path_set seen;
    struct ps_err pull_err; /* why on_read said no */
    char *buffer;
    uint64_t written_bytes;
    struct ps_extract_result result;
};

/* --- libarchive's side --- */

static la_ssize_t on_read(struct archive *archive, void *user, const void **data_out)
{
    struct extract *extract = user;
    size_t got_bytes = 0;

    if (ps_gunzip_read(extract->gunzip, extract->buffer, PULL_BYTES, &got_bytes,
                       &extract->pull_err) != PS_OK) {
        extract->lib.archive_set_error(archive, EIO, "the bytes cannot be had");
        return -1;
    }
    *data_out = extract->buffer;
    return (la_ssize_t)got_bytes;
}

/* libarchive's codes go no further than here. */
static enum ps_code fail(const struct extract *extract, struct ps_err *err)
{
    const char *text = extract->lib.archive_error_string(extract->archive);

    if (extract->pull_err.code != PS_OK) {
        if (err != NULL) {
            *err = extract->pull_err;
        }
        return extract->pull_err.code;
    }
    if (extract->lib.archive_errno(extract->archive) == ENOMEM) {
        return ps_err_set(err, PS_E_NO_MEMORY, "archive: out of memory");
    }
    if (!extract->begun) {
        return ps_err_set(err, PS_E_CORRUPT, "no tar, tar.gz, tar.zst or zip: %s",
                          text != NULL ? text : "nothing is known of it");
    }
    return ps_err_set(err, PS_E_CORRUPT, "the archive is broken after %" PRIu64 " entries: %s",
                      extract->result.entry_count, text != NULL ? text : "no reason is known");
}

static enum ps_code open_archive(struct extract *extract, struct ps_err *err)
{
    enum ps_code code = ps_archive_lib_load(&extract->lib, err);
    struct archive *archive;

    if (code != PS_OK) {
        return code;
    }
    archive = extract->lib.archive_read_new();
    extract->archive = archive;
    if (archive == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "archive: out of memory");
    }
    /* Filters by name: "all" would run programs for those that are not built in. gzip is unpacked before. */
    if (extract->lib.archive_read_support_filter_zstd(archive) != ARCHIVE_OK ||
        extract->lib.archive_read_support_format_tar(archive) != ARCHIVE_OK ||
        extract->lib.archive_read_support_format_zip_streamable(archive) != ARCHIVE_OK ||
        extract->lib.archive_read_open(archive, extract, NULL, on_read, NULL) != ARCHIVE_OK) {
        return fail(extract, err);
    }
    return PS_OK;
}

/* --- limits --- */

static enum ps_code count_bytes(struct extract *extract, uint64_t size_bytes, struct ps_err *err)
{
    const struct ps_extract_limits *limits = &extract->options->limits;
    char text[16];

    if (!ps_add_u64(extract->written_bytes, size_bytes, &extract->written_bytes) ||
        extract->written_bytes > limits->size_max_bytes) {
        return ps_err_set(err, PS_E_REFUSED,
                          "it holds more than %s: raise extract.size_limit if that is meant",
                          ps_size_format(limits->size_max_bytes, text, sizeof(text)));
    }
    if (extract->written_bytes > PS_EXTRACT_RATIO_FROM_BYTES &&
        extract->written_bytes / limits->ratio_max > ps_gunzip_pulled(extract->gunzip)) {
        return ps_err_set(err, PS_E_REFUSED,
                          "it grows more than %" PRIu64
                          " times: raise extract.ratio_limit if that is meant",
                          limits->ratio_max);
    }
    return PS_OK;
}

static enum ps_code count_entry(struct extract *extract, struct ps_err *err)
{
    if (extract->result.entry_count >= extract->options->limits.entry_count_max) {
        return ps_err_set(err, PS_E_REFUSED,
                          "it holds more than %" PRIu64
                          " entries: raise extract.entry_limit if that is meant",
                          extract->options->limits.entry_count_max);
    }
    return PS_OK;
}

/* --- one entry --- */

static int64_t mtime_of(const struct extract *extract, struct archive_entry *entry)
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

static struct ps_dest_attributes attributes_of(const struct extract *extract,
                                               struct archive_entry *entry)
{
    return (struct ps_dest_attributes){
        .mode = extract->options->mode >= 0 ? extract->options->mode
                                            : (int)(extract->lib.archive_entry_perm(entry) & 0777),
        .mtime_ns = mtime_of(extract, entry),
    };
}

static enum ps_code set_extended(const struct extract *extract, struct archive_entry *entry, int fd,
                                 const char *path, struct ps_err *err)
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
static enum ps_code write_data(struct extract *extract, struct archive_entry *entry, int fd,
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
        if (status < ARCHIVE_WARN) {
            return fail(extract, err);
        }
        code = count_bytes(extract, sized ? 0 : size_bytes, err);
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

static enum ps_code write_file(struct extract *extract, struct archive_entry *entry,
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
        code = count_bytes(extract, (uint64_t)size_bytes, err);
    }
    extract->result.file_count++;
    if (code == PS_OK && extract->result.entry_count < extract->options->finished_count &&
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

static enum ps_code write_link(struct extract *extract, struct archive_entry *entry,
                               const char *path, struct ps_err *err)
{
    const char *target = extract->lib.archive_entry_symlink(entry);

    if (target == NULL || target[0] == '\0') {
        return ps_err_set(err, PS_E_REFUSED, "%s: a symbolic link to nothing", path);
    }
    if (!extract->options->outside_links && !ps_dest_link_stays_inside(path, target)) {
        return ps_err_set(err, PS_E_REFUSED,
                          "%.100s: a symbolic link that may lead out, to %.60s; --outside-links "
                          "keeps such links",
                          path, target);
    }
    return ps_dest_tree_symlink(extract->tree, path, target, mtime_of(extract, entry), err);
}

static enum ps_code write_hard_link(struct extract *extract, struct archive_entry *entry,
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

static enum ps_code check_seen(struct extract *extract, const char *path, bool directory,
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

static enum ps_code write_entry(struct extract *extract, struct archive_entry *entry,
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
        return ps_dest_tree_directory(extract->tree, path, &attributes, err);
    case AE_IFLNK:
        return write_link(extract, entry, path, err);
    default:
        return ps_err_set(err, PS_E_REFUSED, "%.150s: is a device, fifo or socket", path);
    }
}

static enum ps_code take_entry(struct extract *extract, struct archive_entry *entry,
                               struct ps_err *err)
{
    const char *raw = extract->lib.archive_entry_pathname(entry);
    char path[PATH_MAX];
    enum ps_code code = count_entry(extract, err);

    if (code != PS_OK) {
        return code;
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
    if (code != PS_OK) {
        return code;
    }
    extract->result.entry_count++;
    if (extract->options->on_entry != NULL &&
        !extract->options->on_entry(extract->options->user, extract->result.entry_count,
                                    extract->written_bytes, ps_dest_tree_fd(extract->tree), err)) {
        return err != NULL ? err->code : PS_E_CANCELLED;
    }
    return PS_OK;
}

/* --- the whole --- */

static enum ps_code extract_all(struct extract *extract, struct ps_err *err)
{
    enum ps_code code = open_archive(extract, err);

    while (code == PS_OK) {
        struct archive_entry *entry = NULL;
        int status = extract->lib.archive_read_next_header(extract->archive, &entry);

        if (status == ARCHIVE_EOF) {
            return PS_OK;
        }
        extract->begun = extract->begun || status >= ARCHIVE_WARN;
        code = status < ARCHIVE_WARN ? fail(extract, err) : take_entry(extract, entry, err);
    }
    return code;
}

static enum ps_code extract_here(struct extract *extract, struct ps_err *err)
{
    const struct ps_dest_attributes root = { .mode = extract->options->root_mode,
                                             .mtime_ns = INT64_MIN };
    enum ps_code code = ps_dest_tree_open(&extract->tree, extract->options->dest, err);

    if (code != PS_OK) {
        return code;
    }
    extract->seen.fold_case = ps_dest_tree_folds_case(extract->tree);
    if (getrandom(&extract->seen.key, sizeof(extract->seen.key), 0) < 0) {
        extract->seen.key = (uint64_t)(uintptr_t)extract;
    }
    code = extract_all(extract, err);
    if (code == PS_OK) {
        code = ps_dest_tree_finish(extract->tree, &root, err);
    }
    return code;
}

enum ps_code ps_archive_extract(const struct ps_extract_options *options,
                                struct ps_extract_result *result_out, struct ps_err *err)
{
    struct extract extract = { .options = options, .buffer = malloc(PULL_BYTES) };
    locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    locale_t before = utf8 != (locale_t)0 ? uselocale(utf8) : (locale_t)0;
    enum ps_code code = PS_OK;

    if (extract.buffer == NULL) {
        code = ps_err_set(err, PS_E_NO_MEMORY, "archive: out of memory");
    } else {
        code = ps_gunzip_new(&extract.gunzip, options->pull, options->user, err);
    }
    if (code == PS_OK) {
        code = extract_here(&extract, err);
    }
    extract.result.size_bytes = extract.written_bytes;
    *result_out = extract.result;
    if (extract.archive != NULL) {
        (void)extract.lib.archive_read_free(extract.archive);
    }
    ps_gunzip_free(extract.gunzip);
    ps_path_set_clear(&extract.seen);
    ps_dest_tree_close(extract.tree);
    free(extract.buffer);
    if (utf8 != (locale_t)0) {
        (void)uselocale(before);
        freelocale(utf8);
    }
    return code;
}
