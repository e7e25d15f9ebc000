#include "decide/decision.h"

#include <criterion/criterion.h>

TestSuite(decision, .timeout = 20);

#define MIB ((uint64_t)1024 * 1024)

static uint64_t part_size_of(bool has_size, uint64_t bytes)
{
    const struct ps_object_facts object = { .has_size = has_size,
                                            .size_bytes = bytes,
                                            .sent_bytes = bytes };
    struct ps_part_size_decision decision;

    ps_decider_builtin()->part_size(NULL, &object, 0, &decision);
    cr_assert_str_eq(decision.origin.policy, "built-in");
    return decision.bytes;
}

Test(decision, known_sizes_have_at_most_5000_parts_of_at_least_16_mib)
{
    cr_assert_eq(part_size_of(true, 0), 16 * MIB);
    cr_assert_eq(part_size_of(true, 20480 * MIB), 16 * MIB);
    cr_assert_eq(part_size_of(true, 5000 * 16 * MIB), 16 * MIB);
    cr_assert_eq(part_size_of(true, 5000 * 16 * MIB + 1), 17 * MIB);
    cr_assert_leq((1024 * 1024 * MIB) / part_size_of(true, 1024 * 1024 * MIB), 5000);
}

/* The sizes of a stream's parts as it grows: constant for 22 GiB, and a terabyte fits into 10,000 parts. */
Test(decision, streams_grow_within_10000_parts)
{
    uint64_t sent = 0;
    uint32_t count = 0;

    while (sent < 1024 * 1024 * MIB) {
        uint64_t size = part_size_of(false, sent);

        cr_assert_geq(size, 5 * MIB);
        cr_assert(count >= 4500 || size == 5 * MIB);
        sent += size;
        count++;
    }
    cr_assert_leq(count, 10000, "%u parts", count);
}

Test(decision, retries_end)
{
    struct ps_retry_facts failure = { .retry_class = "transient", .attempt = 1 };
    struct ps_retry_decision decision;

    ps_decider_builtin()->retry(NULL, &failure, 0, &decision);
    cr_assert(!decision.give_up);
    failure.attempt = PS_DEFAULT_RETRY_ATTEMPTS_MAX;
    ps_decider_builtin()->retry(NULL, &failure, 0, &decision);
    cr_assert(decision.give_up);
    failure = (struct ps_retry_facts){ .retry_class = "never", .attempt = 1 };
    ps_decider_builtin()->retry(NULL, &failure, 0, &decision);
    cr_assert(decision.give_up);
}
