/**
 * range - which bytes a Range header asks for of an object of known size.
 *
 * Flow:    serve/gateway_object.c -> [range]
 * Thread:  any; holds no state
 * Source:  RFC 9110 14.1, 14.2; where it leaves a choice, what nginx 1.22 answers: a header that is malformed or
 *          names no byte is 416, ranges that add up to more than the object are the whole object
 */
#ifndef PS_SERVE_RANGE_H
#define PS_SERVE_RANGE_H

#include <stddef.h>
#include <stdint.h>

/**
 * Most ranges of one request. Lower: readers of many small pieces (PDF, zip) fall back to the whole object. Higher:
 * one request makes as many at the store.
 */
#define PS_RANGES_MAX 32

struct ps_range {
    uint64_t offset_bytes;
    uint64_t length_bytes; /* > 0 */
};

enum ps_range_answer {
    PS_RANGE_WHOLE, /* not bytes, too many, or overlapping: the whole object, 200 */
    PS_RANGE_PARTS, /* 206 */
    PS_RANGE_NONE,  /* 416 */
};

/** Parse text (the header's value) for an object of size_bytes; ranges holds PS_RANGES_MAX. */
enum ps_range_answer ps_range_parse(const char *text, uint64_t size_bytes, struct ps_range *ranges,
                                    size_t *count_out);

#endif
