#include "sink/dest_tree_internal.h"

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

/** Names of marks: like temporary files, no entry may be called so. */
#define MARK_PREFIX PS_DEST_TEMP_PREFIX "mark-"

enum {
    MARK_NAME_SIZE = 48
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

enum ps_code ps_dest_in_the_way(const struct ps_dest_tree *tree, const char *path,
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

/* One component: opened without following it, made if it is missing and make says so. */
static int open_or_make(int dir_fd, const char *name, bool make)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(dir_fd, name, flags);

    if (fd < 0 && make && errno == ENOENT &&
        (mkdirat(dir_fd, name, 0777) == 0 || errno == EEXIST)) {
        fd = openat(dir_fd, name, flags);
    }
    return fd;
}

/* The directory path (clean, may be ""); -1 and errno on failure. */
static int walk_to(const struct ps_dest_tree *tree, const char *path, bool make)
{
    char name[NAME_MAX + 1];
    int fd = openat(tree->root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const char *at = path;

    while (fd >= 0 && *at != '\0') {
        size_t length = strcspn(at, "/");
        int next;

        memcpy(name, at, length);
        name[length] = '\0';
        next = open_or_make(fd, name, make);
        (void)close(fd);
        fd = next;
        at += length;
        at += *at == '/' ? 1 : 0;
    }
    return fd;
}

/* The directory that holds path, as a descriptor of the tree's, and the name in it. */
enum ps_code ps_dest_find_parent(struct ps_dest_tree *tree, const char *path, int *fd_out,
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
        fd = walk_to(tree, parent, true);
    }
    if (fd < 0) {
        code = ps_dest_in_the_way(tree, parent, err);
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

void ps_dest_fill_times(struct timespec times[2], int64_t mtime_ns)
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

enum ps_code ps_dest_set_attributes(int fd, const struct ps_dest_attributes *attributes,
                                    const char *path, struct ps_err *err)
{
    struct timespec times[2];

    /* First, as it takes permissions from who is not root. */
    if (attributes->owned && fchown(fd, attributes->uid, attributes->gid) != 0) {
        return ps_err_set_errno(err, errno, "%s: set its owner %" PRIu32 ":%" PRIu32, path,
                                attributes->uid, attributes->gid);
    }
    if (attributes->mode >= 0 && fchmod(fd, (mode_t)attributes->mode & 0777) != 0) {
        return ps_err_set_errno(err, errno, "%s: set its mode", path);
    }
    ps_dest_fill_times(times, attributes->mtime_ns);
    if (attributes->mtime_ns != INT64_MIN && futimens(fd, times) != 0) {
        return ps_err_set_errno(err, errno, "%s: set its time", path);
    }
    return PS_OK;
}

/* --- the whole --- */

enum ps_code ps_dest_tree_finish(struct ps_dest_tree *tree, const struct ps_dest_attributes *root,
                                 struct ps_err *err)
{
    enum ps_code code = PS_OK;

    /* Children come after their parents: backwards, so that a parent without permissions is closed last. */
    while (code == PS_OK && tree->pending_count > 0) {
        struct pending_directory *pending = &tree->pending[--tree->pending_count];
        int fd = walk_to(tree, pending->path, false);

        if (fd >= 0) {
            code = ps_dest_set_attributes(fd, &pending->attributes, pending->path, err);
            (void)close(fd);
        } else if (errno != ENOENT) {
            code = ps_dest_in_the_way(tree, pending->path, err);
        }
        free(pending->path);
    }
    if (code == PS_OK && root != NULL) {
        code = ps_dest_set_attributes(tree->root_fd, root, tree->root, err);
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

static bool is_removed(const char *name, const char *keep)
{
    return ps_str_has_prefix(name, MARK_PREFIX) ? keep != NULL && strcmp(name, keep) != 0
                                                : keep == NULL && is_dead(name);
}

/* keep NULL: temporary files of dead processes; else: all marks but this one. */
static void remove_own(struct ps_dest_tree *tree, const char *keep)
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
        if (is_removed(entry->d_name, keep)) {
            (void)unlinkat(tree->root_fd, entry->d_name, 0);
        }
    }
    (void)closedir(dir);
}

/* --- marks --- */

static void mark_name(uint64_t token, char name[MARK_NAME_SIZE])
{
    (void)snprintf(name, MARK_NAME_SIZE, "%s%016" PRIx64, MARK_PREFIX, token);
}

enum ps_code ps_dest_tree_mark(struct ps_dest_tree *tree, uint64_t token, struct ps_err *err)
{
    char name[MARK_NAME_SIZE];
    int fd;

    mark_name(token, name);
    fd = openat(tree->root_fd, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 || close(fd) != 0) {
        return ps_err_set_errno(err, errno, "%s/%s", tree->root, name);
    }
    return PS_OK;
}

bool ps_dest_tree_is_marked(const struct ps_dest_tree *tree, uint64_t token)
{
    char name[MARK_NAME_SIZE];
    struct stat status;

    mark_name(token, name);
    return fstatat(tree->root_fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISREG(status.st_mode);
}

void ps_dest_tree_unmark(struct ps_dest_tree *tree, uint64_t token)
{
    char name[MARK_NAME_SIZE];

    mark_name(token, name);
    remove_own(tree, name);
}

bool ps_dest_tree_has_directory(const struct ps_dest_tree *tree, const char *path)
{
    int fd = walk_to(tree, path, false);

    if (fd < 0) {
        return false;
    }
    (void)close(fd);
    return true;
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
    remove_own(tree, NULL);
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
