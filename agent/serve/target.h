/**
 * target - what a request's target asks for: path and query, decoded and checked.
 *
 * Flow:    serve/httpd.h -> [target] -> serve/gateway.h
 * Thread:  any; holds no state
 * Source:  RFC 9112 3.2 (origin-form, absolute-form), RFC 3986 2.1 (percent-encoding)
 */
#ifndef PS_SERVE_TARGET_H
#define PS_SERVE_TARGET_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/** Most query arguments looked at. A signed link has three. More: 400. */
#define PS_TARGET_ARGS_MAX 16

struct ps_target {
    char *path; /* decoded, begins with '/'; no component "." or "..", no control byte */
    char *text; /* what names and values point into */
    size_t arg_count;
    const char *names[PS_TARGET_ARGS_MAX];
    const char *values[PS_TARGET_ARGS_MAX];
};

/**
 * Take raw apart. Text is copied.
 *
 * Errors:  PS_E_INVALID with what is wrong, for a 400; PS_E_NO_MEMORY. *target_out is untouched then.
 */
PS_MUST_USE enum ps_code ps_target_parse(const char *raw, struct ps_target *target_out,
                                         struct ps_err *err);
void ps_target_clear(struct ps_target *target);

/** Value of the first argument of that name; "" for one without '='; NULL = absent. */
const char *ps_target_arg(const struct ps_target *target, const char *name);

/**
 * "/a/NAME/KEY": the store's name (in name, of name_size_bytes) and the key (borrowed from path; "" for "/a/NAME" and
 * "/a/NAME/"). False for any other path, or a name that does not fit.
 */
PS_MUST_USE bool ps_target_artifact(const struct ps_target *target, char *name,
                                    size_t name_size_bytes, const char **key_out);

#endif
