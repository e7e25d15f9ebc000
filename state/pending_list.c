#include "state/pending_reclaim.h"

#include "base/str.h"
#include "state/artifact_value.h"
#include "state/decision_log.h"
#include "state/field.h"
#include "state/reclaim_internal.h"
#include "state/record.h"
#include "state/workflow_internal.h"

#include <string.h>

/* --- counting --- */

struct count {
    int64_t now_unix_s;
    struct ps_reclaim_counts counts;
};

static enum ps_code count_due(struct ps_txn *txn, void *user, const MDB_val *key,
                              const MDB_val *none)
{
    struct count *count = user;

    (void)txn;
    (void)none;
    if ((int64_t)ps_key_number_at(key, 0) > count->now_unix_s) {
        return PS_E_CANCELLED;
    }
    count->counts.due_count++;
    return PS_OK;
}

static enum ps_code entries_of(struct ps_txn *txn, enum ps_state_db db, uint64_t *count_out)
{
    MDB_stat stat;
    int rc = mdb_stat(txn->mdb, txn->state->dbs[db], &stat);

    if (rc != 0) {
        return ps_txn_fail(txn, rc, "count");
    }
    *count_out = stat.ms_entries;
    return PS_OK;
}

static enum ps_code count_body(struct ps_txn *txn, void *user)
{
    static const struct ps_key first = { 0 };
    struct count *count = user;
    enum ps_code code;

    count->counts = (struct ps_reclaim_counts){ 0 };
    code = entries_of(txn, PS_DB_RECLAIMS_DUE, &count->counts.pending_count);
    if (code == PS_OK) {
        code = entries_of(txn, PS_DB_ARTIFACTS, &count->counts.known_count);
    }
    if (code == PS_OK) {
        code = entries_of(txn, PS_DB_PLAN_QUEUE, &count->counts.queued_count);
    }
    return code == PS_OK ? ps_txn_walk(txn, PS_DB_RECLAIMS_DUE, &first, 0, count_due, count) : code;
}

enum ps_code ps_reclaim_count(struct ps_state *state, int64_t now_unix_s,
                              struct ps_reclaim_counts *counts_out, struct ps_err *err)
{
    struct count count = { .now_unix_s = now_unix_s };
    enum ps_code code = ps_state_read(state, count_body, &count, err);

    if (code == PS_OK) {
        *counts_out = count.counts;
    }
    return code;
}

/* --- listing --- */

struct each {
    struct ps_reclaim_query *query;
    ps_reclaim_each_fn each;
    void *user;
    uint64_t row_count;
    bool stopped; /* not at the end */
};

static bool row_read(struct ps_txn *txn, uint64_t number, const char *prefix,
                     struct ps_artifact *artifact, struct ps_reclaim *reclaim)
{
    struct ps_key at;
    MDB_val value;
    bool found = false;

    ps_key_from_u64(&at, number);
    return ps_txn_get(txn, PS_DB_ARTIFACTS, &at, &value) == PS_OK && value.mv_data != NULL &&
           ps_artifact_decode(value.mv_data, value.mv_size, artifact, NULL) == PS_OK &&
           (prefix == NULL || ps_str_has_prefix(artifact->url, prefix)) &&
           ps_txn_get_reclaim(txn, number, &found, reclaim) == PS_OK && found;
}

/* Damaged records are passed over; each says whether it took the row. */
static bool tell(struct ps_txn *txn, const struct each *each, uint64_t number)
{
    struct ps_artifact artifact;
    struct ps_reclaim reclaim;
    struct ps_workflow workflow;
    struct ps_hold hold;
    struct ps_reclaim_row row = { .artifact = &artifact, .reclaim = &reclaim };
    bool found = false;

    if (!row_read(txn, number, each->query->prefix, &artifact, &reclaim)) {
        return true;
    }
    artifact.number = number;
    if (artifact.workflow_number != 0 &&
        ps_txn_get_workflow(txn, artifact.workflow_number, &found, &workflow) == PS_OK && found) {
        row.workflow = &workflow;
    }
    row.hold =
        ps_txn_look_for_hold(txn, artifact.url, each->query->now_unix_s, &hold) ? &hold : NULL;
    return each->each(each->user, &row);
}

static enum ps_code each_due(struct ps_txn *txn, void *user, const MDB_val *key,
                             const MDB_val *none)
{
    struct each *each = user;
    struct ps_reclaim_query *query = each->query;
    int64_t due_unix_s = (int64_t)ps_key_number_at(key, 0);
    uint64_t number = ps_key_number_at(key, 8);

    (void)none;
    if (due_unix_s > query->due_max_unix_s) {
        return PS_E_CANCELLED;
    }
    each->stopped = (query->row_count_max != 0 && each->row_count == query->row_count_max) ||
                    !tell(txn, each, number);
    if (each->stopped) {
        return PS_E_CANCELLED;
    }
    each->row_count++;
    query->after_due_unix_s = due_unix_s;
    query->after_number = number;
    return PS_OK;
}

static enum ps_code each_body(struct ps_txn *txn, void *user)
{
    const struct each *each = user;
    struct ps_key first = { 0 };

    if (each->query->after_number != 0) {
        ps_key_from_pair(&first, (uint64_t)each->query->after_due_unix_s,
                         each->query->after_number + 1);
    }
    return ps_txn_walk(txn, PS_DB_RECLAIMS_DUE, &first, 0, each_due, user);
}

enum ps_code ps_reclaim_each(struct ps_state *state, struct ps_reclaim_query *query,
                             ps_reclaim_each_fn each, void *user, bool *more_out,
                             struct ps_err *err)
{
    struct each own = { .query = query, .each = each, .user = user };
    enum ps_code code = ps_state_read(state, each_body, &own, err);

    if (code == PS_OK) {
        *more_out = own.stopped;
    }
    return code;
}

/* --- cancelling --- */

struct cancel {
    const char *url;
    const char *reason;
    int64_t now_unix_s;
    uint64_t count;
};

static enum ps_code cancel_one(struct ps_txn *txn, void *user, uint64_t number,
                               const struct ps_artifact *artifact)
{
    struct cancel *cancel = user;
    struct ps_reclaim reclaim;
    struct ps_reclaim kept;
    struct ps_workflow workflow;
    bool has_workflow = false;
    bool found = false;
    enum ps_code code = ps_txn_get_reclaim(txn, number, &found, &reclaim);
    const struct ps_decision_entry entry = {
        .at_unix_ms = cancel->now_unix_s * 1000,
        .kind = PS_LOGGED_KEPT,
        .number = number,
        .event = found ? reclaim.event : PS_EVENT_AGE,
        .url = artifact->url,
        .reason = cancel->reason,
    };

    if (code != PS_OK || !found || reclaim.state != PS_RECLAIM_PENDING) {
        return code;
    }
    if (artifact->workflow_number != 0) {
        code = ps_txn_get_workflow(txn, artifact->workflow_number, &has_workflow, &workflow);
    }
    if (code != PS_OK) {
        return code;
    }
    kept = (struct ps_reclaim){ .state = PS_RECLAIM_KEPT,
                                .what = reclaim.what,
                                .event = ps_reclaim_weightiest(artifact,
                                                               has_workflow ? &workflow : NULL),
                                .by_user = true,
                                .decided_unix_s = cancel->now_unix_s,
                                .reason = cancel->reason };
    cancel->count++;
    code = ps_txn_put_reclaim(txn, number, &kept, &reclaim);
    return code == PS_OK ? ps_txn_log(txn, &entry) : code;
}

static enum ps_code cancel_body(struct ps_txn *txn, void *user)
{
    struct cancel *cancel = user;

    cancel->count = 0;
    return ps_str_has_suffix(cancel->url, "/")
               ? ps_txn_each_below(txn, cancel->url, cancel_one, cancel)
               : ps_txn_each_of_url(txn, cancel->url, cancel_one, cancel);
}

enum ps_code ps_reclaim_cancel(struct ps_state *state, const char *url, const char *reason,
                               int64_t now_unix_s, uint64_t *count_out, struct ps_err *err)
{
    struct cancel cancel = { url, reason, now_unix_s, 0 };
    enum ps_code code = ps_state_write(state, cancel_body, &cancel, err);

    if (code == PS_OK) {
        *count_out = cancel.count;
    }
    return code;
}

/* --- one sweep at a time --- */

static enum ps_code write_owner(struct ps_txn *txn, const struct ps_owner *owner)
{
    struct ps_buf buf;
    struct ps_field_writer writer;
    struct ps_key key;
    enum ps_code code;

    ps_buf_init(&buf, 0);
    writer = ps_field_writer_begin(&buf, txn->err);
    ps_field_write_text(&writer, owner->boot_id);
    ps_field_write_number(&writer, (uint64_t)owner->pid, 8);
    ps_field_write_number(&writer, owner->start_ticks, 8);
    ps_key_from_text(&key, "sweeper", 0);
    code = writer.code == PS_OK ? ps_txn_put(txn, PS_DB_META, &key, &buf) : writer.code;
    ps_buf_clear(&buf);
    return code;
}

static enum ps_code read_owner(struct ps_txn *txn, bool *found_out, struct ps_owner *owner)
{
    struct ps_field_reader reader;
    struct ps_key key;
    MDB_val value;
    enum ps_code code;

    ps_key_from_text(&key, "sweeper", 0);
    code = ps_txn_get(txn, PS_DB_META, &key, &value);
    *found_out = code == PS_OK && value.mv_data != NULL;
    if (!*found_out) {
        return code;
    }
    code = ps_field_reader_begin(&reader, value.mv_data, value.mv_size, txn->err);
    if (code == PS_OK) {
        ps_str_copy(owner->boot_id, sizeof(owner->boot_id), ps_field_read_text(&reader));
        owner->pid = (int64_t)ps_field_read_number(&reader, 8);
        owner->start_ticks = ps_field_read_number(&reader, 8);
        code = ps_field_reader_end(&reader, "sweeper", txn->err);
    }
    return code;
}

static enum ps_code lock_body(struct ps_txn *txn, void *user)
{
    const struct ps_owner *self = user;
    struct ps_owner holder = { 0 };
    bool found = false;
    enum ps_code code = read_owner(txn, &found, &holder);

    if (code == PS_OK && found) {
        code = ps_owner_check_lock("a sweep", &holder, self, txn->err);
    }
    return code == PS_OK ? write_owner(txn, self) : code;
}

enum ps_code ps_reclaim_lock(struct ps_state *state, const struct ps_owner *owner,
                             struct ps_err *err)
{
    return ps_state_write(state, lock_body, (void *)(uintptr_t)owner, err);
}

static enum ps_code unlock_body(struct ps_txn *txn, void *user)
{
    struct ps_key key;

    (void)user;
    ps_key_from_text(&key, "sweeper", 0);
    return ps_txn_delete(txn, PS_DB_META, &key);
}

enum ps_code ps_reclaim_unlock(struct ps_state *state, struct ps_err *err)
{
    return ps_state_write(state, unlock_body, NULL, err);
}
