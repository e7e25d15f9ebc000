/**
 * verdict - what the policies say of one record, when it is planned and once more when it is due; and whether an object
 *           is still the one that was recorded. Pure: no clock, no store, no database.
 *
 * Flow:    state/pending_reclaim.h items -> [verdict] -> reclaim_planner.h, sweeper.h, preview.h
 * Thread:  the loop thread, as deciders are
 * Source:  README.md of this folder: the order in which reasons to keep are looked at
 */
#ifndef PS_RECLAIM_VERDICT_H
#define PS_RECLAIM_VERDICT_H

#include "reclaim/reclaim_question.h"
#include "state/pending_reclaim.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

/** Written after it was recorded by more than the clocks may differ: it is another object. S3 refuses more skew. */
#define PS_REWRITE_TOLERANCE_S (INT64_C(15) * 60)

/**
 * Ask the policies about an event and set item->outcome to PLAN, KEEP or NONE with next and words.
 *
 * An item that is being deleted is left alone (NONE): the sweep asks again.
 */
void ps_verdict_plan(struct ps_reclaim_item *item, const struct ps_reclaim_rules *rules,
                     int64_t now_unix_s);

/**
 * The same for a record that is due: holds, the policies of today, then other claims. Outcome MARK (go on), KEEP, DROP
 * (another record claims the object), POSTPONE (held for a time) or PLAN (due later by the policies of today).
 */
void ps_verdict_due(struct ps_reclaim_item *item, const struct ps_reclaim_rules *rules,
                    int64_t now_unix_s);

/**
 * Whether the object at the store is the one that was recorded. False: why says what differs.
 *
 * With an ETag on record that must be equal, and the checksum where both are known; without one, size and time decide.
 * An object that was written more than 15 minutes after it was recorded is another one in any case.
 */
bool ps_verdict_is_same(const struct ps_artifact *artifact, const struct ps_object_info *info,
                        char *why, size_t why_size_bytes);

/** Set outcome and words that are no policy's. */
PS_PRINTF(3, 4)
void ps_verdict_set(struct ps_reclaim_item *item, enum ps_reclaim_outcome outcome,
                    const char *format, ...);

/** When a sweep that failed is tried again: 1 minute, doubled with every failure, at most 6 hours. */
int64_t ps_verdict_retry_unix_s(const struct ps_reclaim_item *item, int64_t now_unix_s);

#endif
