/**
 * http_text - messages of the scripted server as text.
 *
 * Flow:    http_server.c -> [http_text] -> the C library
 * Thread:  any; holds no state
 * Source:  RFC 9112
 */
#ifndef PS_TESTS_SUPPORT_HTTP_TEXT_H
#define PS_TESTS_SUPPORT_HTTP_TEXT_H

#include <stddef.h>

/** memory, which must not be NULL: ends the test. */
void *http_text_must(void *memory);

/** A heap copy with a NUL. */
char *http_text_copy(const char *bytes, size_t size_bytes);

/** What follows "name:" at the beginning of a line of head (any case); NULL when there is none. */
const char *http_text_find(const char *head, const char *name);

/** The text of an answer with CRLF line ends in its head and its length filled in; free(). */
char *http_text_finish(const char *text, size_t *size_out, size_t *head_size_out);

#endif
