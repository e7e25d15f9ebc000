#include "sink/dest_tree.h"

#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

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

/* --- opening below the root --- */

/* -1 and errno on failure. */
static int open_beneath(struct ps_dest_tree *tree, const char *path)
{
    const struct open_how how = {
        .flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
    };
    long fd;

    if (tree->no_openat2) {
        errno = ENOENT;
        return -1;
    }
    fd = syscall(SYS_openat2, tree->root_fd, path, &how, sizeof(how));
    if (fd < 0 && (errno == ENOSYS || errno == EPERM)) {
        tree->no_openat2 = true; /* an older kernel, or a sandbox: component by component */
        errno = ENOENT;
    }
    return (int)fd;
}

static enum ps_code in_the_way(const struct ps_dest_tree *tree, const char *path,
                               struct ps_err *err)
{
    int saved = errno;

    if (saved == ELOOP || saved == ENOTDIR || saved == EXDEV) {
        return ps_err_set(err, PS_E_REFUSED,
                          "%s/%.150s: a symbolic link or a file is in the way of a directory",
                          tree->root, path);
    }
    return ps_err_set_errno(err, saved, "%s/%.150s", tree->root, path);
}

/* One component: opened without following it, made if it is missing. */
static int open_or_make(int dir_fd, const char *name)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(dir_fd, name, flags);

    if (fd < 0 && errno == ENOENT && (mkdirat(dir_fd, name, 0777) == 0 || errno == EEXIST)) {
        fd = openat(dir_fd, name, flags);
    }
    return fd;
}

/* The directory path (clean, may be ""), its missing components made. */
static enum ps_code walk_to(struct ps_dest_tree *tree, const char *path, int *fd_out,
                            struct ps_err *err)
{
    char name[NAME_MAX + 1];
    int fd = openat(tree->root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const char *at = path;

    while (fd >= 0 && *at != '\0') {
        size_t length = strcspn(at, "/");
        int next;

        memcpy(name, at, length);
        name[length] = '\0';
        next = open_or_make(fd, name);
        (void)close(fd);
        fd = next;
        at += length;
        at += *at == '/' ? 1 : 0;
    }
    if (fd < 0) {
        return in_the_way(tree, path, err);
    }
    *fd_out = fd;
    return PS_OK;
}

/* The directory that holds path, as a descriptor of the tree's, and the name in it. */
static enum ps_code find_parent(struct ps_dest_tree *tree, const char *path, int *fd_out,
                                const char **name_out, struct ps_err *err)
{
    const char *slash = strrchr(path, '/');
    size_t length = slash != NULL ? (size_t)(slash - path) : 0;
    char parent[PATH_MAX];
    enum ps_code code = PS_OK;
    int fd;

    *name_out = slash != NULL ? slash + 1 : path;
    if (length == 0) {
        *fd_out = tree->root_fd;
        return PS_OK;
    }
    memcpy(parent, path, length);
    parent[length] = '\0';
    if (tree->parent_fd >= 0 && strcmp(tree->parent_path, parent) == 0) {
        *fd_out = tree->parent_fd;
        return PS_OK;
    }
    fd = open_beneath(tree, parent);
    if (fd < 0 && errno == ENOENT) {
        code = walk_to(tree, parent, &fd, err);
    } else if (fd < 0) {
        code = in_the_way(tree, parent, err);
    }
    if (code != PS_OK) {
        return code;
    }
    if (tree->parent_fd >= 0) {
        (void)close(tree->parent_fd);
    }
    tree->parent_fd = fd;
    memcpy(tree->parent_path, parent, length + 1);
    *fd_out = fd;
    return PS_OK;
}

/* --- attributes --- */

static void fill_times(struct timespec times[2], int64_t mtime_ns)
{
    times[0] = (struct timespec){ .tv_nsec = UTIME_OMIT };
    times[1] = (struct timespec){ .tv_nsec = UTIME_OMIT };
    if (mtime_ns != INT64_MIN) {
        times[1].tv_sec = (time_t)(mtime_ns / 1000000000);
        times[1].tv_nsec = (long)(mtime_ns % 1000000000);
        if (times[1].tv_nsec < 0) {
            times[1].tv_sec--;
            times[1].tv_nsec += 1000000000;
        }
    }
}

static enum ps_code set_attributes(int fd, const struct ps_dest_attributes *attributes,
                                   const char *path, struct ps_err *err)
{
    struct timespec times[2];

    if (attributes->mode >= 0 && fchmod(fd, (mode_t)attributes->mode & 0777) != 0) {
        return ps_err_set_errno(err, errno, "%s: set its mode", path);
    }
    fill_times(times, attributes->mtime_ns);
    if (attributes->mtime_ns != INT64_MIN && futimens(fd, times) != 0) {
        return ps_err_set_errno(err, errno, "%s: set its time", path);
    }
    return PS_OK;
}

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
    enum ps_code code = find_parent(tree, path, &dir_fd, &name, err);

    if (wanted.mode == (int)tree->made_mode && wanted.mode != 0) {
        wanted.mode = -1; /* it has it already: one call less a file */
    }
    if (code == PS_OK) {
        code = set_attributes(file->fd, &wanted, path, err);
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

static enum ps_code remember(struct ps_dest_tree *tree, const char *path,
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
    enum ps_code code = find_parent(tree, path, &dir_fd, &name, err);
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
            return in_the_way(tree, path, err);
        }
    }
    return attributes != NULL ? remember(tree, path, attributes, err) : PS_OK;
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
    enum ps_code code = find_parent(tree, path, &dir_fd, &name, err);
    struct timespec times[2];

    if (code == PS_OK) {
        code = make_room(tree, dir_fd, name, path, err);
    }
    if (code == PS_OK && symlinkat(target, dir_fd, name) != 0) {
        code = ps_err_set_errno(err, errno, "%s/%.150s", tree->root, path);
    }
    if (code == PS_OK && mtime_ns != INT64_MIN) {
        fill_times(times, mtime_ns);
        (void)utimensat(dir_fd, name, times, AT_SYMLINK_NOFOLLOW); /* some file systems keep none */
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
    enum ps_code code = find_parent(tree, existing, &from_fd, &from_name, err);

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
        code = find_parent(tree, path, &dir_fd, &name, err);
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

    return find_parent(tree, path, &dir_fd, &name, NULL) == PS_OK &&
           fstatat(dir_fd, name, status, AT_SYMLINK_NOFOLLOW) == 0;
}

bool ps_dest_tree_has_file(struct ps_dest_tree *tree, const char *path, uint64_t size_bytes,
                           int64_t mtime_ns)
{
    struct stat status;

    return look(tree, path, &status) && S_ISREG(status.st_mode) &&
           (uint64_t)status.st_size == size_bytes &&
           (int64_t)status.st_mtim.tv_sec * 1000000000 + (int64_t)status.st_mtim.tv_nsec ==
               mtime_ns;
}

enum ps_code ps_dest_tree_make_parent(struct ps_dest_tree *tree, const char *path,
                                      struct ps_err *err)
{
    const char *name = NULL;
    int dir_fd = -1;

    return find_parent(tree, path, &dir_fd, &name, err);
}

enum ps_code ps_dest_tree_set(struct ps_dest_tree *tree, const char *path,
                              const struct ps_dest_attributes *attributes, struct ps_err *err)
{
    const char *name = NULL;
    int dir_fd = -1;
    enum ps_code code = find_parent(tree, path, &dir_fd, &name, err);
    int fd;

    if (code != PS_OK) {
        return code;
    }
    fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        return ps_err_set_errno(err, errno, "%s/%.150s", tree->root, path);
    }
    code = set_attributes(fd, attributes, path, err);
    (void)close(fd);
    return code;
}

/* --- the whole --- */

enum ps_code ps_dest_tree_finish(struct ps_dest_tree *tree, const struct ps_dest_attributes *root,
                                 struct ps_err *err)
{
    enum ps_code code = PS_OK;

    /* Children come after their parents: backwards, so that a parent without permissions is closed last. */
    while (code == PS_OK && tree->pending_count > 0) {
        struct pending_directory *pending = &tree->pending[--tree->pending_count];
        int fd = -1;

        code = walk_to(tree, pending->path, &fd, err);
        if (code == PS_OK) {
            code = set_attributes(fd, &pending->attributes, pending->path, err);
            (void)close(fd);
        }
        free(pending->path);
    }
    if (code == PS_OK && root != NULL) {
        code = set_attributes(tree->root_fd, root, tree->root, err);
    }
    return code;
}

static enum ps_code make_directories(const char *path, struct ps_err *err)
{
    char part[PATH_MAX];

    ps_str_copy(part, sizeof(part), path);
    for (char *c = part + 1; *c != '\0'; c++) {
        if (*c == '/') {
            *c = '\0';
            if (mkdir(part, 0777) != 0 && errno != EEXIST) {
                return ps_err_set_errno(err, errno, "%s", part);
            }
            *c = '/';
        }
    }
    return mkdir(path, 0777) == 0 || errno == EEXIST ? PS_OK
                                                     : ps_err_set_errno(err, errno, "%s", path);
}

/* ".purser-tmp-PID-N" whose process is gone. */
static bool is_dead(const char *name)
{
    char pid_text[16];
    size_t length;
    uint64_t pid = 0;

    if (!ps_str_has_prefix(name, PS_DEST_TEMP_PREFIX)) {
        return false;
    }
    name += strlen(PS_DEST_TEMP_PREFIX);
    length = strcspn(name, "-");
    if (length == 0 || length >= sizeof(pid_text)) {
        return false;
    }
    memcpy(pid_text, name, length);
    pid_text[length] = '\0';
    return ps_u64_parse(pid_text, &pid) && pid > 0 && pid < INT_MAX &&
           ((pid_t)pid == getpid() || (kill((pid_t)pid, 0) != 0 && errno == ESRCH));
}

static void remove_leftovers(struct ps_dest_tree *tree)
{
    int fd = openat(tree->root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

    if (dir == NULL) {
        if (fd >= 0) {
            (void)close(fd);
        }
        return;
    }
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (is_dead(entry->d_name)) {
            (void)unlinkat(tree->root_fd, entry->d_name, 0);
        }
    }
    (void)closedir(dir);
}

enum ps_code ps_dest_tree_open(struct ps_dest_tree **tree_out, const char *path, struct ps_err *err)
{
    struct ps_dest_tree *tree = calloc(1, sizeof(*tree));
    enum ps_code code;

    if (tree == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "%s: out of memory", path);
    }
    tree->root_fd = -1;
    tree->parent_fd = -1;
    tree->root = ps_strdup(path);
    if (tree->root == NULL) {
        code = ps_err_set(err, PS_E_NO_MEMORY, "%s: out of memory", path);
        goto out;
    }
    code = make_directories(path, err);
    if (code != PS_OK) {
        goto out;
    }
    tree->root_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (tree->root_fd < 0) {
        code = errno == ENOTDIR
                   ? ps_err_set(err, PS_E_INVALID, "%s: is a file; name a directory", path)
                   : ps_err_set_errno(err, errno, "%s", path);
        goto out;
    }
    remove_leftovers(tree);
    *tree_out = tree;
    tree = NULL;
out:
    ps_dest_tree_close(tree);
    return code;
}

void ps_dest_tree_close(struct ps_dest_tree *tree)
{
    if (tree == NULL) {
        return;
    }
    for (size_t i = 0; i < tree->pending_count; i++) {
        free(tree->pending[i].path);
    }
    free(tree->pending);
    if (tree->parent_fd >= 0) {
        (void)close(tree->parent_fd);
    }
    if (tree->root_fd >= 0) {
        (void)close(tree->root_fd);
    }
    free(tree->root);
    free(tree);
}

int ps_dest_tree_fd(const struct ps_dest_tree *tree)
{
    return tree->root_fd;
}

bool ps_dest_tree_folds_case(struct ps_dest_tree *tree)
{
    struct ps_dest_file file = { .fd = -1 };
    char upper[sizeof(file.temp_name)];
    struct stat status;
    bool folds;

    if (ps_dest_tree_file_begin(tree, &file, NULL) != PS_OK) {
        return false;
    }
    ps_str_copy(upper, sizeof(upper), file.temp_name);
    upper[1] = 'P';
    folds = fstatat(tree->root_fd, upper, &status, AT_SYMLINK_NOFOLLOW) == 0;
    ps_dest_tree_file_abort(tree, &file);
    return folds;
}
