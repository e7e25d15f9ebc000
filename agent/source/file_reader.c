#include "source/file_reader.h"

#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

struct ps_file_reader {
    int fd;
    char *path;
    struct ps_file_identity identity;
};

static struct ps_file_identity identity_of(const struct stat *status)
{
    return (struct ps_file_identity){
        .device = (uint64_t)status->st_dev,
        .inode = (uint64_t)status->st_ino,
        .size_bytes = (uint64_t)status->st_size,
        .mtime_ns = (int64_t)status->st_mtim.tv_sec * 1000000000 + (int64_t)status->st_mtim.tv_nsec,
    };
}

static enum ps_code check_kind(const struct stat *status, const char *path, struct ps_err *err)
{
    if (S_ISDIR(status->st_mode)) {
        return ps_err_set(err, PS_E_INVALID,
                          "%s: is a directory: --archive tar.gz sends it as one object, --archive "
                          "none each file",
                          path);
    }
    if (!S_ISREG(status->st_mode)) {
        return ps_err_set(err, PS_E_INVALID,
                          "%s: is no regular file: pipe it in and give - as the source", path);
    }
    return PS_OK;
}

enum ps_code ps_file_reader_open(struct ps_file_reader **reader_out, const char *path,
                                 struct ps_err *err)
{
    struct ps_file_reader *reader = calloc(1, sizeof(*reader));
    struct stat status;
    enum ps_code code;

    if (reader == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "%s: out of memory", path);
    }
    /* O_NONBLOCK: opening a fifo must not wait for its writer before we can refuse it. */
    reader->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (reader->fd < 0) {
        code = ps_err_set_errno(err, errno, "%s", path);
        goto out;
    }
    if (fstat(reader->fd, &status) != 0) {
        code = ps_err_set_errno(err, errno, "%s", path);
        goto out;
    }
    code = check_kind(&status, path, err);
    if (code != PS_OK) {
        goto out;
    }
    reader->path = ps_strdup(path);
    if (reader->path == NULL) {
        code = ps_err_set(err, PS_E_NO_MEMORY, "%s: out of memory", path);
        goto out;
    }
    reader->identity = identity_of(&status);
    *reader_out = reader;
    reader = NULL;
out:
    ps_file_reader_close(reader);
    return code;
}

void ps_file_reader_close(struct ps_file_reader *reader)
{
    if (reader == NULL) {
        return;
    }
    if (reader->fd >= 0) {
        (void)close(reader->fd); /* opened for reading: nothing can be lost */
    }
    free(reader->path);
    free(reader);
}

const struct ps_file_identity *ps_file_reader_identity(const struct ps_file_reader *reader)
{
    return &reader->identity;
}

static enum ps_code compare(const struct ps_file_reader *reader, const struct stat *status,
                            struct ps_err *err)
{
    struct ps_file_identity now = identity_of(status);
    const struct ps_file_identity *then = &reader->identity;

    if (now.device != then->device || now.inode != then->inode) {
        return ps_err_set(err, PS_E_CHANGED, "%s: was replaced by another file", reader->path);
    }
    if (now.size_bytes != then->size_bytes) {
        return ps_err_set(err, PS_E_CHANGED,
                          "%s: changed size from %" PRIu64 " to %" PRIu64 " bytes", reader->path,
                          then->size_bytes, now.size_bytes);
    }
    if (now.mtime_ns != then->mtime_ns) {
        return ps_err_set(err, PS_E_CHANGED, "%s: was written to during the upload", reader->path);
    }
    return PS_OK;
}

enum ps_code ps_file_reader_check(const struct ps_file_reader *reader, struct ps_err *err)
{
    struct stat status;
    enum ps_code code;

    if (fstat(reader->fd, &status) != 0) {
        return ps_err_set_errno(err, errno, "%s", reader->path);
    }
    code = compare(reader, &status, err);
    if (code != PS_OK) {
        return code;
    }
    if (stat(reader->path, &status) != 0) {
        /* Removed while it was read: what we hold open is still the file that was meant. */
        return errno == ENOENT ? PS_OK : ps_err_set_errno(err, errno, "%s", reader->path);
    }
    return compare(reader, &status, err);
}

static enum ps_code truncated(const struct ps_file_reader *reader, uint64_t offset,
                              struct ps_err *err)
{
    return ps_err_set(err, PS_E_CHANGED, "%s: truncated: no bytes at %" PRIu64 " of %" PRIu64,
                      reader->path, offset, reader->identity.size_bytes);
}

enum ps_code ps_file_reader_read(const struct ps_file_reader *reader, uint64_t offset, void *into,
                                 size_t size, struct ps_err *err)
{
    char *at = into;

    while (size > 0) {
        ssize_t got_bytes = pread(reader->fd, at, size, (off_t)offset);

        if (got_bytes < 0 && errno == EINTR) {
            continue;
        }
        if (got_bytes < 0) {
            return ps_err_set_errno(err, errno, "%s: read at %" PRIu64, reader->path, offset);
        }
        if (got_bytes == 0) {
            return truncated(reader, offset, err);
        }
        at += got_bytes;
        size -= (size_t)got_bytes;
        offset += (uint64_t)got_bytes;
    }
    return PS_OK;
}

enum ps_code ps_file_reader_read_cached(const struct ps_file_reader *reader, uint64_t offset,
                                        void *into, size_t size, size_t *got_out,
                                        struct ps_err *err)
{
    struct iovec vector = { .iov_base = into, .iov_len = size };
    ssize_t got_bytes;

    do {
        got_bytes = preadv2(reader->fd, &vector, 1, (off_t)offset, RWF_NOWAIT);
        if (got_bytes < 0 && (errno == EOPNOTSUPP || errno == ENOSYS)) {
            /* This file system cannot tell. A worker has just read these bytes to hash them. */
            got_bytes = pread(reader->fd, into, size, (off_t)offset);
        }
    } while (got_bytes < 0 && errno == EINTR);
    if (got_bytes < 0 && errno == EAGAIN) {
        *got_out = 0;
        return PS_OK;
    }
    if (got_bytes < 0) {
        return ps_err_set_errno(err, errno, "%s: read at %" PRIu64, reader->path, offset);
    }
    if (got_bytes == 0) {
        return truncated(reader, offset, err);
    }
    *got_out = (size_t)got_bytes;
    return PS_OK;
}
