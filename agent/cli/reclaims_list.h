/**
 * reclaims_list - `purser reclaims` ls, history and holds: lists of the agent's, or of its handlers here.
 *
 * Flow:    cmd_reclaims.c -> [reclaims_list] -> cli/admin_call.h
 * Thread:  the loop thread
 * Source:  serve/admin.h: what an item has
 */
#ifndef PS_CLI_RECLAIMS_LIST_H
#define PS_CLI_RECLAIMS_LIST_H

#include "cli/app.h"

/** What is planned, by time; --prefix, --due, --why, --limit, --now. */
enum ps_exit ps_reclaims_ls(struct ps_app *app);
/** What was decided and done, the newest first; --since, --limit. */
enum ps_exit ps_reclaims_history(struct ps_app *app);
/** What is kept until it is released. */
enum ps_exit ps_reclaims_holds(struct ps_app *app);

#endif
