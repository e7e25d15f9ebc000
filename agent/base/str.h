/**
 * str - text: bounded copies, checked arithmetic, sizes and durations as people write them.
 *
 * Flow:    settings, flags, policies, wire headers -> [str] -> numbers with units
 * Thread:  any; holds no state
 * Source:  sizes: IEC 80000-13 binary prefixes
 */
#ifndef PS_BASE_STR_H
#define PS_BASE_STR_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** A heap copy of s, or NULL when s is NULL or memory is out. (Tests make this one fail.) */
char *ps_strdup(const char *s);

/** A heap copy of the first size_bytes of s, with a NUL; NULL when memory is out. */
char *ps_strndup(const char *s, size_t size_bytes);

/** Heap text from a format, NULL when memory is out. */
PS_PRINTF(1, 2) char *ps_str_format(const char *format, ...);

/** Copy src into dst, cut to fit, always with a NUL. dst_size_bytes > 0. src NULL = "". */
void ps_str_copy(char *dst, size_t dst_size_bytes, const char *src);

/** True when s begins with prefix. */
bool ps_str_has_prefix(const char *s, const char *prefix);

/** True when s ends with suffix. */
bool ps_str_has_suffix(const char *s, const char *suffix);

/** Bytes of the well-formed UTF-8 sequence at text (RFC 3629), 1 to 4; 0 when it is none, and at the end of text. */
size_t ps_utf8_length(const char *text);

/** True when both are NULL or equal. */
bool ps_str_equal(const char *a, const char *b);

/** *sum_out = a + b; false (and unchanged) on overflow. */
PS_MUST_USE bool ps_add_u64(uint64_t a, uint64_t b, uint64_t *sum_out);

/** *product_out = a * b; false (and unchanged) on overflow. */
PS_MUST_USE bool ps_mul_u64(uint64_t a, uint64_t b, uint64_t *product_out);

/** The whole of s as a decimal number, digits only. False on anything else or overflow. */
PS_MUST_USE bool ps_u64_parse(const char *s, uint64_t *value_out);

/**
 * A size: digits, an optional fraction, an optional unit K M G T (or KiB MiB GiB TiB: 1024; kB MB GB TB: 1000), B or
 * none. "64MiB", "1.5G", "1048576". No spaces, no sign.
 */
PS_MUST_USE bool ps_size_parse(const char *s, uint64_t *bytes_out);

/** A duration: digits and a unit ms s m h d, or digits alone for seconds. "90s" "15m" "12h" "7d". */
PS_MUST_USE bool ps_duration_parse(const char *s, uint64_t *ms_out);

/** "1.5 GiB", "17 B": at most 10 characters. Returns text. */
const char *ps_size_format(uint64_t bytes, char *text, size_t text_size_bytes);

#endif
