/**
 * decision_log - what was decided about artifacts and what became of them: bounded, in order of time.
 *
 * Flow:    pending_reclaim.h (in its commits) -> [decision_log] -> explain, history, replay
 * Thread:  as state.h
 * Source:  README.md of this folder
 */
#ifndef PS_STATE_DECISION_LOG_H
#define PS_STATE_DECISION_LOG_H

#include "base/err.h"
#include "state/artifact.h"
#include "state/pending_reclaim.h"
#include "state/state.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Lower: replay sees fewer days. Higher: the state directory grows by as much. The oldest entries go first. */
#define PS_DECISION_LOG_SIZE_MAX ((size_t)32 * 1024 * 1024)

enum ps_decision_kind {
    PS_LOGGED_PLANNED = 1, /* stored: never renumber */
    PS_LOGGED_KEPT = 2,
    PS_LOGGED_DELETED = 3,
    PS_LOGGED_GONE = 4,
    PS_LOGGED_DROPPED = 5,
    PS_LOGGED_POSTPONED = 6, /* a failure, or a hold that ends */
    PS_LOGGED_ARCHIVED = 7,
    PS_LOGGED_FETCHED = 8,
    PS_LOGGED_HELD = 9,
    PS_LOGGED_RELEASED = 10,
};

/** "planned" "kept" "deleted" ...; static. */
const char *ps_decision_kind_name(enum ps_decision_kind kind);

/** Text borrowed, as in artifact.h; NULL is "". */
struct ps_decision_entry {
    int64_t at_unix_ms; /* the key: the clock of the decision, never before the entry before it */
    enum ps_decision_kind kind;
    uint64_t number; /* of the artifact; 0 = none */
    enum ps_reclaim_event event;
    enum ps_reclaim_what what;
    int64_t due_unix_s;
    bool delete_marker;
    const char *url;
    bool has_size;
    uint64_t size_bytes;
    const char *policy;
    const char *where;
    const char *reason;
    const char *digest;
    const void *artifact; /* the facts of a policy's decision, as values; NULL = none */
    size_t artifact_size_bytes;
    const void *workflow;
    size_t workflow_size_bytes;
};

/** The facts in an entry. False = none, or damaged. */
bool ps_decision_artifact(const struct ps_decision_entry *entry, struct ps_artifact *artifact_out);
bool ps_decision_workflow(const struct ps_decision_entry *entry, struct ps_workflow *workflow_out);

/** Which entries. Zeroed = all, the oldest first. */
struct ps_decision_query {
    int64_t since_unix_ms;
    bool newest_first;
    /** Newest first only: those before this one; before_unix_ms 0 = from the last on. */
    int64_t before_unix_ms;
    uint64_t before_sequence;
};

/**
 * Call each for them; borrowed for the call, which must not write the state. It returns false when it does not take the
 * entry and wants no more. *query's before_ fields are moved on to what was passed; *more_out (may be NULL): there may be
 * more. Damaged entries are passed over.
 */
PS_MUST_USE enum ps_code ps_decision_each(struct ps_state *state, struct ps_decision_query *query,
                                          bool (*each)(void *user,
                                                       const struct ps_decision_entry *entry),
                                          void *user, bool *more_out, struct ps_err *err);

/**
 * Note that the object at url was read, when it is a known artifact; else nothing.
 * One read transaction when it is unknown.
 */
PS_MUST_USE enum ps_code ps_decision_fetched(struct ps_state *state, const char *url,
                                             int64_t now_unix_s, struct ps_err *err);

#endif
