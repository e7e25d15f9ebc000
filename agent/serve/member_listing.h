/**
 * member_listing - what is in an archive as HTML that needs no script, or as JSON; row by row, as it is read.
 *
 * Flow:    transfer/member_stream.h -> [member_listing] -> serve/gateway_member.c
 * Thread:  one at a time
 * Source:  none
 */
#ifndef PS_SERVE_MEMBER_LISTING_H
#define PS_SERVE_MEMBER_LISTING_H

#include "base/buf.h"
#include "base/err.h"
#include "sink/archive_members.h"

#include <stdbool.h>

struct ps_member_listing;

/** title: "STORE/KEY"; query: of a signed link, goes on every link. Text is copied. Errors: PS_E_NO_MEMORY. */
PS_MUST_USE enum ps_code ps_member_listing_new(struct ps_member_listing **listing_out, bool json,
                                               const char *title, const char *query,
                                               struct ps_err *err);
void ps_member_listing_free(struct ps_member_listing *listing);

/** Append a member's row, with the page's head before the first one; NULL = the page's tail. Errors as ps_buf_append. */
PS_MUST_USE enum ps_code ps_member_listing_add(struct ps_member_listing *listing,
                                               const struct ps_member *member, struct ps_buf *buf,
                                               struct ps_err *err);

#endif
