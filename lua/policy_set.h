/**
 * policy_set - the policies in force: found in the drop-in directories, loaded into one sandboxed state.
 *
 * Flow:    directories -> [policy_set] -> decider.c, cli/policies.h, cli/cmd_policy.c
 * Thread:  the loop thread
 * Source:  README.md of this folder (api = 1)
 *
 * Load order: by file name over all directories; a file in a later directory masks one of the same name in an earlier.
 */
#ifndef PS_LUA_POLICY_SET_H
#define PS_LUA_POLICY_SET_H

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "decide/decision.h"
#include "decide/lifecycle_rule.h"
#include "lua/host.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ps_policy_set;

/** What a file may answer. */
enum ps_hook {
    PS_HOOK_UPLOAD,
    PS_HOOK_PART_SIZE,
    PS_HOOK_RETRY,
    PS_HOOK_RECLAIM,
    PS_HOOK_DOWNLOAD,
    PS_HOOK_LIFECYCLE, /* a table, no function */
    PS_HOOK_COUNT,
};

/** "part_size". Static. */
const char *ps_hook_name(enum ps_hook hook);

/** SHA-256 of data (NULL when size_bytes is 0); given by the composition root, as lua/ does not include hash/. */
typedef void (*ps_digest_fn)(const void *data, size_t size_bytes, uint8_t out[32]);

/** Most directories and files; more is a mistake. */
#define PS_POLICY_DIRS_MAX 16
#define PS_POLICY_FILES_MAX 256
/** A policy is a page of text. */
#define PS_POLICY_FILE_SIZE_MAX ((size_t)64 * 1024)

struct ps_policy_options {
    const char *dirs[PS_POLICY_DIRS_MAX]; /* in order; one that does not exist is empty */
    size_t dir_count;
    const char *only_file; /* this one and no other; dirs are ignored. NULL = all */
    const struct ps_clock *clock;
    const struct ps_log *log;
    struct ps_lua_limits limits;
    ps_digest_fn digest; /* NULL = no digests */
};

/** One file, for `policy list` and `status`. Borrowed from the set. */
struct ps_policy_info {
    const char *name; /* "part-size"; "" for a masked one */
    const char *path;
    const char *masked_by; /* path; NULL = in force */
    size_t size_bytes;     /* of the file; 0 for a masked one, which is not read */
    bool hooks[PS_HOOK_COUNT];
    uint64_t fault_count;
    const char *last_fault; /* "" = none */
};

/**
 * Load all policies. No file at all is a set that answers nothing and makes no Lua state.
 *
 * options: read during the call; its clock and log are borrowed until the set is freed. log may be NULL.
 * Owns:    *set_out, by the caller; unchanged on failure.
 * Errors:  PS_E_INVALID "FILE:LINE: ..." for a file that does not load: bad syntax, no table, wrong api, no name, a
 *          name twice, an unknown key (with the nearest known one), a hook that is no function; PS_E_DENIED, PS_E_IO
 *          for what cannot be read; PS_E_NO_MEMORY.
 */
PS_MUST_USE enum ps_code ps_policy_set_load(struct ps_policy_set **set_out,
                                            const struct ps_policy_options *options,
                                            struct ps_err *err);
/** NULL is allowed. */
void ps_policy_set_free(struct ps_policy_set *set);

/** Call each for every file found, in load order. */
void ps_policy_set_each(const struct ps_policy_set *set,
                        void (*each)(void *user, const struct ps_policy_info *info), void *user);

/** Hex of the first 8 bytes of the SHA-256 over names and contents of the files in force; "" when there are none. */
const char *ps_policy_set_digest(const struct ps_policy_set *set);

/**
 * Call each for every row of the `lifecycle` tables in force, in load order. Their form was checked at load.
 *
 * Errors:  PS_E_REFUSED as ps_lua_protect.
 */
PS_MUST_USE enum ps_code ps_policy_set_lifecycle(struct ps_policy_set *set,
                                                 ps_lifecycle_rule_fn each, void *user,
                                                 struct ps_err *err);

/**
 * The set as a decider; valid as long as the set.
 *
 * Every policy in force that has the hook is asked, in load order; for each field the last answer wins. nil is no
 * opinion. A policy that raises, runs over a limit or answers something undocumented is left out of that decision as a
 * whole, counted, logged as a warning and shown by ps_policy_set_each.
 */
struct ps_decider ps_policy_set_decider(struct ps_policy_set *set);

#endif
