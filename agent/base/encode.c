#include "base/encode.h"

#include <string.h>

char *ps_hex_encode(const void *data, size_t size_bytes, char *text)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *bytes = data;

    for (size_t i = 0; i < size_bytes; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    text[2 * size_bytes] = '\0';
    return text;
}

char *ps_base64_encode(const void *data, size_t size_bytes, char *text)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *in = data;
    char *out = text;

    for (size_t i = 0; i < size_bytes; i += 3) {
        size_t left = size_bytes - i;
        unsigned value = (unsigned)in[i] << 16;

        value |= left > 1 ? (unsigned)in[i + 1] << 8 : 0;
        value |= left > 2 ? in[i + 2] : 0U;
        *out++ = digits[value >> 18];
        *out++ = digits[(value >> 12) & 63];
        *out++ = left > 1 ? digits[(value >> 6) & 63] : '=';
        *out++ = left > 2 ? digits[value & 63] : '=';
    }
    *out = '\0';
    return text;
}

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    if (c == '+') {
        return 62;
    }
    return c == '/' ? 63 : -1;
}

/* Four characters to *count bytes; '=' only where padding may stand, over bits that are 0 (RFC 4648 3.5). */
static bool decode_group(const char *text, bool last, unsigned char bytes[3], size_t *count)
{
    size_t padding = 0;
    unsigned value = 0;

    if (last && text[3] == '=') {
        padding = text[2] == '=' ? 2 : 1;
    }
    for (size_t i = 0; i < 4; i++) {
        int digit = i < 4 - padding ? base64_value(text[i]) : 0;

        if (digit < 0) {
            return false;
        }
        value = value << 6 | (unsigned)digit;
    }
    bytes[0] = (unsigned char)(value >> 16);
    bytes[1] = (unsigned char)(value >> 8);
    bytes[2] = (unsigned char)value;
    *count = 3 - padding;
    return (padding < 1 || bytes[2] == 0) && (padding < 2 || bytes[1] == 0);
}

bool ps_base64_decode(const char *text, void *data, size_t capacity_bytes, size_t *size_bytes_out)
{
    size_t length = strlen(text);
    unsigned char *out = data;
    size_t used_bytes = 0;

    if (length % 4 != 0) {
        return false;
    }
    for (size_t i = 0; i < length; i += 4) {
        unsigned char bytes[3];
        size_t count = 0;

        if (!decode_group(text + i, i + 4 == length, bytes, &count) ||
            count > capacity_bytes - used_bytes) {
            return false;
        }
        memcpy(out + used_bytes, bytes, count);
        used_bytes += count;
    }
    *size_bytes_out = used_bytes;
    return true;
}

static bool is_unreserved(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

enum ps_code ps_uri_encode(struct ps_buf *buf, const char *s, enum ps_uri_keep keep,
                           struct ps_err *err)
{
    static const char digits[] = "0123456789ABCDEF";
    enum ps_code code = PS_OK;

    for (; *s != '\0' && code == PS_OK; s++) {
        unsigned char byte = (unsigned char)*s;

        if (is_unreserved(*s) || (keep == PS_URI_KEEP_SLASH && *s == '/')) {
            code = ps_buf_append(buf, s, 1, err);
        } else {
            const char escape[3] = { '%', digits[byte >> 4], digits[byte & 15] };

            code = ps_buf_append(buf, escape, sizeof(escape), err);
        }
    }
    return code;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool ps_uri_decode(char *s, bool plus_is_space)
{
    char *out = s;

    for (; *s != '\0'; s++) {
        if (*s == '%') {
            int high = hex_value(s[1]);
            int low = high >= 0 ? hex_value(s[2]) : -1;

            if (low < 0 || (high == 0 && low == 0)) {
                return false;
            }
            *out++ = (char)(high << 4 | low);
            s += 2;
        } else {
            *out++ = (char)(*s == '+' && plus_is_space ? ' ' : *s);
        }
    }
    *out = '\0';
    return true;
}
