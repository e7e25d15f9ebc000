#include "state/pending_reclaim.h"

#include "base/str.h"
#include "state/artifact_value.h"
#include "state/reclaim_internal.h"
#include "state/workflow_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Batches for the planner and the sweeper: what a decision needs is copied out of the map, so that no read
 * transaction is open while policies and stores are asked. */

/* --- one item --- */

static enum ps_code copy(const MDB_val *value, void **copy_out, size_t *size_out,
                         struct ps_err *err)
{
    *copy_out = malloc(value->mv_size);
    if (*copy_out == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "state: out of memory");
    }
    memcpy(*copy_out, value->mv_data, value->mv_size);
    *size_out = value->mv_size;
    return PS_OK;
}

/* *copy_out stays NULL when there is no such row. */
static enum ps_code copy_row(struct ps_txn *txn, enum ps_state_db db, uint64_t number,
                             void **copy_out, size_t *size_out)
{
    struct ps_key key;
    MDB_val value;
    enum ps_code code;

    ps_key_from_u64(&key, number);
    code = ps_txn_get(txn, db, &key, &value);
    return code == PS_OK && value.mv_data != NULL ? copy(&value, copy_out, size_out, txn->err)
                                                  : code;
}

static enum ps_code note_claim(struct ps_txn *txn, void *user, uint64_t number,
                               const struct ps_artifact *artifact)
{
    struct ps_reclaim_item *item = user;
    struct ps_workflow workflow;
    bool found = false;
    enum ps_code code = PS_OK;

    if (number == item->number) {
        return PS_OK;
    }
    item->other_claims++;
    if (item->other_workflow[0] == '\0' && artifact->workflow_number != 0) {
        code = ps_txn_get_workflow(txn, artifact->workflow_number, &found, &workflow);
    }
    if (found && code == PS_OK) {
        (void)snprintf(item->other_workflow, sizeof(item->other_workflow), "%s/%s", workflow.ns,
                       workflow.name);
    }
    return code;
}

static void load_hold(struct ps_txn *txn, const char *url, int64_t now_unix_s,
                      struct ps_reclaim_item *item)
{
    struct ps_hold hold;

    item->held = ps_txn_look_for_hold(txn, url, now_unix_s, &hold);
    if (item->held) {
        item->hold_until_unix_s = hold.until_unix_s;
        ps_str_copy(item->hold_why, sizeof(item->hold_why), hold.why);
    }
}

/* Artifacts of one workflow come in runs: it is counted once. */
static enum ps_code load_newer(struct ps_txn *txn, struct ps_reclaim_batch *batch,
                               const struct ps_workflow *workflow, struct ps_reclaim_item *item)
{
    enum ps_code code = PS_OK;

    if (batch->newer_of != workflow->number) {
        batch->newer_of = 0;
        code = ps_txn_count_newer(txn, workflow, &batch->newer);
        batch->newer_of = code == PS_OK ? workflow->number : 0;
    }
    item->newer_workflows = batch->newer;
    return code;
}

/* Fill *item but for the event. *good_out false: the record cannot be read, and is left. */
static enum ps_code load(struct ps_txn *txn, struct ps_reclaim_batch *batch, uint64_t number,
                         int64_t now_unix_s, struct ps_reclaim_item *item, bool *good_out)
{
    struct ps_artifact artifact;
    struct ps_workflow workflow;
    struct ps_reclaim reclaim;
    enum ps_code code;

    *good_out = false;
    item->number = number;
    code = copy_row(txn, PS_DB_ARTIFACTS, number, &item->artifact, &item->artifact_size_bytes);
    if (code != PS_OK || !ps_reclaim_item_artifact(item, &artifact)) {
        return code;
    }
    if (artifact.workflow_number != 0) {
        code = copy_row(txn, PS_DB_WORKFLOWS, artifact.workflow_number, &item->workflow,
                        &item->workflow_size_bytes);
    }
    if (code == PS_OK) {
        code = copy_row(txn, PS_DB_RECLAIMS, number, &item->reclaim, &item->reclaim_size_bytes);
    }
    if (code == PS_OK) {
        code = ps_txn_each_of_url(txn, artifact.url, note_claim, item);
    }
    if (code != PS_OK || (item->workflow != NULL && !ps_reclaim_item_workflow(item, &workflow)) ||
        (item->reclaim != NULL && !ps_reclaim_item_reclaim(item, &reclaim))) {
        return code == PS_E_PARSE ? PS_OK : code;
    }
    load_hold(txn, artifact.url, now_unix_s, item);
    if (item->workflow != NULL) {
        workflow.number = artifact.workflow_number;
        code = load_newer(txn, batch, &workflow, item);
    }
    *good_out = code == PS_OK;
    return code;
}

static void drop_last(struct ps_reclaim_batch *batch)
{
    struct ps_reclaim_item *item = &batch->items[--batch->count];

    free(item->artifact);
    free(item->workflow);
    free(item->reclaim);
}

/* Append the record of number; one that cannot be read is counted and passed over. *item_out may become NULL. */
static enum ps_code append(struct ps_txn *txn, struct ps_reclaim_batch *batch, uint64_t number,
                           int64_t now_unix_s, struct ps_reclaim_item **item_out)
{
    bool good = false;
    enum ps_code code;

    *item_out = NULL;
    if (batch->count == batch->capacity) {
        size_t capacity = batch->capacity != 0 ? batch->capacity * 2 : 64;
        struct ps_reclaim_item *items = realloc(batch->items, capacity * sizeof(*items));

        if (items == NULL) {
            return ps_err_set(txn->err, PS_E_NO_MEMORY, "state: out of memory");
        }
        batch->items = items;
        batch->capacity = capacity;
    }
    memset(&batch->items[batch->count], 0, sizeof(batch->items[0]));
    batch->count++;
    code = load(txn, batch, number, now_unix_s, &batch->items[batch->count - 1], &good);
    if (code != PS_OK || !good) {
        drop_last(batch);
        batch->damaged_count += code == PS_OK ? 1 : 0;
        return code;
    }
    *item_out = &batch->items[batch->count - 1];
    return PS_OK;
}

static void empty(struct ps_reclaim_batch *batch)
{
    while (batch->count > 0) {
        drop_last(batch);
    }
    batch->queue_count = 0;
    batch->more = false;
    batch->newer_of = 0; /* of the transaction before */
    batch->damaged_count = 0;
}

/* --- what is queued --- */

enum ps_reclaim_event ps_reclaim_weightiest(const struct ps_artifact *artifact,
                                            const struct ps_workflow *workflow)
{
    if (workflow == NULL) {
        return PS_EVENT_AGE;
    }
    if (workflow->cleared_unix_s != 0 && artifact->recorded_unix_s <= workflow->cleared_unix_s) {
        return PS_EVENT_CLEARED;
    }
    if (workflow->deleted_unix_s != 0) {
        return PS_EVENT_DELETED;
    }
    return workflow->finished_unix_s != 0 ? PS_EVENT_COMPLETED : PS_EVENT_AGE;
}

static enum ps_reclaim_event weightiest(const struct ps_reclaim_item *item)
{
    struct ps_artifact artifact;
    struct ps_workflow workflow;

    if (!ps_reclaim_item_artifact(item, &artifact)) {
        return PS_EVENT_AGE;
    }
    return ps_reclaim_weightiest(&artifact,
                                 ps_reclaim_item_workflow(item, &workflow) ? &workflow : NULL);
}

struct take {
    struct ps_reclaim_batch *batch;
    size_t item_count_max;
    int64_t now_unix_s;
    struct ps_queue_row row; /* of the workflow that is walked */
    enum ps_queue_kind
        kind; /* of the rows in this batch: both at once could hold an artifact twice */
    uint64_t workflow_number;
    int64_t after_due_unix_s;
    uint64_t after_number;
};

static enum ps_code keep_row(struct ps_txn *txn, struct ps_reclaim_batch *batch,
                             const struct ps_queue_row *row)
{
    struct ps_queue_row *rows = batch->queue;

    if (batch->queue_count == batch->queue_capacity) {
        size_t capacity = batch->queue_capacity != 0 ? batch->queue_capacity * 2 : 64;

        rows = realloc(batch->queue, capacity * sizeof(*rows));
        if (rows == NULL) {
            return ps_err_set(txn->err, PS_E_NO_MEMORY, "state: out of memory");
        }
        batch->queue = rows;
        batch->queue_capacity = capacity;
    }
    rows[batch->queue_count++] = *row;
    return PS_OK;
}

static enum ps_code on_workflow_artifact(struct ps_txn *txn, void *user, const MDB_val *key,
                                         const MDB_val *none)
{
    struct take *take = user;
    struct ps_reclaim_item *item = NULL;
    uint64_t number = ps_key_number_at(key, 8);
    enum ps_code code;

    (void)none;
    if (take->batch->count >= take->item_count_max) {
        take->row.next_number = number;
        return PS_E_CANCELLED;
    }
    code = append(txn, take->batch, number, take->now_unix_s, &item);
    if (item != NULL) {
        item->event = weightiest(item);
    }
    return code;
}

static enum ps_code take_workflow(struct ps_txn *txn, struct take *take)
{
    struct ps_key key;
    enum ps_code code;

    ps_key_from_pair(&key, take->row.number, take->row.next_number);
    take->row.next_number = 0;
    code = ps_txn_walk(txn, PS_DB_WORKFLOW_ARTIFACTS, &key, 8, on_workflow_artifact, take);
    return code == PS_OK ? keep_row(txn, take->batch, &take->row) : code;
}

static enum ps_code take_artifact(struct ps_txn *txn, struct take *take)
{
    struct ps_reclaim_item *item = NULL;
    enum ps_code code = append(txn, take->batch, take->row.number, take->now_unix_s, &item);

    if (item != NULL) {
        item->event = weightiest(item);
    }
    take->row.next_number = 0;
    return code == PS_OK ? keep_row(txn, take->batch, &take->row) : code;
}

static enum ps_code on_queued(struct ps_txn *txn, void *user, const MDB_val *key,
                              const MDB_val *value)
{
    struct take *take = user;
    enum ps_code code;

    if (ps_queue_decode(key, value, &take->row, NULL) != PS_OK) {
        take->batch->damaged_count++;
        return PS_OK;
    }
    if (take->batch->count >= take->item_count_max ||
        take->batch->queue_count >= take->item_count_max ||
        (take->batch->queue_count > 0 && take->row.kind != take->kind) ||
        (take->row.kind == PS_QUEUE_WORKFLOW && take->row.number == take->workflow_number)) {
        take->batch->more = true;
        return PS_E_CANCELLED;
    }
    take->kind = take->row.kind;
    if (take->row.kind == PS_QUEUE_ARTIFACT) {
        return take_artifact(txn, take);
    }
    take->workflow_number = take->row.number;
    code = take_workflow(txn, take);
    take->batch->more = take->batch->more || take->row.next_number != 0;
    return code;
}

static enum ps_code take_queued_body(struct ps_txn *txn, void *user)
{
    static const struct ps_key first = { 0 };
    struct take *take = user;

    empty(take->batch);
    take->workflow_number = 0;
    return ps_txn_walk(txn, PS_DB_PLAN_QUEUE, &first, 0, on_queued, take);
}

enum ps_code ps_reclaim_take_queued(struct ps_state *state, size_t item_count_max,
                                    int64_t now_unix_s, struct ps_reclaim_batch *batch,
                                    struct ps_err *err)
{
    struct take take = { .batch = batch,
                         .item_count_max = item_count_max,
                         .now_unix_s = now_unix_s };

    return ps_state_read(state, take_queued_body, &take, err);
}

/* --- what is due --- */

static enum ps_code on_due(struct ps_txn *txn, void *user, const MDB_val *key, const MDB_val *none)
{
    struct take *take = user;
    struct ps_reclaim_batch *batch = take->batch;
    struct ps_reclaim_item *item = NULL;
    struct ps_reclaim reclaim;
    int64_t due_unix_s = (int64_t)ps_key_number_at(key, 0);
    uint64_t number = ps_key_number_at(key, 8);
    enum ps_code code;

    (void)none;
    if (due_unix_s > take->now_unix_s) {
        return PS_E_CANCELLED;
    }
    if (batch->count >= take->item_count_max) {
        batch->more = true;
        return PS_E_CANCELLED;
    }
    code = append(txn, batch, number, take->now_unix_s, &item);
    batch->after_due_unix_s = due_unix_s;
    batch->after_number = number;
    if (code != PS_OK || item == NULL) {
        return code;
    }
    if (!ps_reclaim_item_reclaim(item, &reclaim) || reclaim.state == PS_RECLAIM_KEPT ||
        reclaim.due_unix_s != due_unix_s) {
        drop_last(batch); /* the index says what the record does not: nothing is done */
        batch->damaged_count++;
        return PS_OK;
    }
    item->event = reclaim.event;
    return PS_OK;
}

static enum ps_code take_due_body(struct ps_txn *txn, void *user)
{
    struct take *take = user;
    struct ps_key first;

    empty(take->batch);
    take->batch->after_due_unix_s = take->after_due_unix_s; /* the body may run again */
    take->batch->after_number = take->after_number;
    ps_key_from_pair(&first, (uint64_t)take->after_due_unix_s, take->after_number + 1);
    return ps_txn_walk(txn, PS_DB_RECLAIMS_DUE, &first, 0, on_due, take);
}

enum ps_code ps_reclaim_take_due(struct ps_state *state, size_t item_count_max, int64_t now_unix_s,
                                 struct ps_reclaim_batch *batch, struct ps_err *err)
{
    struct take take = { .batch = batch,
                         .item_count_max = item_count_max,
                         .now_unix_s = now_unix_s,
                         .after_due_unix_s = batch->after_due_unix_s,
                         .after_number = batch->after_number };

    return ps_state_read(state, take_due_body, &take, err);
}

/* --- those of a URL --- */

struct of_url {
    struct ps_reclaim_batch *batch;
    const char *url;
    int64_t now_unix_s;
};

static enum ps_code on_of_url(struct ps_txn *txn, void *user, uint64_t number,
                              const struct ps_artifact *artifact)
{
    struct of_url *of_url = user;
    struct ps_reclaim_item *item = NULL;
    enum ps_code code = append(txn, of_url->batch, number, of_url->now_unix_s, &item);

    (void)artifact;
    if (item != NULL) {
        item->event = weightiest(item);
    }
    return code;
}

static enum ps_code take_url_body(struct ps_txn *txn, void *user)
{
    struct of_url *of_url = user;

    empty(of_url->batch);
    return ps_txn_each_of_url(txn, of_url->url, on_of_url, of_url);
}

enum ps_code ps_reclaim_take_url(struct ps_state *state, const char *url, int64_t now_unix_s,
                                 struct ps_reclaim_batch *batch, struct ps_err *err)
{
    struct of_url of_url = { batch, url, now_unix_s };

    return ps_state_read(state, take_url_body, &of_url, err);
}
