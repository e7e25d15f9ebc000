/**
 * reclaim_cli - what the commands about reclaims share: the clock as a flag, rules and stores of the app, planning.
 *
 * Flow:    cmd_workflow.c, cmd_reclaims.c, cmd_explain.c -> [reclaim_cli] -> reclaim/
 * Thread:  the loop thread
 * Source:  RFC 3339 for times
 */
#ifndef PS_CLI_RECLAIM_CLI_H
#define PS_CLI_RECLAIM_CLI_H

#include "cli/app.h"
#include "reclaim/lifecycle_find.h"
#include "reclaim/reclaim_planner.h"
#include "reclaim/sweep_stores.h"

#include <stdint.h>

/** "2026-01-31T12:00:00Z", unix seconds, or "+7d" from now. Errors: PS_E_INVALID; what: "flag --until". */
PS_MUST_USE enum ps_code ps_reclaim_parse_time(const char *text, const char *what,
                                               int64_t now_unix_s, int64_t *unix_s_out,
                                               struct ps_err *err);

/** --now, else the clock's. Errors: PS_E_INVALID. */
PS_MUST_USE enum ps_code ps_reclaim_now(struct ps_app *app, int64_t *now_unix_s_out,
                                        struct ps_err *err);

/** "7d 2h", "in" or "ago" left to the caller: at most two units. text holds 32 bytes. Returns text. */
const char *ps_reclaim_span(int64_t seconds, char *text);

/** The app's policies, settings and rules of directories, which are read at the first call. */
struct ps_reclaim_rules ps_reclaim_app_rules(struct ps_app *app);

/** Stores by the app's settings. */
struct ps_store_opener ps_reclaim_app_opener(struct ps_app *app);

/**
 * Give what has expired by rules of directories to the planner. state NULL: only tell; tell may be NULL. What cannot be read is
 * logged; it is looked at again next time.
 */
void ps_reclaim_find_expired(struct ps_app *app, struct ps_state *state, int64_t now_unix_s,
                             void (*tell)(void *user, const char *url,
                                          const struct ps_lifecycle_rule *rule),
                             void *user);

/** Log what a search by rules of directories found. */
void ps_reclaim_log_found(struct ps_app *app, const struct ps_lifecycle_found *found,
                          const struct ps_err *err);

/** Run the planner to its end. Errors: its own. */
PS_MUST_USE enum ps_code ps_reclaim_plan_all(struct ps_app *app, struct ps_state *state,
                                             int64_t now_unix_s, struct ps_plan_result *result_out,
                                             struct ps_err *err);

/** Note that url was read, when it is a recorded artifact; a state that is not there or cannot be written is no error. */
void ps_reclaim_note_fetched(struct ps_app *app, const char *url);

/** Split "NS/NAME" into heap texts that the caller frees. Errors: PS_E_INVALID. */
PS_MUST_USE enum ps_code ps_reclaim_split_workflow(const char *text, char **ns_out, char **name_out,
                                                   struct ps_err *err);

#endif
