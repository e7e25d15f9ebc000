#include "serve/admin_reclaims.h"

#include "serve/admin_list.h"
#include "serve/json_text.h"
#include "state/decision_log.h"
#include "state/pending_reclaim.h"

#include <inttypes.h>
#include <stdio.h>

/** Records looked at for one answer, in some milliseconds. Lower: more questions for a prefix that few have. Higher: the
 * loop stands still for longer. */
#define ROWS_MAX 5000

/* --- reclaims --- */

static json_t *workflow_name(const struct ps_workflow *workflow)
{
    return workflow != NULL ? json_sprintf("%s/%s", workflow->ns, workflow->name) : json_null();
}

static json_t *reclaim_json(const struct ps_reclaim_row *row)
{
    const struct ps_artifact *artifact = row->artifact;
    const struct ps_reclaim *reclaim = row->reclaim;
    const struct ps_hold *hold = row->hold;

    return json_pack(
        "{s:o, s:s, s:s, s:s, s:o, s:I, s:o, s:o, s:o, s:s, s:o, s:o, s:b, s:o, s:o, s:o}", "url",
        ps_json_text(artifact->url), "state", ps_reclaim_state_name(reclaim->state), "action",
        reclaim->what == PS_RECLAIM_ARCHIVE ? "archive" : "delete", "event",
        ps_reclaim_event_name(reclaim->event), "due", ps_json_time(reclaim->due_unix_s * 1000),
        "due_unix_s", (json_int_t)reclaim->due_unix_s, "policy", ps_json_text(reclaim->policy),
        "where", ps_json_text(reclaim->where), "reason", ps_json_text(reclaim->reason), "digest",
        reclaim->digest, "workflow", workflow_name(row->workflow), "size_bytes",
        artifact->has_size ? json_integer((json_int_t)artifact->size_bytes) : json_null(), "held",
        (int)(hold != NULL), "hold_url", hold != NULL ? ps_json_text(hold->url) : json_null(),
        "hold_why", hold != NULL ? ps_json_text(hold->why) : json_null(), "hold_until",
        hold != NULL ? ps_json_time(hold->until_unix_s * 1000) : json_null());
}

static bool add_reclaim(void *user, const struct ps_reclaim_row *row)
{
    return ps_admin_list_push(user, reclaim_json(row));
}

static enum ps_code parse_query(const struct ps_admin_context *context,
                                const struct ps_target *target, struct ps_reclaim_query *query,
                                struct ps_err *err)
{
    uint64_t after_due = 0;
    enum ps_code code = ps_admin_now(context, target, &query->now_unix_s, err);

    query->due_max_unix_s = INT64_MAX;
    query->row_count_max = ROWS_MAX;
    query->prefix = ps_target_arg(target, "prefix");
    if (code == PS_OK) {
        code = ps_admin_arg_number(target, "due_max_unix_s", &query->due_max_unix_s, err);
    }
    if (code == PS_OK) {
        code = ps_admin_arg_after(target, &after_due, &query->after_number, err);
        query->after_due_unix_s = (int64_t)after_due;
    }
    return code;
}

enum ps_code ps_admin_reclaims(const struct ps_admin_context *context,
                               const struct ps_target *target, json_t **json_out,
                               struct ps_err *err)
{
    struct ps_reclaim_query query = { .prefix = NULL };
    struct ps_admin_list list = { .items = NULL };
    bool more = false;
    char next[64];
    enum ps_code code = parse_query(context, target, &query, err);

    if (code == PS_OK) {
        code = ps_admin_list_init(&list, target, err);
    }
    if (code == PS_OK && context->state != NULL) {
        code = ps_reclaim_each(context->state, &query, add_reclaim, &list, &more, err);
    }
    if (code != PS_OK) {
        ps_admin_list_clear(&list);
        return code;
    }
    (void)snprintf(next, sizeof(next), "%" PRIu64 "-%" PRIu64, (uint64_t)query.after_due_unix_s,
                   query.after_number);
    return ps_admin_list_finish(&list, "reclaims", more ? next : NULL, json_out, err);
}

/* --- holds --- */

static bool add_hold(void *user, const struct ps_hold *hold)
{
    return ps_admin_list_passes(user) ||
           ps_admin_list_push(
               user, json_pack("{s:o, s:o, s:o, s:I, s:o}", "url", ps_json_text(hold->url), "since",
                               ps_json_time(hold->since_unix_s * 1000), "until",
                               ps_json_time(hold->until_unix_s * 1000), "until_unix_s",
                               (json_int_t)hold->until_unix_s, "why", ps_json_text(hold->why)));
}

enum ps_code ps_admin_holds(const struct ps_admin_context *context, const struct ps_target *target,
                            json_t **json_out, struct ps_err *err)
{
    struct ps_admin_list list = { .items = NULL };
    enum ps_code code = ps_admin_list_init_at(&list, target, err);

    if (code == PS_OK && context->state != NULL) {
        code = ps_hold_each(context->state, add_hold, &list, err);
    }
    if (code != PS_OK) {
        ps_admin_list_clear(&list);
        return code;
    }
    return ps_admin_list_finish_at(&list, "holds", json_out, err);
}

/* --- decisions --- */

static json_t *text_or_empty(const char *text)
{
    return ps_json_text(text != NULL ? text : "");
}

json_t *ps_admin_decision_json(const struct ps_decision_entry *entry)
{
    return json_pack("{s:o, s:I, s:s, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:b}", "at",
                     ps_json_time(entry->at_unix_ms), "at_unix_ms", (json_int_t)entry->at_unix_ms,
                     "what", ps_decision_kind_name(entry->kind), "url", text_or_empty(entry->url),
                     "event", entry->event != 0 ? ps_reclaim_event_name(entry->event) : "", "due",
                     ps_json_time(entry->due_unix_s * 1000), "policy", text_or_empty(entry->policy),
                     "where", text_or_empty(entry->where), "reason", text_or_empty(entry->reason),
                     "digest", text_or_empty(entry->digest), "delete_marker",
                     (int)entry->delete_marker);
}

static bool add_decision(void *user, const struct ps_decision_entry *entry)
{
    return ps_admin_list_push(user, ps_admin_decision_json(entry));
}

enum ps_code ps_admin_decisions(const struct ps_admin_context *context,
                                const struct ps_target *target, json_t **json_out,
                                struct ps_err *err)
{
    struct ps_decision_query query = { .newest_first = true };
    struct ps_admin_list list = { .items = NULL };
    uint64_t before_ms = 0;
    bool more = false;
    char next[64];
    enum ps_code code = ps_admin_arg_number(target, "since_unix_ms", &query.since_unix_ms, err);

    if (code == PS_OK) {
        code = ps_admin_arg_after(target, &before_ms, &query.before_sequence, err);
        query.before_unix_ms = (int64_t)before_ms;
    }
    if (code == PS_OK) {
        code = ps_admin_list_init(&list, target, err);
    }
    if (code == PS_OK && context->state != NULL) {
        code = ps_decision_each(context->state, &query, add_decision, &list, &more, err);
    }
    if (code != PS_OK) {
        ps_admin_list_clear(&list);
        return code;
    }
    (void)snprintf(next, sizeof(next), "%" PRIu64 "-%" PRIu64, (uint64_t)query.before_unix_ms,
                   query.before_sequence);
    return ps_admin_list_finish(&list, "decisions", more ? next : NULL, json_out, err);
}
