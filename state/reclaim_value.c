#include "state/pending_reclaim.h"

#include "state/artifact_value.h"
#include "state/field.h"
#include "state/reclaim_internal.h"

#include <stdlib.h>
#include <string.h>

const char *ps_reclaim_state_name(enum ps_reclaim_state state)
{
    switch (state) {
    case PS_RECLAIM_PENDING:
        return "pending";
    case PS_RECLAIM_DELETING:
        return "deleting";
    case PS_RECLAIM_KEPT:
        return "kept";
    }
    return "unknown";
}

enum ps_code ps_reclaim_encode(const struct ps_reclaim *reclaim, struct ps_buf *buf,
                               struct ps_err *err)
{
    struct ps_field_writer writer = ps_field_writer_begin(buf, err);

    ps_field_write_number(&writer, reclaim->state, 1);
    ps_field_write_number(&writer, reclaim->what, 1);
    ps_field_write_number(&writer, reclaim->event, 1);
    ps_field_write_number(&writer, (reclaim->by_hold ? 1U : 0) | (reclaim->by_user ? 2U : 0), 1);
    ps_field_write_time(&writer, reclaim->due_unix_s);
    ps_field_write_time(&writer, reclaim->decided_unix_s);
    ps_field_write_number(&writer, reclaim->failure_count < 255 ? reclaim->failure_count : 255, 1);
    ps_field_write_text(&writer, reclaim->storage_class);
    ps_field_write_text(&writer, reclaim->policy);
    ps_field_write_text(&writer, reclaim->where);
    ps_field_write_text(&writer, reclaim->reason);
    ps_field_write_digest(&writer, reclaim->digest);
    return writer.code;
}

static bool is_valid(uint64_t state, uint64_t what, uint64_t event)
{
    return state >= PS_RECLAIM_PENDING && state <= PS_RECLAIM_KEPT && what >= PS_RECLAIM_DELETE &&
           what <= PS_RECLAIM_ARCHIVE && event >= PS_EVENT_AGE && event <= PS_EVENT_CLEARED;
}

enum ps_code ps_reclaim_decode(const void *value, size_t size_bytes, struct ps_reclaim *reclaim_out,
                               struct ps_err *err)
{
    struct ps_field_reader reader;
    uint64_t state;
    uint64_t what;
    uint64_t event;
    uint64_t kept_by;
    enum ps_code code = ps_field_reader_begin(&reader, value, size_bytes, err);

    if (code != PS_OK) {
        return code;
    }
    state = ps_field_read_number(&reader, 1);
    what = ps_field_read_number(&reader, 1);
    event = ps_field_read_number(&reader, 1);
    kept_by = ps_field_read_number(&reader, 1);
    reclaim_out->by_hold = (kept_by & 1) != 0;
    reclaim_out->by_user = (kept_by & 2) != 0;
    reclaim_out->due_unix_s = ps_field_read_time(&reader);
    reclaim_out->decided_unix_s = ps_field_read_time(&reader);
    reclaim_out->failure_count = (uint32_t)ps_field_read_number(&reader, 1);
    reclaim_out->storage_class = ps_field_read_text(&reader);
    reclaim_out->policy = ps_field_read_text(&reader);
    reclaim_out->where = ps_field_read_text(&reader);
    reclaim_out->reason = ps_field_read_text(&reader);
    ps_field_read_digest(&reader, reclaim_out->digest);
    if (!is_valid(state, what, event) || kept_by > 3) {
        reader.failed = true;
    }
    reclaim_out->state = (enum ps_reclaim_state)state;
    reclaim_out->what = (enum ps_reclaim_what)what;
    reclaim_out->event = (enum ps_reclaim_event)event;
    return ps_field_reader_end(&reader, "reclaim", err);
}

/* --- rows --- */

static bool has_due_row(const struct ps_reclaim *reclaim)
{
    return reclaim != NULL && reclaim->state != PS_RECLAIM_KEPT;
}

enum ps_code ps_txn_put_reclaim(struct ps_txn *txn, uint64_t number,
                                const struct ps_reclaim *reclaim, const struct ps_reclaim *previous)
{
    bool had = has_due_row(previous);
    bool has = has_due_row(reclaim);
    bool moved = had && has && previous->due_unix_s == reclaim->due_unix_s;
    struct ps_buf buf;
    struct ps_key key;
    enum ps_code code;

    ps_buf_init(&buf, 0); /* first: previous may lie where the writes below go */
    code = ps_reclaim_encode(reclaim, &buf, txn->err);
    if (code == PS_OK && had && !moved) {
        ps_key_from_pair(&key, (uint64_t)previous->due_unix_s, number);
        code = ps_txn_delete(txn, PS_DB_RECLAIMS_DUE, &key);
    }
    if (code == PS_OK && has && !moved) {
        ps_key_from_pair(&key, (uint64_t)reclaim->due_unix_s, number);
        code = ps_txn_put_key(txn, PS_DB_RECLAIMS_DUE, &key);
    }
    if (code == PS_OK) {
        ps_key_from_u64(&key, number);
        code = ps_txn_put(txn, PS_DB_RECLAIMS, &key, &buf);
    }
    ps_buf_clear(&buf);
    return code;
}

enum ps_code ps_txn_get_reclaim(struct ps_txn *txn, uint64_t number, bool *found_out,
                                struct ps_reclaim *reclaim_out)
{
    struct ps_key key;
    MDB_val value;
    enum ps_code code;

    ps_key_from_u64(&key, number);
    code = ps_txn_get(txn, PS_DB_RECLAIMS, &key, &value);
    *found_out = code == PS_OK && value.mv_data != NULL;
    return *found_out ? ps_reclaim_decode(value.mv_data, value.mv_size, reclaim_out, txn->err)
                      : code;
}

enum ps_code ps_txn_remove_reclaim(struct ps_txn *txn, uint64_t number)
{
    struct ps_reclaim reclaim;
    struct ps_key key;
    bool found = false;
    enum ps_code code = ps_txn_get_reclaim(txn, number, &found, &reclaim);

    if (code != PS_OK || !found) {
        return code;
    }
    if (has_due_row(&reclaim)) {
        ps_key_from_pair(&key, (uint64_t)reclaim.due_unix_s, number);
        code = ps_txn_delete(txn, PS_DB_RECLAIMS_DUE, &key);
    }
    ps_key_from_u64(&key, number);
    return code == PS_OK ? ps_txn_delete(txn, PS_DB_RECLAIMS, &key) : code;
}

/* --- items --- */

bool ps_reclaim_item_artifact(const struct ps_reclaim_item *item, struct ps_artifact *artifact_out)
{
    if (item->artifact == NULL || ps_artifact_decode(item->artifact, item->artifact_size_bytes,
                                                     artifact_out, NULL) != PS_OK) {
        return false;
    }
    artifact_out->number = item->number;
    return true;
}

bool ps_reclaim_item_workflow(const struct ps_reclaim_item *item, struct ps_workflow *workflow_out)
{
    return item->workflow != NULL && ps_workflow_decode(item->workflow, item->workflow_size_bytes,
                                                        workflow_out, NULL) == PS_OK;
}

bool ps_reclaim_item_reclaim(const struct ps_reclaim_item *item, struct ps_reclaim *reclaim_out)
{
    return item->reclaim != NULL &&
           ps_reclaim_decode(item->reclaim, item->reclaim_size_bytes, reclaim_out, NULL) == PS_OK;
}

void ps_reclaim_batch_clear(struct ps_reclaim_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        free(batch->items[i].artifact);
        free(batch->items[i].workflow);
        free(batch->items[i].reclaim);
    }
    free(batch->items);
    free(batch->queue);
    memset(batch, 0, sizeof(*batch));
}
