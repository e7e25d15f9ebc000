#include "sink/file_writer.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(file_writer, .timeout = 20);

struct folder {
    char dir[40];
    char path[64];
    char temp[96]; /* as the header names it */
};

static void folder_init(struct folder *folder)
{
    (void)snprintf(folder->dir, sizeof(folder->dir), "/tmp/ps_file_writer_XXXXXX");
    cr_assert_not_null(mkdtemp(folder->dir));
    (void)snprintf(folder->path, sizeof(folder->path), "%s/a.bin", folder->dir);
    (void)snprintf(folder->temp, sizeof(folder->temp), "%s/.a.bin.purser-get", folder->dir);
}

static void folder_clear(const struct folder *folder)
{
    (void)unlink(folder->path);
    (void)unlink(folder->temp);
    cr_assert_eq(rmdir(folder->dir), 0, "something was left behind");
}

static bool exists(const char *path)
{
    struct stat status;

    return lstat(path, &status) == 0;
}

static void put_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    (void)close(fd);
}

/* The first 63 bytes of path as text. */
static const char *text_of(const char *path, char text[64])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, text, 63) : 0;

    text[got > 0 ? got : 0] = '\0';
    if (fd >= 0) {
        (void)close(fd);
    }
    return text;
}

static struct ps_file_writer *open_writer(const struct folder *folder, uint64_t size_bytes,
                                          bool keep, bool *kept)
{
    struct ps_file_writer *writer = NULL;
    struct ps_err err;

    cr_assert_eq(ps_file_writer_open(&writer, folder->path, size_bytes, keep, kept, &err), PS_OK,
                 "%s", err.message);
    return writer;
}

Test(file_writer, the_target_appears_whole_and_only_when_published)
{
    struct folder folder;
    struct ps_file_writer *writer;
    bool kept = true;
    char text[64];
    struct ps_err err;

    folder_init(&folder);
    put_file(folder.path, "the old one");
    writer = open_writer(&folder, 10, false, &kept);
    cr_assert(!kept);
    cr_assert(exists(folder.temp));

    cr_assert_eq(ps_file_writer_write(writer, 5, "56789", 5, &err), PS_OK);
    cr_assert_eq(ps_file_writer_write(writer, 0, "01234", 5, &err), PS_OK);
    cr_assert_eq(ps_file_writer_write(writer, 0, NULL, 0, &err), PS_OK);
    cr_assert_eq(ps_file_writer_sync(writer, &err), PS_OK);
    cr_assert_str_eq(text_of(folder.path, text), "the old one");
    cr_assert_eq(ps_file_writer_publish(writer, &err), PS_OK, "%s", err.message);

    cr_assert_str_eq(text_of(folder.path, text), "0123456789");
    cr_assert(!exists(folder.temp));
    ps_file_writer_close(writer);
    folder_clear(&folder);
}

Test(file_writer, the_room_is_there_from_the_start)
{
    struct folder folder;
    struct ps_file_writer *writer;
    const off_t size = 3 * 1024 * 1024 + 1;
    bool kept;
    struct stat status;

    folder_init(&folder);

    writer = open_writer(&folder, (uint64_t)size, false, &kept);

    cr_assert_eq(stat(folder.temp, &status), 0);
    cr_assert_eq(status.st_size, size);
    ps_file_writer_close(writer);
    folder_clear(&folder);
}

Test(file_writer, what_an_earlier_run_left_is_kept_when_it_fits)
{
    static const struct row {
        const char *name;
        const char *left; /* NULL = no file */
        bool keep;
        bool kept;
        const char *text;
    } rows[] = {
        { "the same size", "0123456789", true, true, "0123456789" },
        { "not asked for", "0123456789", false, false, "" },
        { "too short", "012345678", true, false, "" },
        { "too long", "0123456789x", true, false, "" },
        { "none", NULL, true, false, "" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct folder folder;
        struct ps_file_writer *writer;
        char back[11] = "##########";
        bool kept = !rows[i].kept;

        folder_init(&folder);
        if (rows[i].left != NULL) {
            put_file(folder.temp, rows[i].left);
        }
        writer = open_writer(&folder, 10, rows[i].keep, &kept);
        cr_assert_eq(kept, rows[i].kept, "%s", rows[i].name);
        cr_assert_eq(ps_file_writer_read(writer, 0, back, 10, NULL), PS_OK, "%s", rows[i].name);
        cr_assert_str_eq(back, rows[i].text, "%s: no old bytes in a new file", rows[i].name);
        ps_file_writer_close(writer);
        folder_clear(&folder);
    }
}

Test(file_writer, a_run_that_stops_leaves_its_bytes_for_the_next)
{
    struct folder folder;
    struct ps_file_writer *writer;
    bool kept = false;
    char back[6] = "";

    folder_init(&folder);
    writer = open_writer(&folder, 10, false, &kept);
    cr_assert_eq(ps_file_writer_write(writer, 5, "56789", 5, NULL), PS_OK);
    ps_file_writer_close(writer);
    cr_assert(!exists(folder.path));

    writer = open_writer(&folder, 10, true, &kept);

    cr_assert(kept);
    cr_assert_eq(ps_file_writer_read(writer, 5, back, 5, NULL), PS_OK);
    cr_assert_str_eq(back, "56789");
    ps_file_writer_discard(writer);
    cr_assert(!exists(folder.temp));
    ps_file_writer_discard(writer);
    ps_file_writer_close(writer);
    folder_clear(&folder);
}

Test(file_writer, an_empty_object_is_an_empty_file)
{
    struct folder folder;
    struct ps_file_writer *writer;
    bool kept;
    struct stat status;

    folder_init(&folder);
    writer = open_writer(&folder, 0, false, &kept);

    cr_assert_eq(ps_file_writer_publish(writer, NULL), PS_OK);

    cr_assert_eq(stat(folder.path, &status), 0);
    cr_assert_eq(status.st_size, 0);
    ps_file_writer_close(writer);
    folder_clear(&folder);
}

/* A path without a slash has its temporary file beside it too: in the working directory. */
Test(file_writer, a_plain_name_lies_in_the_working_directory)
{
    struct folder folder;
    struct ps_file_writer *writer = NULL;
    bool kept;

    folder_init(&folder);
    cr_assert_eq(chdir(folder.dir), 0);

    cr_assert_eq(ps_file_writer_open(&writer, "a.bin", 3, false, &kept, NULL), PS_OK);

    cr_assert(exists(folder.temp));
    cr_assert_eq(ps_file_writer_write(writer, 0, "abc", 3, NULL), PS_OK);
    cr_assert_eq(ps_file_writer_publish(writer, NULL), PS_OK);
    cr_assert(exists(folder.path));
    ps_file_writer_close(writer);
    cr_assert_eq(chdir("/"), 0);
    folder_clear(&folder);
}

Test(file_writer, refuses_targets_that_cannot_be_written)
{
    struct folder folder;
    struct ps_file_writer *writer = NULL;
    bool kept;
    struct ps_err err;

    folder_init(&folder);

    cr_assert_eq(ps_file_writer_open(&writer, folder.dir, 1, false, &kept, &err), PS_E_INVALID);
    cr_assert_not_null(strstr(err.message, "is a directory"), "%s", err.message);
    cr_assert_eq(ps_file_writer_open(&writer, "/nowhere/a", 1, false, &kept, &err), PS_E_NOT_FOUND);
    cr_assert_eq(ps_file_writer_open(&writer, folder.path, UINT64_MAX, false, &kept, &err), PS_E_IO,
                 "no size of a file");
    cr_assert(!exists(folder.temp), "nothing is left of a file that could not be made");
    cr_assert_null(writer, "untouched on failure");
    ps_file_writer_close(NULL);
    folder_clear(&folder);
}

/* In a directory that others may write to, a link at the temporary file's name must not lead elsewhere. */
Test(file_writer, never_writes_through_a_symbolic_link)
{
    struct folder folder;
    struct ps_file_writer *writer = NULL;
    bool kept;
    char victim[64];
    char text[64];

    folder_init(&folder);
    (void)snprintf(victim, sizeof(victim), "%s/victim", folder.dir);
    put_file(victim, "precious");
    cr_assert_eq(symlink("victim", folder.temp), 0);

    cr_assert_neq(ps_file_writer_open(&writer, folder.path, 8, true, &kept, NULL), PS_OK);

    cr_assert_str_eq(text_of(victim, text), "precious");
    (void)unlink(victim);
    folder_clear(&folder);
}

/* RLIMIT_FSIZE makes write and ftruncate say EFBIG, as a file system without room for the file does. */
Test(file_writer, no_room_is_told_at_the_start)
{
    const struct rlimit limit = { 4096, RLIM_INFINITY };
    struct rlimit before;
    struct folder folder;
    struct ps_file_writer *writer = NULL;
    bool kept;
    enum ps_code code;

    folder_init(&folder);
    (void)signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);

    code = ps_file_writer_open(&writer, folder.path, 8192, false, &kept, NULL);

    (void)setrlimit(RLIMIT_FSIZE, &before);
    cr_assert_eq(code, PS_E_NO_SPACE);
    cr_assert_null(writer);
    cr_assert(!exists(folder.temp));
    folder_clear(&folder);
}

Test(file_writer, a_file_that_somebody_cut_is_no_silent_short_read)
{
    struct folder folder;
    struct ps_file_writer *writer;
    bool kept;
    char back[10];
    struct ps_err err;

    folder_init(&folder);
    writer = open_writer(&folder, 10, false, &kept);
    cr_assert_eq(truncate(folder.temp, 5), 0);

    cr_assert_eq(ps_file_writer_read(writer, 0, back, 10, &err), PS_E_CHANGED);

    cr_assert_not_null(strstr(err.message, "truncated by someone else"), "%s", err.message);
    ps_file_writer_close(writer);
    folder_clear(&folder);
}

Test(file_writer, publishing_a_file_that_is_gone_is_an_error)
{
    struct folder folder;
    struct ps_file_writer *writer;
    bool kept;
    struct ps_err err;

    folder_init(&folder);
    writer = open_writer(&folder, 1, false, &kept);
    cr_assert_eq(unlink(folder.temp), 0);

    cr_assert_eq(ps_file_writer_publish(writer, &err), PS_E_NOT_FOUND);

    cr_assert(!exists(folder.path));
    ps_file_writer_close(writer);
    folder_clear(&folder);
}
