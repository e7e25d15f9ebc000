#include "cli/app.h"
#include "cli/output.h"

#include "base/str.h"
#include "state/checkpoint.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* uploads [ls | abort ID]: what interrupted runs have left, by the checkpoints of this machine. */

struct uploads {
    struct ps_app *app;
    uint64_t wanted_number; /* abort */
    bool found;
    char *url;
    char *upload_id;
    bool alive;
    int64_t pid;
    size_t count;
    bool done;
    enum ps_exit exit;
};

static const char *phase_name(enum ps_upload_phase phase)
{
    switch (phase) {
    case PS_UPLOAD_CREATING:
        return "creating";
    case PS_UPLOAD_SENDING:
        return "sending";
    case PS_UPLOAD_COMPLETING:
        return "completing";
    }
    return "unknown";
}

static bool print_one(void *user, const struct ps_upload_record *record)
{
    struct uploads *uploads = user;
    char time_text[32];
    char done[16];
    char size[16];

    uploads->count++;
    if (uploads->app->json) {
        json_t *object =
            json_pack("{s:I, s:o, s:s, s:o, s:o, s:I, s:I, s:i, s:i, s:s, s:b, s:I}", "id",
                      (json_int_t)record->number, "url", ps_output_text(record->url), "state",
                      phase_name(record->phase), "upload_id",
                      ps_output_text(record->upload_id != NULL ? record->upload_id : ""), "source",
                      ps_output_text(record->source_path != NULL ? record->source_path : "-"),
                      "size_bytes", (json_int_t)record->source.size_bytes, "done_bytes",
                      (json_int_t)record->done_size_bytes, "parts", (int)record->part_count,
                      "done_parts", (int)record->done_part_count, "created",
                      ps_output_time(record->created_unix_ms, time_text), "running",
                      (int)ps_owner_is_alive(&record->owner), "pid", (json_int_t)record->owner.pid);

        ps_output_json("upload", &object);
        return true;
    }
    (void)printf("%6" PRIu64 "  %-10s %8s of %-8s  %s  ", record->number,
                 ps_owner_is_alive(&record->owner) ? "running" : phase_name(record->phase),
                 ps_size_format(record->done_size_bytes, done, sizeof(done)),
                 record->source.kind == PS_SOURCE_FILE
                     ? ps_size_format(record->source.size_bytes, size, sizeof(size))
                     : "stream",
                 ps_output_time(record->created_unix_ms, time_text));
    ps_output_key(record->url);
    (void)putchar('\n');
    return true;
}

static bool find_one(void *user, const struct ps_upload_record *record)
{
    struct uploads *uploads = user;

    if (record->number != uploads->wanted_number) {
        return true;
    }
    uploads->found = true;
    uploads->url = ps_strdup(record->url);
    uploads->upload_id = ps_strdup(record->upload_id);
    uploads->alive = ps_owner_is_alive(&record->owner);
    uploads->pid = record->owner.pid;
    return false;
}

static enum ps_exit list(struct uploads *uploads)
{
    struct ps_err err;
    struct ps_state *state = ps_app_open_state(uploads->app, &err);

    if (state == NULL || ps_checkpoint_each(state, print_one, uploads, &err) != PS_OK) {
        return ps_app_fail(uploads->app, &err);
    }
    if (uploads->count == 0 && !uploads->app->json && !uploads->app->quiet) {
        (void)fprintf(stderr, "no interrupted uploads\n");
    }
    return PS_EXIT_DONE;
}

static void on_aborted(void *user, const struct ps_err *err)
{
    struct uploads *uploads = user;

    uploads->done = true;
    if (err != NULL && err->code != PS_E_NO_UPLOAD) {
        uploads->exit = ps_app_fail(uploads->app, err);
    }
}

static void abort_at_store(struct uploads *uploads)
{
    struct ps_open_store open = { 0 };
    struct ps_err err;
    enum ps_code code = ps_store_open(&uploads->app->factory, uploads->url, &open, &err);

    if (code == PS_OK && ps_store_abort(open.store, open.key, uploads->upload_id, on_aborted,
                                        uploads, &err) == NULL) {
        code = err.code;
    }
    if (code != PS_OK) {
        uploads->exit = ps_app_fail(uploads->app, &err);
    } else {
        ps_app_run_until(uploads->app, &uploads->done);
    }
    ps_store_close(&open);
}

static enum ps_exit abort_found(struct uploads *uploads, struct ps_state *state)
{
    struct ps_err err;

    if (uploads->alive) {
        (void)ps_err_set(&err, PS_E_LOCKED, "%s: locked by pid %" PRId64 ": stop it first",
                         uploads->url, uploads->pid);
        return ps_app_fail(uploads->app, &err);
    }
    if (uploads->upload_id != NULL) {
        abort_at_store(uploads);
    }
    /* The record goes last: what could not be aborted can be tried again. */
    if (uploads->exit == PS_EXIT_DONE &&
        ps_checkpoint_end(state, uploads->wanted_number, uploads->url, &err) != PS_OK) {
        return ps_app_fail(uploads->app, &err);
    }
    if (uploads->exit == PS_EXIT_DONE && !uploads->app->quiet) {
        (void)fprintf(stderr, "aborted upload %" PRIu64 " of %s\n", uploads->wanted_number,
                      uploads->url);
    }
    return uploads->exit;
}

static enum ps_exit abort_one(struct uploads *uploads, const char *id)
{
    struct ps_err err;
    struct ps_state *state;

    if (!ps_u64_parse(id, &uploads->wanted_number)) {
        (void)ps_err_set(&err, PS_E_INVALID, "'%s' is no ID: see purser uploads ls", id);
        return ps_app_fail(uploads->app, &err);
    }
    state = ps_app_open_state(uploads->app, &err);
    if (state == NULL || ps_checkpoint_each(state, find_one, uploads, &err) != PS_OK) {
        return ps_app_fail(uploads->app, &err);
    }
    if (!uploads->found) {
        (void)ps_err_set(&err, PS_E_NOT_FOUND, "no upload %s: see purser uploads ls", id);
        return ps_app_fail(uploads->app, &err);
    }
    return abort_found(uploads, state);
}

enum ps_exit ps_cmd_uploads(struct ps_app *app, const char **args, int arg_count)
{
    struct uploads uploads = { .app = app };
    struct ps_err err;
    enum ps_exit exit_code;

    if (arg_count == 0 || (arg_count == 1 && strcmp(args[0], "ls") == 0)) {
        exit_code = list(&uploads);
    } else if (arg_count == 2 && strcmp(args[0], "abort") == 0) {
        exit_code = abort_one(&uploads, args[1]);
    } else {
        (void)ps_err_set(&err, PS_E_INVALID,
                         "uploads: write `purser uploads ls` or `purser uploads "
                         "abort ID`");
        exit_code = ps_app_fail(app, &err);
    }
    free(uploads.url);
    free(uploads.upload_id);
    return exit_code;
}
