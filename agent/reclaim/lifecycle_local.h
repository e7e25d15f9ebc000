/**
 * lifecycle_local - the lifecycle rules of directories, which nobody acts on but purser: they answer like one more policy.
 *
 * Flow:    settings, ROOT/.purser/lifecycle.xml -> [lifecycle_local] -> reclaim_question.h, lifecycle_find.h
 * Thread:  loading on any, as it reads files; all else any
 * Source:  S3: an object expires so many days after it was written
 *
 * Only purser's own rules, in force and without a word that is not known here, are acted on. An answer of them is that of
 * a policy: keep from anyone wins, holds and other claims keep, and the fuse counts what goes.
 */
#ifndef PS_RECLAIM_LIFECYCLE_LOCAL_H
#define PS_RECLAIM_LIFECYCLE_LOCAL_H

#include "base/log.h"
#include "base/settings.h"
#include "decide/decision.h"
#include "reclaim/lifecycle.h"

/** Label of an object that was found by a rule with tags: only that rule is of it, as tags are not in a record. */
#define PS_LIFECYCLE_LABEL "purser/lifecycle"

struct ps_lifecycle_root {
    char *url; /* "file:///dir" */
    struct ps_lifecycle_rules rules;
};

struct ps_lifecycle_local {
    struct ps_lifecycle_root roots[PS_SETTINGS_STORES_MAX];
    size_t count;
};

/**
 * Read the rules of all directories under `stores`. Those that cannot be read are logged and have none: all stays.
 *
 * Errors:  PS_E_NO_MEMORY.
 */
PS_MUST_USE enum ps_code ps_lifecycle_local_load(struct ps_lifecycle_local **local_out,
                                                 const struct ps_settings *settings,
                                                 const struct ps_log *log, struct ps_err *err);
/** NULL is allowed. */
void ps_lifecycle_local_free(struct ps_lifecycle_local *local);

/** Whether a rule has anything to be found: one without is passed over. NULL = no rules. */
bool ps_lifecycle_local_acts(const struct ps_lifecycle_local *local);

/** Add the rules' answer to what policies decided about an artifact's age. NULL = no rules. */
void ps_lifecycle_local_answer(const struct ps_lifecycle_local *local,
                               const struct ps_reclaim_question *question,
                               struct ps_reclaim_decision *decision);

#endif
