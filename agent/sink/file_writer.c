#include "sink/file_writer.h"

#include "sink/dest_tree_internal.h"

#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct ps_file_writer {
    int fd;
    char *path;
    char *temp_path;
    char *dir; /* of both */
    uint64_t size_bytes;
};

static bool split_path(struct ps_file_writer *writer, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;

    writer->path = ps_strdup(path);
    writer->dir = slash == NULL   ? ps_strdup(".")
                  : slash == path ? ps_strdup("/")
                                  : ps_strndup(path, (size_t)(slash - path));
    writer->temp_path = ps_str_format("%.*s.%s.purser-get", (int)(name - path), path, name);
    return writer->path != NULL && writer->dir != NULL && writer->temp_path != NULL;
}

static enum ps_code check_target(const char *path, struct ps_err *err)
{
    struct stat status;

    if (stat(path, &status) == 0 && S_ISDIR(status.st_mode)) {
        return ps_err_set(err, PS_E_INVALID, "%s: is a directory: name a file in it", path);
    }
    return PS_OK;
}

static enum ps_code allocate(struct ps_file_writer *writer, struct ps_err *err)
{
    int rc = 0;

    if (ftruncate(writer->fd, 0) != 0 || ftruncate(writer->fd, (off_t)writer->size_bytes) != 0) {
        return ps_err_set_errno(err, errno, "%s: make room for %" PRIu64 " bytes", writer->path,
                                writer->size_bytes);
    }
    if (writer->size_bytes > 0) {
        rc = fallocate(writer->fd, 0, 0, (off_t)writer->size_bytes) == 0 ? 0 : errno;
    }
    if (rc != 0 && rc != EOPNOTSUPP && rc != ENOSYS) {
        return ps_err_set_errno(err, rc, "%s: make room for %" PRIu64 " bytes", writer->path,
                                writer->size_bytes);
    }
    return PS_OK;
}

static enum ps_code open_temp(struct ps_file_writer *writer, bool keep, bool *kept_out,
                              struct ps_err *err)
{
    struct stat status;

    /* O_NOFOLLOW: in a directory that others may write to, a link must not lead us elsewhere. */
    writer->fd = open(writer->temp_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (writer->fd < 0) {
        return ps_err_set_errno(err, errno, "%s", writer->path);
    }
    if (fstat(writer->fd, &status) != 0) {
        return ps_err_set_errno(err, errno, "%s", writer->path);
    }
    *kept_out = keep && S_ISREG(status.st_mode) && (uint64_t)status.st_size == writer->size_bytes;
    return *kept_out ? PS_OK : allocate(writer, err);
}

enum ps_code ps_file_writer_open(struct ps_file_writer **writer_out, const char *path,
                                 uint64_t size_bytes, bool keep, bool *kept_out, struct ps_err *err)
{
    struct ps_file_writer *writer = calloc(1, sizeof(*writer));
    enum ps_code code;

    if (writer == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "%s: out of memory", path);
    }
    writer->fd = -1;
    writer->size_bytes = size_bytes;
    code = split_path(writer, path) ? check_target(path, err)
                                    : ps_err_set(err, PS_E_NO_MEMORY, "%s: out of memory", path);
    if (code == PS_OK) {
        code = open_temp(writer, keep, kept_out, err);
        if (code != PS_OK && writer->fd >= 0) {
            ps_file_writer_discard(writer);
        }
    }
    if (code != PS_OK) {
        ps_file_writer_close(writer);
        return code;
    }
    *writer_out = writer;
    return PS_OK;
}

void ps_file_writer_close(struct ps_file_writer *writer)
{
    if (writer == NULL) {
        return;
    }
    if (writer->fd >= 0) {
        (void)close(writer->fd); /* what matters was synced before */
    }
    free(writer->path);
    free(writer->temp_path);
    free(writer->dir);
    free(writer);
}

enum ps_code ps_file_writer_write(const struct ps_file_writer *writer, uint64_t offset,
                                  const void *data, size_t size_bytes, struct ps_err *err)
{
    const char *at = data;

    while (size_bytes > 0) {
        ssize_t put_bytes = pwrite(writer->fd, at, size_bytes, (off_t)offset);

        if (put_bytes < 0 && errno == EINTR) {
            continue;
        }
        if (put_bytes < 0) {
            return ps_err_set_errno(err, errno, "%s: write at %" PRIu64, writer->path, offset);
        }
        at += put_bytes;
        offset += (uint64_t)put_bytes;
        size_bytes -= (size_t)put_bytes;
    }
    return PS_OK;
}

enum ps_code ps_file_writer_read(const struct ps_file_writer *writer, uint64_t offset, void *into,
                                 size_t size_bytes, struct ps_err *err)
{
    char *at = into;

    while (size_bytes > 0) {
        ssize_t got_bytes = pread(writer->fd, at, size_bytes, (off_t)offset);

        if (got_bytes < 0 && errno == EINTR) {
            continue;
        }
        if (got_bytes < 0) {
            return ps_err_set_errno(err, errno, "%s: read back at %" PRIu64, writer->temp_path,
                                    offset);
        }
        if (got_bytes == 0) {
            return ps_err_set(err, PS_E_CHANGED, "%s: truncated by someone else",
                              writer->temp_path);
        }
        at += got_bytes;
        offset += (uint64_t)got_bytes;
        size_bytes -= (size_t)got_bytes;
    }
    return PS_OK;
}

enum ps_code ps_file_writer_sync(const struct ps_file_writer *writer, struct ps_err *err)
{
    if (fdatasync(writer->fd) != 0) {
        return ps_err_set_errno(err, errno, "%s: sync", writer->path);
    }
    return PS_OK;
}

static enum ps_code sync_dir(const struct ps_file_writer *writer, struct ps_err *err)
{
    int fd = open(writer->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum ps_code code = PS_OK;

    if (fd < 0) {
        return ps_err_set_errno(err, errno, "%s", writer->dir);
    }
    /* Some file systems cannot sync a directory; they say EINVAL and order the rename themselves. */
    if (fsync(fd) != 0 && errno != EINVAL) {
        code = ps_err_set_errno(err, errno, "%s: sync", writer->dir);
    }
    (void)close(fd);
    return code;
}

enum ps_code ps_file_writer_set_attributes(const struct ps_file_writer *writer,
                                           const struct ps_dest_attributes *attributes,
                                           struct ps_err *err)
{
    return ps_dest_set_attributes(writer->fd, attributes, writer->path, err);
}

enum ps_code ps_file_writer_publish(struct ps_file_writer *writer, struct ps_err *err)
{
    if (fsync(writer->fd) != 0) {
        return ps_err_set_errno(err, errno, "%s: sync", writer->path);
    }
    if (rename(writer->temp_path, writer->path) != 0) {
        return ps_err_set_errno(err, errno, "%s: rename", writer->path);
    }
    return sync_dir(writer, err);
}

void ps_file_writer_discard(struct ps_file_writer *writer)
{
    (void)unlink(writer->temp_path); /* gone already is as good */
}
