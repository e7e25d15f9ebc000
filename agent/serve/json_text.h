/**
 * json_text - text of unknown encoding, and times, as JSON strings.
 *
 * Flow:    serve/admin.c, serve/listing.c, cli/output.h -> [json_text]
 * Thread:  any; holds no state
 * Source:  RFC 8259 8.1: JSON is UTF-8; keys of objects can be any bytes. RFC 3339 for times
 */
#ifndef PS_SERVE_JSON_TEXT_H
#define PS_SERVE_JSON_TEXT_H

#include <jansson.h>
#include <stdint.h>

/** s with bytes that are no UTF-8 as U+FFFD. NULL when memory is out. */
json_t *ps_json_text(const char *s);

/** "2026-01-02T03:04:05Z" of a time; "" for 0. text holds 32 bytes. Returns text. */
const char *ps_json_time_text(int64_t unix_ms, char *text);

/** The same as a JSON string. NULL when memory is out. */
json_t *ps_json_time(int64_t unix_ms);

#endif
