#include "decide/decision.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(decision, .timeout = 20);

#define MIB ((uint64_t)1024 * 1024)
#define GIB (1024 * MIB)
#define TIB (1024 * GIB)

/* Both stores: parts 1..10000 of at least 5 MiB (the higher minimum of the two) and at most 5 GiB. */
enum {
    PART_COUNT_MAX = 10000
};

static struct ps_part_size_decision part_size_of(bool has_size, uint64_t bytes)
{
    const struct ps_object_facts object = { .has_size = has_size,
                                            .size_bytes = bytes,
                                            .sent_bytes = bytes };
    struct ps_part_size_decision decision;

    ps_decider_builtin()->part_size(NULL, &object, 0, &decision);
    return decision;
}

Test(decision, known_sizes_have_at_most_5000_parts_of_at_least_16_mib)
{
    static const struct row {
        const char *name;
        uint64_t size;
        uint64_t part_size;
    } rows[] = {
        { "empty", 0, 16 * MIB },
        { "20 GiB", 20 * GIB, 16 * MIB },
        { "5000 parts of 16 MiB", 5000 * 16 * MIB, 16 * MIB },
        { "one byte more", 5000 * 16 * MIB + 1, 17 * MIB },
        { "5000 parts of 17 MiB", 5000 * 17 * MIB, 17 * MIB },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cr_assert_eq(part_size_of(true, rows[i].size).bytes, rows[i].part_size, "%s", rows[i].name);
    }
    for (uint64_t size = 1; size < UINT64_MAX / 3; size = size * 3 + 1) {
        uint64_t part_size = part_size_of(true, size).bytes;

        cr_assert_geq(part_size, 16 * MIB);
        cr_assert_eq(part_size % MIB, 0);
        cr_assert_leq(size / part_size + (size % part_size != 0 ? 1 : 0), 5000);
    }
    cr_assert_geq(part_size_of(true, UINT64_MAX).bytes, UINT64_MAX / 5000);
}

/* A stream's parts are in memory, so they start small; what is sent so far decides, so that a resumed one goes on. */
Test(decision, streams_grow_within_10000_parts)
{
    uint64_t sent = 0;
    uint64_t last = 5 * MIB;
    uint32_t count = 0;

    while (sent < 2 * TIB) {
        uint64_t size = part_size_of(false, sent).bytes;

        cr_assert_geq(size, last, "a part is never smaller than the one before");
        cr_assert_leq(size, 5 * GIB);
        cr_assert(count >= 4500 || size == 5 * MIB, "constant memory for the first 22 GiB");
        last = size;
        sent += size;
        count++;
    }
    cr_assert_leq(count, PART_COUNT_MAX, "%u parts", count);
    cr_assert_leq(part_size_of(false, UINT64_MAX).bytes, 5 * GIB);
}

Test(decision, part_sizes_say_where_they_come_from)
{
    for (int i = 0; i < 2; i++) {
        struct ps_part_size_decision decision = part_size_of(i == 0, 1);

        cr_assert_str_eq(decision.origin.policy, "built-in");
        cr_assert_str_eq(decision.origin.where, "");
        cr_assert_str_eq(decision.origin.digest, "");
        cr_assert_str_neq(decision.origin.reason, "");
    }
}

Test(decision, uploads_have_the_defaults_of_the_header)
{
    const struct ps_object_facts object = { .has_size = true, .size_bytes = 1 };
    struct ps_upload_decision decision;

    memset(&decision, 0x5a, sizeof(decision));

    ps_decider_builtin()->upload(NULL, &object, 0, &decision);

    cr_assert_eq(decision.set, 0, "no policy answered");
    cr_assert_eq(decision.threshold_bytes, PS_DEFAULT_THRESHOLD_BYTES);
    cr_assert_eq(decision.concurrency, PS_DEFAULT_CONCURRENCY);
    cr_assert_str_eq(decision.checksum, "auto");
    cr_assert_str_eq(decision.storage_class, "");
    cr_assert(!decision.skip);
    cr_assert_eq(decision.tags.count, 0);
    cr_assert_eq(decision.metadata.count, 0);
    cr_assert_null(decision.text);
    for (size_t i = 0; i < PS_UPLOAD_FIELD_COUNT; i++) {
        cr_assert_str_eq(decision.origins[i].policy, "built-in", "field %zu", i);
        cr_assert_str_neq(decision.origins[i].reason, "", "field %zu", i);
    }
    ps_upload_decision_clear(&decision);
    ps_upload_decision_clear(&decision);
}

Test(decision, every_field_has_a_bit_and_an_origin)
{
    cr_assert_eq(PS_UPLOAD_FIELD_SKIP, 1 << (PS_UPLOAD_FIELD_COUNT - 1));
}

/* The classes are the names of err.h; S3 answers 503 SlowDown while it grows, so throttling is worth waiting for. */
Test(decision, retries_end_after_the_last_attempt)
{
    static const struct row {
        const char *retry_class;
        uint32_t attempt;
        bool give_up;
    } rows[] = {
        { "transient", 1, false },
        { "transient", PS_DEFAULT_RETRY_ATTEMPTS_MAX - 1, false },
        { "transient", PS_DEFAULT_RETRY_ATTEMPTS_MAX, true },
        { "transient", UINT32_MAX, true },
        { "throttle", 1, false },
        { "throttle", PS_DEFAULT_RETRY_ATTEMPTS_MAX, true },
        { "after_fix", 1, false },
        { "resend_part", 1, false },
        { "never", 1, true },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct ps_retry_facts failure = { .operation = "put_part",
                                                .retry_class = rows[i].retry_class,
                                                .store_code = "",
                                                .attempt = rows[i].attempt };
        struct ps_retry_decision decision;

        memset(&decision, 0x5a, sizeof(decision));
        ps_decider_builtin()->retry(NULL, &failure, 0, &decision);
        cr_assert_eq(decision.give_up, rows[i].give_up, "%s, attempt %u", rows[i].retry_class,
                     rows[i].attempt);
        cr_assert(!decision.has_after, "the wait is the transport's: full jitter");
        cr_assert_str_eq(decision.origin.policy, "built-in");
        cr_assert_str_neq(decision.origin.reason, "");
    }
}
