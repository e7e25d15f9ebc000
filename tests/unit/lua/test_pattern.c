#include "lua/pattern.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(pattern, .timeout = 20);

/* Counted by hand: with k places in n bytes (n + k)! / (n! k!) ways, twice for each `?`, pattern length + 1 each. */
Test(pattern, steps_are_the_ways_to_divide_the_subject)
{
    static const struct row {
        const char *pattern;
        size_t subject_size_bytes;
        bool has_anchor;
        double steps;
    } rows[] = {
        { "^abc", 100, true, 5 },
        { "abc", 100, true, 4 * 101 },
        { "^a*", 100, true, 4 * 101 },
        { "^a*", 100, false, 4 * (101 * 102 / 2) },
        { "a*", 100, true, 3 * (101 * 102 / 2) },
        { "^a*b+c-", 10, true, 8 * (11 * 12 * 13 / 6) },
        { "^a?b?c?", 10, true, 8 * 8 },
        { "^[a*]*", 10, true, 7 * 11 },
        { "^[]*+-]*", 10, true, 9 * 11 },
        { "^[^]*+-]*", 10, true, 10 * 11 },
        { "^[%]*]*", 10, true, 8 * 11 },
        { "^%*%+%-%?", 10, true, 10 },
        { "^%b()", 10, true, 6 * 11 },
        { "^(a)%1", 10, true, 7 * 11 },
        { "", 10, true, 11 },
        { "^", 10, true, 2 },
        { "^[", 10, true, 3 },
        { "^%", 10, true, 3 },
        { "^%b", 10, true, 4 * 11 },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        double steps = ps_pattern_steps(rows[i].pattern, strlen(rows[i].pattern),
                                        rows[i].subject_size_bytes, rows[i].has_anchor);

        cr_expect(steps > rows[i].steps * 0.999999 && steps < rows[i].steps * 1.000001,
                  "%s on %zu: %f", rows[i].pattern, rows[i].subject_size_bytes, steps);
    }
}

Test(pattern, bombs_are_over_the_budget_and_honest_patterns_on_keys_are_not)
{
    static const struct row {
        const char *pattern;
        size_t subject_size_bytes;
        bool allowed;
    } rows[] = {
        { "^logs/(.*)%.txt$", 1024, true },  { "[^/]+$", 1024, true },
        { "^([^/]+)/([^/]+)/", 1024, true }, { "%d%d%d%d%-%d%d%-%d%d", 1024, true },
        { "^(.-)/(.-)/(.*)$", 100, true },   { "a*a*a*a*a*a*a*a*b", 40, false },
        { ".-.-.-b", 500, false },           { "%b()%b()%b()", 2000, false },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cr_expect_eq(ps_pattern_steps(rows[i].pattern, strlen(rows[i].pattern),
                                      rows[i].subject_size_bytes, true) <= PS_PATTERN_STEPS_MAX,
                     rows[i].allowed, "%s on %zu", rows[i].pattern, rows[i].subject_size_bytes);
    }
}

Test(pattern, a_plain_text_is_compared_at_every_place)
{
    cr_assert_eq(ps_pattern_plain_steps(3, 10), 8.0 * 4.0);
    cr_assert_eq(ps_pattern_plain_steps(11, 10), 1.0);
    cr_assert_eq(ps_pattern_plain_steps(0, 10), 11.0);
}
