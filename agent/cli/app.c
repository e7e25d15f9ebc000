#include "cli/app.h"

#include "base/str.h"
#include "cli/output.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a user can do, where the message of that kind of error does not say it. NULL = it does. */
static const char *mend_of(const struct ps_app *app, enum ps_code code)
{
    if (app->mend != NULL) {
        return app->mend;
    }
    switch (code) {
    case PS_E_TEMPORARY:
        return "run it again later; `purser doctor URL` looks for the cause";
    case PS_E_NO_SPACE:
        return "free some space, then run the same command again";
    default:
        return NULL;
    }
}

enum ps_exit ps_app_fail(struct ps_app *app, const struct ps_err *err)
{
    enum ps_exit exit_code = ps_exit_of(err->code);

    ps_progress_bar_stop(&app->bar);
    if (app->json) {
        json_t *object = json_pack("{s:s, s:i, s:o, s:i, s:o, s:o}", "code",
                                   ps_code_name(err->code), "exit_code", (int)exit_code, "message",
                                   ps_output_text(err->message), "http_status", err->http_status,
                                   "store_code", ps_output_text(err->store_code), "request_id",
                                   ps_output_text(err->request_id));

        ps_output_json("error", &object);
    }
    (void)fprintf(stderr, "purser: ");
    for (const char *c = err->message; *c != '\0'; c++) {
        (void)fputc((unsigned char)*c < 0x20 || *c == 0x7f ? '?' : *c, stderr);
    }
    if (mend_of(app, err->code) != NULL) {
        (void)fprintf(stderr, ": %s", mend_of(app, err->code));
    }
    (void)fputc('\n', stderr);
    return exit_code;
}

static struct ps_state *open_state(struct ps_app *app, bool read_only, struct ps_err *err)
{
    struct ps_state_options options = { .clock = app->clock, .read_only = read_only };
    struct ps_state *state = NULL;
    char *dir = NULL;

    if (ps_settings_state_dir(&app->settings, app->getenv, app->getenv_user, &dir, err) != PS_OK) {
        return NULL;
    }
    options.dir = dir;
    if (ps_state_open(&state, &options, err) != PS_OK) {
        state = NULL;
    }
    free(dir);
    return state;
}

struct ps_state *ps_app_open_state(void *user, struct ps_err *err)
{
    struct ps_app *app = user;

    if (app->state == NULL) {
        app->state = open_state(app, false, err);
    }
    return app->state;
}

struct ps_state *ps_app_open_state_read_only(struct ps_app *app, struct ps_err *err)
{
    return open_state(app, true, err);
}

char *ps_app_state_path(struct ps_app *app, const char *setting, const char *name,
                        struct ps_err *err)
{
    char *dir = NULL;
    char *path = NULL;

    if (setting[0] != '\0') {
        path = ps_strdup(setting);
    } else if (ps_settings_state_dir(&app->settings, app->getenv, app->getenv_user, &dir, err) !=
               PS_OK) {
        return NULL;
    } else {
        path = ps_str_format("%s/%s", dir, name);
    }
    free(dir);
    if (path == NULL) {
        (void)ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    return path;
}

struct ps_state *ps_app_open_state_to_read(struct ps_app *app, struct ps_err *err)
{
    if (app->state == NULL) {
        app->state = open_state(app, true, err);
    }
    return app->state != NULL ? app->state : ps_app_open_state(app, err);
}

void ps_app_run_until(struct ps_app *app, const bool *done)
{
    while (!*done && uv_run(app->loop, UV_RUN_ONCE) != 0) {
    }
    app->on_stop = NULL;
    app->on_report = NULL;
}

enum ps_exit ps_app_signal_exit(const struct ps_app *app)
{
    return app->caught_signal == SIGTERM ? PS_EXIT_SIGTERM : PS_EXIT_SIGINT;
}
