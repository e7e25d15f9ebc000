/**
 * pending_reclaim - what is to be deleted or archived and when: planned, indexed by time, taken in batches, settled.
 *
 * Flow:    reclaim/ -> [pending_reclaim] -> LMDB databases reclaims, reclaims_due, holds, plan_queue, decisions
 * Thread:  as state.h: reads anywhere, writes off the loop; one call is one durable commit
 * Source:  README.md of this folder
 *
 *   state     durable on entry                                    next
 *   (none)    the artifact's record; a row in plan_queue          PENDING | KEPT | (none)
 *   PENDING   decision and due time; nothing was asked of a store DELETING | KEPT | (record removed)
 *   DELETING  the store may have been asked                       (record removed) | PENDING (failed) | KEPT
 *   KEPT      the reason                                          PENDING (another event, release)
 *
 * A record that was deleted is removed in the commit that logs it: decision_log.h.
 */
#ifndef PS_STATE_PENDING_RECLAIM_H
#define PS_STATE_PENDING_RECLAIM_H

#include "base/err.h"
#include "state/artifact.h"
#include "state/state.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ps_reclaim_state {
    PS_RECLAIM_PENDING = 1, /* stored: never renumber */
    PS_RECLAIM_DELETING = 2,
    PS_RECLAIM_KEPT = 3,
};

/** "pending" "deleting" "kept"; static. */
const char *ps_reclaim_state_name(enum ps_reclaim_state state);

enum ps_reclaim_what {
    PS_RECLAIM_DELETE = 1, /* stored: never renumber */
    PS_RECLAIM_ARCHIVE = 2,
};

/** Text borrowed, as in artifact.h. */
struct ps_reclaim {
    enum ps_reclaim_state state;
    enum ps_reclaim_what what;
    enum ps_reclaim_event event; /* that it was planned on */
    bool by_hold;                /* KEPT as it is on hold: a release plans it anew */
    bool by_user;                /* KEPT as it was cancelled: only another event plans it anew */
    int64_t due_unix_s;
    int64_t decided_unix_s; /* the clock of the decision */
    uint32_t failure_count; /* sweeps in a row that could not do it */
    const char *storage_class;
    const char *policy; /* "built-in"; "" = not a policy: a hold, a user, the sweeper */
    const char *where;
    const char *reason;
    char digest[17]; /* "" = built-in */
};

/** Errors: PS_E_PARSE. Text of *reclaim_out points into value. */
PS_MUST_USE enum ps_code ps_reclaim_decode(const void *value, size_t size_bytes,
                                           struct ps_reclaim *reclaim_out, struct ps_err *err);

/** What became of an item; the caller sets it before ps_reclaim_settle. */
enum ps_reclaim_outcome {
    PS_OUTCOME_NONE, /* no opinion: the row stays as it is */
    PS_OUTCOME_PLAN, /* PENDING with next.due */
    PS_OUTCOME_KEEP, /* KEPT with the reason */
    PS_OUTCOME_POSTPONE, /* PENDING with another due time, by a hold that ends or a failure (failure_count + 1) */
    PS_OUTCOME_MARK,     /* DELETING; becomes NONE when something changed since the item was read */
    PS_OUTCOME_DELETED,  /* the store did it: record removed */
    PS_OUTCOME_GONE,     /* it was not there: record removed */
    PS_OUTCOME_DROP,     /* this claim ends, the object stays: record removed */
    PS_OUTCOME_ARCHIVED, /* storage class and etag noted, KEPT */
};

/** A decision's words, held by the item. */
struct ps_reclaim_words {
    char policy[64];
    char where[192];
    char reason[256];
    char digest[17];
    char storage_class[64];
};

/** One record as it was read, with what a decision needs. Owns its memory. */
struct ps_reclaim_item {
    uint64_t number;
    enum ps_reclaim_event event; /* the weightiest that has happened; then that of the decision */
    void *artifact;              /* the values as they were read; NULL = there is none */
    size_t artifact_size_bytes;
    void *workflow;
    size_t workflow_size_bytes;
    void *reclaim;
    size_t reclaim_size_bytes;
    uint32_t other_claims;    /* records of the same URL */
    char other_workflow[128]; /* of one of them, "ns/name"; "" = of none */
    uint32_t newer_workflows; /* of the same template, up to PS_NEWER_MAX */
    bool held;
    int64_t hold_until_unix_s; /* 0 = until it is released */
    char hold_why[128];

    enum ps_reclaim_outcome outcome;
    bool has_decision; /* a policy was asked: the log gets the facts */
    bool used_newer;   /* it looked at newer_workflows: older runs are asked about again */
    enum ps_reclaim_what next_what;
    int64_t next_due_unix_s;
    struct ps_reclaim_words words;
    bool delete_marker; /* DELETED: the bucket is versioned, the bytes stay */
    char new_etag[96];  /* ARCHIVED */
    bool changed;       /* set by settle: another was quicker */
};

/**
 * Newer runs of a template that are counted, and older runs that are asked about again when one finishes and a policy
 * looks at the number. Higher: every question costs so many more rows. A policy can keep so many runs.
 */
#define PS_NEWER_MAX 100

/** Decoded on the caller's stack; borrowed from the item. False = damaged or (workflow, reclaim) not there. */
bool ps_reclaim_item_artifact(const struct ps_reclaim_item *item, struct ps_artifact *artifact_out);
bool ps_reclaim_item_workflow(const struct ps_reclaim_item *item, struct ps_workflow *workflow_out);
bool ps_reclaim_item_reclaim(const struct ps_reclaim_item *item, struct ps_reclaim *reclaim_out);

/** A batch of items with what is needed to go on. Zeroed = empty. */
struct ps_reclaim_batch {
    struct ps_reclaim_item *items;
    size_t count;
    size_t capacity;
    void *queue; /* plan: the rows of plan_queue that it takes care of */
    size_t queue_count;
    size_t queue_capacity;
    bool more;                /* there was no room for all */
    int64_t after_due_unix_s; /* due: where the next batch begins */
    uint64_t after_number;
    uint64_t newer_of; /* the workflow whose number of newer runs is known */
    uint32_t newer;
    uint64_t damaged_count; /* rows that could not be read: passed over, kept */
};

void ps_reclaim_batch_clear(struct ps_reclaim_batch *batch);

/** Read what is queued for the planner, at most item_count_max items and the rest later. *batch is emptied first. */
PS_MUST_USE enum ps_code ps_reclaim_take_queued(struct ps_state *state, size_t item_count_max,
                                                int64_t now_unix_s, struct ps_reclaim_batch *batch,
                                                struct ps_err *err);

/**
 * Read the next records that are due at now (PENDING, and DELETING that an earlier run left), in order of time, after
 * those that batch says. *batch is emptied first; its after_ fields are the place to begin and are moved on.
 */
PS_MUST_USE enum ps_code ps_reclaim_take_due(struct ps_state *state, size_t item_count_max,
                                             int64_t now_unix_s, struct ps_reclaim_batch *batch,
                                             struct ps_err *err);

/** Read all records of url into *batch (emptied first), for explain. */
PS_MUST_USE enum ps_code ps_reclaim_take_url(struct ps_state *state, const char *url,
                                             int64_t now_unix_s, struct ps_reclaim_batch *batch,
                                             struct ps_err *err);

/**
 * Write what became of the items, in one commit with the log and the queue's progress. An item whose records changed
 * since it was read is left as it is and gets outcome NONE: who changed it has queued it, or comes after us.
 *
 * MARK looks once more, within the transaction, that nothing holds the object and no other record claims it.
 */
PS_MUST_USE enum ps_code ps_reclaim_settle(struct ps_state *state, struct ps_reclaim_batch *batch,
                                           int64_t now_unix_s, struct ps_err *err);

/** What would be swept at now, for the fuse. */
struct ps_reclaim_counts {
    uint64_t due_count; /* by the index: also what will turn out to be kept */
    uint64_t pending_count;
    uint64_t known_count;
    uint64_t queued_count; /* rows that wait for the planner */
};
PS_MUST_USE enum ps_code ps_reclaim_count(struct ps_state *state, int64_t now_unix_s,
                                          struct ps_reclaim_counts *counts_out, struct ps_err *err);

struct ps_hold;

/** Which pending records. Zeroed but for due_max_unix_s = all, from the first on. */
struct ps_reclaim_query {
    const char *prefix;       /* of their URLs; NULL or "" = any */
    int64_t due_max_unix_s;   /* due until then */
    int64_t now_unix_s;       /* for holds that end */
    int64_t after_due_unix_s; /* those behind this record; after_number 0 = from the first on */
    uint64_t after_number;
    uint64_t row_count_max; /* looked at, whether they are told or not; 0 = all */
};

/** One of them; borrowed for the call. */
struct ps_reclaim_row {
    const struct ps_artifact *artifact;
    const struct ps_reclaim *reclaim;
    const struct ps_workflow *workflow; /* NULL = of none */
    const struct ps_hold *hold; /* that keeps it from going, its own or of a prefix; NULL = none */
};
typedef bool (*ps_reclaim_each_fn)(void *user, const struct ps_reclaim_row *row);

/**
 * Call each for pending records in order of time; it must not write the state. It returns false when it does not take
 * the row and wants no more. *query's after_ fields are moved on to what was passed; *more_out: there may be more.
 */
PS_MUST_USE enum ps_code ps_reclaim_each(struct ps_state *state, struct ps_reclaim_query *query,
                                         ps_reclaim_each_fn each, void *user, bool *more_out,
                                         struct ps_err *err);

/** One artifact with what is known of it; NULL = there is none. Borrowed for the call. */
struct ps_scanned {
    const struct ps_artifact *artifact;
    const struct ps_workflow *workflow;
    const struct ps_reclaim *reclaim;
    uint32_t newer_workflows;
};
typedef bool (*ps_scan_fn)(void *user, const struct ps_scanned *scanned);

/** Call each for every artifact, which must not write the state; false stops. Damaged ones are counted. */
PS_MUST_USE enum ps_code ps_artifact_scan(struct ps_state *state, ps_scan_fn each, void *user,
                                          uint64_t *damaged_out, struct ps_err *err);

/** The weightiest event that has happened to an artifact. A manual clear is of what there was at that time. */
enum ps_reclaim_event ps_reclaim_weightiest(const struct ps_artifact *artifact,
                                            const struct ps_workflow *workflow);

/** Keep what is pending for url. *count_out records were. DELETING ones are left. reason: for people. */
PS_MUST_USE enum ps_code ps_reclaim_cancel(struct ps_state *state, const char *url,
                                           const char *reason, int64_t now_unix_s,
                                           uint64_t *count_out, struct ps_err *err);

/** Queue all artifacts for the planner, 10,000 a commit. */
PS_MUST_USE enum ps_code ps_reclaim_queue_all(struct ps_state *state, uint64_t *count_out,
                                              struct ps_err *err);

/** Room for the digest of a set of policies. */
#define PS_POLICIES_DIGEST_SIZE 32

/** What the policies that are in force are to those that all was asked under. */
enum ps_policies_change {
    PS_POLICIES_SAME,
    PS_POLICIES_OTHERS,
    PS_POLICIES_FIRST, /* nothing was asked under any */
};

/** Compare those with this digest ("" = built-in). */
PS_MUST_USE enum ps_code ps_reclaim_policies_compare(struct ps_state *state, const char *digest,
                                                     enum ps_policies_change *change_out,
                                                     struct ps_err *err);

/**
 * Unless they are the same, queue all artifacts for the planner and note digest. *change_out: what they were; *count_out:
 * how many were queued.
 */
PS_MUST_USE enum ps_code ps_reclaim_take_policies(struct ps_state *state, const char *digest,
                                                  enum ps_policies_change *change_out,
                                                  uint64_t *count_out, struct ps_err *err);

/** Text borrowed, as in artifact.h. A URL that ends in '/' holds all below it. */
struct ps_hold {
    const char *url;
    int64_t until_unix_s; /* 0 = until it is released */
    int64_t since_unix_s;
    const char *why;
};

/**
 * Set or replace a hold. *deleting_out = how many records of it are being deleted at this moment: too late for them.
 * Whether the object is known does not matter: it may be recorded later.
 */
PS_MUST_USE enum ps_code ps_hold_set(struct ps_state *state, const struct ps_hold *hold,
                                     uint64_t *deleting_out, struct ps_err *err);
/** Remove it and queue what it kept: *queued_out records. *found_out false: there was none. */
PS_MUST_USE enum ps_code ps_hold_release(struct ps_state *state, const char *url,
                                         int64_t now_unix_s, bool *found_out, uint64_t *queued_out,
                                         struct ps_err *err);
PS_MUST_USE enum ps_code ps_hold_each(struct ps_state *state,
                                      bool (*each)(void *user, const struct ps_hold *hold),
                                      void *user, struct ps_err *err);

/**
 * One sweep at a time: take the lock for owner. Errors: PS_E_LOCKED "a sweep: locked by pid N". It needs no release, as
 * a process that ended is no owner; a process that goes on releases it.
 */
PS_MUST_USE enum ps_code ps_reclaim_lock(struct ps_state *state, const struct ps_owner *owner,
                                         struct ps_err *err);
PS_MUST_USE enum ps_code ps_reclaim_unlock(struct ps_state *state, struct ps_err *err);

#endif
