#include "sink/archive_members.h"

#include "base/archive_lib.h"
#include "base/str.h"
#include "sink/unpack.h"

#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** What is pulled at a time. */
#define PULL_BYTES ((size_t)64 * 1024)

/** Members lie close together: so much is read through rather than asked for anew. */
#define SKIP_BY_READING_BYTES ((int64_t)1024 * 1024)

/**
 * Of a zip's directory, which libarchive holds whole. Lower: zips of half a million members are refused. Higher: a
 * stranger's archive makes us hold that, several times over.
 */
#define ZIP_DIRECTORY_LIMIT_BYTES ((uint64_t)64 * 1024 * 1024)

struct walk {
    const struct ps_members_options *options;
    struct ps_archive_lib lib;
    struct archive *archive;
    bool zip;
    bool begun;    /* a header was read: it is an archive */
    char first[4]; /* pulled to see what it is, and not handed on yet */
    size_t first_size_bytes;
    size_t first_taken_bytes;
    struct ps_unpack *unpack; /* NULL for a zip */
    uint64_t position_bytes;  /* zip: of the next pull */
    uint64_t pulled_bytes;
    uint64_t unpacked_bytes;
    uint64_t member_count;
    struct ps_err err; /* why a function of ours said no to libarchive */
    char *buffer;
};

/* --- bytes for libarchive --- */

static bool pull(void *user, void *into, size_t size, size_t *got_out, struct ps_err *err)
{
    struct walk *walk = user;
    size_t left_bytes = walk->first_size_bytes - walk->first_taken_bytes;

    if (left_bytes > 0) {
        *got_out = left_bytes < size ? left_bytes : size;
        memcpy(into, walk->first + walk->first_taken_bytes, *got_out);
        walk->first_taken_bytes += *got_out;
        return true;
    }
    if (!walk->options->pull(walk->options->user, into, size, got_out, err)) {
        return false;
    }
    walk->pulled_bytes += *got_out;
    return true;
}

/* What a zip bomb or a tar of zeros makes of few bytes. */
static enum ps_code count_bytes(struct walk *walk, uint64_t size_bytes, struct ps_err *err)
{
    const struct ps_extract_limits *limits = &walk->options->limits;
    char text[16];

    if (!ps_add_u64(walk->unpacked_bytes, size_bytes, &walk->unpacked_bytes) ||
        walk->unpacked_bytes > limits->size_max_bytes) {
        return ps_err_set(err, PS_E_REFUSED, "it holds more than %s (extract.size_limit)",
                          ps_size_format(limits->size_max_bytes, text, sizeof(text)));
    }
    if (walk->unpacked_bytes > PS_EXTRACT_RATIO_FROM_BYTES &&
        walk->unpacked_bytes / limits->ratio_max > walk->pulled_bytes) {
        return ps_err_set(err, PS_E_REFUSED,
                          "it grows more than %" PRIu64 " times (extract.ratio_limit)",
                          limits->ratio_max);
    }
    return PS_OK;
}

static enum ps_code read_zip(struct walk *walk, size_t *got_out)
{
    if (!walk->begun && walk->pulled_bytes > ZIP_DIRECTORY_LIMIT_BYTES) {
        return ps_err_set(&walk->err, PS_E_REFUSED, "its directory is larger than 64 MiB");
    }
    if (!pull(walk, walk->buffer, PULL_BYTES, got_out, &walk->err)) {
        return walk->err.code;
    }
    walk->position_bytes += *got_out;
    return PS_OK;
}

static la_ssize_t on_read(struct archive *archive, void *user, const void **data_out)
{
    struct walk *walk = user;
    size_t got_bytes = 0;
    enum ps_code code;

    if (walk->options->is_stopped != NULL && walk->options->is_stopped(walk->options->user)) {
        code = ps_err_set(&walk->err, PS_E_CANCELLED, "given up");
    } else if (walk->zip) {
        code = read_zip(walk, &got_bytes);
    } else {
        code = ps_unpack_read(walk->unpack, walk->buffer, PULL_BYTES, &got_bytes, &walk->err);
    }
    if (code == PS_OK && !walk->zip) {
        code = count_bytes(walk, got_bytes, &walk->err);
    }
    if (code != PS_OK) {
        walk->lib.archive_set_error(archive, EIO, "the bytes cannot be had");
        return -1;
    }
    *data_out = walk->buffer;
    return (la_ssize_t)got_bytes;
}

static enum ps_code read_on_to(struct walk *walk, uint64_t target_bytes)
{
    enum ps_code code = PS_OK;

    while (walk->position_bytes < target_bytes && code == PS_OK) {
        uint64_t left_bytes = target_bytes - walk->position_bytes;
        size_t got_bytes = 0;

        if (!pull(walk, walk->buffer, left_bytes < PULL_BYTES ? (size_t)left_bytes : PULL_BYTES,
                  &got_bytes, &walk->err)) {
            return walk->err.code;
        }
        walk->position_bytes += got_bytes;
        if (got_bytes == 0) {
            code = ps_err_set(&walk->err, PS_E_CORRUPT, "it ends in the middle");
        }
    }
    return code;
}

static la_int64_t on_seek(struct archive *archive, void *user, la_int64_t offset, int whence)
{
    struct walk *walk = user;
    int64_t base = whence == SEEK_END   ? (int64_t)walk->options->size_bytes
                   : whence == SEEK_CUR ? (int64_t)walk->position_bytes
                                        : 0;
    int64_t target = 0;
    int64_t ahead;
    enum ps_code code = PS_OK;

    if (__builtin_add_overflow(base, offset, &target) || target < 0 ||
        target > (int64_t)walk->options->size_bytes) {
        walk->lib.archive_set_error(archive, EINVAL, "points outside of it");
        return ARCHIVE_FATAL;
    }
    ahead = target - (int64_t)walk->position_bytes;
    if (ahead < 0 || ahead > SKIP_BY_READING_BYTES || walk->position_bytes == 0) {
        walk->first_taken_bytes = walk->first_size_bytes;
        if (!walk->options->seek(walk->options->user, (uint64_t)target, &walk->err)) {
            code = walk->err.code;
        }
        walk->position_bytes = (uint64_t)target;
    } else {
        code = read_on_to(walk, (uint64_t)target);
    }
    if (code != PS_OK) {
        walk->lib.archive_set_error(archive, EIO, "the bytes cannot be had");
        return ARCHIVE_FATAL;
    }
    return target;
}

/* libarchive's codes go no further than here. */
static enum ps_code fail(const struct walk *walk, struct ps_err *err)
{
    const char *text = walk->lib.archive_error_string(walk->archive);

    if (walk->err.code != PS_OK) {
        if (err != NULL) {
            *err = walk->err;
        }
        return walk->err.code;
    }
    if (walk->lib.archive_errno(walk->archive) == ENOMEM) {
        return ps_err_set(err, PS_E_NO_MEMORY, "archive: out of memory");
    }
    if (!walk->begun) {
        return ps_err_set(err, PS_E_CORRUPT, "no tar, tar.gz, tar.zst or zip: %s",
                          text != NULL ? text : "nothing is known of it");
    }
    return ps_err_set(err, PS_E_CORRUPT, "the archive is broken after %" PRIu64 " members: %s",
                      walk->member_count, text != NULL ? text : "no reason is known");
}

static enum ps_code open_archive(struct walk *walk, struct ps_err *err)
{
    const struct ps_archive_lib *lib = &walk->lib;
    struct archive *archive;
    int status;

    walk->archive = lib->archive_read_new();
    archive = walk->archive;
    if (archive == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "archive: out of memory");
    }
    /* No filters: what is packed is unpacked before, once and within limits. */
    status = walk->zip ? lib->archive_read_support_format_zip_seekable(archive)
                       : lib->archive_read_support_format_tar(archive);
    if (status == ARCHIVE_OK && walk->zip) {
        status = lib->archive_read_set_seek_callback(archive, on_seek);
    }
    if (status == ARCHIVE_OK) {
        status = lib->archive_read_set_read_callback(archive, on_read);
    }
    if (status == ARCHIVE_OK) {
        status = lib->archive_read_set_callback_data(archive, walk);
    }
    if (status == ARCHIVE_OK) {
        status = lib->archive_read_open1(archive);
    }
    return status == ARCHIVE_OK ? PS_OK : fail(walk, err);
}

/* --- members --- */

/* Of a zip's member that was just read: LZMA, XZ and PPMd take as much memory as a stranger's header says. */
static bool is_packed_otherwise(const struct walk *walk)
{
    const char *format = walk->lib.archive_format_name(walk->archive); /* "ZIP 2.0 (deflation)" */

    return walk->zip && format != NULL && strchr(format, '(') != NULL &&
           strstr(format, "(uncompressed)") == NULL && strstr(format, "(deflation)") == NULL;
}

static enum ps_member_kind kind_of(const struct walk *walk, struct archive_entry *entry)
{
    if (walk->lib.archive_entry_is_data_encrypted(entry) != 0 || is_packed_otherwise(walk)) {
        return PS_MEMBER_OTHER;
    }
    if (walk->lib.archive_entry_hardlink(entry) != NULL) {
        return PS_MEMBER_LINK;
    }
    switch ((unsigned int)walk->lib.archive_entry_filetype(entry)) {
    case AE_IFREG:
        return PS_MEMBER_FILE;
    case AE_IFDIR:
        return PS_MEMBER_DIRECTORY;
    case AE_IFLNK:
        return PS_MEMBER_LINK;
    default:
        return PS_MEMBER_OTHER;
    }
}

static struct ps_member member_of(const struct walk *walk, struct archive_entry *entry)
{
    const struct ps_archive_lib *lib = &walk->lib;
    const char *name = lib->archive_entry_pathname(entry);
    struct ps_member member = {
        .name = name != NULL ? name : "",
        .kind = kind_of(walk, entry),
        .link_target = lib->archive_entry_hardlink(entry) != NULL
                           ? lib->archive_entry_hardlink(entry)
                           : lib->archive_entry_symlink(entry),
    };

    while (ps_str_has_prefix(member.name, "./")) {
        member.name += 2;
    }
    if (member.kind == PS_MEMBER_FILE && lib->archive_entry_size_is_set(entry) != 0 &&
        lib->archive_entry_size(entry) >= 0) {
        member.has_size = true;
        member.size_bytes = (uint64_t)lib->archive_entry_size(entry);
    }
    if (lib->archive_entry_mtime_is_set(entry) != 0) {
        member.mtime_unix_s = (int64_t)lib->archive_entry_mtime(entry);
    }
    return member;
}

static enum ps_code hand_on(const struct walk *walk, const char *data, size_t size_bytes,
                            struct ps_err *err)
{
    return walk->options->on_data(walk->options->user, data, size_bytes, err)
               ? PS_OK
               : (err != NULL ? err->code : PS_E_CANCELLED);
}

/* A sparse file's holes are zeros. */
static enum ps_code fill_hole(struct walk *walk, uint64_t size_bytes, struct ps_err *err)
{
    enum ps_code code = count_bytes(walk, size_bytes, err);

    if (code == PS_OK && size_bytes > 0) {
        /* Not walk->buffer: libarchive may point into it. */
        static const char zeros[16 * 1024];

        while (size_bytes > 0 && code == PS_OK) {
            size_t step_bytes = size_bytes < sizeof(zeros) ? (size_t)size_bytes : sizeof(zeros);

            code = hand_on(walk, zeros, step_bytes, err);
            size_bytes -= step_bytes;
        }
    }
    return code;
}

static enum ps_code read_member(struct walk *walk, const struct ps_member *member,
                                struct ps_err *err)
{
    uint64_t done_bytes = 0;
    enum ps_code code = PS_OK;

    while (code == PS_OK) {
        const void *data = NULL;
        size_t size_bytes = 0;
        la_int64_t offset = 0;
        int status = walk->lib.archive_read_data_block(walk->archive, &data, &size_bytes, &offset);

        if (status == ARCHIVE_EOF) {
            break;
        }
        if (status != ARCHIVE_OK) {
            return fail(walk,
                        err); /* bytes without their CRC are no more than a warning to libarchive */
        }
        if (offset < 0 || (uint64_t)offset < done_bytes) {
            return ps_err_set(err, PS_E_CORRUPT, "%.150s: its bytes overlap", member->name);
        }
        code = fill_hole(walk, (uint64_t)offset - done_bytes, err);
        if (code == PS_OK && walk->zip) {
            code = count_bytes(walk, size_bytes, err);
        }
        if (code == PS_OK) {
            code = hand_on(walk, data, size_bytes, err);
        }
        done_bytes = (uint64_t)offset + size_bytes;
    }
    if (code == PS_OK && member->has_size && done_bytes < member->size_bytes) {
        code = fill_hole(walk, member->size_bytes - done_bytes, err);
    }
    return code;
}

/* In a tar by reading, so that limits are looked at: libarchive would pass over any number of bytes by itself. */
static enum ps_code skip_member(struct walk *walk, struct ps_err *err)
{
    int status = ARCHIVE_OK;

    if (walk->zip) {
        return walk->lib.archive_read_data_skip(walk->archive) >= ARCHIVE_WARN ? PS_OK
                                                                               : fail(walk, err);
    }
    while (status != ARCHIVE_EOF) {
        const void *data = NULL;
        size_t size_bytes = 0;
        la_int64_t offset = 0;

        status = walk->lib.archive_read_data_block(walk->archive, &data, &size_bytes, &offset);
        if (status < ARCHIVE_WARN) {
            return fail(walk, err);
        }
    }
    return PS_OK;
}

static enum ps_code take_member(struct walk *walk, struct archive_entry *entry, bool *done_out,
                                struct ps_err *err)
{
    const struct ps_member member = member_of(walk, entry);

    if (walk->member_count >= walk->options->limits.entry_count_max) {
        return ps_err_set(err, PS_E_REFUSED,
                          "it holds more than %" PRIu64 " members (extract.entry_limit)",
                          walk->options->limits.entry_count_max);
    }
    switch (walk->options->on_member(walk->options->user, &member, err)) {
    case PS_MEMBER_NEXT:
        walk->member_count++;
        return skip_member(walk, err);
    case PS_MEMBER_READ:
        *done_out = true;
        return read_member(walk, &member, err);
    case PS_MEMBER_FAIL:
        break;
    }
    return err != NULL ? err->code : PS_E_CANCELLED;
}

static enum ps_code look_at_first(struct walk *walk, struct ps_err *err)
{
    enum ps_code code = PS_OK;

    while (walk->first_size_bytes < sizeof(walk->first)) {
        size_t got_bytes = 0;

        if (!walk->options->pull(walk->options->user, walk->first + walk->first_size_bytes,
                                 sizeof(walk->first) - walk->first_size_bytes, &got_bytes, err)) {
            return err != NULL ? err->code : PS_E_CANCELLED;
        }
        if (got_bytes == 0) {
            break;
        }
        walk->first_size_bytes += got_bytes;
        walk->pulled_bytes += got_bytes;
    }
    /* A local header, or the end of an empty zip. */
    walk->zip = walk->first_size_bytes == 4 &&
                (memcmp(walk->first, "PK\3\4", 4) == 0 || memcmp(walk->first, "PK\5\6", 4) == 0);
    if (!walk->zip) {
        code = ps_unpack_new(&walk->unpack, pull, walk, err);
    }
    if (walk->unpack != NULL) {
        ps_unpack_limit_window(walk->unpack, PS_MEMBERS_WINDOW_LOG_MAX);
    }
    return code;
}

static enum ps_code walk_all(struct walk *walk, struct ps_err *err)
{
    bool done = false;
    enum ps_code code = ps_archive_lib_load(&walk->lib, err);

    if (code == PS_OK) {
        code = look_at_first(walk, err);
    }
    if (code == PS_OK && walk->zip && walk->first[2] == '\5') {
        return PS_OK; /* nothing stands before its directory: libarchive (3.6) does not know that as a zip */
    }
    if (code == PS_OK) {
        code = open_archive(walk, err);
    }
    while (code == PS_OK && !done) {
        struct archive_entry *entry = NULL;
        int status = walk->lib.archive_read_next_header(walk->archive, &entry);

        if (status == ARCHIVE_EOF) {
            break;
        }
        walk->begun = walk->begun || status >= ARCHIVE_WARN;
        code = status < ARCHIVE_WARN ? fail(walk, err) : take_member(walk, entry, &done, err);
    }
    return code;
}

enum ps_code ps_archive_members(const struct ps_members_options *options, struct ps_err *err)
{
    struct walk walk = { .options = options, .buffer = malloc(PULL_BYTES) };
    /* Names are UTF-8 whatever LANG says. */
    locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    locale_t before = utf8 != (locale_t)0 ? uselocale(utf8) : (locale_t)0;
    enum ps_code code = walk.buffer != NULL ? walk_all(&walk, err)
                                            : ps_err_set(err, PS_E_NO_MEMORY, "out of memory");

    if (walk.archive != NULL) {
        (void)walk.lib.archive_read_free(walk.archive);
    }
    ps_unpack_free(walk.unpack);
    free(walk.buffer);
    if (utf8 != (locale_t)0) {
        (void)uselocale(before);
        freelocale(utf8);
    }
    return code;
}
