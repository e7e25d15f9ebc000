/**
 * state_internal - transactions, keys and rows, for the .c files of this folder only; with them the only code that sees
 * lmdb.h.
 *
 * Flow:    checkpoint.h -> [state_internal] -> LMDB
 * Thread:  any; see state.h
 * Source:  LMDB 0.9.24: a key has 1 to 511 bytes; the map may be resized only while this process has no transaction;
 *          an environment must not be used after fork
 */
#ifndef PS_STATE_STATE_INTERNAL_H
#define PS_STATE_STATE_INTERNAL_H

#include "base/buf.h"
#include "state/state.h"

#include <lmdb.h>
#include <pthread.h>

/** Named databases. To add one, add it here, its name to the table in state.c, and its row to README.md. */
enum ps_state_db {
    PS_DB_META, /* first: the schema is checked before any other is looked for */
    PS_DB_UPLOADS,
    PS_DB_PARTS,
    PS_DB_DOWNLOADS,
    PS_DB_DOWNLOAD_RANGES,
    PS_DB_ARTIFACTS,
    PS_DB_ARTIFACT_URLS,
    PS_DB_WORKFLOWS,
    PS_DB_WORKFLOW_NAMES,
    PS_DB_WORKFLOW_ARTIFACTS,
    PS_DB_WORKFLOW_TEMPLATES,
    PS_DB_PLAN_QUEUE,
    PS_DB_RECLAIMS,
    PS_DB_RECLAIMS_DUE,
    PS_DB_HOLDS,
    PS_DB_DECISIONS,
    PS_DB_COUNT,
};

struct ps_state {
    MDB_env *env;
    MDB_dbi dbs[PS_DB_COUNT];
    char *dir;
    const struct ps_clock *clock;
    pid_t pid; /* that opened it */
    /* Shared by transactions, taken alone to resize the map: LMDB forbids a resize beside a transaction, and
     * transactions are on several worker threads. */
    pthread_rwlock_t resize_lock;
};

/* --- transactions (state_txn.c) --- */

/** A running transaction, as its body sees it. */
struct ps_txn {
    struct ps_state *state;
    MDB_txn *mdb;
    struct ps_err *err; /* may be NULL */
    int rc; /* the MDB_* or errno that failed; a full or outgrown map runs the body again */
};

/**
 * The body of a transaction: PS_OK commits, all else undoes everything. It may run more than once, so it begins by
 * setting its results back.
 */
typedef enum ps_code (*ps_txn_fn)(struct ps_txn *txn, void *user);

/**
 * Run body in one write transaction and commit it durably.
 *
 * Errors:  the body's; PS_E_NO_SPACE (disk full); PS_E_IO; PS_E_BUG after a fork.
 */
PS_MUST_USE enum ps_code ps_state_write(struct ps_state *state, ps_txn_fn body, void *user,
                                        struct ps_err *err);

/** Run body in a read transaction. Errors as above, and PS_E_TEMPORARY when too many processes read. */
PS_MUST_USE enum ps_code ps_state_read(struct ps_state *state, ps_txn_fn body, void *user,
                                       struct ps_err *err);

/** The one place where MDB_* and errno become a ps_code. rc must not be 0. */
enum ps_code ps_state_error(int rc, const char *what, struct ps_err *err);

/** Note rc in *txn and return its ps_code. */
enum ps_code ps_txn_fail(struct ps_txn *txn, int rc, const char *what);

static inline MDB_val ps_val(const void *data, size_t size_bytes)
{
    /* MDB_val has no const; LMDB does not write to keys and values that it is given. */
    return (MDB_val){ .mv_size = size_bytes, .mv_data = (void *)(uintptr_t)data };
}

/* --- keys and rows (state_row.c) --- */

/**
 * URLs and paths up to this long are keys as they are. Of longer ones the key is the first PS_KEY_TEXT_MAX bytes, 0xff,
 * FNV-1a of the rest and a slot: texts that share all that take the next slot, and the value tells them apart.
 */
#define PS_KEY_TEXT_MAX 400
#define PS_KEY_SLOTS 8
#define PS_KEY_SIZE_MAX 511

struct ps_key {
    size_t size_bytes;
    unsigned char bytes[PS_KEY_SIZE_MAX];
};

/** Key of a URL or path; slot counts from 0 and matters for long ones only. */
void ps_key_from_text(struct ps_key *key, const char *text, unsigned slot);

/** Key of row row_index of the upload or download number: both big-endian, so they sort as they are read. */
void ps_key_from_number(struct ps_key *key, uint64_t number, uint32_t row_index);

/** *value_out lies in the map until the next write of this transaction; mv_data is NULL when there is no such key. */
PS_MUST_USE enum ps_code ps_txn_get(struct ps_txn *txn, enum ps_state_db db,
                                    const struct ps_key *key, MDB_val *value_out);
PS_MUST_USE enum ps_code ps_txn_put(struct ps_txn *txn, enum ps_state_db db,
                                    const struct ps_key *key, const struct ps_buf *value);
/** Nothing there is success. */
PS_MUST_USE enum ps_code ps_txn_delete(struct ps_txn *txn, enum ps_state_db db,
                                       const struct ps_key *key);

/**
 * Find the value of a URL or path in a database whose values begin with it (record.h). When there is none,
 * value_out->mv_data is NULL and *key_out is where it would be put.
 *
 * Errors:  PS_E_INVALID for an empty text; PS_E_PARSE for a damaged value; PS_E_TOO_LARGE when all slots are taken.
 */
PS_MUST_USE enum ps_code ps_txn_find(struct ps_txn *txn, enum ps_state_db db, const char *text,
                                     struct ps_key *key_out, MDB_val *value_out);

/** The next number of the sequence called name in meta, from 1. Errors: PS_E_PARSE when it is damaged or used up. */
PS_MUST_USE enum ps_code ps_txn_next_number(struct ps_txn *txn, const char *name,
                                            uint64_t *number_out);

/** One row; value lies in the map for the call. */
typedef enum ps_code (*ps_row_fn)(struct ps_txn *txn, void *user, uint32_t row_index,
                                  const MDB_val *value);

/** Call each for the rows of number from row first_index on, ascending, until one fails. */
PS_MUST_USE enum ps_code ps_txn_each_row(struct ps_txn *txn, enum ps_state_db db, uint64_t number,
                                         uint32_t first_index, ps_row_fn each, void *user);

/** Delete all rows of number. */
PS_MUST_USE enum ps_code ps_txn_delete_rows(struct ps_txn *txn, enum ps_state_db db,
                                            uint64_t number);

/* --- owners (owner.c) --- */

/** PS_E_LOCKED "what: locked by pid N" when holder lives and is not self. */
PS_MUST_USE enum ps_code ps_owner_check_lock(const char *what, const struct ps_owner *holder,
                                             const struct ps_owner *self, struct ps_err *err);

#endif
