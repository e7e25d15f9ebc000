/**
 * archive_members - what is in an archive, one member after the other, and the bytes of those that are wanted.
 *
 * Flow:    a pull of bytes -> libarchive -> [archive_members] -> a caller's functions; nothing is written anywhere
 * Thread:  one call on a thread of its own; it blocks in its caller's functions
 * Source:  libarchive readers of tar (ustar, pax, GNU), zip; gzip, zstd
 *
 * A zip is read by its directory at the end, so large members that are not wanted are passed over, but for their
 * headers; a tar is read through. Names are as they stand in the archive, without "./" in front: they are shown and
 * compared, never opened.
 */
#ifndef PS_SINK_ARCHIVE_MEMBERS_H
#define PS_SINK_ARCHIVE_MEMBERS_H

#include "base/err.h"
#include "sink/archive_writer.h" /* struct ps_extract_limits */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ps_member_kind {
    PS_MEMBER_FILE,
    PS_MEMBER_DIRECTORY,
    PS_MEMBER_LINK, /* symbolic or hard: has no bytes of its own */
    PS_MEMBER_OTHER, /* a device, fifo or socket; encrypted; in a zip: packed by other than deflate */
};

/** One member; text is borrowed for the call. */
struct ps_member {
    const char *name; /* bytes of any kind but NUL */
    enum ps_member_kind kind;
    bool has_size; /* of a file; a zip made as a stream tells it behind the bytes only */
    uint64_t size_bytes;
    int64_t mtime_unix_s;    /* 0 = unknown */
    const char *link_target; /* NULL = none */
};

enum ps_member_wish {
    PS_MEMBER_NEXT, /* not this one */
    PS_MEMBER_READ, /* its bytes, then the end */
    PS_MEMBER_FAIL, /* *err is set */
};

/**
 * Of zstd: refused above it. Lower: what its highest levels (20 and up) make is refused, and then the next ones. Higher: a
 * stranger's archive of a few bytes makes us hold that.
 */
#define PS_MEMBERS_WINDOW_LOG_MAX 23
/** What zstd needs with such a window. */
#define PS_MEMBERS_ZSTD_MEMORY_BYTES ((uint64_t)9 * 1024 * 1024)

struct ps_members_options {
    uint64_t size_bytes; /* of the archive */
    /** All files together; the ratio is that of bytes unpacked to bytes pulled. */
    struct ps_extract_limits limits;
    /** The next bytes; blocks. 0 = the end. False and *err = they cannot be had. */
    bool (*pull)(void *user, void *into, size_t size, size_t *got_out, struct ps_err *err);
    /** The next pull is from here on. Called for a zip only. */
    bool (*seek)(void *user, uint64_t offset_bytes, struct ps_err *err);
    enum ps_member_wish (*on_member)(void *user, const struct ps_member *member,
                                     struct ps_err *err);
    /** Asked often, so that a walk ends soon; NULL = never. True: it ends with PS_E_CANCELLED. */
    bool (*is_stopped)(void *user);
    /** False and *err = stop. */
    bool (*on_data)(void *user, const void *data, size_t size_bytes, struct ps_err *err);
    void *user;
};

/**
 * Walk to the end, or to the end of the member that is read.
 *
 * Errors:  PS_E_CORRUPT when it is no archive, or a broken one; PS_E_REFUSED over a limit, that of the window included;
 *          those of the functions; PS_E_UNSUPPORTED without libarchive; PS_E_NO_MEMORY.
 */
PS_MUST_USE enum ps_code ps_archive_members(const struct ps_members_options *options,
                                            struct ps_err *err);

#endif
