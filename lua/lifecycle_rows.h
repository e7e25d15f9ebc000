/**
 * lifecycle_rows - a policy's `lifecycle` table, checked row by row: what is not exactly as documented is a load error.
 *
 * Flow:    a policy's table -> [lifecycle_rows] -> decide/lifecycle_rule.h
 * Thread:  the loop thread
 * Source:  README.md of this folder
 */
#ifndef PS_LUA_LIFECYCLE_ROWS_H
#define PS_LUA_LIFECYCLE_ROWS_H

#include "decide/lifecycle_rule.h"
#include "lua/host.h"

/** Rows of one policy; a bucket takes 1,000 rules in all. */
#define PS_LIFECYCLE_ROWS_MAX 100

/**
 * Take the rows of the table on top of the stack, in order, and call each with name's rules; the table stays there.
 * each may be NULL: then the rows are only checked. rule: a place to work in. Raises "row 2: what is wrong".
 */
PS_MAY_RAISE void ps_lifecycle_rows_take(lua_State *lua, const char *name,
                                         struct ps_lifecycle_rule *rule, ps_lifecycle_rule_fn each,
                                         void *user);

#endif
