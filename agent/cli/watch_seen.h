/**
 * watch_seen - which workflows were seen and when, so that a whole list tells which ones are gone; and what they were
 *              like, so that one that is as it was costs no write.
 *
 * Flow:    watch_records.c -> [watch_seen]
 * Thread:  the loop thread; ps_watch_seen_since also on a worker while the loop leaves it alone
 * Source:  FNV-1a, 64 bits
 *
 * Kept are hashes only: 24 bytes a workflow. Two with one hash look like one, which at worst keeps an artifact.
 */
#ifndef PS_CLI_WATCH_SEEN_H
#define PS_CLI_WATCH_SEEN_H

#include "base/err.h"
#include "kube/workflow_parse.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** A cluster with more workflows does not fit etcd. Lower: such a cluster is not watched. Higher: memory. */
#define PS_WATCH_SEEN_MAX ((size_t)4 * 1024 * 1024)

struct ps_watch_seen_row {
    uint64_t uid_hash; /* 0 = free */
    uint64_t facts_hash;
    uint64_t turn; /* when it was last seen */
};

/** Zeroed = empty. */
struct ps_watch_seen {
    struct ps_watch_seen_row *rows;
    size_t capacity; /* a power of two */
    size_t count;
    uint64_t turn; /* counts what is told */
};

/**
 * Note that workflow was seen. *changed_out: it is new, or not as it was the last time.
 *
 * Errors:  PS_E_NO_MEMORY, also over PS_WATCH_SEEN_MAX.
 */
PS_MUST_USE enum ps_code ps_watch_seen_note(struct ps_watch_seen *seen,
                                            const struct ps_watched_workflow *workflow,
                                            bool *changed_out, struct ps_err *err);

/** True when the workflow of uid was seen at or after turn. */
bool ps_watch_seen_since(const struct ps_watch_seen *seen, const char *uid, uint64_t turn);

void ps_watch_seen_clear(struct ps_watch_seen *seen);

#endif
