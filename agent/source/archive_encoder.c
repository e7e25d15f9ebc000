#include "source/archive_encoder.h"

#include "base/archive_lib.h"
#include "base/str.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const struct {
    const char *name;
    const char *other_name;
    const char *content_type;
} formats[] = {
    [PS_ARCHIVE_TAR] = { "tar", "tar", "application/x-tar" },
    [PS_ARCHIVE_TAR_GZ] = { "tar.gz", "tgz", "application/gzip" },
    [PS_ARCHIVE_TAR_ZST] = { "tar.zst", "tzst", "application/zstd" },
    [PS_ARCHIVE_ZIP] = { "zip", "zip", "application/zip" },
};

struct ps_archive_encoder {
    struct ps_archive_lib lib;
    struct archive *archive;
    struct archive_entry *entry;
    struct ps_buf *out; /* NULL = given up: nothing more is written */
    bool zip;
    bool discard; /* what is written goes nowhere */
    locale_t
        utf8; /* names are UTF-8 whatever LANG says: the same archive everywhere; 0 = not to be had */
    struct ps_err write_err; /* why on_write said no */
};

bool ps_archive_format_parse(const char *name, enum ps_archive_format *format_out)
{
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        if (strcmp(name, formats[i].name) == 0 || strcmp(name, formats[i].other_name) == 0) {
            *format_out = (enum ps_archive_format)i;
            return true;
        }
    }
    return false;
}

const char *ps_archive_format_name(enum ps_archive_format format)
{
    return formats[format].name;
}

const char *ps_archive_format_content_type(enum ps_archive_format format)
{
    return formats[format].content_type;
}

/* libarchive's codes go no further than here. */
static enum ps_code fail(const struct ps_archive_encoder *encoder, struct ps_err *err)
{
    const char *text = encoder->lib.archive_error_string(encoder->archive);

    if (encoder->write_err.code != PS_OK) {
        if (err != NULL) {
            *err = encoder->write_err;
        }
        return encoder->write_err.code;
    }
    if (encoder->lib.archive_errno(encoder->archive) == ENOMEM) {
        return ps_err_set(err, PS_E_NO_MEMORY, "archive: out of memory");
    }
    return ps_err_set(err, PS_E_TOO_LARGE, "archive: %s",
                      text != NULL ? text : "cannot be written");
}

static la_ssize_t on_write(struct archive *archive, void *user, const void *data, size_t size_bytes)
{
    struct ps_archive_encoder *encoder = user;

    if (encoder->discard) {
        return (la_ssize_t)size_bytes;
    }
    if (encoder->out == NULL) {
        encoder->lib.archive_set_error(archive, ECANCELED, "given up");
        return -1;
    }
    if (ps_buf_append(encoder->out, data, size_bytes, &encoder->write_err) != PS_OK) {
        encoder->lib.archive_set_error(archive, ENOMEM, "out of memory");
        return -1;
    }
    return (la_ssize_t)size_bytes;
}

static int set_format(const struct ps_archive_encoder *encoder, enum ps_archive_format format,
                      int zip_level)
{
    struct archive *archive = encoder->archive;
    char level[16];
    int status;

    if (format != PS_ARCHIVE_ZIP) {
        return encoder->lib.archive_write_set_format_pax_restricted(archive);
    }
    status = encoder->lib.archive_write_set_format_zip(archive);
    if (status == ARCHIVE_OK) {
        /* Extra field 0x6c78: modes and links stand beside the file too, not only in the directory at the end, which a
         * reader of a stream has not seen yet. */
        status = encoder->lib.archive_write_set_format_option(archive, "zip", "experimental", "1");
    }
    if (status == ARCHIVE_OK && zip_level >= 0) {
        (void)snprintf(level, sizeof(level), "%d", zip_level);
        status = encoder->lib.archive_write_set_format_option(archive, "zip", "compression-level",
                                                              level);
    }
    return status;
}

enum ps_code ps_archive_encoder_new(struct ps_archive_encoder **encoder_out,
                                    enum ps_archive_format format, int zip_level,
                                    struct ps_buf *out, struct ps_err *err)
{
    struct ps_archive_encoder *encoder = calloc(1, sizeof(*encoder));
    enum ps_code code = PS_OK;

    if (encoder == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "archive: out of memory");
    }
    encoder->out = out;
    encoder->zip = format == PS_ARCHIVE_ZIP;
    encoder->utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    code = ps_archive_lib_load(&encoder->lib, err);
    if (code != PS_OK) {
        goto out;
    }
    encoder->archive = encoder->lib.archive_write_new();
    encoder->entry = encoder->lib.archive_entry_new();
    if (encoder->archive == NULL || encoder->entry == NULL) {
        code = ps_err_set(err, PS_E_NO_MEMORY, "archive: out of memory");
        goto out;
    }
    /* 0: no blocks of its own; the last one is not filled up beyond the two empty records. */
    if (set_format(encoder, format, zip_level) != ARCHIVE_OK ||
        encoder->lib.archive_write_set_bytes_per_block(encoder->archive, 0) != ARCHIVE_OK ||
        encoder->lib.archive_write_open(encoder->archive, encoder, NULL, on_write, NULL) !=
            ARCHIVE_OK) {
        code = fail(encoder, err);
        goto out;
    }
    *encoder_out = encoder;
    encoder = NULL;
out:
    ps_archive_encoder_free(encoder);
    return code;
}

int ps_archive_encoder_version(const struct ps_archive_encoder *encoder)
{
    return encoder->lib.archive_version_number();
}

void ps_archive_encoder_free(struct ps_archive_encoder *encoder)
{
    if (encoder != NULL) {
        if (encoder->entry != NULL) {
            encoder->lib.archive_entry_free(encoder->entry);
        }
        if (encoder->archive != NULL) {
            if (encoder->zip) {
                /* Its deflate state is freed by the end of an entry only (3.6), and only if that can be written. */
                encoder->discard = true;
                (void)encoder->lib.archive_write_finish_entry(encoder->archive);
                encoder->discard = false;
            }
            /* Freeing writes the end, or with archive_write_fail (3.6) leaks the writer's state. */
            encoder->out = NULL;
            (void)encoder->lib.archive_write_free(encoder->archive);
        }
        if (encoder->utf8 != (locale_t)0) {
            freelocale(encoder->utf8);
        }
        free(encoder);
    }
}

static unsigned int type_of(enum ps_archive_kind kind)
{
    switch (kind) {
    case PS_ARCHIVE_DIRECTORY:
        return AE_IFDIR;
    case PS_ARCHIVE_LINK:
        return AE_IFLNK;
    case PS_ARCHIVE_FILE:
    case PS_ARCHIVE_HARD_LINK:
        return AE_IFREG;
    }
    return AE_IFREG;
}

static void fill(const struct ps_archive_encoder *encoder, const struct ps_archive_entry *entry)
{
    struct archive_entry *into = encoder->entry;
    int64_t seconds = entry->mtime_ns / 1000000000;
    int64_t rest_ns = entry->mtime_ns % 1000000000;

    if (rest_ns < 0) {
        seconds--;
        rest_ns += 1000000000;
    }
    encoder->lib.archive_entry_copy_pathname(into, entry->path);
    encoder->lib.archive_entry_set_filetype(into, type_of(entry->kind));
    encoder->lib.archive_entry_set_perm(into, (__LA_MODE_T)entry->mode);
    encoder->lib.archive_entry_set_uid(into, (la_int64_t)entry->uid);
    encoder->lib.archive_entry_set_gid(into, (la_int64_t)entry->gid);
    encoder->lib.archive_entry_set_mtime(into, (time_t)seconds, (long)rest_ns);
    encoder->lib.archive_entry_set_size(
        into, entry->kind == PS_ARCHIVE_FILE ? (la_int64_t)entry->size_bytes : 0);
    if (entry->kind == PS_ARCHIVE_LINK) {
        encoder->lib.archive_entry_copy_symlink(into, entry->link_target);
    } else if (entry->kind == PS_ARCHIVE_HARD_LINK) {
        encoder->lib.archive_entry_copy_hardlink(into, entry->link_target);
    }
    for (size_t i = 0; i < entry->extent_count; i++) {
        encoder->lib.archive_entry_sparse_add_entry(into,
                                                    (la_int64_t)entry->extents[i].offset_bytes,
                                                    (la_int64_t)entry->extents[i].size_bytes);
    }
    for (size_t i = 0; i < entry->attribute_count; i++) {
        encoder->lib.archive_entry_xattr_add_entry(into, entry->attributes[i].name,
                                                   entry->attributes[i].value,
                                                   entry->attributes[i].size_bytes);
    }
}

enum ps_code ps_archive_encoder_entry(struct ps_archive_encoder *encoder,
                                      const struct ps_archive_entry *entry, struct ps_err *err)
{
    locale_t before = encoder->utf8 != (locale_t)0 ? uselocale(encoder->utf8) : (locale_t)0;
    int status;

    if (encoder->zip && encoder->utf8 != (locale_t)0 &&
        mbstowcs(NULL, entry->path, 0) == SIZE_MAX) {
        (void)uselocale(before);
        return ps_err_set(err, PS_E_INVALID, "%s: a zip takes names in UTF-8 only: choose a tar",
                          entry->path);
    }
    encoder->lib.archive_entry_clear(encoder->entry);
    fill(encoder, entry);
    status = encoder->lib.archive_write_header(encoder->archive, encoder->entry);
    if (before != (locale_t)0) {
        (void)uselocale(before);
    }
    /* ARCHIVE_WARN: a name that is no UTF-8 is written as its bytes. */
    return status >= ARCHIVE_WARN ? PS_OK : ps_err_wrap(err, fail(encoder, err), "%s", entry->path);
}

enum ps_code ps_archive_encoder_data(struct ps_archive_encoder *encoder, const void *data,
                                     size_t size_bytes, struct ps_err *err)
{
    const char *at = data;

    while (size_bytes > 0) {
        la_ssize_t wrote_bytes = encoder->lib.archive_write_data(encoder->archive, at, size_bytes);

        if (wrote_bytes <= 0) {
            return fail(encoder, err);
        }
        at += wrote_bytes;
        size_bytes -= (size_t)wrote_bytes;
    }
    return PS_OK;
}

enum ps_code ps_archive_encoder_entry_end(struct ps_archive_encoder *encoder, struct ps_err *err)
{
    return encoder->lib.archive_write_finish_entry(encoder->archive) >= ARCHIVE_WARN
               ? PS_OK
               : fail(encoder, err);
}

enum ps_code ps_archive_encoder_end(struct ps_archive_encoder *encoder, struct ps_err *err)
{
    return encoder->lib.archive_write_close(encoder->archive) >= ARCHIVE_WARN ? PS_OK
                                                                              : fail(encoder, err);
}
