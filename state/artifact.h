/**
 * artifact - what is known of stored objects and of the workflows that made them; where reclaiming begins.
 *
 * Flow:    put, plugin, watcher -> [artifact] -> LMDB databases artifacts, artifact_urls, workflows, workflow_names,
 *          workflow_artifacts, plan_queue -> pending_reclaim.h
 * Thread:  as state.h: reads anywhere, writes off the loop; all of one call is one durable commit
 * Source:  README.md of this folder; artifactGC of Argo Workflows for the strategies
 *
 * A record is one workflow's claim on one object: an object that two workflows wrote has two, and goes only when both
 * say so. What is recorded or reported is queued in the same commit for the planner, so no event is lost by a kill.
 */
#ifndef PS_STATE_ARTIFACT_H
#define PS_STATE_ARTIFACT_H

#include "base/err.h"
#include "state/state.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Most labels or annotations that are kept of one artifact or workflow; the others are left out. */
#define PS_LABELS_MAX 32

/** A longer URL is refused: stores take keys of 1,024 bytes. */
#define PS_ARTIFACT_URL_MAX 4096

struct ps_label {
    const char *name;
    const char *value;
};

struct ps_labels {
    size_t count;
    struct ps_label items[PS_LABELS_MAX];
};

enum ps_gc_strategy {
    PS_GC_UNSET = 0, /* stored: never renumber */
    PS_GC_NEVER = 1,
    PS_GC_ON_COMPLETION = 2,
    PS_GC_ON_DELETION = 3,
};

/** "" "Never" "OnWorkflowCompletion" "OnWorkflowDeletion"; static. */
const char *ps_gc_strategy_name(enum ps_gc_strategy strategy);
/** The reverse; "" is UNSET. False when name is none of them. */
PS_MUST_USE bool ps_gc_strategy_parse(const char *name, enum ps_gc_strategy *strategy_out);

/** What happened; the weightiest last. */
enum ps_reclaim_event {
    PS_EVENT_AGE = 1,       /* stored: never renumber. The artifact exists, and time passes */
    PS_EVENT_COMPLETED = 2, /* the workflow ended */
    PS_EVENT_DELETED = 3,   /* the workflow's resource is gone */
    PS_EVENT_CLEARED = 4,   /* the administrator's manual clear */
};

/** "age" "completed" "deleted" "cleared"; static. */
const char *ps_reclaim_event_name(enum ps_reclaim_event event);

/** One claim on one object. Text is borrowed: of the caller, or of the value that was read. NULL is written as "". */
struct ps_artifact {
    uint64_t number;          /* given when it is recorded */
    uint64_t workflow_number; /* 0 = none; given when it is recorded */
    const char *url;
    bool has_size;
    uint64_t size_bytes;
    uint8_t checksum_algorithm; /* enum ps_checksum_algorithm; 0 = not known */
    uint8_t checksum[32];       /* as struct ps_checksum.bytes */
    const char *etag;           /* as received; "" = not known */
    const char *storage_class;  /* "" = the bucket's default */
    const char *node_id;
    const char *node_status; /* "Succeeded"; "" = not known */
    const char *name;        /* of the output artifact; "" = not known */
    enum ps_gc_strategy strategy;
    int64_t created_unix_s;
    int64_t recorded_unix_s;
    struct ps_labels labels;
};

/** A workflow; the key is namespace, name and uid. Text as above; times 0 = has not happened. */
struct ps_workflow {
    uint64_t number;
    const char *ns;
    const char *name;
    const char *uid; /* "" = not known: a workflow of its own */
    const char *template_name;
    const char *status; /* "Running" "Succeeded" "Failed" "Error"; "" = not known */
    enum ps_gc_strategy strategy;
    int64_t created_unix_s;
    int64_t finished_unix_s;
    int64_t deleted_unix_s;
    int64_t cleared_unix_s;
    struct ps_labels labels;
    struct ps_labels annotations;
};

/** One to record. The workflow's known fields are merged into its record; NULL = of no workflow. */
struct ps_artifact_entry {
    struct ps_artifact artifact;
    const struct ps_workflow *workflow;
};

/**
 * Record artifacts. A record of the same URL and workflow is replaced, and what was planned for it is dropped, as the
 * object is another now.
 *
 * Without a uid the workflow is the one of that name that is known and runs; a new one when there is none.
 * count: at most 10,000, as all of it is one transaction.
 * Errors:  PS_E_INVALID (no or too long a URL, a workflow without name; several of that name and no uid), PS_E_PARSE
 *          (damaged record), PS_E_NO_SPACE, PS_E_IO. Nothing is recorded then.
 */
PS_MUST_USE enum ps_code ps_artifact_record(struct ps_state *state,
                                            const struct ps_artifact_entry *entries, size_t count,
                                            struct ps_err *err);

/**
 * Note objects that were found, of no workflow: one that is no artifact yet is recorded, of one that is all records are
 * queued for the planner and stay as they are. recorded_out: how many were recorded. count: at most 10,000.
 *
 * Errors:  as ps_artifact_record.
 */
PS_MUST_USE enum ps_code ps_artifact_found(struct ps_state *state,
                                           const struct ps_artifact *artifacts, size_t count,
                                           size_t *recorded_out, struct ps_err *err);

/** Something happened to a workflow. */
struct ps_workflow_report {
    const struct ps_workflow *workflow; /* identity and what else is known */
    enum ps_reclaim_event event;        /* AGE: only the facts changed, nothing is planned */
    int64_t at_unix_s;                  /* when: the clock of `after` */
};

/**
 * Note events. The first COMPLETED sets the time of finishing, a later one with another status changes both; so does
 * status "Running" with AGE: the workflow runs again, which un-finishes it. A report without a uid is of all runs of
 * that name which are not deleted (CLEARED: of all), unless several have a uid. known_out: how many of the workflows
 * had been known; NULL is allowed. count: at most 10,000.
 *
 * Errors:  as ps_artifact_record.
 */
PS_MUST_USE enum ps_code ps_workflow_report(struct ps_state *state,
                                            const struct ps_workflow_report *reports, size_t count,
                                            size_t *known_out, struct ps_err *err);

/** Call each for all workflows, by namespace and name; borrowed for the call. each returns false to stop. */
PS_MUST_USE enum ps_code ps_workflow_each(struct ps_state *state,
                                          bool (*each)(void *user,
                                                       const struct ps_workflow *workflow),
                                          void *user, struct ps_err *err);

/** How many artifacts are known, and how many workflows. */
PS_MUST_USE enum ps_code ps_artifact_count(struct ps_state *state, uint64_t *artifact_count_out,
                                           uint64_t *workflow_count_out, struct ps_err *err);

#endif
