/**
 * tree_walk - what lies below a directory, one entry at a time, in the order in which keys sort.
 *
 * Flow:    a directory -> [tree_walk] -> source/archive_reader.h, transfer/tree_upload.h
 * Thread:  one worker at a time; every call may block
 * Source:  openat(2), fstatat(2), fnmatch(3)
 *
 * Symbolic links are entries, never followed (the root itself may be one). Names are sorted as bytes, a directory's as
 * if it ended in '/': so the paths come in the order of the keys of a store's list. The names of one directory at each
 * level are held at a time, nothing else.
 */
#ifndef PS_SOURCE_TREE_WALK_H
#define PS_SOURCE_TREE_WALK_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ps_tree_walk; /* opaque */

enum ps_tree_kind {
    PS_TREE_FILE,
    PS_TREE_DIRECTORY, /* comes before what is in it */
    PS_TREE_LINK,
    PS_TREE_SPECIAL, /* device, fifo, socket: for a report; cannot be sent */
};

/** One entry. Text and dir_fd are borrowed until the next ps_tree_walk_next. */
struct ps_tree_entry {
    const char *path; /* below the root: "a/b"; never "" */
    enum ps_tree_kind kind;
    uint32_t mode; /* permissions with setuid, setgid and sticky: 07777 */
    uint32_t uid;
    uint32_t gid;
    uint64_t size_bytes;      /* file */
    uint64_t allocated_bytes; /* file: on disk; less than size_bytes when it is sparse */
    int64_t mtime_ns;
    uint64_t device;
    uint64_t inode;
    uint64_t link_count;
    const char *link_target; /* link; else "" */
    int dir_fd;              /* the directory that holds it: openat(dir_fd, name, ...) */
    const char *name;
};

/** Which entries count. A pattern without '/' is for names, one with '/' for whole paths; '*' also takes a '/'. */
struct ps_tree_filter {
    const char *const *include; /* a file or link must match one; count 0 = all */
    size_t include_count;
    const char *const
        *exclude; /* a file, link or directory with all in it that matches one is left out */
    size_t exclude_count;
};

/** Whether path (of a directory or not) is wanted. Any thread; holds no state. */
bool ps_tree_filter_takes(const struct ps_tree_filter *filter, const char *path, bool directory);

/** The same for a path that comes without its directories: a pattern that excludes one of them excludes it. */
bool ps_tree_filter_takes_path(const struct ps_tree_filter *filter, const char *path);

/**
 * Begin at root. filter may be NULL (all) and is borrowed until close.
 *
 * Errors:  PS_E_NOT_FOUND, PS_E_DENIED; PS_E_INVALID when root is no directory; PS_E_NO_MEMORY.
 */
PS_MUST_USE enum ps_code ps_tree_walk_open(struct ps_tree_walk **walk_out, const char *root,
                                           const struct ps_tree_filter *filter, struct ps_err *err);

/** NULL is allowed. */
void ps_tree_walk_close(struct ps_tree_walk *walk);

/**
 * The next entry; *entry_out = NULL at the end.
 *
 * Errors:  PS_E_DENIED, PS_E_IO, naming the path; PS_E_TOO_LARGE for more than PS_TREE_NAMES_MAX_BYTES of names in one
 *          directory or a nesting deeper than PS_TREE_DEPTH_MAX. After an error that names one directory the walk may
 *          go on behind it.
 */
PS_MUST_USE enum ps_code ps_tree_walk_next(struct ps_tree_walk *walk,
                                           const struct ps_tree_entry **entry_out,
                                           struct ps_err *err);

/** Some ten million names. Lower: large directories are refused. Higher: more memory than a pod has. */
#define PS_TREE_NAMES_MAX_BYTES ((size_t)512 * 1024 * 1024)
/** One descriptor a level stays open. */
#define PS_TREE_DEPTH_MAX 256

#endif
