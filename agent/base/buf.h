/**
 * buf - a growing byte buffer with a limit; always followed by a NUL that is not counted.
 *
 * Flow:    http answers, XML and JSON bodies, canonical requests -> [buf] -> their readers
 * Thread:  one at a time
 * Source:  none
 */
#ifndef PS_BASE_BUF_H
#define PS_BASE_BUF_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct ps_buf {
    char *data;            /* NULL until the first append; then data[size_bytes] is NUL */
    size_t size_bytes;     /* bytes in use */
    size_t capacity_bytes; /* bytes allocated */
    size_t limit_bytes;    /* 0 = PS_BUF_LIMIT_DEFAULT_BYTES */
};

/**
 * No answer that purser keeps whole is larger: a page of 1,000 keys of 1,024 escaped bytes is 3 MiB.
 * Lower: full list pages fail. Higher: a hostile endpoint could make us hold that much.
 */
#define PS_BUF_LIMIT_DEFAULT_BYTES ((size_t)8 * 1024 * 1024)

/** Make *buf empty with this limit (0 = the default). Allocates nothing. */
void ps_buf_init(struct ps_buf *buf, size_t limit_bytes);

/** Free the contents; *buf is as after ps_buf_init with the same limit. Safe twice and after zeroing. */
void ps_buf_clear(struct ps_buf *buf);

/** Set the size to 0 and keep the memory. */
void ps_buf_rewind(struct ps_buf *buf);

/**
 * Append size bytes of data. data may be NULL when size is 0.
 *
 * Errors:  PS_E_TOO_LARGE over the limit; PS_E_NO_MEMORY. *buf is unchanged then.
 */
PS_MUST_USE enum ps_code ps_buf_append(struct ps_buf *buf, const void *data, size_t size_bytes,
                                       struct ps_err *err);

/** Append the text s without its NUL. Errors as ps_buf_append. */
PS_MUST_USE enum ps_code ps_buf_append_str(struct ps_buf *buf, const char *s, struct ps_err *err);

/** Append each text up to a NULL, all or nothing; for what every request does, where a format costs. Errors as ps_buf_append. */
__attribute__((sentinel)) PS_MUST_USE enum ps_code ps_buf_append_texts(struct ps_buf *buf,
                                                                       struct ps_err *err, ...);

/** Append formatted text. Errors as ps_buf_append. */
PS_PRINTF(3, 4)
PS_MUST_USE enum ps_code ps_buf_append_format(struct ps_buf *buf, struct ps_err *err,
                                              const char *format, ...);

/** The text so far, "" when empty. Borrowed until the next call that changes buf. */
const char *ps_buf_peek(const struct ps_buf *buf);

/** Hand the text out as a heap string (the caller frees it) and leave *buf empty. NULL when empty. */
char *ps_buf_steal(struct ps_buf *buf);

#endif
