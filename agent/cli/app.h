/**
 * app - what a command works with: made by main.c, handed to the command.
 *
 * Flow:    main.c -> [app] -> cli/cmd_*.c
 * Thread:  the loop thread
 * Source:  none
 */
#ifndef PS_CLI_APP_H
#define PS_CLI_APP_H

#include "base/fault.h"
#include "base/log.h"
#include "base/settings.h"
#include "cli/exit_code.h"
#include "cli/options.h"
#include "cli/progress_bar.h"
#include "cli/retry_ask.h"
#include "decide/decision.h"
#include "state/state.h"
#include "store/store_open.h"

#include <uv.h>

struct ps_lifecycle_local;
struct ps_policy_set;

struct ps_app {
    uv_loop_t *loop;
    const struct ps_clock *clock;
    struct ps_log log;
    struct ps_settings settings;
    struct ps_options options;
    struct ps_store_factory factory;
    struct ps_decider decider;
    struct ps_retry_asker retry_asker;
    struct ps_policy_set *policies; /* NULL until a command needs them */
    char policy_digest[17];
    struct ps_lifecycle_local *local_rules; /* of directories; NULL until a command needs them */
    struct ps_state *state;                 /* NULL until a checkpoint is needed */
    ps_getenv_fn getenv;
    void *getenv_user;
    bool json;
    bool quiet;
    const char *mend;      /* what a user can do about the failure; NULL = by its kind */
    struct ps_fault fault; /* PURSER_FAULT_POINT, for tests */
    struct ps_progress_bar bar;

    /* Signals: a command that can stop cleanly sets these while it runs. */
    void (*on_stop)(void *user);
    void (*on_report)(void *user);
    void *on_signal_user;
    int caught_signal; /* 0 = none */
};

/** A command; args are those after its name. Returns the exit code. */
struct ps_command {
    const char *name;
    const char *usage;   /* "SOURCE URL" */
    const char *summary; /* one line */
    const char *help;    /* more lines, 80 columns; "" = none */
    int arg_count_min;
    int arg_count_max;
    enum ps_exit (*run)(struct ps_app *app, const char **args, int arg_count);
    bool needs_policies;
};

/** All commands, ended by a NULL name. */
extern const struct ps_command ps_commands[];

/** Say what failed, on stderr in one line or as a JSON event, and return its exit code. */
enum ps_exit ps_app_fail(struct ps_app *app, const struct ps_err *err);

/** The state, opened at the first call. NULL and *err on failure. For upload.h's open_state: user is the app. */
struct ps_state *ps_app_open_state(void *user, struct ps_err *err);

/** The same, but it cannot be written, and nothing is created. Closed by the caller. */
struct ps_state *ps_app_open_state_read_only(struct ps_app *app, struct ps_err *err);

/** Heap path: setting when it is not "", else name in the state directory. NULL and *err on failure. */
char *ps_app_state_path(struct ps_app *app, const char *setting, const char *name,
                        struct ps_err *err);

/** The state for commands that only look: read-only where there is one, so that they work in a directory that may not be
 * written; else as ps_app_open_state. */
struct ps_state *ps_app_open_state_to_read(struct ps_app *app, struct ps_err *err);

/** Run the loop until *done. */
void ps_app_run_until(struct ps_app *app, const bool *done);

/** Exit code after a stop by signal: 130 or 143. */
enum ps_exit ps_app_signal_exit(const struct ps_app *app);

enum ps_exit ps_cmd_put(struct ps_app *app, const char **args, int arg_count);
enum ps_exit ps_cmd_get(struct ps_app *app, const char **args, int arg_count);
enum ps_exit ps_cmd_cat(struct ps_app *app, const char **args, int arg_count);
enum ps_exit ps_cmd_ls(struct ps_app *app, const char **args, int arg_count);
enum ps_exit ps_cmd_stat(struct ps_app *app, const char **args, int arg_count);
enum ps_exit ps_cmd_rm(struct ps_app *app, const char **args, int arg_count);
enum ps_exit ps_cmd_cp(struct ps_app *app, const char **args, int arg_count);
enum ps_exit ps_cmd_share(struct ps_app *app, const char **args, int arg_count);
enum ps_exit ps_cmd_uploads(struct ps_app *app, const char **args, int arg_count);
enum ps_exit ps_cmd_workflow(struct ps_app *app, const char **args, int arg_count);
enum ps_exit ps_cmd_reclaims(struct ps_app *app, const char **args, int arg_count);
enum ps_exit ps_cmd_explain(struct ps_app *app, const char **args, int arg_count);
enum ps_exit ps_cmd_policy(struct ps_app *app, const char **args, int arg_count);
enum ps_exit ps_cmd_lifecycle(struct ps_app *app, const char **args, int arg_count);
enum ps_exit ps_cmd_plugin(struct ps_app *app, const char **args, int arg_count);
enum ps_exit ps_cmd_doctor(struct ps_app *app, const char **args, int arg_count);
enum ps_exit ps_cmd_agent(struct ps_app *app, const char **args, int arg_count);
enum ps_exit ps_cmd_status(struct ps_app *app, const char **args, int arg_count);
enum ps_exit ps_cmd_reload(struct ps_app *app, const char **args, int arg_count);
enum ps_exit ps_cmd_drain(struct ps_app *app, const char **args, int arg_count);
enum ps_exit ps_cmd_help(struct ps_app *app, const char **args, int arg_count);
enum ps_exit ps_cmd_version(struct ps_app *app, const char **args, int arg_count);

#endif
