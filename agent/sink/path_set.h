/**
 * path_set - which paths were written already, by hash: 8 bytes a path.
 *
 * Flow:    sink/archive_writer.h -> [path_set]
 * Thread:  one at a time
 * Source:  FNV-1a 64 with a key; two paths of a million fall together by chance once in 10^7 archives
 */
#ifndef PS_SINK_PATH_SET_H
#define PS_SINK_PATH_SET_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Zeroed = empty; key should be random, so that an archive cannot be made to collide. */
struct ps_path_set {
    uint64_t *slots; /* 0 = free; the lowest bit says directory */
    size_t capacity; /* a power of two */
    size_t count;
    uint64_t key;
    bool fold_case; /* A-Z and a-z are the same */
    struct ps_buf
        *fresh; /* NULL = nobody asks; else the slot of each new path, 8 bytes, is appended */
};

/** *known_out: it was added before; *was_directory_out: as a directory. Errors: PS_E_NO_MEMORY, of fresh. */
PS_MUST_USE enum ps_code ps_path_set_add(struct ps_path_set *set, const char *path, bool directory,
                                         bool *known_out, bool *was_directory_out,
                                         struct ps_err *err);

/** Put a slot back that fresh told, of a set with this key. Errors: PS_E_NO_MEMORY. */
PS_MUST_USE enum ps_code ps_path_set_restore(struct ps_path_set *set, uint64_t slot,
                                             struct ps_err *err);

void ps_path_set_clear(struct ps_path_set *set);

#endif
