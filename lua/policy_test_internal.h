/**
 * policy_test_internal - what policy_test.c and policy_test_ask.c share.
 *
 * Flow:    policy_test.c (files, rows, what is expected) -> policy_test_ask.c (a row's facts to the decider)
 * Thread:  the loop thread
 * Source:  README.md of policies/: what a row is
 */
#ifndef PS_LUA_POLICY_TEST_INTERNAL_H
#define PS_LUA_POLICY_TEST_INTERNAL_H

#include "decide/decision.h"
#include "lua/limits.h"
#include "lua/policy_set.h"

#include <lua.h>
#include <stddef.h>

/** One field of what was decided, to compare with `expect`. */
struct ps_policy_field {
    const char *name;
    enum {
        PS_POLICY_FIELD_NUMBER,
        PS_POLICY_FIELD_TEXT,
        PS_POLICY_FIELD_BOOL
    } kind;
    double number;
    const char *text;
};

#define PS_POLICY_FIELDS_MAX 8

/** What a hook decided; fields point into the decisions. */
struct ps_policy_decided {
    struct ps_policy_field fields[PS_POLICY_FIELDS_MAX];
    size_t count;
    const struct ps_origin *origin; /* NULL = no policy answered */
    struct ps_upload_decision upload;
    struct ps_part_size_decision part_size;
    struct ps_retry_decision retry;
    struct ps_reclaim_decision reclaim;
};

/** A table with a key that is not in known, " name name ", is an error, which what begins. */
PS_MAY_RAISE void ps_policy_row_check_keys(lua_State *lua, int table, const char *known,
                                           const char *what);

/** NULL, or otherwise, when it is not there. The text lives as long as the row. */
PS_MAY_RAISE const char *ps_policy_row_text_of(lua_State *lua, int table, const char *name);
PS_MAY_RAISE const char *ps_policy_row_text_or(lua_State *lua, int table, const char *name,
                                               const char *otherwise);

/** Ask the hook by the facts of a row. *decided is zeroed before; ps_upload_decision_clear its upload. */
PS_MAY_RAISE void ps_policy_row_ask(lua_State *lua, const struct ps_decider *decider,
                                    enum ps_hook hook, int row, int facts,
                                    struct ps_policy_decided *decided);

#endif
