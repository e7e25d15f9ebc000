#include "serve/range.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

/* As large as any offset; a number beyond it means the same as it. */
#define OFFSET_MAX ((uint64_t)INT64_MAX)

static const char *skip_spaces(const char *at)
{
    while (*at == ' ' || *at == '\t') {
        at++;
    }
    return at;
}

/* Digits at *at; false when there are none. */
static bool take_number(const char **at, uint64_t *number_out)
{
    uint64_t number = 0;

    if (**at < '0' || **at > '9') {
        return false;
    }
    for (; **at >= '0' && **at <= '9'; (*at)++) {
        number = number > (OFFSET_MAX - 9) / 10 ? OFFSET_MAX : number * 10 + (uint64_t)(**at - '0');
    }
    *number_out = number;
    return true;
}

/* One of the set, as the half-open [*first, *end); *first >= *end when it names no byte. False: malformed. */
static bool take_one(const char **at, uint64_t size_bytes, uint64_t *first_out, uint64_t *end_out)
{
    uint64_t first = 0;
    uint64_t last = 0;
    bool has_first;
    bool has_last;

    *at = skip_spaces(*at);
    has_first = take_number(at, &first);
    *at = skip_spaces(*at);
    if (**at != '-') {
        return false;
    }
    *at = skip_spaces(*at + 1);
    has_last = take_number(at, &last);
    *at = skip_spaces(*at);
    if ((!has_first && !has_last) || (**at != ',' && **at != '\0')) {
        return false;
    }
    if (!has_first) { /* the last so many bytes */
        *first_out = last < size_bytes ? size_bytes - last : 0;
        *end_out = last > 0 ? size_bytes : *first_out;
    } else {
        *first_out = first;
        *end_out = has_last && last < size_bytes ? last + 1 : size_bytes;
    }
    return true;
}

enum ps_range_answer ps_range_parse(const char *text, uint64_t size_bytes, struct ps_range *ranges,
                                    size_t *count_out)
{
    const char *at = text + strlen("bytes=");
    uint64_t sum_bytes = 0;

    *count_out = 0;
    if (strncasecmp(text, "bytes=", strlen("bytes=")) != 0 || *at == '\0') {
        return PS_RANGE_WHOLE;
    }
    for (bool more = true; more; at++) {
        uint64_t first = 0;
        uint64_t end = 0;

        if (!take_one(&at, size_bytes, &first, &end)) {
            return PS_RANGE_NONE;
        }
        more = *at == ',';
        if (first >= end) {
            if (first == 0) {
                return PS_RANGE_WHOLE; /* of an empty object */
            }
            continue;
        }
        if (*count_out == PS_RANGES_MAX || end - first > OFFSET_MAX - sum_bytes) {
            return PS_RANGE_WHOLE;
        }
        sum_bytes += end - first;
        ranges[(*count_out)++] = (struct ps_range){ first, end - first };
    }
    if (*count_out == 0) {
        return PS_RANGE_NONE;
    }
    return sum_bytes > size_bytes ? PS_RANGE_WHOLE : PS_RANGE_PARTS;
}
