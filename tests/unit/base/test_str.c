#include "base/str.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

TestSuite(str, .timeout = 20);

/* IEC 80000-13: Ki = 1024, and SI: k = 1000. */
Test(str, sizes_are_read_as_people_write_them)
{
    static const struct row {
        const char *text;
        bool good;
        uint64_t bytes;
    } rows[] = {
        { "0", true, 0 },
        { "7B", true, 7 },
        { "1048576", true, 1048576 },
        { "64K", true, 65536 },
        { "64KiB", true, 65536 },
        { "64M", true, 67108864 },
        { "64MiB", true, 67108864 },
        { "2GiB", true, 2147483648 },
        { "1TiB", true, 1099511627776 },
        { "5kB", true, 5000 },
        { "5MB", true, 5000000 },
        { "5GB", true, 5000000000 },
        { "5TB", true, 5000000000000 },
        { "1.5G", true, 1610612736 },
        { "0.5KiB", true, 512 },
        { "0.000000001GB", true, 1 },
        { "18446744073709551615", true, UINT64_MAX },
        { "16777215TiB", true, 16777215 * (UINT64_C(1) << 40) },
        { "18446744073709551616", false, 7 },
        { "16777216TiB", false, 7 },
        { "17000000TiB", false, 7 },
        { "", false, 7 },
        { "-1", false, 7 },
        { "+1", false, 7 },
        { "1 MiB", false, 7 },
        { " 1", false, 7 },
        { "1.", false, 7 },
        { ".5G", false, 7 },
        { "1.5.5G", false, 7 },
        { "MiB", false, 7 },
        { "1XiB", false, 7 },
        { "1MiBs", false, 7 },
        { "0x10", false, 7 },
        { "1e3", false, 7 },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t bytes = 7;

        cr_assert_eq(ps_size_parse(rows[i].text, &bytes), rows[i].good, "'%s'", rows[i].text);
        cr_assert_eq(bytes, rows[i].bytes, "'%s'", rows[i].text);
    }
}

Test(str, durations_are_read_as_people_write_them)
{
    static const struct row {
        const char *text;
        bool good;
        uint64_t ms;
    } rows[] = {
        { "0", true, 0 },
        { "90", true, 90000 },
        { "90s", true, 90000 },
        { "15m", true, 900000 },
        { "12h", true, 43200000 },
        { "7d", true, 604800000 },
        { "250ms", true, 250 },
        { "18446744073709551615ms", true, UINT64_MAX },
        { "18446744073709552s", false, 7 },
        { "18446744073709551616ms", false, 7 },
        { "1w", false, 7 },
        { "1.5h", false, 7 },
        { "1h30m", false, 7 },
        { "-1s", false, 7 },
        { "", false, 7 },
        { "s", false, 7 },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t ms = 7;

        cr_assert_eq(ps_duration_parse(rows[i].text, &ms), rows[i].good, "'%s'", rows[i].text);
        cr_assert_eq(ms, rows[i].ms, "'%s'", rows[i].text);
    }
}

Test(str, numbers_are_digits_only)
{
    static const struct row {
        const char *text;
        bool good;
        uint64_t value;
    } rows[] = {
        { "0", true, 0 },
        { "007", true, 7 },
        { "10000", true, 10000 },
        { "18446744073709551615", true, UINT64_MAX },
        { "18446744073709551616", false, 5 },
        { "99999999999999999999", false, 5 },
        { "", false, 5 },
        { "-1", false, 5 },
        { "+1", false, 5 },
        { " 1", false, 5 },
        { "1 ", false, 5 },
        { "1.0", false, 5 },
        { "0x1", false, 5 },
        { "\xd9\xa1", false, 5 },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t value = 5;

        cr_assert_eq(ps_u64_parse(rows[i].text, &value), rows[i].good, "'%s'", rows[i].text);
        cr_assert_eq(value, rows[i].value, "'%s'", rows[i].text);
    }
}

Test(str, checked_arithmetic_refuses_overflow)
{
    uint64_t value = 7;

    cr_assert(!ps_add_u64(UINT64_MAX, 1, &value));
    cr_assert(!ps_add_u64(1, UINT64_MAX, &value));
    cr_assert(!ps_mul_u64(UINT64_MAX, 2, &value));
    cr_assert(!ps_mul_u64(UINT64_C(1) << 32, UINT64_C(1) << 32, &value));
    cr_assert_eq(value, 7, "untouched on failure");
    cr_assert(ps_add_u64(UINT64_MAX - 1, 1, &value));
    cr_assert_eq(value, UINT64_MAX);
    cr_assert(ps_mul_u64((UINT64_C(1) << 32) - 1, (UINT64_C(1) << 32) + 1, &value));
    cr_assert_eq(value, UINT64_MAX);
    cr_assert(ps_mul_u64(0, UINT64_MAX, &value));
    cr_assert_eq(value, 0);
}

Test(str, copies_are_cut_to_fit_and_end)
{
    char text[6];

    memset(text, '#', sizeof(text));
    ps_str_copy(text, 5, "abcdefgh");
    cr_assert_str_eq(text, "abcd");
    cr_assert_eq(text[5], '#', "no byte behind the room");
    ps_str_copy(text, 5, "abcd");
    cr_assert_str_eq(text, "abcd");
    ps_str_copy(text, 5, "");
    cr_assert_str_eq(text, "");
    ps_str_copy(text, 5, NULL);
    cr_assert_str_eq(text, "");
    ps_str_copy(text, 1, "abc");
    cr_assert_str_eq(text, "");
}

Test(str, heap_copies_are_apart_from_their_source)
{
    const char *source = "s3://bucket/key";
    char *whole = ps_strdup(source);
    char *part = ps_strndup(source, 5);
    char *none = ps_strndup(source, 0);
    char *text = ps_str_format("%s-%05d", source, 42);

    cr_assert_str_eq(whole, source);
    cr_assert_neq(whole, source);
    cr_assert_str_eq(part, "s3://");
    cr_assert_str_eq(none, "");
    cr_assert_str_eq(text, "s3://bucket/key-00042");
    cr_assert_null(ps_strdup(NULL));
    free(whole);
    free(part);
    free(none);
    free(text);
}

Test(str, compares_beginnings_ends_and_wholes)
{
    cr_assert(ps_str_has_prefix("s3://b", "s3://"));
    cr_assert(ps_str_has_prefix("s3://", "s3://"));
    cr_assert(ps_str_has_prefix("a", ""));
    cr_assert(!ps_str_has_prefix("s3:/", "s3://"));
    cr_assert(!ps_str_has_prefix("", "a"));
    cr_assert(ps_str_has_suffix("10-part-size.lua", ".lua"));
    cr_assert(ps_str_has_suffix(".lua", ".lua"));
    cr_assert(ps_str_has_suffix("a", ""));
    cr_assert(!ps_str_has_suffix("lua", ".lua"));
    cr_assert(!ps_str_has_suffix("a.lua~", ".lua"));
    cr_assert(ps_str_equal("a", "a"));
    cr_assert(ps_str_equal(NULL, NULL));
    cr_assert(!ps_str_equal("a", "A"));
    cr_assert(!ps_str_equal("a", NULL));
    cr_assert(!ps_str_equal(NULL, ""));
}

Test(str, sizes_are_written_in_at_most_ten_characters)
{
    static const struct row {
        uint64_t bytes;
        const char *text;
    } rows[] = {
        { 0, "0 B" },
        { 17, "17 B" },
        { 1023, "1023 B" },
        { 1024, "1.0 KiB" },
        { 1536, "1.5 KiB" },
        { 100 * 1024, "100 KiB" },
        { UINT64_C(16) << 20, "16.0 MiB" },
        { UINT64_C(5) << 30, "5.0 GiB" },
        { UINT64_C(1) << 40, "1.0 TiB" },
        { UINT64_MAX, "16.0 EiB" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[16];

        cr_assert_str_eq(ps_size_format(rows[i].bytes, text, sizeof(text)), rows[i].text);
    }
    for (uint64_t bytes = 1; bytes < UINT64_MAX / 3; bytes = bytes * 2 + bytes / 3) {
        char text[32];

        cr_assert_leq(strlen(ps_size_format(bytes, text, sizeof(text))), 10, "%s", text);
    }
}
