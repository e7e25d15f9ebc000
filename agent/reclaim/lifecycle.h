/**
 * lifecycle - a bucket's lifecycle configuration: what is in it, and what it is with purser's own rules in place.
 *
 * Flow:    store/ get_lifecycle, lua/ rows -> [lifecycle] -> cli/cmd_lifecycle.c, lifecycle_local.h
 * Thread:  any; holds no state
 * Source:  S3 GetBucketLifecycleConfiguration, OSS GetBucketLifecycle; a PUT replaces the whole configuration
 *
 * Rules of others stay as the bytes that they are, in their places, with elements that are not known here. Purser's own
 * are those whose id begins with PS_LIFECYCLE_ID_PREFIX: all of them are replaced by those of the policies.
 */
#ifndef PS_RECLAIM_LIFECYCLE_H
#define PS_RECLAIM_LIFECYCLE_H

#include "base/buf.h"
#include "base/err.h"
#include "decide/lifecycle_rule.h"

#include <stdbool.h>
#include <stddef.h>

/** Rules of a bucket, as S3 and OSS take them. More is refused before it is sent. */
#define PS_LIFECYCLE_RULES_MAX 1000

/** A rule of a configuration. */
struct ps_lifecycle_entry {
    struct ps_lifecycle_rule rule; /* what of it is known here */
    bool own;
    bool enabled;
    bool has_more; /* it says more than rule can: it is never the same as a row of a policy */
    size_t begin;  /* its bytes in the configuration's text */
    size_t past;
    unsigned field_count; /* while it is read */
};

/** Zeroed = empty. */
struct ps_lifecycle_config {
    struct ps_buf text; /* as the store has it */
    struct ps_lifecycle_entry *entries;
    size_t count;
    size_t capacity;
    size_t root_begin;
    size_t root_past;
};

/** Rules of policies. Zeroed = empty. */
struct ps_lifecycle_rules {
    struct ps_lifecycle_rule *items;
    size_t count;
    size_t capacity;
};

/** Copy rule to the end. Errors: PS_E_TOO_LARGE over PS_LIFECYCLE_RULES_MAX, PS_E_NO_MEMORY. */
PS_MUST_USE enum ps_code ps_lifecycle_rules_push(struct ps_lifecycle_rules *rules,
                                                 const struct ps_lifecycle_rule *rule,
                                                 struct ps_err *err);
void ps_lifecycle_rules_clear(struct ps_lifecycle_rules *rules);

/** Parse text, which is copied; "" is a bucket without rules. Errors: PS_E_PARSE, PS_E_TOO_LARGE, PS_E_NO_MEMORY. */
PS_MUST_USE enum ps_code ps_lifecycle_parse(struct ps_lifecycle_config *config, const char *text,
                                            size_t size_bytes, struct ps_err *err);
void ps_lifecycle_config_clear(struct ps_lifecycle_config *config);

enum ps_lifecycle_change {
    PS_LIFECYCLE_SAME,
    PS_LIFECYCLE_ADD,
    PS_LIFECYCLE_REPLACE,
    PS_LIFECYCLE_REMOVE,
    PS_LIFECYCLE_FOREIGN, /* of others: it stays */
};

/**
 * What putting rules in place would change: call each for every rule of both sides. entry NULL: it is not there yet;
 * rule NULL: no policy has it.
 */
void ps_lifecycle_diff(const struct ps_lifecycle_config *config,
                       const struct ps_lifecycle_rules *rules,
                       void (*each)(void *user, enum ps_lifecycle_change change,
                                    const struct ps_lifecycle_entry *entry,
                                    const struct ps_lifecycle_rule *rule),
                       void *user);

/** Whether nothing would change. */
bool ps_lifecycle_is_applied(const struct ps_lifecycle_config *config,
                             const struct ps_lifecycle_rules *rules);

/**
 * Append the configuration with these rules to buf: the text as it is, without the own rules that it had, with those of
 * rules at its end. Nothing is appended when no rule is left.
 *
 * is_flat: as struct ps_store_capabilities.lifecycle_is_flat.
 * Errors:  PS_E_INVALID (a prefix that XML cannot carry), PS_E_TOO_LARGE, PS_E_NO_MEMORY.
 */
PS_MUST_USE enum ps_code ps_lifecycle_merge(const struct ps_lifecycle_config *config,
                                            const struct ps_lifecycle_rules *rules, bool is_flat,
                                            struct ps_buf *buf, struct ps_err *err);

/**
 * After it was put: whether the store has exactly rules, and those of others byte for byte as in before.
 *
 * Errors:  PS_E_CORRUPT with the id of the first rule that is not as it should be.
 */
PS_MUST_USE enum ps_code ps_lifecycle_verify(const struct ps_lifecycle_config *before,
                                             const struct ps_lifecycle_config *after,
                                             const struct ps_lifecycle_rules *rules,
                                             struct ps_err *err);

/** "prefix tmp/, expires after 7d": for people, cut to size_bytes. Returns text. */
const char *ps_lifecycle_rule_format(const struct ps_lifecycle_rule *rule, char *text,
                                     size_t text_size_bytes);

#endif
