/**
 * fuse - stops a sweep before its first delete when it would remove too much at once.
 *
 * Flow:    state/pending_reclaim.h counts -> [fuse] -> sweeper.h
 * Thread:  any; holds no state
 * Source:  none
 */
#ifndef PS_RECLAIM_FUSE_H
#define PS_RECLAIM_FUSE_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/**
 * Percent mean something only of many: the last artifact of a small set is all of it. Lower: small sets blow the fuse
 * in every sweep. Higher: so many can go without it.
 */
#define PS_FUSE_PERCENT_FROM 100

struct ps_fuse {
    uint64_t count_max;   /* more than so many; 0 = none may */
    uint32_t percent_max; /* more than so many percent of all known; 100 = never */
};

/**
 * Parse "500" or "20%" for --max: it replaces both limits for once.
 *
 * Errors:  PS_E_INVALID.
 */
PS_MUST_USE enum ps_code ps_fuse_parse(struct ps_fuse *fuse, const char *text, struct ps_err *err);

/** Errors: PS_E_REFUSED with the figures and what to do, when due_count is over a limit. */
PS_MUST_USE enum ps_code ps_fuse_check(const struct ps_fuse *fuse, uint64_t due_count,
                                       uint64_t known_count, struct ps_err *err);

#endif
