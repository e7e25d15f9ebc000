/**
 * retry - when to send a failed request again: the policy's answer, bounded by jitter, quota and Retry-After.
 *
 * Flow:    store/s3_call.h -> [retry] -> a timer; asks the decider through ps_retry_ask_fn
 * Thread:  the loop thread
 * Source:  AWS SDK standard retry mode (quota 500; cost 5, timeouts 10; full jitter, base 1 s, cap 20 s),
 *          its 2026 revision (base 50 ms, throttle base 1 s), RFC 9110 10.2.3 (Retry-After)
 */
#ifndef PS_HTTP_RETRY_H
#define PS_HTTP_RETRY_H

#include "base/clock.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/** What failed; borrowed for the call. */
struct ps_retry_failure {
    const char *operation;    /* "put_part" */
    const char *url;          /* of the object: s3://bucket/key */
    uint32_t part_number;     /* 0 = none */
    const struct ps_err *err; /* class, status, store code */
    uint32_t attempt;         /* failed so far, from 1 */
    uint64_t elapsed_ms;
    bool has_retry_after;
    uint64_t retry_after_ms;
};

struct ps_retry_answer {
    bool give_up;
    bool has_after;
    uint64_t after_ms;
};

/** The policy's opinion. The composition root joins this to decide/decision.h. */
typedef void (*ps_retry_ask_fn)(void *user, const struct ps_retry_failure *failure,
                                struct ps_retry_answer *answer_out);

/** Tokens of one endpoint and its credentials, shared by all transfers to it. */
struct ps_retry_quota {
    uint32_t tokens;
};

struct ps_retrier {
    ps_retry_ask_fn ask; /* NULL = at most attempts_max */
    void *user;
    const struct ps_clock *clock;
    uint32_t attempts_max; /* used when ask is NULL */
    struct ps_retry_quota quota;
    int64_t
        throttled_until_mono_ms; /* no request of this store starts before; set by a THROTTLE failure */
};

void ps_retry_init(struct ps_retrier *retry, ps_retry_ask_fn ask, void *user,
                   const struct ps_clock *clock);

/**
 * True and *wait_ms_out (may be 0) when the request is to be sent again; false to report the failure.
 *
 * Never sends again what err->retry forbids. AFTER_FIX is the caller's to count (once). A whole jittered backoff is
 * rand(0..1) * min(20 s, base * 2^(attempt-1)), base 50 ms (THROTTLE 1 s); it is never shorter than Retry-After,
 * which is honoured up to 5 min (longer: give up).
 */
PS_MUST_USE bool ps_retry_next(struct ps_retrier *retry, const struct ps_retry_failure *failure,
                               uint64_t *wait_ms_out);

/** A request succeeded after attempts_failed failures: tokens come back. */
void ps_retry_succeeded(struct ps_retrier *retry, uint32_t attempts_failed);

/** Milliseconds a new request of this store has to wait because of throttling; 0 = none. */
uint64_t ps_retry_pause_ms(const struct ps_retrier *retry);

#endif
