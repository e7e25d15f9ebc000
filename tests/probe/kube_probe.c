/* Watches Workflows and prints what the sink is told, a line of JSON each, for the tests of this folder.
 *
 * kube_probe KUBECONFIG NAMESPACES [--pause N] [--lease NAME IDENTITY DURATION_MS]
 *
 * --pause: after every N workflows it says stop, and goes on a turn later. With a lease it watches while it leads.
 * Ends when standard input does.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "kube/lease.h"
#include "kube/workflow_watch.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct probe {
    uv_loop_t loop;
    struct ps_http_client *http;
    struct ps_kube_client *client;
    struct ps_workflow_watch *watch;
    struct ps_lease *lease;
    struct ps_log log;
    const char *namespaces;
    uint64_t pause_after;
    uint64_t told;
    uv_timer_t resume;
    uv_pipe_t input;
};

static void print_line(json_t *object)
{
    char *text = json_dumps(object, JSON_COMPACT);

    (void)puts(text);
    (void)fflush(stdout);
    free(text);
    json_decref(object);
}

static void on_resume(uv_timer_t *timer)
{
    struct probe *probe = timer->data;

    ps_workflow_watch_resume(probe->watch);
}

static bool on_workflow(void *user, struct ps_watched_workflow *workflow, bool deleted)
{
    struct probe *probe = user;
    json_t *artifacts = json_array();

    for (size_t i = 0; i < workflow->artifact_count; i++) {
        const struct ps_watched_artifact *artifact = &workflow->artifacts[i];

        (void)json_array_append_new(
            artifacts, json_pack("{s:s, s:s, s:s, s:s, s:s}", "url", artifact->url, "name",
                                 artifact->name, "strategy", artifact->strategy, "node_status",
                                 artifact->node_status, "endpoint", artifact->endpoint));
    }
    print_line(json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:b, s:b, s:I, s:o}", "event", deleted ? "deleted" : "workflow",
        "ns", workflow->ns, "name", workflow->name, "uid", workflow->uid, "phase", workflow->phase,
        "finished", (int)workflow->is_finished, "offloaded", (int)workflow->is_offloaded,
        "finished_at", (json_int_t)workflow->finished_unix_s, "artifacts", artifacts));
    probe->told++;
    if (probe->pause_after > 0 && probe->told % probe->pause_after == 0) {
        (void)uv_timer_start(&probe->resume, on_resume, 1, 0);
        return false;
    }
    return true;
}

static void on_list_begun(void *user, const char *ns)
{
    (void)user;
    print_line(json_pack("{s:s, s:s}", "event", "list_begun", "ns", ns));
}

static void on_listed(void *user, const char *ns, bool whole)
{
    (void)user;
    print_line(json_pack("{s:s, s:s, s:b}", "event", "listed", "ns", ns, "whole", (int)whole));
}

static void start_watch(struct probe *probe)
{
    const struct ps_workflow_watch_options options = {
        .loop = &probe->loop,
        .client = probe->client,
        .clock = ps_clock_system(),
        .log = &probe->log,
        .namespaces = probe->namespaces,
        .sink = { .user = probe,
                  .workflow = on_workflow,
                  .list_begun = on_list_begun,
                  .listed = on_listed },
        .retry_first_ms = 50,
    };
    struct ps_err err;

    if (ps_workflow_watch_start(&probe->watch, &options, &err) != PS_OK) {
        (void)fprintf(stderr, "%s\n", err.message);
        exit(1);
    }
}

static void on_change(void *user, bool leads)
{
    struct probe *probe = user;

    print_line(json_pack("{s:s, s:b}", "event", "leads", "leads", (int)leads));
    if (leads) {
        start_watch(probe);
    } else {
        ps_workflow_watch_free(probe->watch);
        probe->watch = NULL;
    }
}

static const char *no_environment(void *user, const char *name)
{
    (void)user;
    (void)name;
    return NULL;
}

static void fail(const struct ps_err *err)
{
    (void)fprintf(stderr, "%s\n", err->message);
    exit(1);
}

static void start(struct probe *probe, int argc, char **argv)
{
    struct ps_kube_config config;
    struct ps_lease_options lease = {
        .loop = &probe->loop,
        .clock = ps_clock_system(),
        .log = &probe->log,
        .on_change = on_change,
        .user = probe,
    };
    struct ps_err err;

    if (ps_kube_config_load(&config, argv[1], no_environment, NULL, &err) != PS_OK ||
        ps_http_client_new(&probe->http, &probe->loop, "kube_probe", &err) != PS_OK ||
        ps_kube_client_new(&probe->client, probe->http, &config, &err) != PS_OK) {
        fail(&err);
    }
    for (int i = 3; i < argc; i++) {
        if (strcmp(argv[i], "--pause") == 0) {
            probe->pause_after = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--lease") == 0) {
            lease.name = argv[++i];
            lease.identity = argv[++i];
            lease.duration_ms = (uint32_t)strtoull(argv[++i], NULL, 10);
        }
    }
    if (lease.name == NULL) {
        start_watch(probe);
        return;
    }
    lease.client = probe->client;
    if (ps_lease_start(&probe->lease, &lease, &err) != PS_OK) {
        fail(&err);
    }
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
    (void)buf;
    if (size_bytes < 0) {
        uv_stop(stream->loop);
    }
}

static void close_handle(uv_handle_t *handle, void *user)
{
    (void)user;
    if (uv_is_closing(handle) == 0) {
        uv_close(handle, NULL);
    }
}

int main(int argc, char **argv)
{
    static struct probe probe;

    if (argc < 3) {
        return 2;
    }
    (void)uv_loop_init(&probe.loop);
    probe.log =
        (struct ps_log){ .fd = STDERR_FILENO, .level = PS_LOG_DEBUG, .clock = ps_clock_system() };
    probe.namespaces = argv[2];
    (void)uv_timer_init(&probe.loop, &probe.resume);
    probe.resume.data = &probe;
    (void)uv_pipe_init(&probe.loop, &probe.input, 0);
    (void)uv_pipe_open(&probe.input, STDIN_FILENO);
    (void)uv_read_start((uv_stream_t *)&probe.input, on_alloc, on_input);
    start(&probe, argc, argv);
    (void)uv_run(&probe.loop, UV_RUN_DEFAULT);
    ps_workflow_watch_free(probe.watch);
    ps_lease_free(probe.lease);
    ps_kube_client_free(probe.client);
    ps_http_client_free(probe.http);
    uv_walk(&probe.loop, close_handle, NULL);
    (void)uv_run(&probe.loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&probe.loop);
    return 0;
}
