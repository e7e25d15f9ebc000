/**
 * object_pull - the bytes of an object as they are pulled: counted and hashed, with the places a later run can begin at.
 *
 * Flow:    a pull of bytes -> [object_pull] -> sink/unpack.h; its checksum -> who verifies the object
 * Thread:  one at a time; blocks in the pull
 * Source:  CRCs of parts combine (hash/checksum.h): that of the bytes before an offset is all a later run needs of them
 */
#ifndef PS_SINK_OBJECT_PULL_H
#define PS_SINK_OBJECT_PULL_H

#include "hash/checksum.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** The next bytes; blocks. *got_out = 0: the end. False and *err = they cannot be had. */
typedef bool (*ps_pull_fn)(void *user, void *into, size_t size, size_t *got_out,
                           struct ps_err *err);

/**
 * Marks that are kept: one a pull. Lower: who asks late finds none and a later run begins earlier. Higher: no use, as
 * nobody holds more than two pulls back.
 */
#define PS_OBJECT_PULL_MARKS 16

/** An offset of the object and the checksum of all bytes before it. */
struct ps_object_mark {
    uint64_t offset_bytes;
    struct ps_checksum before;
};

struct ps_object_pull {
    ps_pull_fn pull;
    void *user;
    struct ps_object_mark first; /* where this run began */
    struct ps_hasher hasher;     /* of the bytes behind first */
    uint64_t offset_bytes;       /* behind the last byte that was pulled */
    struct ps_object_mark
        marks[PS_OBJECT_PULL_MARKS]; /* a ring; before is of the bytes behind first */
    size_t mark_count;
};

/**
 * Begin; first NULL = at the object's start. algorithm as of first.
 *
 * Errors:  PS_E_NO_MEMORY.
 */
PS_MUST_USE enum ps_code ps_object_pull_init(struct ps_object_pull *pull, ps_pull_fn from,
                                             void *user, enum ps_checksum_algorithm algorithm,
                                             const struct ps_object_mark *first,
                                             struct ps_err *err);
/** Safe twice and on a zeroed struct. */
void ps_object_pull_clear(struct ps_object_pull *pull);

/** A ps_pull_fn; user is the struct ps_object_pull. */
bool ps_object_pull_read(void *user, void *into, size_t size, size_t *got_out, struct ps_err *err);

/** The last mark at or before offset_bytes; false when there is none, or the algorithm does not combine. */
PS_MUST_USE bool ps_object_pull_mark(const struct ps_object_pull *pull, uint64_t offset_bytes,
                                     struct ps_object_mark *mark_out);

/** Of all bytes of the object up to here; once. */
struct ps_checksum ps_object_pull_checksum(struct ps_object_pull *pull);

#endif
