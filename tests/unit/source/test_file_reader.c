#include "source/file_reader.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(file_reader, .timeout = 20);

enum {
    FILE_SIZE_BYTES = 100003
};

struct folder {
    char dir[40];
    char path[64];
    char other[64];
    unsigned char bytes[FILE_SIZE_BYTES];
};

static void write_file(const char *path, const void *data, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, data, size), (ssize_t)size);
    (void)close(fd);
}

/* A time of our own, so that "written to" does not depend on the resolution of the clock. */
static void set_mtime(const char *path, long seconds, long nanoseconds)
{
    const struct timespec times[2] = { { seconds, nanoseconds }, { seconds, nanoseconds } };

    cr_assert_eq(utimensat(AT_FDCWD, path, times, 0), 0);
}

static struct folder *folder_new(void)
{
    struct folder *folder = calloc(1, sizeof(*folder));

    for (size_t i = 0; i < sizeof(folder->bytes); i++) {
        folder->bytes[i] = (unsigned char)(i * 7 + (i >> 8));
    }
    (void)snprintf(folder->dir, sizeof(folder->dir), "/tmp/ps_file_reader_XXXXXX");
    cr_assert_not_null(mkdtemp(folder->dir));
    (void)snprintf(folder->path, sizeof(folder->path), "%s/a.bin", folder->dir);
    (void)snprintf(folder->other, sizeof(folder->other), "%s/b.bin", folder->dir);
    write_file(folder->path, folder->bytes, sizeof(folder->bytes));
    set_mtime(folder->path, 1000000000, 123456789);
    return folder;
}

static void folder_free(struct folder *folder)
{
    (void)unlink(folder->path);
    (void)unlink(folder->other);
    cr_assert_eq(rmdir(folder->dir), 0, "something was left behind");
    free(folder);
}

static struct ps_file_reader *open_reader(const struct folder *folder)
{
    struct ps_file_reader *reader = NULL;
    struct ps_err err;

    cr_assert_eq(ps_file_reader_open(&reader, folder->path, &err), PS_OK, "%s", err.message);
    return reader;
}

Test(file_reader, knows_the_file_by_device_inode_size_and_time)
{
    struct folder *folder = folder_new();
    struct ps_file_reader *reader = open_reader(folder);
    const struct ps_file_identity *identity = ps_file_reader_identity(reader);
    struct stat status;

    cr_assert_eq(stat(folder->path, &status), 0);
    cr_assert_eq(identity->device, status.st_dev);
    cr_assert_eq(identity->inode, status.st_ino);
    cr_assert_eq(identity->size_bytes, FILE_SIZE_BYTES);
    cr_assert_eq(identity->mtime_ns, 1000000000123456789);
    ps_file_reader_close(reader);
    folder_free(folder);
}

Test(file_reader, reads_any_range)
{
    static const struct row {
        uint64_t offset;
        size_t size;
    } rows[] = {
        { 0, 0 },       { 0, 1 },     { 0, FILE_SIZE_BYTES }, { FILE_SIZE_BYTES - 1, 1 },
        { 4095, 4098 }, { 65535, 2 }, { FILE_SIZE_BYTES, 0 },
    };
    struct folder *folder = folder_new();
    struct ps_file_reader *reader = open_reader(folder);
    unsigned char *into = malloc(FILE_SIZE_BYTES);

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ps_err err;

        cr_assert_eq(ps_file_reader_read(reader, rows[i].offset, into, rows[i].size, &err), PS_OK,
                     "row %zu: %s", i, err.message);
        cr_assert_eq(memcmp(into, folder->bytes + rows[i].offset, rows[i].size), 0, "row %zu", i);
    }
    free(into);
    ps_file_reader_close(reader);
    folder_free(folder);
}

/* How much is in memory is the kernel's affair; what comes must be right and make progress after a read. */
Test(file_reader, cached_reads_give_the_bytes_that_a_worker_has_read)
{
    struct folder *folder = folder_new();
    struct ps_file_reader *reader = open_reader(folder);
    unsigned char *into = malloc(FILE_SIZE_BYTES);
    uint64_t offset = 0;

    for (int i = 0; i < 10000 && offset < FILE_SIZE_BYTES; i++) {
        size_t got = 99;
        struct ps_err err;

        cr_assert_eq(ps_file_reader_read_cached(reader, offset, into, FILE_SIZE_BYTES, &got, &err),
                     PS_OK, "%s", err.message);
        if (got == 0) {
            cr_assert_eq(ps_file_reader_read(reader, offset, into, FILE_SIZE_BYTES - offset, &err),
                         PS_OK);
            continue;
        }
        cr_assert_leq(got, FILE_SIZE_BYTES - offset);
        cr_assert_eq(memcmp(into, folder->bytes + offset, got), 0);
        offset += got;
    }
    cr_assert_eq(offset, FILE_SIZE_BYTES);
    free(into);
    ps_file_reader_close(reader);
    folder_free(folder);
}

Test(file_reader, a_file_that_was_cut_is_no_silent_short_read)
{
    struct folder *folder = folder_new();
    struct ps_file_reader *reader = open_reader(folder);
    unsigned char into[8];
    size_t got = 99;
    struct ps_err err;

    cr_assert_eq(truncate(folder->path, 50000), 0);

    cr_assert_eq(ps_file_reader_read(reader, 49996, into, 8, &err), PS_E_CHANGED);
    cr_assert_not_null(strstr(err.message, "truncated: no bytes at 50000 of 100003"), "%s",
                       err.message);
    cr_assert_eq(ps_file_reader_read(reader, FILE_SIZE_BYTES + 5000, into, 1, &err), PS_E_CHANGED);
    cr_assert_eq(ps_file_reader_read_cached(reader, 50000, into, 8, &got, &err), PS_E_CHANGED);
    cr_assert_eq(got, 99, "untouched on failure");
    ps_file_reader_close(reader);
    folder_free(folder);
}

static void touch(const struct folder *folder)
{
    set_mtime(folder->path, 1000000000, 123456790);
}

static void grow(const struct folder *folder)
{
    cr_assert_eq(truncate(folder->path, FILE_SIZE_BYTES + 1), 0);
    set_mtime(folder->path, 1000000000, 123456789);
}

static void cut(const struct folder *folder)
{
    cr_assert_eq(truncate(folder->path, 0), 0);
    set_mtime(folder->path, 1000000000, 123456789);
}

/* Another file of the same size and time: only the inode tells. */
static void replace(const struct folder *folder)
{
    write_file(folder->other, folder->bytes, sizeof(folder->bytes));
    set_mtime(folder->other, 1000000000, 123456789);
    cr_assert_eq(rename(folder->other, folder->path), 0);
}

static void leave_alone(const struct folder *folder)
{
    (void)folder;
}

/* What is held open is still the file that was meant. */
static void remove_path(const struct folder *folder)
{
    cr_assert_eq(unlink(folder->path), 0);
}

Test(file_reader, sees_what_was_done_to_the_file)
{
    static const struct row {
        const char *name;
        void (*act)(const struct folder *folder);
        enum ps_code code;
        const char *words;
    } rows[] = {
        { "nothing", leave_alone, PS_OK, "" },
        { "touched by a nanosecond", touch, PS_E_CHANGED, "was written to during the upload" },
        { "grown", grow, PS_E_CHANGED, "changed size from 100003 to 100004 bytes" },
        { "cut", cut, PS_E_CHANGED, "changed size from 100003 to 0 bytes" },
        { "replaced", replace, PS_E_CHANGED, "was replaced by another file" },
        { "removed", remove_path, PS_OK, "" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct folder *folder = folder_new();
        struct ps_file_reader *reader = open_reader(folder);
        struct ps_err err = { .code = PS_OK };

        rows[i].act(folder);
        cr_assert_eq(ps_file_reader_check(reader, &err), rows[i].code, "%s: %s", rows[i].name,
                     err.message);
        cr_assert_not_null(strstr(err.message, rows[i].words), "%s: %s", rows[i].name, err.message);
        ps_file_reader_close(reader);
        folder_free(folder);
    }
}

Test(file_reader, refuses_what_is_no_file)
{
    struct folder *folder = folder_new();
    struct ps_file_reader *reader = NULL;
    struct ps_err err;

    cr_assert_eq(mkfifo(folder->other, 0600), 0);

    cr_assert_eq(ps_file_reader_open(&reader, folder->dir, &err), PS_E_INVALID);
    cr_assert_not_null(strstr(err.message, "is a directory"), "%s", err.message);
    cr_assert_eq(ps_file_reader_open(&reader, folder->other, &err), PS_E_INVALID,
                 "a fifo, and without waiting for its writer");
    cr_assert_eq(ps_file_reader_open(&reader, "/dev/null", &err), PS_E_INVALID);
    cr_assert_eq(ps_file_reader_open(&reader, "/nowhere/a", &err), PS_E_NOT_FOUND);
    cr_assert_eq(ps_file_reader_open(&reader, "", &err), PS_E_NOT_FOUND);
    cr_assert_null(reader, "untouched on failure");
    ps_file_reader_close(NULL);
    folder_free(folder);
}

Test(file_reader, follows_a_symbolic_link)
{
    struct folder *folder = folder_new();
    struct ps_file_reader *reader = NULL;

    cr_assert_eq(symlink("a.bin", folder->other), 0);

    cr_assert_eq(ps_file_reader_open(&reader, folder->other, NULL), PS_OK);

    cr_assert_eq(ps_file_reader_identity(reader)->size_bytes, FILE_SIZE_BYTES);
    cr_assert_eq(ps_file_reader_check(reader, NULL), PS_OK);
    ps_file_reader_close(reader);
    folder_free(folder);
}

Test(file_reader, an_empty_file_has_nothing_to_read)
{
    struct folder *folder = folder_new();
    struct ps_file_reader *reader;
    char byte;

    cr_assert_eq(truncate(folder->path, 0), 0);
    reader = open_reader(folder);

    cr_assert_eq(ps_file_reader_identity(reader)->size_bytes, 0);
    cr_assert_eq(ps_file_reader_read(reader, 0, &byte, 0, NULL), PS_OK);
    cr_assert_eq(ps_file_reader_read(reader, 0, &byte, 1, NULL), PS_E_CHANGED);
    ps_file_reader_close(reader);
    folder_free(folder);
}
