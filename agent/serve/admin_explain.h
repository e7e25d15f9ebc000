/**
 * admin_explain - why an artifact stays or goes: its record, every policy's answer, what would change it, what was decided.
 *
 * Flow:    serve/admin_route.h -> [admin_explain] -> state/pending_reclaim.h, reclaim/reclaim_question.h
 * Thread:  the loop thread, as policies are asked
 * Source:  none
 */
#ifndef PS_SERVE_ADMIN_EXPLAIN_H
#define PS_SERVE_ADMIN_EXPLAIN_H

#include "serve/admin_state.h"

/**
 * { records: [...], history: [...] } of the argument `url`, asked as if it were now, or `now_unix_s`; nothing changes.
 *
 * Errors:  PS_E_NOT_FOUND when nothing is recorded; PS_E_INVALID; those of the state; PS_E_NO_MEMORY.
 */
PS_MUST_USE enum ps_code ps_admin_explain(const struct ps_admin_context *context,
                                          const struct ps_target *target, json_t **json_out,
                                          struct ps_err *err);

#endif
