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
    cr_assert_str_eq(err.message, "16.0 EiB is more than 10000 parts of the largest size");
    cr_assert_eq(plan.part_count, 7, "unchanged on failure");
}

Test(part_plan, every_plan_keeps_the_limits)
{
    const struct ps_part_limits *stores[] = { &s3, &oss };

    for (size_t store = 0; store < 2; store++) {
        const struct ps_part_limits *limits = stores[store];

        for (uint64_t size = 1; size <= 10000 * 5 * GIB; size = size * 7 / 3 + 1) {
            for (uint64_t wanted = 1; wanted <= 8 * GIB; wanted = wanted * 5 + 1) {
                struct ps_part_plan plan;
                uint32_t last;

                cr_assert_eq(ps_part_plan_init(&plan, size, wanted, limits, NULL), PS_OK);
                last = plan.part_count - 1;
                cr_assert_geq(plan.part_size_bytes, limits->part_size_min_bytes);
                cr_assert_leq(plan.part_size_bytes, limits->part_size_max_bytes);
                cr_assert_leq(plan.part_count, limits->part_count_max);
                cr_assert_geq(plan.part_count, 1);
                cr_assert(plan.part_size_bytes >= wanted || wanted > limits->part_size_max_bytes);
                cr_assert_geq(ps_part_plan_size(&plan, last), 1);
                cr_assert_leq(ps_part_plan_size(&plan, last), plan.part_size_bytes);
                cr_assert_eq(ps_part_plan_offset(&plan, last) + ps_part_plan_size(&plan, last),
                             size);
            }
        }
    }
}

/* Sizes come from a store's answer: no number of theirs may wrap around. */
Test(part_plan, limits_and_sizes_of_any_kind_do_not_wrap_around)
{
    static const uint64_t sizes[] = { 0, 1, UINT64_MAX / 2, UINT64_MAX - 1, UINT64_MAX };
    static const struct ps_part_limits limits[] = {
        { 1, 5 * GIB, 1 },
        { 1, UINT64_MAX, 1 },
        { 0, UINT64_MAX, 10000 },
        { 1, UINT64_MAX / 2, 2 },
        { 5 * MIB, 5 * GIB, 2 },
        { 1, 1, UINT32_MAX },
        { UINT64_MAX, UINT64_MAX, 3 },
    };

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (size_t k = 0; k < sizeof(limits) / sizeof(limits[0]); k++) {
            struct ps_part_plan plan = { .part_count = 0 };
            enum ps_code code = ps_part_plan_init(&plan, sizes[i], 16 * MIB, &limits[k], NULL);

            cr_assert(code == PS_OK || code == PS_E_TOO_LARGE, "size %zu, limits %zu", i, k);
            if (code == PS_OK) {
                uint32_t last = plan.part_count - 1;

                cr_assert_eq(ps_part_plan_offset(&plan, last) + ps_part_plan_size(&plan, last),
                             sizes[i], "size %zu, limits %zu", i, k);
            }
        }
    }
}

Test(part_plan, limits_that_allow_nothing_are_refused)
{
    static const struct ps_part_limits limits[] = { { 1, 0, 10 }, { 1, 5 * GIB, 0 } };

    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        struct ps_part_plan plan;

        cr_assert_eq(ps_part_plan_init(&plan, 1, 1, &limits[i], NULL), PS_E_INVALID);
    }
}
