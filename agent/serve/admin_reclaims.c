#include "serve/admin_reclaims.h"

#include "base/str.h"
#include "serve/json_text.h"
#include "state/decision_log.h"
#include "state/pending_reclaim.h"
#include "transfer/job.h"

#include <stdlib.h>
#include <string.h>

/** Most lines of an answer. Lower: some are not seen. Higher: a large answer held in memory. */
#define RECLAIMS_MAX 500
#define DECISIONS_MAX 100

/* --- lists --- */

struct list {
    json_t *json;
    size_t max;
    bool more;
};

/* False: it is full. */
static bool append(struct list *list, json_t *item)
{
    if (json_array_size(list->json) == list->max) {
        list->more = true;
        json_decref(item);
        return false;
    }
    return json_array_append_new(list->json, item) == 0;
}

static bool add_reclaim(void *user, const struct ps_artifact *artifact,
                        const struct ps_reclaim *reclaim, const struct ps_workflow *workflow)
{
    return append(
        user,
        json_pack(
            "{s:o, s:s, s:s, s:s, s:I, s:o, s:o, s:o, s:o, s:o}", "url",
            ps_json_text(artifact->url), "state", ps_reclaim_state_name(reclaim->state), "action",
            reclaim->what == PS_RECLAIM_ARCHIVE ? "archive" : "delete", "event",
            ps_reclaim_event_name(reclaim->event), "due_unix_s", (json_int_t)reclaim->due_unix_s,
            "policy", ps_json_text(reclaim->policy), "where", ps_json_text(reclaim->where),
            "reason", ps_json_text(reclaim->reason), "workflow",
            workflow != NULL ? json_sprintf("%s/%s", workflow->ns, workflow->name) : json_null(),
            "size_bytes",
            artifact->has_size ? json_integer((json_int_t)artifact->size_bytes) : json_null()));
}

enum ps_code ps_admin_reclaims(const struct ps_admin_context *context, json_t **json_out,
                               struct ps_err *err)
{
    struct list list = { .json = json_array(), .max = RECLAIMS_MAX };
    enum ps_code code = PS_OK;

    if (context->state != NULL && list.json != NULL) {
        code = ps_reclaim_each(context->state, "", INT64_MAX, add_reclaim, &list, err);
    }
    if (code != PS_OK) {
        json_decref(list.json);
        return code;
    }
    *json_out = json_pack("{s:o, s:b}", "reclaims", list.json, "more", (int)list.more);
    return *json_out != NULL ? PS_OK : ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
}

static const char *or_empty(const char *text)
{
    return text != NULL ? text : "";
}

static bool add_decision(void *user, const struct ps_decision_entry *entry)
{
    return append(user, json_pack("{s:I, s:s, s:o, s:o, s:o, s:o}", "at_unix_ms",
                                  (json_int_t)entry->at_unix_ms, "what",
                                  ps_decision_kind_name(entry->kind), "url",
                                  ps_json_text(or_empty(entry->url)), "policy",
                                  ps_json_text(or_empty(entry->policy)), "where",
                                  ps_json_text(or_empty(entry->where)), "reason",
                                  ps_json_text(or_empty(entry->reason))));
}

enum ps_code ps_admin_decisions(const struct ps_admin_context *context, json_t **json_out,
                                struct ps_err *err)
{
    struct list list = { .json = json_array(), .max = DECISIONS_MAX };
    enum ps_code code = PS_OK;

    if (context->state != NULL && list.json != NULL) {
        code = ps_decision_each(context->state, 0, true, add_decision, &list, err);
    }
    if (code != PS_OK) {
        json_decref(list.json);
        return code;
    }
    *json_out = json_pack("{s:o}", "decisions", list.json);
    return *json_out != NULL ? PS_OK : ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
}

/* --- changes --- */

struct ps_admin_change {
    struct ps_job job;
    struct ps_state *state;
    enum ps_admin_verb verb;
    char *url;
    char *why;
    int64_t now_unix_s;
    void (*done)(void *user, const struct ps_err *err); /* NULL = abandoned */
    void *user;
};

bool ps_admin_verb_parse(const char *text, enum ps_admin_verb *verb_out)
{
    static const char *const names[] = {
        [PS_ADMIN_HOLD] = "hold",
        [PS_ADMIN_RELEASE] = "release",
        [PS_ADMIN_CANCEL] = "cancel",
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(names[i], text) == 0) {
            *verb_out = (enum ps_admin_verb)i;
            return true;
        }
    }
    return false;
}

static void change_free(struct ps_admin_change *change)
{
    free(change->url);
    free(change->why);
    free(change);
}

static enum ps_code hold(struct ps_admin_change *change, struct ps_err *err)
{
    const struct ps_hold hold = {
        .url = change->url,
        .since_unix_s = change->now_unix_s,
        .why = change->why,
    };
    uint64_t deleting_count = 0;
    enum ps_code code = ps_hold_set(change->state, &hold, &deleting_count, err);

    if (code == PS_OK && deleting_count > 0) {
        code = ps_err_set(err, PS_E_PARTIAL, "%s: held, but some are being deleted at this moment",
                          change->url);
    }
    return code;
}

static enum ps_code release(struct ps_admin_change *change, struct ps_err *err)
{
    bool found = false;
    enum ps_code code =
        ps_hold_release(change->state, change->url, change->now_unix_s, &found, err);

    return code != PS_OK || found
               ? code
               : ps_err_set(err, PS_E_NOT_FOUND, "%s: is not on hold", change->url);
}

static enum ps_code cancel(struct ps_admin_change *change, struct ps_err *err)
{
    uint64_t count = 0;
    enum ps_code code =
        ps_reclaim_cancel(change->state, change->url, change->why, change->now_unix_s, &count, err);

    return code != PS_OK || count > 0
               ? code
               : ps_err_set(err, PS_E_NOT_FOUND, "%s: nothing is planned for it", change->url);
}

static void run_change(struct ps_job *job)
{
    struct ps_admin_change *change = job->user;

    switch (change->verb) {
    case PS_ADMIN_HOLD:
        job->code = hold(change, &job->err);
        break;
    case PS_ADMIN_RELEASE:
        job->code = release(change, &job->err);
        break;
    case PS_ADMIN_CANCEL:
        job->code = cancel(change, &job->err);
        break;
    }
}

static void on_changed(struct ps_job *job)
{
    struct ps_admin_change *change = job->user;

    if (change->done != NULL) {
        change->done(change->user, job->code != PS_OK ? &job->err : NULL);
    }
    change_free(change);
}

enum ps_code ps_admin_change_start(struct ps_admin_change **change_out, uv_loop_t *loop,
                                   const struct ps_admin_context *context, enum ps_admin_verb verb,
                                   const char *url, const char *who,
                                   void (*done)(void *user, const struct ps_err *err), void *user,
                                   struct ps_err *err)
{
    struct ps_admin_change *change;

    if (url == NULL || strstr(url, "://") == NULL) {
        return ps_err_set(err, PS_E_INVALID, "url=: write s3://BUCKET/KEY");
    }
    change = calloc(1, sizeof(*change));
    if (change == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    change->state = context->state;
    change->verb = verb;
    change->url = ps_strdup(url);
    change->why = ps_str_format("by %s", who);
    change->now_unix_s = ps_clock_unix_ms(context->clock) / 1000;
    change->done = done;
    change->user = user;
    if (change->url == NULL || change->why == NULL) {
        change_free(change);
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    ps_job_start(&change->job, loop, change, run_change, on_changed);
    *change_out = change;
    return PS_OK;
}

void ps_admin_change_abandon(struct ps_admin_change *change)
{
    if (change != NULL) {
        change->done = NULL;
    }
}
