#include "source/part_plan.h"

#include "base/str.h"

/* Plans start at whole MiB where the count forces the size up: such parts lie on page and block borders. */
#define ROUND_UP_TO_BYTES ((uint64_t)1024 * 1024)

static uint64_t divide_up(uint64_t value, uint64_t by)
{
    return value / by + (value % by != 0 ? 1 : 0);
}

static uint64_t raise_to_fit(uint64_t part_size_bytes, uint64_t object_size_bytes,
                             const struct ps_part_limits *limits)
{
    uint64_t least_bytes = divide_up(object_size_bytes, limits->part_count_max);

    if (part_size_bytes < limits->part_size_min_bytes) {
        part_size_bytes = limits->part_size_min_bytes;
    }
    if (part_size_bytes < least_bytes) {
        if (!ps_mul_u64(divide_up(least_bytes, ROUND_UP_TO_BYTES), ROUND_UP_TO_BYTES,
                        &part_size_bytes)) {
            part_size_bytes = least_bytes; /* rounding would wrap around */
        }
    }
    if (part_size_bytes > limits->part_size_max_bytes) {
        part_size_bytes = limits->part_size_max_bytes;
    }
    return part_size_bytes;
}

enum ps_code ps_part_plan_init(struct ps_part_plan *plan, uint64_t object_size_bytes,
                               uint64_t wanted_part_size_bytes, const struct ps_part_limits *limits,
                               struct ps_err *err)
{
    uint64_t part_size_bytes;
    uint64_t part_count;
    char text[16];

    if (wanted_part_size_bytes == 0 || limits->part_count_max == 0 ||
        limits->part_size_max_bytes == 0) {
        return ps_err_set(err, PS_E_INVALID, "the part size is 0: give at least 1 byte");
    }
    part_size_bytes = raise_to_fit(wanted_part_size_bytes, object_size_bytes, limits);
    part_count = object_size_bytes == 0 ? 1 : divide_up(object_size_bytes, part_size_bytes);
    if (part_count > limits->part_count_max) {
        return ps_err_set(err, PS_E_TOO_LARGE, "%s is more than %u parts of the largest size",
                          ps_size_format(object_size_bytes, text, sizeof(text)),
                          limits->part_count_max);
    }
    plan->object_size_bytes = object_size_bytes;
    plan->part_size_bytes = part_size_bytes;
    plan->part_count = (uint32_t)part_count;
    return PS_OK;
}

uint64_t ps_part_plan_offset(const struct ps_part_plan *plan, uint32_t part_index)
{
    return plan->part_size_bytes * part_index;
}

uint64_t ps_part_plan_size(const struct ps_part_plan *plan, uint32_t part_index)
{
    uint64_t left_bytes = plan->object_size_bytes - ps_part_plan_offset(plan, part_index);

    return left_bytes < plan->part_size_bytes ? left_bytes : plan->part_size_bytes;
}
