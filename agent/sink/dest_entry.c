#include "sink/dest_tree_internal.h"

#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- files --- */

enum ps_code ps_dest_tree_file_begin(struct ps_dest_tree *tree, struct ps_dest_file *file,
                                     struct ps_err *err)
{
    struct stat status;

    (void)snprintf(file->temp_name, sizeof(file->temp_name), "%s%" PRId64 "-%" PRIu64,
                   PS_DEST_TEMP_PREFIX, (int64_t)getpid(), tree->temp_count++);
    file->fd = openat(tree->root_fd, file->temp_name,
                      O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (file->fd < 0) {
        return ps_err_set_errno(err, errno, "%s/%s", tree->root, file->temp_name);
    }
    if (tree->made_mode == 0 && fstat(file->fd, &status) == 0) {
        tree->made_mode = status.st_mode & 07777;
    }
    return PS_OK;
}

enum ps_code ps_dest_tree_file_commit(struct ps_dest_tree *tree, struct ps_dest_file *file,
                                      const char *path, const struct ps_dest_attributes *attributes,
                                      struct ps_err *err)
{
    struct ps_dest_attributes wanted = *attributes;
    const char *name = NULL;
    int dir_fd = -1;
    enum ps_code code = ps_dest_find_parent(tree, path, &dir_fd, &name, err);

    if (wanted.mode == (int)tree->made_mode && wanted.mode != 0) {
        wanted.mode = -1; /* it has it already: one call less a file */
    }
    if (code == PS_OK) {
        code = ps_dest_set_attributes(file->fd, &wanted, path, err);
    }
    if (code == PS_OK && renameat(tree->root_fd, file->temp_name, dir_fd, name) != 0) {
        code = errno == EISDIR || errno == ENOTEMPTY
                   ? ps_err_set(err, PS_E_REFUSED,
                                "%s/%.150s: is a directory, and a file is to be there", tree->root,
                                path)
                   : ps_err_set_errno(err, errno, "%s/%.150s", tree->root, path);
    }
    if (code != PS_OK) {
        ps_dest_tree_file_abort(tree, file);
        return code;
    }
    if (close(file->fd) != 0) {
        code = ps_err_set_errno(err, errno, "%s/%.150s", tree->root, path);
    }
    file->fd = -1;
    return code;
}

void ps_dest_tree_file_abort(struct ps_dest_tree *tree, struct ps_dest_file *file)
{
    if (file->fd >= 0) {
        (void)close(file->fd);
        (void)unlinkat(tree->root_fd, file->temp_name, 0);
        file->fd = -1;
    }
}

/* --- directories and links --- */

bool ps_dest_tree_given(const struct ps_dest_tree *tree, size_t index, const char **path_out,
                        const struct ps_dest_attributes **attributes_out)
{
    if (index >= tree->pending_count) {
        return false;
    }
    *path_out = tree->pending[index].path;
    *attributes_out = &tree->pending[index].attributes;
    return true;
}

enum ps_code ps_dest_tree_give(struct ps_dest_tree *tree, const char *path,
                               const struct ps_dest_attributes *attributes, struct ps_err *err)
{
    struct pending_directory *pending;

    if (tree->pending_count == tree->pending_capacity) {
        size_t capacity = tree->pending_capacity != 0 ? tree->pending_capacity * 2 : 64;

        pending = realloc(tree->pending, capacity * sizeof(*pending));
        if (pending == NULL) {
            return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
        }
        tree->pending = pending;
        tree->pending_capacity = capacity;
    }
    pending = &tree->pending[tree->pending_count];
    pending->path = ps_strdup(path);
    pending->attributes = *attributes;
    if (pending->path == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    tree->pending_count++;
    return PS_OK;
}

enum ps_code ps_dest_tree_directory(struct ps_dest_tree *tree, const char *path,
                                    const struct ps_dest_attributes *attributes, struct ps_err *err)
{
    const char *name = NULL;
    int dir_fd = -1;
    enum ps_code code = ps_dest_find_parent(tree, path, &dir_fd, &name, err);
    struct stat status;

    if (code != PS_OK) {
        return code;
    }
    if (mkdirat(dir_fd, name, 0777) != 0) {
        if (errno != EEXIST) {
            return ps_err_set_errno(err, errno, "%s/%.150s", tree->root, path);
        }
        if (fstatat(dir_fd, name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
            return ps_err_set_errno(err, errno, "%s/%.150s", tree->root, path);
        }
        if (!S_ISDIR(status.st_mode)) {
            errno = ENOTDIR;
            return ps_dest_in_the_way(tree, path, err);
        }
    }
    return attributes != NULL ? ps_dest_tree_give(tree, path, attributes, err) : PS_OK;
}

/* Remove what is at name so that a link can take its place; a directory stays and is an error. */
static enum ps_code make_room(struct ps_dest_tree *tree, int dir_fd, const char *name,
                              const char *path, struct ps_err *err)
{
    if (unlinkat(dir_fd, name, 0) != 0 && errno != ENOENT) {
        return errno == EISDIR || errno == EPERM
                   ? ps_err_set(err, PS_E_REFUSED,
                                "%s/%.150s: is a directory, and a link is to be there", tree->root,
                                path)
                   : ps_err_set_errno(err, errno, "%s/%.150s", tree->root, path);
    }
    return PS_OK;
}

enum ps_code ps_dest_tree_symlink(struct ps_dest_tree *tree, const char *path, const char *target,
                                  int64_t mtime_ns, struct ps_err *err)
{
    const char *name = NULL;
    int dir_fd = -1;
    enum ps_code code = ps_dest_find_parent(tree, path, &dir_fd, &name, err);
    struct timespec times[2];

    if (code == PS_OK) {
        code = make_room(tree, dir_fd, name, path, err);
    }
    if (code == PS_OK && symlinkat(target, dir_fd, name) != 0) {
        code = ps_err_set_errno(err, errno, "%s/%.150s", tree->root, path);
    }
    if (code == PS_OK && mtime_ns != INT64_MIN) {
        ps_dest_fill_times(times, mtime_ns);
        (void)utimensat(dir_fd, name, times, AT_SYMLINK_NOFOLLOW); /* some file systems keep none */
    }
    return code;
}

enum ps_code ps_dest_tree_own(struct ps_dest_tree *tree, const char *path, uint32_t uid,
                              uint32_t gid, struct ps_err *err)
{
    const char *name = NULL;
    int dir_fd = -1;
    enum ps_code code = ps_dest_find_parent(tree, path, &dir_fd, &name, err);

    if (code == PS_OK && fchownat(dir_fd, name, uid, gid, AT_SYMLINK_NOFOLLOW) != 0) {
        code = ps_err_set_errno(err, errno, "%s/%.150s: set its owner %" PRIu32 ":%" PRIu32,
                                tree->root, path, uid, gid);
    }
    return code;
}

enum ps_code ps_dest_tree_hard_link(struct ps_dest_tree *tree, const char *path,
                                    const char *existing, struct ps_err *err)
{
    const char *from_name = NULL;
    const char *name = NULL;
    int from_fd = -1;
    int dir_fd = -1;
    struct stat status;
    enum ps_code code = ps_dest_find_parent(tree, existing, &from_fd, &from_name, err);

    if (code != PS_OK) {
        return code;
    }
    from_fd = fcntl(from_fd, F_DUPFD_CLOEXEC, 0); /* the next find_parent may close it */
    if (from_fd < 0) {
        return ps_err_set_errno(err, errno, "%s/%.150s", tree->root, existing);
    }
    if (fstatat(from_fd, from_name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
        code = ps_err_set(err, PS_E_REFUSED, "%s/%.100s: a hard link to %.100s, which is not there",
                          tree->root, path, existing);
    } else if (!S_ISREG(status.st_mode)) {
        code = ps_err_set(err, PS_E_REFUSED, "%s/%.100s: a hard link to %.100s, which is no file",
                          tree->root, path, existing);
    } else {
        code = ps_dest_find_parent(tree, path, &dir_fd, &name, err);
    }
    if (code == PS_OK && strcmp(path, existing) != 0) {
        code = make_room(tree, dir_fd, name, path, err);
        if (code == PS_OK && linkat(from_fd, from_name, dir_fd, name, 0) != 0) {
            code = ps_err_set_errno(err, errno, "%s/%.150s", tree->root, path);
        }
    }
    (void)close(from_fd);
    return code;
}

static bool look(struct ps_dest_tree *tree, const char *path, struct stat *status)
{
    const char *name = NULL;
    int dir_fd = -1;

    return ps_dest_find_parent(tree, path, &dir_fd, &name, NULL) == PS_OK &&
           fstatat(dir_fd, name, status, AT_SYMLINK_NOFOLLOW) == 0;
}

bool ps_dest_tree_has_file(struct ps_dest_tree *tree, const char *path, uint64_t size_bytes,
                           int64_t mtime_ns)
{
    struct stat status;

    return look(tree, path, &status) && S_ISREG(status.st_mode) &&
           (uint64_t)status.st_size == size_bytes &&
           (mtime_ns == INT64_MIN ||
            (int64_t)status.st_mtim.tv_sec * 1000000000 + (int64_t)status.st_mtim.tv_nsec ==
                mtime_ns);
}

enum ps_code ps_dest_tree_make_parent(struct ps_dest_tree *tree, const char *path,
                                      struct ps_err *err)
{
    const char *name = NULL;
    int dir_fd = -1;

    return ps_dest_find_parent(tree, path, &dir_fd, &name, err);
}
