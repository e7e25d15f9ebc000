/* Watches a cluster into a state directory, as `purser agent --watch` does, and prints its counts when they change.
 *
 * watch_probe KUBECONFIG STATE_DIR [LEASE_MS]
 *
 * Ends when standard input does.
 */
#include "cli/watch_records.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct probe {
    uv_loop_t loop;
    struct ps_watch_records *records;
    struct ps_watch_records_stats last;
    uv_timer_t tick;
    uv_pipe_t input;
    bool stopped;
};

static const char *read_environment(void *user, const char *name)
{
    (void)user;
    return getenv(name);
}

static void on_tick(uv_timer_t *timer)
{
    struct probe *probe = timer->data;
    struct ps_watch_records_stats stats;

    if (probe->records == NULL) {
        return;
    }
    memset(&stats, 0, sizeof(stats));
    ps_watch_records_stats(probe->records, &stats);
    if (memcmp(&stats, &probe->last, sizeof(stats)) != 0) {
        probe->last = stats;
        (void)printf("{\"leads\":%s,\"settled\":%s,\"lists\":%" PRIu64 ",\"workflows\":%" PRIu64
                     ",\"deleted\":%" PRIu64 ",\"artifacts\":%" PRIu64 ",\"absent\":%" PRIu64
                     ",\"foreign\":%" PRIu64 "}\n",
                     stats.leads ? "true" : "false", stats.is_settled ? "true" : "false",
                     stats.watch.list_count, stats.watch.workflow_count, stats.watch.deleted_count,
                     stats.artifact_count, stats.absent_count, stats.foreign_count);
        (void)fflush(stdout);
    }
}

static void on_stopped(void *user)
{
    struct probe *probe = user;

    probe->stopped = true;
    uv_stop(&probe->loop);
}

static void on_alloc(uv_handle_t *handle, size_t wanted, uv_buf_t *buf)
{
    static char room[64];

    (void)handle;
    (void)wanted;
    *buf = uv_buf_init(room, sizeof(room));
}

static void on_input(uv_stream_t *stream, ssize_t size_bytes, const uv_buf_t *buf)
{
    struct probe *probe = stream->data;

    (void)buf;
    if (size_bytes < 0 && probe->records != NULL) {
        struct ps_watch_records *records = probe->records;

        probe->records = NULL;
        ps_watch_records_stop(records, on_stopped, probe);
    }
}

static void close_handle(uv_handle_t *handle, void *user)
{
    (void)user;
    if (uv_is_closing(handle) == 0) {
        uv_close(handle, NULL);
    }
}

static int fail(const struct ps_err *err)
{
    (void)fprintf(stderr, "%s\n", err->message);
    return 1;
}

int main(int argc, char **argv)
{
    static struct probe probe;
    struct ps_settings settings;
    struct ps_http_client *http = NULL;
    struct ps_state *state = NULL;
    struct ps_log log = { .fd = STDERR_FILENO, .level = PS_LOG_DEBUG, .clock = ps_clock_system() };
    struct ps_watch_records_options options = {
        .loop = &probe.loop,
        .settings = &settings,
        .clock = ps_clock_system(),
        .log = &log,
        .getenv = read_environment,
        .lease_ms = argc > 3 ? (uint32_t)strtoull(argv[3], NULL, 10) : 0,
    };
    struct ps_err err;

    if (argc < 3) {
        return 2;
    }
    (void)uv_loop_init(&probe.loop);
    if (ps_settings_init(&settings, &err) != PS_OK ||
        ps_settings_set(&settings, "watch.kubeconfig", argv[1], "probe", &err) != PS_OK ||
        (argc > 4 &&
         ps_settings_set(&settings, "watch.argo_server", argv[4], "probe", &err) != PS_OK) ||
        ps_http_client_new(&http, &probe.loop, "watch_probe", &err) != PS_OK ||
        ps_state_open(&state, &(struct ps_state_options){ .dir = argv[2], .clock = options.clock },
                      &err) != PS_OK) {
        return fail(&err);
    }
    options.http = http;
    options.state = state;
    if (ps_watch_records_start(&probe.records, &options, &err) != PS_OK) {
        return fail(&err);
    }
    (void)uv_timer_init(&probe.loop, &probe.tick);
    probe.tick.data = &probe;
    (void)uv_timer_start(&probe.tick, on_tick, 10, 10);
    (void)uv_pipe_init(&probe.loop, &probe.input, 0);
    probe.input.data = &probe;
    (void)uv_pipe_open(&probe.input, STDIN_FILENO);
    (void)uv_read_start((uv_stream_t *)&probe.input, on_alloc, on_input);
    (void)uv_run(&probe.loop, UV_RUN_DEFAULT);
    ps_http_client_free(http);
    uv_walk(&probe.loop, close_handle, NULL);
    (void)uv_run(&probe.loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&probe.loop);
    ps_state_close(state);
    ps_settings_clear(&settings);
    return probe.stopped ? 0 : 1;
}
