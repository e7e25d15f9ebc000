#include "state/state_internal.h"

#include "base/str.h"
#include "state/record.h"

#include <string.h>

/* --- keys --- */

/* FNV-1a, 64 bits. Not against people who want a collision: those get the next slot, at worst PS_E_TOO_LARGE. */
static uint64_t fnv1a(const char *text)
{
    uint64_t hash = 0xcbf29ce484222325U;

    for (; *text != '\0'; text++) {
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3U;
    }
    return hash;
}

static void append_number(struct ps_key *key, uint64_t value, unsigned bits)
{
    while (bits != 0) {
        bits -= 8;
        key->bytes[key->size_bytes++] = (unsigned char)(value >> bits);
    }
}

static uint32_t last_u32(const MDB_val *key)
{
    const unsigned char *bytes = (const unsigned char *)key->mv_data + key->mv_size - 4;

    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* The prefix is in the key as it is, so only the rest needs a hash. No short text has the key of a long one: it would
 * be longer than PS_KEY_TEXT_MAX. */
void ps_key_from_text(struct ps_key *key, const char *text, unsigned slot)
{
    size_t length = strlen(text);

    key->size_bytes = length <= PS_KEY_TEXT_MAX ? length : PS_KEY_TEXT_MAX;
    memcpy(key->bytes, text, key->size_bytes);
    if (length > PS_KEY_TEXT_MAX) {
        append_number(key, 0xff, 8);
        append_number(key, fnv1a(text + PS_KEY_TEXT_MAX), 64);
        append_number(key, slot, 8);
    }
}

void ps_key_from_number(struct ps_key *key, uint64_t number, uint32_t row_index)
{
    key->size_bytes = 0;
    append_number(key, number, 64);
    append_number(key, row_index, 32);
}

static MDB_val key_val(const struct ps_key *key)
{
    return ps_val(key->bytes, key->size_bytes);
}

/* --- one value --- */

enum ps_code ps_txn_get(struct ps_txn *txn, enum ps_state_db db, const struct ps_key *key,
                        MDB_val *value_out)
{
    MDB_val at = key_val(key);
    int rc = mdb_get(txn->mdb, txn->state->dbs[db], &at, value_out);

    if (rc == MDB_NOTFOUND) {
        *value_out = (MDB_val){ 0 };
        return PS_OK;
    }
    return rc != 0 ? ps_txn_fail(txn, rc, "read") : PS_OK;
}

enum ps_code ps_txn_put(struct ps_txn *txn, enum ps_state_db db, const struct ps_key *key,
                        const struct ps_buf *value)
{
    MDB_val at = key_val(key);
    MDB_val data = ps_val(value->data, value->size_bytes);
    int rc = mdb_put(txn->mdb, txn->state->dbs[db], &at, &data, 0);

    return rc != 0 ? ps_txn_fail(txn, rc, "write") : PS_OK;
}

enum ps_code ps_txn_delete(struct ps_txn *txn, enum ps_state_db db, const struct ps_key *key)
{
    MDB_val at = key_val(key);
    int rc = mdb_del(txn->mdb, txn->state->dbs[db], &at, NULL);

    return rc != 0 && rc != MDB_NOTFOUND ? ps_txn_fail(txn, rc, "delete") : PS_OK;
}

/* --- by text --- */

enum ps_code ps_txn_find(struct ps_txn *txn, enum ps_state_db db, const char *text,
                         struct ps_key *key_out, MDB_val *value_out)
{
    unsigned slot_count = strlen(text) > PS_KEY_TEXT_MAX ? PS_KEY_SLOTS : 1;
    bool has_free = false;

    if (text[0] == '\0') {
        return ps_err_set(txn->err, PS_E_INVALID, "state: an empty URL or path");
    }
    /* All slots are looked at: one before that of text may have become free again. */
    for (unsigned slot = 0; slot < slot_count; slot++) {
        struct ps_key key;
        bool same = false;
        enum ps_code code;

        ps_key_from_text(&key, text, slot);
        code = ps_txn_get(txn, db, &key, value_out);
        if (code == PS_OK && value_out->mv_data != NULL) {
            code = ps_record_is_of(value_out->mv_data, value_out->mv_size, text, &same, txn->err);
        } else if (code == PS_OK && !has_free) {
            has_free = true;
            *key_out = key;
        }
        if (code != PS_OK) {
            return code;
        }
        if (same) {
            *key_out = key;
            return PS_OK;
        }
    }
    *value_out = (MDB_val){ 0 };
    if (has_free) {
        return PS_OK;
    }
    return slot_count == 1
               ? ps_err_set(txn->err, PS_E_PARSE, "%s: its state record is of another", text)
               : ps_err_set(txn->err, PS_E_TOO_LARGE, "%s: its places in the state are taken",
                            text);
}

/* --- sequences and rows --- */

enum ps_code ps_txn_next_number(struct ps_txn *txn, const char *name, uint64_t *number_out)
{
    struct ps_buf buf;
    struct ps_key key;
    MDB_val value;
    uint64_t number = 0;
    enum ps_code code;

    ps_key_from_text(&key, name, 0);
    code = ps_txn_get(txn, PS_DB_META, &key, &value);
    if (code == PS_OK && value.mv_data != NULL) {
        code = ps_number_record_decode(value.mv_data, value.mv_size, &number, txn->err);
    }
    if (code == PS_OK && !ps_add_u64(number, 1, &number)) {
        code = ps_err_set(txn->err, PS_E_PARSE, "state: no %s is left", name);
    }
    if (code != PS_OK) {
        return code;
    }
    ps_buf_init(&buf, 0);
    code = ps_number_record_encode(number, &buf, txn->err);
    if (code == PS_OK) {
        code = ps_txn_put(txn, PS_DB_META, &key, &buf);
    }
    ps_buf_clear(&buf);
    if (code == PS_OK) {
        *number_out = number;
    }
    return code;
}

/* Keys of rows have one size, and those of one number share all but the last four bytes. */
static bool is_row_of(const MDB_val *at, const struct ps_key *first)
{
    return at->mv_size == first->size_bytes &&
           memcmp(at->mv_data, first->bytes, first->size_bytes - 4) == 0;
}

enum ps_code ps_txn_each_row(struct ps_txn *txn, enum ps_state_db db, uint64_t number,
                             uint32_t first_index, ps_row_fn each, void *user)
{
    MDB_cursor *cursor = NULL;
    struct ps_key first;
    MDB_val at;
    MDB_val value;
    enum ps_code code = PS_OK;
    int rc = mdb_cursor_open(txn->mdb, txn->state->dbs[db], &cursor);

    if (rc != 0) {
        return ps_txn_fail(txn, rc, "read rows");
    }
    ps_key_from_number(&first, number, first_index);
    at = key_val(&first);
    rc = mdb_cursor_get(cursor, &at, &value, MDB_SET_RANGE);
    while (rc == 0 && code == PS_OK && is_row_of(&at, &first)) {
        code = each(txn, user, last_u32(&at), &value);
        rc = mdb_cursor_get(cursor, &at, &value, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    return code == PS_OK && rc != 0 && rc != MDB_NOTFOUND ? ps_txn_fail(txn, rc, "read rows")
                                                          : code;
}

enum ps_code ps_txn_delete_rows(struct ps_txn *txn, enum ps_state_db db, uint64_t number)
{
    MDB_cursor *cursor = NULL;
    struct ps_key first;
    MDB_val at;
    MDB_val value;
    int rc = mdb_cursor_open(txn->mdb, txn->state->dbs[db], &cursor);

    if (rc != 0) {
        return ps_txn_fail(txn, rc, "delete rows");
    }
    ps_key_from_number(&first, number, 0);
    at = key_val(&first);
    rc = mdb_cursor_get(cursor, &at, &value, MDB_SET_RANGE);
    while (rc == 0 && is_row_of(&at, &first)) {
        rc = mdb_cursor_del(cursor, 0);
        if (rc == 0) {
            rc = mdb_cursor_get(cursor, &at, &value, MDB_NEXT);
        }
    }
    mdb_cursor_close(cursor);
    return rc != 0 && rc != MDB_NOTFOUND ? ps_txn_fail(txn, rc, "delete rows") : PS_OK;
}
