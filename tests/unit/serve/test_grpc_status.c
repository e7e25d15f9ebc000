#include "serve/grpc_status.h"

#include <criterion/criterion.h>

TestSuite(grpc_status, .timeout = 10);

/* gRPC over HTTP2: Timeout = TimeoutValue TimeoutUnit, at most 8 digits, H M S m u n. */
Test(grpc_status, timeouts_are_read_in_every_unit)
{
    static const struct {
        const char *text;
        bool good;
        uint64_t ms;
    } rows[] = {
        { "1S", true, 1000 },       { "100m", true, 100 },
        { "2M", true, 120000 },     { "1H", true, 3600000 },
        { "1500u", true, 2 },       { "1n", true, 1 },
        { "0S", true, 0 },          { "99999999H", true, UINT64_C(359999996400000) },
        { "100000000S", false, 0 }, { "", false, 0 },
        { "S", false, 0 },          { "1", false, 0 },
        { "1s", false, 0 },         { "-1S", false, 0 },
        { "1SS", false, 0 },        { " 1S", false, 0 },
        { "1.5S", false, 0 },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t ms = 7;

        cr_expect_eq(ps_grpc_timeout_parse(rows[i].text, &ms), rows[i].good, "'%s'", rows[i].text);
        if (rows[i].good) {
            cr_expect_eq(ms, rows[i].ms, "'%s' is %llu", rows[i].text, (unsigned long long)ms);
        }
    }
}

/* gRPC over HTTP2: Percent-Byte-Unencoded is 0x20..0x24 and 0x26..0x7e. */
Test(grpc_status, messages_are_percent_encoded)
{
    char text[64];

    cr_expect_str_eq(ps_grpc_message_format("50% of\nit", text, sizeof(text)), "50%25 of%0Ait");
    cr_expect_str_eq(ps_grpc_message_format("\xc3\xa9", text, sizeof(text)), "%C3%A9");
    cr_expect_str_eq(ps_grpc_message_format("", text, sizeof(text)), "");
}

Test(grpc_status, a_long_message_is_cut_between_characters)
{
    char text[8];

    cr_expect_str_eq(ps_grpc_message_format("abcde\n", text, sizeof(text)), "abcde");
    cr_expect_str_eq(ps_grpc_message_format("abcd\n", text, sizeof(text)), "abcd%0A");
}
