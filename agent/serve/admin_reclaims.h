/**
 * admin_reclaims - what is planned, what is on hold, what was decided: pages of lists, as admin_list.h has them.
 *
 * Flow:    serve/admin_route.h -> [admin_reclaims] -> state/pending_reclaim.h, state/decision_log.h
 * Thread:  the loop thread; reads of the state are short
 * Source:  none
 */
#ifndef PS_SERVE_ADMIN_RECLAIMS_H
#define PS_SERVE_ADMIN_RECLAIMS_H

#include "serve/admin_state.h"

/**
 * { reclaims: [...], next }: the next ones by time, of URLs that begin with `prefix` and due until `due_max_unix_s`. A
 * page may be empty and yet have a next: only so many records are looked at for one answer.
 */
PS_MUST_USE enum ps_code ps_admin_reclaims(const struct ps_admin_context *context,
                                           const struct ps_target *target, json_t **json_out,
                                           struct ps_err *err);
/** { holds: [...], next }. */
PS_MUST_USE enum ps_code ps_admin_holds(const struct ps_admin_context *context,
                                        const struct ps_target *target, json_t **json_out,
                                        struct ps_err *err);
/** { decisions: [...], next }: the newest first, with their reasons, since `since_unix_ms`. */
PS_MUST_USE enum ps_code ps_admin_decisions(const struct ps_admin_context *context,
                                            const struct ps_target *target, json_t **json_out,
                                            struct ps_err *err);

/** An entry of the log, as decisions and explain tell it. NULL when memory is out. */
struct ps_decision_entry;
json_t *ps_admin_decision_json(const struct ps_decision_entry *entry);

#endif
