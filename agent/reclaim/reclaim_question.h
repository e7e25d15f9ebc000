/**
 * reclaim_question - an item of the state as the question that policies are asked.
 *
 * Flow:    state/pending_reclaim.h items -> [reclaim_question] -> decide/decision.h
 * Thread:  any; holds no state
 * Source:  README.md of lua/: the facts of reclaim
 */
#ifndef PS_RECLAIM_RECLAIM_QUESTION_H
#define PS_RECLAIM_RECLAIM_QUESTION_H

#include "base/settings.h"
#include "decide/decision.h"
#include "state/pending_reclaim.h"

#include <stdbool.h>

struct ps_lifecycle_local;

/** Who answers, and what is not in the records. All borrowed. */
struct ps_reclaim_rules {
    const struct ps_decider *decider;
    const struct ps_lifecycle_local *local; /* rules of directories; NULL = none */
    const struct ps_settings *settings;     /* names of stores, default strategy; NULL = none */
};

/** The question and all that it points to; on the caller's stack. It must stay where it is. */
struct ps_reclaim_asked {
    struct ps_artifact artifact;
    struct ps_workflow workflow;
    bool has_workflow;
    struct ps_pairs artifact_labels;
    struct ps_pairs workflow_labels;
    struct ps_pairs workflow_annotations;
    struct ps_artifact_facts artifact_facts;
    struct ps_workflow_facts workflow_facts;
    struct ps_reclaim_question question;
};

/** Fill *asked; text is borrowed from the item. False when its records cannot be read. */
bool ps_reclaim_ask_init(struct ps_reclaim_asked *asked, const struct ps_reclaim_item *item,
                         const struct ps_reclaim_rules *rules, enum ps_reclaim_event event,
                         int64_t now_unix_s);

/** The same of what a scan shows. */
void ps_reclaim_ask_scanned(struct ps_reclaim_asked *asked, const struct ps_scanned *scanned,
                            const struct ps_reclaim_rules *rules, enum ps_reclaim_event event,
                            int64_t now_unix_s);

/** The same for records that are no item: asked->artifact, workflow and has_workflow are set. */
void ps_reclaim_ask_fill(struct ps_reclaim_asked *asked, uint32_t newer_workflows,
                         const struct ps_reclaim_rules *rules, enum ps_reclaim_event event,
                         int64_t now_unix_s);

/** Ask the policies and the rules of directories. */
void ps_reclaim_ask(const struct ps_reclaim_asked *asked, const struct ps_reclaim_rules *rules,
                    struct ps_reclaim_decision *decision_out);

/** What `after` counts from: created, finished, deleted, cleared; now where that is not known. */
int64_t ps_reclaim_base_unix_s(const struct ps_reclaim_asked *asked, enum ps_reclaim_event event);

/** The store's root in url and the key behind it: "s3://bucket" and "a/b", "file:///dir" and "name". */
size_t ps_reclaim_root_length(const char *url);

#endif
