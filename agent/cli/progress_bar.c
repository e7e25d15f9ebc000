#include "cli/progress_bar.h"

#include "base/str.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    TERMINAL_INTERVAL_MS = 100,
    LINE_INTERVAL_MS = 5000,
    BAR_WIDTH_MAX = 30,
    LINE_SIZE = 512,
};

static int terminal_width(void)
{
    struct winsize size;

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        return size.ws_col;
    }
    return 80;
}

static void update_rate(struct ps_progress_bar *bar, const struct ps_progress *progress)
{
    int64_t now_ms = (int64_t)uv_now(bar->timer.loop);
    double seconds = (double)(now_ms - bar->last_ms) / 1000.0;

    if (seconds < 0.05) {
        return;
    }
    if (progress->moved_bytes >= bar->last_moved_bytes) {
        double rate = (double)(progress->moved_bytes - bar->last_moved_bytes) / seconds;

        /* A second's memory: steady enough to read, quick enough to believe. */
        bar->rate_bytes_per_s =
            bar->rate_bytes_per_s == 0.0 ? rate : bar->rate_bytes_per_s * 0.9 + rate * 0.1;
    }
    bar->last_ms = now_ms;
    bar->last_moved_bytes = progress->moved_bytes;
}

static uint64_t shown_bytes(const struct ps_progress *progress)
{
    uint64_t bytes = progress->resumed_bytes + progress->moved_bytes;

    return progress->has_total && bytes > progress->total_bytes ? progress->total_bytes : bytes;
}

static void format_eta(const struct ps_progress_bar *bar, const struct ps_progress *progress,
                       char *text, size_t text_size)
{
    uint64_t left_bytes = progress->total_bytes - shown_bytes(progress);
    double seconds = bar->rate_bytes_per_s > 1.0 ? (double)left_bytes / bar->rate_bytes_per_s : -1;

    if (!progress->has_total || seconds < 0 || seconds > 359999) {
        ps_str_copy(text, text_size, "");
    } else {
        (void)snprintf(text, text_size, " %d:%02d", (int)seconds / 60, (int)seconds % 60);
    }
}

static void format_amount(const struct ps_progress *progress, char *text, size_t text_size)
{
    char done[16];
    char total[16];

    (void)ps_size_format(shown_bytes(progress), done, sizeof(done));
    if (progress->has_total) {
        (void)snprintf(text, text_size, "%s of %s", done,
                       ps_size_format(progress->total_bytes, total, sizeof(total)));
    } else {
        (void)snprintf(text, text_size, "%s", done);
    }
}

/* "sending files: 1234 done, 4.0 MiB, 1.0 MiB/s"; of what has no bytes the count alone. */
static void format_files(const struct ps_progress *progress, const char *amount, const char *rate,
                         char *text, size_t text_size)
{
    if (progress->moved_bytes > 0) {
        (void)snprintf(text, text_size, "%s: %" PRIu64 " done, %s, %s/s", progress->state,
                       progress->file_count, amount, rate);
    } else {
        (void)snprintf(text, text_size, "%s: %" PRIu64 " done", progress->state,
                       progress->file_count);
    }
}

static void draw(struct ps_progress_bar *bar)
{
    struct ps_progress progress;
    char amount[48];
    char rate[16];
    char eta[24];
    char cells[BAR_WIDTH_MAX + 1] = "";
    char line[LINE_SIZE];
    int width = terminal_width() - 1;
    int bar_width = width > 78 ? BAR_WIDTH_MAX : width > 60 ? 14 : 0;
    unsigned percent = 0;

    bar->ask(bar->user, &progress);
    update_rate(bar, &progress);
    format_amount(&progress, amount, sizeof(amount));
    format_eta(bar, &progress, eta, sizeof(eta));
    (void)ps_size_format((uint64_t)bar->rate_bytes_per_s, rate, sizeof(rate));
    if (progress.has_total && progress.total_bytes > 0) {
        double part = (double)shown_bytes(&progress) / (double)progress.total_bytes;

        percent = (unsigned)(part * 100.0);
        for (int i = 0; i < bar_width; i++) {
            cells[i] = i < (int)(part * bar_width) ? '#' : '-';
        }
        (void)snprintf(line, sizeof(line), "[%s] %3u %% %s %s/s%s", cells, percent, amount, rate,
                       eta);
    } else if (progress.has_files) {
        format_files(&progress, amount, rate, line, sizeof(line));
    } else {
        (void)snprintf(line, sizeof(line), "%s %s %s/s", progress.state, amount, rate);
    }
    if (width < LINE_SIZE) {
        line[width] = '\0';
    }
    (void)fprintf(stderr, "\r\033[K%s", line);
    (void)fflush(stderr);
    bar->shown = true;
}

void ps_progress_bar_report(struct ps_progress_bar *bar)
{
    struct ps_progress progress;
    char amount[48];
    char rate[16];
    char line[128];

    if (!bar->active) {
        return;
    }
    bar->ask(bar->user, &progress);
    update_rate(bar, &progress);
    format_amount(&progress, amount, sizeof(amount));
    (void)ps_size_format((uint64_t)bar->rate_bytes_per_s, rate, sizeof(rate));
    ps_progress_bar_before_line(bar);
    if (progress.has_files) {
        format_files(&progress, amount, rate, line, sizeof(line));
        (void)fprintf(stderr, "%s: %s", bar->what, line);
    } else {
        (void)fprintf(stderr, "%s: %s: %s, %s/s", bar->what, progress.state, amount, rate);
    }
    if (progress.part_count > 0) {
        (void)fprintf(stderr, ", part %" PRIu32 " of %" PRIu32, progress.done_count,
                      progress.part_count);
    }
    (void)fputc('\n', stderr);
}

static void on_timer(uv_timer_t *timer)
{
    struct ps_progress_bar *bar = timer->data;

    if (bar->terminal) {
        draw(bar);
    } else {
        ps_progress_bar_report(bar);
    }
}

void ps_progress_bar_start(struct ps_progress_bar *bar, uv_loop_t *loop, const char *what,
                           bool silent, void (*ask)(void *user, struct ps_progress *progress_out),
                           void *user)
{
    uint64_t interval_ms;

    memset(bar, 0, sizeof(*bar));
    bar->terminal = isatty(STDERR_FILENO) == 1;
    bar->active = true;
    bar->what = what;
    bar->ask = ask;
    bar->user = user;
    (void)uv_timer_init(loop, &bar->timer);
    bar->timer.data = bar;
    bar->started_ms = (int64_t)uv_now(loop);
    bar->last_ms = bar->started_ms;
    interval_ms = bar->terminal ? TERMINAL_INTERVAL_MS : LINE_INTERVAL_MS;
    if (!silent) {
        (void)uv_timer_start(&bar->timer, on_timer, interval_ms, interval_ms);
    }
    uv_unref((uv_handle_t *)&bar->timer);
}

void ps_progress_bar_before_line(void *user)
{
    struct ps_progress_bar *bar = user;

    if (bar->shown) {
        (void)fputs("\r\033[K", stderr);
        (void)fflush(stderr);
        bar->shown = false;
    }
}

void ps_progress_bar_stop(struct ps_progress_bar *bar)
{
    if (bar->active) {
        bar->active = false;
        ps_progress_bar_before_line(bar);
        uv_close((uv_handle_t *)&bar->timer, NULL);
    }
}
