#include "cli/admin_call.h"
#include "cli/app.h"
#include "cli/output.h"
#include "cli/policies.h"
#include "cli/reclaim_cli.h"
#include "cli/reclaims_list.h"
#include "cli/reclaims_run.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* reclaims ls | run | plan | cancel | hold | release | holds | history. All but run are asked of the agent when one runs. */

/* --- cancel, hold, release, plan --- */

/* Ends the call. *count_out is what the handler counts; *here_out: no agent took it, so that what follows is this
 * command's to do. */
static enum ps_code change(struct ps_admin_call *call, int64_t *count_out, bool *here_out,
                           struct ps_err *err)
{
    json_t *answer = NULL;
    enum ps_code code = ps_admin_call_run(call, &answer, err);

    if (code == PS_OK) {
        *count_out = ps_output_number(answer, "count");
        *here_out = call->side == PS_ADMIN_SIDE_HERE;
    }
    json_decref(answer);
    ps_admin_call_clear(call);
    return code;
}

/* The same at the time of --now. */
static enum ps_code change_now(struct ps_admin_call *call, int64_t *count_out, bool *here_out,
                               struct ps_err *err)
{
    enum ps_code code = ps_admin_call_add_now(call, err);

    if (code == PS_OK) {
        return change(call, count_out, here_out, err);
    }
    ps_admin_call_clear(call);
    return code;
}

static enum ps_exit done(struct ps_app *app, const char *what, const char *url, int64_t count)
{
    if (app->json) {
        json_t *object = json_pack("{s:s, s:s, s:o, s:I}", "command", "reclaims", "what", what,
                                   "url", ps_output_text(url), "count", (json_int_t)count);

        ps_output_json("result", &object);
    }
    return PS_EXIT_DONE;
}

static enum ps_exit cancel(struct ps_app *app, const char *url)
{
    struct ps_admin_call call;
    int64_t count = 0;
    bool here = false;
    struct ps_err err;
    enum ps_code code;

    ps_admin_call_init(&call, app, "POST", "/v1/cancel");
    ps_admin_call_add(&call, "url", url);
    ps_admin_call_add(&call, "why", "cancelled by hand");
    code = change_now(&call, &count, &here, &err);
    if (code != PS_OK) {
        return ps_app_fail(app, &err);
    }
    if (!app->quiet && !app->json) {
        (void)fprintf(stderr, "%s: %" PRId64 " kept; a later event may plan it again, a hold not\n",
                      url, count);
    }
    return done(app, "cancel", url, count);
}

static enum ps_code add_until(struct ps_admin_call *call, struct ps_err *err)
{
    const char *until = call->app->options.values[PS_OPT_UNTIL];
    int64_t now_unix_s = 0;
    int64_t until_unix_s = 0;
    enum ps_code code = ps_reclaim_now(call->app, &now_unix_s, err);

    if (code != PS_OK || until == NULL) {
        return code;
    }
    code = ps_reclaim_parse_time(until, "--until", now_unix_s, &until_unix_s, err);
    if (code == PS_OK && until_unix_s <= now_unix_s) {
        code = ps_err_set(err, PS_E_INVALID, "--until %s: is in the past", until);
    }
    if (code == PS_OK) {
        ps_admin_call_add_number(call, "until_unix_s", until_unix_s);
    }
    return code;
}

static enum ps_exit hold(struct ps_app *app, const char *url)
{
    struct ps_admin_call call;
    int64_t count = 0;
    bool here = false;
    struct ps_err err;
    enum ps_code code;

    ps_admin_call_init(&call, app, "POST", "/v1/hold");
    ps_admin_call_add(&call, "url", url);
    ps_admin_call_add(&call, "why", "held by hand");
    code = add_until(&call, &err);
    if (code == PS_OK) {
        code = change_now(&call, &count, &here, &err);
    } else {
        ps_admin_call_clear(&call);
    }
    return code == PS_OK ? done(app, "hold", url, count) : ps_app_fail(app, &err);
}

/* Plan what was queued, as an agent does in its next round. */
static enum ps_code plan_here(struct ps_app *app, struct ps_plan_result *result, struct ps_err *err)
{
    int64_t now_unix_s = 0;
    enum ps_code code = ps_reclaim_now(app, &now_unix_s, err);

    return code == PS_OK ? ps_reclaim_plan_all(app, app->state, now_unix_s, result, err) : code;
}

static enum ps_exit release(struct ps_app *app, const char *url)
{
    struct ps_plan_result result = { 0 };
    struct ps_admin_call call;
    int64_t count = 0;
    bool here = false;
    struct ps_err err;
    enum ps_code code;

    ps_admin_call_init(&call, app, "POST", "/v1/release");
    ps_admin_call_add(&call, "url", url);
    code = change_now(&call, &count, &here, &err);
    if (code == PS_OK && here) {
        code = plan_here(app, &result, &err);
    }
    return code == PS_OK ? done(app, "release", url, count) : ps_app_fail(app, &err);
}

static enum ps_exit plan(struct ps_app *app)
{
    struct ps_plan_result result = { 0 };
    struct ps_admin_call call;
    int64_t count = 0;
    bool here = false;
    struct ps_err err;
    enum ps_code code;

    ps_admin_call_init(&call, app, "POST", "/v1/plan");
    call.side = ps_admin_call_policy_side(app);
    code = change(&call, &count, &here, &err);
    if (code == PS_OK && here) {
        code = plan_here(app, &result, &err);
    }
    if (code != PS_OK) {
        return ps_app_fail(app, &err);
    }
    if (!app->quiet && !app->json && here) {
        (void)fprintf(stderr, "%" PRIu64 " artifacts: %" PRIu64 " planned, %" PRIu64 " kept\n",
                      result.asked_count, result.planned_count, result.kept_count);
    } else if (!app->quiet && !app->json) {
        (void)fprintf(stderr, "%" PRId64 " artifacts: the agent asks its policies about them now\n",
                      count);
    }
    return done(app, "plan", "", count);
}

/* --- the command --- */

static enum ps_exit usage(struct ps_app *app)
{
    struct ps_err err;

    (void)ps_err_set(&err, PS_E_INVALID,
                     "reclaims: write ls, run, plan, history, holds, or cancel, hold, release with "
                     "a URL; see purser help reclaims");
    return ps_app_fail(app, &err);
}

static enum ps_exit with_url(struct ps_app *app, const char *verb, const char *url)
{
    if (strcmp(verb, "cancel") == 0) {
        return cancel(app, url);
    }
    if (strcmp(verb, "hold") == 0) {
        return hold(app, url);
    }
    return strcmp(verb, "release") == 0 ? release(app, url) : usage(app);
}

/* A run is this command's own: its fuse, its lines, its credentials; one at a time, whoever sweeps. */
static enum ps_exit run(struct ps_app *app)
{
    struct ps_err err;

    return ps_policies_load(app, &err) == PS_OK ? ps_reclaims_run(app) : ps_app_fail(app, &err);
}

enum ps_exit ps_cmd_reclaims(struct ps_app *app, const char **args, int arg_count)
{
    const char *verb = arg_count > 0 ? args[0] : "ls";

    if (arg_count == 2) {
        return with_url(app, verb, args[1]);
    }
    if (arg_count > 2) {
        return usage(app);
    }
    if (strcmp(verb, "ls") == 0) {
        return ps_reclaims_ls(app);
    }
    if (strcmp(verb, "run") == 0) {
        return run(app);
    }
    if (strcmp(verb, "history") == 0) {
        return ps_reclaims_history(app);
    }
    if (strcmp(verb, "plan") == 0) {
        return plan(app);
    }
    return strcmp(verb, "holds") == 0 ? ps_reclaims_holds(app) : usage(app);
}
