/**
 * archive_writer - the bytes of an archive into a directory; safe against whoever made it.
 *
 * Flow:    a pull of bytes -> libarchive -> [archive_writer] -> sink/dest_tree.h
 * Thread:  one call on a thread of its own or a worker; it blocks in the pull
 * Source:  libarchive readers of tar (ustar, pax, GNU), zip; gzip, zstd. PEP 706 and CVE-2007-4559 for what is refused
 *
 * Refused (PS_E_REFUSED), whole archive, at the entry that does it: absolute paths, "..", symbolic links that lead out,
 * hard links to what is no file in the tree, devices, fifos and sockets, two entries of one path (or of paths that
 * differ in case only, where the file system does not tell them apart), more entries or bytes than the limits, a
 * ratio of a bomb. setuid, setgid and sticky are dropped, owners are not set. What came before the entry stays.
 */
#ifndef PS_SINK_ARCHIVE_WRITER_H
#define PS_SINK_ARCHIVE_WRITER_H

#include "base/err.h"

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

struct ps_extract_options {
    const char *dest; /* directory; made if it is missing */
    struct ps_extract_limits limits;
    bool outside_links; /* keep symbolic links that lead out; they are never followed */
    bool attributes;    /* set the user.* extended attributes */
    int mode; /* of all files and directories, as Argo's mode with recurseMode; -1 = as the archive has them */
    int root_mode; /* of dest; -1 = as it is */
    /** The first entries were finished by an earlier run: passed over where dest has them. */
    uint64_t finished_count;

    /** The next bytes; blocks. 0 = the end. False and *err = they cannot be had. */
    bool (*pull)(void *user, void *into, size_t size, size_t *got_out, struct ps_err *err);
    /** After every entry; may be NULL. dest_fd: for syncfs(2). False and *err = stop. */
    bool (*on_entry)(void *user, uint64_t finished_count, uint64_t written_bytes, int dest_fd,
                     struct ps_err *err);
    void *user;
};

struct ps_extract_result {
    uint64_t entry_count;
    uint64_t file_count;
    uint64_t size_bytes;   /* of all files */
    uint64_t passed_count; /* finished by an earlier run */
};

/**
 * Extract all of it.
 *
 * Errors:  PS_E_REFUSED as above; PS_E_CORRUPT when it is no archive, or a broken one; those of pull and on_entry;
 *          PS_E_NO_SPACE, PS_E_DENIED, PS_E_IO.
 */
PS_MUST_USE enum ps_code ps_archive_extract(const struct ps_extract_options *options,
                                            struct ps_extract_result *result_out,
                                            struct ps_err *err);

#endif
