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

#include <jansson.h>

/**
 * Load the policies in force into app->policies and make app->decider of them. Errors as ps_policy_set_load.
 */
PS_MUST_USE enum ps_code ps_policies_load(struct ps_app *app, struct ps_err *err);

/** { policies: [...], digest } of those in force, as `policy list --json` has them. NULL when memory is out. */
json_t *ps_policies_json(const struct ps_app *app);

/**
 * As ps_policies_load, if the tests of all policies pass that have some: those of DIR/10-x.lua are in
 * DIR/tests/10-x_test.lua. Else the old ones stay. Errors: also PS_E_REFUSED for a test that fails.
 */
PS_MUST_USE enum ps_code ps_policies_reload(struct ps_app *app, struct ps_err *err);

/** Load a set from these directories only (dir_count > 0), or from the usual places. */
PS_MUST_USE enum ps_code ps_policies_load_set(struct ps_app *app, const char **dirs,
                                              size_t dir_count, struct ps_policy_set **set_out,
                                              struct ps_err *err);

/** As ps_policies_load_set with no directories, and these on top: colon-separated, absolute. Errors: PS_E_NOT_FOUND too. */
PS_MUST_USE enum ps_code ps_policies_load_more(struct ps_app *app, const char *directories,
                                               struct ps_policy_set **set_out, struct ps_err *err);

#endif
