/**
 * file_writer - a download's file: a temporary file beside the target, filled at offsets, renamed when whole.
 *
 * Flow:    transfer/download.h -> [file_writer] -> the disk
 * Thread:  any worker; one call at a time, except write, which several may call
 * Source:  posix_fallocate(3), fdatasync(2), rename(2)
 */
#ifndef PS_SINK_FILE_WRITER_H
#define PS_SINK_FILE_WRITER_H

#include "base/err.h"
#include "sink/dest_tree.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ps_file_writer; /* opaque */

/**
 * Open (keep = true: and leave its contents) or create the temporary file ".NAME.purser-get" beside path, of exactly
 * size_bytes, all allocated, so that a full disk is seen now.
 *
 * *kept_out: the file was there with that size and was kept.
 * Errors:  PS_E_NO_SPACE, PS_E_DENIED, PS_E_NOT_FOUND (no such directory), PS_E_INVALID (path is a directory).
 */
PS_MUST_USE enum ps_code ps_file_writer_open(struct ps_file_writer **writer_out, const char *path,
                                             uint64_t size_bytes, bool keep, bool *kept_out,
                                             struct ps_err *err);

/** Close; the temporary file stays for the next run. NULL is allowed. */
void ps_file_writer_close(struct ps_file_writer *writer);

/** Write all of data at offset. Errors: PS_E_NO_SPACE, PS_E_IO. */
PS_MUST_USE enum ps_code ps_file_writer_write(const struct ps_file_writer *writer, uint64_t offset,
                                              const void *data, size_t size_bytes,
                                              struct ps_err *err);

/** Read back exactly size_bytes at offset. */
PS_MUST_USE enum ps_code ps_file_writer_read(const struct ps_file_writer *writer, uint64_t offset,
                                             void *into, size_t size_bytes, struct ps_err *err);

/** Make what was written durable. */
PS_MUST_USE enum ps_code ps_file_writer_sync(const struct ps_file_writer *writer,
                                             struct ps_err *err);

/** Mode, time and owner; before _publish, so that the file never has its name without them. */
PS_MUST_USE enum ps_code ps_file_writer_set_attributes(const struct ps_file_writer *writer,
                                                       const struct ps_dest_attributes *attributes,
                                                       struct ps_err *err);

/** Sync, rename to path, sync the directory: after PS_OK the file is there for good. */
PS_MUST_USE enum ps_code ps_file_writer_publish(struct ps_file_writer *writer, struct ps_err *err);

/** Remove the temporary file. */
void ps_file_writer_discard(struct ps_file_writer *writer);

#endif
