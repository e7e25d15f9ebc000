/**
 * page - the files of the gateway's own page, built into the program.
 *
 * Flow:    agent/serve/page/ -> (build) -> [page] -> serve/gateway_page.c
 * Thread:  any; constant
 * Source:  Content Security Policy Level 3
 */
#ifndef PS_SERVE_PAGE_H
#define PS_SERVE_PAGE_H

#include <stddef.h>

/** Of all that purser writes itself: nothing from elsewhere, no inline script, in nobody's frame. */
#define PS_PAGE_POLICY                                                                             \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src "        \
    "'self'; "                                                                                     \
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

struct ps_page_file {
    const char *name; /* "style.css" */
    const unsigned char *data;
    size_t size_bytes;
};

/** Ended by a NULL name; made by the build from agent/serve/page/. */
extern const struct ps_page_file ps_page_files[];

#endif
