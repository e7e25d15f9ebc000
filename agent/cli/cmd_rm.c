#include "cli/app.h"
#include "cli/output.h"

#include "base/str.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* rm URL, rm -r PREFIX. Pages of the list are deleted as they come; one batch is under way at a time and the list is
 * read whole pages ahead only as far as the waiting keys. */

struct rm {
    struct ps_app *app;
    const char *url;
    struct ps_open_store open;
    struct ps_deleter deleter;
    char **keys; /* waiting */
    size_t key_count;
    size_t key_capacity;
    size_t batch_count; /* under way: the first of keys */
    bool listed;
    bool done;
    enum ps_exit exit;
    uint64_t deleted_count;
    uint64_t failed_count;
};

static void next_batch(struct rm *rm);

static void fail(struct rm *rm, const struct ps_err *err)
{
    rm->done = true;
    rm->exit = ps_app_fail(rm->app, err);
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
        (void)fprintf(stderr, "purser: %s/%s: %s\n", rm->open.store->root_url, result->key,
                      result->message);
    }
}

static void on_deleted(void *user, const struct ps_delete_result *results, size_t count,
                       const struct ps_err *err)
{
    struct rm *rm = user;

    if (err != NULL) {
        fail(rm, err);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        print_result(rm, &results[i]);
    }
    for (size_t i = 0; i < rm->batch_count; i++) {
        free(rm->keys[i]);
    }
    memmove(rm->keys, rm->keys + rm->batch_count,
            (rm->key_count - rm->batch_count) * sizeof(*rm->keys));
    rm->key_count -= rm->batch_count;
    rm->batch_count = 0;
    next_batch(rm);
}

static void next_batch(struct rm *rm)
{
    size_t most = rm->open.store->capabilities.delete_batch_max;
    struct ps_err err;

    if (rm->batch_count != 0 || rm->done) {
        return;
    }
    if (rm->key_count == 0) {
        rm->done = rm->listed;
        return;
    }
    most = most != 0 ? most : 1;
    rm->batch_count = rm->key_count < most ? rm->key_count : most;
    if (ps_deleter_delete_batch(&rm->deleter, (const char *const *)rm->keys, rm->batch_count,
                                on_deleted, rm, &err) == NULL) {
        fail(rm, &err);
    }
}

static bool keep_key(struct rm *rm, const char *key)
{
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

static void on_page(void *user, const struct ps_object_info *objects, size_t count, bool more,
                    const struct ps_err *err)
{
    struct rm *rm = user;
    struct ps_err own;

    if (err != NULL) {
        fail(rm, err);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (!keep_key(rm, objects[i].key)) {
            (void)ps_err_set(&own, PS_E_NO_MEMORY, "out of memory");
            fail(rm, &own);
            return;
        }
    }
    rm->listed = !more;
    next_batch(rm);
}

static void on_stop(void *user)
{
    const struct rm *rm = user;

    exit((int)ps_app_signal_exit(rm->app));
}

static enum ps_code start(struct rm *rm, struct ps_err *err)
{
    const struct ps_list_request request = { .prefix = rm->open.key };

    rm->deleter.store = rm->open.store;
    if (ps_options_has(&rm->app->options, PS_OPT_RECURSIVE)) {
        return ps_store_list(rm->open.store, &request, on_page, rm, err) != NULL ? PS_OK
                                                                                 : err->code;
    }
    if (rm->open.key[0] == '\0' || ps_str_has_suffix(rm->open.key, "/")) {
        return ps_err_set(err, PS_E_INVALID, "%s: is a prefix: -r removes everything below it",
                          rm->url);
    }
    if (!keep_key(rm, rm->open.key)) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    rm->listed = true;
    next_batch(rm);
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
        app->on_signal_user = &rm;
        ps_app_run_until(app, &rm.done);
        if (rm.exit == PS_EXIT_DONE) {
            report(&rm);
            rm.exit = rm.failed_count > 0 ? PS_EXIT_PARTIAL : PS_EXIT_DONE;
        }
    }
    for (size_t i = 0; i < rm.key_count; i++) {
        free(rm.keys[i]);
    }
    free(rm.keys);
    ps_store_close(&rm.open);
    return rm.exit;
}
