#include "base/encode.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

TestSuite(encode, .timeout = 20);

/* RFC 4648 10; its hex is upper-case, ours lower-case as SigV4 and ETags want it. */
static const struct rfc_row {
    const char *plain;
    const char *base64;
    const char *hex;
} rfc_rows[] = {
    { "", "", "" },
    { "f", "Zg==", "66" },
    { "fo", "Zm8=", "666f" },
    { "foo", "Zm9v", "666f6f" },
    { "foob", "Zm9vYg==", "666f6f62" },
    { "fooba", "Zm9vYmE=", "666f6f6261" },
    { "foobar", "Zm9vYmFy", "666f6f626172" },
};

Test(encode, gives_the_rows_of_the_rfc)
{
    for (size_t i = 0; i < sizeof(rfc_rows) / sizeof(rfc_rows[0]); i++) {
        const struct rfc_row *row = &rfc_rows[i];
        char text[PS_HEX_SIZE(6)];
        char data[16];
        size_t size = 99;

        cr_assert_str_eq(ps_base64_encode(row->plain, strlen(row->plain), text), row->base64);
        cr_assert_eq(strlen(text) + 1, PS_BASE64_SIZE(strlen(row->plain)));
        cr_assert_str_eq(ps_hex_encode(row->plain, strlen(row->plain), text), row->hex);
        cr_assert(ps_base64_decode(row->base64, data, sizeof(data), &size), "%s", row->base64);
        cr_assert_eq(size, strlen(row->plain), "%s", row->base64);
        cr_assert_eq(memcmp(data, row->plain, size), 0, "%s", row->base64);
    }
}

/* RFC 4648 table 1: values 62 and 63 are + and /. Three bytes, so that all 64 digits come up in every place. */
Test(encode, base64_of_all_bytes_reads_back)
{
    unsigned char bytes[256];
    unsigned char back[256];
    char text[PS_BASE64_SIZE(256)];
    char hex[PS_HEX_SIZE(256)];

    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (unsigned char)(255 - i);
    }
    for (size_t size = 0; size <= sizeof(bytes); size++) {
        size_t got = 0;

        (void)ps_base64_encode(bytes, size, text);
        cr_assert(ps_base64_decode(text, back, size, &got), "%zu bytes", size);
        cr_assert_eq(got, size);
        cr_assert_eq(memcmp(back, bytes, size), 0, "%zu bytes", size);
    }
    cr_assert_str_eq(ps_base64_encode("\xfb\xff\xbf", 3, text), "+/+/");
    cr_assert_eq(strncmp(ps_hex_encode(bytes, sizeof(bytes), hex), "fffefd", 6), 0);
    cr_assert_str_eq(hex + 2 * 253, "020100");
}

/* RFC 4648 3.1 to 3.5: no line breaks, padding, no foreign bytes, unused bits are 0. */
Test(encode, refuses_what_is_no_base64)
{
    static const struct row {
        const char *name;
        const char *text;
    } rows[] = {
        { "no padding", "Zg" },
        { "half the padding", "Zg=" },
        { "padding only", "====" },
        { "three of padding", "Z===" },
        { "padding in the middle", "Zg==Zg==" },
        { "padding before a digit", "Zm=v" },
        { "unused bits of two digits", "Zh==" },
        { "unused bits of three digits", "Zm9=" },
        { "a space", "Zm9 " },
        { "a line break", "Zm9v\n" },
        { "the URL alphabet", "-_-_" },
        { "a byte above 0x7f", "Zm9\xc3" },
        { "S3's composite form", "f2FxstrKPf0=-3" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char data[16];
        size_t size = 99;

        cr_assert(!ps_base64_decode(rows[i].text, data, sizeof(data), &size), "%s", rows[i].name);
        cr_assert_eq(size, 99, "%s: untouched on failure", rows[i].name);
    }
}

Test(encode, never_decodes_beyond_its_room)
{
    static const char *const texts[] = { "Zm9vYmFy", "Zm9vYmE=", "Zm9vYg==" };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        size_t whole = 6 - i;

        for (size_t room = 0; room <= whole; room++) {
            char data[8];
            size_t size = 0;

            memset(data, '#', sizeof(data));
            cr_assert_eq(ps_base64_decode(texts[i], data, room, &size), room == whole,
                         "%s into %zu", texts[i], room);
            cr_assert_eq(data[room], '#', "%s into %zu", texts[i], room);
        }
    }
}

static const char *encoded(struct ps_buf *buf, const char *s, enum ps_uri_keep keep)
{
    ps_buf_rewind(buf);
    cr_assert_eq(ps_uri_encode(buf, s, keep, NULL), PS_OK);
    return ps_buf_peek(buf);
}

/* RFC 3986 2.3 lists what stays; SigV4 UriEncode: everything else as upper-case %XX, / only outside of keys. */
Test(encode, leaves_the_unreserved_bytes_and_no_others)
{
    static const char unreserved[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    struct ps_buf buf;

    ps_buf_init(&buf, 0);
    for (unsigned byte = 1; byte < 256; byte++) {
        const char s[2] = { (char)byte, '\0' };
        char wanted[4];

        if (strchr(unreserved, (int)byte) != NULL) {
            (void)snprintf(wanted, sizeof(wanted), "%c", (int)byte);
        } else {
            (void)snprintf(wanted, sizeof(wanted), "%%%02X", byte);
        }
        cr_assert_str_eq(encoded(&buf, s, PS_URI_KEEP_NONE), wanted, "byte %u", byte);
        cr_assert_str_eq(encoded(&buf, s, PS_URI_KEEP_SLASH), byte == '/' ? "/" : wanted, "byte %u",
                         byte);
    }
    cr_assert_str_eq(encoded(&buf, "a b+c/\xc3\xa9~.%", PS_URI_KEEP_SLASH),
                     "a%20b%2Bc/%C3%A9~.%25");
    ps_buf_clear(&buf);
}

Test(encode, percent_encoding_stops_at_the_limit_of_its_buffer)
{
    struct ps_buf buf;
    struct ps_err err;

    ps_buf_init(&buf, 4);

    cr_assert_eq(ps_uri_encode(&buf, "a  ", PS_URI_KEEP_NONE, &err), PS_E_TOO_LARGE);

    cr_assert_leq(buf.size_bytes, 4);
    ps_buf_clear(&buf);
}

Test(encode, decodes_percent_and_plus)
{
    static const struct row {
        const char *text;
        bool plus_is_space;
        const char *plain; /* NULL = refused */
    } rows[] = {
        { "", false, "" },
        { "a%20b", false, "a b" },
        { "a+b", false, "a+b" },
        { "a+b%2Bc", true, "a b+c" },
        { "%c3%A9", false, "\xc3\xa9" },
        { "%25%32%35", false, "%25" },
        { "100%", false, NULL },
        { "%4", false, NULL },
        { "%4g", false, NULL },
        { "%g4", false, NULL },
        { "%%41", false, NULL },
        { "%+1", false, NULL },
        { "a%00b", false, NULL },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[32];
        bool good;

        (void)snprintf(text, sizeof(text), "%s", rows[i].text);
        good = ps_uri_decode(text, rows[i].plus_is_space);
        cr_assert_eq(good, rows[i].plain != NULL, "%s", rows[i].text);
        if (good) {
            cr_assert_str_eq(text, rows[i].plain, "%s", rows[i].text);
        }
    }
}
