/**
 * state_internal - transactions and keys, for the .c files of this folder only; with them the only code that sees lmdb.h.
 *
 * Flow:    checkpoint.c -> [state_internal] -> LMDB
 * Thread:  any; see state.h
 * Source:  LMDB 0.9.24: a key has at most 511 bytes; the map may be resized only while this process has no transaction
 */
#ifndef PS_STATE_STATE_INTERNAL_H
#define PS_STATE_STATE_INTERNAL_H

#include "base/buf.h"
#include "state/state.h"

#include <lmdb.h>
#include <pthread.h>

/** Named databases. To add one, add it here and to the table in state.c. */
enum ps_state_db {
    PS_DB_META,
    PS_DB_UPLOADS,
    PS_DB_PARTS,
    PS_DB_DOWNLOADS,
    PS_DB_RANGES,
    PS_DB_COUNT,
};

struct ps_state {
    MDB_env *env;
    MDB_dbi dbs[PS_DB_COUNT];
    char *dir;
    const struct ps_clock *clock;
    /* Shared by transactions, taken alone to resize the map: LMDB forbids a resize beside a transaction, and
     * transactions are on several worker threads. */
    pthread_rwlock_t resize_lock;
};

/** URLs and paths up to this long are keys as they are; longer ones are cut and a hash of the whole is added. */
#define PS_KEY_TEXT_MAX 400
#define PS_KEY_SIZE_MAX 511

struct ps_key {
    size_t size_bytes;
    unsigned char bytes[PS_KEY_SIZE_MAX];
};

/** Key of a URL or path. Two long texts with one key are told apart by the text in the value. */
void ps_key_from_text(struct ps_key *key, const char *text);
void ps_key_append_u32(struct ps_key *key, uint32_t value);
void ps_key_append_u64(struct ps_key *key, uint64_t value);

/** The big-endian number that ends a key of size_bytes. */
uint32_t ps_key_last_u32(const void *key, size_t size_bytes);

static inline MDB_val ps_val(const void *data, size_t size_bytes)
{
    /* MDB_val has no const; LMDB does not write to keys and values that it is given. */
    return (MDB_val){ .mv_size = size_bytes, .mv_data = (void *)(uintptr_t)data };
}

static inline MDB_val ps_key_val(const struct ps_key *key)
{
    return ps_val(key->bytes, key->size_bytes);
}

/** The one place where MDB_* and errno become a ps_code. rc must not be 0. */
enum ps_code ps_state_error(int rc, const char *what, struct ps_err *err);

/** The body of a transaction: returns PS_OK to commit, else everything is undone. *rc_out: the failing MDB_* or 0. */
typedef enum ps_code (*ps_txn_fn)(struct ps_state *state, MDB_txn *txn, void *user, int *rc_out,
                                  struct ps_err *err);

/** Run body in one write transaction and commit it durably; grows the map and runs it again when it was full. */
PS_MUST_USE enum ps_code ps_state_write(struct ps_state *state, ps_txn_fn body, void *user,
                                        struct ps_err *err);

/** Run body in a read transaction. */
PS_MUST_USE enum ps_code ps_state_read(struct ps_state *state, ps_txn_fn body, void *user,
                                       struct ps_err *err);

#endif
