#include "serve/plugin_internal.h"

#include "base/str.h"
#include "reclaim/marker.h"
#include "reclaim/reclaim_question.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/*
 * Delete: Argo asks for it, policies say when. Each object at the key and below it goes at once, stays, or goes later: a
 * marker then says so to the agent, as this pod will not live that long.
 *
 *   what is left to do, in this order                        durable when it is done
 *   objects of this page that go at once: DeleteObjects      they are gone
 *   a marker that is full, or the last one: PUT              somebody else will see to its objects
 *   a next page of what lies below                           nothing; a delete that is asked for again begins anew
 *   the object of the key itself: HEAD                       nothing
 *
 * What is gone already is deleted: Argo asks again when an answer was lost.
 */

/** Keys of one page; a store deletes as many in one request. */
#define BATCH_MAX 1000

struct ps_plugin_delete {
    struct ps_deleter deleter;
    uint32_t batch; /* objects of a page */
    bool listed;    /* the last page was read */
    bool looked;    /* at the key itself */
    bool any_below;
    char *last_key; /* NULL = no page yet */
    struct ps_marker_writer marker;
    char *marker_key; /* while it is written */
    uint64_t deleted_count;
    uint64_t later_count;
    uint64_t kept_count;
};

static void advance(struct ps_plugin_task *task);

static void end(struct ps_plugin_task *task, const struct ps_err *err)
{
    const struct ps_plugin_delete *removal = task->removal;

    if (err == NULL && removal->later_count + removal->kept_count > 0) {
        ps_log(task->plugin->log, PS_LOG_INFO, "plugin",
               "%s: %" PRIu64 " deleted, %" PRIu64 " to go later, %" PRIu64 " kept", task->url,
               removal->deleted_count, removal->later_count, removal->kept_count);
    }
    ps_plugin_task_end(task, err);
}

/* --- what becomes of an object --- */

static const char *below_prefix(const struct ps_plugin_task *task, const char *key)
{
    return key + strlen(task->config->open.key);
}

/* Argo says neither which workflow it is nor what became of it: it is an order by hand. */
static void ask(const struct ps_plugin_task *task, const struct ps_object_info *info,
                const char *url, struct ps_reclaim_decision *decision_out)
{
    const struct ps_plugin *plugin = task->plugin;
    const struct ps_decider *decider = ps_plugin_decider(task);
    const struct ps_reclaim_rules rules = { .decider = decider };
    struct ps_reclaim_asked asked = {
        .artifact = { .url = url,
                      .has_size = true,
                      .size_bytes = info->size_bytes,
                      .storage_class = info->storage_class,
                      .node_status = "",
                      .created_unix_s = info->mtime_unix_ms / 1000 },
    };

    ps_reclaim_ask_fill(&asked, 0, &rules, PS_EVENT_CLEARED,
                        ps_clock_unix_ms(plugin->clock) / 1000);
    decider->reclaim(decider->user, &asked.question, decision_out);
}

static void keep(struct ps_plugin_task *task, const char *url, const char *why)
{
    task->removal->kept_count++;
    ps_log(task->plugin->log, PS_LOG_INFO, "plugin", "%s: kept: %s", url, why);
}

static enum ps_code delete_now(struct ps_plugin_task *task, const char *key, struct ps_err *err)
{
    enum ps_code code = ps_buf_append(&task->names, key, strlen(key) + 1, err);

    task->name_count += code == PS_OK ? 1 : 0;
    return code;
}

static enum ps_code delete_later(struct ps_plugin_task *task, const struct ps_object_info *info,
                                 const char *url, uint64_t after_s, struct ps_err *err)
{
    const struct ps_marker_entry entry = {
        .key = below_prefix(task, info->key),
        .etag = info->etag,
        .size_bytes = info->size_bytes,
        .mtime_unix_s = info->mtime_unix_ms / 1000,
        .after_s = after_s,
    };
    enum ps_code code = ps_marker_add(&task->removal->marker, &entry, err);

    if (code == PS_E_INVALID) {
        keep(task, url, "its name fits no marker: delete it by hand");
        return PS_OK;
    }
    task->removal->later_count += code == PS_OK ? 1 : 0;
    return code;
}

static enum ps_code decide(struct ps_plugin_task *task, const struct ps_object_info *info,
                           const char *url, struct ps_err *err)
{
    struct ps_reclaim_decision decision;

    ask(task, info, url, &decision);
    switch (decision.action) {
    case PS_ACTION_KEEP:
        keep(task, url, decision.origin.reason);
        return PS_OK;
    case PS_ACTION_ARCHIVE:
        keep(task, url, "a policy wants it archived, which an agent does");
        return PS_OK;
    case PS_ACTION_NONE: /* nobody minds */
    case PS_ACTION_DELETE:
        break;
    }
    return decision.after_s == 0 ? delete_now(task, info->key, err)
                                 : delete_later(task, info, url, decision.after_s, err);
}

/* What is purser's own is no artifact: a configuration with a longer prefix keeps its markers there. */
static bool is_own(const struct ps_plugin_task *task, const char *key)
{
    return strstr(below_prefix(task, key), "/.purser/") != NULL;
}

static enum ps_code take(struct ps_plugin_task *task, const struct ps_object_info *info,
                         struct ps_err *err)
{
    char *url;
    enum ps_code code;

    if (is_own(task, info->key)) {
        return PS_OK;
    }
    if (!ps_plugin_decider(task)->asks_reclaim) {
        return delete_now(task, info->key, err);
    }
    url = ps_str_format("%s%s", task->config->says.url, below_prefix(task, info->key));
    code = url != NULL ? decide(task, info, url, err)
                       : ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    free(url);
    return code;
}

/* --- at once --- */

static void on_deleted(void *user, const struct ps_delete_result *results, size_t count,
                       const struct ps_err *err)
{
    struct ps_plugin_task *task = user;
    struct ps_err own;

    task->op = NULL;
    for (size_t i = 0; i < count && err == NULL; i++) {
        if (results[i].code != PS_OK) {
            (void)ps_err_set(&own, results[i].code, "%s: %s", results[i].key, results[i].message);
            err = &own;
        }
    }
    if (err != NULL) {
        end(task, err);
        return;
    }
    task->removal->deleted_count += task->name_count;
    ps_buf_rewind(&task->names);
    task->name_count = 0;
    advance(task);
}

static void delete_names(struct ps_plugin_task *task)
{
    const char *keys[BATCH_MAX];
    const char *at = task->names.data;
    struct ps_err err;

    for (size_t i = 0; i < task->name_count; i++) {
        keys[i] = at;
        at += strlen(at) + 1;
    }
    task->op = ps_deleter_delete_batch(&task->removal->deleter, keys, task->name_count, on_deleted,
                                       task, &err);
    if (task->op == NULL) {
        end(task, &err);
    }
}

/* --- later --- */

static ssize_t read_marker(void *user, uint64_t offset, void *into, size_t size)
{
    const struct ps_plugin_task *task = user;

    memcpy(into, task->removal->marker.text.data + offset, size);
    return (ssize_t)size;
}

static struct ps_checksum checksum_of(const struct ps_buf *text,
                                      enum ps_checksum_algorithm algorithm)
{
    struct ps_checksum sum = { .algorithm = PS_CHECKSUM_NONE };
    struct ps_hasher hasher;

    if (ps_hasher_init(&hasher, algorithm, NULL) == PS_OK) {
        ps_hasher_update(&hasher, text->data, text->size_bytes);
        sum = ps_hasher_finish(&hasher);
        ps_hasher_clear(&hasher);
    }
    return sum;
}

static void on_marker_put(void *user, const char *etag, const struct ps_checksum *checksum,
                          const struct ps_err *err)
{
    struct ps_plugin_task *task = user;
    struct ps_err own;

    (void)etag;
    (void)checksum;
    task->op = NULL;
    if (err != NULL) {
        own = *err;
        (void)ps_err_wrap(&own, own.code, "writing the reclaim marker %s",
                          task->removal->marker_key);
        end(task, &own);
        return;
    }
    ps_marker_writer_clear(&task->removal->marker);
    advance(task);
}

static void write_marker(struct ps_plugin_task *task)
{
    struct ps_plugin_delete *removal = task->removal;
    struct ps_store *store = task->config->open.store;
    struct ps_put_request request = { .body = { .read = read_marker, .user = task },
                                      .options = { .content_type = "application/json" } };
    char name[PS_MARKER_NAME_SIZE];
    struct ps_err err;
    enum ps_code code = ps_marker_end(&removal->marker, name, &err);

    free(removal->marker_key);
    removal->marker_key =
        code == PS_OK ? ps_str_format("%s" PS_MARKER_DIR "%s", task->config->open.key, name) : NULL;
    if (code == PS_OK && removal->marker_key == NULL) {
        code = ps_err_set(&err, PS_E_NO_MEMORY, "out of memory");
    }
    if (code == PS_OK) {
        request.key = removal->marker_key;
        request.body.size_bytes = removal->marker.text.size_bytes;
        request.checksum = checksum_of(&removal->marker.text, store->capabilities.checksum_default);
        request.sha256 = checksum_of(&removal->marker.text, PS_CHECKSUM_SHA256);
        request.options.checksum = request.checksum.algorithm;
        task->op = ps_store_put(store, &request, on_marker_put, task, &err);
    }
    if (task->op == NULL) {
        end(task, &err);
    }
}

/* --- what there is --- */

static void on_head(void *user, const struct ps_object_info *info, const struct ps_err *err)
{
    struct ps_plugin_task *task = user;
    struct ps_object_info itself;
    struct ps_err own;

    task->op = NULL;
    if (err != NULL && err->code != PS_E_NOT_FOUND) {
        end(task, err);
        return;
    }
    if (err == NULL) {
        itself = *info;
        itself.key = task->key;
        if (take(task, &itself, &own) != PS_OK) {
            end(task, &own);
            return;
        }
    }
    advance(task);
}

/* With nothing below and nobody to ask, the order alone will do: a key that is not there is deleted. */
static void look_at_itself(struct ps_plugin_task *task)
{
    struct ps_err err;

    task->removal->looked = true;
    if (!task->removal->any_below && !ps_plugin_decider(task)->asks_reclaim) {
        if (delete_now(task, task->key, &err) == PS_OK) {
            delete_names(task);
        } else {
            end(task, &err);
        }
        return;
    }
    task->op = ps_store_head(task->config->open.store, task->key, on_head, task, &err);
    if (task->op == NULL) {
        end(task, &err);
    }
}

static enum ps_code take_page(struct ps_plugin_task *task, const struct ps_object_info *objects,
                              size_t count, struct ps_err *err)
{
    struct ps_plugin_delete *removal = task->removal;
    enum ps_code code = PS_OK;

    for (size_t i = 0; i < count && code == PS_OK; i++) {
        code = take(task, &objects[i], err);
    }
    if (code == PS_OK && count > 0) {
        removal->any_below = true;
        free(removal->last_key);
        removal->last_key = ps_strdup(objects[count - 1].key);
        if (removal->last_key == NULL) {
            code = ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
        }
    }
    return code;
}

static void on_page(void *user, const struct ps_object_info *objects, size_t count, bool more,
                    const struct ps_err *err)
{
    struct ps_plugin_task *task = user;
    struct ps_err own;
    bool cut = false;
    enum ps_code code;

    if (count > task->removal->batch) { /* more than was asked for: the rest comes again */
        count = task->removal->batch;
        cut = true;
    }
    code = err == NULL ? take_page(task, objects, count, &own) : err->code;
    if (more) { /* the next page is asked for when this one is done with */
        ps_store_cancel(task->op);
    }
    task->op = NULL;
    task->removal->listed = !more && !cut;
    if (code != PS_OK) {
        end(task, err != NULL ? err : &own);
    } else {
        advance(task);
    }
}

static void list_below(struct ps_plugin_task *task)
{
    const struct ps_list_request request = { .page_size = task->removal->batch,
                                             .start_after = task->removal->last_key };
    struct ps_err err;

    if (!ps_plugin_start_list(task, &request, on_page, &err)) {
        end(task, &err);
    }
}

/* --- turns --- */

static bool must_write(const struct ps_plugin_delete *removal)
{
    bool is_last = removal->listed && removal->looked;

    return removal->marker.count > 0 &&
           (is_last || removal->marker.count + removal->batch > PS_MARKER_ENTRIES_MAX);
}

static void advance(struct ps_plugin_task *task)
{
    const struct ps_plugin_delete *removal = task->removal;

    if (task->name_count > 0) {
        delete_names(task);
    } else if (must_write(removal)) {
        write_marker(task);
    } else if (!removal->listed) {
        list_below(task);
    } else if (!removal->looked) {
        look_at_itself(task);
    } else {
        end(task, NULL);
    }
}

void ps_plugin_delete(struct ps_plugin_task *task)
{
    const struct ps_store *store = task->config->open.store;
    uint32_t batch = store->capabilities.delete_batch_max;
    struct ps_err err;

    task->removal = calloc(1, sizeof(*task->removal));
    if (task->removal == NULL) {
        (void)ps_err_set(&err, PS_E_NO_MEMORY, "out of memory");
        ps_plugin_task_end(task, &err);
        return;
    }
    task->removal->deleter.store = task->config->open.store;
    task->removal->batch = batch == 0 ? 1 : batch < BATCH_MAX ? batch : BATCH_MAX;
    advance(task);
}

void ps_plugin_delete_free(struct ps_plugin_task *task)
{
    struct ps_plugin_delete *removal = task->removal;

    if (removal != NULL) {
        ps_marker_writer_clear(&removal->marker);
        free(removal->marker_key);
        free(removal->last_key);
        free(removal);
        task->removal = NULL;
    }
}
