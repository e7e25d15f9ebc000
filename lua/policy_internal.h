/**
 * policy_internal - the struct behind policy_set.h, for policy_*.c and *decider.c only.
 *
 * Flow:    policy_set.c -> policy_load.c; decider.c, reclaim_decider.c -> facts.h, answer.h
 * Thread:  the loop thread
 * Source:  none
 */
#ifndef PS_LUA_POLICY_INTERNAL_H
#define PS_LUA_POLICY_INTERNAL_H

#include "lua/facts_reclaim.h"
#include "lua/policy_set.h"

#include <lauxlib.h>

/** Lua cuts names of chunks at 59 bytes (LUA_IDSIZE): messages carry the file's name, and the path is put in for it. */
#define PS_POLICY_CHUNK_SIZE 60

struct policy {
    char *path;
    const char *file_name; /* in path */
    size_t dir_index;      /* of its directory in the options */
    char *masked_by;
    char *text;
    size_t text_size_bytes;
    char name[64];
    char chunk[PS_POLICY_CHUNK_SIZE]; /* how Lua's messages call the file */
    int refs[PS_HOOK_COUNT];          /* LUA_NOREF = has no such hook */
    int lines[PS_HOOK_COUNT];         /* where it stands */
    uint64_t fault_count;
    char last_fault[256];
};

struct ps_policy_set {
    struct ps_lua_host host;
    struct policy policies[PS_POLICY_FILES_MAX];
    size_t count;
    char digest[17];
    const struct ps_log *log;
    struct ps_reclaim_facts reclaim_facts;
};

/** Load policy->text and fill name, chunk, refs and lines. Errors: PS_E_INVALID "FILE:LINE: ...". */
PS_MUST_USE enum ps_code ps_policy_load(struct ps_policy_set *set, struct policy *policy,
                                        struct ps_err *err);

/** The line of `name = ...` in the file. */
int ps_policy_line_of_name(const struct policy *policy);

/**
 * Lua's message with the policy's path in front of the line: "50-x.lua:3: why" becomes "/etc/.../50-x.lua:3: why". One
 * that names no line of this file gets `line`.
 */
void ps_policy_locate(const struct policy *policy, int line, const char *message, char *text,
                      size_t text_size_bytes);

/** "/etc/purser/policies.d/10-part-size.lua:7"; of a long path the end is kept, as the line stands there. */
void ps_policy_where(const struct policy *policy, enum ps_hook hook, char *where,
                     size_t where_size_bytes);

/** Count and log a fault; policy->last_fault says where and what. */
void ps_policy_count_fault(struct ps_policy_set *set, struct policy *policy, enum ps_hook hook,
                           const char *message);

/** struct ps_decider.reclaim of a set (reclaim_decider.c). */
void ps_policy_decide_reclaim(void *user, const struct ps_reclaim_question *question,
                              struct ps_reclaim_decision *out);

#endif
