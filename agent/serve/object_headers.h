/**
 * object_headers - the headers that describe an object, and what a request's conditions make of them.
 *
 * Flow:    serve/gateway_object.c -> [object_headers] -> serve/httpd.h
 * Thread:  any; holds no state
 * Source:  RFC 9110 8.6-8.8 (validators), 13 (conditions); RFC 6266, RFC 8187 (Content-Disposition); CSP Level 3
 */
#ifndef PS_SERVE_OBJECT_HEADERS_H
#define PS_SERVE_OBJECT_HEADERS_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/** What is known of an object; text is borrowed. */
struct ps_object_validators {
    const char *etag;      /* with quotes; "" = none */
    int64_t mtime_unix_ms; /* 0 = unknown */
};

/** The conditions of a request, as sent; NULL = absent. */
struct ps_conditions {
    const char *if_match;
    const char *if_none_match;
    const char *if_modified_since;
    const char *if_unmodified_since;
    const char *if_range;
};

enum ps_condition_answer {
    PS_CONDITION_SEND,         /* go on */
    PS_CONDITION_NOT_MODIFIED, /* 304 */
    PS_CONDITION_FAILED,       /* 412 */
};

/** RFC 9110 13.2.2, all steps but Range. */
enum ps_condition_answer ps_conditions_check(const struct ps_conditions *conditions,
                                             const struct ps_object_validators *object);

/** Whether a Range header counts: no If-Range, or one that fits by strong comparison. */
bool ps_conditions_range_counts(const struct ps_conditions *conditions,
                                const struct ps_object_validators *object);

/** Where an archived object is. */
enum ps_restore_state {
    PS_RESTORE_NONE,    /* no copy was asked for, or the store tells nothing */
    PS_RESTORE_ONGOING, /* it is on its way */
    PS_RESTORE_DONE,    /* a copy can be read until its expiry */
};

/**
 * Read x-amz-restore or x-oss-restore: `ongoing-request="false", expiry-date="Fri, 21 Dec 2012 00:00:00 GMT"`. expiry
 * (40 bytes) gets the date's text, "" = none.
 */
enum ps_restore_state ps_restore_parse(const char *value, char *expiry);

/**
 * Append `inline; filename="x"; filename*=UTF-8''x` for the last component of key; the starred form only where it is
 * needed. Bytes that are no UTF-8 become '_'. Errors as ps_buf_append.
 */
PS_MUST_USE enum ps_code ps_disposition_format(struct ps_buf *buf, const char *key, bool attachment,
                                               struct ps_err *err);

#endif
