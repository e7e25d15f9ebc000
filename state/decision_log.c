#include "state/decision_log.h"

#include "state/artifact_value.h"
#include "state/field.h"
#include "state/reclaim_internal.h"

#include <string.h>

const char *ps_decision_kind_name(enum ps_decision_kind kind)
{
    switch (kind) {
    case PS_LOGGED_PLANNED:
        return "planned";
    case PS_LOGGED_KEPT:
        return "kept";
    case PS_LOGGED_DELETED:
        return "deleted";
    case PS_LOGGED_GONE:
        return "gone";
    case PS_LOGGED_DROPPED:
        return "dropped";
    case PS_LOGGED_POSTPONED:
        return "postponed";
    case PS_LOGGED_ARCHIVED:
        return "archived";
    case PS_LOGGED_FETCHED:
        return "fetched";
    case PS_LOGGED_HELD:
        return "held";
    case PS_LOGGED_RELEASED:
        return "released";
    }
    return "unknown";
}

/* --- values --- */

static void write_facts(struct ps_field_writer *writer, const void *value, size_t size_bytes)
{
    ps_field_write_number(writer, value != NULL ? size_bytes : 0, 4);
    if (value != NULL) {
        ps_field_write_bytes(writer, value, size_bytes);
    }
}

static enum ps_code encode(const struct ps_decision_entry *entry, struct ps_buf *buf,
                           struct ps_err *err)
{
    struct ps_field_writer writer = ps_field_writer_begin(buf, err);

    ps_field_write_number(&writer, entry->kind, 1);
    ps_field_write_number(&writer, entry->number, 8);
    ps_field_write_number(&writer, entry->event, 1);
    ps_field_write_number(&writer, entry->what, 1);
    ps_field_write_number(&writer, (uint64_t)entry->due_unix_s, 8);
    ps_field_write_number(&writer, entry->delete_marker ? 1 : 0, 1);
    ps_field_write_text(&writer, entry->url);
    ps_field_write_number(&writer, entry->has_size ? entry->size_bytes : UINT64_MAX, 8);
    ps_field_write_text(&writer, entry->policy);
    ps_field_write_text(&writer, entry->where);
    ps_field_write_text(&writer, entry->reason);
    ps_field_write_text(&writer, entry->digest);
    write_facts(&writer, entry->artifact, entry->artifact_size_bytes);
    write_facts(&writer, entry->workflow, entry->workflow_size_bytes);
    return writer.code;
}

static const void *read_facts(struct ps_field_reader *reader, size_t *size_out)
{
    *size_out = (size_t)ps_field_read_number(reader, 4);
    return *size_out > 0 ? ps_field_read_bytes(reader, *size_out) : NULL;
}

static enum ps_code decode(const MDB_val *key, const MDB_val *value, struct ps_decision_entry *out,
                           struct ps_err *err)
{
    struct ps_field_reader reader;
    uint64_t kind;
    enum ps_code code = ps_field_reader_begin(&reader, value->mv_data, value->mv_size, err);

    if (code != PS_OK) {
        return code;
    }
    out->at_unix_ms = (int64_t)ps_key_number_at(key, 0);
    kind = ps_field_read_number(&reader, 1);
    out->kind = (enum ps_decision_kind)kind;
    out->number = ps_field_read_number(&reader, 8);
    out->event = (enum ps_reclaim_event)ps_field_read_number(&reader, 1);
    out->what = (enum ps_reclaim_what)ps_field_read_number(&reader, 1);
    out->due_unix_s = (int64_t)ps_field_read_number(&reader, 8);
    out->delete_marker = ps_field_read_number(&reader, 1) != 0;
    out->url = ps_field_read_text(&reader);
    out->size_bytes = ps_field_read_number(&reader, 8);
    out->has_size = out->size_bytes != UINT64_MAX;
    out->policy = ps_field_read_text(&reader);
    out->where = ps_field_read_text(&reader);
    out->reason = ps_field_read_text(&reader);
    out->digest = ps_field_read_text(&reader);
    out->artifact = read_facts(&reader, &out->artifact_size_bytes);
    out->workflow = read_facts(&reader, &out->workflow_size_bytes);
    if (kind < PS_LOGGED_PLANNED || kind > PS_LOGGED_RELEASED) {
        reader.failed = true;
    }
    return ps_field_reader_end(&reader, "decision", err);
}

bool ps_decision_artifact(const struct ps_decision_entry *entry, struct ps_artifact *artifact_out)
{
    return entry->artifact != NULL &&
           ps_artifact_decode(entry->artifact, entry->artifact_size_bytes, artifact_out, NULL) ==
               PS_OK;
}

bool ps_decision_workflow(const struct ps_decision_entry *entry, struct ps_workflow *workflow_out)
{
    return entry->workflow != NULL &&
           ps_workflow_decode(entry->workflow, entry->workflow_size_bytes, workflow_out, NULL) ==
               PS_OK;
}

/* --- writing --- */

/* Entries go to the end, also when a clock went back: the key is then that of the last entry and a number more. */
static int next_key(MDB_cursor *cursor, int64_t at_unix_ms, struct ps_key *key_out)
{
    uint64_t at_ms = at_unix_ms > 0 ? (uint64_t)at_unix_ms : 0;
    uint64_t sequence = 0;
    MDB_val key;
    MDB_val value;
    int rc = mdb_cursor_get(cursor, &key, &value, MDB_LAST);

    if (rc == 0 && ps_key_number_at(&key, 0) >= at_ms) {
        at_ms = ps_key_number_at(&key, 0);
        sequence = ps_key_number_at(&key, 8) + 1;
    }
    ps_key_from_pair(key_out, at_ms, sequence);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

/* Two go for one that comes until the size is right again. */
static int trim(struct ps_txn *txn, MDB_cursor *cursor)
{
    MDB_stat stat;
    MDB_val key;
    MDB_val value;
    int rc = mdb_stat(txn->mdb, txn->state->dbs[PS_DB_DECISIONS], &stat);

    for (int i = 0; i < 2 && rc == 0; i++) {
        size_t pages = stat.ms_leaf_pages + stat.ms_branch_pages + stat.ms_overflow_pages;

        if (pages * stat.ms_psize <= PS_DECISION_LOG_SIZE_MAX) {
            break;
        }
        rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
        if (rc == 0) {
            rc = mdb_cursor_del(cursor, 0);
        }
    }
    return rc == MDB_NOTFOUND ? 0 : rc;
}

enum ps_code ps_txn_log(struct ps_txn *txn, const struct ps_decision_entry *entry)
{
    MDB_cursor *cursor = NULL;
    struct ps_buf buf;
    struct ps_key key;
    enum ps_code code;
    int rc;

    ps_buf_init(&buf, 0);
    code = encode(entry, &buf, txn->err);
    if (code == PS_OK) {
        rc = mdb_cursor_open(txn->mdb, txn->state->dbs[PS_DB_DECISIONS], &cursor);
        if (rc == 0) {
            rc = next_key(cursor, entry->at_unix_ms, &key);
        }
        if (rc == 0) {
            MDB_val at = ps_val(key.bytes, key.size_bytes);
            MDB_val data = ps_val(buf.data, buf.size_bytes);

            rc = mdb_cursor_put(cursor, &at, &data, MDB_APPEND);
        }
        if (rc == 0) {
            rc = trim(txn, cursor);
        }
        code = rc != 0 ? ps_txn_fail(txn, rc, "log a decision") : PS_OK;
    }
    if (cursor != NULL) {
        mdb_cursor_close(cursor);
    }
    ps_buf_clear(&buf);
    return code;
}

/* --- reading --- */

struct each {
    struct ps_decision_query *query;
    bool (*each)(void *user, const struct ps_decision_entry *entry);
    void *user;
    bool stopped; /* not at the end */
};

static int newest_entry(const struct ps_decision_query *query, MDB_cursor *cursor, MDB_val *key,
                        MDB_val *value)
{
    struct ps_key before;
    int rc;

    if (query->before_unix_ms == 0) {
        return mdb_cursor_get(cursor, key, value, MDB_LAST);
    }
    ps_key_from_pair(&before, (uint64_t)query->before_unix_ms, query->before_sequence);
    *key = ps_val(before.bytes, before.size_bytes);
    rc = mdb_cursor_get(cursor, key, value, MDB_SET_RANGE);
    return mdb_cursor_get(cursor, key, value, rc == MDB_NOTFOUND ? MDB_LAST : MDB_PREV);
}

static int first_entry(const struct ps_decision_query *query, MDB_cursor *cursor, MDB_val *key,
                       MDB_val *value)
{
    struct ps_key since;

    if (query->newest_first) {
        return newest_entry(query, cursor, key, value);
    }
    ps_key_from_pair(&since, query->since_unix_ms > 0 ? (uint64_t)query->since_unix_ms : 0, 0);
    *key = ps_val(since.bytes, since.size_bytes);
    return mdb_cursor_get(cursor, key, value, MDB_SET_RANGE);
}

static enum ps_code each_body(struct ps_txn *txn, void *user)
{
    struct each *each = user;
    struct ps_decision_query *query = each->query;
    MDB_cursor *cursor = NULL;
    MDB_val key;
    MDB_val value;
    int rc = mdb_cursor_open(txn->mdb, txn->state->dbs[PS_DB_DECISIONS], &cursor);

    if (rc == 0) {
        rc = first_entry(query, cursor, &key, &value);
    }
    while (rc == 0 && (int64_t)ps_key_number_at(&key, 0) >= query->since_unix_ms) {
        struct ps_decision_entry entry;

        each->stopped =
            decode(&key, &value, &entry, NULL) == PS_OK && !each->each(each->user, &entry);
        if (each->stopped) {
            break;
        }
        query->before_unix_ms = (int64_t)ps_key_number_at(&key, 0);
        query->before_sequence = ps_key_number_at(&key, 8);
        rc = mdb_cursor_get(cursor, &key, &value, query->newest_first ? MDB_PREV : MDB_NEXT);
    }
    if (cursor != NULL) {
        mdb_cursor_close(cursor);
    }
    return rc != 0 && rc != MDB_NOTFOUND ? ps_txn_fail(txn, rc, "read the decisions") : PS_OK;
}

enum ps_code ps_decision_each(struct ps_state *state, struct ps_decision_query *query,
                              bool (*each)(void *user, const struct ps_decision_entry *entry),
                              void *user, bool *more_out, struct ps_err *err)
{
    struct each own = { .query = query, .each = each, .user = user };
    enum ps_code code = ps_state_read(state, each_body, &own, err);

    if (code == PS_OK && more_out != NULL) {
        *more_out = own.stopped;
    }
    return code;
}

/* --- reads of objects --- */

struct fetched {
    const char *url;
    int64_t now_unix_s;
    uint64_t number;
};

static enum ps_code note_number(struct ps_txn *txn, void *user, uint64_t number,
                                const struct ps_artifact *artifact)
{
    struct fetched *fetched = user;

    (void)txn;
    (void)artifact;
    fetched->number = number;
    return PS_E_CANCELLED;
}

static enum ps_code find_body(struct ps_txn *txn, void *user)
{
    struct fetched *fetched = user;

    fetched->number = 0;
    return ps_txn_each_of_url(txn, fetched->url, note_number, fetched);
}

static enum ps_code log_body(struct ps_txn *txn, void *user)
{
    const struct fetched *fetched = user;
    const struct ps_decision_entry entry = {
        .at_unix_ms = fetched->now_unix_s * 1000,
        .kind = PS_LOGGED_FETCHED,
        .number = fetched->number,
        .url = fetched->url,
    };

    return ps_txn_log(txn, &entry);
}

enum ps_code ps_decision_fetched(struct ps_state *state, const char *url, int64_t now_unix_s,
                                 struct ps_err *err)
{
    struct fetched fetched = { .url = url, .now_unix_s = now_unix_s };
    enum ps_code code = ps_state_read(state, find_body, &fetched, err);

    return code == PS_OK && fetched.number != 0 ? ps_state_write(state, log_body, &fetched, err)
                                                : code;
}
