#include "reclaim/marker.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

TestSuite(marker, .timeout = 20);

static enum ps_code parse(const char *text, struct ps_marker *marker, struct ps_err *err)
{
    char name[PS_MARKER_NAME_SIZE];

    ps_marker_name(text, strlen(text), name);
    return ps_marker_parse(name, text, strlen(text), marker, err);
}

Test(marker, comes_back_as_it_was_written)
{
    const struct ps_marker_entry entries[] = {
        { .key = "wf/a b+%/\xff\xfe", .etag = "\"9a-\xe9\"", .size_bytes = 7, .after_s = 3600 },
        { .key = "x", .etag = "", .mtime_unix_s = 1767225600, .after_s = 1 },
    };
    struct ps_marker_writer writer = { 0 };
    struct ps_marker marker = { 0 };
    char name[PS_MARKER_NAME_SIZE];
    struct ps_err err;

    cr_assert_eq(ps_marker_add(&writer, &entries[0], &err), PS_OK);
    cr_assert_eq(ps_marker_add(&writer, &entries[1], &err), PS_OK);
    cr_assert_eq(ps_marker_end(&writer, name, &err), PS_OK);

    cr_assert_eq(ps_marker_parse(name, writer.text.data, writer.text.size_bytes, &marker, &err),
                 PS_OK, "%s", err.message);
    cr_expect_eq(marker.count, 2);
    cr_expect_str_eq(marker.entries[0].key, entries[0].key);
    cr_expect_str_eq(marker.entries[0].etag, entries[0].etag);
    cr_expect_eq(marker.entries[0].size_bytes, 7);
    cr_expect_eq(marker.entries[0].after_s, 3600);
    cr_expect_eq(marker.entries[1].mtime_unix_s, 1767225600);
    ps_marker_clear(&marker);
    ps_marker_writer_clear(&writer);
}

Test(marker, the_same_delete_has_the_same_name)
{
    const struct ps_marker_entry entry = { .key = "a", .etag = "\"1\"", .after_s = 60 };
    struct ps_marker_writer writer = { 0 };
    char first[PS_MARKER_NAME_SIZE];
    char second[PS_MARKER_NAME_SIZE];

    cr_assert_eq(ps_marker_add(&writer, &entry, NULL), PS_OK);
    cr_assert_eq(ps_marker_end(&writer, first, NULL), PS_OK);
    ps_marker_writer_clear(&writer);
    cr_assert_eq(ps_marker_add(&writer, &entry, NULL), PS_OK);
    cr_assert_eq(ps_marker_end(&writer, second, NULL), PS_OK);
    ps_marker_writer_clear(&writer);

    cr_expect_str_eq(first, second);
}

Test(marker, is_full_at_its_limit_and_still_whole)
{
    struct ps_marker_writer writer = { 0 };
    struct ps_marker marker = { 0 };
    char key[1025];
    char name[PS_MARKER_NAME_SIZE];
    struct ps_err err;

    memset(key, ' ', sizeof(key) - 1); /* three bytes each when it is encoded */
    key[1024] = '\0';
    for (size_t i = 0; i < PS_MARKER_ENTRIES_MAX; i++) {
        const struct ps_marker_entry entry = { .key = key, .etag = "\"0123456789abcdef-12\"" };

        (void)snprintf(key + 1016, 9, "%08zu", i);
        cr_assert_eq(ps_marker_add(&writer, &entry, &err), PS_OK, "%zu: %s", i, err.message);
    }
    cr_expect_eq(ps_marker_add(&writer, &(struct ps_marker_entry){ .key = "a", .etag = "" }, &err),
                 PS_E_TOO_LARGE);

    cr_assert_eq(ps_marker_end(&writer, name, &err), PS_OK);
    cr_assert_eq(ps_marker_parse(name, writer.text.data, writer.text.size_bytes, &marker, &err),
                 PS_OK, "%s", err.message);
    cr_expect_eq(marker.count, PS_MARKER_ENTRIES_MAX);
    ps_marker_clear(&marker);
    ps_marker_writer_clear(&writer);
}

Test(marker, names_nothing_outside_of_its_prefix)
{
    static const char *const keys[] = { "",          "/a",          "..",     "../a",
                                        "a/..",      "a/../b",      "./a",    "a/.",
                                        ".purser/x", "a/.purser/y", ".purser" };

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        cr_expect_not(ps_marker_takes_key(keys[i]), "%s", keys[i]);
    }
    cr_expect(ps_marker_takes_key("a..b/.c/..d/.purser2"));
    cr_expect(ps_marker_takes_key("a//b"));
}

#define OBJECT(fields) "{\"version\": 1, \"objects\": [{" fields "}]}"

Test(marker, what_makes_no_sense_is_told)
{
    static const struct row {
        const char *text;
        enum ps_code code;
        const char *says;
    } rows[] = {
        { "", PS_E_PARSE, "no JSON" },
        { "[]", PS_E_PARSE, "version and objects" },
        { "{\"version\": 2, \"objects\": [], \"more\": 1}", PS_E_UNSUPPORTED, "version 2" },
        { "{\"version\": 1, \"objects\": []}", PS_E_PARSE, "1 to 1000" },
        { "{\"version\": 1, \"objects\": {}}", PS_E_PARSE, "1 to 1000" },
        { "{\"version\": 1, \"objects\": [1], \"x\": 1}", PS_E_PARSE, "nothing else" },
        { "{\"version\": 1, \"objects\": [1]}", PS_E_PARSE, "object 1" },
        { OBJECT("\"key\": \"a\", \"etag\": \"\", \"size\": 1, \"mtime\": 0"), PS_E_PARSE,
          "after" },
        { OBJECT("\"key\": \"a\", \"etag\": \"\", \"size\": -1, \"mtime\": 0, \"after\": 0"),
          PS_E_PARSE, "out of range" },
        { OBJECT(
              "\"key\": \"a\", \"etag\": \"\", \"size\": 1, \"mtime\": 0, \"after\": 9999999999"),
          PS_E_PARSE, "out of range" },
        { OBJECT("\"key\": \"%2e%2e/a\", \"etag\": \"\", \"size\": 1, \"mtime\": 0, \"after\": 0"),
          PS_E_PARSE, "leave the prefix" },
        { OBJECT("\"key\": \"a%00b\", \"etag\": \"\", \"size\": 1, \"mtime\": 0, \"after\": 0"),
          PS_E_PARSE, "no key" },
        { OBJECT("\"key\": \"a\", \"key\": \"a\", \"etag\": \"\", \"size\": 1, \"mtime\": 0, "
                 "\"after\": 0"),
          PS_E_PARSE, "no JSON" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ps_marker marker = { 0 };
        struct ps_err err = { 0 };

        cr_expect_eq(parse(rows[i].text, &marker, &err), rows[i].code, "%s: %s", rows[i].text,
                     err.message);
        cr_expect_not_null(strstr(err.message, rows[i].says), "%s: %s", rows[i].text, err.message);
    }
}

Test(marker, a_name_that_is_not_of_its_text_is_damage)
{
    static const char text[] =
        OBJECT("\"key\": \"a\", \"etag\": \"\", \"size\": 1, \"mtime\": 0, \"after\": 0");
    struct ps_marker marker = { 0 };
    struct ps_err err = { 0 };

    cr_expect_eq(ps_marker_parse("x.json", text, strlen(text), &marker, &err), PS_E_PARSE);
    cr_assert_eq(parse(text, &marker, &err), PS_OK);
    ps_marker_clear(&marker);
}
