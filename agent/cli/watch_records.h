/**
 * watch_records - what the cluster's workflows and their artifacts are, into the state: the watcher's other end.
 *
 * Flow:    kube/workflow_watch.h -> [watch_records] -> state/artifact.h, where the planner finds it
 * Thread:  the loop thread; the state is read and written on workers
 * Source:  none
 *
 * Workflows are taken in batches, each written in one go while the next one waits at the API server. A batch that
 * cannot be written is tried again until it can. Nothing is deleted here: events are noted, policies decide later.
 *
 * Of several agents one watches: the one that holds the Lease "purser-agent".
 */
#ifndef PS_CLI_WATCH_RECORDS_H
#define PS_CLI_WATCH_RECORDS_H

#include "base/clock.h"
#include "base/environment.h"
#include "base/log.h"
#include "base/settings.h"
#include "kube/workflow_watch.h"
#include "state/state.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct ps_http_client;
struct ps_watch_records;

/** All borrowed until ps_watch_records_stop has called on_stopped. */
struct ps_watch_records_options {
    uv_loop_t *loop;
    struct ps_http_client *http;
    const struct ps_settings *settings; /* watch.*, and the stores' endpoints */
    const struct ps_clock *clock;
    const struct ps_log *log;
    ps_getenv_fn getenv;
    void *getenv_user;
    struct ps_state *state;
    uint32_t lease_ms; /* 0 = 15,000; tests make it short */
    /** Something new is on record: the planner has work. May be NULL. */
    void (*on_recorded)(void *user);
    void *user;
};

/** Errors: those of ps_kube_config_load and ps_workflow_watch_start; PS_E_NO_MEMORY. */
PS_MUST_USE enum ps_code ps_watch_records_start(struct ps_watch_records **records_out,
                                                const struct ps_watch_records_options *options,
                                                struct ps_err *err);

struct ps_watch_records_stats {
    bool leads;
    bool is_settled;                      /* all that was told is written */
    struct ps_workflow_watch_stats watch; /* zero while another agent leads */
    uint64_t artifact_count; /* recorded by this agent; known ones are not recorded again */
    uint64_t absent_count;   /* workflows that were known and are not in a list */
    uint64_t foreign_count;  /* artifacts at an endpoint that is not the settings': kept */
};
void ps_watch_records_stats(const struct ps_watch_records *records,
                            struct ps_watch_records_stats *stats_out);

/** Stop watching; what is being written is finished, then on_stopped comes, later. NULL: on_stopped comes at once. */
void ps_watch_records_stop(struct ps_watch_records *records, void (*on_stopped)(void *user),
                           void *user);

#endif
