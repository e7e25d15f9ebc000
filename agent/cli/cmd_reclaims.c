#include "cli/app.h"
#include "cli/output.h"
#include "cli/reclaim_cli.h"
#include "cli/reclaims_run.h"

#include "base/str.h"
#include "state/decision_log.h"
#include "state/pending_reclaim.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* reclaims ls | run | plan | cancel | hold | release | holds | history. */

/** Lines of a list, unless --limit says another number: a million would answer no question. */
#define LIMIT_DEFAULT 1000

struct listing {
    struct ps_app *app;
    int64_t now_unix_s;
    uint64_t limit; /* 0 = all */
    uint64_t count;
    bool cut;
};

static enum ps_code listing_init(struct listing *listing, struct ps_app *app, struct ps_err *err)
{
    const char *limit = app->options.values[PS_OPT_LIMIT];

    *listing = (struct listing){ .app = app, .limit = LIMIT_DEFAULT };
    if (limit != NULL && !ps_u64_parse(limit, &listing->limit)) {
        return ps_err_set(err, PS_E_INVALID, "--limit %s: a number, 0 = all", limit);
    }
    return ps_reclaim_now(app, &listing->now_unix_s, err);
}

/* False: enough lines. */
static bool next_line(struct listing *listing)
{
    listing->cut = listing->limit != 0 && listing->count == listing->limit;
    listing->count += listing->cut ? 0 : 1;
    return !listing->cut;
}

static void end_listing(const struct listing *listing, const char *nothing)
{
    if (listing->app->json || listing->app->quiet) {
        return;
    }
    if (listing->count == 0) {
        (void)fprintf(stderr, "%s\n", nothing);
    } else if (listing->cut) {
        (void)fprintf(stderr, "... and more: --limit 0 prints all\n");
    }
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

static void print_json(const struct ps_artifact *artifact, const struct ps_reclaim *reclaim,
                       const struct ps_workflow *workflow)
{
    char due[32];
    json_t *object = json_pack(
        "{s:o, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:I}", "url",
        ps_output_text(artifact->url), "state", ps_reclaim_state_name(reclaim->state), "action",
        reclaim->what == PS_RECLAIM_ARCHIVE ? "archive" : "delete", "event",
        ps_reclaim_event_name(reclaim->event), "due",
        ps_output_time(reclaim->due_unix_s * 1000, due), "policy", ps_output_text(reclaim->policy),
        "where", ps_output_text(reclaim->where), "reason", ps_output_text(reclaim->reason),
        "digest", ps_output_text(reclaim->digest), "workflow",
        workflow != NULL ? json_sprintf("%s/%s", workflow->ns, workflow->name) : json_null(),
        "size_bytes", artifact->has_size ? (json_int_t)artifact->size_bytes : (json_int_t)-1);

    ps_output_json("reclaim", &object);
}

static bool print_reclaim(void *user, const struct ps_artifact *artifact,
                          const struct ps_reclaim *reclaim, const struct ps_workflow *workflow)
{
    struct listing *listing = user;
    char due[40];
    char size[16] = "-";

    if (!next_line(listing)) {
        return false;
    }
    if (listing->app->json) {
        print_json(artifact, reclaim, workflow);
        return true;
    }
    if (artifact->has_size) {
        (void)ps_size_format(artifact->size_bytes, size, sizeof(size));
    }
    (void)printf("%-12s %-8s %9s  ", due_text(listing, reclaim->due_unix_s, due),
                 reclaim->state == PS_RECLAIM_DELETING ? "deleting"
                 : reclaim->what == PS_RECLAIM_ARCHIVE ? "archive"
                                                       : "delete",
                 size);
    ps_output_key(artifact->url);
    (void)putchar('\n');
    if (ps_options_has(&listing->app->options, PS_OPT_WHY)) {
        (void)printf("    %s%s%s: %s%s%s\n", reclaim->policy, reclaim->where[0] != '\0' ? " " : "",
                     reclaim->where, reclaim->reason, workflow != NULL ? ", workflow " : "",
                     workflow != NULL ? workflow->name : "");
    }
    return true;
}

static enum ps_exit list(struct ps_app *app, struct ps_state *state)
{
    const char *prefix = app->options.values[PS_OPT_PREFIX];
    const char *due = app->options.values[PS_OPT_DUE];
    int64_t due_max_unix_s = INT64_MAX;
    uint64_t due_ms = 0;
    struct listing listing;
    struct ps_err err;
    enum ps_code code = listing_init(&listing, app, &err);

    if (code == PS_OK && due != NULL) {
        if (!ps_duration_parse(due, &due_ms) || due_ms / 1000 > INT32_MAX) {
            code = ps_err_set(&err, PS_E_INVALID, "--due %s: write a duration like 24h or 7d", due);
        }
        due_max_unix_s = listing.now_unix_s + (int64_t)(due_ms / 1000);
    }
    if (code == PS_OK) {
        code = ps_reclaim_each(state, prefix != NULL ? prefix : "", due_max_unix_s, print_reclaim,
                               &listing, &err);
    }
    if (code != PS_OK) {
        return ps_app_fail(app, &err);
    }
    end_listing(&listing, "nothing is planned");
    return PS_EXIT_DONE;
}

/* --- history --- */

static bool print_entry(void *user, const struct ps_decision_entry *entry)
{
    struct listing *listing = user;
    char at[32];

    if (!next_line(listing)) {
        return false;
    }
    (void)ps_output_time(entry->at_unix_ms, at);
    if (listing->app->json) {
        char due[32];
        json_t *object = json_pack(
            "{s:s, s:s, s:o, s:s, s:s, s:o, s:o, s:o, s:o, s:b}", "at", at, "what",
            ps_decision_kind_name(entry->kind), "url", ps_output_text(entry->url), "event",
            entry->event != 0 ? ps_reclaim_event_name(entry->event) : "", "due",
            ps_output_time(entry->due_unix_s * 1000, due), "policy", ps_output_text(entry->policy),
            "where", ps_output_text(entry->where), "reason", ps_output_text(entry->reason),
            "digest", ps_output_text(entry->digest), "delete_marker", (int)entry->delete_marker);

        ps_output_json("history", &object);
        return true;
    }
    (void)printf("%s  %-9s ", at, ps_decision_kind_name(entry->kind));
    ps_output_key(entry->url);
    if (entry->reason[0] != '\0') {
        (void)printf("\n    %s%s%s%s%s", entry->policy, entry->policy[0] != '\0' ? " " : "",
                     entry->where, entry->where[0] != '\0' ? ": " : "", entry->reason);
    }
    (void)printf("%s\n", entry->delete_marker ? " (a delete marker: the bytes stay)" : "");
    return true;
}

static enum ps_exit history(struct ps_app *app, struct ps_state *state)
{
    const char *since = app->options.values[PS_OPT_SINCE];
    uint64_t since_ms = 0;
    int64_t from_unix_ms = 0;
    struct listing listing;
    struct ps_err err;
    enum ps_code code = listing_init(&listing, app, &err);

    if (code == PS_OK && since != NULL) {
        if (!ps_duration_parse(since, &since_ms) || since_ms > INT64_MAX / 2) {
            code = ps_err_set(&err, PS_E_INVALID, "--since %s: write a duration like 30d", since);
        }
        from_unix_ms = listing.now_unix_s * 1000 - (int64_t)since_ms;
    }
    if (code == PS_OK) {
        code = ps_decision_each(state, from_unix_ms, true, print_entry, &listing, &err);
    }
    if (code != PS_OK) {
        return ps_app_fail(app, &err);
    }
    end_listing(&listing, "nothing was decided yet");
    return PS_EXIT_DONE;
}

/* --- cancel, hold, release --- */

static enum ps_exit done(struct ps_app *app, const char *what, const char *url, uint64_t count)
{
    if (app->json) {
        json_t *object = json_pack("{s:s, s:s, s:o, s:I}", "command", "reclaims", "what", what,
                                   "url", ps_output_text(url), "count", (json_int_t)count);

        ps_output_json("result", &object);
    }
    return PS_EXIT_DONE;
}

static enum ps_exit cancel(struct ps_app *app, struct ps_state *state, const char *url)
{
    int64_t now_unix_s = 0;
    uint64_t count = 0;
    struct ps_err err;
    enum ps_code code = ps_reclaim_now(app, &now_unix_s, &err);

    if (code == PS_OK) {
        code = ps_reclaim_cancel(state, url, "cancelled by hand", now_unix_s, &count, &err);
    }
    if (code == PS_OK && count == 0) {
        code = ps_err_set(&err, PS_E_NOT_FOUND, "%s: nothing is planned for it", url);
    }
    if (code != PS_OK) {
        return ps_app_fail(app, &err);
    }
    if (!app->quiet && !app->json) {
        (void)fprintf(stderr, "%s: %" PRIu64 " kept; a later event may plan it again, a hold not\n",
                      url, count);
    }
    return done(app, "cancel", url, count);
}

static enum ps_exit hold(struct ps_app *app, struct ps_state *state, const char *url)
{
    struct ps_hold hold = { .url = url, .why = "held by hand" };
    const char *until = app->options.values[PS_OPT_UNTIL];
    uint64_t deleting_count = 0;
    struct ps_err err;
    enum ps_code code = ps_reclaim_now(app, &hold.since_unix_s, &err);

    if (code == PS_OK && until != NULL) {
        code = ps_reclaim_parse_time(until, "--until", hold.since_unix_s, &hold.until_unix_s, &err);
    }
    if (code == PS_OK && until != NULL && hold.until_unix_s <= hold.since_unix_s) {
        code = ps_err_set(&err, PS_E_INVALID, "--until %s: is in the past", until);
    }
    if (code == PS_OK && strstr(url, "://") == NULL) {
        code = ps_err_set(&err, PS_E_INVALID,
                          "'%s' is no URL: write s3://BUCKET/KEY, a '/' at the "
                          "end holds all below",
                          url);
    }
    if (code == PS_OK) {
        code = ps_hold_set(state, &hold, &deleting_count, &err);
    }
    if (code == PS_OK && deleting_count > 0) {
        code = ps_err_set(&err, PS_E_PARTIAL,
                          "%s: held, but %" PRIu64 " are being deleted at this moment", url,
                          deleting_count);
    }
    return code == PS_OK ? done(app, "hold", url, 1) : ps_app_fail(app, &err);
}

static enum ps_exit release(struct ps_app *app, struct ps_state *state, const char *url)
{
    struct ps_plan_result result = { 0 };
    int64_t now_unix_s = 0;
    bool found = false;
    struct ps_err err;
    enum ps_code code = ps_reclaim_now(app, &now_unix_s, &err);

    if (code == PS_OK) {
        code = ps_hold_release(state, url, now_unix_s, &found, &err);
    }
    if (code == PS_OK && !found) {
        code =
            ps_err_set(&err, PS_E_NOT_FOUND, "%s: is not on hold: see purser reclaims holds", url);
    }
    if (code == PS_OK) {
        code = ps_reclaim_plan_all(app, state, now_unix_s, &result, &err);
    }
    return code == PS_OK ? done(app, "release", url, result.planned_count) : ps_app_fail(app, &err);
}

static bool print_hold(void *user, const struct ps_hold *hold)
{
    const struct ps_app *app = user;
    char since[32];
    char until[32];

    (void)ps_output_time(hold->since_unix_s * 1000, since);
    (void)ps_output_time(hold->until_unix_s * 1000, until);
    if (app->json) {
        json_t *object =
            json_pack("{s:o, s:s, s:s, s:o}", "url", ps_output_text(hold->url), "since", since,
                      "until", until, "why", ps_output_text(hold->why));

        ps_output_json("hold", &object);
        return true;
    }
    (void)printf("%-20s  ", until[0] != '\0' ? until : "until released");
    ps_output_key(hold->url);
    (void)putchar('\n');
    return true;
}

/* --- plan --- */

static enum ps_exit plan(struct ps_app *app, struct ps_state *state)
{
    struct ps_plan_result result = { 0 };
    int64_t now_unix_s = 0;
    uint64_t count = 0;
    struct ps_err err;
    enum ps_code code = ps_reclaim_now(app, &now_unix_s, &err);

    if (code == PS_OK) {
        code = ps_reclaim_take_policies(state, app->policy_digest, &count, &err);
    }
    if (code == PS_OK && count == 0) { /* the same policies: asked for all the same */
        code = ps_reclaim_queue_all(state, &count, &err);
    }
    if (code == PS_OK) {
        code = ps_reclaim_plan_all(app, state, now_unix_s, &result, &err);
    }
    if (code != PS_OK) {
        return ps_app_fail(app, &err);
    }
    if (!app->quiet && !app->json) {
        (void)fprintf(stderr, "%" PRIu64 " artifacts: %" PRIu64 " planned, %" PRIu64 " kept\n",
                      result.asked_count, result.planned_count, result.kept_count);
    }
    return done(app, "plan", "", result.planned_count);
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

static bool only_looks(const char *verb)
{
    return strcmp(verb, "ls") == 0 || strcmp(verb, "history") == 0 || strcmp(verb, "holds") == 0;
}

enum ps_exit ps_cmd_reclaims(struct ps_app *app, const char **args, int arg_count)
{
    const char *verb = arg_count > 0 ? args[0] : "ls";
    struct ps_err err;
    struct ps_state *state;

    if (arg_count <= 1 && strcmp(verb, "run") == 0) {
        return ps_reclaims_run(app); /* a dry run opens the state in its own way */
    }
    state = only_looks(verb) ? ps_app_open_state_to_read(app, &err) : ps_app_open_state(app, &err);
    if (state == NULL) {
        return ps_app_fail(app, &err);
    }
    if (arg_count == 2 && strcmp(verb, "cancel") == 0) {
        return cancel(app, state, args[1]);
    }
    if (arg_count == 2 && strcmp(verb, "hold") == 0) {
        return hold(app, state, args[1]);
    }
    if (arg_count == 2 && strcmp(verb, "release") == 0) {
        return release(app, state, args[1]);
    }
    if (arg_count > 1) {
        return usage(app);
    }
    if (strcmp(verb, "ls") == 0) {
        return list(app, state);
    }
    if (strcmp(verb, "history") == 0) {
        return history(app, state);
    }
    if (strcmp(verb, "plan") == 0) {
        return plan(app, state);
    }
    if (strcmp(verb, "holds") == 0) {
        return ps_hold_each(state, print_hold, app, &err) == PS_OK ? PS_EXIT_DONE
                                                                   : ps_app_fail(app, &err);
    }
    return usage(app);
}
