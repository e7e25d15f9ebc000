#include "state/checkpoint.h"

#include "state/record.h"
#include "state/state_internal.h"

#include <stdlib.h>

/* --- one download by its path --- */

/* *record_out must be zeroed; its path stays NULL when there is no such download. */
static enum ps_code get_download(struct ps_txn *txn, const char *path,
                                 struct ps_download_record *record_out, struct ps_key *key_out)
{
    MDB_val value;
    enum ps_code code = ps_txn_find(txn, PS_DB_DOWNLOADS, path, key_out, &value);

    if (code == PS_OK && value.mv_data != NULL) {
        code = ps_download_record_decode(value.mv_data, value.mv_size, record_out, txn->err);
    }
    return code;
}

static enum ps_code put_download(struct ps_txn *txn, const struct ps_key *key,
                                 const struct ps_download_record *record)
{
    struct ps_buf buf;
    enum ps_code code;

    ps_buf_init(&buf, 0);
    code = ps_download_record_encode(record, &buf, txn->err);
    if (code == PS_OK) {
        code = ps_txn_put(txn, PS_DB_DOWNLOADS, key, &buf);
    }
    ps_buf_clear(&buf);
    return code;
}

/* The number that the ranges of path are kept under; *found_out = false when there is no such download. */
static enum ps_code find_number(struct ps_txn *txn, const char *path, bool *found_out,
                                uint64_t *number_out, struct ps_key *key_out)
{
    struct ps_download_record record = { 0 };
    enum ps_code code = get_download(txn, path, &record, key_out);

    *found_out = record.path != NULL;
    *number_out = record.number;
    ps_download_record_clear(&record);
    return code;
}

/* --- begin --- */

static enum ps_code begin_body(struct ps_txn *txn, void *user)
{
    struct ps_download_record record = *(const struct ps_download_record *)user;
    struct ps_download_record old = { 0 };
    struct ps_key key;
    enum ps_code code = get_download(txn, record.path, &old, &key);

    if (code == PS_OK && old.path != NULL) {
        code = ps_owner_check_lock(record.path, &old.owner, &record.owner, txn->err);
        if (code == PS_OK) {
            code = ps_txn_delete_rows(txn, PS_DB_DOWNLOAD_RANGES, old.number);
        }
    }
    ps_download_record_clear(&old);
    if (code == PS_OK) {
        code = ps_txn_next_number(txn, "download_number", &record.number);
    }
    return code == PS_OK ? put_download(txn, &key, &record) : code;
}

enum ps_code ps_checkpoint_download_begin(struct ps_state *state,
                                          const struct ps_download_record *record,
                                          struct ps_err *err)
{
    return ps_state_write(state, begin_body, (void *)(uintptr_t)record, err);
}

/* --- claim --- */

struct claim {
    const char *path;
    const struct ps_owner *owner;
    struct ps_download_record record; /* path stays NULL when there is none */
};

static enum ps_code claim_body(struct ps_txn *txn, void *user)
{
    struct claim *claim = user;
    struct ps_key key;
    enum ps_code code;

    ps_download_record_clear(&claim->record);
    code = get_download(txn, claim->path, &claim->record, &key);
    if (code != PS_OK || claim->record.path == NULL) {
        return code;
    }
    code = ps_owner_check_lock(claim->path, &claim->record.owner, claim->owner, txn->err);
    if (code == PS_OK) {
        claim->record.owner = *claim->owner;
        code = put_download(txn, &key, &claim->record);
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
    *found_out = claim.record.path != NULL;
    if (*found_out) {
        *record_out = claim.record;
    }
    return PS_OK;
}

/* --- ranges --- */

struct note {
    const char *path;
    const struct ps_range_record *ranges;
    size_t count;
};

static enum ps_code put_range(struct ps_txn *txn, uint64_t number,
                              const struct ps_range_record *range)
{
    struct ps_buf buf;
    struct ps_key key;
    enum ps_code code;

    ps_key_from_number(&key, number, range->range_index);
    ps_buf_init(&buf, 0);
    code = ps_range_record_encode(range, &buf, txn->err);
    if (code == PS_OK) {
        code = ps_txn_put(txn, PS_DB_DOWNLOAD_RANGES, &key, &buf);
    }
    ps_buf_clear(&buf);
    return code;
}

static enum ps_code require_number(struct ps_txn *txn, const char *path, uint64_t *number_out)
{
    struct ps_key key;
    bool found = false;
    enum ps_code code = find_number(txn, path, &found, number_out, &key);

    return code != PS_OK || found
               ? code
               : ps_err_set(txn->err, PS_E_NOT_FOUND, "%s: its download record is gone", path);
}

static enum ps_code note_body(struct ps_txn *txn, void *user)
{
    const struct note *note = user;
    uint64_t number = 0;
    enum ps_code code = require_number(txn, note->path, &number);

    for (size_t i = 0; i < note->count && code == PS_OK; i++) {
        code = put_range(txn, number, &note->ranges[i]);
    }
    return code;
}

enum ps_code ps_checkpoint_ranges_done(struct ps_state *state, const char *path,
                                       const struct ps_range_record *ranges, size_t count,
                                       struct ps_err *err)
{
    struct note note = { .path = path, .ranges = ranges, .count = count };

    return ps_state_write(state, note_body, &note, err);
}

struct list {
    const char *path;
    struct ps_range_record *ranges;
    size_t count;
    size_t capacity;
};

static enum ps_code append_range(struct ps_txn *txn, void *user, uint32_t row_index,
                                 const MDB_val *value)
{
    struct list *list = user;
    struct ps_range_record range = { .range_index = row_index };
    enum ps_code code = ps_range_record_decode(value->mv_data, value->mv_size, &range, txn->err);

    if (code != PS_OK) {
        return code;
    }
    if (list->count == list->capacity) {
        size_t capacity = list->capacity != 0 ? list->capacity * 2 : 64;
        struct ps_range_record *ranges = realloc(list->ranges, capacity * sizeof(*ranges));

        if (ranges == NULL) {
            return ps_err_set(txn->err, PS_E_NO_MEMORY, "state: out of memory for ranges");
        }
        list->ranges = ranges;
        list->capacity = capacity;
    }
    list->ranges[list->count++] = range;
    return PS_OK;
}

static enum ps_code list_body(struct ps_txn *txn, void *user)
{
    struct list *list = user;
    struct ps_key key;
    uint64_t number = 0;
    bool found = false;
    enum ps_code code = find_number(txn, list->path, &found, &number, &key);

    list->count = 0;
    if (code != PS_OK || !found) {
        return code;
    }
    return ps_txn_each_row(txn, PS_DB_DOWNLOAD_RANGES, number, 0, append_range, list);
}

enum ps_code ps_checkpoint_ranges(struct ps_state *state, const char *path,
                                  struct ps_range_record **ranges_out, size_t *count_out,
                                  struct ps_err *err)
{
    struct list list = { .path = path };
    enum ps_code code = ps_state_read(state, list_body, &list, err);

    if (code != PS_OK) {
        free(list.ranges);
        return code;
    }
    *ranges_out = list.ranges;
    *count_out = list.count;
    return PS_OK;
}

/* --- extractions --- */

struct extract_note {
    const char *path;
    struct ps_buf values[2]; /* point, piece */
    uint32_t piece_number;   /* 0 = no piece */
};

static enum ps_code extract_note_body(struct ps_txn *txn, void *user)
{
    const struct extract_note *note = user;
    struct ps_key key;
    uint64_t number = 0;
    enum ps_code code = require_number(txn, note->path, &number);

    if (code == PS_OK) {
        ps_key_from_number(&key, number, 0);
        code = ps_txn_put(txn, PS_DB_DOWNLOAD_RANGES, &key, &note->values[0]);
    }
    if (code == PS_OK && note->piece_number != 0) {
        ps_key_from_number(&key, number, note->piece_number);
        code = ps_txn_put(txn, PS_DB_DOWNLOAD_RANGES, &key, &note->values[1]);
    }
    return code;
}

enum ps_code ps_checkpoint_extract_note(struct ps_state *state, const char *path,
                                        const struct ps_buf *point, uint32_t piece_number,
                                        const struct ps_buf *piece, struct ps_err *err)
{
    struct extract_note note = {
        .path = path,
        .piece_number = piece->size_bytes != 0 ? piece_number : 0,
    };
    const uint8_t version = PS_RECORD_VERSION;
    enum ps_code code = PS_OK;

    ps_buf_init(&note.values[0], SIZE_MAX);
    ps_buf_init(&note.values[1], SIZE_MAX);
    for (size_t i = 0; i < 2 && code == PS_OK; i++) {
        code = ps_buf_append(&note.values[i], &version, 1, err);
    }
    if (code == PS_OK) {
        code = ps_buf_append(&note.values[0], ps_buf_peek(point), point->size_bytes, err);
    }
    if (code == PS_OK) {
        code = ps_buf_append(&note.values[1], ps_buf_peek(piece), piece->size_bytes, err);
    }
    if (code == PS_OK) {
        code = ps_state_write(state, extract_note_body, &note, err);
    }
    ps_buf_clear(&note.values[0]);
    ps_buf_clear(&note.values[1]);
    return code;
}

struct extract_each {
    const char *path;
    enum ps_code (*each)(void *user, uint32_t row_index, const void *data, size_t size_bytes,
                         struct ps_err *err);
    void *user;
};

static enum ps_code each_extract_row(struct ps_txn *txn, void *user, uint32_t row_index,
                                     const MDB_val *value)
{
    const struct extract_each *each = user;
    const uint8_t *bytes = value->mv_data;

    if (value->mv_size < 1 || bytes[0] != PS_RECORD_VERSION) {
        return ps_err_set(txn->err, PS_E_PARSE, "%s: its checkpoint is damaged", each->path);
    }
    return each->each(each->user, row_index, bytes + 1, value->mv_size - 1, txn->err);
}

static enum ps_code extract_each_body(struct ps_txn *txn, void *user)
{
    struct extract_each *each = user;
    struct ps_key key;
    uint64_t number = 0;
    bool found = false;
    enum ps_code code = find_number(txn, each->path, &found, &number, &key);

    return code == PS_OK && found
               ? ps_txn_each_row(txn, PS_DB_DOWNLOAD_RANGES, number, 0, each_extract_row, each)
               : code;
}

enum ps_code ps_checkpoint_extract_each(struct ps_state *state, const char *path,
                                        enum ps_code (*each)(void *user, uint32_t row_index,
                                                             const void *data, size_t size_bytes,
                                                             struct ps_err *err),
                                        void *user, struct ps_err *err)
{
    struct extract_each rows = { .path = path, .each = each, .user = user };

    return ps_state_read(state, extract_each_body, &rows, err);
}

/* --- end --- */

static enum ps_code end_body(struct ps_txn *txn, void *user)
{
    const char *path = user;
    struct ps_key key;
    uint64_t number = 0;
    bool found = false;
    enum ps_code code = find_number(txn, path, &found, &number, &key);

    if (code == PS_OK && found) {
        code = ps_txn_delete_rows(txn, PS_DB_DOWNLOAD_RANGES, number);
    }
    return code == PS_OK && found ? ps_txn_delete(txn, PS_DB_DOWNLOADS, &key) : code;
}

enum ps_code ps_checkpoint_download_end(struct ps_state *state, const char *path,
                                        struct ps_err *err)
{
    return ps_state_write(state, end_body, (void *)(uintptr_t)path, err);
}
