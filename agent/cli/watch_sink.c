#include "cli/watch_records_internal.h"

#include "base/str.h"

#include <string.h>

/* What the watcher tells: gathered into batches; lists begun and ended. */

static bool is_full(const struct ps_watch_records *records)
{
    return records->loop_only.count >= PS_WATCH_BATCH_COUNT_MAX ||
           records->loop_only.artifact_count >= PS_WATCH_BATCH_ARTIFACTS_MAX ||
           records->worker_only.list != NULL;
}

/* Full batches are written at once, others when nothing more has come for a moment. */
static void gather(struct ps_watch_records *records)
{
    if (is_full(records)) {
        ps_watch_records_write_next(records);
    } else if (uv_is_active((uv_handle_t *)records->timer) == 0) {
        ps_watch_records_write_later(records, PS_WATCH_GATHER_MS);
    }
    records->loop_only.paused = is_full(records);
}

/* False: it is as it was, and needs no write. */
static bool is_news(struct ps_watch_records *records, const struct ps_watched_workflow *workflow)
{
    bool changed = true;
    struct ps_err err;

    if (records->worker_only.list != NULL) {
        return true; /* noted when the worker has done: note_gathered */
    }
    if (ps_watch_seen_note(&records->loop_only.seen, workflow, &changed, &err) != PS_OK) {
        ps_log(records->log, PS_LOG_ERROR, "watch", "%s", err.message);
        return true;
    }
    return changed;
}

static bool on_workflow(void *user, struct ps_watched_workflow *workflow, bool deleted)
{
    struct ps_watch_records *records = user;
    struct ps_watch_item *item;

    if (!is_news(records, workflow) && !deleted) {
        return !records->loop_only.paused;
    }
    if (records->loop_only.count == PS_WATCH_ITEMS_ROOM) {
        ps_log(records->log, PS_LOG_ERROR, "watch", "%s/%s: no room for it, it is kept",
               workflow->ns, workflow->name);
        return false;
    }
    item = &records->loop_only.items[records->loop_only.count++];
    item->workflow = *workflow;
    item->deleted = deleted;
    memset(workflow, 0, sizeof(*workflow));
    records->loop_only.artifact_count += item->workflow.artifact_count;
    if (records->worker_only.list == NULL) {
        records->loop_only.noted_count = records->loop_only.count;
    }
    gather(records);
    return !records->loop_only.paused;
}

static struct ps_watch_list_place *place_of(struct ps_watch_records *records, const char *ns)
{
    struct ps_watch_list_place *place = records->loop_only.lists;

    for (size_t i = 0; i < records->loop_only.list_count; i++, place++) {
        if (strcmp(place->ns, ns) == 0) {
            return place;
        }
    }
    place->ns = ps_strdup(ns);
    if (records->loop_only.list_count == PS_WATCH_NAMESPACES_MAX || place->ns == NULL) {
        return NULL;
    }
    records->loop_only.list_count++;
    return place;
}

static void on_list_begun(void *user, const char *ns)
{
    struct ps_watch_records *records = user;
    struct ps_watch_list_place *place = place_of(records, ns);

    if (place != NULL) {
        place->turn = records->loop_only.seen.turn + 1;
        place->ended = false;
    }
}

static void on_listed(void *user, const char *ns, bool whole)
{
    struct ps_watch_records *records = user;
    struct ps_watch_list_place *place = place_of(records, ns);

    if (place == NULL || !whole) {
        ps_log(records->log, PS_LOG_WARN, "watch",
               "the list could not be read to the last workflow: none is taken for deleted");
        return;
    }
    place->ended = true;
    ps_watch_records_write_next(records);
}

struct ps_workflow_sink ps_watch_records_sink(struct ps_watch_records *records)
{
    return (struct ps_workflow_sink){
        .user = records, .workflow = on_workflow, .list_begun = on_list_begun, .listed = on_listed
    };
}
