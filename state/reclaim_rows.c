#include "state/reclaim_internal.h"

#include <string.h>

static void append_number(struct ps_key *key, uint64_t number)
{
    for (int shift = 56; shift >= 0; shift -= 8) {
        key->bytes[key->size_bytes++] = (unsigned char)(number >> shift);
    }
}

void ps_key_from_u64(struct ps_key *key, uint64_t number)
{
    key->size_bytes = 0;
    append_number(key, number);
}

void ps_key_from_pair(struct ps_key *key, uint64_t first, uint64_t second)
{
    ps_key_from_u64(key, first);
    append_number(key, second);
}

void ps_key_from_url(struct ps_key *key, const char *url, uint64_t number)
{
    ps_key_from_text(key, url, 0);
    append_number(key, number);
}

uint64_t ps_key_number_at(const MDB_val *key, size_t offset)
{
    const unsigned char *bytes = key->mv_data;
    uint64_t number = 0;

    for (size_t i = offset; i < offset + 8 && i < key->mv_size; i++) {
        number = number << 8 | bytes[i];
    }
    return number;
}

enum ps_code ps_txn_put_key(struct ps_txn *txn, enum ps_state_db db, const struct ps_key *key)
{
    MDB_val at = ps_val(key->bytes, key->size_bytes);
    MDB_val nothing = { 0 };
    int rc = mdb_put(txn->mdb, txn->state->dbs[db], &at, &nothing, 0);

    return rc != 0 ? ps_txn_fail(txn, rc, "write") : PS_OK;
}

enum ps_code ps_txn_walk(struct ps_txn *txn, enum ps_state_db db, const struct ps_key *first,
                         size_t prefix_size_bytes, ps_walk_fn each, void *user)
{
    MDB_cursor *cursor = NULL;
    MDB_val at = ps_val(first->bytes, first->size_bytes);
    MDB_val value;
    enum ps_code code = PS_OK;
    int rc = mdb_cursor_open(txn->mdb, txn->state->dbs[db], &cursor);

    if (rc != 0) {
        return ps_txn_fail(txn, rc, "walk");
    }
    rc = mdb_cursor_get(cursor, &at, &value, first->size_bytes > 0 ? MDB_SET_RANGE : MDB_FIRST);
    while (rc == 0 && code == PS_OK && at.mv_size >= prefix_size_bytes &&
           memcmp(at.mv_data, first->bytes, prefix_size_bytes) == 0) {
        code = each(txn, user, &at, &value);
        rc = mdb_cursor_get(cursor, &at, &value, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    if (code == PS_E_CANCELLED) {
        return PS_OK;
    }
    return code == PS_OK && rc != 0 && rc != MDB_NOTFOUND ? ps_txn_fail(txn, rc, "walk") : code;
}
