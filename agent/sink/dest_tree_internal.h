/**
 * dest_tree_internal - the struct behind dest_tree.h, for dest_*.c only.
 *
 * Flow:    dest_tree.c (opening below the root, the whole) -> dest_entry.c (files, directories, links)
 * Thread:  as dest_tree.h
 * Source:  none
 */
#ifndef PS_SINK_DEST_TREE_INTERNAL_H
#define PS_SINK_DEST_TREE_INTERNAL_H

#include "sink/dest_tree.h"

#include <limits.h>
#include <sys/types.h>
#include <time.h>

struct pending_directory {
    char *path;
    struct ps_dest_attributes attributes;
};

struct ps_dest_tree {
    char *root;
    int root_fd;
    int parent_fd; /* of parent_path; -1 = none cached */
    char parent_path[PATH_MAX];
    uint64_t temp_count;
    bool no_openat2;
    mode_t made_mode; /* what a new file has here, by the umask; 0 = not known yet */
    struct pending_directory
        *pending; /* as many as the tree has directories: the caller limits entries */
    size_t pending_count;
    size_t pending_capacity;
};

/** The directory that holds path (clean), its missing components made, as a descriptor of the tree's; and the name in it. */
PS_MUST_USE enum ps_code ps_dest_find_parent(struct ps_dest_tree *tree, const char *path,
                                             int *fd_out, const char **name_out,
                                             struct ps_err *err);

/** By errno: what is in the way of a directory at path. */
enum ps_code ps_dest_in_the_way(const struct ps_dest_tree *tree, const char *path,
                                struct ps_err *err);

PS_MUST_USE enum ps_code ps_dest_set_attributes(int fd, const struct ps_dest_attributes *attributes,
                                                const char *path, struct ps_err *err);

/** For futimens(2): the access time stays. */
void ps_dest_fill_times(struct timespec times[2], int64_t mtime_ns);

#endif
