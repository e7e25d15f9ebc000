/**
 * archive_encoder - entries in, the bytes of a tar or zip archive out; no file, no directory, no store.
 *
 * Flow:    source/archive_reader.h (a local tree), a store's prefix -> [archive_encoder] -> bytes, by offset order
 * Thread:  one at a time; does not block
 * Source:  libarchive; POSIX.1-2001 pax (ustar headers where they are enough), GNU.sparse 1.0; PKWARE APPNOTE, zip64
 *
 * The same entries give the same bytes: nothing of the clock, the process or the machine goes in (but the time zone, into
 * a zip's DOS times).
 */
#ifndef PS_SOURCE_ARCHIVE_ENCODER_H
#define PS_SOURCE_ARCHIVE_ENCODER_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ps_archive_encoder; /* opaque */

enum ps_archive_format {
    PS_ARCHIVE_TAR,
    PS_ARCHIVE_TAR_GZ,
    PS_ARCHIVE_TAR_ZST,
    PS_ARCHIVE_ZIP,
};

/** "tar" "tar.gz" "tar.zst" "zip" (also "tgz", "tzst"); false for others. */
PS_MUST_USE bool ps_archive_format_parse(const char *name, enum ps_archive_format *format_out);
/** Static. */
const char *ps_archive_format_name(enum ps_archive_format format);
/** "application/x-tar" and so on; static. */
const char *ps_archive_format_content_type(enum ps_archive_format format);

enum ps_archive_kind {
    PS_ARCHIVE_FILE,
    PS_ARCHIVE_DIRECTORY,
    PS_ARCHIVE_LINK,      /* symbolic */
    PS_ARCHIVE_HARD_LINK, /* link_target is the path of an earlier entry */
};

struct ps_archive_extent {
    uint64_t offset_bytes;
    uint64_t size_bytes;
};

struct ps_archive_attribute {
    const char *name; /* "user.x" */
    const void *value;
    size_t size_bytes;
};

/** One entry; all is borrowed for the call. */
struct ps_archive_entry {
    const char *path; /* relative; a directory's without '/' at the end */
    enum ps_archive_kind kind;
    uint32_t mode; /* 07777 */
    uint32_t uid;
    uint32_t gid;
    uint64_t size_bytes; /* file */
    int64_t mtime_ns;
    const char *link_target;
    const struct ps_archive_extent
        *extents; /* tar: where a sparse file has bytes; count 0 = not sparse */
    size_t extent_count;
    const struct ps_archive_attribute *attributes; /* tar only */
    size_t attribute_count;
};

/**
 * An encoder of a tar or zip (compression of a tar is another's business: PS_ARCHIVE_TAR_GZ and _ZST make a tar).
 * zip_level: of deflate, 0..9, -1 = default. Bytes are appended to *out, which the caller reads and rewinds as it
 * likes; one call appends at most its own data and 256 KiB (an encoder of a zip holds the directory to the end).
 *
 * Errors:  PS_E_NO_MEMORY, PS_E_BUG.
 */
PS_MUST_USE enum ps_code ps_archive_encoder_new(struct ps_archive_encoder **encoder_out,
                                                enum ps_archive_format format, int zip_level,
                                                struct ps_buf *out, struct ps_err *err);

/** libarchive's version: another one may make other bytes. */
int ps_archive_encoder_version(const struct ps_archive_encoder *encoder);

/** NULL is allowed. */
void ps_archive_encoder_free(struct ps_archive_encoder *encoder);

/** Begin an entry. Errors: PS_E_TOO_LARGE for what the format cannot hold; PS_E_NO_MEMORY. */
PS_MUST_USE enum ps_code ps_archive_encoder_entry(struct ps_archive_encoder *encoder,
                                                  const struct ps_archive_entry *entry,
                                                  struct ps_err *err);

/** The entry's next bytes, holes included (their bytes are passed over). */
PS_MUST_USE enum ps_code ps_archive_encoder_data(struct ps_archive_encoder *encoder,
                                                 const void *data, size_t size_bytes,
                                                 struct ps_err *err);

/** The entry's end (its bytes must all have come) and, after the last one, the archive's. */
PS_MUST_USE enum ps_code ps_archive_encoder_entry_end(struct ps_archive_encoder *encoder,
                                                      struct ps_err *err);
PS_MUST_USE enum ps_code ps_archive_encoder_end(struct ps_archive_encoder *encoder,
                                                struct ps_err *err);

#endif
