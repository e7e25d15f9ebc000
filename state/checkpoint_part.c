#include "state/checkpoint.h"

#include "state/record.h"
#include "state/state_internal.h"

#include <inttypes.h>
#include <stdlib.h>

/* --- noting --- */

struct note {
    uint64_t number;
    const struct ps_part_record *parts;
    size_t count;
};

static enum ps_code put_part(struct ps_txn *txn, uint64_t number, const struct ps_part_record *part)
{
    struct ps_buf buf;
    struct ps_key key;
    enum ps_code code;

    if (part->part_number == 0) { /* the row that says that the upload is there */
        return ps_err_set(txn->err, PS_E_INVALID, "part numbers count from 1");
    }
    ps_key_from_number(&key, number, part->part_number);
    ps_buf_init(&buf, 0);
    code = ps_part_record_encode(part, &buf, txn->err);
    if (code == PS_OK) {
        code = ps_txn_put(txn, PS_DB_PARTS, &key, &buf);
    }
    ps_buf_clear(&buf);
    return code;
}

static enum ps_code note_body(struct ps_txn *txn, void *user)
{
    const struct note *note = user;
    struct ps_key key;
    MDB_val mark;
    enum ps_code code;

    ps_key_from_number(&key, note->number, 0);
    code = ps_txn_get(txn, PS_DB_PARTS, &key, &mark);
    if (code == PS_OK && mark.mv_data == NULL) {
        code = ps_err_set(txn->err, PS_E_NOT_FOUND, "upload %" PRIu64 ": its record is gone",
                          note->number);
    }
    for (size_t i = 0; i < note->count && code == PS_OK; i++) {
        code = put_part(txn, note->number, &note->parts[i]);
    }
    return code;
}

enum ps_code ps_checkpoint_parts_done(struct ps_state *state, uint64_t number,
                                      const struct ps_part_record *parts, size_t count,
                                      struct ps_err *err)
{
    struct note note = { .number = number, .parts = parts, .count = count };

    return ps_state_write(state, note_body, &note, err);
}

/* --- reading --- */

struct list {
    uint64_t number;
    struct ps_part_record *parts;
    size_t count;
    size_t capacity;
};

static enum ps_code append_part(struct ps_txn *txn, void *user, uint32_t row_index,
                                const MDB_val *value)
{
    struct list *list = user;
    struct ps_part_record part = { .part_number = row_index };
    enum ps_code code = ps_part_record_decode(value->mv_data, value->mv_size, &part, txn->err);

    if (code != PS_OK) {
        return code;
    }
    if (list->count == list->capacity) {
        size_t capacity = list->capacity != 0 ? list->capacity * 2 : 64;
        struct ps_part_record *parts = realloc(list->parts, capacity * sizeof(*parts));

        if (parts == NULL) {
            return ps_err_set(txn->err, PS_E_NO_MEMORY, "state: out of memory for parts");
        }
        list->parts = parts;
        list->capacity = capacity;
    }
    list->parts[list->count++] = part;
    return PS_OK;
}

static enum ps_code list_body(struct ps_txn *txn, void *user)
{
    struct list *list = user;

    list->count = 0;
    return ps_txn_each_row(txn, PS_DB_PARTS, list->number, 1, append_part, list);
}

enum ps_code ps_checkpoint_parts(struct ps_state *state, uint64_t number,
                                 struct ps_part_record **parts_out, size_t *count_out,
                                 struct ps_err *err)
{
    struct list list = { .number = number };
    enum ps_code code = ps_state_read(state, list_body, &list, err);

    if (code != PS_OK) {
        free(list.parts);
        return code;
    }
    *parts_out = list.parts;
    *count_out = list.count;
    return PS_OK;
}

/* --- forgetting --- */

struct forget {
    uint64_t number;
    const uint32_t *part_numbers;
    size_t count;
};

static enum ps_code forget_body(struct ps_txn *txn, void *user)
{
    const struct forget *forget = user;
    enum ps_code code = PS_OK;

    for (size_t i = 0; i < forget->count && code == PS_OK; i++) {
        struct ps_key key;

        if (forget->part_numbers[i] == 0) {
            return ps_err_set(txn->err, PS_E_INVALID, "part numbers count from 1");
        }
        ps_key_from_number(&key, forget->number, forget->part_numbers[i]);
        code = ps_txn_delete(txn, PS_DB_PARTS, &key);
    }
    return code;
}

enum ps_code ps_checkpoint_parts_forget(struct ps_state *state, uint64_t number,
                                        const uint32_t *part_numbers, size_t count,
                                        struct ps_err *err)
{
    struct forget forget = { .number = number, .part_numbers = part_numbers, .count = count };

    return ps_state_write(state, forget_body, &forget, err);
}
