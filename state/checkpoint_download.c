#include "state/checkpoint.h"

#include "state/record.h"
#include "state/state_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Ranges have records of their own, not one list inside the download's value: noting one range then writes 60 bytes,
 * not all of the ranges so far. Their keys are the path's key, a NUL, and the range_index. */
static struct ps_key range_key(const char *path, uint32_t range_index)
{
    struct ps_key key;

    ps_key_from_text(&key, path);
    key.bytes[key.size_bytes++] = '\0';
    ps_key_append_u32(&key, range_index);
    return key;
}

static bool is_range_of(const MDB_val *key, const char *path)
{
    const struct ps_key first = range_key(path, 0);

    return key->mv_size == first.size_bytes &&
           memcmp(key->mv_data, first.bytes, first.size_bytes - 4) == 0;
}

/* *record_out must be zeroed; its path stays NULL when there is no such download. */
static enum ps_code get_download(struct ps_state *state, MDB_txn *txn, const char *path,
                                 struct ps_download_record *record_out, int *rc_out,
                                 struct ps_err *err)
{
    struct ps_key key;
    MDB_val key_val;
    MDB_val value;
    enum ps_code code;

    ps_key_from_text(&key, path);
    key_val = ps_key_val(&key);
    *rc_out = mdb_get(txn, state->dbs[PS_DB_DOWNLOADS], &key_val, &value);
    if (*rc_out == MDB_NOTFOUND) {
        *rc_out = 0;
        return PS_OK;
    }
    if (*rc_out != 0) {
        return ps_state_error(*rc_out, "read a download", err);
    }
    code = ps_download_record_decode(value.mv_data, value.mv_size, record_out, err);
    if (code == PS_OK && strcmp(record_out->path, path) != 0) {
        ps_download_record_clear(record_out);
        return ps_err_set(err, PS_E_LOCKED, "%s: its key in the state is in use by a path as long",
                          path);
    }
    return code;
}

static enum ps_code put_download(struct ps_state *state, MDB_txn *txn,
                                 const struct ps_download_record *record, int *rc_out,
                                 struct ps_err *err)
{
    struct ps_key key;
    struct ps_buf buf;
    MDB_val key_val;
    MDB_val value;
    enum ps_code code;

    ps_buf_init(&buf, 0);
    code = ps_download_record_encode(record, &buf, err);
    if (code == PS_OK) {
        ps_key_from_text(&key, record->path);
        key_val = ps_key_val(&key);
        value = ps_val(buf.data, buf.size_bytes);
        *rc_out = mdb_put(txn, state->dbs[PS_DB_DOWNLOADS], &key_val, &value, 0);
        if (*rc_out != 0) {
            code = ps_state_error(*rc_out, "write a download", err);
        }
    }
    ps_buf_clear(&buf);
    return code;
}

static enum ps_code check_lock(const struct ps_download_record *old, const struct ps_owner *self,
                               struct ps_err *err)
{
    bool same = old->owner.pid == self->pid && old->owner.start_ticks == self->start_ticks &&
                strcmp(old->owner.boot_id, self->boot_id) == 0;

    if (!same && ps_owner_is_alive(&old->owner)) {
        return ps_err_set(err, PS_E_LOCKED,
                          "%s: locked by pid %" PRId64 ": wait for it, or stop it and run again",
                          old->path, old->owner.pid);
    }
    return PS_OK;
}

static int first_range(MDB_cursor *cursor, const char *path, MDB_val *key_val, MDB_val *value)
{
    const struct ps_key key = range_key(path, 0);

    *key_val = ps_key_val(&key);
    return mdb_cursor_get(cursor, key_val, value, MDB_SET_RANGE);
}

static enum ps_code delete_ranges(struct ps_state *state, MDB_txn *txn, const char *path,
                                  int *rc_out, struct ps_err *err)
{
    MDB_cursor *cursor = NULL;
    MDB_val key;
    MDB_val value;

    *rc_out = mdb_cursor_open(txn, state->dbs[PS_DB_RANGES], &cursor);
    if (*rc_out != 0) {
        return ps_state_error(*rc_out, "delete ranges", err);
    }
    *rc_out = first_range(cursor, path, &key, &value);
    while (*rc_out == 0 && is_range_of(&key, path)) {
        *rc_out = mdb_cursor_del(cursor, 0);
        if (*rc_out == 0) {
            *rc_out = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
        }
    }
    mdb_cursor_close(cursor);
    if (*rc_out == MDB_NOTFOUND) {
        *rc_out = 0;
    }
    return *rc_out != 0 ? ps_state_error(*rc_out, "delete ranges", err) : PS_OK;
}

static enum ps_code begin_body(struct ps_state *state, MDB_txn *txn, void *user, int *rc_out,
                               struct ps_err *err)
{
    const struct ps_download_record *record = user;
    struct ps_download_record old = { 0 };
    enum ps_code code = get_download(state, txn, record->path, &old, rc_out, err);

    if (code == PS_OK && old.path != NULL) {
        code = check_lock(&old, &record->owner, err);
    }
    ps_download_record_clear(&old);
    if (code == PS_OK) {
        code = delete_ranges(state, txn, record->path, rc_out, err);
    }
    return code == PS_OK ? put_download(state, txn, record, rc_out, err) : code;
}

enum ps_code ps_checkpoint_download_begin(struct ps_state *state,
                                          const struct ps_download_record *record,
                                          struct ps_err *err)
{
    return ps_state_write(state, begin_body, (void *)(uintptr_t)record, err);
}

struct claim {
    const char *path;
    const struct ps_owner *owner;
    bool found;
    struct ps_download_record record;
};

static enum ps_code claim_body(struct ps_state *state, MDB_txn *txn, void *user, int *rc_out,
                               struct ps_err *err)
{
    struct claim *claim = user;
    enum ps_code code;

    ps_download_record_clear(&claim->record);
    code = get_download(state, txn, claim->path, &claim->record, rc_out, err);
    claim->found = claim->record.path != NULL;
    if (code != PS_OK || !claim->found) {
        return code;
    }
    code = check_lock(&claim->record, claim->owner, err);
    if (code == PS_OK) {
        claim->record.owner = *claim->owner;
        code = put_download(state, txn, &claim->record, rc_out, err);
    }
    return code;
}

enum ps_code ps_checkpoint_download_claim(struct ps_state *state, const char *path,
                                          const struct ps_owner *owner, bool *found_out,
                                          struct ps_download_record *record_out, struct ps_err *err)
{
    struct claim claim = { .path = path, .owner = owner };
    enum ps_code code = ps_state_write(state, claim_body, &claim, err);

    if (code != PS_OK) {
        ps_download_record_clear(&claim.record);
        return code;
    }
    *found_out = claim.found;
    if (claim.found) {
        *record_out = claim.record;
    }
    return PS_OK;
}

struct ranges {
    const char *path;
    const struct ps_range_record *ranges;
    size_t count;
    struct ps_range_record *out;
    size_t capacity;
};

static enum ps_code put_range(struct ps_state *state, MDB_txn *txn, const char *path,
                              const struct ps_range_record *range, int *rc_out, struct ps_err *err)
{
    const struct ps_key key = range_key(path, range->range_index);
    struct ps_buf buf;
    enum ps_code code;

    ps_buf_init(&buf, 0);
    code = ps_range_record_encode(range, &buf, err);
    if (code == PS_OK) {
        MDB_val key_val = ps_key_val(&key);
        MDB_val value = ps_val(buf.data, buf.size_bytes);

        *rc_out = mdb_put(txn, state->dbs[PS_DB_RANGES], &key_val, &value, 0);
        if (*rc_out != 0) {
            code = ps_state_error(*rc_out, "write a range", err);
        }
    }
    ps_buf_clear(&buf);
    return code;
}

static enum ps_code ranges_done_body(struct ps_state *state, MDB_txn *txn, void *user, int *rc_out,
                                     struct ps_err *err)
{
    const struct ranges *ranges = user;
    enum ps_code code = PS_OK;

    for (size_t i = 0; i < ranges->count && code == PS_OK; i++) {
        code = put_range(state, txn, ranges->path, &ranges->ranges[i], rc_out, err);
    }
    return code;
}

enum ps_code ps_checkpoint_ranges_done(struct ps_state *state, const char *path,
                                       const struct ps_range_record *ranges, size_t count,
                                       struct ps_err *err)
{
    struct ranges all = { .path = path, .ranges = ranges, .count = count };

    return ps_state_write(state, ranges_done_body, &all, err);
}

static enum ps_code append_range(struct ranges *ranges, const MDB_val *key, const MDB_val *value,
                                 struct ps_err *err)
{
    struct ps_range_record *record;

    if (ranges->count == ranges->capacity) {
        size_t capacity = ranges->capacity != 0 ? ranges->capacity * 2 : 64;
        struct ps_range_record *out = realloc(ranges->out, capacity * sizeof(*out));

        if (out == NULL) {
            return ps_err_set(err, PS_E_NO_MEMORY, "state: out of memory for ranges");
        }
        ranges->out = out;
        ranges->capacity = capacity;
    }
    record = &ranges->out[ranges->count++];
    memset(record, 0, sizeof(*record));
    record->range_index = ps_key_last_u32(key->mv_data, key->mv_size);
    return ps_range_record_decode(value->mv_data, value->mv_size, record, err);
}

static enum ps_code read_ranges_body(struct ps_state *state, MDB_txn *txn, void *user, int *rc_out,
                                     struct ps_err *err)
{
    struct ranges *ranges = user;
    MDB_cursor *cursor = NULL;
    MDB_val key;
    MDB_val value;
    enum ps_code code = PS_OK;

    ranges->count = 0;
    *rc_out = mdb_cursor_open(txn, state->dbs[PS_DB_RANGES], &cursor);
    if (*rc_out != 0) {
        return ps_state_error(*rc_out, "read ranges", err);
    }
    *rc_out = first_range(cursor, ranges->path, &key, &value);
    while (*rc_out == 0 && is_range_of(&key, ranges->path) && code == PS_OK) {
        code = append_range(ranges, &key, &value, err);
        *rc_out = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    if (*rc_out != 0 && *rc_out != MDB_NOTFOUND && code == PS_OK) {
        code = ps_state_error(*rc_out, "read ranges", err);
    }
    *rc_out = 0;
    return code;
}

enum ps_code ps_checkpoint_ranges(struct ps_state *state, const char *path,
                                  struct ps_range_record **ranges_out, size_t *count_out,
                                  struct ps_err *err)
{
    struct ranges ranges = { .path = path };
    enum ps_code code = ps_state_read(state, read_ranges_body, &ranges, err);

    if (code != PS_OK) {
        free(ranges.out);
        return code;
    }
    *ranges_out = ranges.out;
    *count_out = ranges.count;
    return PS_OK;
}

static enum ps_code end_body(struct ps_state *state, MDB_txn *txn, void *user, int *rc_out,
                             struct ps_err *err)
{
    const char *path = user;
    struct ps_key key;
    MDB_val key_val;

    ps_key_from_text(&key, path);
    key_val = ps_key_val(&key);
    *rc_out = mdb_del(txn, state->dbs[PS_DB_DOWNLOADS], &key_val, NULL);
    if (*rc_out != 0 && *rc_out != MDB_NOTFOUND) {
        return ps_state_error(*rc_out, "end a download", err);
    }
    return delete_ranges(state, txn, path, rc_out, err);
}

enum ps_code ps_checkpoint_download_end(struct ps_state *state, const char *path,
                                        struct ps_err *err)
{
    return ps_state_write(state, end_body, (void *)(uintptr_t)path, err);
}
