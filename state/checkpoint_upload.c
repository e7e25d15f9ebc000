#include "state/checkpoint.h"

#include "base/str.h"
#include "state/record.h"
#include "state/state_internal.h"

#include <string.h>

/* --- one upload by its URL --- */

/* *record_out must be zeroed; its url stays NULL when there is no such upload. */
static enum ps_code get_upload(struct ps_txn *txn, const char *url,
                               struct ps_upload_record *record_out, struct ps_key *key_out)
{
    MDB_val value;
    enum ps_code code = ps_txn_find(txn, PS_DB_UPLOADS, url, key_out, &value);

    if (code == PS_OK && value.mv_data != NULL) {
        code = ps_upload_record_decode(value.mv_data, value.mv_size, record_out, txn->err);
    }
    return code;
}

static enum ps_code put_upload(struct ps_txn *txn, const struct ps_key *key,
                               const struct ps_upload_record *record)
{
    struct ps_buf buf;
    enum ps_code code;

    ps_buf_init(&buf, 0);
    code = ps_upload_record_encode(record, &buf, txn->err);
    if (code == PS_OK) {
        code = ps_txn_put(txn, PS_DB_UPLOADS, key, &buf);
    }
    ps_buf_clear(&buf);
    return code;
}

/* Row 0 of parts says that the upload of that number is there: parts are noted by number, without the URL. */
static enum ps_code put_mark(struct ps_txn *txn, uint64_t number)
{
    struct ps_buf buf;
    struct ps_key key;
    enum ps_code code;

    ps_key_from_number(&key, number, 0);
    ps_buf_init(&buf, 0);
    code = ps_number_record_encode(number, &buf, txn->err);
    if (code == PS_OK) {
        code = ps_txn_put(txn, PS_DB_PARTS, &key, &buf);
    }
    ps_buf_clear(&buf);
    return code;
}

static enum ps_code count_part(struct ps_txn *txn, void *user, uint32_t row_index,
                               const MDB_val *value)
{
    struct ps_upload_record *record = user;
    struct ps_part_record part = { .part_number = row_index };
    enum ps_code code = ps_part_record_decode(value->mv_data, value->mv_size, &part, txn->err);

    if (code == PS_OK &&
        !ps_add_u64(record->done_size_bytes, part.size_bytes, &record->done_size_bytes)) {
        code = ps_err_set(txn->err, PS_E_PARSE, "parts of more than 2^64 bytes in the state");
    }
    record->done_part_count++;
    return code;
}

static enum ps_code count_parts(struct ps_txn *txn, struct ps_upload_record *record)
{
    return ps_txn_each_row(txn, PS_DB_PARTS, record->number, 1, count_part, record);
}

/* --- begin --- */

static enum ps_code begin_body(struct ps_txn *txn, void *user)
{
    struct ps_upload_record *record = user;
    struct ps_upload_record old = { 0 };
    struct ps_key key;
    enum ps_code code = get_upload(txn, record->url, &old, &key);

    if (code == PS_OK && old.url != NULL) {
        code = ps_owner_check_lock(record->url, &old.owner, &record->owner, txn->err);
        if (code == PS_OK) {
            code = ps_txn_delete_rows(txn, PS_DB_PARTS, old.number);
        }
    }
    ps_upload_record_clear(&old);
    if (code == PS_OK) {
        code = ps_txn_next_number(txn, "upload_number", &record->number);
    }
    if (code == PS_OK) {
        code = put_mark(txn, record->number);
    }
    return code == PS_OK ? put_upload(txn, &key, record) : code;
}

enum ps_code ps_checkpoint_begin(struct ps_state *state, struct ps_upload_record *record,
                                 struct ps_err *err)
{
    struct ps_upload_record begun = *record; /* so that *record is untouched on failure */
    enum ps_code code = ps_state_write(state, begin_body, &begun, err);

    if (code == PS_OK) {
        record->number = begun.number;
    }
    return code;
}

/* --- claim --- */

struct claim {
    const char *url;
    const struct ps_owner *owner;
    struct ps_upload_record record; /* url stays NULL when there is none */
};

static enum ps_code claim_body(struct ps_txn *txn, void *user)
{
    struct claim *claim = user;
    struct ps_key key;
    enum ps_code code;

    ps_upload_record_clear(&claim->record);
    code = get_upload(txn, claim->url, &claim->record, &key);
    if (code != PS_OK || claim->record.url == NULL) {
        return code;
    }
    code = ps_owner_check_lock(claim->url, &claim->record.owner, claim->owner, txn->err);
    if (code == PS_OK) {
        code = count_parts(txn, &claim->record);
    }
    if (code == PS_OK) {
        claim->record.owner = *claim->owner;
        code = put_upload(txn, &key, &claim->record);
    }
    return code;
}

enum ps_code ps_checkpoint_claim(struct ps_state *state, const char *url,
                                 const struct ps_owner *owner, bool *found_out,
                                 struct ps_upload_record *record_out, struct ps_err *err)
{
    struct claim claim = { .url = url, .owner = owner };
    enum ps_code code = ps_state_write(state, claim_body, &claim, err);

    if (code != PS_OK) {
        ps_upload_record_clear(&claim.record);
        return code;
    }
    *found_out = claim.record.url != NULL;
    if (*found_out) {
        *record_out = claim.record;
    }
    return PS_OK;
}

/* --- update --- */

static enum ps_code update_body(struct ps_txn *txn, void *user)
{
    const struct ps_upload_record *record = user;
    struct ps_upload_record old = { 0 };
    struct ps_upload_record merged;
    struct ps_key key;
    enum ps_code code = get_upload(txn, record->url, &old, &key);

    if (code == PS_OK && (old.url == NULL || old.number != record->number)) {
        code = ps_err_set(txn->err, PS_E_NOT_FOUND, "%s: its upload record is gone", record->url);
    }
    if (code == PS_OK) {
        merged = old;
        merged.phase = record->phase;
        merged.upload_id = record->upload_id;
        merged.part_size_bytes = record->part_size_bytes;
        merged.part_count = record->part_count;
        merged.updated_unix_ms = ps_clock_unix_ms(txn->state->clock);
        code = put_upload(txn, &key, &merged);
    }
    ps_upload_record_clear(&old);
    return code;
}

enum ps_code ps_checkpoint_update(struct ps_state *state, const struct ps_upload_record *record,
                                  struct ps_err *err)
{
    return ps_state_write(state, update_body, (void *)(uintptr_t)record, err);
}

/* --- end --- */

struct end {
    uint64_t number;
    const char *url;
};

static enum ps_code end_body(struct ps_txn *txn, void *user)
{
    const struct end *end = user;
    struct ps_upload_record old = { 0 };
    struct ps_key key;
    enum ps_code code = get_upload(txn, end->url, &old, &key);
    bool same = old.url != NULL && old.number == end->number;

    ps_upload_record_clear(&old);
    if (code == PS_OK) {
        code = ps_txn_delete_rows(txn, PS_DB_PARTS, end->number);
    }
    return code == PS_OK && same ? ps_txn_delete(txn, PS_DB_UPLOADS, &key) : code;
}

enum ps_code ps_checkpoint_end(struct ps_state *state, uint64_t number, const char *url,
                               struct ps_err *err)
{
    struct end end = { .number = number, .url = url };

    return ps_state_write(state, end_body, &end, err);
}

/* --- each --- */

/* One upload a transaction: no transaction is held over the callback, nor all records in memory. */
struct walk {
    struct ps_key last; /* size_bytes 0 = before the first */
    bool found;
    struct ps_upload_record record;
};

static int next_upload(MDB_cursor *cursor, const struct ps_key *last, MDB_val *at, MDB_val *value)
{
    int rc;

    if (last->size_bytes == 0) {
        return mdb_cursor_get(cursor, at, value, MDB_FIRST);
    }
    *at = ps_val(last->bytes, last->size_bytes);
    rc = mdb_cursor_get(cursor, at, value, MDB_SET_RANGE);
    if (rc == 0 && at->mv_size == last->size_bytes &&
        memcmp(at->mv_data, last->bytes, at->mv_size) == 0) {
        rc = mdb_cursor_get(cursor, at, value, MDB_NEXT);
    }
    return rc;
}

static enum ps_code walk_body(struct ps_txn *txn, void *user)
{
    struct walk *walk = user;
    MDB_cursor *cursor = NULL;
    MDB_val at = { 0 };
    MDB_val value = { 0 };
    enum ps_code code = PS_OK;
    int rc = mdb_cursor_open(txn->mdb, txn->state->dbs[PS_DB_UPLOADS], &cursor);

    walk->found = false;
    ps_upload_record_clear(&walk->record);
    if (rc != 0) {
        return ps_txn_fail(txn, rc, "read uploads");
    }
    rc = next_upload(cursor, &walk->last, &at, &value);
    mdb_cursor_close(cursor); /* what it found stays valid until the transaction ends */
    if (rc != 0) {
        return rc == MDB_NOTFOUND ? PS_OK : ps_txn_fail(txn, rc, "read uploads");
    }
    walk->found = true;
    walk->last.size_bytes = at.mv_size;
    memcpy(walk->last.bytes, at.mv_data, at.mv_size);
    code = ps_upload_record_decode(value.mv_data, value.mv_size, &walk->record, txn->err);
    return code == PS_OK ? count_parts(txn, &walk->record) : code;
}

enum ps_code ps_checkpoint_each(struct ps_state *state,
                                bool (*each)(void *user, const struct ps_upload_record *record),
                                void *user, struct ps_err *err)
{
    struct walk walk = { .found = true };
    enum ps_code result = PS_OK;
    bool more = true;

    while (more && walk.found) {
        struct ps_err failure = { 0 };
        enum ps_code code = ps_state_read(state, walk_body, &walk, &failure);

        if (code == PS_OK && walk.found) {
            more = each(user, &walk.record);
        }
        ps_upload_record_clear(&walk.record);
        if (code != PS_OK && result == PS_OK) {
            result = code;
            if (err != NULL) {
                *err = failure;
            }
        }
        /* A record that was found and is damaged is passed over. */
        more = more && (code == PS_OK || (code == PS_E_PARSE && walk.found));
    }
    return result;
}
