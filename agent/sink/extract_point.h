/**
 * extract_point - where an extraction can go on in a later run, as bytes for a checkpoint and back.
 *
 * Flow:    sink/archive_writer.h -> [extract_point] -> transfer/archive_download.h -> state/checkpoint.h, and back
 * Thread:  any; holds no state
 * Source:  none; little-endian, as the values of state/
 *
 * A point has a fixed size, but for gzip's window, and replaces the one before it. What grows with the archive is told in
 * pieces, each once: which paths were seen (8 bytes each) and which directories get modes and times at the end.
 */
#ifndef PS_SINK_EXTRACT_POINT_H
#define PS_SINK_EXTRACT_POINT_H

#include "base/buf.h"
#include "base/err.h"
#include "sink/dest_tree.h"
#include "sink/object_pull.h"
#include "sink/unpack.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ps_extract_point {
    uint64_t identity; /* of the options: another value means other files */
    uint64_t entry_count;
    uint64_t file_count;
    uint64_t written_bytes;
    uint64_t seen_key; /* of the set of seen paths */
    bool restartable;  /* false: only the counts above are set; the object is read from its start */
    uint64_t next_bytes;        /* offset of the next entry's header in the unpacked archive */
    struct ps_object_mark mark; /* where the object is fetched from */
    struct ps_unpack_point unpack;
};

/** Append *point to *buf. Errors: those of buf. */
PS_MUST_USE enum ps_code ps_extract_point_encode(const struct ps_extract_point *point,
                                                 struct ps_buf *buf, struct ps_err *err);

/** False: it is none, or of another version. *point_out is not to be used then. */
PS_MUST_USE bool ps_extract_point_decode(const void *data, size_t size_bytes,
                                         struct ps_extract_point *point_out);

/** Append a directory of a piece. Errors: those of buf. */
PS_MUST_USE enum ps_code ps_extract_piece_add(struct ps_buf *piece, const char *path,
                                              const struct ps_dest_attributes *attributes,
                                              struct ps_err *err);

/**
 * Append what begins a piece's directories: the slots of paths seen come first.
 *
 * Errors:  those of buf.
 */
PS_MUST_USE enum ps_code ps_extract_piece_begin(struct ps_buf *piece, const struct ps_buf *slots,
                                                struct ps_err *err);

/**
 * Read a piece: slot for each path seen, directory for each directory (text is borrowed for the call).
 *
 * Errors:  PS_E_PARSE for a damaged piece; those of the two.
 */
PS_MUST_USE enum ps_code ps_extract_piece_read(
    const void *data, size_t size_bytes,
    enum ps_code (*slot)(void *user, uint64_t slot, struct ps_err *err),
    enum ps_code (*directory)(void *user, const char *path,
                              const struct ps_dest_attributes *attributes, struct ps_err *err),
    void *user, struct ps_err *err);

#endif
