#include "cli/app.h"

#include "base/str.h"
#include "cli/policies.h"
#include "serve/plugin.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* plugin: what Argo starts in a pod. */

struct plugin_run {
    struct ps_app *app;
    struct ps_plugin *plugin;
    bool done;
};

static void on_stopped(void *user)
{
    struct plugin_run *run = user;

    run->done = true;
}

static void on_stop(void *user)
{
    struct plugin_run *run = user;

    if (run->plugin != NULL) {
        ps_plugin_stop(run->plugin);
        run->plugin = NULL;
    }
}

/* True when dir is there, or can be made, and is ours to write: a directory of another user's is not trusted. */
static bool is_own_dir(const char *dir)
{
    struct stat status;

    if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
        return false;
    }
    return lstat(dir, &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid == geteuid() &&
           (status.st_mode & 077) == 0;
}

/*
 * A pod has a read-only root and no home; only /tmp can be written. Checkpoints go there then: they need not outlive
 * the pod, as the next one finds an interrupted upload at the store.
 */
static enum ps_code choose_state_dir(struct ps_app *app, struct ps_err *err)
{
    char *dir = NULL;
    char fallback[64];
    enum ps_code code = PS_OK;

    if (app->settings.state_dir[0] != '\0' || ps_app_open_state(app, err) != NULL) {
        return PS_OK;
    }
    (void)snprintf(fallback, sizeof(fallback), "/tmp/purser-%u", (unsigned)geteuid());
    if (!is_own_dir(fallback)) {
        return ps_err_set(err, PS_E_DENIED,
                          "no place for the state: %s is not this user's own: give --state-dir",
                          fallback);
    }
    dir = ps_strdup(fallback);
    code = dir != NULL ? ps_settings_set(&app->settings, "state_dir", dir, "plugin", err)
                       : ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    free(dir);
    return code;
}

/* --- policies that a configuration brings --- */

struct loaded {
    struct ps_policy_set *set;
    struct ps_decider decider;
    struct ps_retry_asker asker;
};

static enum ps_code load_policies(void *user, const char *directories,
                                  struct ps_plugin_policies *out, struct ps_err *err)
{
    struct ps_app *app = user;
    struct loaded *loaded = calloc(1, sizeof(*loaded));
    enum ps_code code = loaded != NULL ? ps_policies_load_more(app, directories, &loaded->set, err)
                                       : ps_err_set(err, PS_E_NO_MEMORY, "out of memory");

    if (code != PS_OK) {
        free(loaded);
        return code;
    }
    loaded->decider = ps_policy_set_decider(loaded->set);
    loaded->asker = (struct ps_retry_asker){ app, &loaded->decider };
    *out = (struct ps_plugin_policies){ .set = loaded,
                                        .decider = &loaded->decider,
                                        .digest = ps_policy_set_digest(loaded->set),
                                        .ask_retry = ps_retry_ask,
                                        .ask_retry_user = &loaded->asker };
    return PS_OK;
}

static void unload_policies(void *user, struct ps_plugin_policies *policies)
{
    struct loaded *loaded = policies->set;

    (void)user;
    ps_policy_set_free(loaded->set);
    free(loaded);
    *policies = (struct ps_plugin_policies){ 0 };
}

static enum ps_code start(struct plugin_run *run, const char *listen, struct ps_err *err)
{
    struct ps_app *app = run->app;
    const struct ps_plugin_options options = {
        .loop = app->loop,
        .listen = listen,
        .factory = &app->factory,
        .decider = &app->decider,
        .policy_digest = app->policy_digest,
        .policy_loader = { .load = load_policies, .unload = unload_policies, .user = app },
        .clock = app->clock,
        .log = &app->log,
        .open_state = ps_app_open_state,
        .open_state_user = app,
        .grace_ms = app->settings.plugin_grace_ms,
        .stall_timeout_ms = app->settings.plugin_stall_timeout_ms,
        .on_stopped = on_stopped,
        .user = run,
    };
    enum ps_code code = choose_state_dir(app, err);

    return code == PS_OK ? ps_plugin_start(&run->plugin, &options, err) : code;
}

enum ps_exit ps_cmd_plugin(struct ps_app *app, const char **args, int arg_count)
{
    struct plugin_run run = { .app = app };
    struct ps_err err;

    (void)arg_count;
    if (start(&run, args[0], &err) != PS_OK) {
        return ps_app_fail(app, &err);
    }
    app->on_stop = on_stop;
    app->on_signal_user = &run;
    if (ps_plugin_port(run.plugin) != 0) { /* a test asked for any port */
        (void)printf("127.0.0.1:%d\n", ps_plugin_port(run.plugin));
        (void)fflush(stdout);
    }
    ps_app_run_until(app, &run.done);
    return PS_EXIT_DONE;
}
