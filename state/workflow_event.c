#include "state/workflow_internal.h"

#include "state/reclaim_internal.h"

#include <string.h>

static enum ps_code move_template(struct ps_txn *txn, const struct ps_workflow *old,
                                  const struct ps_workflow *fresh)
{
    struct ps_key key;
    enum ps_code code = PS_OK;

    if (ps_workflow_template_key(&key, old, old->number)) {
        code = ps_txn_delete(txn, PS_DB_WORKFLOW_TEMPLATES, &key);
    }
    if (code == PS_OK && ps_workflow_template_key(&key, fresh, fresh->number)) {
        code = ps_txn_put_key(txn, PS_DB_WORKFLOW_TEMPLATES, &key);
    }
    return code;
}

static bool is_of_template(const MDB_val *at, const struct ps_key *key)
{
    return at->mv_size == key->size_bytes &&
           memcmp(at->mv_data, key->bytes, key->size_bytes - 16) == 0;
}

enum ps_code ps_txn_queue_older(struct ps_txn *txn, uint64_t workflow_number)
{
    struct ps_workflow workflow;
    MDB_cursor *cursor = NULL;
    struct ps_key key;
    MDB_val at;
    MDB_val none;
    bool found = false;
    enum ps_code code = ps_txn_get_workflow(txn, workflow_number, &found, &workflow);
    int rc;

    if (code != PS_OK || !found || !ps_workflow_template_key(&key, &workflow, workflow_number)) {
        return code;
    }
    at = ps_val(key.bytes, key.size_bytes);
    rc = mdb_cursor_open(txn->mdb, txn->state->dbs[PS_DB_WORKFLOW_TEMPLATES], &cursor);
    if (rc == 0) {
        rc = mdb_cursor_get(cursor, &at, &none, MDB_SET);
    }
    for (int i = 0; i < PS_NEWER_MAX && rc == 0 && code == PS_OK; i++) {
        rc = mdb_cursor_get(cursor, &at, &none, MDB_PREV);
        if (rc == 0 && !is_of_template(&at, &key)) {
            break;
        }
        if (rc == 0) {
            code = ps_queue_put(txn, PS_QUEUE_WORKFLOW, ps_key_number_at(&at, at.mv_size - 8),
                                PS_EVENT_AGE);
        }
    }
    if (cursor != NULL) {
        mdb_cursor_close(cursor);
    }
    return code == PS_OK && rc != 0 && rc != MDB_NOTFOUND ? ps_txn_fail(txn, rc, "older runs")
                                                          : code;
}

/* The workflow as it is after the event. */
static struct ps_workflow apply(const struct ps_workflow *old,
                                const struct ps_workflow_report *report)
{
    struct ps_workflow fresh = *old;
    const char *status = report->workflow->status != NULL ? report->workflow->status : "";

    switch (report->event) {
    case PS_EVENT_AGE:
        if (strcmp(status, "Running") == 0) {
            fresh.finished_unix_s = 0;
        }
        break;
    case PS_EVENT_COMPLETED:
        /* Told again: the clock of `after` does not begin anew. */
        if (old->finished_unix_s == 0 || (status[0] != '\0' && strcmp(status, old->status) != 0)) {
            fresh.finished_unix_s = report->at_unix_s;
        }
        break;
    case PS_EVENT_DELETED:
        fresh.deleted_unix_s = old->deleted_unix_s != 0 ? old->deleted_unix_s : report->at_unix_s;
        break;
    case PS_EVENT_CLEARED:
        fresh.cleared_unix_s = report->at_unix_s;
        break;
    }
    if (status[0] != '\0') {
        fresh.status = status;
    }
    return fresh;
}

static bool is_news(const struct ps_workflow *old, const struct ps_workflow *fresh,
                    enum ps_reclaim_event event)
{
    switch (event) {
    case PS_EVENT_AGE:
        return false;
    case PS_EVENT_COMPLETED:
        return old->finished_unix_s != fresh->finished_unix_s;
    case PS_EVENT_DELETED:
        return old->deleted_unix_s != fresh->deleted_unix_s;
    case PS_EVENT_CLEARED:
        return true;
    }
    return true;
}

static enum ps_code report_to(struct ps_txn *txn, uint64_t number,
                              const struct ps_workflow_report *report)
{
    struct ps_workflow facts = *report->workflow;
    struct ps_workflow old;
    struct ps_workflow fresh;
    bool found = false;
    bool news;
    enum ps_code code;

    facts.status = ""; /* apply() compares it with what was */
    code = ps_txn_merge_workflow(txn, number, &facts);
    if (code == PS_OK) {
        code = ps_txn_get_workflow(txn, number, &found, &old);
    }
    if (code != PS_OK || !found) {
        return code;
    }
    fresh = apply(&old, report);
    news = is_news(&old, &fresh, report->event);
    code = move_template(txn, &old, &fresh);
    if (code == PS_OK && news) {
        code = ps_queue_put(txn, PS_QUEUE_WORKFLOW, number, report->event);
    }
    /* Last, as fresh has text in the map that this write may move. */
    return code == PS_OK ? ps_txn_write_workflow(txn, &fresh) : code;
}

static enum ps_code report_one(struct ps_txn *txn, const struct ps_workflow_report *report,
                               bool *known_out)
{
    enum ps_workflow_scope scope =
        report->event == PS_EVENT_CLEARED ? PS_WORKFLOW_ANY : PS_WORKFLOW_THERE;
    struct ps_workflow_runs found;
    enum ps_code code = ps_txn_find_workflows(txn, report->workflow, scope, &found);

    *known_out = code == PS_OK && found.count > 0;
    if (code == PS_OK && found.count == 0) {
        code = ps_txn_make_workflow(txn, report->workflow, &found.numbers[0]);
        found.count = 1;
    }
    for (size_t i = 0; i < found.count && code == PS_OK; i++) {
        code = report_to(txn, found.numbers[i], report);
    }
    return code;
}

struct report {
    const struct ps_workflow_report *reports;
    size_t count;
    size_t known_count;
};

static enum ps_code report_body(struct ps_txn *txn, void *user)
{
    struct report *report = user;
    enum ps_code code = PS_OK;

    report->known_count = 0;
    for (size_t i = 0; i < report->count && code == PS_OK; i++) {
        bool known = false;

        code = report_one(txn, &report->reports[i], &known);
        report->known_count += known ? 1 : 0;
    }
    return code;
}

enum ps_code ps_workflow_report(struct ps_state *state, const struct ps_workflow_report *reports,
                                size_t count, size_t *known_out, struct ps_err *err)
{
    struct report report = { .reports = reports, .count = count };
    enum ps_code code = ps_state_write(state, report_body, &report, err);

    if (code == PS_OK && known_out != NULL) {
        *known_out = report.known_count;
    }
    return code;
}
