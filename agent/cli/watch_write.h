/**
 * watch_write - one batch of watched workflows into the state.
 *
 * Flow:    watch_records.c -> [watch_write] -> state/artifact.h
 * Thread:  a worker; touches nothing but its arguments
 * Source:  none
 */
#ifndef PS_CLI_WATCH_WRITE_H
#define PS_CLI_WATCH_WRITE_H

#include "base/environment.h"
#include "base/settings.h"
#include "cli/watch_seen.h"
#include "kube/workflow_parse.h"
#include "state/state.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * Annotation of recorded workflows: the server they were seen at. Only those can be found missing in its list: what
 * was recorded by hand, or for another cluster, is none of its business.
 */
#define PS_WATCH_CLUSTER "purser/cluster"

struct ps_watch_item {
    struct ps_watched_workflow workflow;
    bool deleted;
};

struct ps_watch_batch {
    struct ps_state *state;
    const struct ps_settings *settings;
    ps_getenv_fn getenv;
    void *getenv_user;
    const char *cluster;
    const struct ps_watch_item *items;
    size_t count;
    int64_t now_unix_s;

    uint64_t artifact_count; /* out: recorded; known ones are left as they are */
    uint64_t foreign_count;  /* out: at another endpoint than the one purser would go to */
    char foreign[256];       /* out: one of them, for people */
};

/** Record the batch: artifacts that are not known, and what happened to the workflows. Errors: those of the state. */
PS_MUST_USE enum ps_code ps_watch_write(struct ps_watch_batch *batch, struct ps_err *err);

/** A whole list: what is known of ns ("" = all) at cluster and was not seen since turn is gone. */
struct ps_watch_list {
    struct ps_state *state;
    const char *cluster;
    const char *ns;
    const struct ps_watch_seen *seen;
    uint64_t turn;
    int64_t now_unix_s;
};

/** Report as deleted what is not in the list. Errors: those of the state. */
PS_MUST_USE enum ps_code ps_watch_write_absent(const struct ps_watch_list *list,
                                               uint64_t *count_out, struct ps_err *err);

#endif
