/**
 * workflow_internal - finding and merging a workflow's record, for the .c files of this folder only.
 *
 * Flow:    artifact.c -> workflow.c (the record), workflow_event.c (what happened to it) -> LMDB databases workflows,
 *          workflow_names, workflow_templates
 * Thread:  any; inside of a transaction
 * Source:  README.md of this folder
 */
#ifndef PS_STATE_WORKFLOW_INTERNAL_H
#define PS_STATE_WORKFLOW_INTERNAL_H

#include "state/artifact.h"
#include "state/state_internal.h"

/** Which workflow a name without a uid may mean. */
enum ps_workflow_scope {
    PS_WORKFLOW_RUNNING, /* artifacts are recorded: one that has not finished */
    PS_WORKFLOW_THERE,   /* events: those that are not deleted */
    PS_WORKFLOW_ANY,     /* a manual clear */
};

/**
 * The record that artifacts of this workflow belong to: found, with what is known now merged in, or made.
 *
 * Errors:  PS_E_INVALID (no name, too long a name, several of that name and no uid); PS_E_PARSE.
 */
PS_MUST_USE enum ps_code ps_txn_put_workflow(struct ps_txn *txn, const struct ps_workflow *workflow,
                                             uint64_t *number_out);

/** The record of number, text in the map. *found_out false: there is none. */
PS_MUST_USE enum ps_code ps_txn_get_workflow(struct ps_txn *txn, uint64_t number, bool *found_out,
                                             struct ps_workflow *workflow_out);

/** How many finished workflows of the same namespace and template finished later, at most PS_NEWER_MAX. */
PS_MUST_USE enum ps_code ps_txn_count_newer(struct ps_txn *txn, const struct ps_workflow *workflow,
                                            uint32_t *count_out);

/** Queue the older finished runs of its template, up to PS_NEWER_MAX: one more is newer than they. */
PS_MUST_USE enum ps_code ps_txn_queue_older(struct ps_txn *txn, uint64_t workflow_number);

/** Runs of one name without a uid. Higher: one report writes more at once. */
#define PS_WORKFLOW_RUNS_MAX 64

/** The runs that a name means. */
struct ps_workflow_runs {
    enum ps_workflow_scope scope;
    bool by_uid;
    uint64_t numbers[PS_WORKFLOW_RUNS_MAX]; /* the newest last */
    size_t count;
    size_t uid_count; /* of them with a uid */
};

/**
 * The runs of workflow's name, and of its uid where it has one.
 *
 * Errors:  PS_E_INVALID (no name, too long a name, several with a uid and none is given); PS_E_TOO_LARGE; PS_E_PARSE.
 */
PS_MUST_USE enum ps_code ps_txn_find_workflows(struct ps_txn *txn,
                                               const struct ps_workflow *workflow,
                                               enum ps_workflow_scope scope,
                                               struct ps_workflow_runs *out);

/** A new record; its times come with events. */
PS_MUST_USE enum ps_code
ps_txn_make_workflow(struct ps_txn *txn, const struct ps_workflow *workflow, uint64_t *number_out);
/** What workflow knows goes into the record of number, if there is one. */
PS_MUST_USE enum ps_code ps_txn_merge_workflow(struct ps_txn *txn, uint64_t number,
                                               const struct ps_workflow *workflow);
/** Write the record of workflow->number, where it says something else. */
PS_MUST_USE enum ps_code ps_txn_write_workflow(struct ps_txn *txn,
                                               const struct ps_workflow *workflow);

/** "ns/template", NUL, time, number; false when there is none or it has not finished. */
bool ps_workflow_template_key(struct ps_key *key, const struct ps_workflow *workflow,
                              uint64_t number);

#endif
