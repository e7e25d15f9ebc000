#include "cli/app.h"
#include "cli/output.h"

#include "base/str.h"
#include "transfer/key_filter.h"
#include "transfer/key_list.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ls and stat. */

struct ls {
    struct ps_app *app;
    const char *url;
    struct ps_open_store open;
    bool done;
    enum ps_exit exit;
    uint64_t count;
    struct ps_key_filter filter;
    bool one_level;
};

static void print_object(const struct ls *ls, const struct ps_object_info *info)
{
    char time_text[32];

    if (ls->app->json) {
        json_t *object =
            info->is_prefix
                ? json_pack("{s:o}", "key", ps_output_text(info->key))
                : json_pack("{s:o, s:I, s:s, s:o, s:o}", "key", ps_output_text(info->key),
                            "size_bytes", (json_int_t)info->size_bytes, "modified",
                            ps_output_time(info->mtime_unix_ms, time_text), "etag",
                            ps_output_text(info->etag), "storage_class",
                            ps_output_text(info->storage_class));

        ps_output_json(info->is_prefix ? "prefix" : "object", &object);
        return;
    }
    if (info->is_prefix) {
        (void)printf("%14s  %-20s  ", "-", "-");
    } else {
        (void)printf("%14" PRIu64 "  %-20s  ", info->size_bytes,
                     ps_output_time(info->mtime_unix_ms, time_text));
    }
    ps_output_key(info->key);
    (void)putchar('\n');
}

static void on_page(void *user, const struct ps_object_info *objects, size_t count, bool more,
                    const struct ps_err *err)
{
    struct ls *ls = user;

    for (size_t i = 0; i < count; i++) {
        bool is_itself = ls->one_level && strcmp(objects[i].key, ls->open.key) == 0 &&
                         ps_str_has_suffix(objects[i].key, "/"); /* the object of a directory */

        if (!is_itself && ps_key_filter_takes(&ls->filter, objects[i].key)) {
            print_object(ls, &objects[i]);
        }
    }
    ls->count += count;
    ls->done = !more;
    if (err != NULL) {
        ls->done = true;
        ls->exit = ps_app_fail(ls->app, err);
    }
}

static void on_stop(void *user)
{
    const struct ls *ls = user;

    (void)fflush(stdout);
    exit((int)ps_app_signal_exit(ls->app));
}

static enum ps_code list_one_level(struct ls *ls, struct ps_err *err)
{
    static const enum ps_option all_only[] = { PS_OPT_INCLUDE, PS_OPT_EXCLUDE };
    const struct ps_list_request request = { .prefix = ls->open.key, .delimiter = "/" };
    enum ps_code code = ps_options_refuse(&ls->app->options, all_only, 2, "-r", err);

    ls->one_level = true;
    if (code != PS_OK) {
        return code;
    }
    return ps_store_list(ls->open.store, &request, on_page, ls, err) != NULL ? PS_OK : err->code;
}

static enum ps_code list_all(struct ls *ls, struct ps_err *err)
{
    const struct ps_options *options = &ls->app->options;
    const struct ps_key_list_options list = {
        .loop = ls->app->loop,
        .store = ls->open.store,
        .prefix = ls->open.key,
        .on_page = on_page,
        .user = ls,
    };
    struct ps_key_list *started = NULL;

    ls->filter = ps_key_filter_of(ls->open.key, options->include, options->include_count,
                                  options->exclude, options->exclude_count);
    return ps_key_list_start(&started, &list, err);
}

enum ps_exit ps_cmd_ls(struct ps_app *app, const char **args, int arg_count)
{
    struct ls ls = { .app = app, .url = args[0] };
    struct ps_err err;
    enum ps_code code = ps_store_open(&app->factory, args[0], &ls.open, &err);

    (void)arg_count;
    if (code == PS_OK) {
        code = ps_options_has(&app->options, PS_OPT_RECURSIVE) ? list_all(&ls, &err)
                                                               : list_one_level(&ls, &err);
    }
    if (code != PS_OK) {
        ls.exit = ps_app_fail(app, &err);
    } else {
        app->on_stop = on_stop;
        app->on_signal_user = &ls;
        ps_app_run_until(app, &ls.done);
        /* A bucket may be empty; a prefix is there only by what is below it, and file:// has prefixes only. */
        if (ls.exit == PS_EXIT_DONE && ls.count == 0 &&
            (ls.open.key[0] != '\0' || ls.open.bucket[0] == '\0')) {
            (void)ps_err_set(&err, PS_E_NOT_FOUND, "%s: nothing there", args[0]);
            ls.exit = ps_app_fail(app, &err);
        }
    }
    ps_store_close(&ls.open);
    return ls.exit;
}

/* --- stat --- */

static const char *checksum_text(const struct ps_object_info *info, char *text)
{
    if (info->checksum.algorithm != PS_CHECKSUM_NONE) {
        return ps_checksum_format(&info->checksum, text);
    }
    return info->composite;
}

static void print_stat_json(const struct ls *ls, const struct ps_object_info *info)
{
    char time_text[32];
    char sum[PS_CHECKSUM_TEXT_SIZE];
    json_t *metadata = json_object();
    json_t *object;

    for (size_t i = 0; i < info->metadata_count; i++) {
        (void)json_object_set_new(metadata, info->metadata[i].name,
                                  ps_output_text(info->metadata[i].value));
    }
    object =
        json_pack("{s:o, s:I, s:s, s:o, s:o, s:o, s:s, s:o, s:o}", "url", ps_output_text(ls->url),
                  "size_bytes", (json_int_t)info->size_bytes, "modified",
                  ps_output_time(info->mtime_unix_ms, time_text), "etag",
                  ps_output_text(info->etag), "content_type", ps_output_text(info->content_type),
                  "storage_class", ps_output_text(info->storage_class), "checksum_algorithm",
                  ps_checksum_name(info->checksum.algorithm), "checksum",
                  ps_output_text(checksum_text(info, sum)), "metadata", metadata);
    ps_output_json("object", &object);
}

static void print_stat(const struct ls *ls, const struct ps_object_info *info)
{
    char time_text[32];
    char size[16];
    char sum[PS_CHECKSUM_TEXT_SIZE];

    (void)printf("url:           ");
    ps_output_key(ls->url);
    (void)printf("\nsize:          %" PRIu64 " bytes (%s)\n", info->size_bytes,
                 ps_size_format(info->size_bytes, size, sizeof(size)));
    (void)printf("modified:      %s\n", ps_output_time(info->mtime_unix_ms, time_text));
    (void)printf("etag:          %s\n", info->etag);
    (void)printf("checksum:      %s %s\n", ps_checksum_name(info->checksum.algorithm),
                 checksum_text(info, sum));
    if (info->content_type[0] != '\0') {
        (void)printf("content type:  %s\n", info->content_type);
    }
    if (info->storage_class[0] != '\0') {
        (void)printf("storage class: %s\n", info->storage_class);
    }
    if (info->version_id[0] != '\0') {
        (void)printf("version:       %s\n", info->version_id);
    }
    if (info->restore[0] != '\0') {
        (void)printf("restore:       %s\n", info->restore);
    }
    for (size_t i = 0; i < info->metadata_count; i++) {
        (void)printf("metadata:      %s=%s\n", info->metadata[i].name, info->metadata[i].value);
    }
}

static void on_head(void *user, const struct ps_object_info *info, const struct ps_err *err)
{
    struct ls *ls = user;

    ls->done = true;
    if (err != NULL) {
        struct ps_err named = *err;

        ps_store_name_missing(&named, ls->url);
        ls->exit = ps_app_fail(ls->app, &named);
    } else if (ls->app->json) {
        print_stat_json(ls, info);
    } else {
        print_stat(ls, info);
    }
}

enum ps_exit ps_cmd_stat(struct ps_app *app, const char **args, int arg_count)
{
    struct ls ls = { .app = app, .url = args[0] };
    struct ps_store_op *op = NULL;
    struct ps_err err;

    (void)arg_count;
    if (ps_store_open(&app->factory, args[0], &ls.open, &err) == PS_OK) {
        if (ls.open.key[0] == '\0') {
            (void)ps_err_set(&err, PS_E_INVALID, "%s: names no object: add a key", args[0]);
        } else {
            op = ps_store_head(ls.open.store, ls.open.key, on_head, &ls, &err);
        }
    }
    if (op == NULL) {
        ls.exit = ps_app_fail(app, &err);
    } else {
        app->on_stop = on_stop;
        app->on_signal_user = &ls;
        ps_app_run_until(app, &ls.done);
    }
    ps_store_close(&ls.open);
    return ls.exit;
}
