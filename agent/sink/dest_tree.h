/**
 * dest_tree - a directory into which strangers' paths are written: nothing outside of it is ever touched.
 *
 * Flow:    sink/archive_writer.h, transfer/tree_download.h -> [dest_tree] -> the file system
 * Thread:  one worker at a time; blocks
 * Source:  openat2(2) RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS; where the kernel has none, one openat(2) with O_NOFOLLOW a
 *          component
 *
 * Paths are relative, without "..". No symbolic link is followed on the way, whoever made it. A file is written under a
 * temporary name in the root and renamed when it is whole. Modes and times of directories are set by finish, as
 * writing into a directory changes its time and may need its permission.
 */
#ifndef PS_SINK_DEST_TREE_H
#define PS_SINK_DEST_TREE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ps_dest_tree; /* opaque */

/** Names in the root that are ours; a path that begins like this is refused. */
#define PS_DEST_TEMP_PREFIX ".purser-tmp-"

/** Permissions, time and owner to set; mode < 0 = as the umask has it, mtime INT64_MIN = now. */
struct ps_dest_attributes {
    int mode; /* 0777: setuid, setgid and sticky are never set */
    int64_t mtime_ns;
    bool owned; /* false = who runs this */
    uint32_t uid;
    uint32_t gid;
};

/** A file on its way. */
struct ps_dest_file {
    int fd; /* -1 = none */
    char temp_name[48];
};

/**
 * Open the directory at path, made with its parents if it is missing; temporary files of dead processes are removed, and
 * those of this process's id (it may be a new one's in a container): a process opens a directory once at a time.
 *
 * Errors:  PS_E_INVALID when it is a file; PS_E_DENIED; PS_E_IO; PS_E_NO_MEMORY.
 */
PS_MUST_USE enum ps_code ps_dest_tree_open(struct ps_dest_tree **tree_out, const char *path,
                                           struct ps_err *err);

/** NULL is allowed. */
void ps_dest_tree_close(struct ps_dest_tree *tree);

/** The root's descriptor, borrowed: for syncfs(2). */
int ps_dest_tree_fd(const struct ps_dest_tree *tree);

/** Whether names that differ in case only are one file here; looks by making a file. */
bool ps_dest_tree_folds_case(struct ps_dest_tree *tree);

/**
 * path as "a/b", without "./", "//" and '/' at the end; "" = the root itself. clean holds PATH_MAX bytes.
 *
 * Errors:  PS_E_REFUSED for an absolute path, "..", a path that is too long, our temporary names.
 */
PS_MUST_USE enum ps_code ps_dest_path_clean(const char *path, char *clean, struct ps_err *err);

/**
 * Whether a symbolic link at path (clean) may lead to target: relative, with ".." only in front and no more of them
 * than path has directories.
 *
 * So a target never leaves the tree: its ".." go through real directories, as no link is followed when they are made;
 * what comes after them may pass other links, each of which stays inside by the same rule.
 */
bool ps_dest_link_stays_inside(const char *path, const char *target);

/* Below: path is clean and not "". Errors: PS_E_REFUSED when a symbolic link or a file is in the way of a directory;
 * PS_E_EXISTS when a directory is where a file is to be; PS_E_DENIED, PS_E_NO_SPACE, PS_E_IO. */

/** Begin a file, write to file->fd, then commit (sets attributes, replaces what is there, closes) or abort. */
PS_MUST_USE enum ps_code ps_dest_tree_file_begin(struct ps_dest_tree *tree,
                                                 struct ps_dest_file *file, struct ps_err *err);
PS_MUST_USE enum ps_code ps_dest_tree_file_commit(struct ps_dest_tree *tree,
                                                  struct ps_dest_file *file, const char *path,
                                                  const struct ps_dest_attributes *attributes,
                                                  struct ps_err *err);
/** Safe after commit and on a zeroed struct with fd -1. */
void ps_dest_tree_file_abort(struct ps_dest_tree *tree, struct ps_dest_file *file);

/** A directory; one that is there stays. attributes NULL = leave them. */
PS_MUST_USE enum ps_code ps_dest_tree_directory(struct ps_dest_tree *tree, const char *path,
                                                const struct ps_dest_attributes *attributes,
                                                struct ps_err *err);

/** A symbolic link in place of what is there; it has no mode. The caller has asked ps_dest_link_stays_inside. */
PS_MUST_USE enum ps_code ps_dest_tree_symlink(struct ps_dest_tree *tree, const char *path,
                                              const char *target, int64_t mtime_ns,
                                              struct ps_err *err);

/** Set the owner of what is at path, a symbolic link itself too. */
PS_MUST_USE enum ps_code ps_dest_tree_own(struct ps_dest_tree *tree, const char *path, uint32_t uid,
                                          uint32_t gid, struct ps_err *err);

/** A hard link to the regular file existing (clean), which must be in the tree. */
PS_MUST_USE enum ps_code ps_dest_tree_hard_link(struct ps_dest_tree *tree, const char *path,
                                                const char *existing, struct ps_err *err);

/** Whether a regular file of this size and time (INT64_MIN = any) is at path; a link is none. */
bool ps_dest_tree_has_file(struct ps_dest_tree *tree, const char *path, uint64_t size_bytes,
                           int64_t mtime_ns);

/** Whether a directory is at path (clean, not ""); a link is none. Nothing is made. */
bool ps_dest_tree_has_directory(const struct ps_dest_tree *tree, const char *path);

/**
 * An empty file of ours in the root that says: what the checkpoint with this token tells is here. A directory that was
 * removed and made anew, even with the same inode, does not have it.
 *
 * Errors:  PS_E_DENIED, PS_E_NO_SPACE, PS_E_IO.
 */
PS_MUST_USE enum ps_code ps_dest_tree_mark(struct ps_dest_tree *tree, uint64_t token,
                                           struct ps_err *err);
bool ps_dest_tree_is_marked(const struct ps_dest_tree *tree, uint64_t token);
/** Remove all such files but that of token. */
void ps_dest_tree_unmark(struct ps_dest_tree *tree, uint64_t token);

/** Make the directories above path. */
PS_MUST_USE enum ps_code ps_dest_tree_make_parent(struct ps_dest_tree *tree, const char *path,
                                                  struct ps_err *err);

/** The index-th directory (from 0) that was given attributes, borrowed until the next one; false when there are no more. */
PS_MUST_USE bool ps_dest_tree_given(const struct ps_dest_tree *tree, size_t index,
                                    const char **path_out,
                                    const struct ps_dest_attributes **attributes_out);

/** Finish is to give these to the directory at path, if it is there then. Errors: PS_E_NO_MEMORY. */
PS_MUST_USE enum ps_code ps_dest_tree_give(struct ps_dest_tree *tree, const char *path,
                                           const struct ps_dest_attributes *attributes,
                                           struct ps_err *err);

/** Set the attributes of all directories that were given some, and those of the root if root is not NULL. */
PS_MUST_USE enum ps_code ps_dest_tree_finish(struct ps_dest_tree *tree,
                                             const struct ps_dest_attributes *root,
                                             struct ps_err *err);

#endif
