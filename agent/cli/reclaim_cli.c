#include "cli/reclaim_cli.h"

#include "base/str.h"
#include "state/decision_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* --- times --- */

/* A span is for people: all that is longer is as good as never. */
#define SPAN_MOST_S ((int64_t)1000000 * 86400)

static bool parse_rfc3339(const char *text, int64_t *unix_s_out)
{
    struct tm parts = { 0 };
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &parts);

    if (rest == NULL) {
        rest = strptime(text, "%Y-%m-%d", &parts);
    }
    if (rest == NULL || (strcmp(rest, "Z") != 0 && rest[0] != '\0')) {
        return false;
    }
    *unix_s_out = timegm(&parts);
    return true;
}

enum ps_code ps_reclaim_parse_time(const char *text, const char *what, int64_t now_unix_s,
                                   int64_t *unix_s_out, struct ps_err *err)
{
    uint64_t number = 0;

    if (text[0] == '+' && ps_duration_parse(text + 1, &number) && number / 1000 < INT32_MAX) {
        *unix_s_out = now_unix_s + (int64_t)(number / 1000);
        return PS_OK;
    }
    if (ps_u64_parse(text, &number) && number <= (uint64_t)INT64_MAX / 1000) {
        *unix_s_out = (int64_t)number;
        return PS_OK;
    }
    if (parse_rfc3339(text, unix_s_out)) {
        return PS_OK;
    }
    return ps_err_set(err, PS_E_INVALID,
                      "%s: '%s' is no time: write 2026-01-31T12:00:00Z, or +7d for in 7 days", what,
                      text);
}

enum ps_code ps_reclaim_now(struct ps_app *app, int64_t *now_unix_s_out, struct ps_err *err)
{
    const char *text = app->options.values[PS_OPT_NOW];
    int64_t clock_unix_s = ps_clock_unix_ms(app->clock) / 1000;
    char origin[64];

    if (text == NULL) {
        *now_unix_s_out = clock_unix_s;
        return PS_OK;
    }
    return ps_reclaim_parse_time(text, ps_options_origin(&app->options, PS_OPT_NOW, origin),
                                 clock_unix_s, now_unix_s_out, err);
}

const char *ps_reclaim_span(int64_t seconds, char *text)
{
    static const struct {
        int64_t seconds;
        char letter;
    } units[] = { { 86400, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 1, 's' } };
    size_t first = 0;
    unsigned whole;
    unsigned rest;

    seconds = seconds < 0 ? -seconds : seconds;
    seconds = seconds < SPAN_MOST_S ? seconds : SPAN_MOST_S;
    while (first < 3 && seconds < units[first].seconds) {
        first++;
    }
    whole = (unsigned)(seconds / units[first].seconds);
    rest = first < 3 ? (unsigned)(seconds % units[first].seconds / units[first + 1].seconds) : 0;
    if (rest == 0) {
        (void)snprintf(text, 32, "%u%c", whole, units[first].letter);
    } else {
        (void)snprintf(text, 32, "%u%c %u%c", whole, units[first].letter, rest,
                       units[first + 1].letter);
    }
    return text;
}

/* --- parts of the app --- */

struct ps_reclaim_rules ps_reclaim_app_rules(struct ps_app *app)
{
    struct ps_err err;

    if (app->local_rules == NULL &&
        ps_lifecycle_local_load(&app->local_rules, &app->settings, &app->log, &err) != PS_OK) {
        ps_log(&app->log, PS_LOG_ERROR, "lifecycle", "%s", err.message);
    }
    return (struct ps_reclaim_rules){ .decider = &app->decider,
                                      .local = app->local_rules,
                                      .settings = &app->settings };
}

static enum ps_code open_store(void *user, const char *url, struct ps_open_store *open_out,
                               struct ps_err *err)
{
    struct ps_app *app = user;

    return ps_store_open(&app->factory, url, open_out, err);
}

struct ps_store_opener ps_reclaim_app_opener(struct ps_app *app)
{
    return (struct ps_store_opener){ .open = open_store, .user = app };
}

/* --- rules of directories --- */

struct finding {
    struct ps_app *app;
    void (*on_expired)(void *user, const char *url, const struct ps_lifecycle_rule *rule);
    void *user;
    bool done;
};

static void on_expired(void *user, const char *url, const struct ps_lifecycle_rule *rule)
{
    const struct finding *finding = user;

    if (finding->on_expired != NULL) {
        finding->on_expired(finding->user, url, rule);
    }
}

static void on_found(void *user, const struct ps_lifecycle_found *found, const struct ps_err *err)
{
    struct finding *finding = user;

    ps_reclaim_log_found(finding->app, found, err);
    finding->done = true;
}

void ps_reclaim_log_found(struct ps_app *app, const struct ps_lifecycle_found *found,
                          const struct ps_err *err)
{
    if (err != NULL) {
        ps_log(&app->log, PS_LOG_WARN, "lifecycle", "%s", err->message);
    }
    if (found->expired_count > 0 || found->aborted_count > 0) {
        ps_log(&app->log, PS_LOG_INFO, "lifecycle",
               "%" PRIu64 " have expired by rules of directories, %" PRIu64
               " of them were no artifacts; %" PRIu64 " uploads aborted",
               found->expired_count, found->recorded_count, found->aborted_count);
    }
}

void ps_reclaim_find_expired(struct ps_app *app, struct ps_state *state, int64_t now_unix_s,
                             void (*tell)(void *user, const char *url,
                                          const struct ps_lifecycle_rule *rule),
                             void *user)
{
    struct finding finding = { .app = app, .on_expired = tell, .user = user };
    const struct ps_lifecycle_find_options options = {
        .loop = app->loop,
        .state = state,
        .opener = ps_reclaim_app_opener(app),
        .local = ps_reclaim_app_rules(app).local,
        .now_unix_s = now_unix_s,
        .on_expired = on_expired,
        .on_done = on_found,
        .user = &finding,
    };
    struct ps_lifecycle_find *find = NULL;
    struct ps_err err;

    if (!ps_lifecycle_local_acts(options.local)) {
        return;
    }
    if (ps_lifecycle_find_start(&find, &options, &err) == PS_OK) {
        ps_app_run_until(app, &finding.done);
    } else {
        ps_log(&app->log, PS_LOG_ERROR, "lifecycle", "%s", err.message);
    }
}

/* --- planning --- */

struct planning {
    struct ps_plan_result result;
    struct ps_err err;
    bool done;
};

static void on_planned(void *user, const struct ps_plan_result *result, const struct ps_err *err)
{
    struct planning *planning = user;

    planning->result = *result;
    if (err != NULL) {
        planning->err = *err;
    }
    planning->done = true;
}

enum ps_code ps_reclaim_plan_all(struct ps_app *app, struct ps_state *state, int64_t now_unix_s,
                                 struct ps_plan_result *result_out, struct ps_err *err)
{
    struct planning planning = { .done = false };
    const struct ps_planner_options options = {
        .loop = app->loop,
        .state = state,
        .rules = ps_reclaim_app_rules(app),
        .clock = app->clock,
        .now_unix_s = now_unix_s,
        .fault = &app->fault,
        .on_done = on_planned,
        .user = &planning,
    };
    struct ps_planner *planner = NULL;
    enum ps_code code = ps_planner_start(&planner, &options, err);

    if (code != PS_OK) {
        return code;
    }
    ps_app_run_until(app, &planning.done);
    if (planning.err.code != PS_OK) {
        *err = planning.err;
        return planning.err.code;
    }
    *result_out = planning.result;
    return PS_OK;
}

/* Most reads are of machines that record nothing: they must not get a state for it, nor wait for a disk. */
static bool is_recorded(struct ps_app *app, const char *url)
{
    struct ps_reclaim_batch batch = { 0 };
    struct ps_state *state =
        app->state != NULL ? app->state : ps_app_open_state_read_only(app, NULL);
    bool recorded = false;

    if (state != NULL && ps_reclaim_take_url(state, url, 0, &batch, NULL) == PS_OK) {
        recorded = batch.count > 0;
    }
    ps_reclaim_batch_clear(&batch);
    if (state != app->state) {
        ps_state_close(state);
    }
    return recorded;
}

void ps_reclaim_note_fetched(struct ps_app *app, const char *url)
{
    struct ps_state *state;
    struct ps_err err;

    if (!is_recorded(app, url)) {
        return;
    }
    state = ps_app_open_state(app, &err);
    if (state == NULL ||
        ps_decision_fetched(state, url, ps_clock_unix_ms(app->clock) / 1000, &err) != PS_OK) {
        ps_log(&app->log, PS_LOG_DEBUG, "reclaim", "the read is not noted: %s", err.message);
    }
}

enum ps_code ps_reclaim_split_workflow(const char *text, char **ns_out, char **name_out,
                                       struct ps_err *err)
{
    const char *slash = strchr(text, '/');

    if (slash == NULL || slash == text || slash[1] == '\0' || strchr(slash + 1, '/') != NULL) {
        return ps_err_set(err, PS_E_INVALID, "'%s' is no workflow: write NAMESPACE/NAME", text);
    }
    *ns_out = ps_strndup(text, (size_t)(slash - text));
    *name_out = ps_strdup(slash + 1);
    if (*ns_out == NULL || *name_out == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    return PS_OK;
}
