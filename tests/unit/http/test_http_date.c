#include "http/http_date.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(http_date, .timeout = 20);

#define UNTOUCHED INT64_C(-77)

struct row {
    const char *text;
    int64_t unix_ms; /* UNTOUCHED = refused */
};

/* RFC 9110 5.6.7; numbers by "date -u -d ... +%s" of GNU coreutils. */
static const struct row imf_rows[] = {
    { "Sun, 06 Nov 1994 08:49:37 GMT", INT64_C(784111777000) },
    { "Fri, 24 May 2013 00:00:00 GMT", INT64_C(1369353600000) },
    { "Wed, 28 Dec 2022 10:27:41 GMT", INT64_C(1672223261000) },
    { "Thu, 01 Jan 1970 00:00:00 GMT", 0 },
    { "Tue, 29 Feb 2000 12:00:00 GMT", INT64_C(951825600000) },
    { "Thu, 29 Feb 2024 23:59:59 GMT", INT64_C(1709251199000) },
    { "Tue, 19 Jan 2038 03:14:08 GMT", INT64_C(2147483648000) },
    { "Mon, 01 Mar 2100 00:00:00 GMT", INT64_C(4107542400000) },
    { "Fri, 31 Dec 9999 23:59:59 GMT", INT64_C(253402300799000) },
    { "Sat, 31 Dec 2016 23:59:60 GMT", INT64_C(1483228800000) },

    { "Sunday, 06-Nov-94 08:49:37 GMT", UNTOUCHED }, /* RFC 850 */
    { "Sun Nov  6 08:49:37 1994", UNTOUCHED },       /* asctime */
    { "Mon, 06 Nov 1994 08:49:37 GMT", UNTOUCHED },  /* it was a Sunday */
    { "Sun, 6 Nov 1994 08:49:37 GMT", UNTOUCHED },
    { "Sun, 06 Nov 94 08:49:37 GMT", UNTOUCHED },
    { "sun, 06 nov 1994 08:49:37 GMT", UNTOUCHED },
    { "Sun, 06 Nov 1994 08:49:37 UTC", UNTOUCHED },
    { "Sun, 06 Nov 1994 08:49:37 +0000", UNTOUCHED },
    { "Sun, 06 Nov 1994 08:49:37 GMT ", UNTOUCHED },
    { " Sun, 06 Nov 1994 08:49:37 GMT", UNTOUCHED },
    { "Sun, 06 Nov 1994 08:49:37", UNTOUCHED },
    { "Sun, 06 Nov 1994 8:49:37 GMT", UNTOUCHED },
    { "Sun, 06 Nov 1994 24:00:00 GMT", UNTOUCHED },
    { "Sun, 06 Nov 1994 08:60:37 GMT", UNTOUCHED },
    { "Sun, 06 Nov 1994 08:49:61 GMT", UNTOUCHED },
    { "Sun, -6 Nov 1994 08:49:37 GMT", UNTOUCHED },
    { "Wed, 31 Dec 1969 23:59:59 GMT", UNTOUCHED },
    { "Thu, 00 Jan 1970 00:00:00 GMT", UNTOUCHED },
    { "Thu, 29 Feb 2100 00:00:00 GMT", UNTOUCHED },
    { "Wed, 29 Feb 2023 00:00:00 GMT", UNTOUCHED },
    { "Thu, 31 Apr 2020 00:00:00 GMT", UNTOUCHED },
    { "Sun", UNTOUCHED },
    { "", UNTOUCHED },
};

/* S3 API reference (LastModified), RFC 3339; numbers as above. */
static const struct row iso_rows[] = {
    { "2009-10-12T17:50:30.000Z", INT64_C(1255369830000) },
    { "2009-10-12T17:50:30Z", INT64_C(1255369830000) },
    { "2009-10-12T17:50:30.1Z", INT64_C(1255369830100) },
    { "2009-10-12T17:50:30.0019Z", INT64_C(1255369830001) },
    { "2009-10-12T17:50:30.123456789Z", INT64_C(1255369830123) },
    { "1985-04-12T23:20:50.52Z", INT64_C(482196050520) },   /* RFC 3339 5.8 */
    { "1996-12-19T16:39:57-08:00", INT64_C(851042397000) }, /* the same */
    { "1990-12-31T15:59:60-08:00", INT64_C(662688000000) }, /* the same */
    { "1970-01-01T00:00:00Z", 0 },
    { "1970-01-01T01:00:00+01:00", 0 },
    { "9999-12-31T23:59:59.999Z", INT64_C(253402300799999) },

    { "1970-01-01T00:00:00+00:01", UNTOUCHED },
    { "1969-12-31T23:59:59Z", UNTOUCHED },
    { "2009-10-12 17:50:30Z", UNTOUCHED },
    { "2009-10-12T17:50:30", UNTOUCHED },
    { "2009-10-12T17:50:30.Z", UNTOUCHED },
    { "2009-10-12T17:50:30.1234567890Z", UNTOUCHED },
    { "2009-10-12T17:50Z", UNTOUCHED },
    { "2009-10-12", UNTOUCHED },
    { "2009-13-12T17:50:30Z", UNTOUCHED },
    { "2009-00-12T17:50:30Z", UNTOUCHED },
    { "2009-02-29T17:50:30Z", UNTOUCHED },
    { "2009-10-12T25:50:30Z", UNTOUCHED },
    { "2009-10-12T17:50:30Zx", UNTOUCHED },
    { "2009-10-12T17:50:30+24:00", UNTOUCHED },
    { "2009-10-12T17:50:30+0100", UNTOUCHED },
    { "2009-10-12T17:50:30z", UNTOUCHED },
    { "-009-10-12T17:50:30Z", UNTOUCHED },
    { "20091012T175030Z", UNTOUCHED },
    { "", UNTOUCHED },
};

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

Test(http_date, parses_imf_fixdate_and_nothing_else)
{
    for (size_t i = 0; i < COUNT(imf_rows); i++) {
        int64_t unix_ms = UNTOUCHED;
        bool parsed = ps_http_date_parse_imf(imf_rows[i].text, &unix_ms);

        cr_expect_eq(parsed, imf_rows[i].unix_ms != UNTOUCHED, "'%s'", imf_rows[i].text);
        cr_expect_eq(unix_ms, imf_rows[i].unix_ms, "'%s': %lld", imf_rows[i].text,
                     (long long)unix_ms);
    }
}

Test(http_date, parses_iso_8601_as_s3_writes_it)
{
    for (size_t i = 0; i < COUNT(iso_rows); i++) {
        int64_t unix_ms = UNTOUCHED;
        bool parsed = ps_http_date_parse_iso(iso_rows[i].text, &unix_ms);

        cr_expect_eq(parsed, iso_rows[i].unix_ms != UNTOUCHED, "'%s'", iso_rows[i].text);
        cr_expect_eq(unix_ms, iso_rows[i].unix_ms, "'%s': %lld", iso_rows[i].text,
                     (long long)unix_ms);
    }
}

Test(http_date, parses_either_form)
{
    int64_t unix_ms = UNTOUCHED;

    cr_assert(ps_http_date_parse(imf_rows[1].text, &unix_ms));
    cr_expect_eq(unix_ms, imf_rows[1].unix_ms);
    cr_assert(ps_http_date_parse(iso_rows[0].text, &unix_ms));
    cr_expect_eq(unix_ms, iso_rows[0].unix_ms);
    unix_ms = UNTOUCHED;
    cr_expect_not(ps_http_date_parse("yesterday", &unix_ms));
    cr_expect_eq(unix_ms, UNTOUCHED);
}

Test(http_date, formats_what_it_parses)
{
    for (size_t i = 0; i < COUNT(imf_rows); i++) {
        char text[PS_HTTP_DATE_IMF_SIZE];

        if (imf_rows[i].unix_ms == UNTOUCHED || strstr(imf_rows[i].text, ":60 ") != NULL) {
            continue;
        }
        cr_expect(ps_http_date_format_imf(imf_rows[i].unix_ms + 999, text));
        cr_expect_str_eq(text, imf_rows[i].text);
    }
}

Test(http_date, formats_the_date_of_a_signature)
{
    static const struct row rows[] = {
        { "20130524T000000Z", INT64_C(1369353600000) },
        { "20130524T000000Z", INT64_C(1369353600999) },
        { "19700101T000000Z", 0 },
        { "20240229T235959Z", INT64_C(1709251199000) },
        { "20231216T162057Z", INT64_C(1702743657000) },
        { "99991231T235959Z", INT64_C(253402300799999) },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[PS_HTTP_DATE_AMZ_SIZE];

        cr_expect(ps_http_date_format_amz(rows[i].unix_ms, text));
        cr_expect_str_eq(text, rows[i].text);
    }
}

Test(http_date, refuses_to_format_years_of_other_lengths)
{
    static const int64_t times[] = { -1, INT64_MIN, INT64_C(253402300800000), INT64_MAX };

    for (size_t i = 0; i < COUNT(times); i++) {
        char amz[PS_HTTP_DATE_AMZ_SIZE] = "x";
        char imf[PS_HTTP_DATE_IMF_SIZE] = "x";

        cr_expect_not(ps_http_date_format_amz(times[i], amz));
        cr_expect_not(ps_http_date_format_imf(times[i], imf));
        cr_expect_str_empty(amz);
        cr_expect_str_empty(imf);
    }
}

Test(http_date, every_day_of_eight_thousand_years_comes_back)
{
    const int64_t day_ms = INT64_C(86400000);

    for (int64_t unix_ms = 0; unix_ms < INT64_C(253402300800000); unix_ms += 13 * day_ms) {
        char text[PS_HTTP_DATE_IMF_SIZE];
        int64_t back = UNTOUCHED;

        cr_assert(ps_http_date_format_imf(unix_ms, text));
        cr_assert(ps_http_date_parse_imf(text, &back), "%s", text);
        cr_assert_eq(back, unix_ms, "%s", text);
    }
}

Test(http_date, parses_retry_after)
{
    static const struct {
        const char *text;
        int64_t now_unix_ms;
        bool good;
        uint64_t wait_ms;
    } rows[] = {
        { "120", 0, true, 120000 },
        { "0", 0, true, 0 },
        { "Fri, 24 May 2013 00:02:00 GMT", INT64_C(1369353600000), true, 120000 },
        { "Fri, 24 May 2013 00:00:00 GMT", INT64_C(1369353600001), true, 0 },
        { "Fri, 24 May 2013 00:00:00 GMT", INT64_MIN, true,
          UINT64_C(1369353600000) + UINT64_C(9223372036854775808) },
        { "-1", 0, false, 7 },
        { "1.5", 0, false, 7 },
        { "", 0, false, 7 },
        { "soon", 0, false, 7 },
        { "18446744073709551615", 0, false, 7 },
        { "99999999999999999999999", 0, false, 7 },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        uint64_t wait_ms = 7;

        cr_expect_eq(ps_http_date_parse_retry_after(rows[i].text, rows[i].now_unix_ms, &wait_ms),
                     rows[i].good, "'%s'", rows[i].text);
        cr_expect_eq(wait_ms, rows[i].wait_ms, "'%s'", rows[i].text);
    }
}
