#include "base/buf.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

TestSuite(buf, .timeout = 20);

Test(buf, every_size_is_followed_by_a_nul)
{
    struct ps_buf buf;

    ps_buf_init(&buf, 0);
    for (size_t size = 1; size <= 1100; size++) {
        const char byte = (char)('a' + size % 26);

        cr_assert_eq(ps_buf_append(&buf, &byte, 1, NULL), PS_OK);
        cr_assert_eq(buf.size_bytes, size);
        cr_assert_lt(buf.size_bytes, buf.capacity_bytes);
        cr_assert_eq(buf.data[size - 1], byte);
        cr_assert_eq(buf.data[size], '\0', "%zu bytes", size);
    }
    ps_buf_clear(&buf);
}

Test(buf, bytes_of_all_values_are_kept)
{
    struct ps_buf buf;
    unsigned char bytes[256];

    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (unsigned char)i;
    }
    ps_buf_init(&buf, 0);

    cr_assert_eq(ps_buf_append(&buf, bytes, sizeof(bytes), NULL), PS_OK);

    cr_assert_eq(buf.size_bytes, sizeof(bytes));
    cr_assert_eq(memcmp(buf.data, bytes, sizeof(bytes)), 0);
    ps_buf_clear(&buf);
}

Test(buf, texts_are_appended_all_or_none)
{
    struct ps_buf buf;
    struct ps_err err;

    ps_buf_init(&buf, 10);

    cr_assert_eq(ps_buf_append_texts(&buf, &err, "ab", "", "c", NULL), PS_OK);
    cr_assert_str_eq(ps_buf_peek(&buf), "abc");
    cr_assert_eq(ps_buf_append_texts(&buf, &err, "defg", "hijk", NULL), PS_E_TOO_LARGE);
    cr_assert_str_eq(ps_buf_peek(&buf), "abc", "unchanged on failure");
    cr_assert_eq(ps_buf_append_texts(&buf, &err, NULL), PS_OK);
    cr_assert_str_eq(ps_buf_peek(&buf), "abc");
    ps_buf_clear(&buf);
}

Test(buf, nothing_grows_over_the_limit)
{
    struct ps_buf buf;
    struct ps_err err;

    ps_buf_init(&buf, 10);
    cr_assert_eq(ps_buf_append_str(&buf, "01234567", &err), PS_OK);

    cr_assert_eq(ps_buf_append(&buf, "xyz", 3, &err), PS_E_TOO_LARGE);
    cr_assert_str_eq(ps_buf_peek(&buf), "01234567", "unchanged on failure");
    cr_assert_eq(ps_buf_append_format(&buf, &err, "%d", 123), PS_E_TOO_LARGE);
    cr_assert_str_eq(ps_buf_peek(&buf), "01234567", "unchanged on failure");
    cr_assert_eq(ps_buf_append(&buf, "x", SIZE_MAX, &err), PS_E_TOO_LARGE, "no wrap-around");
    cr_assert_eq(ps_buf_append_str(&buf, "89", &err), PS_OK, "the limit itself fits");
    cr_assert_eq(ps_buf_append(&buf, NULL, 0, &err), PS_OK);
    cr_assert_eq(ps_buf_append_str(&buf, "x", &err), PS_E_TOO_LARGE);
    cr_assert_str_eq(ps_buf_peek(&buf), "0123456789");
    ps_buf_clear(&buf);
}

Test(buf, without_a_limit_the_default_holds)
{
    struct ps_buf buf;
    static char mebibyte[1024 * 1024];

    ps_buf_init(&buf, 0);
    for (size_t i = 0; i < PS_BUF_LIMIT_DEFAULT_BYTES / sizeof(mebibyte); i++) {
        cr_assert_eq(ps_buf_append(&buf, mebibyte, sizeof(mebibyte), NULL), PS_OK);
    }

    cr_assert_eq(ps_buf_append(&buf, mebibyte, 1, NULL), PS_E_TOO_LARGE);

    cr_assert_eq(buf.size_bytes, PS_BUF_LIMIT_DEFAULT_BYTES);
    ps_buf_clear(&buf);
}

Test(buf, appends_formatted_text_of_any_length)
{
    struct ps_buf buf;
    char wide[400];

    memset(wide, 'w', sizeof(wide) - 1);
    wide[sizeof(wide) - 1] = '\0';
    ps_buf_init(&buf, 0);

    cr_assert_eq(ps_buf_append_format(&buf, NULL, "%s=%d", "a", -7), PS_OK);
    cr_assert_str_eq(ps_buf_peek(&buf), "a=-7");
    cr_assert_eq(ps_buf_append_format(&buf, NULL, ",%s", wide), PS_OK);

    cr_assert_eq(buf.size_bytes, 4 + 1 + strlen(wide));
    cr_assert_eq(strlen(ps_buf_peek(&buf)), buf.size_bytes);
    ps_buf_clear(&buf);
}

Test(buf, an_empty_one_reads_as_empty_text)
{
    struct ps_buf buf;

    ps_buf_init(&buf, 0);

    cr_assert_str_eq(ps_buf_peek(&buf), "");
    cr_assert_null(ps_buf_steal(&buf));
    ps_buf_rewind(&buf);
    cr_assert_str_eq(ps_buf_peek(&buf), "");
    cr_assert_eq(ps_buf_append(&buf, NULL, 0, NULL), PS_OK);
    cr_assert_str_eq(ps_buf_peek(&buf), "");
    ps_buf_clear(&buf);
}

Test(buf, rewinding_keeps_the_memory)
{
    struct ps_buf buf;
    const char *data;

    ps_buf_init(&buf, 0);
    cr_assert_eq(ps_buf_append_str(&buf, "text", NULL), PS_OK);
    data = buf.data;

    ps_buf_rewind(&buf);

    cr_assert_eq(buf.size_bytes, 0);
    cr_assert_str_eq(ps_buf_peek(&buf), "");
    cr_assert_eq(ps_buf_append_str(&buf, "new", NULL), PS_OK);
    cr_assert_eq(buf.data, data);
    cr_assert_str_eq(ps_buf_peek(&buf), "new");
    ps_buf_clear(&buf);
}

Test(buf, what_is_stolen_belongs_to_the_thief)
{
    struct ps_buf buf;
    char *text;

    ps_buf_init(&buf, 5);
    cr_assert_eq(ps_buf_append_str(&buf, "mine", NULL), PS_OK);

    text = ps_buf_steal(&buf);

    cr_assert_str_eq(ps_buf_peek(&buf), "");
    cr_assert_eq(ps_buf_append_str(&buf, "123456", NULL), PS_E_TOO_LARGE, "the limit stays");
    cr_assert_eq(ps_buf_append_str(&buf, "other", NULL), PS_OK);
    cr_assert_str_eq(text, "mine");
    free(text);
    ps_buf_clear(&buf);
}

Test(buf, clearing_twice_is_safe)
{
    struct ps_buf buf;
    struct ps_buf zeroed;

    memset(&zeroed, 0, sizeof(zeroed));
    ps_buf_init(&buf, 3);
    cr_assert_eq(ps_buf_append_str(&buf, "abc", NULL), PS_OK);

    ps_buf_clear(&buf);
    ps_buf_clear(&buf);
    ps_buf_clear(&zeroed);

    cr_assert_eq(buf.limit_bytes, 3);
    cr_assert_eq(ps_buf_append_str(&buf, "abcd", NULL), PS_E_TOO_LARGE);
}
