#include "cli/app.h"
#include "cli/get_tree.h"
#include "cli/output.h"
#include "cli/reclaim_cli.h"

#include "base/str.h"
#include "transfer/archive_download.h"
#include "transfer/download.h"
#include "transfer/stream_out.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* get and cat. */

struct get {
    struct ps_app *app;
    const char *url;
    struct ps_open_store open;
    struct ps_download *download;
    struct ps_stream_out *stream;
    struct ps_archive_download *archive;
    struct ps_tree_filter filter;
    bool done;
    enum ps_exit exit;
    int64_t started_ms;
};

static void on_event(void *user, const struct ps_transfer_event *event)
{
    struct get *get = user;

    ps_output_event(get->app, event);
}

static double seconds_since(const struct get *get)
{
    int64_t ms = ps_clock_mono_ms(get->app->clock) - get->started_ms;

    return ms > 0 ? (double)ms / 1000.0 : 0.001;
}

static void print_json(const struct get *get, const struct ps_download_result *result)
{
    char sum[PS_CHECKSUM_TEXT_SIZE];
    json_t *object = json_pack("{s:o, s:s, s:I, s:o, s:s, s:s, s:b, s:i, s:i, s:I, s:f}", "url",
                               ps_output_text(get->url), "command", "get", "size_bytes",
                               (json_int_t)result->size_bytes, "etag", ps_output_text(result->etag),
                               "checksum_algorithm", ps_checksum_name(result->checksum.algorithm),
                               "checksum", ps_checksum_format(&result->checksum, sum), "verified",
                               (int)result->verified, "ranges", (int)result->range_count,
                               "resumed_ranges", (int)result->resumed_count, "resumed_bytes",
                               (json_int_t)result->resumed_bytes, "seconds", seconds_since(get));

    ps_output_json("result", &object);
}

static void print_plain(const struct get *get, const struct ps_download_result *result)
{
    char size[16];
    char rate[16];
    char sum[PS_CHECKSUM_TEXT_SIZE];
    double seconds = seconds_since(get);
    double moved = (double)(result->size_bytes - result->resumed_bytes);

    if (result->resumed_count > 0) {
        (void)fprintf(stderr, "resumed: %" PRIu32 " parts, %" PRIu64 " MiB not fetched again\n",
                      result->resumed_count, result->resumed_bytes >> 20);
    }
    (void)fprintf(stderr, "%s: %s in %.1f s (%s/s), ", get->url,
                  ps_size_format(result->size_bytes, size, sizeof(size)), seconds,
                  ps_size_format((uint64_t)(moved / seconds), rate, sizeof(rate)));
    if (result->verified) {
        (void)fprintf(stderr, "verified %s %s\n", ps_checksum_name(result->checksum.algorithm),
                      ps_checksum_format(&result->checksum, sum));
    } else {
        (void)fprintf(stderr, "not verified: the store keeps no checksum of it\n");
    }
}

static void failed(struct get *get, const struct ps_err *err)
{
    struct ps_app *app = get->app;

    get->exit = err->code == PS_E_CANCELLED && app->caught_signal != 0 ? ps_app_signal_exit(app)
                                                                       : ps_app_fail(app, err);
    if (get->exit >= PS_EXIT_SIGINT && !app->quiet) {
        (void)fprintf(stderr, "purser: interrupted; the same command resumes\n");
    }
}

/* The end of any of them; true = there is a result to tell. */
static bool ended(struct get *get, const struct ps_err *err)
{
    get->done = true;
    get->download = NULL;
    get->archive = NULL;
    get->stream = NULL;
    ps_progress_bar_stop(&get->app->bar);
    if (err != NULL) {
        failed(get, err);
    }
    return err == NULL;
}

static void on_downloaded(void *user, const struct ps_download_result *result,
                          const struct ps_err *err)
{
    struct get *get = user;

    if (ended(get, err) && get->app->json) {
        print_json(get, result);
    } else if (err == NULL && !get->app->quiet) {
        print_plain(get, result);
    }
}

static void on_streamed(void *user, const struct ps_stream_out_result *result,
                        const struct ps_err *err)
{
    struct get *get = user;

    if (ended(get, err) && !result->verified && result->size_bytes > 0 && !get->app->quiet) {
        (void)fprintf(stderr, "%s: not verified: the store keeps no checksum of it\n", get->url);
    }
}

static void print_tree_json(const struct get *get, const struct ps_archive_download_result *result)
{
    char sum[PS_CHECKSUM_TEXT_SIZE];
    json_t *object = json_pack(
        "{s:o, s:s, s:I, s:s, s:s, s:b, s:I, s:I, s:I, s:I, s:I, s:f}", "url",
        ps_output_text(get->url), "command", "get", "size_bytes", (json_int_t)result->size_bytes,
        "checksum_algorithm", ps_checksum_name(result->checksum.algorithm), "checksum",
        ps_checksum_to_base64(&result->checksum, sum), "verified", (int)result->verified, "entries",
        (json_int_t)result->tree.entry_count, "files", (json_int_t)result->tree.file_count,
        "extracted_bytes", (json_int_t)result->tree.size_bytes, "resumed_entries",
        (json_int_t)result->tree.passed_count, "resumed_bytes", (json_int_t)result->resumed_bytes,
        "seconds", seconds_since(get));

    ps_output_json("result", &object);
}

static void print_tree(const struct get *get, const struct ps_archive_download_result *result)
{
    char size[16];
    char tree_size[16];

    if (result->tree.passed_count > 0) {
        (void)fprintf(
            stderr, "resumed: %" PRIu64 " entries not written, %" PRIu64 " MiB not fetched again\n",
            result->tree.passed_count, result->resumed_bytes >> 20);
    }
    (void)fprintf(
        stderr, "%s: %s, %" PRIu64 " entries with %s in %.1f s, %s\n", get->url,
        ps_size_format(result->size_bytes, size, sizeof(size)), result->tree.entry_count,
        ps_size_format(result->tree.size_bytes, tree_size, sizeof(tree_size)), seconds_since(get),
        result->verified ? "verified" : "not verified: the store keeps no checksum of it");
}

static void on_extracted(void *user, const struct ps_archive_download_result *result,
                         const struct ps_err *err)
{
    struct get *get = user;

    if (ended(get, err) && get->app->json) {
        print_tree_json(get, result);
    } else if (err == NULL && !get->app->quiet) {
        print_tree(get, result);
    }
}

static void ask_progress(void *user, struct ps_progress *progress_out)
{
    const struct get *get = user;

    if (get->download != NULL) {
        ps_download_progress(get->download, progress_out);
    } else if (get->archive != NULL) {
        ps_archive_download_progress(get->archive, progress_out);
    } else {
        ps_stream_out_progress(get->stream, progress_out);
    }
}

static void on_stop(void *user)
{
    struct get *get = user;

    if (get->download != NULL) {
        ps_download_stop(get->download);
    } else if (get->archive != NULL) {
        ps_archive_download_stop(get->archive);
    } else {
        /* Nothing to save, and a write to a reader that does not read cannot be ended. */
        _exit((int)ps_app_signal_exit(get->app));
    }
}

static void on_report(void *user)
{
    struct get *get = user;

    ps_progress_bar_report(&get->app->bar);
}

/* DEST as an absolute path; a directory gets the key's last component. */
static enum ps_code target_path(const struct get *get, const char *dest, char **path_out,
                                struct ps_err *err)
{
    const char *slash = strrchr(get->open.key, '/');
    const char *name = slash != NULL ? slash + 1 : get->open.key;
    char here[PATH_MAX] = "";
    struct stat status;
    bool is_dir =
        (stat(dest, &status) == 0 && S_ISDIR(status.st_mode)) || ps_str_has_suffix(dest, "/");

    if (dest[0] != '/' && getcwd(here, sizeof(here)) == NULL) {
        return ps_err_set(err, PS_E_NOT_FOUND, "the working directory is gone");
    }
    *path_out =
        ps_str_format("%s%s%s%s%s", here, here[0] != '\0' ? "/" : "", dest,
                      is_dir && !ps_str_has_suffix(dest, "/") ? "/" : "", is_dir ? name : "");
    return *path_out != NULL ? PS_OK : ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
}

/* DEST as an absolute path without '/' at the end. */
static enum ps_code dest_directory(const char *dest, char **path_out, struct ps_err *err)
{
    char here[PATH_MAX] = "";
    size_t length;

    if (dest[0] != '/' && getcwd(here, sizeof(here)) == NULL) {
        return ps_err_set(err, PS_E_NOT_FOUND, "the working directory is gone");
    }
    *path_out = ps_str_format("%s%s%s", here, here[0] != '\0' ? "/" : "", dest);
    if (*path_out == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    for (length = strlen(*path_out); length > 1 && (*path_out)[length - 1] == '/'; length--) {
        (*path_out)[length - 1] = '\0';
    }
    return PS_OK;
}

static enum ps_code open_object(struct get *get, struct ps_err *err)
{
    enum ps_code code = ps_store_open(&get->app->factory, get->url, &get->open, err);

    if (code == PS_OK && get->open.key[0] == '\0') {
        code = ps_err_set(err, PS_E_INVALID, "%s: names no object: add a key", get->url);
    }
    return code;
}

static enum ps_code start_download(struct get *get, const char *dest, struct ps_err *err)
{
    struct ps_app *app = get->app;
    struct ps_download_options options = {
        .loop = app->loop,
        .store = get->open.store,
        .key = get->open.key,
        .url = get->url,
        .clock = app->clock,
        .log = &app->log,
        .open_state = ps_app_open_state,
        .open_state_user = app,
        .concurrency = app->settings.transfer_concurrency,
        .restart = ps_options_has(&app->options, PS_OPT_RESTART),
        .on_event = on_event,
        .on_done = on_downloaded,
        .user = get,
    };
    char *path = NULL;
    enum ps_code code = target_path(get, dest, &path, err);

    if (code == PS_OK) {
        code = ps_options_number(&app->options, PS_OPT_CONCURRENCY, &options.concurrency, err);
    }
    if (code == PS_OK) {
        code = ps_options_size(&app->options, PS_OPT_PART_SIZE, &options.range_size_bytes, err);
    }
    options.path = path;
    if (code == PS_OK) {
        code = ps_download_start(&get->download, &options, err);
    }
    free(path);
    return code;
}

static enum ps_code start_stream(struct get *get, struct ps_err *err)
{
    const struct ps_stream_out_options options = {
        .loop = get->app->loop,
        .store = get->open.store,
        .key = get->open.key,
        .url = get->url,
        .fd = STDOUT_FILENO,
        .on_done = on_streamed,
        .user = get,
    };

    return ps_stream_out_start(&get->stream, &options, err);
}

static enum ps_code start_extract(struct get *get, const char *dest, struct ps_err *err)
{
    struct ps_app *app = get->app;
    const struct ps_options *flags = &app->options;
    struct ps_archive_download_options options = {
        .loop = app->loop,
        .store = get->open.store,
        .key = get->open.key,
        .url = get->url,
        .clock = app->clock,
        .fault = &app->fault,
        .log = &app->log,
        .open_state = ps_app_open_state,
        .open_state_user = app,
        .restart = ps_options_has(flags, PS_OPT_RESTART),
        .extract = {
            .limits = { app->settings.extract_entry_limit, app->settings.extract_size_limit_bytes,
                        app->settings.extract_ratio_limit },
            .outside_links = ps_options_has(flags, PS_OPT_OUTSIDE_LINKS),
            .attributes = ps_options_has(flags, PS_OPT_XATTRS),
            .same_owner = ps_options_has(flags, PS_OPT_SAME_OWNER),
            .mode = -1,
        },
        .filter = flags->include_count + flags->exclude_count > 0 ? &get->filter : NULL,
        .on_done = on_extracted,
        .user = get,
    };
    char *path = NULL;
    enum ps_code code = ps_options_mode(flags, &options.extract.root_mode, err);

    get->filter = (struct ps_tree_filter){ flags->include, flags->include_count, flags->exclude,
                                           flags->exclude_count };
    if (code == PS_OK && options.extract.limits.ratio_max == 0) {
        options.extract.limits.ratio_max = 1;
    }
    if (ps_options_has(flags, PS_OPT_RECURSE_MODE)) {
        options.extract.mode = options.extract.root_mode;
    }
    if (code == PS_OK) {
        code = dest_directory(dest, &path, err);
    }
    options.dest = path;
    if (code == PS_OK) {
        code = ps_archive_download_start(&get->archive, &options, err);
    }
    free(path);
    return code;
}

static enum ps_code start_get(struct get *get, const char *dest, struct ps_err *err)
{
    bool extract = ps_options_has(&get->app->options, PS_OPT_EXTRACT);

    if (strcmp(dest, "-") == 0) {
        return extract ? ps_err_set(err, PS_E_INVALID, "--extract: name a directory, not -")
                       : start_stream(get, err);
    }
    return extract ? start_extract(get, dest, err) : start_download(get, dest, err);
}

static enum ps_exit run(struct ps_app *app, const char *url, const char *dest)
{
    struct get get = { .app = app, .url = url, .started_ms = ps_clock_mono_ms(app->clock) };
    struct ps_err err;
    enum ps_code code = open_object(&get, &err);

    if (code == PS_OK) {
        code = start_get(&get, dest, &err);
    }
    if (code != PS_OK) {
        get.exit = ps_app_fail(app, &err);
    } else {
        app->on_stop = on_stop;
        app->on_report = on_report;
        app->on_signal_user = &get;
        ps_progress_bar_start(&app->bar, app->loop, url, app->quiet || app->json, ask_progress,
                              &get);
        ps_app_run_until(app, &get.done);
    }
    ps_store_close(&get.open);
    if (get.exit == PS_EXIT_DONE) {
        ps_reclaim_note_fetched(app, url);
    }
    return get.exit;
}

static enum ps_exit run_tree(struct ps_app *app, const char *url, const char *dest)
{
    char *path = NULL;
    enum ps_exit exit_code;
    struct ps_err err;

    if (strcmp(dest, "-") == 0) {
        (void)ps_err_set(&err, PS_E_INVALID, "get -r: name a directory, not -");
        return ps_app_fail(app, &err);
    }
    if (dest_directory(dest, &path, &err) != PS_OK) {
        return ps_app_fail(app, &err);
    }
    exit_code = ps_get_tree(app, url, path);
    free(path);
    return exit_code;
}

/* Flags that would be passed over say so. */
static enum ps_code check_flags(const struct ps_app *app, struct ps_err *err)
{
    static const enum ps_option of_extract[] = { PS_OPT_MODE, PS_OPT_RECURSE_MODE, PS_OPT_XATTRS,
                                                 PS_OPT_SAME_OWNER };
    static const enum ps_option of_both[] = { PS_OPT_INCLUDE, PS_OPT_EXCLUDE,
                                              PS_OPT_OUTSIDE_LINKS };
    static const enum ps_option of_trees[] = { PS_OPT_SKIP_EXISTING };
    bool extract = ps_options_has(&app->options, PS_OPT_EXTRACT);
    bool recursive = ps_options_has(&app->options, PS_OPT_RECURSIVE);
    enum ps_code code = PS_OK;

    if (extract && recursive) {
        return ps_err_set(err, PS_E_INVALID, "--extract is for one object, -r for many");
    }
    if (!extract) {
        code = ps_options_refuse(&app->options, of_extract, 4, "--extract", err);
    }
    if (code == PS_OK && !recursive) {
        code = ps_options_refuse(&app->options, of_trees, 1, "-r", err);
    }
    if (code == PS_OK && !extract && !recursive) {
        code = ps_options_refuse(&app->options, of_both, 3, "--extract or -r", err);
    }
    return code;
}

enum ps_exit ps_cmd_get(struct ps_app *app, const char **args, int arg_count)
{
    struct ps_err err;

    (void)arg_count;
    if (check_flags(app, &err) != PS_OK) {
        return ps_app_fail(app, &err);
    }
    if (ps_options_has(&app->options, PS_OPT_RECURSIVE)) {
        return run_tree(app, args[0], args[1]);
    }
    return run(app, args[0], args[1]);
}

enum ps_exit ps_cmd_cat(struct ps_app *app, const char **args, int arg_count)
{
    (void)arg_count;
    return run(app, args[0], "-");
}
