/**
 * archive_reader - a directory as the bytes of an archive, filled into buffers in order, without a temporary file.
 *
 * Flow:    source/tree_walk.h -> source/archive_encoder.h -> [archive_reader] -> transfer/archive_feed.h
 * Thread:  open and fill on one worker at a time, both block; stop on the loop
 * Source:  lseek(2) SEEK_DATA, SEEK_HOLE; RFC 8878 (zstd); gzip is made by the feed, side by side
 *
 * The same tree and options give the same bytes. The tree is walked twice: open() takes its digest (paths, kinds,
 * modes, owners, sizes, times, link targets), the fills read it; when it changed in between, the last fill says so.
 */
#ifndef PS_SOURCE_ARCHIVE_READER_H
#define PS_SOURCE_ARCHIVE_READER_H

#include "base/err.h"
#include "source/archive_encoder.h"
#include "source/tree_walk.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ps_archive_reader; /* opaque */

struct ps_archive_reader_options {
    const char *root;                    /* copied */
    const struct ps_tree_filter *filter; /* NULL = all; borrowed until close */
    enum ps_archive_format format;       /* PS_ARCHIVE_TAR_GZ is filled as a plain tar */
    int level;                           /* zip 0..9, zstd 1..19; -1 = default */
    bool attributes;                     /* the user.* extended attributes too */
};

#define PS_ARCHIVE_CONTENT_BYTES 24

/** What the first walk saw. */
struct ps_archive_summary {
    /** Equal ones give equal bytes. The first PS_ARCHIVE_CONTENT_BYTES tell the tree and the options, the rest which
     * libraries, and CPU where that matters, make them to bytes. */
    uint8_t digest[32];
    uint64_t entry_count;
    uint64_t file_bytes;     /* of all files */
    uint64_t skipped_count;  /* special files, which no archive gets */
    char skipped_names[256]; /* the first of them, comma-separated */
};

/** An empty one, for which stop works at once; open must come before fill. Errors: PS_E_NO_MEMORY. */
PS_MUST_USE enum ps_code ps_archive_reader_new(struct ps_archive_reader **reader_out,
                                               const struct ps_archive_reader_options *options,
                                               struct ps_err *err);

/**
 * Walk the tree once.
 *
 * Errors:  those of tree_walk; PS_E_CANCELLED after stop.
 */
PS_MUST_USE enum ps_code ps_archive_reader_open(struct ps_archive_reader *reader,
                                                struct ps_archive_summary *summary_out,
                                                struct ps_err *err);

/** NULL is allowed. */
void ps_archive_reader_close(struct ps_archive_reader *reader);

/**
 * Fill until size bytes are there or the archive ends (*got_out < size).
 *
 * Errors:  PS_E_CHANGED when a file or the tree is not what open() saw; PS_E_CANCELLED after stop; those of the files.
 */
PS_MUST_USE enum ps_code ps_archive_reader_fill(struct ps_archive_reader *reader, void *into,
                                                size_t size, size_t *got_out, struct ps_err *err);

/** Make what is under way, and every later call, end soon with PS_E_CANCELLED. */
void ps_archive_reader_stop(struct ps_archive_reader *reader);

#endif
