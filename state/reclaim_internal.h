/**
 * reclaim_internal - keys and rows that artifacts, plans and sweeps share, for the .c files of this folder only.
 *
 * Flow:    artifact.h, pending_reclaim.h, decision_log.h -> [reclaim_internal] -> state_internal.h
 * Thread:  any; inside of a transaction
 * Source:  README.md of this folder
 */
#ifndef PS_STATE_RECLAIM_INTERNAL_H
#define PS_STATE_RECLAIM_INTERNAL_H

#include "state/artifact.h"
#include "state/pending_reclaim.h"
#include "state/state_internal.h"

/* --- keys (reclaim_rows.c) --- */

void ps_key_from_u64(struct ps_key *key, uint64_t number);
void ps_key_from_pair(struct ps_key *key, uint64_t first, uint64_t second);
/** URL, then the number. A number's first byte is 0 and a URL has none, so the rows of a URL stand together. */
void ps_key_from_url(struct ps_key *key, const char *url, uint64_t number);
/** The big-endian number at offset. */
uint64_t ps_key_number_at(const MDB_val *key, size_t offset);

/** Put an empty value: the key says it all. */
PS_MUST_USE enum ps_code ps_txn_put_key(struct ps_txn *txn, enum ps_state_db db,
                                        const struct ps_key *key);

/** One row of a cursor walk. PS_E_CANCELLED ends the walk without an error. */
typedef enum ps_code (*ps_walk_fn)(struct ps_txn *txn, void *user, const MDB_val *key,
                                   const MDB_val *value);
/**
 * Call each from key first on while keys begin with its first prefix_size_bytes. each may write to other databases; to
 * this one only what it was called for.
 */
PS_MUST_USE enum ps_code ps_txn_walk(struct ps_txn *txn, enum ps_state_db db,
                                     const struct ps_key *first, size_t prefix_size_bytes,
                                     ps_walk_fn each, void *user);

/* --- artifacts (artifact.c) --- */

/** Call each for the number of every record of url. */
typedef enum ps_code (*ps_artifact_fn)(struct ps_txn *txn, void *user, uint64_t number,
                                       const struct ps_artifact *artifact);
PS_MUST_USE enum ps_code ps_txn_each_of_url(struct ps_txn *txn, const char *url,
                                            ps_artifact_fn each, void *user);
/** The same for all whose URL begins with prefix. */
PS_MUST_USE enum ps_code ps_txn_each_below(struct ps_txn *txn, const char *prefix,
                                           ps_artifact_fn each, void *user);
/** Remove the record with all that hangs on it, and its workflow's when that is deleted and has none left. */
PS_MUST_USE enum ps_code ps_txn_remove_artifact(struct ps_txn *txn, uint64_t number,
                                                const struct ps_artifact *artifact);
/** Remove the workflow's record when it is deleted, has no artifacts and nothing is queued for it. */
PS_MUST_USE enum ps_code ps_txn_tidy_workflow(struct ps_txn *txn, uint64_t workflow_number);

/* --- the planner's queue (plan_queue.c) --- */

enum ps_queue_kind {
    PS_QUEUE_ARTIFACT = 1,
    PS_QUEUE_WORKFLOW = 2,
};

struct ps_queue_row {
    enum ps_queue_kind kind;
    uint64_t number;
    enum ps_reclaim_event event; /* of workflows */
    uint64_t generation;         /* another one: it was queued again meanwhile */
    uint64_t next_number;        /* of workflows: the artifact to go on with */
};

/** Queue it anew, with a generation of its own. */
PS_MUST_USE enum ps_code ps_queue_put(struct ps_txn *txn, enum ps_queue_kind kind, uint64_t number,
                                      enum ps_reclaim_event event);
/** After it was worked on: remove it (next_number 0) or write where to go on; nothing when it was queued again. */
PS_MUST_USE enum ps_code ps_queue_advance(struct ps_txn *txn, const struct ps_queue_row *row);
PS_MUST_USE enum ps_code ps_queue_decode(const MDB_val *key, const MDB_val *value,
                                         struct ps_queue_row *row_out, struct ps_err *err);
void ps_queue_key(struct ps_key *key, enum ps_queue_kind kind, uint64_t number,
                  enum ps_reclaim_event event);

/* --- reclaims (reclaim_value.c, pending_settle.c) --- */

PS_MUST_USE enum ps_code ps_reclaim_encode(const struct ps_reclaim *reclaim, struct ps_buf *buf,
                                           struct ps_err *err);
/** Write the row and its place in reclaims_due; previous (NULL = none) is what the row was. */
PS_MUST_USE enum ps_code ps_txn_put_reclaim(struct ps_txn *txn, uint64_t number,
                                            const struct ps_reclaim *reclaim,
                                            const struct ps_reclaim *previous);
/** Nothing there is success. */
PS_MUST_USE enum ps_code ps_txn_remove_reclaim(struct ps_txn *txn, uint64_t number);
/** *found_out false: there is none. Text lies in the map. */
PS_MUST_USE enum ps_code ps_txn_get_reclaim(struct ps_txn *txn, uint64_t number, bool *found_out,
                                            struct ps_reclaim *reclaim_out);

/* --- holds (hold.c) --- */

/** The hold on url at now, its own or of a prefix; *found_out false: none. Text lies in the map. */
PS_MUST_USE enum ps_code ps_txn_find_hold(struct ps_txn *txn, const char *url, int64_t now_unix_s,
                                          bool *found_out, struct ps_hold *hold_out);
/** The same for all that only look: whether one holds; a hold that cannot be read holds, and says so. */
PS_MUST_USE bool ps_txn_look_for_hold(struct ps_txn *txn, const char *url, int64_t now_unix_s,
                                      struct ps_hold *hold_out);

/* --- the log (decision_log.c) --- */

struct ps_decision_entry;
PS_MUST_USE enum ps_code ps_txn_log(struct ps_txn *txn, const struct ps_decision_entry *entry);

#endif
