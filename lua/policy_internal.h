/**
 * policy_internal - the struct behind policy_set.h, for policy_*.c and decider.c only.
 *
 * Flow:    policy_set.c -> policy_load.c; decider.c -> facts.h, answer.h
 * Thread:  the loop thread
 * Source:  none
 */
#ifndef PS_LUA_POLICY_INTERNAL_H
#define PS_LUA_POLICY_INTERNAL_H

#include "lua/policy_set.h"

#include <lauxlib.h>

struct policy {
    char *path;
    const char *file_name; /* in path */
    char *masked_by;
    char *text;
    size_t text_size_bytes;
    char name[64];
    int refs[PS_HOOK_COUNT];  /* LUA_NOREF = has no such hook */
    int lines[PS_HOOK_COUNT]; /* where it stands */
    uint64_t fault_count;
    char last_fault[256];
};

struct ps_policy_set {
    struct ps_lua_host host;
    struct policy policies[PS_POLICY_FILES_MAX];
    size_t count;
    char digest[17];
    const struct ps_log *log;
};

/** Load policy->text and fill name, refs and lines. */
PS_MUST_USE enum ps_code ps_policy_load(struct ps_policy_set *set, struct policy *policy,
                                        struct ps_err *err);

#endif
