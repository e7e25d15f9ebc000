#include "base/str.h"

#include "base/encode.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

TestSuite(str, .timeout = 20);

Test(str, parses_sizes)
{
    static const struct row {
        const char *text;
        bool good;
        uint64_t bytes;
    } rows[] = {
        { "0", true, 0 },
        { "1048576", true, 1048576 },
        { "64MiB", true, 67108864 },
        { "64M", true, 67108864 },
        { "1.5G", true, 1610612736 },
        { "5kB", true, 5000 },
        { "1TiB", true, 1099511627776 },
        { "18446744073709551615", true, UINT64_MAX },
        { "18446744073709551616", false, 0 },
        { "17000000TiB", false, 0 },
        { "", false, 0 },
        { "-1", false, 0 },
        { "1 MiB", false, 0 },
        { "1.", false, 0 },
        { "MiB", false, 0 },
        { "1XiB", false, 0 },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t bytes = 0;

        cr_assert_eq(ps_size_parse(rows[i].text, &bytes), rows[i].good, "'%s'", rows[i].text);
        cr_assert_eq(bytes, rows[i].bytes, "'%s'", rows[i].text);
    }
}

Test(str, parses_durations)
{
    static const struct row {
        const char *text;
        bool good;
        uint64_t ms;
    } rows[] = {
        { "90", true, 90000 },     { "90s", true, 90000 },    { "15m", true, 900000 },
        { "12h", true, 43200000 }, { "7d", true, 604800000 }, { "250ms", true, 250 },
        { "1w", false, 0 },        { "", false, 0 },          { "s", false, 0 },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t ms = 0;

        cr_assert_eq(ps_duration_parse(rows[i].text, &ms), rows[i].good, "'%s'", rows[i].text);
        cr_assert_eq(ms, rows[i].ms, "'%s'", rows[i].text);
    }
}

Test(str, checked_arithmetic_refuses_overflow)
{
    uint64_t value = 7;

    cr_assert(!ps_add_u64(UINT64_MAX, 1, &value));
    cr_assert(!ps_mul_u64(UINT64_MAX, 2, &value));
    cr_assert_eq(value, 7);
    cr_assert(ps_add_u64(UINT64_MAX - 1, 1, &value));
    cr_assert_eq(value, UINT64_MAX);
}

/* RFC 4648 section 10 */
Test(str, base64_of_the_rfc)
{
    static const char *const rows[][2] = {
        { "", "" },
        { "f", "Zg==" },
        { "fo", "Zm8=" },
        { "foo", "Zm9v" },
        { "foob", "Zm9vYg==" },
        { "fooba", "Zm9vYmE=" },
        { "foobar", "Zm9vYmFy" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[16];
        char data[16];
        size_t size = 0;

        cr_assert_str_eq(ps_base64_encode(rows[i][0], strlen(rows[i][0]), text), rows[i][1]);
        cr_assert(ps_base64_decode(rows[i][1], data, sizeof(data), &size));
        cr_assert_eq(size, strlen(rows[i][0]));
        cr_assert_eq(memcmp(data, rows[i][0], size), 0);
    }
}

Test(str, base64_refuses_what_is_none)
{
    static const char *const rows[] = { "Zg=", "Zg", "Z===", "Zg==Zg==", "Zh==", "Zm9=", "Zm9 " };
    char data[16];
    size_t size = 0;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cr_assert(!ps_base64_decode(rows[i], data, sizeof(data), &size), "%s", rows[i]);
    }
    cr_assert(!ps_base64_decode("Zm9vYmFy", data, 5, &size), "larger than its room");
}

/* RFC 3986 2.3: unreserved bytes stay; SigV4 wants the others as upper-case hex. */
Test(str, percent_encoding_round_trips)
{
    struct ps_buf buf;
    char text[64];

    ps_buf_init(&buf, 0);
    cr_assert_eq(ps_uri_encode(&buf, "a b+c/\xc3\xa9~.%", PS_URI_KEEP_SLASH, NULL), PS_OK);
    cr_assert_str_eq(ps_buf_peek(&buf), "a%20b%2Bc/%C3%A9~.%25");
    ps_str_copy(text, sizeof(text), ps_buf_peek(&buf));
    cr_assert(ps_uri_decode(text, false));
    cr_assert_str_eq(text, "a b+c/\xc3\xa9~.%");
    ps_buf_rewind(&buf);
    cr_assert_eq(ps_uri_encode(&buf, "a/b", PS_URI_KEEP_NONE, NULL), PS_OK);
    cr_assert_str_eq(ps_buf_peek(&buf), "a%2Fb");
    ps_buf_clear(&buf);
    ps_str_copy(text, sizeof(text), "a+b");
    cr_assert(ps_uri_decode(text, true));
    cr_assert_str_eq(text, "a b");
    ps_str_copy(text, sizeof(text), "%4");
    cr_assert(!ps_uri_decode(text, false));
    ps_str_copy(text, sizeof(text), "%00");
    cr_assert(!ps_uri_decode(text, false), "a NUL would end the text");
}

Test(str, buffers_keep_their_limit)
{
    struct ps_buf buf;
    struct ps_err err;
    char *text;

    ps_buf_init(&buf, 10);
    cr_assert_eq(ps_buf_append_str(&buf, "0123456789", &err), PS_OK);
    cr_assert_eq(ps_buf_append(&buf, "x", 1, &err), PS_E_TOO_LARGE);
    cr_assert_str_eq(ps_buf_peek(&buf), "0123456789");
    text = ps_buf_steal(&buf);
    cr_assert_str_eq(text, "0123456789");
    cr_assert_str_eq(ps_buf_peek(&buf), "");
    free(text);
}

Test(str, errors_are_cut_and_wrapped_outermost_first)
{
    struct ps_err err;

    cr_assert_eq(ps_err_set_errno(&err, 28, "write %s", "f"), PS_E_NO_SPACE);
    cr_assert_eq(ps_err_wrap(&err, err.code, "part %d", 7), PS_E_NO_SPACE);
    cr_assert_str_eq(err.message, "part 7: write f: No space left on device");
    for (int i = 0; i < 50; i++) {
        (void)ps_err_wrap(&err, err.code, "layer");
    }
    cr_assert_eq(strlen(err.message), sizeof(err.message) - 1);
    cr_assert_eq(ps_err_wrap(NULL, PS_E_IO, "x"), PS_E_IO);
}
