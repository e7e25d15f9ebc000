#include "cli/admin_call.h"
#include "cli/app.h"
#include "cli/output.h"
#include "cli/policies.h"
#include "cli/reclaim_cli.h"
#include "cli/reclaims_run.h"

#include "base/str.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* reclaims ls | run | plan | cancel | hold | release | holds | history. All but run are asked of the agent when one runs. */

/** Lines of a list, unless --limit says another number: a million would answer no question. */
#define LIMIT_DEFAULT 1000

struct listing {
    struct ps_app *app;
    int64_t now_unix_s;
    struct ps_admin_items items;
};

/* The answer's list called name, each item by each. */
static enum ps_code ask_for(struct listing *listing, struct ps_admin_call *call, const char *name,
                            void (*each)(void *user, json_t *item), struct ps_err *err)
{
    listing->items.name = name;
    listing->items.each = each;
    listing->items.user = listing;
    return ps_admin_call_each(call, &listing->items, err);
}

static enum ps_code listing_init(struct listing *listing, struct ps_app *app, struct ps_err *err)
{
    const char *limit = app->options.values[PS_OPT_LIMIT];

    *listing = (struct listing){ .app = app, .items = { .count_max = LIMIT_DEFAULT } };
    if (limit != NULL && !ps_u64_parse(limit, &listing->items.count_max)) {
        return ps_err_set(err, PS_E_INVALID, "--limit %s: a number, 0 = all", limit);
    }
    return ps_reclaim_now(app, &listing->now_unix_s, err);
}

/* True when it was printed as JSON. */
static bool take_item(const struct listing *listing, const char *type, json_t *item)
{
    if (listing->app->json) {
        (void)json_incref(item);
        ps_output_json(type, &item);
    }
    return listing->app->json;
}

static enum ps_exit end_listing(const struct listing *listing, const char *nothing)
{
    if (listing->app->json || listing->app->quiet) {
        return PS_EXIT_DONE;
    }
    if (listing->items.count == 0) {
        (void)fprintf(stderr, "%s\n", nothing);
    } else if (listing->items.more) {
        (void)fprintf(stderr, "... and more: --limit 0 prints all\n");
    }
    return PS_EXIT_DONE;
}

/* --- ls --- */

static const char *due_text(const struct listing *listing, int64_t due_unix_s, char *text)
{
    char span[32];

    (void)ps_reclaim_span(due_unix_s - listing->now_unix_s, span);
    (void)snprintf(text, 40, "%s%s%s", due_unix_s > listing->now_unix_s ? "in " : "", span,
                   due_unix_s > listing->now_unix_s ? "" : " ago");
    return text;
}

static void print_why(const json_t *item)
{
    const char *where = ps_output_string(item, "where");
    const char *workflow = ps_output_string(item, "workflow");

    (void)printf("    %s%s%s: %s%s%s\n", ps_output_string(item, "policy"),
                 where[0] != '\0' ? " " : "", where, ps_output_string(item, "reason"),
                 workflow[0] != '\0' ? ", workflow " : "", workflow);
}

/* What a prefix holds is released by that prefix only. */
static void print_hold_of(const json_t *item)
{
    const char *until = ps_output_string(item, "hold_until");
    const char *url = ps_output_string(item, "hold_url");

    (void)printf("    on hold until %s: %s", until[0] != '\0' ? until : "released",
                 ps_output_string(item, "hold_why"));
    if (strcmp(url, ps_output_string(item, "url")) != 0) {
        (void)printf(", with all of ");
        ps_output_key(url);
    }
    (void)putchar('\n');
}

static void print_reclaim(void *user, json_t *item)
{
    const struct listing *listing = user;
    const json_t *size_bytes = json_object_get(item, "size_bytes");
    char due[40];
    char size[16] = "-";

    if (take_item(listing, "reclaim", item)) {
        return;
    }
    if (json_is_integer(size_bytes)) {
        (void)ps_size_format((uint64_t)json_integer_value(size_bytes), size, sizeof(size));
    }
    (void)printf("%-12s %-8s %9s  ", due_text(listing, ps_output_number(item, "due_unix_s"), due),
                 strcmp(ps_output_string(item, "state"), "deleting") == 0
                     ? "deleting"
                     : ps_output_string(item, "action"),
                 size);
    ps_output_key(ps_output_string(item, "url"));
    (void)putchar('\n');
    if (ps_options_has(&listing->app->options, PS_OPT_WHY)) {
        print_why(item);
    }
    if (json_is_true(json_object_get(item, "held"))) {
        print_hold_of(item);
    }
}

static enum ps_code add_due(struct ps_admin_call *call, const struct listing *listing,
                            struct ps_err *err)
{
    const char *due = call->app->options.values[PS_OPT_DUE];
    uint64_t due_ms = 0;

    if (due == NULL) {
        return PS_OK;
    }
    if (!ps_duration_parse(due, &due_ms) || due_ms / 1000 > INT32_MAX) {
        return ps_err_set(err, PS_E_INVALID, "--due %s: write a duration like 24h or 7d", due);
    }
    ps_admin_call_add_number(call, "due_max_unix_s",
                             listing->now_unix_s + (int64_t)(due_ms / 1000));
    return PS_OK;
}

static enum ps_exit list(struct ps_app *app)
{
    struct ps_admin_call call;
    struct listing listing;
    struct ps_err err;
    enum ps_code code = listing_init(&listing, app, &err);

    ps_admin_call_init(&call, app, "GET", "/v1/reclaims");
    ps_admin_call_add(&call, "prefix", app->options.values[PS_OPT_PREFIX]);
    if (code == PS_OK) {
        code = add_due(&call, &listing, &err);
    }
    if (code == PS_OK) {
        code = ps_admin_call_add_now(&call, &err);
    }
    if (code == PS_OK) {
        code = ask_for(&listing, &call, "reclaims", print_reclaim, &err);
    }
    ps_admin_call_clear(&call);
    return code == PS_OK ? end_listing(&listing, "nothing is planned") : ps_app_fail(app, &err);
}

/* --- history --- */

static void print_entry(void *user, json_t *item)
{
    const char *policy = ps_output_string(item, "policy");
    const char *where = ps_output_string(item, "where");
    const char *reason = ps_output_string(item, "reason");

    if (take_item(user, "history", item)) {
        return;
    }
    (void)printf("%s  %-9s ", ps_output_string(item, "at"), ps_output_string(item, "what"));
    ps_output_key(ps_output_string(item, "url"));
    if (reason[0] != '\0') {
        (void)printf("\n    %s%s%s%s%s", policy, policy[0] != '\0' ? " " : "", where,
                     where[0] != '\0' ? ": " : "", reason);
    }
    (void)printf("%s\n", json_is_true(json_object_get(item, "delete_marker"))
                             ? " (a delete marker: the bytes stay)"
                             : "");
}

static enum ps_code add_since(struct ps_admin_call *call, const struct listing *listing,
                              struct ps_err *err)
{
    const char *since = call->app->options.values[PS_OPT_SINCE];
    int64_t from_unix_ms;
    uint64_t since_ms = 0;

    if (since == NULL) {
        return PS_OK;
    }
    if (!ps_duration_parse(since, &since_ms) || since_ms > INT64_MAX / 2) {
        return ps_err_set(err, PS_E_INVALID, "--since %s: write a duration like 30d", since);
    }
    from_unix_ms = listing->now_unix_s * 1000 - (int64_t)since_ms;
    ps_admin_call_add_number(call, "since_unix_ms", from_unix_ms > 0 ? from_unix_ms : 0);
    return PS_OK;
}

static enum ps_exit history(struct ps_app *app)
{
    struct ps_admin_call call;
    struct listing listing;
    struct ps_err err;
    enum ps_code code = listing_init(&listing, app, &err);

    ps_admin_call_init(&call, app, "GET", "/v1/decisions");
    if (code == PS_OK) {
        code = add_since(&call, &listing, &err);
    }
    if (code == PS_OK) {
        code = ask_for(&listing, &call, "decisions", print_entry, &err);
    }
    ps_admin_call_clear(&call);
    return code == PS_OK ? end_listing(&listing, "nothing was decided yet")
                         : ps_app_fail(app, &err);
}

/* --- holds --- */

static void print_hold(void *user, json_t *item)
{
    const char *until = ps_output_string(item, "until");

    if (take_item(user, "hold", item)) {
        return;
    }
    (void)printf("%-20s  ", until[0] != '\0' ? until : "until released");
    ps_output_key(ps_output_string(item, "url"));
    (void)putchar('\n');
}

static enum ps_exit holds(struct ps_app *app)
{
    struct listing listing = { .app = app };
    struct ps_admin_call call;
    struct ps_err err;
    enum ps_code code;

    ps_admin_call_init(&call, app, "GET", "/v1/holds");
    code = ask_for(&listing, &call, "holds", print_hold, &err);
    ps_admin_call_clear(&call);
    return code == PS_OK ? PS_EXIT_DONE : ps_app_fail(app, &err);
}

/* --- cancel, hold, release, plan --- */

/* *count_out is what the handler counts; *here_out: no agent took it, so that what follows is this command's to do. */
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
    code = ps_admin_call_add_now(&call, &err);
    if (code == PS_OK) {
        code = change(&call, &count, &here, &err);
    }
    ps_admin_call_clear(&call);
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
        code = ps_admin_call_add_now(&call, &err);
    }
    if (code == PS_OK) {
        code = change(&call, &count, &here, &err);
    }
    ps_admin_call_clear(&call);
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
    code = ps_admin_call_add_now(&call, &err);
    if (code == PS_OK) {
        code = change(&call, &count, &here, &err);
    }
    ps_admin_call_clear(&call);
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
    ps_admin_call_clear(&call);
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
        return list(app);
    }
    if (strcmp(verb, "run") == 0) {
        return run(app);
    }
    if (strcmp(verb, "history") == 0) {
        return history(app);
    }
    if (strcmp(verb, "plan") == 0) {
        return plan(app);
    }
    return strcmp(verb, "holds") == 0 ? holds(app) : usage(app);
}
