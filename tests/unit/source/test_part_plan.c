#include "source/part_plan.h"

#include <criterion/criterion.h>

TestSuite(part_plan, .timeout = 20);

#define KIB ((uint64_t)1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define TIB (1024 * GIB)

/* S3 and OSS limits: parts 1..10000, 5 MiB (OSS 100 KiB) .. 5 GiB, the last may be smaller. */
static const struct ps_part_limits s3 = { 5 * MIB, 5 * GIB, 10000 };
static const struct ps_part_limits oss = { 100 * KIB, 5 * GIB, 10000 };

Test(part_plan, fits_the_wish_to_the_limits)
{
    static const struct row {
        const char *name;
        uint64_t size;
        uint64_t wanted;
        const struct ps_part_limits *limits;
        uint64_t part_size;
        uint32_t count;
    } rows[] = {
        { "an empty object has one empty part", 0, 16 * MIB, &s3, 16 * MIB, 1 },
        { "one byte", 1, 16 * MIB, &s3, 16 * MIB, 1 },
        { "an exact multiple", 32 * MIB, 16 * MIB, &s3, 16 * MIB, 2 },
        { "one byte more", 32 * MIB + 1, 16 * MIB, &s3, 16 * MIB, 3 },
        { "raised to the minimum", 20 * MIB, 1, &s3, 5 * MIB, 4 },
        { "OSS takes smaller parts", 1 * MIB, 1, &oss, 100 * KIB, 11 },
        { "raised to 10,000 parts", 1 * TIB, 16 * MIB, &s3, 105 * MIB, 9987 },
        { "the largest object", 10000 * 5 * GIB, 16 * MIB, &s3, 5 * GIB, 10000 },
        { "cut to the maximum", 100 * GIB, 50 * GIB, &s3, 5 * GIB, 20 },
        { "20 GiB with all defaults", 20 * GIB, 16 * MIB, &s3, 16 * MIB, 1280 },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ps_part_plan plan;
        uint64_t sum = 0;

        cr_assert_eq(ps_part_plan_init(&plan, rows[i].size, rows[i].wanted, rows[i].limits, NULL),
                     PS_OK, "%s", rows[i].name);
        cr_assert_eq(plan.part_size_bytes, rows[i].part_size, "%s: %zu", rows[i].name,
                     (size_t)plan.part_size_bytes);
        cr_assert_eq(plan.part_count, rows[i].count, "%s: %u", rows[i].name, plan.part_count);
        for (uint32_t part = 0; part < plan.part_count; part++) {
            cr_assert_eq(ps_part_plan_offset(&plan, part), sum, "%s", rows[i].name);
            sum += ps_part_plan_size(&plan, part);
        }
        cr_assert_eq(sum, rows[i].size, "%s", rows[i].name);
    }
}

Test(part_plan, refuses_what_cannot_be_cut)
{
    struct ps_part_plan plan = { .part_count = 7 };
    struct ps_err err;

    cr_assert_eq(ps_part_plan_init(&plan, 10000 * 5 * GIB + 1, 1, &s3, &err), PS_E_TOO_LARGE);
    cr_assert_eq(ps_part_plan_init(&plan, 1, 0, &s3, &err), PS_E_INVALID);
    cr_assert_eq(ps_part_plan_init(&plan, UINT64_MAX, 16 * MIB, &s3, &err), PS_E_TOO_LARGE);
    cr_assert_eq(plan.part_count, 7, "unchanged on failure");
}
