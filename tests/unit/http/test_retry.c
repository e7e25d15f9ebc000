#include "http/retry.h"

#include <criterion/criterion.h>
#include <errno.h>

TestSuite(retry, .timeout = 20);

struct fake {
    int64_t mono_ms;
    uint64_t random;
};

static int64_t fake_unix_ms(void *user)
{
    (void)user;
    return 0;
}

static int64_t fake_mono_ms(void *user)
{
    struct fake *fake = user;

    return fake->mono_ms;
}

static uint64_t fake_random(void *user)
{
    struct fake *fake = user;

    return fake->random;
}

static struct ps_clock clock_of(struct fake *fake)
{
    return (struct ps_clock){ fake, fake_unix_ms, fake_mono_ms, fake_random, NULL };
}

static struct ps_retry_failure failure_of(const struct ps_err *err, uint32_t attempt)
{
    return (struct ps_retry_failure){
        .operation = "put_part",
        .url = "s3://bucket/key",
        .err = err,
        .attempt = attempt,
    };
}

static void ask_fixed(void *user, const struct ps_retry_failure *failure,
                      struct ps_retry_answer *answer_out)
{
    const struct ps_retry_answer *answer = user;

    cr_assert_not_null(failure->err);
    *answer_out = *answer;
}

/* AWS SDK retry behaviour, 2026 revision: base 50 ms, throttle 1 s, cap 20 s; full jitter. */
static const struct {
    enum ps_retry retry;
    uint32_t attempt;
    uint64_t limit_ms;
} backoff_rows[] = {
    { PS_RETRY_TRANSIENT, 0, 50 },
    { PS_RETRY_TRANSIENT, 1, 50 },
    { PS_RETRY_TRANSIENT, 2, 100 },
    { PS_RETRY_TRANSIENT, 5, 800 },
    { PS_RETRY_TRANSIENT, 9, 12800 },
    { PS_RETRY_TRANSIENT, 10, 20000 },
    { PS_RETRY_TRANSIENT, 64, 20000 },
    { PS_RETRY_TRANSIENT, UINT32_MAX, 20000 },
    { PS_RETRY_THROTTLE, 1, 1000 },
    { PS_RETRY_THROTTLE, 2, 2000 },
    { PS_RETRY_THROTTLE, 5, 16000 },
    { PS_RETRY_THROTTLE, 6, 20000 },
    { PS_RETRY_THROTTLE, UINT32_MAX, 20000 },
    { PS_RETRY_AFTER_FIX, 1, 0 },
};

Test(retry, jitter_stays_within_the_backoff)
{
    static const uint64_t randoms[] = { 0, 1, 12345, UINT64_MAX / 3, UINT64_MAX };
    struct ps_retry_answer go_on = { .give_up = false };

    for (size_t i = 0; i < sizeof(backoff_rows) / sizeof(backoff_rows[0]); i++) {
        struct ps_err err = { .code = PS_E_TEMPORARY, .retry = backoff_rows[i].retry };
        struct ps_retry_failure failure = failure_of(&err, backoff_rows[i].attempt);

        for (size_t r = 0; r < sizeof(randoms) / sizeof(randoms[0]); r++) {
            struct fake fake = { .random = randoms[r] };
            struct ps_clock clock = clock_of(&fake);
            struct ps_retrier retry;
            uint64_t wait_ms = UINT64_MAX;

            ps_retry_init(&retry, ask_fixed, &go_on, &clock);
            cr_assert(ps_retry_next(&retry, &failure, &wait_ms), "row %zu", i);
            cr_expect_leq(wait_ms, backoff_rows[i].limit_ms, "row %zu", i);
        }
    }
}

Test(retry, jitter_reaches_both_ends)
{
    for (size_t i = 0; i < sizeof(backoff_rows) / sizeof(backoff_rows[0]); i++) {
        struct ps_err err = { .code = PS_E_TEMPORARY, .retry = backoff_rows[i].retry };
        struct ps_retry_failure failure = failure_of(&err, backoff_rows[i].attempt);
        struct ps_retry_answer go_on = { .give_up = false };
        struct fake fake = { .random = 0 };
        struct ps_clock clock = clock_of(&fake);
        struct ps_retrier retry;
        uint64_t wait_ms = UINT64_MAX;

        ps_retry_init(&retry, ask_fixed, &go_on, &clock);
        cr_assert(ps_retry_next(&retry, &failure, &wait_ms));
        cr_expect_eq(wait_ms, 0, "row %zu", i);
        fake.random = backoff_rows[i].limit_ms;
        cr_assert(ps_retry_next(&retry, &failure, &wait_ms));
        cr_expect_eq(wait_ms, backoff_rows[i].limit_ms, "row %zu", i);
    }
}

Test(retry, never_sends_again_what_the_class_forbids)
{
    static const enum ps_retry forbidden[] = { PS_RETRY_NEVER, PS_RETRY_RESEND_PART };
    struct ps_retry_answer eager = { .has_after = true, .after_ms = 1 };
    struct fake fake = { 0 };
    struct ps_clock clock = clock_of(&fake);
    struct ps_retrier retry;

    ps_retry_init(&retry, ask_fixed, &eager, &clock);
    for (size_t i = 0; i < 2; i++) {
        struct ps_err err = { .code = PS_E_DENIED, .retry = forbidden[i] };
        struct ps_retry_failure failure = failure_of(&err, 1);
        uint64_t wait_ms = 7;

        cr_expect_not(ps_retry_next(&retry, &failure, &wait_ms), "%s", ps_retry_name(forbidden[i]));
        cr_expect_eq(wait_ms, 7);
    }
    cr_expect_eq(retry.quota.tokens, 500);
}

Test(retry, counts_attempts_when_no_policy_is_asked)
{
    struct ps_err err = { .code = PS_E_TEMPORARY, .retry = PS_RETRY_TRANSIENT };
    struct fake fake = { 0 };
    struct ps_clock clock = clock_of(&fake);
    struct ps_retrier retry;
    uint64_t wait_ms;

    ps_retry_init(&retry, NULL, NULL, &clock);
    retry.attempts_max = 3;
    for (uint32_t attempt = 1; attempt <= 4; attempt++) {
        struct ps_retry_failure failure = failure_of(&err, attempt);

        cr_expect_eq(ps_retry_next(&retry, &failure, &wait_ms), attempt < 3, "attempt %u", attempt);
    }
}

Test(retry, policy_chooses_the_wait_and_may_give_up)
{
    struct ps_err err = { .code = PS_E_TEMPORARY, .retry = PS_RETRY_TRANSIENT };
    struct ps_retry_failure failure = failure_of(&err, 1000);
    struct ps_retry_answer answer = { .has_after = true, .after_ms = 123456 };
    struct fake fake = { .random = 3 };
    struct ps_clock clock = clock_of(&fake);
    struct ps_retrier retry;
    uint64_t wait_ms = 0;

    ps_retry_init(&retry, ask_fixed, &answer, &clock);
    cr_assert(ps_retry_next(&retry, &failure, &wait_ms));
    cr_expect_eq(wait_ms, 123456);
    cr_expect_eq(retry.quota.tokens, 495);

    answer.give_up = true;
    cr_expect_not(ps_retry_next(&retry, &failure, &wait_ms));
    cr_expect_eq(retry.quota.tokens, 495);
}

/* RFC 9110 10.2.3, x-amz-retry-after: a floor, up to 5 minutes. */
Test(retry, retry_after_is_the_floor_and_has_a_ceiling)
{
    static const struct {
        bool policy;
        uint64_t after_ms;
        uint64_t retry_after_ms;
        bool again;
        uint64_t wait_ms;
    } rows[] = {
        { false, 0, 0, true, 30 },        { false, 0, 29, true, 30 },
        { false, 0, 31, true, 31 },       { false, 0, 300000, true, 300000 },
        { false, 0, 300001, false, 0 },   { false, 0, UINT64_MAX, false, 0 },
        { true, 10, 2000, true, 2000 },   { true, 5000, 2000, true, 5000 },
        { true, 5000, 300001, false, 0 },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ps_err err = { .code = PS_E_TEMPORARY, .retry = PS_RETRY_TRANSIENT };
        struct ps_retry_failure failure = failure_of(&err, 1);
        struct ps_retry_answer answer = { .has_after = rows[i].policy,
                                          .after_ms = rows[i].after_ms };
        struct fake fake = { .random = 30 };
        struct ps_clock clock = clock_of(&fake);
        struct ps_retrier retry;
        uint64_t wait_ms = 0;

        failure.has_retry_after = true;
        failure.retry_after_ms = rows[i].retry_after_ms;
        ps_retry_init(&retry, ask_fixed, &answer, &clock);
        cr_expect_eq(ps_retry_next(&retry, &failure, &wait_ms), rows[i].again, "row %zu", i);
        cr_expect_eq(wait_ms, rows[i].wait_ms, "row %zu: %llu", i, (unsigned long long)wait_ms);
    }
}

/* AWS SDK standard mode: 500 tokens, 5 a retry, 10 after a timeout. */
Test(retry, quota_runs_out_and_then_failures_are_final)
{
    static const struct {
        int sys_errno;
        unsigned retries; /* that 500 tokens pay for */
    } rows[] = { { 0, 100 }, { ECONNRESET, 100 }, { ETIMEDOUT, 50 } };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ps_err err = { .code = PS_E_TEMPORARY,
                              .retry = PS_RETRY_TRANSIENT,
                              .sys_errno = rows[i].sys_errno };
        struct ps_retry_failure failure = failure_of(&err, 1);
        struct fake fake = { 0 };
        struct ps_clock clock = clock_of(&fake);
        struct ps_retrier retry;
        unsigned count = 0;
        uint64_t wait_ms;

        ps_retry_init(&retry, NULL, NULL, &clock);
        while (count < 1000 && ps_retry_next(&retry, &failure, &wait_ms)) {
            count++;
        }
        cr_expect_eq(count, rows[i].retries, "row %zu: %u", i, count);
        cr_expect_eq(retry.quota.tokens, 0);
    }
}

Test(retry, tokens_come_back_with_success_up_to_the_capacity)
{
    struct fake fake = { 0 };
    struct ps_clock clock = clock_of(&fake);
    struct ps_retrier retry;

    ps_retry_init(&retry, NULL, NULL, &clock);
    retry.quota.tokens = 0;
    ps_retry_succeeded(&retry, 0);
    cr_expect_eq(retry.quota.tokens, 1);
    ps_retry_succeeded(&retry, 3);
    cr_expect_eq(retry.quota.tokens, 16);
    retry.quota.tokens = 499;
    ps_retry_succeeded(&retry, 2);
    cr_expect_eq(retry.quota.tokens, 500);
    ps_retry_succeeded(&retry, UINT32_MAX);
    cr_expect_eq(retry.quota.tokens, 500);
}

Test(retry, a_fix_costs_no_tokens_and_no_wait)
{
    struct ps_err err = { .code = PS_E_DENIED, .retry = PS_RETRY_AFTER_FIX };
    struct ps_retry_failure failure = failure_of(&err, 1);
    struct fake fake = { .random = UINT64_MAX };
    struct ps_clock clock = clock_of(&fake);
    struct ps_retrier retry;
    uint64_t wait_ms = 7;

    ps_retry_init(&retry, NULL, NULL, &clock);
    retry.quota.tokens = 0;
    cr_assert(ps_retry_next(&retry, &failure, &wait_ms));
    cr_expect_eq(wait_ms, 0);
}

Test(retry, throttling_pauses_the_whole_store)
{
    struct ps_err err = { .code = PS_E_TEMPORARY, .retry = PS_RETRY_THROTTLE };
    struct ps_retry_failure failure = failure_of(&err, 1);
    struct fake fake = { .mono_ms = 10000, .random = 600 };
    struct ps_clock clock = clock_of(&fake);
    struct ps_retrier retry;
    uint64_t wait_ms = 0;

    ps_retry_init(&retry, NULL, NULL, &clock);
    cr_expect_eq(ps_retry_pause_ms(&retry), 0);
    cr_assert(ps_retry_next(&retry, &failure, &wait_ms));
    cr_expect_eq(wait_ms, 600);
    cr_expect_eq(ps_retry_pause_ms(&retry), 600);

    fake.mono_ms += 100; /* a shorter one does not end it */
    fake.random = 1;
    cr_assert(ps_retry_next(&retry, &failure, &wait_ms));
    cr_expect_eq(ps_retry_pause_ms(&retry), 500);

    failure.has_retry_after = true; /* a longer one extends it */
    failure.retry_after_ms = 3000;
    cr_assert(ps_retry_next(&retry, &failure, &wait_ms));
    cr_expect_eq(ps_retry_pause_ms(&retry), 3000);

    fake.mono_ms += 3000;
    cr_expect_eq(ps_retry_pause_ms(&retry), 0);
}

Test(retry, throttling_pauses_also_when_the_request_is_given_up)
{
    struct ps_err err = { .code = PS_E_TEMPORARY, .retry = PS_RETRY_THROTTLE };
    struct ps_retry_failure failure = failure_of(&err, 99);
    struct fake fake = { .random = 700 };
    struct ps_clock clock = clock_of(&fake);
    struct ps_retrier retry;
    uint64_t wait_ms = 0;

    ps_retry_init(&retry, NULL, NULL, &clock);
    cr_expect_not(ps_retry_next(&retry, &failure, &wait_ms));
    cr_expect_eq(ps_retry_pause_ms(&retry), 700);
}

Test(retry, policys_wait_is_for_its_request_only)
{
    struct ps_err err = { .code = PS_E_TEMPORARY, .retry = PS_RETRY_THROTTLE };
    struct ps_retry_failure failure = failure_of(&err, 1);
    struct ps_retry_answer answer = { .has_after = true, .after_ms = UINT64_MAX };
    struct fake fake = { .random = 250 };
    struct ps_clock clock = clock_of(&fake);
    struct ps_retrier retry;
    uint64_t wait_ms = 0;

    ps_retry_init(&retry, ask_fixed, &answer, &clock);
    cr_assert(ps_retry_next(&retry, &failure, &wait_ms));
    cr_expect_eq(wait_ms, UINT64_MAX);
    cr_expect_eq(ps_retry_pause_ms(&retry), 250);
}

Test(retry, transient_failures_pause_nobody)
{
    struct ps_err err = { .code = PS_E_TEMPORARY, .retry = PS_RETRY_TRANSIENT };
    struct ps_retry_failure failure = failure_of(&err, 1);
    struct fake fake = { .random = 50 };
    struct ps_clock clock = clock_of(&fake);
    struct ps_retrier retry;
    uint64_t wait_ms = 0;

    ps_retry_init(&retry, NULL, NULL, &clock);
    cr_assert(ps_retry_next(&retry, &failure, &wait_ms));
    cr_expect_eq(ps_retry_pause_ms(&retry), 0);
}
