#include "store/file_internal.h"

#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool is_bad_component(const char *name, size_t length)
{
    return length == 0 || (length == 1 && name[0] == '.') ||
           (length == 2 && name[0] == '.' && name[1] == '.') ||
           (length == strlen(FILE_DIR_NAME) && strncmp(name, FILE_DIR_NAME, length) == 0);
}

/* Of what is purser's own, only markers of reclaims are objects, as in every store. */
#define MARKER_DIR FILE_DIR_NAME "/reclaim/"

enum ps_code file_check_key(const char *key, struct ps_err *err)
{
    const char *at = ps_str_has_prefix(key, MARKER_DIR) ? key + strlen(MARKER_DIR) : key;

    for (;;) {
        size_t length = strcspn(at, "/");

        if (is_bad_component(at, length)) {
            return ps_err_set(
                err, PS_E_INVALID,
                "key '%s': a file:// key has no empty part, none of . or .., and none "
                "named " FILE_DIR_NAME,
                key);
        }
        if (at[length] == '\0') {
            return PS_OK;
        }
        at += length + 1;
    }
}

char *file_path(const struct file_store *store, const char *key)
{
    return ps_str_format("%s/%s", store->root_dir, key);
}

char *file_upload_path(const struct file_store *store, const char *upload_id, const char *name)
{
    return ps_str_format("%s/" FILE_DIR_NAME "/uploads/%s%s%s", store->root_dir, upload_id,
                         name != NULL ? "/" : "", name != NULL ? name : "");
}

/* openat2 keeps links from leading out of the root; a kernel without it (before 5.6) at least follows no last link. */
static int open_beneath(int root_fd, const char *key)
{
    struct open_how how = {
        .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    int fd = (int)syscall(SYS_openat2, root_fd, key, &how, sizeof(how));

    if (fd < 0 && (errno == ENOSYS || errno == EPERM)) {
        fd = openat(root_fd, key, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    }
    return fd;
}

enum ps_code file_open_object(const struct file_store *store, const char *key, int *fd_out,
                              struct stat *status_out, struct ps_err *err)
{
    const char *root = store->root_dir[0] != '\0' ? store->root_dir : "/";
    int root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int fd;
    int saved_errno;

    if (root_fd < 0) {
        return ps_err_set_errno(err, errno, "%s", root);
    }
    fd = open_beneath(root_fd, key);
    saved_errno = errno;
    (void)close(root_fd);
    if (fd < 0) {
        return ps_err_set_errno(err, saved_errno, "%s/%s", store->root_dir, key);
    }
    if (fstat(fd, status_out) != 0 || !S_ISREG(status_out->st_mode)) {
        (void)close(fd);
        return ps_err_set(err, PS_E_NOT_FOUND, "%s/%s: is no regular file", store->root_dir, key);
    }
    *fd_out = fd;
    return PS_OK;
}

enum ps_code file_sync_parent(const char *path, struct ps_err *err)
{
    const char *slash = strrchr(path, '/');
    char *dir = slash == path ? ps_strdup("/") : ps_strndup(path, (size_t)(slash - path));
    enum ps_code code = PS_OK;
    int fd;

    if (dir == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "%s: out of memory", path);
    }
    fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || (fsync(fd) != 0 && errno != EINVAL)) {
        code = ps_err_set_errno(err, errno, "%s: sync", dir);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    free(dir);
    return code;
}

static enum ps_code make_dir(const char *path, struct ps_err *err)
{
    if (mkdir(path, 0777) == 0) {
        return file_sync_parent(path, err);
    }
    if (errno == EEXIST) {
        struct stat status;

        if (lstat(path, &status) == 0 && !S_ISDIR(status.st_mode)) {
            struct stat target;

            if (!S_ISLNK(status.st_mode) || stat(path, &target) != 0 || !S_ISDIR(target.st_mode)) {
                return ps_err_set_errno(err, ENOTDIR, "%s", path);
            }
        }
        return PS_OK;
    }
    return ps_err_set_errno(err, errno, "%s", path);
}

/* Below the root a link could lead anywhere: directories there must be real ones. */
static enum ps_code refuse_link(const char *path, struct ps_err *err)
{
    struct stat status;

    if (lstat(path, &status) == 0 && S_ISLNK(status.st_mode)) {
        return ps_err_set(err, PS_E_DENIED, "%s: is a symbolic link below the store's root", path);
    }
    return PS_OK;
}

enum ps_code file_make_parents(const struct file_store *store, const char *path, struct ps_err *err)
{
    size_t root_length = strlen(store->root_dir);
    char *copy = ps_strdup(path);
    enum ps_code code = PS_OK;

    if (copy == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "%s: out of memory", path);
    }
    for (char *slash = strchr(copy + 1, '/'); slash != NULL && code == PS_OK;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if ((size_t)(slash - copy) > root_length) {
            code = refuse_link(copy, err);
        }
        if (code == PS_OK) {
            code = make_dir(copy, err);
        }
        *slash = '/';
    }
    free(copy);
    return code;
}

enum ps_code file_publish(const struct file_store *store, const char *from, const char *key,
                          bool create_only, struct ps_err *err)
{
    char *path = file_path(store, key);
    enum ps_code code;

    if (path == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "%s: out of memory", key);
    }
    code = file_make_parents(store, path, err);
    if (code == PS_OK &&
        renameat2(AT_FDCWD, from, AT_FDCWD, path, create_only ? RENAME_NOREPLACE : 0) != 0) {
        code = errno == EISDIR ? ps_err_set(err, PS_E_INVALID, "%s: is a directory", path)
                               : ps_err_set_errno(err, errno, "%s", path);
    }
    if (code == PS_OK) {
        code = file_sync_parent(path, err);
    }
    free(path);
    return code;
}

enum ps_code file_write_all(int fd, const char *path, uint64_t offset, const void *data,
                            size_t size_bytes, struct ps_err *err)
{
    const char *at = data;

    while (size_bytes > 0) {
        ssize_t put_bytes = pwrite(fd, at, size_bytes, (off_t)offset);

        if (put_bytes < 0 && errno == EINTR) {
            continue;
        }
        if (put_bytes < 0) {
            return ps_err_set_errno(err, errno, "%s: write at %" PRIu64, path, offset);
        }
        at += put_bytes;
        offset += (uint64_t)put_bytes;
        size_bytes -= (size_t)put_bytes;
    }
    return PS_OK;
}

const char *file_etag(const struct stat *status, char *text)
{
    (void)snprintf(text, 64, "\"%" PRIx64 "-%" PRIx64 "-%" PRIx64 "\"", (uint64_t)status->st_size,
                   (uint64_t)status->st_mtim.tv_sec * 1000000000U +
                       (uint64_t)status->st_mtim.tv_nsec,
                   (uint64_t)status->st_ino);
    return text;
}

enum ps_code file_write_small(const struct file_store *store, const char *path, const void *data,
                              size_t size_bytes, struct ps_err *err)
{
    char *temp = ps_str_format("%s.tmp", path);
    enum ps_code code = PS_OK;
    int fd = -1;

    if (temp == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "%s: out of memory", path);
    }
    code = file_make_parents(store, path, err);
    if (code != PS_OK) {
        goto out;
    }
    fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (fd < 0) {
        code = ps_err_set_errno(err, errno, "%s", temp);
        goto out;
    }
    code = file_write_all(fd, temp, 0, data, size_bytes, err);
    if (code == PS_OK && (fsync(fd) != 0 || rename(temp, path) != 0)) {
        code = ps_err_set_errno(err, errno, "%s", path);
    }
    if (code == PS_OK) {
        code = file_sync_parent(path, err);
    }
out:
    if (fd >= 0) {
        (void)close(fd);
    }
    free(temp);
    return code;
}

enum ps_code file_read_small(const char *path, struct ps_buf *buf, struct ps_err *err)
{
    FILE *file = fopen(path, "re");
    char chunk[4096];
    size_t got_bytes;
    enum ps_code code = PS_OK;

    if (file == NULL) {
        return ps_err_set_errno(err, errno, "%s", path);
    }
    do {
        got_bytes = fread(chunk, 1, sizeof(chunk), file);
        code = ps_buf_append(buf, chunk, got_bytes, err);
    } while (code == PS_OK && got_bytes == sizeof(chunk));
    if (code == PS_OK && ferror(file) != 0) {
        code = ps_err_set_errno(err, EIO, "%s", path);
    }
    (void)fclose(file); /* only read */
    return code;
}
