#include "http/retry.h"

#include <errno.h>
#include <stddef.h>

/**
 * Used when no policy is asked. Eight attempts wait 3 s in all on average, 36 s when throttled, beside what the
 * attempts themselves take. Lower: a hiccup of the store fails transfers. Higher: a store that is down is noticed late.
 */
#define ATTEMPTS_MAX_DEFAULT 8U

/* AWS SDK standard mode, 2026 revision: bases and cap of the backoff. */
#define BACKOFF_BASE_MS ((uint64_t)50)
#define BACKOFF_THROTTLE_BASE_MS ((uint64_t)1000)
#define BACKOFF_CAP_MS ((uint64_t)20 * 1000)

/**
 * The longest Retry-After that is waited for. Lower: a store under maintenance fails transfers that could go on.
 * Higher: a hostile or broken endpoint holds a transfer as long as it likes.
 */
#define RETRY_AFTER_MAX_MS ((uint64_t)5 * 60 * 1000)

/* AWS SDK standard mode: one bucket of 500 tokens; 5 a retry, 10 after a timeout, 1 back for a plain success. */
#define QUOTA_CAPACITY 500U
#define QUOTA_RETRY_COST 5U
#define QUOTA_TIMEOUT_COST 10U
#define QUOTA_SUCCESS_GAIN 1U

static uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static bool may_be_sent_again(enum ps_retry retry)
{
    switch (retry) {
    case PS_RETRY_TRANSIENT:
    case PS_RETRY_THROTTLE:
    case PS_RETRY_AFTER_FIX:
        return true;
    case PS_RETRY_NEVER:
    case PS_RETRY_RESEND_PART: /* the same bytes would be refused again; they are to be read anew */
        return false;
    }
    return false;
}

static struct ps_retry_answer ask(const struct ps_retrier *retry,
                                  const struct ps_retry_failure *failure)
{
    struct ps_retry_answer answer = { .give_up = false };

    if (retry->ask != NULL) {
        retry->ask(retry->user, failure, &answer);
    } else {
        answer.give_up = failure->attempt >= retry->attempts_max;
    }
    return answer;
}

/* Full jitter: evenly spread over 0..limit, so that clients which failed together do not come back together. */
static uint64_t backoff_ms(const struct ps_retrier *retry, const struct ps_retry_failure *failure)
{
    uint64_t limit_ms =
        failure->err->retry == PS_RETRY_THROTTLE ? BACKOFF_THROTTLE_BASE_MS : BACKOFF_BASE_MS;

    if (failure->err->retry == PS_RETRY_AFTER_FIX) {
        return 0; /* what was wrong is mended: nothing to wait for */
    }
    for (uint32_t i = 1; i < failure->attempt && limit_ms < BACKOFF_CAP_MS; i++) {
        limit_ms *= 2;
    }
    if (limit_ms > BACKOFF_CAP_MS) {
        limit_ms = BACKOFF_CAP_MS;
    }
    return ps_clock_random(retry->clock) % (limit_ms + 1);
}

static bool take_tokens(struct ps_retry_quota *quota, const struct ps_err *err)
{
    uint32_t cost = err->sys_errno == ETIMEDOUT ? QUOTA_TIMEOUT_COST : QUOTA_RETRY_COST;

    if (err->retry == PS_RETRY_AFTER_FIX) {
        return true; /* once a request at most: cannot become a storm */
    }
    if (quota->tokens < cost) {
        return false;
    }
    quota->tokens -= cost;
    return true;
}

/* The longest pause asked for so far stands. */
static void pause_store(struct ps_retrier *retry, uint64_t wait_ms)
{
    int64_t now_ms = ps_clock_mono_ms(retry->clock);
    int64_t until_ms;

    if (__builtin_add_overflow(now_ms, wait_ms, &until_ms)) {
        until_ms = INT64_MAX;
    }
    if (until_ms > retry->throttled_until_mono_ms) {
        retry->throttled_until_mono_ms = until_ms;
    }
}

void ps_retry_init(struct ps_retrier *retry, ps_retry_ask_fn ask_fn, void *user,
                   const struct ps_clock *clock)
{
    *retry = (struct ps_retrier){
        .ask = ask_fn,
        .user = user,
        .clock = clock,
        .attempts_max = ATTEMPTS_MAX_DEFAULT,
        .quota = { .tokens = QUOTA_CAPACITY },
        .throttled_until_mono_ms = INT64_MIN,
    };
}

bool ps_retry_next(struct ps_retrier *retry, const struct ps_retry_failure *failure,
                   uint64_t *wait_ms_out)
{
    struct ps_retry_answer answer;
    uint64_t floor_ms;
    uint64_t wait_ms;

    if (!may_be_sent_again(failure->err->retry) ||
        (failure->has_retry_after && failure->retry_after_ms > RETRY_AFTER_MAX_MS)) {
        return false;
    }
    answer = ask(retry, failure);
    floor_ms = failure->has_retry_after ? failure->retry_after_ms : 0;
    wait_ms = max_u64(backoff_ms(retry, failure), floor_ms);
    if (failure->err->retry == PS_RETRY_THROTTLE) {
        /* Also when this request is given up: the others still ask too much. A policy's wait is for this one only. */
        pause_store(retry, wait_ms);
    }
    if (answer.has_after) {
        wait_ms = max_u64(answer.after_ms, floor_ms);
    }
    if (answer.give_up || !take_tokens(&retry->quota, failure->err)) {
        return false;
    }
    *wait_ms_out = wait_ms;
    return true;
}

void ps_retry_succeeded(struct ps_retrier *retry, uint32_t attempts_failed)
{
    uint64_t gain =
        attempts_failed == 0 ? QUOTA_SUCCESS_GAIN : (uint64_t)attempts_failed * QUOTA_RETRY_COST;
    uint64_t tokens = retry->quota.tokens + gain;

    retry->quota.tokens = tokens < QUOTA_CAPACITY ? (uint32_t)tokens : QUOTA_CAPACITY;
}

uint64_t ps_retry_pause_ms(const struct ps_retrier *retry)
{
    int64_t now_ms = ps_clock_mono_ms(retry->clock);

    if (retry->throttled_until_mono_ms <= now_ms) {
        return 0;
    }
    return (uint64_t)retry->throttled_until_mono_ms - (uint64_t)now_ms;
}
