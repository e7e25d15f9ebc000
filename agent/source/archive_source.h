/**
 * archive_source - one file of a tree on its way into an archive: its holes, its attributes, its bytes, unchanged.
 *
 * Flow:    source/tree_walk.h -> [archive_source] -> source/archive_reader.h
 * Thread:  one worker at a time; blocks
 * Source:  lseek(2) SEEK_DATA, SEEK_HOLE; flistxattr(2), fgetxattr(2)
 */
#ifndef PS_SOURCE_ARCHIVE_SOURCE_H
#define PS_SOURCE_ARCHIVE_SOURCE_H

#include "source/archive_encoder.h"
#include "source/tree_walk.h"

struct ps_archive_source; /* opaque */

/**
 * Open the file of entry. sparse: look for holes; attributes: read its user.* attributes.
 *
 * Errors:  PS_E_CHANGED when it is not the file that the walk saw any more; PS_E_DENIED; PS_E_IO; PS_E_NO_MEMORY.
 */
PS_MUST_USE enum ps_code ps_archive_source_open(struct ps_archive_source **source_out,
                                                const struct ps_tree_entry *entry, bool sparse,
                                                bool attributes, struct ps_err *err);

/** NULL is allowed. */
void ps_archive_source_close(struct ps_archive_source *source);

/** Set extents and attributes of *entry; borrowed until close. */
void ps_archive_source_describe(const struct ps_archive_source *source,
                                struct ps_archive_entry *entry);

/**
 * The next bytes, those of holes as zeros; *got_out = 0 at the end.
 *
 * Errors:  PS_E_CHANGED when the file got shorter or was written to; PS_E_IO.
 */
PS_MUST_USE enum ps_code ps_archive_source_read(struct ps_archive_source *source, void *into,
                                                size_t size, size_t *got_out, struct ps_err *err);

#endif
