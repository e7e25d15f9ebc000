#include "cli/put_tree.h"

#include "base/str.h"
#include "cli/output.h"
#include "cli/tree_again.h"
#include "transfer/tree_upload.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct put_tree {
    struct ps_app *app;
    char *url; /* ends in '/' */
    struct ps_open_store open;
    struct ps_tree_upload *upload;
    struct ps_tree_filter filter;
    const struct ps_put_record *record;
    struct ps_tree_again again;
    bool moved; /* something was, or tried */
    bool done;
    enum ps_exit exit;
    int64_t started_ms;
};

static void on_failed(void *user, const char *path, const struct ps_err *err)
{
    const struct put_tree *put = user;

    ps_output_failed(put->app, put->url, path, err);
}

static enum ps_code on_record(void *user, const struct ps_tree_stored *stored, size_t count,
                              struct ps_err *err)
{
    const struct put_tree *put = user;

    return ps_put_record_write_tree(put->record, put->app, put->url, stored, count, err);
}

static void print_json(const struct put_tree *put, const struct ps_tree_upload_result *result,
                       double seconds)
{
    json_t *object =
        json_pack("{s:o, s:s, s:I, s:I, s:I, s:I, s:I, s:f}", "url", ps_output_text(put->url),
                  "command", "put", "files", (json_int_t)result->sent_count, "sent_bytes",
                  (json_int_t)result->sent_bytes, "same", (json_int_t)result->same_count, "failed",
                  (json_int_t)result->failed_count, "special", (json_int_t)result->special_count,
                  "seconds", seconds);

    ps_output_json("result", &object);
}

static void print_plain(const struct put_tree *put, const struct ps_tree_upload_result *result,
                        double seconds)
{
    char size[16];

    (void)fprintf(stderr, "%s: %" PRIu64 " files, %s in %.1f s", put->url, result->sent_count,
                  ps_size_format(result->sent_bytes, size, sizeof(size)), seconds);
    if (result->same_count > 0) {
        (void)fprintf(stderr, ", %" PRIu64 " were there", result->same_count);
    }
    if (result->failed_count > 0) {
        (void)fprintf(stderr, ", %" PRIu64 " failed", result->failed_count);
    }
    (void)fputc('\n', stderr);
}

static void on_done(void *user, const struct ps_tree_upload_result *result,
                    const struct ps_err *err)
{
    struct put_tree *put = user;
    struct ps_app *app = put->app;
    int64_t ms = ps_clock_mono_ms(app->clock) - put->started_ms;
    double seconds = ms > 0 ? (double)ms / 1000.0 : 0.001;

    put->done = true;
    put->moved = result->sent_count > 0 || result->same_count > 0;
    put->upload = NULL;
    ps_progress_bar_stop(&app->bar);
    if (app->json) {
        print_json(put, result, seconds);
    } else if (!app->quiet && (err == NULL || err->code == PS_E_PARTIAL)) {
        print_plain(put, result, seconds);
    }
    if (err != NULL && err->code == PS_E_CANCELLED && app->caught_signal != 0) {
        put->exit = ps_app_signal_exit(app);
        if (!app->quiet && put->again.path != NULL) {
            (void)fprintf(stderr, "purser: interrupted; the same command goes on\n");
        }
    } else if (err != NULL) {
        struct ps_err told = *err;

        ps_tree_again_advise(&put->again, &told);
        put->exit = ps_app_fail(app, &told);
    }
}

static void ask_progress(void *user, struct ps_progress *progress_out)
{
    const struct put_tree *put = user;

    ps_tree_upload_progress(put->upload, progress_out);
}

static void on_stop(void *user)
{
    struct put_tree *put = user;

    if (put->upload != NULL) {
        ps_tree_upload_stop(put->upload);
    }
}

static void on_report(void *user)
{
    struct put_tree *put = user;

    ps_progress_bar_report(&put->app->bar);
}

static enum ps_code start(struct put_tree *put, const struct ps_upload_options *upload,
                          const char *url, struct ps_err *err)
{
    struct ps_app *app = put->app;
    struct ps_tree_upload_options options = {
        .upload = *upload,
        .filter = &put->filter,
        .all_directories = ps_options_has(&app->options, PS_OPT_DIRECTORIES),
        .record = put->record->wanted ? on_record : NULL,
        .on_failed = on_failed,
        .on_done = on_done,
        .user = put,
    };
    enum ps_code code;

    put->filter = (struct ps_tree_filter){ app->options.include, app->options.include_count,
                                           app->options.exclude, app->options.exclude_count };
    put->url = ps_str_format("%s%s", url, ps_str_has_suffix(url, "/") ? "" : "/");
    if (put->url == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    if (put->record->wanted && ps_app_open_state(app, err) == NULL) {
        return err->code;
    }
    code = ps_store_open(&app->factory, put->url, &put->open, err);
    if (code == PS_OK) {
        ps_tree_again_begin(&put->again, app, "put", upload->source_path, put->url);
        options.skip_existing =
            put->again.unfinished || ps_options_has(&app->options, PS_OPT_SKIP_EXISTING);
        options.upload.store = put->open.store;
        options.upload.key = put->open.key;
        options.upload.url = put->url;
        options.upload.store_name = put->open.name;
        options.upload.bucket = put->open.bucket;
        code = ps_tree_upload_start(&put->upload, &options, err);
    }
    return code;
}

enum ps_exit ps_put_tree(struct ps_app *app, const struct ps_upload_options *upload,
                         const struct ps_put_record *record, const char *url)
{
    struct put_tree put = { .app = app,
                            .record = record,
                            .started_ms = ps_clock_mono_ms(app->clock) };
    struct ps_err err;

    if (start(&put, upload, url, &err) != PS_OK) {
        put.exit = ps_app_fail(app, &err);
    } else {
        app->on_stop = on_stop;
        app->on_report = on_report;
        app->on_signal_user = &put;
        ps_progress_bar_start(&app->bar, app->loop, put.url, app->quiet || app->json, ask_progress,
                              &put);
        ps_app_run_until(app, &put.done);
    }
    ps_tree_again_end(&put.again, put.exit == PS_EXIT_DONE, put.moved);
    ps_store_close(&put.open);
    free(put.url);
    return put.exit;
}
