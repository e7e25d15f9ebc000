/**
 * get_tree - get -r: many objects, their failures one a line, and what became of all of them.
 *
 * Flow:    cli/cmd_get.c -> [get_tree] -> transfer/tree_download.h
 * Thread:  the loop thread
 * Source:  none
 */
#ifndef PS_CLI_GET_TREE_H
#define PS_CLI_GET_TREE_H

#include "cli/app.h"

/** Fetch all below url into the directory dest (absolute). Runs to the end. */
enum ps_exit ps_get_tree(struct ps_app *app, const char *url, const char *dest);

#endif
