#include "cli/app.h"

#include "base/str.h"
#include "cli/admin_socket.h"
#include "cli/agent_sweep.h"
#include "cli/gateway_link.h"
#include "cli/policies.h"
#include "cli/reclaim_cli.h"
#include "cli/watch_records.h"
#include "serve/admin.h"
#include "serve/gateway.h"
#include "serve/metrics_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* agent: in the foreground until SIGTERM, SIGINT or `purser drain`, which finish what is being sent. */

struct agent {
    struct ps_app *app;
    struct ps_gateway *gateway;
    struct ps_metrics_server *metrics; /* NULL: the gateway serves them */
    struct ps_admin *admin;
    struct ps_admin_context context;
    struct ps_agent_sweep *sweep;
    struct ps_watch_records *watch; /* NULL without --watch */
    bool stopping;
    bool drained;
    bool swept;
    bool watched; /* the watcher has written its last */
    bool done;
};

/* A stream needs two descriptors; the usual soft limit of 1,024 ends at 500 of them. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void note_end(struct agent *agent)
{
    agent->done = agent->drained && agent->swept && agent->watched;
}

static void on_drained(void *user)
{
    struct agent *agent = user;

    agent->drained = true;
    note_end(agent);
}

static void on_sweep_stopped(void *user)
{
    struct agent *agent = user;

    agent->swept = true;
    note_end(agent);
}

static void on_watch_stopped(void *user)
{
    struct agent *agent = user;

    agent->watched = true;
    note_end(agent);
}

static void drain(void *user)
{
    struct agent *agent = user;

    if (!agent->stopping) {
        ps_log(&agent->app->log, PS_LOG_INFO, "agent", "draining");
        agent->stopping = true;
        ps_watch_records_stop(agent->watch, on_watch_stopped, agent);
        agent->watch = NULL;
        ps_agent_sweep_stop(agent->sweep, on_sweep_stopped, agent);
        ps_gateway_drain(agent->gateway, on_drained, agent);
    }
}

/* The settings files are read anew for gateway.tokens_file and gateway.allow; all others hold until the next start. */
static enum ps_code reload_access(struct agent *agent, struct ps_err *err)
{
    const struct ps_app *app = agent->app;
    struct ps_settings settings = { 0 };
    enum ps_code code = ps_settings_init(&settings, err);

    if (code == PS_OK) {
        code = ps_settings_load(&settings, app->options.values[PS_OPT_CONFIG], app->getenv,
                                app->getenv_user, err);
    }
    if (code == PS_OK) {
        code = ps_gateway_set_access(agent->gateway, settings.gateway_tokens_file,
                                     settings.gateway_allow, err);
    }
    ps_settings_clear(&settings);
    return code;
}

/* Tokens first: where the policies fail then, nobody reads by an old token that was taken away. */
static enum ps_code reload(void *user, struct ps_err *err)
{
    struct agent *agent = user;
    enum ps_code code = reload_access(agent, err);

    if (code == PS_OK) {
        code = ps_policies_reload(agent->app, err);
    }
    if (code == PS_OK) {
        ps_agent_sweep_soon(agent->sweep);
    }
    return code;
}

static struct ps_reclaim_rules rules(void *user)
{
    const struct agent *agent = user;

    return ps_reclaim_app_rules(agent->app);
}

static json_t *policies(void *user)
{
    const struct agent *agent = user;

    return ps_policies_json(agent->app);
}

static void queued(void *user)
{
    const struct agent *agent = user;

    if (agent->sweep != NULL) {
        ps_agent_sweep_soon(agent->sweep);
    }
}

static enum ps_code start_gateway(struct agent *agent, struct ps_err *err)
{
    struct ps_app *app = agent->app;
    char *link_key_path = ps_gateway_link_key_path(app, err);
    const struct ps_gateway_options options = {
        .loop = app->loop,
        .settings = &app->settings,
        .factory = &app->factory,
        .decider = &app->decider,
        .clock = app->clock,
        .log = &app->log,
        .admin = &agent->context,
        .link_key_path = link_key_path,
    };
    enum ps_code code =
        link_key_path != NULL ? ps_gateway_new(&agent->gateway, &options, err) : err->code;

    free(link_key_path);
    if (code == PS_OK && app->settings.metrics_listen[0] != '\0') {
        code = ps_metrics_server_new(&agent->metrics, app->loop, &app->log,
                                     app->settings.metrics_listen, agent->gateway, err);
    }
    return code;
}

static enum ps_code start_admin(struct agent *agent, struct ps_err *err)
{
    struct ps_app *app = agent->app;
    char *path = ps_admin_socket_path(app, err);
    enum ps_code code;

    if (path == NULL) {
        return err->code;
    }
    agent->context = (struct ps_admin_context){
        .clock = app->clock,
        .state = app->state,
        .gateway = agent->gateway,
        .policy_digest = app->policy_digest,
        .started_unix_ms = ps_clock_unix_ms(app->clock),
        .reload = reload,
        .drain = drain,
        .rules = rules,
        .policies = policies,
        .queued = queued,
        .user = agent,
        .opener = ps_reclaim_app_opener(app),
    };
    code = ps_admin_new(&agent->admin, app->loop, &app->log, path, &agent->context, err);
    free(path);
    return code;
}

/* What it records is planned by the next sweep. */
static enum ps_code start_watch(struct agent *agent, struct ps_err *err)
{
    struct ps_app *app = agent->app;
    const struct ps_watch_records_options options = {
        .loop = app->loop,
        .http = app->factory.http,
        .settings = &app->settings,
        .clock = app->clock,
        .log = &app->log,
        .getenv = app->getenv,
        .getenv_user = app->getenv_user,
        .state = app->state,
    };

    if (!ps_options_has(&app->options, PS_OPT_WATCH)) {
        return PS_OK;
    }
    return ps_watch_records_start(&agent->watch, &options, err);
}

static enum ps_code start(struct agent *agent, struct ps_err *err)
{
    enum ps_code code = ps_app_open_state(agent->app, err) != NULL ? PS_OK : err->code;

    if (code == PS_OK) {
        code = start_gateway(agent, err);
    }
    if (code == PS_OK) {
        code = start_admin(agent, err);
    }
    if (code == PS_OK) {
        code = ps_agent_sweep_start(&agent->sweep, agent->app, err);
    }
    return code == PS_OK ? start_watch(agent, err) : code;
}

static void run_until_done(struct agent *agent)
{
    struct ps_app *app = agent->app;

    app->on_stop = drain;
    app->on_signal_user = agent;
    ps_app_run_until(app, &agent->done);
}

enum ps_exit ps_cmd_agent(struct ps_app *app, const char **args, int arg_count)
{
    struct agent agent = { .app = app };
    struct ps_err err;
    enum ps_exit exit_code = PS_EXIT_DONE;

    (void)args;
    (void)arg_count;
    raise_descriptor_limit();
    if (start(&agent, &err) != PS_OK) {
        exit_code = ps_app_fail(app, &err);
    } else {
        if (!app->quiet) {
            (void)fprintf(stderr, "purser agent: gateway at %s, %zu stores\n",
                          ps_gateway_address(agent.gateway), app->settings.store_count);
            if (agent.metrics != NULL) {
                (void)fprintf(stderr, "purser agent: metrics at %s\n",
                              ps_metrics_server_address(agent.metrics));
            }
        }
        run_until_done(&agent);
    }
    ps_agent_sweep_free(agent.sweep);
    ps_admin_free(agent.admin);
    ps_metrics_server_free(agent.metrics);
    ps_gateway_free(agent.gateway);
    return exit_code;
}
