/**
 * reclaims_run - `purser reclaims run`, dry or not.
 *
 * Flow:    cmd_reclaims.c -> [reclaims_run] -> reclaim/sweeper.h, reclaim/preview.h
 * Thread:  the loop thread
 * Source:  none
 */
#ifndef PS_CLI_RECLAIMS_RUN_H
#define PS_CLI_RECLAIMS_RUN_H

#include "cli/app.h"

/** Plan what is queued and sweep what is due; with --dry-run only tell. */
enum ps_exit ps_reclaims_run(struct ps_app *app);

#endif
