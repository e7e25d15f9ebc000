#include "serve/admin_change.h"

#include "base/str.h"
#include "reclaim/orphans.h"
#include "serve/admin_list.h"
#include "serve/json_text.h"
#include "state/pending_reclaim.h"
#include "transfer/job.h"

#include <stdlib.h>
#include <string.h>

struct ps_admin_change {
    struct ps_admin_change_options
        options; /* context and done NULL = abandoned: they may be gone */
    struct ps_job job;
    struct ps_state *state;
    char *url;
    char *why;
    char digest[17]; /* plan: of the policies in force when it began */
    uint64_t count;
};

bool ps_admin_verb_parse(const char *text, enum ps_admin_verb *verb_out)
{
    static const char *const names[] = {
        [PS_ADMIN_HOLD] = "hold", [PS_ADMIN_RELEASE] = "release", [PS_ADMIN_CANCEL] = "cancel",
        [PS_ADMIN_PLAN] = "plan", [PS_ADMIN_ABORT] = "abort",
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(names[i], text) == 0) {
            *verb_out = (enum ps_admin_verb)i;
            return true;
        }
    }
    return false;
}

/* Text is borrowed from target. */
static enum ps_code parse(struct ps_admin_change_options *options, const struct ps_target *target,
                          struct ps_err *err)
{
    const char *why = ps_target_arg(target, "why");
    int64_t number = 0;
    enum ps_code code = ps_admin_arg_number(target, "until_unix_s", &options->until_unix_s, err);

    if (code == PS_OK) {
        code = ps_admin_arg_number(target, "now_unix_s", &options->now_unix_s, err);
    }
    if (code == PS_OK) {
        code = ps_admin_arg_number(target, "id", &number, err);
    }
    options->url = ps_target_arg(target, "url");
    options->why = why != NULL ? why : options->why;
    options->upload_number = (uint64_t)number;
    return code;
}

static void change_free(struct ps_admin_change *change)
{
    free(change->url);
    free(change->why);
    free(change);
}

/* --- one verb each, on a worker --- */

static enum ps_code hold(struct ps_admin_change *change, struct ps_err *err)
{
    const struct ps_hold hold = {
        .url = change->url,
        .since_unix_s = change->options.now_unix_s,
        .until_unix_s = change->options.until_unix_s,
        .why = change->why,
    };
    uint64_t deleting_count = 0;
    enum ps_code code = ps_hold_set(change->state, &hold, &deleting_count, err);

    change->count = 1;
    if (code == PS_OK && deleting_count > 0) {
        code = ps_err_set(err, PS_E_PARTIAL, "%s: held, but %llu are being deleted at this moment",
                          change->url, (unsigned long long)deleting_count);
    }
    return code;
}

static enum ps_code release(struct ps_admin_change *change, struct ps_err *err)
{
    bool found = false;
    enum ps_code code = ps_hold_release(change->state, change->url, change->options.now_unix_s,
                                        &found, &change->count, err);

    return code != PS_OK || found
               ? code
               : ps_err_set(err, PS_E_NOT_FOUND, "%s: is not on hold: see purser reclaims holds",
                            change->url);
}

static enum ps_code cancel(struct ps_admin_change *change, struct ps_err *err)
{
    enum ps_code code = ps_reclaim_cancel(change->state, change->url, change->why,
                                          change->options.now_unix_s, &change->count, err);

    return code != PS_OK || change->count > 0
               ? code
               : ps_err_set(err, PS_E_NOT_FOUND, "%s: nothing is planned for it", change->url);
}

/* Policies that changed queue all by themselves; the same ones are asked because somebody wants it. */
static enum ps_code plan(struct ps_admin_change *change, struct ps_err *err)
{
    enum ps_policies_change policies = PS_POLICIES_SAME;
    enum ps_code code =
        ps_reclaim_take_policies(change->state, change->digest, &policies, &change->count, err);

    return code == PS_OK && change->count == 0
               ? ps_reclaim_queue_all(change->state, &change->count, err)
               : code;
}

static void run_change(struct ps_job *job)
{
    struct ps_admin_change *change = job->user;

    switch (change->options.verb) {
    case PS_ADMIN_HOLD:
        job->code = hold(change, &job->err);
        break;
    case PS_ADMIN_RELEASE:
        job->code = release(change, &job->err);
        break;
    case PS_ADMIN_CANCEL:
        job->code = cancel(change, &job->err);
        break;
    case PS_ADMIN_PLAN:
        job->code = plan(change, &job->err);
        break;
    case PS_ADMIN_ABORT: /* by orphans.h */
        break;
    }
}

/* --- the end --- */

static void end(struct ps_admin_change *change, const struct ps_err *failure)
{
    const struct ps_admin_change_options *options = &change->options;
    json_t *answer = failure == NULL
                         ? json_pack("{s:I, s:o}", "count", (json_int_t)change->count, "url",
                                     ps_json_text(change->url != NULL ? change->url : ""))
                         : NULL;
    struct ps_err err;

    if (failure == NULL && answer == NULL) {
        (void)ps_err_set(&err, PS_E_NO_MEMORY, "it is done, but memory is out");
        failure = &err;
    }
    if (options->done != NULL) {
        options->done(options->user, answer, failure);
    }
    json_decref(answer);
    change_free(change);
}

static void on_changed(struct ps_job *job)
{
    struct ps_admin_change *change = job->user;
    const struct ps_admin_context *context = change->options.context;

    if (job->code == PS_OK && change->options.verb == PS_ADMIN_PLAN && context != NULL &&
        context->queued != NULL) {
        context->queued(context->user);
    }
    end(change, job->code != PS_OK ? &job->err : NULL);
}

static void on_aborted(void *user, const char *url)
{
    struct ps_admin_change *change = user;

    free(change->url);
    change->url = ps_strdup(url);
}

static void on_abort_ended(void *user, uint64_t aborted_count, const struct ps_err *err)
{
    struct ps_admin_change *change = user;

    change->count = aborted_count;
    end(change, err);
}

/* --- the start --- */

static enum ps_code start_abort(struct ps_admin_change *change, struct ps_err *err)
{
    const struct ps_admin_context *context = change->options.context;
    const struct ps_orphans_options options = {
        .loop = change->options.loop,
        .state = change->state,
        .opener = context->opener,
        .upload_number = change->options.upload_number,
        .on_aborted = on_aborted,
        .on_done = on_abort_ended,
        .user = change,
    };
    struct ps_orphans *orphans = NULL;

    if (options.upload_number == 0) {
        return ps_err_set(err, PS_E_INVALID, "id=: write the id of an upload");
    }
    return ps_orphans_start(&orphans, &options, err);
}

static enum ps_code check(const struct ps_admin_change_options *options, struct ps_err *err)
{
    bool of_url = options->verb != PS_ADMIN_PLAN && options->verb != PS_ADMIN_ABORT;

    if (of_url && (options->url == NULL || strstr(options->url, "://") == NULL)) {
        return ps_err_set(err, PS_E_INVALID,
                          "'%.128s' is no URL: write s3://BUCKET/KEY, a '/' at the end means all "
                          "below",
                          options->url != NULL ? options->url : "");
    }
    return PS_OK;
}

enum ps_code ps_admin_change_start(struct ps_admin_change **change_out,
                                   const struct ps_admin_change_options *options,
                                   struct ps_err *err)
{
    struct ps_admin_change *change;
    enum ps_code code = check(options, err);

    if (code != PS_OK) {
        return code;
    }
    change = calloc(1, sizeof(*change));
    if (change == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    change->options = *options;
    change->state = options->context->state;
    change->url = ps_strdup(options->url != NULL ? options->url : "");
    change->why = ps_strdup(options->why != NULL ? options->why : "");
    ps_str_copy(change->digest, sizeof(change->digest), options->context->policy_digest);
    if (options->now_unix_s == 0) {
        change->options.now_unix_s = ps_clock_unix_ms(options->context->clock) / 1000;
    }
    if (change->url == NULL || change->why == NULL) {
        code = ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    } else if (options->until_unix_s != 0 && options->until_unix_s <= change->options.now_unix_s) {
        code = ps_err_set(err, PS_E_INVALID, "%s: the end of the hold is in the past", change->url);
    } else if (options->verb == PS_ADMIN_ABORT) {
        code = start_abort(change, err);
    } else {
        ps_job_start(&change->job, options->loop, change, run_change, on_changed);
    }
    if (code != PS_OK) {
        change_free(change);
        return code;
    }
    *change_out = change;
    return PS_OK;
}

enum ps_code ps_admin_change_ask(struct ps_admin_change **change_out,
                                 const struct ps_admin_change_options *options,
                                 const struct ps_admin_route *route, const struct ps_target *target,
                                 struct ps_err *err)
{
    struct ps_admin_change_options own = *options;
    enum ps_code code = ps_admin_route_check(route, target, err);

    if (code == PS_OK && !ps_admin_verb_parse(route->path + strlen("/v1/"), &own.verb)) {
        code = ps_err_set(err, PS_E_BUG, "%s: is no verb", route->path);
    }
    if (code == PS_OK) {
        code = parse(&own, target, err);
    }
    return code == PS_OK ? ps_admin_change_start(change_out, &own, err) : code;
}

void ps_admin_change_abandon(struct ps_admin_change *change)
{
    if (change != NULL) {
        change->options.done = NULL;
        change->options.context = NULL;
    }
}
