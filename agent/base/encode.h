/**
 * encode - bytes as hex, base64 and percent-encoded text, and back.
 *
 * Flow:    checksums, signatures, keys -> [encode] -> headers and URLs
 * Thread:  any; holds no state
 * Source:  RFC 4648 (base64 with padding, hex); RFC 3986 2.3 (unreserved); SigV4 UriEncode
 */
#ifndef PS_BASE_ENCODE_H
#define PS_BASE_ENCODE_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Room for size_bytes as base64 with padding and a NUL. */
#define PS_BASE64_SIZE(size_bytes) ((((size_bytes) + 2) / 3) * 4 + 1)
/** Room for size_bytes as hex and a NUL. */
#define PS_HEX_SIZE(size_bytes) ((size_bytes)*2 + 1)

/** Write lower-case hex and a NUL; text holds PS_HEX_SIZE(size_bytes). Returns text. */
char *ps_hex_encode(const void *data, size_t size_bytes, char *text);

/** Write base64 with padding and a NUL; text holds PS_BASE64_SIZE(size_bytes). Returns text. */
char *ps_base64_encode(const void *data, size_t size_bytes, char *text);

/**
 * Decode all of text (padding required). False when it is not base64 or larger than capacity_bytes.
 */
PS_MUST_USE bool ps_base64_decode(const char *text, void *data, size_t capacity_bytes,
                                  size_t *size_bytes_out);

/** What a percent-encoder leaves as it is, besides A-Z a-z 0-9 - . _ ~ */
enum ps_uri_keep {
    PS_URI_KEEP_NONE,  /* query names and values, one path segment */
    PS_URI_KEEP_SLASH, /* a whole path */
};

/** Append s with every other byte as %XX (upper-case). Errors as ps_buf_append. */
PS_MUST_USE enum ps_code ps_uri_encode(struct ps_buf *buf, const char *s, enum ps_uri_keep keep,
                                       struct ps_err *err);

/**
 * Decode %XX in place; with plus_is_space also '+' (list answers with encoding-type=url).
 *
 * False when a % is not followed by two hex digits or decodes to NUL; s is then half decoded.
 */
PS_MUST_USE bool ps_uri_decode(char *s, bool plus_is_space);

#endif
