/**
 * policy_try - trying policies before they are live: test, simulate, replay, bench. None of it can write or delete.
 *
 * Flow:    cmd_policy.c -> [policy_try] -> lua/policy_test.h; reclaim/verdict.h over a state opened read-only
 * Thread:  the loop thread
 * Source:  README.md of policies/
 */
#ifndef PS_CLI_POLICY_TRY_H
#define PS_CLI_POLICY_TRY_H

#include "cli/app.h"

/** policy test [DIR...]: rows of DIR/tests/NAME_test.lua for every DIR/NAME.lua; fails when there is none. */
enum ps_exit ps_policy_test(struct ps_app *app, const char **dirs, size_t dir_count);

/** policy simulate DIR: what the policies of DIR would change of all that is known now. */
enum ps_exit ps_policy_simulate(struct ps_app *app, const char *dir);

/** policy replay DIR --since 30d: what they would have decided where others did, by the log. */
enum ps_exit ps_policy_replay(struct ps_app *app, const char *dir);

/** policy bench [DIR]: what a decision costs. */
enum ps_exit ps_policy_bench(struct ps_app *app, const char **dirs, size_t dir_count);

#endif
