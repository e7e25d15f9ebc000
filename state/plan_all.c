#include "state/pending_reclaim.h"

#include "base/str.h"
#include "state/field.h"
#include "state/reclaim_internal.h"

#include <string.h>

/* Planning all anew, as the policies have changed. */

/* A million rows in one transaction would hold as many dirty pages: a page of them at a time. */
#define QUEUE_PAGE 10000

struct queue_all {
    uint64_t next_number; /* where this transaction begins */
    uint64_t reached_number;
    uint64_t count;
    uint64_t page_count;
};

static enum ps_code queue_one(struct ps_txn *txn, void *user, const MDB_val *key,
                              const MDB_val *value)
{
    struct queue_all *all = user;
    uint64_t number = ps_key_number_at(key, 0);

    (void)value;
    if (all->page_count == QUEUE_PAGE) {
        return PS_E_CANCELLED;
    }
    all->page_count++;
    all->reached_number = number;
    return ps_queue_put(txn, PS_QUEUE_ARTIFACT, number, PS_EVENT_AGE);
}

static enum ps_code queue_body(struct ps_txn *txn, void *user)
{
    struct queue_all *all = user;
    struct ps_key first;

    all->page_count = 0;
    ps_key_from_u64(&first, all->next_number);
    return ps_txn_walk(txn, PS_DB_ARTIFACTS, &first, 0, queue_one, all);
}

enum ps_code ps_reclaim_queue_all(struct ps_state *state, uint64_t *count_out, struct ps_err *err)
{
    struct queue_all all = { 0 };
    enum ps_code code;

    do {
        code = ps_state_write(state, queue_body, &all, err);
        all.count += all.page_count;
        all.next_number = all.reached_number + 1;
    } while (code == PS_OK && all.page_count == QUEUE_PAGE);
    if (code == PS_OK) {
        *count_out = all.count;
    }
    return code;
}

/* --- the policies that all was asked under --- */

static const char policies_key[] = "policies";

static enum ps_code read_digest(struct ps_txn *txn, void *user)
{
    char *digest = user;
    struct ps_field_reader reader;
    struct ps_key key;
    MDB_val value;
    enum ps_code code;

    digest[0] = '\0';
    ps_key_from_text(&key, policies_key, 0);
    code = ps_txn_get(txn, PS_DB_META, &key, &value);
    if (code != PS_OK || value.mv_data == NULL) {
        return code;
    }
    code = ps_field_reader_begin(&reader, value.mv_data, value.mv_size, txn->err);
    if (code == PS_OK) {
        ps_str_copy(digest, PS_POLICIES_DIGEST_SIZE, ps_field_read_text(&reader));
        code = ps_field_reader_end(&reader, policies_key, txn->err);
    }
    return code;
}

static enum ps_code write_digest(struct ps_txn *txn, void *user)
{
    struct ps_buf buf;
    struct ps_field_writer writer;
    struct ps_key key;
    enum ps_code code;

    ps_buf_init(&buf, 0);
    writer = ps_field_writer_begin(&buf, txn->err);
    ps_field_write_text(&writer, user);
    ps_key_from_text(&key, policies_key, 0);
    code = writer.code == PS_OK ? ps_txn_put(txn, PS_DB_META, &key, &buf) : writer.code;
    ps_buf_clear(&buf);
    return code;
}

/* What no policy answers has a name of its own, so that it differs from "nothing was asked yet". */
static const char *name_of(const char *digest)
{
    return digest[0] != '\0' ? digest : "built-in";
}

enum ps_code ps_reclaim_policies_compare(struct ps_state *state, const char *digest,
                                         enum ps_policies_change *change_out, struct ps_err *err)
{
    char seen[PS_POLICIES_DIGEST_SIZE];
    enum ps_code code = ps_state_read(state, read_digest, seen, err);

    if (code == PS_OK) {
        *change_out = seen[0] == '\0'                      ? PS_POLICIES_FIRST
                      : strcmp(seen, name_of(digest)) != 0 ? PS_POLICIES_OTHERS
                                                           : PS_POLICIES_SAME;
    }
    return code;
}

/* The digest is noted last: a kill before that queues all once more, which changes nothing. */
enum ps_code ps_reclaim_take_policies(struct ps_state *state, const char *digest,
                                      enum ps_policies_change *change_out, uint64_t *count_out,
                                      struct ps_err *err)
{
    char seen[PS_POLICIES_DIGEST_SIZE];
    uint64_t count = 0;
    enum ps_policies_change change = PS_POLICIES_SAME;
    enum ps_code code = ps_reclaim_policies_compare(state, digest, &change, err);

    if (code == PS_OK && change != PS_POLICIES_SAME) {
        code = ps_reclaim_queue_all(state, &count, err);
    }
    if (code == PS_OK && change != PS_POLICIES_SAME) {
        ps_str_copy(seen, sizeof(seen), name_of(digest));
        code = ps_state_write(state, write_digest, seen, err);
    }
    if (code == PS_OK) {
        *change_out = change;
        *count_out = count;
    }
    return code;
}
