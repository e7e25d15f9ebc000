/**
 * listing - a page of a store's directory as HTML that needs no script, or as JSON.
 *
 * Flow:    serve/gateway_listing.c -> [listing] -> serve/httpd.h
 * Thread:  any; holds no state
 * Source:  none
 */
#ifndef PS_SERVE_LISTING_H
#define PS_SERVE_LISTING_H

#include "base/buf.h"
#include "base/err.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>

/** Most entries of one page. Lower: more pages. Higher: more memory for one answer (1.5 KiB an entry at most). */
#define PS_LISTING_PAGE_MAX 500

struct ps_listing {
    const char *store;    /* its name */
    const char *prefix;   /* "" or ends in '/'; as the user wrote it */
    const char *query;    /* of a signed link, goes on every link; "" = none */
    size_t hidden_length; /* of each key: the prefix of the store's own URL and `prefix` */
    const struct ps_object_info *objects;
    size_t count;
    bool more; /* another page follows the last of objects */
};

/** Append the page. Errors as ps_buf_append. */
PS_MUST_USE enum ps_code ps_listing_html(struct ps_buf *buf, const struct ps_listing *listing,
                                         struct ps_err *err);
PS_MUST_USE enum ps_code ps_listing_json(struct ps_buf *buf, const struct ps_listing *listing,
                                         struct ps_err *err);

/** By its name: one whose members can be listed. */
bool ps_listing_is_archive(const char *name);

/** Append a page's beginning up to its heading, which is title. */
PS_MUST_USE enum ps_code ps_listing_html_head(struct ps_buf *buf, const char *title,
                                              struct ps_err *err);

/** Append the rest of a link whose href is open: separator and query (unless it is ""), text, the end. */
PS_MUST_USE enum ps_code ps_listing_link_end(struct ps_buf *buf, const char *separator,
                                             const char *query, const char *text,
                                             struct ps_err *err);

/** Append text with & < > " ' as entities and what is no UTF-8 as U+FFFD. */
PS_MUST_USE enum ps_code ps_html_escape(struct ps_buf *buf, const char *text, struct ps_err *err);

#endif
