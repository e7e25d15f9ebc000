#include "cli/app.h"
#include "cli/output.h"

#include "base/str.h"
#include "transfer/key_filter.h"
#include "transfer/key_list.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* rm URL, rm -r PREFIX. Pages of the list are deleted as they come, some batches side by side; the list pauses while
 * enough keys wait. */

/**
 * Batches under way, and the keys of one where a store takes more: the store works on them side by side. Lower: slower.
 * Higher: more load on a store than others of its users like.
 */
enum {
    BATCHES = 4,
    BATCH_KEYS = 250,
    /** With so many keys waiting the list pauses. */
    WAITING_MAX = 2000
};

struct rm;

struct batch {
    struct rm *rm;
    char **keys; /* NULL = free */
    size_t count;
};

struct rm {
    struct ps_app *app;
    const char *url;
    struct ps_open_store open;
    struct ps_deleter deleter;
    char **keys; /* waiting, from next on */
    size_t key_count;
    size_t key_capacity;
    size_t next;
    struct batch batches[BATCHES];
    size_t busy_count;
    struct ps_key_list *list; /* NULL = not started, or ended */
    struct ps_key_filter filter;
    bool listed;
    bool stopped; /* after an error: what is under way ends */
    bool done;
    enum ps_exit exit;
    uint64_t deleted_count;
    uint64_t failed_count;
};

static void step(struct rm *rm);

static void fail(struct rm *rm, const struct ps_err *err)
{
    if (!rm->stopped) {
        rm->stopped = true;
        rm->exit = ps_app_fail(rm->app, err);
    }
    ps_key_list_cancel(rm->list);
    rm->list = NULL;
}

static void print_result(struct rm *rm, const struct ps_delete_result *result)
{
    bool good = result->code == PS_OK;

    rm->deleted_count += good ? 1 : 0;
    rm->failed_count += good ? 0 : 1;
    if (rm->app->json) {
        json_t *object =
            json_pack("{s:o, s:b, s:b, s:o}", "key", ps_output_text(result->key), "deleted",
                      (int)good, "delete_marker", (int)result->delete_marker, "message",
                      ps_output_text(result->message));

        ps_output_json("deleted", &object);
    } else if (!good) {
        ps_progress_bar_before_line(&rm->app->bar);
        (void)fprintf(stderr, "purser: %s/%s: %s\n", rm->open.store->root_url, result->key,
                      result->message);
    }
}

static void batch_clear(struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        free(batch->keys[i]);
    }
    free(batch->keys);
    batch->keys = NULL;
    batch->count = 0;
}

static void on_deleted(void *user, const struct ps_delete_result *results, size_t count,
                       const struct ps_err *err)
{
    struct batch *batch = user;
    struct rm *rm = batch->rm;

    if (err != NULL) {
        fail(rm, err);
    }
    for (size_t i = 0; err == NULL && i < count; i++) {
        print_result(rm, &results[i]);
    }
    batch_clear(batch);
    rm->busy_count--;
    step(rm);
}

static size_t batch_size(const struct rm *rm)
{
    size_t most = rm->open.store->capabilities.delete_batch_max;
    size_t waiting = rm->key_count - rm->next;

    most = most != 0 ? most : 1;
    most = most < BATCH_KEYS ? most : BATCH_KEYS;
    if (waiting < most) {
        return rm->listed ? waiting : 0; /* a full one may come yet */
    }
    return most;
}

static void start_batch(struct rm *rm, struct batch *batch, size_t count)
{
    struct ps_err err;

    batch->rm = rm;
    batch->keys = calloc(count, sizeof(*batch->keys));
    if (batch->keys == NULL) {
        (void)ps_err_set(&err, PS_E_NO_MEMORY, "out of memory");
        fail(rm, &err);
        return;
    }
    memcpy(batch->keys, rm->keys + rm->next, count * sizeof(*batch->keys));
    batch->count = count;
    rm->next += count;
    if (ps_deleter_delete_batch(&rm->deleter, (const char *const *)batch->keys, count, on_deleted,
                                batch, &err) == NULL) {
        batch_clear(batch);
        fail(rm, &err);
    } else {
        rm->busy_count++;
    }
}

static bool keep_key(struct rm *rm, const char *key)
{
    if (rm->key_count == rm->key_capacity && rm->next > 0) {
        memmove(rm->keys, rm->keys + rm->next, (rm->key_count - rm->next) * sizeof(*rm->keys));
        rm->key_count -= rm->next;
        rm->next = 0;
    }
    if (rm->key_count == rm->key_capacity) {
        size_t capacity = rm->key_capacity != 0 ? rm->key_capacity * 2 : 1024;
        char **keys = realloc(rm->keys, capacity * sizeof(*keys));

        if (keys == NULL) {
            return false;
        }
        rm->keys = keys;
        rm->key_capacity = capacity;
    }
    rm->keys[rm->key_count] = ps_strdup(key);
    return rm->keys[rm->key_count++] != NULL;
}

static bool keep_page(struct rm *rm, const struct ps_object_info *objects, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (ps_key_filter_takes(&rm->filter, objects[i].key) && !keep_key(rm, objects[i].key)) {
            return false;
        }
    }
    return true;
}

static void on_page(void *user, const struct ps_object_info *objects, size_t count, bool more,
                    const struct ps_err *err)
{
    struct rm *rm = user;
    struct ps_err own;

    if (!more) {
        rm->list = NULL;
        rm->listed = true;
    }
    if (err != NULL) {
        fail(rm, err);
    } else if (!keep_page(rm, objects, count)) {
        (void)ps_err_set(&own, PS_E_NO_MEMORY, "out of memory");
        fail(rm, &own);
    }
    step(rm);
}

static void pace_list(struct rm *rm)
{
    size_t waiting = rm->key_count - rm->next;

    if (rm->list != NULL && waiting > WAITING_MAX) {
        ps_key_list_pause(rm->list);
    } else if (rm->list != NULL && waiting <= WAITING_MAX / 2) {
        ps_key_list_resume(rm->list);
    }
}

static void step(struct rm *rm)
{
    for (size_t i = 0; i < BATCHES && !rm->stopped; i++) {
        size_t count = batch_size(rm);

        if (rm->batches[i].keys == NULL && count > 0) {
            start_batch(rm, &rm->batches[i], count);
        }
    }
    pace_list(rm);
    rm->done = rm->busy_count == 0 && (rm->stopped || (rm->listed && rm->next == rm->key_count));
}

static void on_stop(void *user)
{
    const struct rm *rm = user;

    exit((int)ps_app_signal_exit(rm->app));
}

static enum ps_code start_list(struct rm *rm, struct ps_err *err)
{
    const struct ps_options *options = &rm->app->options;
    const struct ps_key_list_options list = {
        .loop = rm->app->loop,
        .store = rm->open.store,
        .prefix = rm->open.key,
        .on_page = on_page,
        .user = rm,
    };

    rm->filter = ps_key_filter_of(rm->open.key, options->include, options->include_count,
                                  options->exclude, options->exclude_count);
    return ps_key_list_start(&rm->list, &list, err);
}

static enum ps_code start(struct rm *rm, struct ps_err *err)
{
    static const enum ps_option all_only[] = { PS_OPT_INCLUDE, PS_OPT_EXCLUDE };

    rm->deleter.store = rm->open.store;
    if (ps_options_has(&rm->app->options, PS_OPT_RECURSIVE)) {
        return start_list(rm, err);
    }
    if (ps_options_refuse(&rm->app->options, all_only, 2, "-r", err) != PS_OK) {
        return err->code;
    }
    if (rm->open.key[0] == '\0' || ps_str_has_suffix(rm->open.key, "/")) {
        return ps_err_set(err, PS_E_INVALID, "%s: is a prefix: -r removes everything below it",
                          rm->url);
    }
    if (!keep_key(rm, rm->open.key)) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    rm->listed = true;
    step(rm);
    return PS_OK;
}

static void report(const struct rm *rm)
{
    if (rm->app->json) {
        json_t *object = json_pack(
            "{s:s, s:o, s:I, s:I}", "command", "rm", "url", ps_output_text(rm->url), "deleted",
            (json_int_t)rm->deleted_count, "failed", (json_int_t)rm->failed_count);

        ps_output_json("result", &object);
    } else if (!rm->app->quiet) {
        (void)fprintf(stderr, "%s: %" PRIu64 " removed", rm->url, rm->deleted_count);
        if (rm->failed_count > 0) {
            (void)fprintf(stderr, ", %" PRIu64 " failed", rm->failed_count);
        }
        (void)fputc('\n', stderr);
    }
}

static void ask_progress(void *user, struct ps_progress *progress_out)
{
    const struct rm *rm = user;

    *progress_out = (struct ps_progress){
        .state = "removing",
        .active_count = (uint32_t)rm->busy_count,
        .has_files = true,
        .file_count = rm->deleted_count,
    };
}

static void on_report(void *user)
{
    struct rm *rm = user;

    ps_progress_bar_report(&rm->app->bar);
}

enum ps_exit ps_cmd_rm(struct ps_app *app, const char **args, int arg_count)
{
    struct rm rm = { .app = app, .url = args[0] };
    struct ps_err err;
    enum ps_code code = ps_store_open(&app->factory, args[0], &rm.open, &err);

    (void)arg_count;
    if (code == PS_OK) {
        code = start(&rm, &err);
    }
    if (code != PS_OK) {
        rm.exit = ps_app_fail(app, &err);
    } else {
        app->on_stop = on_stop;
        app->on_report = on_report;
        app->on_signal_user = &rm;
        ps_progress_bar_start(&app->bar, app->loop, rm.url, app->quiet || app->json, ask_progress,
                              &rm);
        ps_app_run_until(app, &rm.done);
        ps_progress_bar_stop(&app->bar);
        if (rm.exit == PS_EXIT_DONE) {
            report(&rm);
            rm.exit = rm.failed_count > 0 ? PS_EXIT_PARTIAL : PS_EXIT_DONE;
        }
    }
    for (size_t i = rm.next; i < rm.key_count; i++) {
        free(rm.keys[i]);
    }
    free(rm.keys);
    ps_store_close(&rm.open);
    return rm.exit;
}
