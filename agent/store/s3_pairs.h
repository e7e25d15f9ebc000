/**
 * s3_pairs - a growing list of names and values: query parameters and headers of a request.
 *
 * Flow:    s3_put, s3_get, s3_multipart, s3_list, s3_delete -> [s3_pairs] -> s3_request.h
 * Thread:  one at a time
 * Source:  none
 */
#ifndef PS_STORE_S3_PAIRS_H
#define PS_STORE_S3_PAIRS_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/** Names and values, copied; grows. Zeroed = empty. */
struct ps_s3_pairs {
    struct ps_s3_pair {
        char *name;
        char *value;
    } * items;
    size_t count;
    size_t capacity;
};

/** Errors: PS_E_NO_MEMORY; PS_E_INVALID when value has a control character. */
PS_MUST_USE enum ps_code ps_s3_pairs_add(struct ps_s3_pairs *pairs, const char *name,
                                         const char *value, struct ps_err *err);
/** The same for a query parameter: its value is percent-encoded later, so any byte is fine. Errors: PS_E_NO_MEMORY. */
PS_MUST_USE enum ps_code ps_s3_query_add(struct ps_s3_pairs *pairs, const char *name,
                                         const char *value, struct ps_err *err);
/** Replace the value of name, or add it; value NULL removes it. */
PS_MUST_USE enum ps_code ps_s3_pairs_set(struct ps_s3_pairs *pairs, const char *name,
                                         const char *value, struct ps_err *err);
/** Add copies of all of more. Errors as ps_s3_pairs_add; pairs may then hold some of them. */
PS_MUST_USE enum ps_code ps_s3_pairs_add_all(struct ps_s3_pairs *pairs,
                                             const struct ps_s3_pairs *more, struct ps_err *err);
void ps_s3_pairs_clear(struct ps_s3_pairs *pairs);

#endif
