#include "tests/support/archive_judge.h"

#include "base/str.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#define JUDGE "python3 " PS_SOURCE_DIR "/tests/support/archive_judge.py"

static char *new_file(int *fd_out)
{
    const char *dir = getenv("TMPDIR");
    char *path = ps_str_format("%s/purser-archive-XXXXXX", dir != NULL ? dir : "/tmp");

    cr_assert_not_null(path);
    *fd_out = mkstemp(path);
    cr_assert_geq(*fd_out, 0, "%s", path);
    return path;
}

static void read_all(FILE *file, struct ps_buf *out)
{
    char chunk[65536];
    size_t got_bytes;

    do {
        got_bytes = fread(chunk, 1, sizeof(chunk), file);
        cr_assert_eq(ps_buf_append(out, chunk, got_bytes, NULL), PS_OK);
    } while (got_bytes == sizeof(chunk));
}

void archive_judge_list(const char *format, const struct ps_buf *archive, struct ps_buf *rows_out)
{
    int fd = -1;
    char *path = new_file(&fd);
    FILE *file = fdopen(fd, "w");
    char *command = ps_str_format(JUDGE " list %s %s 2>&1", format, path);
    FILE *judge;
    int status;

    cr_assert(file != NULL && command != NULL);
    cr_assert_eq(fwrite(ps_buf_peek(archive), 1, archive->size_bytes, file), archive->size_bytes);
    cr_assert_eq(fclose(file), 0);
    judge = popen(command, "re");
    cr_assert_not_null(judge);
    read_all(judge, rows_out);
    status = pclose(judge);
    (void)unlink(path);
    cr_assert_eq(status, 0, "%s: %s", format, ps_buf_peek(rows_out));
    free(command);
    free(path);
}

void archive_judge_make(const char *name, struct ps_buf *archive_out)
{
    int fd = -1;
    char *path = new_file(&fd);
    char *command = ps_str_format(JUDGE " make %s %s", name, path);
    FILE *file;

    cr_assert_not_null(command);
    cr_assert_eq(system(command), 0, "%s", command);
    file = fdopen(fd, "r");
    cr_assert_not_null(file);
    read_all(file, archive_out);
    (void)fclose(file);
    (void)unlink(path);
    free(command);
    free(path);
}

void archive_judge_row(struct ps_buf *rows, const char *name, const void *bytes, size_t size_bytes,
                       int64_t mtime_unix_s)
{
    uLong sum = crc32_z(0, bytes, size_bytes);

    cr_assert_eq(ps_buf_append_format(rows, NULL, "file %s %zu %" PRId64 " 644 %08lx\n", name,
                                      size_bytes, mtime_unix_s, sum),
                 PS_OK);
}

char *archive_judge_noise(size_t size_bytes)
{
    char *bytes = malloc(size_bytes + 8);
    uint64_t state = 12345;

    cr_assert_not_null(bytes);
    for (size_t at = 0; at < size_bytes; at += 5) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        for (size_t i = 0; i < 5; i++) {
            bytes[at + i] = (char)(state >> (8 * (i + 3)));
        }
    }
    return bytes;
}
