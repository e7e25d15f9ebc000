/**
 * policies - which directories policies come from, and the app's decider made of them.
 *
 * Flow:    settings -> [policies] -> lua/policy_set.h -> the app's decider
 * Thread:  the loop thread
 * Source:  README.md of lua/: load order
 */
#ifndef PS_CLI_POLICIES_H
#define PS_CLI_POLICIES_H

#include "cli/app.h"
#include "lua/policy_set.h"

/**
 * Load the policies in force into app->policies and make app->decider of them. Called again it puts the new ones in the
 * place of the old, which stay when it fails; not from within a decision. Errors as ps_policy_set_load.
 */
PS_MUST_USE enum ps_code ps_policies_load(struct ps_app *app, struct ps_err *err);

/** Load a set from these directories only (dir_count > 0), or from the usual places. */
PS_MUST_USE enum ps_code ps_policies_load_set(struct ps_app *app, const char **dirs,
                                              size_t dir_count, struct ps_policy_set **set_out,
                                              struct ps_err *err);

#endif
