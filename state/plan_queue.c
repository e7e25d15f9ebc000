#include "state/reclaim_internal.h"

#include "state/field.h"

#include <string.h>

/* The planner's queue: what was recorded or reported and not yet asked about. A row is written in the commit of what
 * it is about, and removed in the commit of the answers. */

void ps_queue_key(struct ps_key *key, enum ps_queue_kind kind, uint64_t number,
                  enum ps_reclaim_event event)
{
    struct ps_key tail;

    ps_key_from_u64(&tail, number);
    key->bytes[0] = (unsigned char)kind;
    memcpy(key->bytes + 1, tail.bytes, 8);
    key->bytes[9] = (unsigned char)event;
    key->size_bytes = 10;
}

static enum ps_code write_row(struct ps_txn *txn, const struct ps_queue_row *row)
{
    struct ps_buf buf;
    struct ps_field_writer writer;
    struct ps_key key;
    enum ps_code code;

    ps_buf_init(&buf, 0);
    writer = ps_field_writer_begin(&buf, txn->err);
    ps_field_write_number(&writer, row->generation, 8);
    ps_field_write_number(&writer, row->next_number, 8);
    ps_queue_key(&key, row->kind, row->number, row->event);
    code = writer.code == PS_OK ? ps_txn_put(txn, PS_DB_PLAN_QUEUE, &key, &buf) : writer.code;
    ps_buf_clear(&buf);
    return code;
}

enum ps_code ps_queue_put(struct ps_txn *txn, enum ps_queue_kind kind, uint64_t number,
                          enum ps_reclaim_event event)
{
    struct ps_queue_row row = { .kind = kind, .number = number, .event = event };
    enum ps_code code = ps_txn_next_number(txn, "queue_generation", &row.generation);

    return code == PS_OK ? write_row(txn, &row) : code;
}

enum ps_code ps_queue_decode(const MDB_val *key, const MDB_val *value, struct ps_queue_row *row_out,
                             struct ps_err *err)
{
    const unsigned char *bytes = key->mv_data;
    struct ps_field_reader reader;
    enum ps_code code = ps_field_reader_begin(&reader, value->mv_data, value->mv_size, err);

    if (code != PS_OK) {
        return code;
    }
    if (key->mv_size != 10 || bytes[0] < PS_QUEUE_ARTIFACT || bytes[0] > PS_QUEUE_WORKFLOW ||
        bytes[9] > PS_EVENT_CLEARED) {
        return ps_err_set(err, PS_E_PARSE, "a damaged row in the planner's queue");
    }
    row_out->kind = (enum ps_queue_kind)bytes[0];
    row_out->number = ps_key_number_at(key, 1);
    row_out->event = (enum ps_reclaim_event)bytes[9];
    row_out->generation = ps_field_read_number(&reader, 8);
    row_out->next_number = ps_field_read_number(&reader, 8);
    return ps_field_reader_end(&reader, "queue", err);
}

enum ps_code ps_queue_advance(struct ps_txn *txn, const struct ps_queue_row *row)
{
    struct ps_queue_row now;
    struct ps_key key;
    MDB_val at;
    MDB_val value;
    enum ps_code code;

    ps_queue_key(&key, row->kind, row->number, row->event);
    code = ps_txn_get(txn, PS_DB_PLAN_QUEUE, &key, &value);
    if (code != PS_OK || value.mv_data == NULL) {
        return code;
    }
    at = ps_val(key.bytes, key.size_bytes);
    code = ps_queue_decode(&at, &value, &now, txn->err);
    if (code != PS_OK || now.generation != row->generation) {
        return code; /* it was queued again: that row stays */
    }
    if (row->next_number == 0) {
        return ps_txn_delete(txn, PS_DB_PLAN_QUEUE, &key);
    }
    now.next_number = row->next_number;
    return write_row(txn, &now);
}
