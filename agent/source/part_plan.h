/**
 * part_plan - how one object is cut into the parts of a multipart upload (or the ranges of a download).
 *
 * Flow:    decide/decision.h -> [part_plan] -> transfer/upload.h, transfer/download.h
 * Thread:  any; holds no state
 * Source:  S3 UploadPart limits: parts 1..10000, 5 MiB..5 GiB, the last may be smaller; OSS the same but 100 KiB
 */
#ifndef PS_SOURCE_PART_PLAN_H
#define PS_SOURCE_PART_PLAN_H

#include "base/err.h"

#include <stdint.h>

/** What the store allows; from its capabilities. */
struct ps_part_limits {
    uint64_t part_size_min_bytes;
    uint64_t part_size_max_bytes;
    uint32_t part_count_max;
};

struct ps_part_plan {
    uint64_t object_size_bytes;
    uint64_t part_size_bytes; /* of every part but the last */
    uint32_t part_count;      /* >= 1: an empty object has one empty part */
};

/**
 * Fill *plan for an object of object_size_bytes, near wanted_part_size_bytes.
 *
 * The size is raised to the store's minimum and until part_count fits, and cut to the store's maximum.
 * Owns:    nothing. *plan is unchanged on failure.
 * Errors:  PS_E_INVALID when wanted_part_size_bytes is 0; PS_E_TOO_LARGE above part_count_max parts of the maximum.
 */
PS_MUST_USE enum ps_code ps_part_plan_init(struct ps_part_plan *plan, uint64_t object_size_bytes,
                                           uint64_t wanted_part_size_bytes,
                                           const struct ps_part_limits *limits, struct ps_err *err);

/** Where part part_index (from 0, < part_count) starts. */
uint64_t ps_part_plan_offset(const struct ps_part_plan *plan, uint32_t part_index);

/** Its size. */
uint64_t ps_part_plan_size(const struct ps_part_plan *plan, uint32_t part_index);

#endif
