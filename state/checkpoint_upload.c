#include "state/checkpoint.h"

#include "base/str.h"
#include "state/record.h"
#include "state/state_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool same_owner(const struct ps_owner *a, const struct ps_owner *b)
{
    return a->pid == b->pid && a->start_ticks == b->start_ticks &&
           strcmp(a->boot_id, b->boot_id) == 0;
}

static enum ps_code check_lock(const char *what, const struct ps_owner *holder,
                               const struct ps_owner *self, struct ps_err *err)
{
    if (!same_owner(holder, self) && ps_owner_is_alive(holder)) {
        return ps_err_set(err, PS_E_LOCKED,
                          "%s: locked by pid %" PRId64 ": wait for it, or stop it and run again",
                          what, holder->pid);
    }
    return PS_OK;
}

/* --- one upload record by its URL --- */

/* *record_out must be zeroed; its url stays NULL when there is no such upload. */
static enum ps_code get_upload(struct ps_state *state, MDB_txn *txn, const char *url,
                               struct ps_upload_record *record_out, int *rc_out, struct ps_err *err)
{
    struct ps_key key;
    MDB_val key_val;
    MDB_val value;
    enum ps_code code;

    ps_key_from_text(&key, url);
    key_val = ps_key_val(&key);
    *rc_out = mdb_get(txn, state->dbs[PS_DB_UPLOADS], &key_val, &value);
    if (*rc_out == MDB_NOTFOUND) {
        *rc_out = 0;
        return PS_OK;
    }
    if (*rc_out != 0) {
        return ps_state_error(*rc_out, "read an upload", err);
    }
    code = ps_upload_record_decode(value.mv_data, value.mv_size, record_out, err);
    if (code == PS_OK && strcmp(record_out->url, url) != 0) {
        ps_upload_record_clear(record_out);
        return ps_err_set(err, PS_E_LOCKED, "%s: its key in the state is in use by a URL as long",
                          url);
    }
    return code;
}

static enum ps_code put_upload(struct ps_state *state, MDB_txn *txn,
                               const struct ps_upload_record *record, int *rc_out,
                               struct ps_err *err)
{
    struct ps_key key;
    struct ps_buf buf;
    MDB_val key_val;
    MDB_val value;
    enum ps_code code;

    ps_buf_init(&buf, 0);
    code = ps_upload_record_encode(record, &buf, err);
    if (code == PS_OK) {
        ps_key_from_text(&key, record->url);
        key_val = ps_key_val(&key);
        value = ps_val(buf.data, buf.size_bytes);
        *rc_out = mdb_put(txn, state->dbs[PS_DB_UPLOADS], &key_val, &value, 0);
        if (*rc_out != 0) {
            code = ps_state_error(*rc_out, "write an upload", err);
        }
    }
    ps_buf_clear(&buf);
    return code;
}

/* --- parts of one upload --- */

static bool is_part_of(const MDB_val *key, uint64_t number)
{
    struct ps_key prefix = { 0 };

    ps_key_append_u64(&prefix, number);
    return key->mv_size == prefix.size_bytes + 4 &&
           memcmp(key->mv_data, prefix.bytes, prefix.size_bytes) == 0;
}

static int first_part(MDB_cursor *cursor, uint64_t number, MDB_val *key_val, MDB_val *value)
{
    struct ps_key key = { 0 };

    ps_key_append_u64(&key, number);
    ps_key_append_u32(&key, 0);
    *key_val = ps_key_val(&key);
    return mdb_cursor_get(cursor, key_val, value, MDB_SET_RANGE);
}

static enum ps_code delete_parts(struct ps_state *state, MDB_txn *txn, uint64_t number, int *rc_out,
                                 struct ps_err *err)
{
    MDB_cursor *cursor = NULL;
    MDB_val key;
    MDB_val value;

    *rc_out = mdb_cursor_open(txn, state->dbs[PS_DB_PARTS], &cursor);
    if (*rc_out != 0) {
        return ps_state_error(*rc_out, "delete parts", err);
    }
    *rc_out = first_part(cursor, number, &key, &value);
    while (*rc_out == 0 && is_part_of(&key, number)) {
        *rc_out = mdb_cursor_del(cursor, 0);
        if (*rc_out == 0) {
            *rc_out = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
        }
    }
    mdb_cursor_close(cursor);
    if (*rc_out == MDB_NOTFOUND) {
        *rc_out = 0;
    }
    return *rc_out != 0 ? ps_state_error(*rc_out, "delete parts", err) : PS_OK;
}

/* --- begin --- */

static enum ps_code next_number(struct ps_state *state, MDB_txn *txn, uint64_t *number_out,
                                int *rc_out, struct ps_err *err)
{
    MDB_val key = ps_val("upload_number", 13);
    MDB_val value = { 0 };
    uint64_t number = 0;

    *rc_out = mdb_get(txn, state->dbs[PS_DB_META], &key, &value);
    if (*rc_out == 0 && value.mv_size == sizeof(number)) {
        memcpy(&number, value.mv_data, sizeof(number));
    } else if (*rc_out != 0 && *rc_out != MDB_NOTFOUND) {
        return ps_state_error(*rc_out, "upload number", err);
    }
    number++;
    value = ps_val(&number, sizeof(number));
    *rc_out = mdb_put(txn, state->dbs[PS_DB_META], &key, &value, 0);
    *number_out = number;
    return *rc_out != 0 ? ps_state_error(*rc_out, "upload number", err) : PS_OK;
}

static enum ps_code begin_body(struct ps_state *state, MDB_txn *txn, void *user, int *rc_out,
                               struct ps_err *err)
{
    struct ps_upload_record *record = user;
    struct ps_upload_record old = { 0 };
    enum ps_code code = get_upload(state, txn, record->url, &old, rc_out, err);

    if (code == PS_OK && old.url != NULL) {
        code = check_lock(record->url, &old.owner, &record->owner, err);
        if (code == PS_OK) {
            code = delete_parts(state, txn, old.number, rc_out, err);
        }
    }
    ps_upload_record_clear(&old);
    if (code == PS_OK) {
        code = next_number(state, txn, &record->number, rc_out, err);
    }
    return code == PS_OK ? put_upload(state, txn, record, rc_out, err) : code;
}

enum ps_code ps_checkpoint_begin(struct ps_state *state, struct ps_upload_record *record,
                                 struct ps_err *err)
{
    return ps_state_write(state, begin_body, record, err);
}

/* --- claim --- */

struct claim {
    const char *url;
    const struct ps_owner *owner;
    bool found;
    struct ps_upload_record record;
};

static enum ps_code claim_body(struct ps_state *state, MDB_txn *txn, void *user, int *rc_out,
                               struct ps_err *err)
{
    struct claim *claim = user;
    enum ps_code code;

    ps_upload_record_clear(&claim->record); /* of an attempt before the map was grown */
    code = get_upload(state, txn, claim->url, &claim->record, rc_out, err);
    claim->found = claim->record.url != NULL;
    if (code != PS_OK || !claim->found) {
        return code;
    }
    code = check_lock(claim->url, &claim->record.owner, claim->owner, err);
    if (code == PS_OK) {
        claim->record.owner = *claim->owner;
        code = put_upload(state, txn, &claim->record, rc_out, err);
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
    *found_out = claim.found;
    if (claim.found) {
        *record_out = claim.record;
    }
    return PS_OK;
}

/* --- update --- */

static enum ps_code update_body(struct ps_state *state, MDB_txn *txn, void *user, int *rc_out,
                                struct ps_err *err)
{
    const struct ps_upload_record *record = user;
    struct ps_upload_record old = { 0 };
    enum ps_code code = get_upload(state, txn, record->url, &old, rc_out, err);
    bool same = old.url != NULL && old.number == record->number;

    ps_upload_record_clear(&old);
    if (code == PS_OK && !same) {
        return ps_err_set(err, PS_E_NOT_FOUND, "%s: its upload record is gone", record->url);
    }
    if (code == PS_OK) {
        struct ps_upload_record now = *record;

        now.updated_unix_ms = ps_clock_unix_ms(state->clock);
        code = put_upload(state, txn, &now, rc_out, err);
    }
    return code;
}

enum ps_code ps_checkpoint_update(struct ps_state *state, const struct ps_upload_record *record,
                                  struct ps_err *err)
{
    return ps_state_write(state, update_body, (void *)(uintptr_t)record, err);
}

/* --- parts --- */

struct parts {
    uint64_t number;
    const struct ps_part_record *parts;
    const uint32_t *part_numbers;
    size_t count;
    struct ps_part_record *out;
    size_t capacity;
};

static enum ps_code put_part(struct ps_state *state, MDB_txn *txn, uint64_t number,
                             const struct ps_part_record *part, int *rc_out, struct ps_err *err)
{
    struct ps_key key = { 0 };
    struct ps_buf buf;
    MDB_val key_val;
    MDB_val value;
    enum ps_code code;

    ps_key_append_u64(&key, number);
    ps_key_append_u32(&key, part->part_number);
    ps_buf_init(&buf, 0);
    code = ps_part_record_encode(part, &buf, err);
    if (code == PS_OK) {
        key_val = ps_key_val(&key);
        value = ps_val(buf.data, buf.size_bytes);
        *rc_out = mdb_put(txn, state->dbs[PS_DB_PARTS], &key_val, &value, 0);
        if (*rc_out != 0) {
            code = ps_state_error(*rc_out, "write a part", err);
        }
    }
    ps_buf_clear(&buf);
    return code;
}

static enum ps_code parts_done_body(struct ps_state *state, MDB_txn *txn, void *user, int *rc_out,
                                    struct ps_err *err)
{
    const struct parts *parts = user;
    enum ps_code code = PS_OK;

    for (size_t i = 0; i < parts->count && code == PS_OK; i++) {
        code = put_part(state, txn, parts->number, &parts->parts[i], rc_out, err);
    }
    return code;
}

enum ps_code ps_checkpoint_parts_done(struct ps_state *state, uint64_t number,
                                      const struct ps_part_record *parts, size_t count,
                                      struct ps_err *err)
{
    struct parts all = { .number = number, .parts = parts, .count = count };

    return ps_state_write(state, parts_done_body, &all, err);
}

static enum ps_code append_part(struct parts *parts, const MDB_val *key, const MDB_val *value,
                                struct ps_err *err)
{
    struct ps_part_record *record;

    if (parts->count == parts->capacity) {
        size_t capacity = parts->capacity != 0 ? parts->capacity * 2 : 64;
        struct ps_part_record *out = realloc(parts->out, capacity * sizeof(*out));

        if (out == NULL) {
            return ps_err_set(err, PS_E_NO_MEMORY, "state: out of memory for parts");
        }
        parts->out = out;
        parts->capacity = capacity;
    }
    record = &parts->out[parts->count];
    memset(record, 0, sizeof(*record));
    record->part_number = ps_key_last_u32(key->mv_data, key->mv_size);
    parts->count++;
    return ps_part_record_decode(value->mv_data, value->mv_size, record, err);
}

static enum ps_code read_parts_body(struct ps_state *state, MDB_txn *txn, void *user, int *rc_out,
                                    struct ps_err *err)
{
    struct parts *parts = user;
    MDB_cursor *cursor = NULL;
    MDB_val key;
    MDB_val value;
    enum ps_code code = PS_OK;

    parts->count = 0;
    *rc_out = mdb_cursor_open(txn, state->dbs[PS_DB_PARTS], &cursor);
    if (*rc_out != 0) {
        return ps_state_error(*rc_out, "read parts", err);
    }
    *rc_out = first_part(cursor, parts->number, &key, &value);
    while (*rc_out == 0 && is_part_of(&key, parts->number) && code == PS_OK) {
        code = append_part(parts, &key, &value, err);
        *rc_out = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    if (*rc_out != 0 && *rc_out != MDB_NOTFOUND && code == PS_OK) {
        code = ps_state_error(*rc_out, "read parts", err);
    }
    *rc_out = 0;
    return code;
}

enum ps_code ps_checkpoint_parts(struct ps_state *state, uint64_t number,
                                 struct ps_part_record **parts_out, size_t *count_out,
                                 struct ps_err *err)
{
    struct parts parts = { .number = number };
    enum ps_code code = ps_state_read(state, read_parts_body, &parts, err);

    if (code != PS_OK) {
        free(parts.out);
        return code;
    }
    *parts_out = parts.out;
    *count_out = parts.count;
    return PS_OK;
}

static enum ps_code forget_body(struct ps_state *state, MDB_txn *txn, void *user, int *rc_out,
                                struct ps_err *err)
{
    const struct parts *parts = user;

    for (size_t i = 0; i < parts->count; i++) {
        struct ps_key key = { 0 };
        MDB_val key_val;

        ps_key_append_u64(&key, parts->number);
        ps_key_append_u32(&key, parts->part_numbers[i]);
        key_val = ps_key_val(&key);
        *rc_out = mdb_del(txn, state->dbs[PS_DB_PARTS], &key_val, NULL);
        if (*rc_out != 0 && *rc_out != MDB_NOTFOUND) {
            return ps_state_error(*rc_out, "forget a part", err);
        }
    }
    *rc_out = 0;
    return PS_OK;
}

enum ps_code ps_checkpoint_parts_forget(struct ps_state *state, uint64_t number,
                                        const uint32_t *part_numbers, size_t count,
                                        struct ps_err *err)
{
    struct parts parts = { .number = number, .part_numbers = part_numbers, .count = count };

    return ps_state_write(state, forget_body, &parts, err);
}

/* --- end --- */

struct end {
    uint64_t number;
    const char *url;
};

static enum ps_code end_body(struct ps_state *state, MDB_txn *txn, void *user, int *rc_out,
                             struct ps_err *err)
{
    const struct end *end = user;
    struct ps_upload_record old = { 0 };
    enum ps_code code = get_upload(state, txn, end->url, &old, rc_out, err);
    bool same = old.url != NULL && old.number == end->number;

    ps_upload_record_clear(&old);
    if (code == PS_OK) {
        code = delete_parts(state, txn, end->number, rc_out, err);
    }
    if (code == PS_OK && same) {
        struct ps_key key;
        MDB_val key_val;

        ps_key_from_text(&key, end->url);
        key_val = ps_key_val(&key);
        *rc_out = mdb_del(txn, state->dbs[PS_DB_UPLOADS], &key_val, NULL);
        if (*rc_out != 0) {
            code = ps_state_error(*rc_out, "end an upload", err);
        }
    }
    return code;
}

enum ps_code ps_checkpoint_end(struct ps_state *state, uint64_t number, const char *url,
                               struct ps_err *err)
{
    struct end end = { .number = number, .url = url };

    return ps_state_write(state, end_body, &end, err);
}

/* --- each --- */

struct each {
    bool (*each)(void *user, const struct ps_upload_record *record);
    void *user;
};

static enum ps_code count_parts(struct ps_state *state, MDB_txn *txn,
                                struct ps_upload_record *record, struct ps_err *err)
{
    struct parts parts = { .number = record->number };
    int rc = 0;
    enum ps_code code = read_parts_body(state, txn, &parts, &rc, err);

    for (size_t i = 0; code == PS_OK && i < parts.count; i++) {
        record->done_part_count++;
        record->done_size_bytes += parts.out[i].size_bytes;
    }
    free(parts.out);
    return code;
}

static enum ps_code each_body(struct ps_state *state, MDB_txn *txn, void *user, int *rc_out,
                              struct ps_err *err)
{
    const struct each *each = user;
    MDB_cursor *cursor = NULL;
    MDB_val key;
    MDB_val value;
    enum ps_code code = PS_OK;
    bool more = true;

    *rc_out = mdb_cursor_open(txn, state->dbs[PS_DB_UPLOADS], &cursor);
    if (*rc_out != 0) {
        return ps_state_error(*rc_out, "read uploads", err);
    }
    for (*rc_out = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
         *rc_out == 0 && more && code == PS_OK;
         *rc_out = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
        struct ps_upload_record record = { 0 };

        code = ps_upload_record_decode(value.mv_data, value.mv_size, &record, err);
        if (code == PS_OK) {
            code = count_parts(state, txn, &record, err);
        }
        if (code == PS_OK) {
            more = each->each(each->user, &record);
        }
        ps_upload_record_clear(&record);
    }
    mdb_cursor_close(cursor);
    *rc_out = 0;
    return code;
}

enum ps_code ps_checkpoint_each(struct ps_state *state,
                                bool (*each)(void *user, const struct ps_upload_record *record),
                                void *user, struct ps_err *err)
{
    struct each all = { .each = each, .user = user };

    return ps_state_read(state, each_body, &all, err);
}
