/**
 * link_table - the first path of every file that has several names, so that the others become hard links to it.
 *
 * Flow:    source/tree_walk.h -> [link_table] -> source/archive_reader.h
 * Thread:  one at a time
 * Source:  POSIX.1-2001 ustar, typeflag 1
 */
#ifndef PS_SOURCE_LINK_TABLE_H
#define PS_SOURCE_LINK_TABLE_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

/** Most files with several names. A tree with more has the others archived whole, each time. */
#define PS_LINK_TABLE_MAX ((size_t)1 << 20)

struct ps_link_slot {
    uint64_t device;
    uint64_t inode;
    char *path; /* NULL = free */
};

/** Zeroed = empty. */
struct ps_link_table {
    struct ps_link_slot *slots;
    size_t capacity; /* a power of two */
    size_t count;
};

/**
 * *first_out = the path under which (device, inode) was added before, borrowed until clear; else NULL, and path is added.
 *
 * Errors:  PS_E_NO_MEMORY.
 */
PS_MUST_USE enum ps_code ps_link_table_take(struct ps_link_table *table, uint64_t device,
                                            uint64_t inode, const char *path,
                                            const char **first_out, struct ps_err *err);

void ps_link_table_clear(struct ps_link_table *table);

#endif
