#include "kube/workflow_fetch.h"

#include "base/buf.h"
#include "base/encode.h"
#include "base/str.h"
#include "base/uv_handle.h"

#include <stdlib.h>
#include <string.h>

enum {
    RETRY_FIRST_MS = 10000,
    ATTEMPTS_MAX = 4,
};

struct wanted {
    struct wanted *next;
    char *path; /* of its API */
    char *name; /* "namespace/name", for people */
};

struct ps_workflow_fetch {
    struct ps_workflow_fetch_options options;
    char *server; /* without a '/' at its end */
    struct wanted *first;
    struct wanted **end;
    size_t count;
    unsigned attempt; /* at the first one, from 0 */
    bool paused;
    bool waiting; /* for the next attempt */
    struct ps_kube_call *call;
    uv_timer_t *timer; /* on the heap, as it outlives us until it is closed */
};

static void pump(struct ps_workflow_fetch *fetch);

static void wanted_free(struct wanted *wanted)
{
    if (wanted != NULL) {
        free(wanted->path);
        free(wanted->name);
        free(wanted);
    }
}

static void drop_first(struct ps_workflow_fetch *fetch)
{
    struct wanted *wanted = fetch->first;

    fetch->first = wanted->next;
    if (fetch->first == NULL) {
        fetch->end = &fetch->first;
    }
    fetch->count--;
    fetch->attempt = 0;
    wanted_free(wanted);
}

static void on_timer(uv_timer_t *timer)
{
    struct ps_workflow_fetch *fetch = timer->data;

    fetch->waiting = false;
    pump(fetch);
}

/* --- answers --- */

static void give_up(struct ps_workflow_fetch *fetch, const char *why)
{
    ps_log(fetch->options.log, PS_LOG_WARN, "watch",
           "%s: its nodes are in Argo's database, and %s: its artifacts are not known and are kept",
           fetch->first->name, why);
    drop_first(fetch);
    pump(fetch);
}

static void fail(struct ps_workflow_fetch *fetch, const struct ps_err *err)
{
    uint32_t first_ms =
        fetch->options.retry_first_ms != 0 ? fetch->options.retry_first_ms : RETRY_FIRST_MS;

    if (err->code != PS_E_TEMPORARY || fetch->attempt + 1 >= ATTEMPTS_MAX) {
        give_up(fetch, err->message);
        return;
    }
    fetch->waiting = true;
    (void)uv_timer_start(fetch->timer, on_timer, (uint64_t)first_ms << fetch->attempt, 0);
    fetch->attempt++;
}

static void on_answer(void *user, const char *text, size_t size_bytes, const struct ps_err *err)
{
    struct ps_workflow_fetch *fetch = user;
    struct ps_watched_workflow workflow;
    struct ps_err own;

    fetch->call = NULL;
    if (err != NULL) {
        fail(fetch, err);
        return;
    }
    if (ps_watched_workflow_parse(&workflow, text, size_bytes, &own) != PS_OK) {
        give_up(fetch, own.message);
        return;
    }
    if (workflow.is_offloaded) {
        give_up(fetch, "the Argo server answers without them");
    } else {
        fetch->paused = !fetch->options.on_workflow(fetch->options.user, &workflow);
        drop_first(fetch);
        pump(fetch);
    }
    ps_watched_workflow_clear(&workflow);
}

/* --- questions --- */

static void pump(struct ps_workflow_fetch *fetch)
{
    struct ps_kube_request request = {
        .method = "GET",
        .server = fetch->server,
        .body_limit_bytes = PS_WORKFLOW_NODES_LIMIT_BYTES,
        .on_done = on_answer,
        .user = fetch,
    };
    struct ps_err err;

    if (fetch->first == NULL || fetch->call != NULL || fetch->paused || fetch->waiting) {
        return;
    }
    request.path = fetch->first->path;
    if (ps_kube_start(fetch->options.client, &request, &fetch->call, &err) != PS_OK) {
        err.code = PS_E_TEMPORARY; /* memory, the token's file: it may be better soon */
        fail(fetch, &err);
    }
}

static char *path_of(const struct ps_watched_workflow *workflow)
{
    struct ps_buf path = { 0 };
    enum ps_code code = ps_buf_append_str(&path, "/api/v1/workflows/", NULL);

    code = code == PS_OK ? ps_uri_encode(&path, workflow->ns, PS_URI_KEEP_NONE, NULL) : code;
    code = code == PS_OK ? ps_buf_append_str(&path, "/", NULL) : code;
    code = code == PS_OK ? ps_uri_encode(&path, workflow->name, PS_URI_KEEP_NONE, NULL) : code;
    if (code != PS_OK) {
        ps_buf_clear(&path);
        return NULL;
    }
    return ps_buf_steal(&path);
}

bool ps_workflow_fetch_add(struct ps_workflow_fetch *fetch,
                           const struct ps_watched_workflow *workflow)
{
    struct wanted *wanted =
        fetch->count < PS_WORKFLOW_FETCH_MAX ? calloc(1, sizeof(*wanted)) : NULL;

    if (wanted == NULL) {
        return false;
    }
    wanted->path = path_of(workflow);
    wanted->name = ps_str_format("%s/%s", workflow->ns, workflow->name);
    if (wanted->path == NULL || wanted->name == NULL) {
        wanted_free(wanted);
        return false;
    }
    *fetch->end = wanted;
    fetch->end = &wanted->next;
    fetch->count++;
    if (!fetch->waiting && uv_is_active((uv_handle_t *)fetch->timer) == 0) {
        (void)uv_timer_start(fetch->timer, on_timer, 0,
                             0); /* never from within the sink's callback */
    }
    return true;
}

void ps_workflow_fetch_resume(struct ps_workflow_fetch *fetch)
{
    if (fetch != NULL && fetch->paused) {
        fetch->paused = false;
        pump(fetch);
    }
}

/* --- life --- */

enum ps_code ps_workflow_fetch_check(const char *server, struct ps_err *err)
{
    if (server == NULL || server[0] == '\0' || ps_str_has_prefix(server, "https://") ||
        ps_str_has_prefix(server, "http://")) {
        return PS_OK;
    }
    return ps_err_set(err, PS_E_INVALID,
                      "watch.argo_server: '%s' is no URL: write https://argo-server.argo:2746",
                      server);
}

enum ps_code ps_workflow_fetch_new(struct ps_workflow_fetch **fetch_out,
                                   const struct ps_workflow_fetch_options *options,
                                   struct ps_err *err)
{
    struct ps_workflow_fetch *fetch;
    size_t length = strlen(options->server);

    if (ps_workflow_fetch_check(options->server, err) != PS_OK) {
        return PS_E_INVALID;
    }
    fetch = calloc(1, sizeof(*fetch));
    if (fetch == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    while (length > 0 && options->server[length - 1] == '/') {
        length--;
    }
    fetch->options = *options;
    fetch->end = &fetch->first;
    fetch->server = ps_strndup(options->server, length);
    fetch->timer = ps_uv_timer_new(options->loop, fetch);
    if (fetch->server == NULL || fetch->timer == NULL) {
        ps_workflow_fetch_free(fetch);
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    *fetch_out = fetch;
    return PS_OK;
}

void ps_workflow_fetch_free(struct ps_workflow_fetch *fetch)
{
    if (fetch == NULL) {
        return;
    }
    ps_kube_cancel(fetch->call);
    while (fetch->first != NULL) {
        drop_first(fetch);
    }
    ps_uv_handle_close((uv_handle_t *)fetch->timer);
    free(fetch->server);
    free(fetch);
}
