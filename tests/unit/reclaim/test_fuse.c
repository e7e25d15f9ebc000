#include "reclaim/fuse.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(fuse, .timeout = 10);

Test(fuse, stops_what_is_too_much)
{
    static const struct {
        struct ps_fuse fuse;
        uint64_t due;
        uint64_t known;
        enum ps_code code;
    } rows[] = {
        { { 10000, 50 }, 0, 0, PS_OK },
        { { 10000, 50 }, 10000, 20000, PS_OK },
        { { 10000, 50 }, 10001, 1000000, PS_E_REFUSED },
        { { 10000, 50 }, 1, 1, PS_OK }, /* percent mean nothing of a few */
        { { 10000, 50 }, 100, 100, PS_OK },
        { { 10000, 50 }, 101, 202, PS_OK },
        { { 10000, 50 }, 101, 201, PS_E_REFUSED },
        { { 10000, 100 }, 101, 101, PS_OK },
        { { 0, 100 }, 1, 1000, PS_E_REFUSED },
        { { UINT64_MAX, 1 }, 1000000, 100000000, PS_OK },
        { { UINT64_MAX, 1 }, 1000001, 100000000, PS_E_REFUSED },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ps_err err = { .code = PS_OK };

        cr_expect_eq(ps_fuse_check(&rows[i].fuse, rows[i].due, rows[i].known, &err), rows[i].code,
                     "row %zu: %s", i, err.message);
        if (rows[i].code != PS_OK) {
            cr_expect_not_null(strstr(err.message, "--max"), "row %zu: %s", i, err.message);
        }
    }
}

Test(fuse, parses_numbers_and_percent)
{
    static const char *const bad[] = { "",    "%",    "many", "-1",
                                       "1.5", "101%", "5 %",  "99999999999999999999" };
    struct ps_fuse fuse;

    cr_assert_eq(ps_fuse_parse(&fuse, "500", NULL), PS_OK);
    cr_expect_eq(fuse.count_max, 500);
    cr_expect_eq(fuse.percent_max, 100);
    cr_assert_eq(ps_fuse_parse(&fuse, "20%", NULL), PS_OK);
    cr_expect_eq(fuse.count_max, UINT64_MAX);
    cr_expect_eq(fuse.percent_max, 20);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_expect_eq(ps_fuse_parse(&fuse, bad[i], NULL), PS_E_INVALID, "%s", bad[i]);
    }
}
