#include "transfer/tree_text.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(tree_text, .timeout = 20);

/* rclone writes "1234567890.123456789"; s3fs whole seconds. */
Test(tree_text, reads_times_of_others_and_its_own)
{
    static const struct row {
        const char *text;
        bool good;
        int64_t ns;
    } rows[] = {
        { "0", true, 0 },
        { "1234567890", true, 1234567890000000000 },
        { "1234567890.123456789", true, 1234567890123456789 },
        { "1234567890.5", true, 1234567890500000000 },
        { "1.0000000019", true, 1000000001 },
        { "-1.5", true, -1500000000 },
        { "", false, 0 },
        { "-", false, 0 },
        { ".5", false, 0 },
        { "1.x", false, 0 },
        { "1e9", false, 0 },
        { "99999999999999999999", false, 0 },
        { "9223372036", false, 0 },
        { "0x10", false, 0 },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t ns = 0;

        cr_assert_eq(ps_tree_time_parse(rows[i].text, &ns), rows[i].good, "%s", rows[i].text);
        if (rows[i].good) {
            cr_assert_eq(ns, rows[i].ns, "%s", rows[i].text);
        }
    }
}

Test(tree_text, writes_times_that_it_reads_back)
{
    static const int64_t times[] = { 0,          1, -1, 999999999, 1000000000, 1700000000123456789,
                                     -5000000001 };

    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        char text[PS_TREE_TIME_SIZE];
        int64_t back = 7;

        ps_tree_time_format(times[i], text);
        cr_assert(ps_tree_time_parse(text, &back), "%s", text);
        cr_assert_eq(back, times[i], "%s", text);
    }
}

Test(tree_text, reads_modes_in_octal_and_decimal)
{
    char text[PS_TREE_MODE_SIZE];
    uint32_t mode = 0;

    cr_assert(ps_tree_mode_parse("0100644", &mode)); /* rclone */
    cr_assert_eq(mode, 0100644);
    cr_assert(ps_tree_mode_parse("33188", &mode)); /* s3fs */
    cr_assert_eq(mode, 0100644);
    cr_assert_not(ps_tree_mode_parse("", &mode));
    cr_assert_not(ps_tree_mode_parse("0999", &mode));
    cr_assert_not(ps_tree_mode_parse("-1", &mode));
    cr_assert_not(ps_tree_mode_parse("99999999", &mode));
    ps_tree_mode_format(0120777, text);
    cr_assert_str_eq(text, "0120777");
}
