#include "cli/get_tree.h"

#include "base/str.h"
#include "cli/output.h"
#include "cli/tree_again.h"
#include "transfer/tree_download.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct get_tree {
    struct ps_app *app;
    char *url; /* ends in '/' */
    struct ps_open_store open;
    struct ps_tree_download *download;
    struct ps_tree_filter filter;
    struct ps_tree_again again;
    bool moved; /* something was, or tried */
    bool done;
    enum ps_exit exit;
    int64_t started_ms;
};

static void on_failed(void *user, const char *path, const struct ps_err *err)
{
    const struct get_tree *get = user;

    ps_output_failed(get->app, get->url, path, err);
}

static void print_json(const struct get_tree *get, const struct ps_tree_download_result *result,
                       double seconds)
{
    json_t *object =
        json_pack("{s:o, s:s, s:I, s:I, s:I, s:I, s:f}", "url", ps_output_text(get->url), "command",
                  "get", "files", (json_int_t)result->file_count, "size_bytes",
                  (json_int_t)result->size_bytes, "same", (json_int_t)result->same_count, "failed",
                  (json_int_t)result->failed_count, "seconds", seconds);

    ps_output_json("result", &object);
}

static void print_plain(const struct get_tree *get, const struct ps_tree_download_result *result,
                        double seconds)
{
    char size[16];

    (void)fprintf(stderr, "%s: %" PRIu64 " files, %s in %.1f s", get->url, result->file_count,
                  ps_size_format(result->size_bytes, size, sizeof(size)), seconds);
    if (result->same_count > 0) {
        (void)fprintf(stderr, ", %" PRIu64 " were there", result->same_count);
    }
    if (result->failed_count > 0) {
        (void)fprintf(stderr, ", %" PRIu64 " failed", result->failed_count);
    }
    (void)fputc('\n', stderr);
}

static void on_done(void *user, const struct ps_tree_download_result *result,
                    const struct ps_err *err)
{
    struct get_tree *get = user;
    struct ps_app *app = get->app;
    int64_t ms = ps_clock_mono_ms(app->clock) - get->started_ms;
    double seconds = ms > 0 ? (double)ms / 1000.0 : 0.001;

    get->done = true;
    get->moved = result->file_count > 0 || result->same_count > 0;
    get->download = NULL;
    ps_progress_bar_stop(&app->bar);
    if (app->json) {
        print_json(get, result, seconds);
    } else if (!app->quiet && (err == NULL || err->code == PS_E_PARTIAL)) {
        print_plain(get, result, seconds);
    }
    if (err != NULL && err->code == PS_E_CANCELLED && app->caught_signal != 0) {
        get->exit = ps_app_signal_exit(app);
        if (!app->quiet && get->again.path != NULL) {
            (void)fprintf(stderr, "purser: interrupted; the same command goes on\n");
        }
    } else if (err != NULL) {
        struct ps_err told = *err;

        ps_tree_again_advise(&get->again, &told);
        get->exit = ps_app_fail(app, &told);
    }
}

static void ask_progress(void *user, struct ps_progress *progress_out)
{
    const struct get_tree *get = user;

    ps_tree_download_progress(get->download, progress_out);
}

static void on_stop(void *user)
{
    struct get_tree *get = user;

    if (get->download != NULL) {
        ps_tree_download_stop(get->download);
    }
}

static void on_report(void *user)
{
    struct get_tree *get = user;

    ps_progress_bar_report(&get->app->bar);
}

static enum ps_code start(struct get_tree *get, const char *url, const char *dest,
                          struct ps_err *err)
{
    struct ps_app *app = get->app;
    struct ps_tree_download_options options = {
        .download = {
            .loop = app->loop,
            .path = dest,
            .clock = app->clock,
            .log = &app->log,
            .open_state = ps_app_open_state,
            .open_state_user = app,
            .concurrency = app->settings.transfer_concurrency,
            .restart = ps_options_has(&app->options, PS_OPT_RESTART),
        },
        .filter = &get->filter,
        .outside_links = ps_options_has(&app->options, PS_OPT_OUTSIDE_LINKS),
        .on_failed = on_failed,
        .on_done = on_done,
        .user = get,
    };
    enum ps_code code =
        ps_options_number(&app->options, PS_OPT_CONCURRENCY, &options.download.concurrency, err);

    get->filter = (struct ps_tree_filter){ app->options.include, app->options.include_count,
                                           app->options.exclude, app->options.exclude_count };
    if (code == PS_OK) {
        code = ps_options_size(&app->options, PS_OPT_PART_SIZE, &options.download.range_size_bytes,
                               err);
    }
    get->url = ps_str_format("%s%s", url, ps_str_has_suffix(url, "/") ? "" : "/");
    if (code == PS_OK && get->url == NULL) {
        code = ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    if (code == PS_OK) {
        code = ps_store_open(&app->factory, get->url, &get->open, err);
    }
    if (code == PS_OK) {
        ps_tree_again_begin(&get->again, app, "get", get->url, dest);
        options.skip_existing =
            get->again.unfinished || ps_options_has(&app->options, PS_OPT_SKIP_EXISTING);
        options.download.store = get->open.store;
        options.download.key = get->open.key;
        options.download.url = get->url;
        code = ps_tree_download_start(&get->download, &options, err);
    }
    return code;
}

enum ps_exit ps_get_tree(struct ps_app *app, const char *url, const char *dest)
{
    struct get_tree get = { .app = app, .started_ms = ps_clock_mono_ms(app->clock) };
    struct ps_err err;

    if (start(&get, url, dest, &err) != PS_OK) {
        get.exit = ps_app_fail(app, &err);
    } else {
        app->on_stop = on_stop;
        app->on_report = on_report;
        app->on_signal_user = &get;
        ps_progress_bar_start(&app->bar, app->loop, get.url, app->quiet || app->json, ask_progress,
                              &get);
        ps_app_run_until(app, &get.done);
    }
    ps_tree_again_end(&get.again, get.exit == PS_EXIT_DONE, get.moved);
    ps_store_close(&get.open);
    free(get.url);
    return get.exit;
}
