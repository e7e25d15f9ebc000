#include "serve/range.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

TestSuite(range, .timeout = 20);

struct row {
    const char *text;
    uint64_t size_bytes;
    enum ps_range_answer answer;
    const char *ranges; /* "first-last first-last" */
};

/* RFC 9110 14.1.2 (examples of a representation of 10,000 bytes); what it leaves open as nginx 1.22 answers, which
 * tests/flow/long_nginx_matrix.sh compares request by request. */
static const struct row rows[] = {
    { "bytes=0-499", 10000, PS_RANGE_PARTS, "0-499" },
    { "bytes=500-999", 10000, PS_RANGE_PARTS, "500-999" },
    { "bytes=-500", 10000, PS_RANGE_PARTS, "9500-9999" },
    { "bytes=9500-", 10000, PS_RANGE_PARTS, "9500-9999" },
    { "bytes=0-0,-1", 10000, PS_RANGE_PARTS, "0-0 9999-9999" },
    { "bytes= 0-999, 4500-5499, -1000", 10000, PS_RANGE_PARTS, "0-999 4500-5499 9000-9999" },
    { "bytes=500-600,601-999", 10000, PS_RANGE_PARTS, "500-600 601-999" },
    { "BYTES=0-0", 10, PS_RANGE_PARTS, "0-0" },
    { "bytes=0-99", 10, PS_RANGE_PARTS, "0-9" },
    { "bytes=-99", 10, PS_RANGE_PARTS, "0-9" },
    { "bytes=0-18446744073709551615", 10, PS_RANGE_PARTS, "0-9" },
    { "bytes=0-99999999999999999999999", 10, PS_RANGE_PARTS, "0-9" },
    { "bytes=10-", 10, PS_RANGE_NONE, "" },
    { "bytes=99999999999999999999999-", 10, PS_RANGE_NONE, "" },
    { "bytes=-0", 10, PS_RANGE_NONE, "" },
    { "bytes=5-3", 10, PS_RANGE_NONE, "" },
    { "bytes=", 10, PS_RANGE_WHOLE, "" },
    { "bytes=-", 10, PS_RANGE_NONE, "" },
    { "bytes=a-b", 10, PS_RANGE_NONE, "" },
    { "bytes=0-1x", 10, PS_RANGE_NONE, "" },
    { "bytes=1", 10, PS_RANGE_NONE, "" },
    { "bytes=0-1,", 10, PS_RANGE_NONE, "" },
    { "bytes=20-30,1-2", 10, PS_RANGE_PARTS, "1-2" },
    { "bytes=0-", 0, PS_RANGE_WHOLE, "" },
    { "bytes=0-9,0-9", 10, PS_RANGE_WHOLE, "" },
    { "items=0-5", 10, PS_RANGE_WHOLE, "" },
    { "bytes 0-5", 10, PS_RANGE_WHOLE, "" },
    { "", 10, PS_RANGE_WHOLE, "" },
};

Test(range, is_read_as_the_rfc_and_nginx_do)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ps_range ranges[PS_RANGES_MAX];
        char text[256] = "";
        size_t count = 0;

        enum ps_range_answer answer =
            ps_range_parse(rows[i].text, rows[i].size_bytes, ranges, &count);

        cr_expect_eq(answer, rows[i].answer, "%s: %d", rows[i].text, (int)answer);
        for (size_t j = 0; answer == PS_RANGE_PARTS && j < count; j++) {
            (void)snprintf(text + strlen(text), sizeof(text) - strlen(text),
                           "%s%" PRIu64 "-%" PRIu64, j > 0 ? " " : "", ranges[j].offset_bytes,
                           ranges[j].offset_bytes + ranges[j].length_bytes - 1);
        }
        cr_expect_str_eq(text, rows[i].ranges, "%s: %s", rows[i].text, text);
    }
}

Test(range, of_too_many_is_the_whole_object)
{
    struct ps_range ranges[PS_RANGES_MAX];
    char text[1024] = "bytes=0-0";
    size_t count = 0;

    for (size_t i = 1; i <= PS_RANGES_MAX; i++) {
        (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), ",%zu-%zu", 2 * i, 2 * i);
    }

    cr_expect_eq(ps_range_parse(text, 10000, ranges, &count), PS_RANGE_WHOLE);
}
