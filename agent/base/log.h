/**
 * log - one line an event, as text or JSON, on a descriptor (standard error).
 *
 * Flow:    whoever handles an event or error -> [log] -> stderr
 * Thread:  any; one write(2) a line, so lines never mix
 * Source:  none
 */
#ifndef PS_BASE_LOG_H
#define PS_BASE_LOG_H

#include "base/clock.h"
#include "base/err.h"

#include <stdbool.h>

enum ps_log_level {
    PS_LOG_ERROR,
    PS_LOG_WARN,
    PS_LOG_INFO,
    PS_LOG_DEBUG,
};

enum ps_log_format {
    PS_LOG_TEXT, /* "2026-01-02T03:04:05.678Z warn upload: text" */
    PS_LOG_JSON, /* {"time":"...","level":"warn","module":"upload","message":"text"} */
};

struct ps_log {
    enum ps_log_level level; /* lines above it are dropped */
    enum ps_log_format format;
    int fd;
    const struct ps_clock *clock;    /* NULL = no time in the line */
    void (*before_line)(void *user); /* NULL, or called first: the progress bar clears its line */
    void *user;
};

/** A line of at most 2 KiB is cut there. log may be NULL: nothing is written. */
PS_PRINTF(4, 5)
void ps_log(const struct ps_log *log, enum ps_log_level level, const char *module,
            const char *format, ...);

/** "error" "warn" "info" "debug"; false when name is none of them. */
PS_MUST_USE bool ps_log_level_parse(const char *name, enum ps_log_level *level_out);

#endif
