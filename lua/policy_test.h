/**
 * policy_test - the rows of a policy's test file, each through the real decider with that one policy in force.
 *
 * Flow:    policies/tests/NN-topic_test.lua -> [policy_test] -> cli/policy_test_cli.h, tests/unit/lua
 * Thread:  the loop thread
 * Source:  README.md of policies/: what a row is
 */
#ifndef PS_LUA_POLICY_TEST_H
#define PS_LUA_POLICY_TEST_H

#include "lua/policy_set.h"

/** Told of every row; failure NULL = it decided as it says. */
typedef void (*ps_policy_row_fn)(void *user, const char *row_name, const char *failure);

struct ps_policy_test_report {
    unsigned row_count;
    unsigned failed_count;
    bool tested[PS_HOOK_COUNT];   /* hooks that rows asked */
    bool has_hook[PS_HOOK_COUNT]; /* hooks that the policy has */
    char policy_name[64];
};

/** What is tested, and who is told. */
struct ps_policy_test {
    const char *policy_path;
    const char *test_path; /* NULL: only look which hooks the policy has */
    ps_policy_row_fn on_row;
    void *user; /* of on_row */
};

/**
 * Run all rows of test->test_path against the policy at test->policy_path.
 *
 * options: its clock, log, limits and digest; the test file runs in the sandbox too, within the same limits a row.
 * Errors:  those of ps_policy_set_load; PS_E_INVALID "FILE: ..." for a test file that does not load, an unknown field,
 *          a row without name.
 */
PS_MUST_USE enum ps_code ps_policy_test_run(const struct ps_policy_options *options,
                                            const struct ps_policy_test *test,
                                            struct ps_policy_test_report *report,
                                            struct ps_err *err);

#endif
