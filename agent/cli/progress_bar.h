/**
 * progress_bar - how far a transfer is, on stderr: a bar on a terminal, a line every 5 s elsewhere.
 *
 * Flow:    transfer/progress.h -> [progress_bar] -> stderr
 * Thread:  the loop thread
 * Source:  ECMA-48 EL (erase in line)
 */
#ifndef PS_CLI_PROGRESS_BAR_H
#define PS_CLI_PROGRESS_BAR_H

#include "transfer/progress.h"

#include <stdbool.h>
#include <uv.h>

struct ps_progress_bar {
    bool terminal; /* stderr is one */
    bool active;
    bool shown;       /* a bar stands on the last line */
    const char *what; /* "put s3://..." ; borrowed */
    void (*ask)(void *user, struct ps_progress *progress_out);
    void *user;
    uv_timer_t timer;
    int64_t started_ms;
    int64_t last_ms;
    uint64_t last_moved_bytes;
    double rate_bytes_per_s;
};

/**
 * Start to show; ask is called ten times a second on a terminal, every 5 s elsewhere. silent: only when
 * ps_progress_bar_report is called.
 */
void ps_progress_bar_start(struct ps_progress_bar *bar, uv_loop_t *loop, const char *what,
                           bool silent, void (*ask)(void *user, struct ps_progress *progress_out),
                           void *user);

/** Take it off the screen. Safe when it was not started. */
void ps_progress_bar_stop(struct ps_progress_bar *bar);

/** Clear the bar's line, so that another line can be written. user is the bar. */
void ps_progress_bar_before_line(void *user);

/** Print the state now as one line (SIGUSR1). */
void ps_progress_bar_report(struct ps_progress_bar *bar);

#endif
