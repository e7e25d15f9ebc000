#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FIRST_CAPACITY_BYTES = 256
};

static size_t limit_of(const struct ps_buf *buf)
{
    return buf->limit_bytes != 0 ? buf->limit_bytes : PS_BUF_LIMIT_DEFAULT_BYTES;
}

static enum ps_code reserve(struct ps_buf *buf, size_t more_bytes, struct ps_err *err)
{
    size_t limit_bytes = limit_of(buf);
    size_t capacity_bytes = buf->capacity_bytes != 0 ? buf->capacity_bytes : FIRST_CAPACITY_BYTES;
    char *data;

    if (more_bytes > limit_bytes || buf->size_bytes > limit_bytes - more_bytes) {
        return ps_err_set(err, PS_E_TOO_LARGE, "more than %zu bytes", limit_bytes);
    }
    if (buf->size_bytes + more_bytes < buf->capacity_bytes) {
        return PS_OK;
    }
    while (capacity_bytes <= buf->size_bytes + more_bytes) {
        capacity_bytes *= 2;
    }
    data = realloc(buf->data, capacity_bytes);
    if (data == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory for %zu bytes", capacity_bytes);
    }
    buf->data = data;
    buf->capacity_bytes = capacity_bytes;
    return PS_OK;
}

void ps_buf_init(struct ps_buf *buf, size_t limit_bytes)
{
    memset(buf, 0, sizeof(*buf));
    buf->limit_bytes = limit_bytes;
}

void ps_buf_clear(struct ps_buf *buf)
{
    free(buf->data);
    ps_buf_init(buf, buf->limit_bytes);
}

void ps_buf_rewind(struct ps_buf *buf)
{
    buf->size_bytes = 0;
    if (buf->data != NULL) {
        buf->data[0] = '\0';
    }
}

enum ps_code ps_buf_append(struct ps_buf *buf, const void *data, size_t size_bytes,
                           struct ps_err *err)
{
    enum ps_code code = reserve(buf, size_bytes, err);

    if (code != PS_OK) {
        return code;
    }
    if (size_bytes != 0) {
        memcpy(buf->data + buf->size_bytes, data, size_bytes);
    }
    buf->size_bytes += size_bytes;
    buf->data[buf->size_bytes] = '\0';
    return PS_OK;
}

enum ps_code ps_buf_append_str(struct ps_buf *buf, const char *s, struct ps_err *err)
{
    return ps_buf_append(buf, s, strlen(s), err);
}

enum ps_code ps_buf_append_texts(struct ps_buf *buf, struct ps_err *err, ...)
{
    size_t before_bytes = buf->size_bytes;
    enum ps_code code = PS_OK;
    const char *text;
    va_list texts;

    va_start(texts, err);
    for (text = va_arg(texts, const char *); text != NULL && code == PS_OK;
         text = va_arg(texts, const char *)) {
        code = ps_buf_append_str(buf, text, err);
    }
    va_end(texts);
    if (code != PS_OK && buf->data != NULL) {
        buf->size_bytes = before_bytes;
        buf->data[before_bytes] = '\0';
    }
    return code;
}

enum ps_code ps_buf_append_format(struct ps_buf *buf, struct ps_err *err, const char *format, ...)
{
    size_t spare_bytes = buf->capacity_bytes - buf->size_bytes;
    va_list args;
    int length;
    enum ps_code code;

    /* Into the room that is there: formatting twice, to measure and to write, is what costs. */
    va_start(args, format);
    length =
        vsnprintf(spare_bytes > 0 ? buf->data + buf->size_bytes : NULL, spare_bytes, format, args);
    va_end(args);
    if (length < 0) {
        return ps_err_set(err, PS_E_BUG, "text cannot be formatted");
    }
    code = reserve(buf, (size_t)length, err);
    if (code != PS_OK) {
        if (spare_bytes > 0) {
            buf->data[buf->size_bytes] = '\0';
        }
        return code;
    }
    if ((size_t)length >= spare_bytes) {
        va_start(args, format);
        (void)vsnprintf(buf->data + buf->size_bytes, (size_t)length + 1, format, args);
        va_end(args);
    }
    buf->size_bytes += (size_t)length;
    return PS_OK;
}

const char *ps_buf_peek(const struct ps_buf *buf)
{
    return buf->data != NULL ? buf->data : "";
}

char *ps_buf_steal(struct ps_buf *buf)
{
    char *data = buf->data;

    ps_buf_init(buf, buf->limit_bytes);
    return data;
}
