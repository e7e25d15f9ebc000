#include "cli/app.h"
#include "cli/output.h"
#include "cli/put_record.h"
#include "cli/put_tree.h"
#include "cli/wishes.h"

#include "base/str.h"
#include "transfer/archive_upload.h"
#include "transfer/upload.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct put {
    struct ps_app *app;
    const char *url;
    struct ps_open_store open;
    struct ps_upload *upload;
    struct ps_archive_upload *archive;
    struct ps_tree_filter filter;
    bool done;
    enum ps_exit exit;
    int64_t started_ms;
    struct ps_wishes wishes;
    struct ps_put_record record;
};

static void on_event(void *user, const struct ps_transfer_event *event)
{
    struct put *put = user;

    ps_output_event(put->app, event);
}

static double seconds_since(const struct put *put)
{
    int64_t ms = ps_clock_mono_ms(put->app->clock) - put->started_ms;

    return ms > 0 ? (double)ms / 1000.0 : 0.001;
}

static void print_json(const struct put *put, const struct ps_upload_result *result)
{
    char sum[PS_CHECKSUM_TEXT_SIZE];
    json_t *object = json_pack(
        "{s:o, s:s, s:I, s:o, s:s, s:s, s:b, s:i, s:i, s:I, s:I, s:b, s:b, s:f}", "url",
        ps_output_text(put->url), "command", "put", "size_bytes", (json_int_t)result->size_bytes,
        "etag", ps_output_text(result->etag), "checksum_algorithm",
        ps_checksum_name(result->checksum.algorithm), "checksum",
        ps_checksum_format(&result->checksum, sum), "verified", (int)result->confirmed, "parts",
        (int)result->part_count, "resumed_parts", (int)result->resumed_count, "resumed_bytes",
        (json_int_t)result->resumed_bytes, "sent_bytes", (json_int_t)result->sent_bytes, "adopted",
        (int)result->adopted, "skipped", (int)result->skipped, "seconds", seconds_since(put));

    ps_output_json("result", &object);
}

static void print_resumed(const struct ps_upload_result *result)
{
    if (result->resumed_count > 0) {
        (void)fprintf(stderr, "resumed: %" PRIu32 " parts, %" PRIu64 " MiB not sent again%s\n",
                      result->resumed_count, result->resumed_bytes >> 20,
                      result->adopted ? " (found at the store: the checkpoint was lost)" : "");
    }
}

static void print_plain(const struct put *put, const struct ps_upload_result *result)
{
    char size[16];
    char rate[16];
    double seconds = seconds_since(put);

    if (result->skipped) {
        (void)fprintf(stderr, "skipped by policy: %s\n", put->url);
        return;
    }
    print_resumed(result);
    (void)fprintf(
        stderr, "%s: %s in %.1f s (%s/s), ", put->url,
        ps_size_format(result->size_bytes, size, sizeof(size)), seconds,
        ps_size_format((uint64_t)((double)result->sent_bytes / seconds), rate, sizeof(rate)));
    if (result->part_count > 0) {
        (void)fprintf(stderr, "%" PRIu32 " parts, ", result->part_count);
    }
    ps_output_proof(&result->checksum, result->confirmed);
}

/* The object is there; a failure here is one of the put, as its artifact would stay for ever. */
static enum ps_code record(const struct put *put, const struct ps_upload_result *result,
                           struct ps_err *err)
{
    const struct ps_tree_stored stored = {
        .size_bytes = result->size_bytes,
        .etag = result->etag,
        .checksum = result->checksum,
    };
    enum ps_code code = ps_put_record_write(&put->record, put->app, put->url, &stored, err);

    return code == PS_OK
               ? code
               : ps_err_wrap(err, code, "%s: stored, but not recorded for its workflow", put->url);
}

static void on_done(void *user, const struct ps_upload_result *result, const struct ps_err *err)
{
    struct put *put = user;
    struct ps_app *app = put->app;
    struct ps_err own;

    put->done = true;
    put->upload = NULL;
    put->archive = NULL;
    ps_progress_bar_stop(&app->bar);
    if (err == NULL && !result->skipped && record(put, result, &own) != PS_OK) {
        err = &own;
    }
    if (err != NULL) {
        put->exit = err->code == PS_E_CANCELLED && app->caught_signal != 0 ? ps_app_signal_exit(app)
                                                                           : ps_app_fail(app, err);
        if (put->exit >= PS_EXIT_SIGINT && !app->quiet) {
            (void)fprintf(stderr, "purser: interrupted; the same command resumes\n");
        }
    } else if (app->json) {
        print_json(put, result);
    } else if (!app->quiet) {
        print_plain(put, result);
    }
}

static void print_skipped(const struct put *put, const struct ps_archive_summary *tree)
{
    if (tree->skipped_count > 0) {
        (void)fprintf(stderr,
                      "purser: %s: not archived, as they are devices, fifos or sockets: %" PRIu64
                      ": %s\n",
                      put->url, tree->skipped_count, tree->skipped_names);
    }
}

static void on_archived(void *user, const struct ps_archive_upload_result *result,
                        const struct ps_err *err)
{
    struct put *put = user;
    char size[16];

    on_done(put, result->upload, err);
    if (err == NULL && !put->app->quiet) {
        print_skipped(put, result->tree);
    }
    if (err == NULL && !put->app->quiet && !put->app->json) {
        (void)fprintf(stderr, "%" PRIu64 " entries, %s of files\n", result->tree->entry_count,
                      ps_size_format(result->tree->file_bytes, size, sizeof(size)));
    }
}

static void ask_progress(void *user, struct ps_progress *progress_out)
{
    const struct put *put = user;

    if (put->archive != NULL) {
        ps_archive_upload_progress(put->archive, progress_out);
    } else {
        ps_upload_progress(put->upload, progress_out);
    }
}

static void on_stop(void *user)
{
    struct put *put = user;

    if (put->upload != NULL) {
        ps_upload_stop(put->upload);
    }
    if (put->archive != NULL) {
        ps_archive_upload_stop(put->archive);
    }
}

static void on_report(void *user)
{
    struct put *put = user;

    ps_progress_bar_report(&put->app->bar);
}

static enum ps_code absolute(const char *path, char **absolute_out, struct ps_err *err)
{
    char here[PATH_MAX];

    if (path[0] == '/') {
        *absolute_out = ps_strdup(path);
    } else if (getcwd(here, sizeof(here)) != NULL) {
        *absolute_out = ps_str_format("%s/%s", here, path);
    } else {
        return ps_err_set(err, PS_E_NOT_FOUND, "the working directory is gone");
    }
    return *absolute_out != NULL ? PS_OK : ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
}

static enum ps_code check_key(const struct put *put, struct ps_err *err)
{
    if (put->open.key[0] == '\0') {
        return ps_err_set(err, PS_E_INVALID, "%s: names no object: add a key", put->url);
    }
    return PS_OK;
}

static enum ps_code start_archive(struct put *put, const struct ps_upload_options *upload,
                                  struct ps_err *err)
{
    const struct ps_options *flags = &put->app->options;
    struct ps_archive_upload_options options = {
        .upload = *upload,
        .level = -1,
        .attributes = ps_options_has(flags, PS_OPT_XATTRS),
        .filter = &put->filter,
        .on_done = on_archived,
        .user = put,
    };
    enum ps_code code = ps_options_level(flags, &options.level, err);

    put->filter = (struct ps_tree_filter){ flags->include, flags->include_count, flags->exclude,
                                           flags->exclude_count };
    if (code == PS_OK && !ps_archive_format_parse(flags->values[PS_OPT_ARCHIVE], &options.format)) {
        code =
            ps_err_set(err, PS_E_INVALID, "--archive %s: it is one of tar tar.gz tar.zst zip none",
                       flags->values[PS_OPT_ARCHIVE]);
    }
    if (code == PS_OK && upload->source_path == NULL) {
        code = ps_err_set(err, PS_E_INVALID, "--archive: name a directory, not standard input");
    }
    return code == PS_OK ? ps_archive_upload_start(&put->archive, &options, err) : code;
}

static bool is_tree(const struct put *put)
{
    return ps_str_equal(put->app->options.values[PS_OPT_ARCHIVE], "none");
}

/* --archive none: the end is the tree's. */
static enum ps_code run_tree(struct put *put, const struct ps_upload_options *options,
                             struct ps_err *err)
{
    if (options->source_path == NULL) {
        return ps_err_set(err, PS_E_INVALID, "--archive: name a directory, not standard input");
    }
    put->exit = ps_put_tree(put->app, options, &put->record, put->url);
    put->done = true;
    return PS_OK;
}

/* Flags that would be passed over say so. */
static enum ps_code check_flags(const struct put *put, struct ps_err *err)
{
    static const enum ps_option of_archives[] = { PS_OPT_COMPRESSION_LEVEL, PS_OPT_XATTRS };
    static const enum ps_option of_trees[] = { PS_OPT_INCLUDE, PS_OPT_EXCLUDE };
    static const enum ps_option of_none[] = { PS_OPT_SKIP_EXISTING, PS_OPT_DIRECTORIES };
    const struct ps_options *flags = &put->app->options;
    bool archive = flags->values[PS_OPT_ARCHIVE] != NULL;
    enum ps_code code = PS_OK;

    if (!archive || is_tree(put)) {
        code =
            ps_options_refuse(flags, of_archives, 2, "--archive tar, tar.gz, tar.zst or zip", err);
    }
    if (code == PS_OK && !archive) {
        code = ps_options_refuse(flags, of_trees, 2, "--archive", err);
    }
    if (code == PS_OK && !is_tree(put)) {
        code = ps_options_refuse(flags, of_none, 2, "--archive none", err);
    }
    return code;
}

static enum ps_code start(struct put *put, const char *source, struct ps_err *err)
{
    struct ps_app *app = put->app;
    struct ps_upload_options options = {
        .loop = app->loop,
        .url = put->url,
        .stream_fd = STDIN_FILENO,
        .decider = &app->decider,
        .policy_digest = app->policy_digest,
        .clock = app->clock,
        .log = &app->log,
        .open_state = ps_app_open_state,
        .open_state_user = app,
        .memory_limit_bytes = app->settings.transfer_memory_limit_bytes,
        .on_event = on_event,
        .on_done = on_done,
        .user = put,
    };
    char *path = NULL;
    enum ps_code code = ps_wishes_read(&put->wishes, app, err);

    options.wishes = put->wishes.upload;

    if (code == PS_OK) {
        code = check_flags(put, err);
    }
    if (code == PS_OK) {
        code = ps_put_record_init(&put->record, app, err);
    }
    if (code == PS_OK && strcmp(source, "-") != 0) {
        code = absolute(source, &path, err);
    }
    options.source_path = path;
    if (code == PS_OK && is_tree(put)) {
        code = run_tree(put, &options, err);
        free(path);
        return code;
    }
    if (code == PS_OK) {
        code = ps_store_open(&app->factory, put->url, &put->open, err);
    }
    if (code == PS_OK) {
        code = check_key(put, err);
    }
    if (code == PS_OK) {
        options.store = put->open.store;
        options.key = put->open.key;
        options.store_name = put->open.name;
        options.bucket = put->open.bucket;
        code = app->options.values[PS_OPT_ARCHIVE] != NULL
                   ? start_archive(put, &options, err)
                   : ps_upload_start(&put->upload, &options, err);
    }
    free(path);
    return code;
}

enum ps_exit ps_cmd_put(struct ps_app *app, const char **args, int arg_count)
{
    struct put put = { .app = app, .url = args[1], .started_ms = ps_clock_mono_ms(app->clock) };
    struct ps_err err;

    (void)arg_count;
    if (start(&put, args[0], &err) != PS_OK) {
        put.exit = ps_app_fail(app, &err);
    } else if (!put.done) {
        app->on_stop = on_stop;
        app->on_report = on_report;
        app->on_signal_user = &put;
        ps_progress_bar_start(&app->bar, app->loop, args[1], app->quiet || app->json, ask_progress,
                              &put);
        ps_app_run_until(app, &put.done);
    }
    ps_put_record_clear(&put.record);
    ps_wishes_clear(&put.wishes);
    ps_store_close(&put.open);
    return put.exit;
}
