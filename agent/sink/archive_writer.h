/**
 * archive_writer - the bytes of an archive into a directory; safe against whoever made it.
 *
 * Flow:    a pull of bytes -> sink/unpack.h -> libarchive -> [archive_writer] -> sink/dest_tree.h
 * Thread:  one call on a thread of its own or a worker; it blocks in the pull
 * Source:  libarchive readers of tar (ustar, pax, GNU), zip; gzip, zstd. PEP 706 and CVE-2007-4559 for what is refused
 *
 * Refused (PS_E_REFUSED), whole archive, at the entry that does it: absolute paths, "..", symbolic links that lead out,
 * hard links to what is no file in the tree, devices, fifos and sockets, two entries of one path (or of paths that
 * differ in case only, where the file system does not tell them apart), more entries or bytes than the limits, a
 * ratio of a bomb. setuid, setgid and sticky are dropped, owners are set only on request. What came before the entry
 * stays.
 *
 * A later run can go on between two entries. Where a restart is possible (tar, zip, gzip, frames of zstd) the bytes before
 * are not needed again; else the entries are read again and those that are there not written.
 */
#ifndef PS_SINK_ARCHIVE_WRITER_H
#define PS_SINK_ARCHIVE_WRITER_H

#include "base/err.h"
#include "hash/checksum.h"
#include "sink/extract_point.h"
#include "sink/object_pull.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct ps_extract_limits {
    uint64_t entry_count_max;
    uint64_t size_max_bytes; /* of all files together, holes included */
    /** Bytes written a byte read; looked at after PS_EXTRACT_RATIO_FROM_BYTES. */
    uint64_t ratio_max;
};

/** Small archives of zeros are no bombs. Lower: false alarms. Higher: that much is written before one is seen. */
#define PS_EXTRACT_RATIO_FROM_BYTES ((uint64_t)256 * 1024 * 1024)

/** What is to be made durable together, when all that was written is. Borrowed for the call. */
struct ps_extract_note {
    const struct ps_buf *point; /* replaces the one before: ps_extract_point_decode */
    const struct ps_buf *piece; /* is added to those before; may be empty */
};

struct ps_extract_options {
    const char *dest; /* directory; made if it is missing */
    struct ps_extract_limits limits;
    bool outside_links; /* keep symbolic links that lead out; they are never followed */
    bool attributes;    /* set the user.* extended attributes */
    bool same_owner;    /* set owners as the archive has them, by number; needs root */
    int mode; /* of all files and directories, as Argo's mode with recurseMode; -1 = as the archive has them */
    int root_mode; /* of dest; -1 = as it is */
    /** Whether an entry is wanted (of directories: with what is in them); NULL = all are. path is clean. */
    bool (*wanted)(void *user, const char *path, bool directory);
    bool needed_directories; /* make directories only where something wanted lies in them */
    enum ps_checksum_algorithm algorithm; /* of the object's bytes, for the result */

    uint64_t identity; /* of these options; goes into the points */
    /** Where an earlier run came to, with all its pieces in their order; NULL = begin at the start. */
    const struct ps_extract_point *from;
    const struct ps_buf *pieces;
    size_t piece_count;

    ps_pull_fn pull; /* of the object's bytes, from from->mark on when that is restartable */
    /** After every entry; true = note where a later run can go on, as soon as there is such a place. May be NULL. */
    bool (*on_entry)(void *user, uint64_t finished_count, uint64_t written_bytes);
    /** NULL = nothing is noted. dest_fd: for syncfs(2). */
    enum ps_code (*note)(void *user, const struct ps_extract_note *note, int dest_fd,
                         struct ps_err *err);
    void *user; /* of all four */
};

struct ps_extract_result {
    uint64_t entry_count;
    uint64_t file_count;
    uint64_t size_bytes; /* of all files */
    uint64_t
        passed_count; /* entries that an earlier run has finished and this one has not written */
    bool begun;       /* this run has read an entry */
    uint64_t pulled_bytes;       /* of the object, those before options.from included */
    struct ps_checksum checksum; /* of the object, when it was read to its end; else of no use */
};

/**
 * Extract all of it; then what comes behind the archive's end is pulled too, so that checksum is of the whole object.
 *
 * Errors:  PS_E_REFUSED as above; PS_E_CORRUPT when it is no archive, or a broken one; PS_E_PARSE for damaged pieces;
 *          those of pull and note; PS_E_NO_SPACE, PS_E_DENIED, PS_E_IO. With !result.begun and PS_E_CORRUPT or
 *          PS_E_PARSE, from may be at fault.
 */
PS_MUST_USE enum ps_code ps_archive_extract(const struct ps_extract_options *options,
                                            struct ps_extract_result *result_out,
                                            struct ps_err *err);

#endif
