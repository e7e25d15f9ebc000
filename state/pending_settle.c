#include "state/pending_reclaim.h"

#include "base/str.h"
#include "state/artifact_value.h"
#include "state/decision_log.h"
#include "state/field.h"
#include "state/reclaim_internal.h"
#include "state/workflow_internal.h"

#include <string.h>

/* What became of items, written in one transaction with the log and the queue's progress. */

struct settle {
    struct ps_reclaim_batch *batch;
    int64_t now_unix_s;
};

/* The records as they are now, beside those of the item. */
struct now {
    struct ps_artifact artifact; /* of the item: the same bytes */
    struct ps_reclaim reclaim;
    bool has_reclaim;
};

/* --- has anything changed since the item was read? --- */

static bool equals(const MDB_val *value, const void *data, size_t size_bytes)
{
    return value->mv_data != NULL ? data != NULL && value->mv_size == size_bytes &&
                                        memcmp(value->mv_data, data, size_bytes) == 0
                                  : data == NULL;
}

/* Our own MARK changed the state and nothing else. */
static bool is_marked(const struct now *now, const struct ps_reclaim_item *item)
{
    struct ps_reclaim was;

    return now->has_reclaim && now->reclaim.state == PS_RECLAIM_DELETING &&
           ps_reclaim_item_reclaim(item, &was) && was.due_unix_s == now->reclaim.due_unix_s &&
           was.decided_unix_s == now->reclaim.decided_unix_s;
}

static enum ps_code look(struct ps_txn *txn, const struct ps_reclaim_item *item, struct now *now,
                         bool *same_out)
{
    struct ps_key key;
    MDB_val artifact;
    MDB_val reclaim = { 0 };
    enum ps_code code;

    *same_out = false;
    ps_key_from_u64(&key, item->number);
    code = ps_txn_get(txn, PS_DB_ARTIFACTS, &key, &artifact);
    if (code == PS_OK) {
        code = ps_txn_get(txn, PS_DB_RECLAIMS, &key, &reclaim);
    }
    if (code != PS_OK || !equals(&artifact, item->artifact, item->artifact_size_bytes) ||
        !ps_reclaim_item_artifact(item, &now->artifact)) {
        return code;
    }
    now->has_reclaim = reclaim.mv_data != NULL;
    if (now->has_reclaim &&
        ps_reclaim_decode(reclaim.mv_data, reclaim.mv_size, &now->reclaim, NULL) != PS_OK) {
        return PS_OK; /* damaged: it is left */
    }
    *same_out = equals(&reclaim, item->reclaim, item->reclaim_size_bytes) || is_marked(now, item);
    return PS_OK;
}

/* --- the log --- */

static enum ps_code log_item(struct ps_txn *txn, const struct settle *settle,
                             const struct ps_reclaim_item *item, const struct now *now,
                             enum ps_decision_kind kind, int64_t due_unix_s)
{
    /* What was done needs none: the decision before it has them. */
    bool has_facts = item->has_decision && (kind == PS_LOGGED_PLANNED || kind == PS_LOGGED_KEPT);
    const struct ps_decision_entry entry = {
        .at_unix_ms = settle->now_unix_s * 1000,
        .kind = kind,
        .number = item->number,
        .event = item->event,
        .what = item->next_what,
        .due_unix_s = due_unix_s,
        .delete_marker = item->delete_marker,
        .url = now->artifact.url,
        .has_size = now->artifact.has_size,
        .size_bytes = now->artifact.size_bytes,
        .policy = item->words.policy,
        .where = item->words.where,
        .reason = item->words.reason,
        .digest = item->words.digest,
        .artifact = has_facts ? item->artifact : NULL,
        .artifact_size_bytes = item->artifact_size_bytes,
        .workflow = has_facts ? item->workflow : NULL,
        .workflow_size_bytes = item->workflow_size_bytes,
    };

    return ps_txn_log(txn, &entry);
}

/* --- outcomes --- */

static struct ps_reclaim of_words(const struct ps_reclaim_item *item, enum ps_reclaim_state state,
                                  int64_t now_unix_s)
{
    struct ps_reclaim next = {
        .state = state,
        .what = item->next_what != 0 ? item->next_what : PS_RECLAIM_DELETE,
        .event = item->event,
        .due_unix_s = item->next_due_unix_s > 0 ? item->next_due_unix_s : 0,
        .decided_unix_s = now_unix_s,
        .storage_class = item->words.storage_class,
        .policy = item->words.policy,
        .where = item->words.where,
        .reason = item->words.reason,
    };

    /* As it is written: the key of reclaims_due must say the same. */
    next.due_unix_s = next.due_unix_s < PS_FIELD_TIME_MAX ? next.due_unix_s : PS_FIELD_TIME_MAX;
    ps_str_copy(next.digest, sizeof(next.digest), item->words.digest);
    return next;
}

static bool is_same_decision(const struct ps_reclaim *a, const struct ps_reclaim *b)
{
    return a->state == b->state && a->what == b->what && a->event == b->event &&
           a->by_hold == b->by_hold && a->due_unix_s == b->due_unix_s &&
           strcmp(a->storage_class, b->storage_class) == 0 && strcmp(a->where, b->where) == 0 &&
           strcmp(a->reason, b->reason) == 0 && strcmp(a->digest, b->digest) == 0;
}

static enum ps_code put(struct ps_txn *txn, const struct settle *settle,
                        const struct ps_reclaim_item *item, const struct now *now,
                        const struct ps_reclaim *next, enum ps_decision_kind kind)
{
    enum ps_code code;

    if (now->has_reclaim && is_same_decision(&now->reclaim, next)) {
        return PS_OK;
    }
    code = log_item(txn, settle, item, now, kind, next->due_unix_s);
    return code == PS_OK ? ps_txn_put_reclaim(txn, item->number, next,
                                              now->has_reclaim ? &now->reclaim : NULL)
                         : code;
}

static enum ps_code do_plan(struct ps_txn *txn, const struct settle *settle,
                            const struct ps_reclaim_item *item, const struct now *now)
{
    const struct ps_reclaim next = of_words(item, PS_RECLAIM_PENDING, settle->now_unix_s);

    if (now->has_reclaim && now->reclaim.state == PS_RECLAIM_DELETING) {
        return PS_OK;
    }
    return put(txn, settle, item, now, &next, PS_LOGGED_PLANNED);
}

static enum ps_code do_keep(struct ps_txn *txn, const struct settle *settle,
                            const struct ps_reclaim_item *item, const struct now *now,
                            enum ps_decision_kind kind)
{
    struct ps_reclaim next = of_words(item, PS_RECLAIM_KEPT, settle->now_unix_s);

    next.due_unix_s = 0;
    next.by_hold = item->held && item->hold_until_unix_s == 0;
    return put(txn, settle, item, now, &next, kind);
}

/* The decision stays as it was; the reason of the delay is in the log. */
static enum ps_code do_postpone(struct ps_txn *txn, const struct settle *settle,
                                const struct ps_reclaim_item *item, const struct now *now)
{
    struct ps_reclaim next = now->reclaim;
    enum ps_code code;

    if (!now->has_reclaim) {
        return PS_OK;
    }
    next.state = PS_RECLAIM_PENDING;
    next.due_unix_s =
        item->next_due_unix_s < PS_FIELD_TIME_MAX ? item->next_due_unix_s : PS_FIELD_TIME_MAX;
    next.failure_count += item->held ? 0 : 1;
    code = log_item(txn, settle, item, now, PS_LOGGED_POSTPONED, next.due_unix_s);
    return code == PS_OK ? ps_txn_put_reclaim(txn, item->number, &next, &now->reclaim) : code;
}

struct claims {
    uint64_t number;
    bool others;
};

static enum ps_code note_other(struct ps_txn *txn, void *user, uint64_t number,
                               const struct ps_artifact *artifact)
{
    struct claims *claims = user;

    (void)txn;
    (void)artifact;
    claims->others = claims->others || number != claims->number;
    return PS_OK;
}

static enum ps_code do_mark(struct ps_txn *txn, const struct settle *settle,
                            struct ps_reclaim_item *item, const struct now *now)
{
    struct claims claims = { .number = item->number };
    struct ps_reclaim next = now->reclaim;
    struct ps_hold hold;
    bool held = true;
    enum ps_code code = ps_txn_find_hold(txn, now->artifact.url, settle->now_unix_s, &held, &hold);

    if (code == PS_OK) {
        code = ps_txn_each_of_url(txn, now->artifact.url, note_other, &claims);
    }
    if (code != PS_OK || held || claims.others || !now->has_reclaim ||
        now->reclaim.state == PS_RECLAIM_KEPT) {
        item->changed = true;
        return code;
    }
    next.state = PS_RECLAIM_DELETING;
    return ps_txn_put_reclaim(txn, item->number, &next, &now->reclaim);
}

static enum ps_code do_remove(struct ps_txn *txn, const struct settle *settle,
                              const struct ps_reclaim_item *item, const struct now *now,
                              enum ps_decision_kind kind)
{
    enum ps_code code = log_item(txn, settle, item, now, kind, 0);

    return code == PS_OK ? ps_txn_remove_artifact(txn, item->number, &now->artifact) : code;
}

/* Two claims that are due at once both see the other: only the first may end for it. */
static enum ps_code do_drop(struct ps_txn *txn, const struct settle *settle,
                            struct ps_reclaim_item *item, const struct now *now)
{
    struct claims claims = { .number = item->number };
    enum ps_code code = ps_txn_each_of_url(txn, now->artifact.url, note_other, &claims);

    if (code != PS_OK || !claims.others) {
        item->changed = true;
        return code;
    }
    return do_remove(txn, settle, item, now, PS_LOGGED_DROPPED);
}

static enum ps_code do_archived(struct ps_txn *txn, const struct settle *settle,
                                const struct ps_reclaim_item *item, const struct now *now)
{
    struct ps_artifact fresh = now->artifact;
    struct ps_buf buf;
    struct ps_key key;
    enum ps_code code;

    fresh.storage_class = item->words.storage_class;
    fresh.etag = item->new_etag;
    fresh.recorded_unix_s = settle->now_unix_s; /* a copy is written now */
    ps_buf_init(&buf, 0);
    ps_key_from_u64(&key, item->number);
    code = ps_artifact_encode(&fresh, &buf, txn->err);
    if (code == PS_OK) {
        code = ps_txn_put(txn, PS_DB_ARTIFACTS, &key, &buf);
    }
    ps_buf_clear(&buf);
    return code == PS_OK ? do_keep(txn, settle, item, now, PS_LOGGED_ARCHIVED) : code;
}

static enum ps_code apply(struct ps_txn *txn, const struct settle *settle,
                          struct ps_reclaim_item *item, const struct now *now)
{
    switch (item->outcome) {
    case PS_OUTCOME_NONE:
        return PS_OK;
    case PS_OUTCOME_PLAN:
        return do_plan(txn, settle, item, now);
    case PS_OUTCOME_KEEP:
        return do_keep(txn, settle, item, now, PS_LOGGED_KEPT);
    case PS_OUTCOME_POSTPONE:
        return do_postpone(txn, settle, item, now);
    case PS_OUTCOME_MARK:
        return do_mark(txn, settle, item, now);
    case PS_OUTCOME_DELETED:
        return do_remove(txn, settle, item, now, PS_LOGGED_DELETED);
    case PS_OUTCOME_GONE:
        return do_remove(txn, settle, item, now, PS_LOGGED_GONE);
    case PS_OUTCOME_DROP:
        return do_drop(txn, settle, item, now);
    case PS_OUTCOME_ARCHIVED:
        return do_archived(txn, settle, item, now);
    }
    return PS_OK;
}

static enum ps_code settle_one(struct ps_txn *txn, const struct settle *settle,
                               struct ps_reclaim_item *item)
{
    struct now now;
    bool same = false;
    enum ps_code code;

    item->changed = false; /* the body may run again */
    if (item->outcome == PS_OUTCOME_NONE) {
        return PS_OK;
    }
    code = look(txn, item, &now, &same);
    if (code != PS_OK) {
        return code;
    }
    item->changed = !same;
    return same ? apply(txn, settle, item, &now) : PS_OK;
}

static bool uses_newer(const struct ps_reclaim_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->items[i].used_newer) {
            return true;
        }
    }
    return false;
}

static enum ps_code advance(struct ps_txn *txn, const struct ps_queue_row *row, bool used_newer)
{
    enum ps_code code = ps_queue_advance(txn, row);

    if (code != PS_OK || row->kind != PS_QUEUE_WORKFLOW || row->next_number != 0) {
        return code;
    }
    if (used_newer && row->event == PS_EVENT_COMPLETED) {
        code = ps_txn_queue_older(txn, row->number);
    }
    return code == PS_OK ? ps_txn_tidy_workflow(txn, row->number) : code;
}

static enum ps_code settle_body(struct ps_txn *txn, void *user)
{
    const struct settle *settle = user;
    const struct ps_queue_row *rows = settle->batch->queue;
    bool used_newer = uses_newer(settle->batch);
    enum ps_code code = PS_OK;

    for (size_t i = 0; i < settle->batch->count && code == PS_OK; i++) {
        code = settle_one(txn, settle, &settle->batch->items[i]);
    }
    for (size_t i = 0; i < settle->batch->queue_count && code == PS_OK; i++) {
        code = advance(txn, &rows[i], used_newer);
    }
    return code;
}

enum ps_code ps_reclaim_settle(struct ps_state *state, struct ps_reclaim_batch *batch,
                               int64_t now_unix_s, struct ps_err *err)
{
    struct settle settle = { batch, now_unix_s };
    enum ps_code code = ps_state_write(state, settle_body, &settle, err);

    for (size_t i = 0; i < batch->count && code == PS_OK; i++) {
        if (batch->items[i].changed) {
            batch->items[i].outcome = PS_OUTCOME_NONE;
        }
    }
    return code;
}
