/**
 * tree_batch - some entries of a tree at a time, small files with their bytes and checksums: one hop to a worker for many.
 *
 * Flow:    source/tree_walk.h -> hash/ -> [tree_batch] -> transfer/tree_upload.h
 * Thread:  fill on one worker at a time; the items belong to the loop afterwards
 * Source:  none
 */
#ifndef PS_SOURCE_TREE_BATCH_H
#define PS_SOURCE_TREE_BATCH_H

#include "base/err.h"
#include "hash/checksum.h"
#include "source/tree_walk.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * Items and bytes of a batch, and the largest file that is read whole. Lower: more hops. Higher: more memory, as two
 * batches are held, and longer until the first file is sent.
 */
enum {
    PS_TREE_BATCH_ITEMS = 128,
    PS_TREE_BATCH_BYTES = 2 * 1024 * 1024,
    PS_TREE_SMALL_FILE_BYTES = 256 * 1024
};

struct ps_tree_item {
    char *path; /* below the root; of an empty directory with '/' at the end */
    enum ps_tree_kind kind;
    uint32_t mode; /* with the type: S_IFMT */
    int64_t mtime_ns;
    uint64_t size_bytes;
    const char
        *data; /* in the batch's buffer: a small file's bytes, a link's target; NULL = not read */
    struct ps_checksum checksum; /* of data */
    struct ps_checksum md5;      /* of data, where it was wanted */
    struct ps_err err;           /* code PS_OK = none; why it cannot be sent */
};

struct ps_tree_batch {
    struct ps_tree_item items[PS_TREE_BATCH_ITEMS];
    size_t count;
    char *buffer; /* PS_TREE_BATCH_BYTES; NULL before the first fill */
    size_t used_bytes;
    bool last; /* nothing comes after it */
};

struct ps_tree_reader; /* opaque: a walk and what it holds back */

/** Which directories are items. */
enum ps_tree_directories {
    PS_TREE_DIRECTORIES_NONE,
    PS_TREE_DIRECTORIES_ODD, /* empty ones, and those whose mode is none that a umask gives: 0755, 0775 */
    PS_TREE_DIRECTORIES_ALL,
};

/** Errors: those of ps_tree_walk_open. filter is borrowed until close. */
PS_MUST_USE enum ps_code ps_tree_reader_open(struct ps_tree_reader **reader_out, const char *root,
                                             const struct ps_tree_filter *filter,
                                             enum ps_tree_directories directories,
                                             struct ps_err *err);
/** NULL is allowed. */
void ps_tree_reader_close(struct ps_tree_reader *reader);

/**
 * Fill *batch anew. want_md5: besides the checksum by algorithm.
 *
 * Errors:  PS_E_NO_MEMORY. What goes wrong with one entry is its item's err (kind PS_TREE_SPECIAL has one, too).
 */
PS_MUST_USE enum ps_code ps_tree_reader_fill(struct ps_tree_reader *reader,
                                             struct ps_tree_batch *batch,
                                             enum ps_checksum_algorithm algorithm, bool want_md5,
                                             struct ps_err *err);

/** Free what fill took; safe twice and on a zeroed struct. */
void ps_tree_batch_clear(struct ps_tree_batch *batch);

#endif
