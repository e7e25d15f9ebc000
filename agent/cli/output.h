/**
 * output - JSON Lines on stdout, each with a `type`; and what is common to the commands' plain output.
 *
 * Flow:    cli/cmd_*.c -> [output] -> stdout
 * Thread:  the loop thread
 * Source:  jsonlines.org; RFC 8259 by jansson
 */
#ifndef PS_CLI_OUTPUT_H
#define PS_CLI_OUTPUT_H

#include "cli/app.h"
#include "transfer/progress.h"

#include <jansson.h>

/** Print *object as a line with "type" in front and give it up (sets it NULL). NULL (out of memory) prints nothing. */
void ps_output_json(const char *type, json_t **object);

/** A JSON text of s, with bytes that are no UTF-8 as U+FFFD: keys can be any bytes. */
json_t *ps_output_text(const char *s);

/** on_event of a transfer: decisions and notices, as JSON or (verbose) as lines. user is the app. */
void ps_output_event(struct ps_app *app, const struct ps_transfer_event *event);

/** One of many files that failed: a line on stderr, or a JSON event `failed`. path is below url. */
void ps_output_failed(struct ps_app *app, const char *url, const char *path,
                      const struct ps_err *err);

/** End a line on stderr of what was sent: what proves it, or that nothing does. sum may be NONE. */
void ps_output_proof(const struct ps_checksum *sum, bool confirmed);

/** "2026-01-02T03:04:05Z" of a time; "" for 0. text holds 32 bytes. Returns text. */
const char *ps_output_time(int64_t unix_ms, char *text);

/** A number or a text of what a handler answered; 0 or "" when it is not there. The text is borrowed. */
int64_t ps_output_number(const json_t *object, const char *name);
const char *ps_output_string(const json_t *object, const char *name);

/** Write s with control bytes as '?', so that a key cannot command the terminal, when stdout is one. */
void ps_output_key(const char *s);

#endif
