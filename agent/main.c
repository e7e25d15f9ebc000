/* The composition root: reads flags and settings, makes the parts, hands them to one command. */
#include "cli/app.h"

#include "base/str.h"
#include "cli/output.h"
#include "cli/policies.h"
#include "reclaim/lifecycle_local.h"

#include <curl/curl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *read_environment(void *user, const char *name)
{
    (void)user;
    return getenv(name);
}

static const struct ps_command *find_command(const char *name)
{
    for (const struct ps_command *command = ps_commands; command->name != NULL; command++) {
        if (strcmp(command->name, name) == 0) {
            return command;
        }
    }
    return NULL;
}

/* --- settings and log --- */

static enum ps_code apply_flags(struct ps_app *app, struct ps_err *err)
{
    static const struct {
        enum ps_option option;
        const char *setting;
    } rows[] = {
        { PS_OPT_STATE_DIR, "state_dir" },
        { PS_OPT_POLICY_PATH, "policy_path" },
        { PS_OPT_LOG_LEVEL, "log.level" },
        { PS_OPT_LOG_FORMAT, "log.format" },
        { PS_OPT_MEMORY_LIMIT, "transfer.memory_limit" },
        { PS_OPT_GATEWAY_MEMORY, "gateway.memory_limit" },
    };
    enum ps_code code = PS_OK;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) && code == PS_OK; i++) {
        const char *value = app->options.values[rows[i].option];
        char origin[64];

        if (value != NULL) {
            code = ps_settings_set(&app->settings, rows[i].setting, value,
                                   ps_options_origin(&app->options, rows[i].option, origin), err);
        }
    }
    return code;
}

static enum ps_code load_settings(struct ps_app *app, struct ps_err *err)
{
    enum ps_code code = ps_settings_init(&app->settings, err);

    if (code == PS_OK) {
        code = ps_settings_load(&app->settings, app->options.values[PS_OPT_CONFIG], app->getenv,
                                app->getenv_user, err);
    }
    return code == PS_OK ? apply_flags(app, err) : code;
}

static void set_up_log(struct ps_app *app)
{
    app->log.fd = STDERR_FILENO;
    app->log.clock = app->clock;
    app->log.before_line = ps_progress_bar_before_line;
    app->log.user = &app->bar;
    app->log.format = strcmp(app->settings.log_format, "json") == 0 ? PS_LOG_JSON : PS_LOG_TEXT;
    if (!ps_log_level_parse(app->settings.log_level, &app->log.level)) {
        app->log.level = PS_LOG_WARN;
    }
    if (ps_options_has(&app->options, PS_OPT_VERBOSE)) {
        app->log.level = PS_LOG_DEBUG;
    } else if (app->quiet && app->options.values[PS_OPT_LOG_LEVEL] == NULL) {
        app->log.level = PS_LOG_ERROR;
    }
}

/* --- signals --- */

struct signals {
    uv_signal_t interrupt;
    uv_signal_t terminate;
    uv_signal_t report;
};

static void on_stop_signal(uv_signal_t *handle, int number)
{
    struct ps_app *app = handle->data;

    if (app->caught_signal != 0 || app->on_stop == NULL) {
        _exit(128 +
              number); /* the second time there is no waiting: checkpoints are durable anyway */
    }
    app->caught_signal = number;
    app->on_stop(app->on_signal_user);
}

static void on_report_signal(uv_signal_t *handle, int number)
{
    struct ps_app *app = handle->data;

    (void)number;
    if (app->on_report != NULL) {
        app->on_report(app->on_signal_user);
    }
}

static void watch_signal(struct ps_app *app, uv_signal_t *handle, uv_signal_cb on_signal,
                         int number)
{
    (void)uv_signal_init(app->loop, handle);
    handle->data = app;
    (void)uv_signal_start(handle, on_signal, number);
    uv_unref((uv_handle_t *)handle);
}

static void watch_signals(struct ps_app *app, struct signals *signals)
{
    (void)signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error of write(2), not our death */
    watch_signal(app, &signals->interrupt, on_stop_signal, SIGINT);
    watch_signal(app, &signals->terminate, on_stop_signal, SIGTERM);
    watch_signal(app, &signals->report, on_report_signal, SIGUSR1);
}

/* --- the command --- */

static enum ps_exit usage(struct ps_app *app, const struct ps_command *command)
{
    struct ps_err err;

    (void)ps_err_set(&err, PS_E_INVALID, "usage: purser %s %s", command->name, command->usage);
    return ps_app_fail(app, &err);
}

static enum ps_exit run_command(struct ps_app *app, const struct ps_command *command)
{
    int arg_count = app->options.arg_count - 1;
    const char **args = app->options.args + 1;
    struct ps_err err;

    if (ps_options_has(&app->options, PS_OPT_HELP)) {
        const char *topic[] = { command->name };

        return ps_cmd_help(app, topic, 1);
    }
    if (ps_options_check(&app->options, command->name, &err) != PS_OK) {
        return ps_app_fail(app, &err);
    }
    if (arg_count < command->arg_count_min || arg_count > command->arg_count_max) {
        return usage(app, command);
    }
    return command->run(app, args, arg_count);
}

static enum ps_code make_parts(struct ps_app *app, struct ps_err *err)
{
    enum ps_code code;

    app->decider = *ps_decider_builtin();
    code = ps_http_client_new(&app->factory.http, app->loop, "purser/" PURSER_VERSION, err);
    ps_fault_init(&app->fault, app->getenv(app->getenv_user, "PURSER_FAULT_POINT"));
    app->factory.loop = app->loop;
    app->factory.settings = &app->settings;
    app->factory.clock = app->clock;
    app->factory.log = &app->log;
    app->factory.getenv = app->getenv;
    app->factory.getenv_user = app->getenv_user;
    app->retry_asker = (struct ps_retry_asker){ app, &app->decider };
    app->factory.ask_retry = ps_retry_ask;
    app->factory.ask_retry_user = &app->retry_asker;
    app->factory.overrides = (struct ps_store_overrides){
        .endpoint = app->options.values[PS_OPT_ENDPOINT],
        .region = app->options.values[PS_OPT_REGION],
        .path_style = app->options.values[PS_OPT_PATH_STYLE],
        .profile = app->options.values[PS_OPT_PROFILE],
        .checksum = app->options.values[PS_OPT_CHECKSUM],
        .ca_bundle = app->options.values[PS_OPT_CA_BUNDLE],
        .network = app->options.values[PS_OPT_NETWORK],
        .signature = app->options.values[PS_OPT_SIGNATURE],
        .kind = app->options.values[PS_OPT_KIND],
        .encryption = app->options.values[PS_OPT_ENCRYPTION],
        .encryption_key = app->options.values[PS_OPT_ENCRYPTION_KEY],
        .encryption_key_file = app->options.values[PS_OPT_ENCRYPTION_KEY_FILE],
        .requester_pays = ps_options_has(&app->options, PS_OPT_REQUESTER_PAYS),
        .sign_payload = ps_options_has(&app->options, PS_OPT_SIGN_PAYLOAD),
        .connect_timeout = app->options.values[PS_OPT_CONNECT_TIMEOUT],
        .stall_timeout = app->options.values[PS_OPT_STALL_TIMEOUT],
    };
    return code;
}

static void close_handle(uv_handle_t *handle, void *user)
{
    (void)user;
    if (uv_is_closing(handle) == 0) {
        uv_close(handle, NULL);
    }
}

static void take_apart(struct ps_app *app)
{
    ps_http_client_free(app->factory.http);
    uv_walk(app->loop, close_handle, NULL);
    (void)uv_run(app->loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(app->loop);
    ps_state_close(app->state);
    ps_policy_set_free(app->policies);
    ps_lifecycle_local_free(app->local_rules);
    ps_settings_clear(&app->settings);
    ps_options_clear(&app->options);
}

static enum ps_exit run(struct ps_app *app, struct signals *signals)
{
    const char *name = app->options.arg_count > 0 ? app->options.args[0] : "help";
    const struct ps_command *command = find_command(name);
    struct ps_err err;

    app->json = ps_options_has(&app->options, PS_OPT_JSON);
    app->quiet = ps_options_has(&app->options, PS_OPT_QUIET);
    if (command == NULL) {
        (void)ps_err_set(&err, PS_E_INVALID, "unknown command '%s': see purser help", name);
        return ps_app_fail(app, &err);
    }
    if (app->options.arg_count == 0) { /* no command: help */
        return ps_cmd_help(app, NULL, 0);
    }
    if (load_settings(app, &err) != PS_OK) {
        return ps_app_fail(app, &err);
    }
    set_up_log(app);
    watch_signals(app, signals);
    if (make_parts(app, &err) != PS_OK ||
        (command->needs_policies && ps_policies_load(app, &err) != PS_OK)) {
        return ps_app_fail(app, &err);
    }
    return run_command(app, command);
}

/* Argo starts a plugin's image with the socket as its only argument: the name says which command is meant. */
static bool is_plugin_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return strcmp(slash != NULL ? slash + 1 : path, "purser-plugin") == 0;
}

/* argv as "purser plugin SOCKET" has it. room holds argc + 2 pointers. */
static char **plugin_argv(int *argc, char **argv, char **room)
{
    static char command[] = "plugin";

    if (*argc < 1 || !is_plugin_name(argv[0])) {
        return argv;
    }
    room[0] = argv[0];
    room[1] = command;
    memcpy(room + 2, argv + 1, (size_t)*argc * sizeof(*argv)); /* the NULL at the end too */
    (*argc)++;
    return room;
}

int main(int argc, char **argv)
{
    static uv_loop_t loop;
    char **room = calloc((size_t)argc + 2, sizeof(*room));
    struct signals signals;
    struct ps_app app = { .loop = &loop, .clock = ps_clock_system(), .getenv = read_environment };
    enum ps_exit exit_code;
    struct ps_err err;

    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
    (void)uv_loop_init(&loop);
    if (room != NULL) {
        argv = plugin_argv(&argc, argv, room);
    }
    if (ps_options_parse(&app.options, argc, argv, app.getenv, app.getenv_user, &err) != PS_OK) {
        exit_code = ps_app_fail(&app, &err);
    } else {
        exit_code = run(&app, &signals);
    }
    take_apart(&app);
    free(room);
    curl_global_cleanup();
    return (int)exit_code;
}
