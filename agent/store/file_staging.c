#include "store/file_internal.h"

#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* ROOT/.purser/tmp holds what is being made: the file of a put, the directory of an upload that begins. It is renamed
 * to its place when it is whole, so whatever a kill leaves is here. Whoever makes something holds a shared lock on tmp,
 * and the kernel lets go of it when he dies: who gets it exclusively knows that all of tmp is left over. */

char *file_staging_path(const struct file_store *store, const char *name)
{
    return ps_str_format("%s/" FILE_DIR_NAME "/tmp/%s", store->root_dir, name);
}

static int open_tmp(const struct file_store *store)
{
    char *path = file_staging_path(store, "");
    int fd = path != NULL ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW) : -1;

    free(path);
    return fd;
}

enum ps_code file_staging_enter(const struct file_store *store, int *lock_fd_out,
                                struct ps_err *err)
{
    char *inside = file_staging_path(store, "");
    enum ps_code code = inside != NULL ? file_make_parents(store, inside, err)
                                       : ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    int fd = -1;

    free(inside);
    if (code != PS_OK) {
        return code;
    }
    fd = open_tmp(store);
    if (fd < 0) {
        return ps_err_set_errno(err, errno, "%s/" FILE_DIR_NAME "/tmp", store->root_dir);
    }
    /* A file system without locks has no sweeping either: what is made there is as safe. */
    (void)flock(fd, LOCK_SH);
    *lock_fd_out = fd;
    return PS_OK;
}

void file_staging_leave(int *lock_fd)
{
    if (*lock_fd >= 0) {
        (void)close(*lock_fd);
    }
    *lock_fd = -1;
}

/* tmp has files, and directories of files. */
static void remove_staged(int tmp_fd, const char *name)
{
    int fd;
    DIR *dir;

    if (unlinkat(tmp_fd, name, 0) == 0 || errno == ENOENT) {
        return;
    }
    fd = openat(tmp_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir == NULL) {
        if (fd >= 0) {
            (void)close(fd);
        }
        return;
    }
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            (void)unlinkat(dirfd(dir), entry->d_name, 0);
        }
    }
    (void)closedir(dir);
    (void)unlinkat(tmp_fd, name, AT_REMOVEDIR);
}

void file_staging_sweep(const struct file_store *store)
{
    int lock_fd = open_tmp(store);
    int list_fd = lock_fd >= 0 && flock(lock_fd, LOCK_EX | LOCK_NB) == 0 ? dup(lock_fd) : -1;
    DIR *dir = list_fd >= 0 ? fdopendir(list_fd) : NULL;

    if (dir == NULL && list_fd >= 0) {
        (void)close(list_fd);
    }
    if (dir != NULL) {
        for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
            if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
                remove_staged(dirfd(dir), entry->d_name);
            }
        }
        (void)closedir(dir);
    }
    file_staging_leave(&lock_fd);
}
