/**
 * clock - time and randomness as arguments, so that signing, backoff and policies are testable.
 *
 * Flow:    main.c -> [clock] -> http/retry.h, creds/sign_v4.h, lua, state
 * Thread:  any; the system clock holds no state
 * Source:  POSIX clock_gettime; Linux getrandom(2)
 */
#ifndef PS_BASE_CLOCK_H
#define PS_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

struct ps_clock {
    void *user;
    int64_t (*unix_ms)(void *user); /* wall clock, milliseconds since 1970 UTC */
    int64_t (*mono_ms)(void *user); /* never goes back; only differences mean anything */
    uint64_t (*random)(
        void *user); /* 64 random bits, for jitter and temporary names, not for secrets */
    int64_t (*cpu_ms)(void *user); /* CPU time of the calling thread; NULL: mono_ms stands for it */
};

/** The machine's own clock. The struct is static and lives for ever. */
const struct ps_clock *ps_clock_system(void);

static inline int64_t ps_clock_unix_ms(const struct ps_clock *clock)
{
    return clock->unix_ms(clock->user);
}

static inline int64_t ps_clock_mono_ms(const struct ps_clock *clock)
{
    return clock->mono_ms(clock->user);
}

static inline int64_t ps_clock_cpu_ms(const struct ps_clock *clock)
{
    return clock->cpu_ms != NULL ? clock->cpu_ms(clock->user) : clock->mono_ms(clock->user);
}

static inline uint64_t ps_clock_random(const struct ps_clock *clock)
{
    return clock->random(clock->user);
}

#endif
