#include "base/str.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

char *ps_strdup(const char *s)
{
    return s != NULL ? ps_strndup(s, strlen(s)) : NULL;
}

char *ps_strndup(const char *s, size_t size_bytes)
{
    char *copy = malloc(size_bytes + 1);

    if (copy != NULL) {
        memcpy(copy, s, size_bytes);
        copy[size_bytes] = '\0';
    }
    return copy;
}

char *ps_str_format(const char *format, ...)
{
    char room[256]; /* most are short: formatting twice, to measure and to write, is what costs */
    va_list args;
    int length;
    char *text;

    va_start(args, format);
    length = vsnprintf(room, sizeof(room), format, args);
    va_end(args);
    if (length < 0) {
        return NULL;
    }
    text = malloc((size_t)length + 1);
    if (text == NULL) {
        return NULL;
    }
    if ((size_t)length < sizeof(room)) {
        memcpy(text, room, (size_t)length + 1);
    } else {
        va_start(args, format);
        (void)vsnprintf(text, (size_t)length + 1, format, args);
        va_end(args);
    }
    return text;
}

void ps_str_copy(char *dst, size_t dst_size_bytes, const char *src)
{
    size_t length = src != NULL ? strnlen(src, dst_size_bytes - 1) : 0;

    if (length > 0) {
        memcpy(dst, src, length);
    }
    dst[length] = '\0';
}

bool ps_str_has_prefix(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool ps_str_has_suffix(const char *s, const char *suffix)
{
    size_t length = strlen(s);
    size_t suffix_length = strlen(suffix);

    return length >= suffix_length && strcmp(s + length - suffix_length, suffix) == 0;
}

/* By the first byte of a sequence; 0 when none begins so. */
static size_t sequence_length(unsigned char first)
{
    return first == 0                       ? 0
           : first < 0x80                   ? 1
           : first >= 0xc2 && first <= 0xdf ? 2
           : (first & 0xf0) == 0xe0         ? 3
           : first >= 0xf0 && first <= 0xf4 ? 4
                                            : 0;
}

size_t ps_utf8_length(const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t length = sequence_length(s[0]);

    for (size_t i = 1; i < length; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f)) {
        return 0;
    }
    return length;
}

bool ps_str_equal(const char *a, const char *b)
{
    if (a == NULL || b == NULL) {
        return a == b;
    }
    return strcmp(a, b) == 0;
}

bool ps_add_u64(uint64_t a, uint64_t b, uint64_t *sum_out)
{
    uint64_t sum;

    if (__builtin_add_overflow(a, b, &sum)) {
        return false;
    }
    *sum_out = sum;
    return true;
}

bool ps_mul_u64(uint64_t a, uint64_t b, uint64_t *product_out)
{
    uint64_t product;

    if (__builtin_mul_overflow(a, b, &product)) {
        return false;
    }
    *product_out = product;
    return true;
}

/* Digits from *at on; *at is left behind them. False without a digit or on overflow. */
static bool take_digits(const char **at, uint64_t *value_out)
{
    const char *s = *at;
    uint64_t value = 0;

    if (!isdigit((unsigned char)*s)) {
        return false;
    }
    for (; isdigit((unsigned char)*s); s++) {
        if (!ps_mul_u64(value, 10, &value) || !ps_add_u64(value, (uint64_t)(*s - '0'), &value)) {
            return false;
        }
    }
    *at = s;
    *value_out = value;
    return true;
}

bool ps_u64_parse(const char *s, uint64_t *value_out)
{
    uint64_t value = 0;

    if (!take_digits(&s, &value) || *s != '\0') {
        return false;
    }
    *value_out = value;
    return true;
}

struct unit {
    const char *name;
    uint64_t factor;
};

static bool find_unit(const struct unit *units, size_t count, const char *name,
                      uint64_t *factor_out)
{
    for (size_t i = 0; i < count; i++) {
        if (strcasecmp(units[i].name, name) == 0) {
            *factor_out = units[i].factor;
            return true;
        }
    }
    return false;
}

/* ".5" of a unit as bytes: at most 9 digits count, which is finer than a byte of a GiB. */
static uint64_t fraction_of(const char *digits, size_t count, uint64_t factor)
{
    uint64_t value = 0;
    uint64_t scale = 1;

    for (size_t i = 0; i < count && i < 9; i++) {
        value = value * 10 + (uint64_t)(digits[i] - '0');
        scale *= 10;
    }
    return (uint64_t)((double)value * (double)factor / (double)scale);
}

bool ps_size_parse(const char *s, uint64_t *bytes_out)
{
    static const struct unit units[] = {
        { "", 1 },
        { "B", 1 },
        { "K", 1ULL << 10 },
        { "KiB", 1ULL << 10 },
        { "M", 1ULL << 20 },
        { "MiB", 1ULL << 20 },
        { "G", 1ULL << 30 },
        { "GiB", 1ULL << 30 },
        { "T", 1ULL << 40 },
        { "TiB", 1ULL << 40 },
        { "kB", 1000ULL },
        { "MB", 1000000ULL },
        { "GB", 1000000000ULL },
        { "TB", 1000000000000ULL },
    };
    const char *fraction = NULL;
    size_t fraction_count = 0;
    uint64_t value = 0;
    uint64_t factor = 1;

    if (!take_digits(&s, &value)) {
        return false;
    }
    if (*s == '.') {
        fraction = ++s;
        while (isdigit((unsigned char)*s)) {
            s++;
        }
        fraction_count = (size_t)(s - fraction);
        if (fraction_count == 0) {
            return false;
        }
    }
    if (!find_unit(units, sizeof(units) / sizeof(units[0]), s, &factor) ||
        !ps_mul_u64(value, factor, &value)) {
        return false;
    }
    return ps_add_u64(value, fraction_of(fraction, fraction_count, factor), bytes_out);
}

bool ps_duration_parse(const char *s, uint64_t *ms_out)
{
    static const struct unit units[] = {
        { "", 1000 },   { "ms", 1 },      { "s", 1000 },
        { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 },
    };
    uint64_t value = 0;
    uint64_t factor = 1;

    return take_digits(&s, &value) &&
           find_unit(units, sizeof(units) / sizeof(units[0]), s, &factor) &&
           ps_mul_u64(value, factor, ms_out);
}

const char *ps_size_format(uint64_t bytes, char *text, size_t text_size_bytes)
{
    static const char *const names[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
    double value = (double)bytes;
    size_t unit = 0;

    while (value >= 1024.0 && unit + 1 < sizeof(names) / sizeof(names[0])) {
        value /= 1024.0;
        unit++;
    }
    if (unit == 0 || value >= 100.0) {
        (void)snprintf(text, text_size_bytes, "%.0f %s", value, names[unit]);
    } else {
        (void)snprintf(text, text_size_bytes, "%.1f %s", value, names[unit]);
    }
    return text;
}
