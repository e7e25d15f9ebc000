/**
 * file_reader - a local file as the source of an upload: its identity, blocking reads for workers, cached reads for the loop.
 *
 * Flow:    a path -> [file_reader] -> hash/ (worker), http/ (loop)
 * Thread:  open and close on the loop; reads on any thread at once: they use offsets, not the file position
 * Source:  preadv2(2) RWF_NOWAIT: bytes in the page cache only, EAGAIN else
 */
#ifndef PS_SOURCE_FILE_READER_H
#define PS_SOURCE_FILE_READER_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/** Enough to see that a file was changed or replaced. */
struct ps_file_identity {
    uint64_t device;
    uint64_t inode;
    uint64_t size_bytes;
    int64_t mtime_ns;
};

struct ps_file_reader; /* opaque */

/**
 * Open path for reading. A symbolic link is followed.
 *
 * Errors:  PS_E_NOT_FOUND, PS_E_DENIED; PS_E_INVALID for a directory or device ("is a directory: ...").
 */
PS_MUST_USE enum ps_code ps_file_reader_open(struct ps_file_reader **reader_out, const char *path,
                                             struct ps_err *err);

/** NULL is allowed. No read may be under way. */
void ps_file_reader_close(struct ps_file_reader *reader);

/** As it was when opened. Borrowed as the reader. */
const struct ps_file_identity *ps_file_reader_identity(const struct ps_file_reader *reader);

/** Look again: PS_E_CHANGED, with what changed, when the open file or the file at path is not the same any more. */
PS_MUST_USE enum ps_code ps_file_reader_check(const struct ps_file_reader *reader,
                                              struct ps_err *err);

/**
 * Read exactly size bytes at offset; blocks.
 *
 * Errors:  PS_E_CHANGED when the file ends before that ("truncated"); PS_E_IO.
 */
PS_MUST_USE enum ps_code ps_file_reader_read(const struct ps_file_reader *reader, uint64_t offset,
                                             void *into, size_t size, struct ps_err *err);

/**
 * Read up to size bytes that are in memory already; never waits for the disk where the file system can tell.
 *
 * *got_out = 0: not in memory, have a worker call ps_file_reader_read there first.
 * Errors:  as ps_file_reader_read.
 */
PS_MUST_USE enum ps_code ps_file_reader_read_cached(const struct ps_file_reader *reader,
                                                    uint64_t offset, void *into, size_t size,
                                                    size_t *got_out, struct ps_err *err);

#endif
