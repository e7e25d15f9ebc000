/**
 * json_text - text of unknown encoding as a JSON string.
 *
 * Flow:    serve/admin.c, serve/listing.c, cli/output.h -> [json_text]
 * Thread:  any; holds no state
 * Source:  RFC 8259 8.1: JSON is UTF-8; keys of objects can be any bytes
 */
#ifndef PS_SERVE_JSON_TEXT_H
#define PS_SERVE_JSON_TEXT_H

#include <jansson.h>

/** s with bytes that are no UTF-8 as U+FFFD. NULL when memory is out. */
json_t *ps_json_text(const char *s);

#endif
