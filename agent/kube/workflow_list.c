#include "kube/workflow_watch_internal.h"

#include "base/encode.h"
#include "base/str.h"

#include <jansson.h>
#include <stdlib.h>

/* The list of a namespace: page by page, item by item. */

static void on_item(void *user, const char *text, size_t size_bytes)
{
    struct scope *scope = user;
    struct ps_watched_workflow workflow;
    struct ps_err err;

    if (ps_watched_workflow_parse(&workflow, text, size_bytes, &err) != PS_OK) {
        ps_watch_scope_say_unread(scope, &err);
        return;
    }
    ps_watch_scope_tell(scope, &workflow, false);
    ps_watched_workflow_clear(&workflow);
}

static void on_metadata(void *user, const char *text, size_t size_bytes)
{
    struct scope *scope = user;
    json_t *metadata = json_loadb(text, size_bytes, 0, NULL);
    const char *version = json_string_value(json_object_get(metadata, "resourceVersion"));
    const char *page = json_string_value(json_object_get(metadata, "continue"));

    free(scope->page);
    scope->page = page != NULL && page[0] != '\0' ? ps_strdup(page) : NULL;
    if (version == NULL || !ps_watch_scope_replace_text(&scope->resource_version, version) ||
        (page != NULL && page[0] != '\0' && scope->page == NULL)) {
        (void)ps_err_set(&scope->failure, PS_E_PARSE, "%s: the list names no resourceVersion",
                         scope->path);
    }
    json_decref(metadata);
}

static enum ps_push on_list_data(void *user, const char *data, size_t size_bytes)
{
    struct scope *scope = user;

    if (ps_watch_scope_pause_if_full(scope) == PS_PUSH_PAUSE) {
        return PS_PUSH_PAUSE;
    }
    if (ps_json_split_feed(&scope->split, data, size_bytes, &scope->failure) != PS_OK) {
        return PS_PUSH_STOP;
    }
    return scope->failure.code == PS_OK ? PS_PUSH_TAKEN : PS_PUSH_STOP;
}

static void on_list_done(void *user, const char *text, size_t size_bytes, const struct ps_err *err)
{
    struct scope *scope = user;
    struct ps_workflow_watch *watch = scope->watch;
    bool whole = ps_json_split_is_whole(&scope->split);

    (void)text;
    (void)size_bytes;
    scope->call = NULL;
    ps_json_split_reset(&scope->split);
    if (scope->failure.code == PS_OK && err == NULL && !whole) {
        (void)ps_err_set(&scope->failure, PS_E_PARSE, "%s: the list is cut short", scope->path);
    }
    if (err != NULL && err->http_status == 410) {
        ps_watch_scope_expired(scope);
        return;
    }
    if (scope->failure.code != PS_OK || err != NULL) {
        ps_watch_scope_forget_place(scope);
        ps_watch_scope_fail(scope, scope->failure.code != PS_OK ? &scope->failure : err);
        return;
    }
    scope->retry_ms = 0;
    if (scope->page == NULL) {
        watch->stats.list_count++;
        watch->sink.listed(watch->sink.user, scope->ns, !scope->has_unread);
    }
    ps_watch_scope_step(scope);
}

static char *list_path(const struct scope *scope)
{
    struct ps_buf path = { 0 };
    enum ps_code code =
        ps_buf_append_format(&path, NULL, "%s?limit=%d", scope->path, PS_WATCH_PAGE_COUNT);

    if (code == PS_OK && scope->page != NULL) {
        code = ps_buf_append_str(&path, "&continue=", NULL);
        code = code == PS_OK ? ps_uri_encode(&path, scope->page, PS_URI_KEEP_NONE, NULL) : code;
    }
    if (code != PS_OK) {
        ps_buf_clear(&path);
        return NULL;
    }
    return ps_buf_steal(&path);
}

void ps_watch_scope_start_list(struct scope *scope)
{
    struct ps_workflow_watch *watch = scope->watch;

    if (scope->page == NULL) {
        scope->has_unread = false;
        watch->sink.list_begun(watch->sink.user, scope->ns);
    }
    ps_watch_scope_set_state(scope, SCOPE_LISTING);
    ps_watch_scope_start_call(scope, list_path(scope), on_list_data, on_list_done, 0);
}

void ps_watch_scope_init_split(struct scope *scope)
{
    scope->split.on_item = on_item;
    scope->split.on_metadata = on_metadata;
    scope->split.user = scope;
}
