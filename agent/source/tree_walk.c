#include "source/tree_walk.h"

#include "base/buf.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* One directory on the way down: its names in one block, sorted by where they start. */
struct level {
    int fd;
    size_t path_size_bytes; /* of the walk's path when this level was entered */
    char *names;            /* each ends in NUL; a directory's in '/' and NUL */
    size_t names_size_bytes;
    size_t names_capacity_bytes;
    const char **sorted;
    size_t count;
    size_t next;
};

struct ps_tree_walk {
    char *root;
    const struct ps_tree_filter *filter; /* NULL = all */
    struct level levels[PS_TREE_DEPTH_MAX];
    size_t depth;
    char path[PATH_MAX + NAME_MAX + 2]; /* below the root */
    char link_target[PATH_MAX];
    struct ps_tree_entry entry;
    bool enter_next; /* the entry handed out last is a directory to go into */
};

/* --- filter --- */

static bool matches_any(const char *const *patterns, size_t count, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;

    for (size_t i = 0; i < count; i++) {
        const char *subject = strchr(patterns[i], '/') != NULL ? path : name;

        if (fnmatch(patterns[i], subject, 0) == 0) {
            return true;
        }
    }
    return false;
}

bool ps_tree_filter_takes(const struct ps_tree_filter *filter, const char *path, bool directory)
{
    if (filter == NULL) {
        return true;
    }
    if (matches_any(filter->exclude, filter->exclude_count, path)) {
        return false;
    }
    return directory || filter->include_count == 0 ||
           matches_any(filter->include, filter->include_count, path);
}

bool ps_tree_filter_takes_path(const struct ps_tree_filter *filter, const char *path)
{
    char above[PATH_MAX];

    if (filter == NULL) {
        return true;
    }
    ps_str_copy(above, sizeof(above), path);
    for (char *slash = strchr(above, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (!ps_tree_filter_takes(filter, above, true)) {
            return false;
        }
        *slash = '/';
    }
    return ps_str_has_suffix(path, "/") || ps_tree_filter_takes(filter, path, false);
}

/* --- levels --- */

static void level_clear(struct level *level)
{
    if (level->fd >= 0) {
        (void)close(level->fd);
    }
    free(level->names);
    free(level->sorted);
    memset(level, 0, sizeof(*level));
    level->fd = -1;
}

static enum ps_code level_add(struct level *level, const char *name, bool directory,
                              struct ps_err *err)
{
    size_t length = strlen(name);
    size_t need_bytes = level->names_size_bytes + length + 2;

    if (need_bytes > level->names_capacity_bytes) {
        size_t capacity_bytes = 2 * need_bytes < 4096 ? 4096 : 2 * need_bytes;
        char *names;

        if (need_bytes > PS_TREE_NAMES_MAX_BYTES) {
            return ps_err_set(err, PS_E_TOO_LARGE, "more names than fit into %zu MiB",
                              PS_TREE_NAMES_MAX_BYTES >> 20);
        }
        names = realloc(level->names, capacity_bytes);
        if (names == NULL) {
            return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
        }
        level->names = names;
        level->names_capacity_bytes = capacity_bytes;
    }
    memcpy(level->names + level->names_size_bytes, name, length);
    level->names_size_bytes += length;
    if (directory) {
        level->names[level->names_size_bytes++] = '/';
    }
    level->names[level->names_size_bytes++] = '\0';
    level->count++;
    return PS_OK;
}

static int by_text(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static enum ps_code level_sort(struct level *level, struct ps_err *err)
{
    const char *at = level->names;

    if (level->count == 0) {
        return PS_OK;
    }
    level->sorted = calloc(level->count, sizeof(*level->sorted));
    if (level->sorted == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < level->count; i++) {
        level->sorted[i] = at;
        at += strlen(at) + 1;
    }
    qsort(level->sorted, level->count, sizeof(*level->sorted), by_text);
    return PS_OK;
}

static bool is_directory(int dir_fd, const struct dirent *entry)
{
    struct stat status;

    if (entry->d_type != DT_UNKNOWN) {
        return entry->d_type == DT_DIR;
    }
    return fstatat(dir_fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISDIR(status.st_mode);
}

static enum ps_code read_names(struct level *level, DIR *dir, struct ps_err *err)
{
    enum ps_code code = PS_OK;
    const struct dirent *entry;

    errno = 0;
    for (entry = readdir(dir); entry != NULL && code == PS_OK; entry = readdir(dir)) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            code = level_add(level, entry->d_name, is_directory(dirfd(dir), entry), err);
        }
        errno = 0;
    }
    if (code == PS_OK && errno != 0) {
        code = ps_err_set_errno(err, errno, "read");
    }
    return code == PS_OK ? level_sort(level, err) : code;
}

/* Takes fd over. */
static enum ps_code enter(struct ps_tree_walk *walk, int fd, size_t path_size_bytes,
                          struct ps_err *err)
{
    struct level *level;
    enum ps_code code;
    int copy;
    DIR *dir;

    if (walk->depth == PS_TREE_DEPTH_MAX) {
        (void)close(fd);
        return ps_err_set(err, PS_E_TOO_LARGE, "directories nested deeper than %d",
                          PS_TREE_DEPTH_MAX);
    }
    level = &walk->levels[walk->depth];
    memset(level, 0, sizeof(*level));
    level->fd = fd;
    level->path_size_bytes = path_size_bytes;
    copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    dir = copy >= 0 ? fdopendir(copy) : NULL;
    if (dir == NULL) {
        code = ps_err_set_errno(err, errno, "open");
        if (copy >= 0) {
            (void)close(copy);
        }
    } else {
        code = read_names(level, dir, err);
        (void)closedir(dir);
    }
    if (code != PS_OK) {
        level_clear(level);
        return code;
    }
    walk->depth++;
    return PS_OK;
}

/* --- entries --- */

static enum ps_tree_kind kind_of(mode_t mode)
{
    if (S_ISREG(mode)) {
        return PS_TREE_FILE;
    }
    if (S_ISDIR(mode)) {
        return PS_TREE_DIRECTORY;
    }
    return S_ISLNK(mode) ? PS_TREE_LINK : PS_TREE_SPECIAL;
}

static void fill_entry(struct ps_tree_walk *walk, const struct level *level,
                       const struct stat *status)
{
    walk->entry = (struct ps_tree_entry){
        .path = walk->path,
        .kind = kind_of(status->st_mode),
        .mode = status->st_mode & 07777,
        .uid = status->st_uid,
        .gid = status->st_gid,
        .size_bytes = S_ISREG(status->st_mode) ? (uint64_t)status->st_size : 0,
        .allocated_bytes = (uint64_t)status->st_blocks * 512,
        .mtime_ns = (int64_t)status->st_mtim.tv_sec * 1000000000 + (int64_t)status->st_mtim.tv_nsec,
        .device = (uint64_t)status->st_dev,
        .inode = (uint64_t)status->st_ino,
        .link_count = (uint64_t)status->st_nlink,
        .link_target = "",
        .dir_fd = level->fd,
        .name = walk->path + level->path_size_bytes,
    };
}

static enum ps_code read_link(struct ps_tree_walk *walk, const struct level *level,
                              struct ps_err *err)
{
    ssize_t got_bytes =
        readlinkat(level->fd, walk->entry.name, walk->link_target, sizeof(walk->link_target) - 1);

    if (got_bytes < 0) {
        return ps_err_set_errno(err, errno, "%s/%s", walk->root, walk->path);
    }
    walk->link_target[got_bytes] = '\0';
    walk->entry.link_target = walk->link_target;
    return PS_OK;
}

/* *taken_out = false: filtered out, or gone since its name was read. */
static enum ps_code take_name(struct ps_tree_walk *walk, struct level *level, const char *name,
                              bool *taken_out, struct ps_err *err)
{
    size_t length = strlen(name);
    struct stat status;

    *taken_out = false;
    if (name[length - 1] == '/') {
        length--;
    }
    if (level->path_size_bytes + length + 2 > PATH_MAX) {
        return ps_err_set(err, PS_E_TOO_LARGE, "%s/%.60s...: the path is too long", walk->root,
                          walk->path);
    }
    memcpy(walk->path + level->path_size_bytes, name, length);
    walk->path[level->path_size_bytes + length] = '\0';
    if (fstatat(level->fd, walk->path + level->path_size_bytes, &status, AT_SYMLINK_NOFOLLOW) !=
        0) {
        return errno == ENOENT ? PS_OK
                               : ps_err_set_errno(err, errno, "%s/%s", walk->root, walk->path);
    }
    if (!ps_tree_filter_takes(walk->filter, walk->path, S_ISDIR(status.st_mode))) {
        return PS_OK;
    }
    fill_entry(walk, level, &status);
    *taken_out = true;
    return walk->entry.kind == PS_TREE_LINK ? read_link(walk, level, err) : PS_OK;
}

static enum ps_code enter_entry(struct ps_tree_walk *walk, struct ps_err *err)
{
    size_t length = strlen(walk->path);
    int fd = openat(walk->entry.dir_fd, walk->entry.name,
                    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    enum ps_code code;

    walk->enter_next = false;
    if (fd < 0) {
        return ps_err_set_errno(err, errno, "%s/%s", walk->root, walk->path);
    }
    walk->path[length] = '/';
    walk->path[length + 1] = '\0';
    code = enter(walk, fd, length + 1, err);
    return code == PS_OK ? PS_OK : ps_err_wrap(err, code, "%s/%s", walk->root, walk->path);
}

enum ps_code ps_tree_walk_next(struct ps_tree_walk *walk, const struct ps_tree_entry **entry_out,
                               struct ps_err *err)
{
    enum ps_code code = walk->enter_next ? enter_entry(walk, err) : PS_OK;
    bool taken = false;

    while (code == PS_OK && !taken && walk->depth > 0) {
        struct level *level = &walk->levels[walk->depth - 1];

        if (level->next == level->count) {
            level_clear(level);
            walk->depth--;
        } else {
            code = take_name(walk, level, level->sorted[level->next++], &taken, err);
        }
    }
    if (code != PS_OK) {
        return code;
    }
    walk->enter_next = taken && walk->entry.kind == PS_TREE_DIRECTORY;
    *entry_out = taken ? &walk->entry : NULL;
    return PS_OK;
}

enum ps_code ps_tree_walk_open(struct ps_tree_walk **walk_out, const char *root,
                               const struct ps_tree_filter *filter, struct ps_err *err)
{
    struct ps_tree_walk *walk = calloc(1, sizeof(*walk));
    enum ps_code code;
    int fd;

    if (walk == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "%s: out of memory", root);
    }
    walk->filter = filter;
    walk->root = ps_strdup(root);
    if (walk->root == NULL) {
        code = ps_err_set(err, PS_E_NO_MEMORY, "%s: out of memory", root);
        goto out;
    }
    fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        code = errno == ENOTDIR ? ps_err_set(err, PS_E_INVALID, "%s: is no directory", root)
                                : ps_err_set_errno(err, errno, "%s", root);
        goto out;
    }
    code = enter(walk, fd, 0, err);
    if (code != PS_OK) {
        (void)ps_err_wrap(err, code, "%s", root);
        goto out;
    }
    *walk_out = walk;
    walk = NULL;
out:
    ps_tree_walk_close(walk);
    return code;
}

void ps_tree_walk_close(struct ps_tree_walk *walk)
{
    if (walk == NULL) {
        return;
    }
    while (walk->depth > 0) {
        level_clear(&walk->levels[--walk->depth]);
    }
    free(walk->root);
    free(walk);
}
