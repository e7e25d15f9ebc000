#include "kube/workflow_watch_internal.h"

#include "base/str.h"
#include "base/uv_handle.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum {
    RETRY_FIRST_MS = 1000,
    RETRY_MAX_MS = 30000,
    /* The server ends a watch after so long, spread so that agents do not come back all at once. */
    WATCH_TIMEOUT_S = 290,
    WATCH_TIMEOUT_SPREAD_S = 60,
    /* Bookmarks come about once a minute: a connection that is silent for twice that is dead. */
    WATCH_STALL_MS = 150000,
};

#define COLLECTION "/apis/argoproj.io/v1alpha1"

void ps_watch_scope_set_state(struct scope *scope, enum scope_state state)
{
    static const char *const names[] = { "waiting", "listing", "watching" };

    ps_log(scope->watch->log, PS_LOG_DEBUG, "watch", "%s: %s -> %s", scope->path,
           names[scope->state], names[state]);
    scope->state = state;
}

/* --- waiting --- */

static void on_timer(uv_timer_t *timer)
{
    struct scope *scope = timer->data;

    ps_watch_scope_step(scope);
}

/* With half of it random, so that many agents do not come back in step. */
static void wait_a_while(struct scope *scope)
{
    struct ps_workflow_watch *watch = scope->watch;
    uint32_t wait_ms = scope->retry_ms == 0 ? watch->retry_first_ms : scope->retry_ms * 2;

    scope->retry_ms = wait_ms < RETRY_MAX_MS ? wait_ms : RETRY_MAX_MS;
    wait_ms =
        scope->retry_ms / 2 + (uint32_t)(ps_clock_random(watch->clock) % (scope->retry_ms / 2 + 1));
    ps_watch_scope_set_state(scope, SCOPE_WAITING);
    (void)uv_timer_start(scope->timer, on_timer, wait_ms, 0);
}

void ps_watch_scope_fail(struct scope *scope, const struct ps_err *err)
{
    scope->watch->stats.error_count++;
    ps_log(scope->watch->log, PS_LOG_WARN, "watch", "%s: trying again", err->message);
    wait_a_while(scope);
}

/* The place in time is lost: a list tells what is there now. */
void ps_watch_scope_forget_place(struct scope *scope)
{
    free(scope->resource_version);
    scope->resource_version = NULL;
    free(scope->page);
    scope->page = NULL;
}

void ps_watch_scope_expired(struct scope *scope)
{
    scope->watch->stats.expired_count++;
    ps_log(scope->watch->log, PS_LOG_INFO, "watch", "%s: expired: listing anew", scope->path);
    ps_watch_scope_forget_place(scope);
    wait_a_while(scope);
}

/* --- workflows --- */

/* The Argo server has the nodes; while it runs they change with every one. */
static void see_to_offloaded(struct ps_workflow_watch *watch,
                             const struct ps_watched_workflow *workflow, bool deleted)
{
    if (watch->fetch == NULL) {
        ps_log(watch->log, PS_LOG_WARN, "watch",
               "%s/%s: its nodes are in Argo's database: its artifacts are not known and are kept: "
               "set watch.argo_server",
               workflow->ns, workflow->name);
    } else if (workflow->is_finished && !deleted &&
               !ps_workflow_fetch_add(watch->fetch, workflow)) {
        ps_log(watch->log, PS_LOG_WARN, "watch",
               "%s/%s: too many workflows wait for the Argo server: its artifacts are kept",
               workflow->ns, workflow->name);
    }
}

static bool on_fetched(void *user, struct ps_watched_workflow *workflow)
{
    struct ps_workflow_watch *watch = user;

    watch->stats.fetched_count++;
    if (!watch->sink.workflow(watch->sink.user, workflow, false)) {
        watch->paused = true;
    }
    return !watch->paused;
}

void ps_watch_scope_tell(struct scope *scope, struct ps_watched_workflow *workflow, bool deleted)
{
    struct ps_workflow_watch *watch = scope->watch;

    if (workflow->is_offloaded) {
        see_to_offloaded(watch, workflow, deleted);
    }
    watch->stats.workflow_count += deleted ? 0 : 1;
    watch->stats.deleted_count += deleted ? 1 : 0;
    if (!watch->sink.workflow(watch->sink.user, workflow, deleted)) {
        watch->paused = true;
    }
}

/* What cannot be read is left alone, and said: nothing of it is deleted. */
void ps_watch_scope_say_unread(struct scope *scope, const struct ps_err *err)
{
    scope->watch->stats.unread_count++;
    scope->has_unread = true;
    ps_log(scope->watch->log, PS_LOG_WARN, "watch", "a workflow cannot be read, it is kept: %s",
           err->message);
}

bool ps_watch_scope_replace_text(char **text, const char *value)
{
    char *copy = ps_strdup(value);

    if (copy == NULL) {
        return false;
    }
    free(*text);
    *text = copy;
    return true;
}

enum ps_push ps_watch_scope_pause_if_full(struct scope *scope)
{
    if (scope->watch->paused) {
        scope->paused = true;
        return PS_PUSH_PAUSE;
    }
    return PS_PUSH_TAKEN;
}

void ps_watch_scope_start_call(struct scope *scope, char *path,
                               enum ps_push (*on_data)(void *user, const char *data,
                                                       size_t size_bytes),
                               void (*on_done)(void *user, const char *text, size_t size_bytes,
                                               const struct ps_err *err),
                               uint32_t stall_timeout_ms)
{
    const struct ps_kube_request request = {
        .method = "GET",
        .path = path,
        .stall_timeout_ms = stall_timeout_ms,
        .on_data = on_data,
        .on_done = on_done,
        .user = scope,
    };
    struct ps_err err;
    enum ps_code code;

    ps_err_clear(&scope->failure);
    code = path != NULL ? ps_kube_start(scope->watch->client, &request, &scope->call, &err)
                        : ps_err_set(&err, PS_E_NO_MEMORY, "%s: out of memory", scope->path);
    free(path);
    if (code != PS_OK) {
        ps_watch_scope_fail(scope, &err);
    }
}

/* --- watching --- */

static void take_version(struct scope *scope, const json_t *object)
{
    const char *version =
        json_string_value(json_object_get(json_object_get(object, "metadata"), "resourceVersion"));

    if (version != NULL) {
        (void)ps_watch_scope_replace_text(&scope->resource_version,
                                          version); /* an older one repeats events */
    }
}

/* An ERROR event holds a Status: 410 when the version has expired. */
static void take_error(struct scope *scope, const json_t *status)
{
    const char *message = json_string_value(json_object_get(status, "message"));

    (void)ps_err_set(&scope->failure, PS_E_TEMPORARY, "%s: %s", scope->path,
                     message != NULL ? message : "an error event");
    scope->failure.http_status = (int)json_integer_value(json_object_get(status, "code"));
}

static void take_event(struct scope *scope, const char *type, json_t *object)
{
    struct ps_watched_workflow workflow;
    void *document = json_incref(object);
    struct ps_err err;

    if (ps_watched_workflow_take(&workflow, &document, &err) != PS_OK) {
        ps_watch_scope_say_unread(scope, &err);
        return;
    }
    ps_watch_scope_tell(scope, &workflow, strcmp(type, "DELETED") == 0);
    ps_watched_workflow_clear(&workflow);
}

static void take_line(struct scope *scope)
{
    json_t *event = json_loadb(ps_buf_peek(&scope->line), scope->line.size_bytes, 0, NULL);
    const char *type = json_string_value(json_object_get(event, "type"));
    json_t *object = json_object_get(event, "object");

    scope->line_count++;
    if (type == NULL || object == NULL) {
        (void)ps_err_set(&scope->failure, PS_E_PARSE, "%s: an event that is no event", scope->path);
    } else if (strcmp(type, "ERROR") == 0) {
        take_error(scope, object);
    } else {
        if (strcmp(type, "BOOKMARK") == 0) {
            scope->watch->stats.bookmark_count++;
        } else {
            take_event(scope, type, object);
        }
        take_version(scope, object);
    }
    json_decref(event);
}

static enum ps_push on_watch_data(void *user, const char *data, size_t size_bytes)
{
    struct scope *scope = user;

    if (ps_watch_scope_pause_if_full(scope) == PS_PUSH_PAUSE) {
        return PS_PUSH_PAUSE;
    }
    while (size_bytes > 0 && scope->failure.code == PS_OK) {
        const char *end = memchr(data, '\n', size_bytes);
        size_t take = end != NULL ? (size_t)(end - data) : size_bytes;

        if (ps_buf_append(&scope->line, data, take, &scope->failure) != PS_OK) {
            break;
        }
        if (end != NULL) {
            if (scope->line.size_bytes > 0) {
                take_line(scope);
            }
            ps_buf_rewind(&scope->line);
            take++;
        }
        data += take;
        size_bytes -= take;
    }
    return scope->failure.code == PS_OK ? PS_PUSH_TAKEN : PS_PUSH_STOP;
}

static void on_watch_done(void *user, const char *text, size_t size_bytes, const struct ps_err *err)
{
    struct scope *scope = user;
    const struct ps_err *failure = scope->failure.code != PS_OK ? &scope->failure : err;

    (void)text;
    (void)size_bytes;
    scope->call = NULL;
    ps_buf_clear(&scope->line);
    if (failure != NULL && failure->http_status == 410) {
        ps_watch_scope_expired(scope);
    } else if (scope->failure.code == PS_E_PARSE || scope->failure.code == PS_E_TOO_LARGE) {
        ps_watch_scope_forget_place(scope); /* it would come again */
        ps_watch_scope_fail(scope, failure);
    } else if (failure != NULL && scope->line_count == 0) {
        ps_watch_scope_fail(scope, failure);
    } else if (scope->line_count == 0) {
        wait_a_while(scope); /* ended without a word: not in a hurry */
    } else {
        scope->retry_ms = 0;
        ps_watch_scope_step(scope);
    }
}

static void start_watch(struct scope *scope)
{
    unsigned timeout_s =
        WATCH_TIMEOUT_S + (unsigned)(ps_clock_random(scope->watch->clock) % WATCH_TIMEOUT_SPREAD_S);

    scope->line_count = 0;
    ps_buf_init(&scope->line, PS_JSON_ITEM_LIMIT_BYTES + 1024);
    ps_watch_scope_set_state(scope, SCOPE_WATCHING);
    ps_watch_scope_start_call(scope,
                              ps_str_format("%s?watch=1&allowWatchBookmarks=true&resourceVersion=%s"
                                            "&timeoutSeconds=%u",
                                            scope->path, scope->resource_version, timeout_s),
                              on_watch_data, on_watch_done, WATCH_STALL_MS);
}

void ps_watch_scope_step(struct scope *scope)
{
    if (scope->resource_version == NULL || scope->page != NULL) {
        ps_watch_scope_start_list(scope);
    } else {
        start_watch(scope);
    }
}

/* --- life --- */

static void scope_clear(struct scope *scope)
{
    ps_kube_cancel(scope->call);
    ps_uv_handle_close((uv_handle_t *)scope->timer);
    ps_json_split_reset(&scope->split);
    ps_buf_clear(&scope->line);
    free(scope->page);
    free(scope->resource_version);
    free(scope->path);
    free(scope->ns);
}

static bool scope_init(struct scope *scope, struct ps_workflow_watch *watch, char *ns)
{
    scope->watch = watch;
    scope->ns = ns;
    if (ns != NULL) {
        scope->path = ns[0] != '\0' ? ps_str_format(COLLECTION "/namespaces/%s/workflows", ns)
                                    : ps_strdup(COLLECTION "/workflows");
    }
    ps_watch_scope_init_split(scope);
    scope->timer = ps_uv_timer_new(watch->loop, scope);
    return scope->timer != NULL && scope->path != NULL;
}

static enum ps_code make_scopes(struct ps_workflow_watch *watch, const char *namespaces,
                                struct ps_err *err)
{
    const char *at = namespaces;

    watch->scopes = calloc(PS_WATCH_NAMESPACES_MAX, sizeof(*watch->scopes));
    if (watch->scopes == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    do {
        size_t length = strcspn(at, ",");

        if (watch->scope_count == PS_WATCH_NAMESPACES_MAX) {
            return ps_err_set(err, PS_E_INVALID, "watch.namespaces: more than %d: watch all",
                              PS_WATCH_NAMESPACES_MAX);
        }
        if (!scope_init(&watch->scopes[watch->scope_count++], watch, ps_strndup(at, length))) {
            return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
        }
        at += length + (at[length] == ',' ? 1 : 0);
    } while (*at != '\0');
    return PS_OK;
}

static enum ps_code make_fetch(struct ps_workflow_watch *watch, const char *server,
                               struct ps_err *err)
{
    const struct ps_workflow_fetch_options options = {
        .loop = watch->loop,
        .client = watch->client,
        .log = watch->log,
        .server = server,
        .on_workflow = on_fetched,
        .user = watch,
    };

    return server != NULL && server[0] != '\0' ? ps_workflow_fetch_new(&watch->fetch, &options, err)
                                               : PS_OK;
}

enum ps_code ps_workflow_watch_start(struct ps_workflow_watch **watch_out,
                                     const struct ps_workflow_watch_options *options,
                                     struct ps_err *err)
{
    struct ps_workflow_watch *watch = calloc(1, sizeof(*watch));
    enum ps_code code;

    if (watch == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    watch->loop = options->loop;
    watch->client = options->client;
    watch->clock = options->clock;
    watch->log = options->log;
    watch->sink = options->sink;
    watch->retry_first_ms = options->retry_first_ms != 0 ? options->retry_first_ms : RETRY_FIRST_MS;
    code = make_fetch(watch, options->argo_server, err);
    if (code == PS_OK) {
        code = make_scopes(watch, options->namespaces, err);
    }
    if (code != PS_OK) {
        ps_workflow_watch_free(watch);
        return code;
    }
    for (size_t i = 0; i < watch->scope_count; i++) {
        (void)uv_timer_start(watch->scopes[i].timer, on_timer, 0, 0);
    }
    *watch_out = watch;
    return PS_OK;
}

void ps_workflow_watch_resume(struct ps_workflow_watch *watch)
{
    watch->paused = false;
    ps_workflow_fetch_resume(watch->fetch);
    for (size_t i = 0; i < watch->scope_count; i++) {
        struct scope *scope = &watch->scopes[i];

        if (scope->paused) {
            scope->paused = false;
            if (scope->call != NULL) {
                ps_kube_resume(scope->call);
            }
        }
    }
}

void ps_workflow_watch_stats(const struct ps_workflow_watch *watch,
                             struct ps_workflow_watch_stats *stats_out)
{
    *stats_out = watch->stats;
    stats_out->is_watching = true;
    for (size_t i = 0; i < watch->scope_count; i++) {
        stats_out->is_watching = stats_out->is_watching && watch->scopes[i].state == SCOPE_WATCHING;
    }
}

void ps_workflow_watch_free(struct ps_workflow_watch *watch)
{
    if (watch == NULL) {
        return;
    }
    for (size_t i = 0; i < watch->scope_count; i++) {
        scope_clear(&watch->scopes[i]);
    }
    free(watch->scopes);
    ps_workflow_fetch_free(watch->fetch);
    free(watch);
}
