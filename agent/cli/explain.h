/**
 * explain - why an artifact stays or goes, as JSON: what `purser explain --json` prints and the agent's socket answers.
 *
 * Flow:    state/pending_reclaim.h, the policies in force -> [explain] -> cli/cmd_agent.c
 * Thread:  the loop thread
 * Source:  none
 */
#ifndef PS_CLI_EXPLAIN_H
#define PS_CLI_EXPLAIN_H

#include "cli/app.h"

#include <jansson.h>

/**
 * { records: [...], history: [...] } of url. app->state is open. The caller owns *json_out.
 *
 * Errors:  PS_E_NOT_FOUND when nothing is recorded; those of the state; PS_E_NO_MEMORY.
 */
PS_MUST_USE enum ps_code ps_explain_json(struct ps_app *app, const char *url, json_t **json_out,
                                         struct ps_err *err);

#endif
