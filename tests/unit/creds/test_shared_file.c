#include "creds/shared_file.h"

#include "base/buf.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(shared_file, .timeout = 20);

static void on_section(void *user, const char *section, unsigned line)
{
    cr_assert_eq(ps_buf_append_format(user, NULL, "%u[%s] ", line, section), PS_OK);
}

static void on_setting(void *user, const char *section, const char *name, const char *value,
                       unsigned line)
{
    cr_assert_eq(ps_buf_append_format(user, NULL, "%u%s/%s=<%s> ", line, section, name, value),
                 PS_OK);
}

static const struct ps_shared_file_handler handler = { on_section, on_setting };

/* On the heap and cut to size, so that a byte too far is seen by the sanitizer. */
static enum ps_code parse(const char *content, size_t size, struct ps_buf *seen, struct ps_err *err)
{
    char *text = malloc(size + 1);
    enum ps_code code;

    memcpy(text, content, size);
    code = ps_shared_file_parse("file", text, size, &handler, seen, err);
    free(text);
    return code;
}

/* AWS SDKs and Tools Reference Guide, "Shared config and credentials files"; the AWS CLI for indented lines. */
static const struct {
    const char *name;
    const char *content;
    const char *seen;
} good_rows[] = {
    { "nothing", "", "" },
    { "comments and blank lines", "# a\n; b\n\n  # c\n", "" },
    { "a section and its settings", "[default]\na = 1\nb=2\n",
      "1[default] 2default/a=<1> 3default/b=<2> " },
    { "no newline at the end", "[default]\na = 1", "1[default] 2default/a=<1> " },
    { "CRLF", "[default]\r\na = 1\r\n\r\n", "1[default] 2default/a=<1> " },
    { "byte order mark", "\xef\xbb\xbf[default]\na = 1\n", "1[default] 2default/a=<1> " },
    { "blanks everywhere", "[ default ]  \n a\t=\t1 \t\n", "1[default] 2default/a=<1> " },
    { "blanks in a section's name", "[profile a b]\n", "1[profile a b] " },
    { "a value with '='", "[d]\ntoken = a==\n", "1[d] 2d/token=<a==> " },
    { "an empty value", "[d]\na =\nb = \n", "1[d] 2d/a=<> 3d/b=<> " },
    { "comments behind a blank", "[d] # x\na = 1 # 2\nb = 1#2 ;3\n[e];y\n",
      "1[d] 2d/a=<1> 3d/b=<1#2> 4[e] " },
    { "a comment for a value", "[d]\na = # none\n", "1[d] 2d/a=<> " },
    { "nested settings are left out",
      "[d]\ns3 =\n  region = x\n\taddressing_style = path\nregion = y\n",
      "1[d] 2d/s3=<> 5d/region=<y> " },
    { "all settings indented alike", "[d]\n  a = 1\n  b = 2\n    c = 3\n  d = 4\n[e]\n a = 5\n",
      "1[d] 2d/a=<1> 3d/b=<2> 5d/d=<4> 6[e] 7e/a=<5> " },
    { "nested lines need no '='", "[d]\na = 1\n  goes on\n", "1[d] 2d/a=<1> " },
    { "sections that repeat", "[d]\na = 1\n[d]\na = 2\n", "1[d] 2d/a=<1> 3[d] 4d/a=<2> " },
};

Test(shared_file, reads_sections_and_settings)
{
    for (size_t i = 0; i < sizeof(good_rows) / sizeof(good_rows[0]); i++) {
        struct ps_buf seen = { 0 };
        struct ps_err err = { 0 };

        cr_assert_eq(parse(good_rows[i].content, strlen(good_rows[i].content), &seen, &err), PS_OK,
                     "%s: %s", good_rows[i].name, err.message);

        cr_expect_str_eq(ps_buf_peek(&seen), good_rows[i].seen, "%s: %s", good_rows[i].name,
                         ps_buf_peek(&seen));
        ps_buf_clear(&seen);
    }
}

Test(shared_file, names_file_and_line_of_a_mistake_but_not_its_text)
{
    static const struct {
        const char *content;
        size_t size; /* 0 = all of it */
        const char *place;
    } rows[] = {
        { "[d]\nhunter2\n", 0, "file:2: " }, { "[d]\n\n= hunter2\n", 0, "file:3: " },
        { "a = hunter2\n", 0, "file:1: " },  { "[hunter2\na = 1\n", 0, "file:1: " },
        { "[d] hunter2\n", 0, "file:1: " },  { "[]\n", 0, "file:1: " },
        { "[  ]\n", 0, "file:1: " },         { "[d]\na = b\0c\n", 12, "file:2: " },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t size = rows[i].size != 0 ? rows[i].size : strlen(rows[i].content);
        struct ps_buf seen = { 0 };
        struct ps_err err = { 0 };

        cr_expect_eq(parse(rows[i].content, size, &seen, &err), PS_E_INVALID, "row %zu", i);

        cr_expect_eq(strncmp(err.message, rows[i].place, strlen(rows[i].place)), 0, "row %zu: %s",
                     i, err.message);
        cr_expect_null(strstr(err.message, "hunter2"), "row %zu: %s", i, err.message);
        ps_buf_clear(&seen);
    }
}

Test(shared_file, tells_apart_what_cannot_be_read)
{
    char directory[] = "/tmp/purser-shared-file-XXXXXX";
    char path[128];
    struct ps_buf seen = { 0 };
    struct ps_err err;

    cr_assert_not_null(mkdtemp(directory));
    (void)snprintf(path, sizeof(path), "%s/f", directory);
    cr_expect_eq(ps_shared_file_read(path, &handler, &seen, &err), PS_E_NOT_FOUND);
    cr_expect_eq(ps_shared_file_read(directory, &handler, &seen, &err), PS_E_INVALID);
    cr_assert_eq(mkfifo(path, 0600), 0);
    cr_expect_eq(ps_shared_file_read(path, &handler, &seen, &err), PS_E_INVALID);
    cr_expect_eq(seen.size_bytes, 0);
    (void)unlink(path);
    (void)rmdir(directory);
}

Test(shared_file, refuses_a_file_that_is_too_large)
{
    char directory[] = "/tmp/purser-shared-file-XXXXXX";
    char path[128];
    struct ps_buf seen = { 0 };
    struct ps_err err;
    FILE *file;

    cr_assert_not_null(mkdtemp(directory));
    (void)snprintf(path, sizeof(path), "%s/f", directory);
    file = fopen(path, "w");
    cr_assert_not_null(file);
    cr_assert_eq(ftruncate(fileno(file), (off_t)PS_SHARED_FILE_MAX_BYTES + 1), 0);
    (void)fclose(file);
    cr_expect_eq(ps_shared_file_read(path, &handler, &seen, &err), PS_E_TOO_LARGE);
    (void)unlink(path);
    (void)rmdir(directory);
}
