#include "base/clock.h"

#include <sys/random.h>
#include <time.h>

static int64_t read_ms(clockid_t id)
{
    struct timespec now = { 0 };

    (void)clock_gettime(id, &now); /* cannot fail for these clocks */
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t system_unix_ms(void *user)
{
    (void)user;
    return read_ms(CLOCK_REALTIME);
}

static int64_t system_mono_ms(void *user)
{
    (void)user;
    return read_ms(CLOCK_MONOTONIC);
}

static int64_t system_cpu_ms(void *user)
{
    (void)user;
    return read_ms(CLOCK_THREAD_CPUTIME_ID);
}

static uint64_t system_random(void *user)
{
    uint64_t bits = 0;

    (void)user;
    if (getrandom(&bits, sizeof(bits), 0) != (ssize_t)sizeof(bits)) {
        bits = (uint64_t)read_ms(CLOCK_MONOTONIC) * 0x9e3779b97f4a7c15U;
    }
    return bits;
}

const struct ps_clock *ps_clock_system(void)
{
    static const struct ps_clock system_clock = {
        .user = NULL,
        .unix_ms = system_unix_ms,
        .mono_ms = system_mono_ms,
        .random = system_random,
        .cpu_ms = system_cpu_ms,
    };
    return &system_clock;
}
