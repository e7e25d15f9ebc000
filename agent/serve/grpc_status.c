#include "serve/grpc_status.h"

#include <string.h>

enum ps_grpc_status ps_grpc_status_of(enum ps_code code)
{
    switch (code) {
    case PS_OK:
        return PS_GRPC_OK;
    case PS_E_INVALID:
    case PS_E_PARSE:
        return PS_GRPC_INVALID_ARGUMENT;
    case PS_E_NOT_FOUND:
    case PS_E_NO_UPLOAD:
        return PS_GRPC_NOT_FOUND;
    case PS_E_NO_MEMORY:
    case PS_E_NO_SPACE:
    case PS_E_TOO_LARGE:
        return PS_GRPC_RESOURCE_EXHAUSTED;
    case PS_E_UNSUPPORTED:
        return PS_GRPC_UNIMPLEMENTED;
    case PS_E_TEMPORARY:
    case PS_E_UNKNOWN_OUTCOME:
    case PS_E_LOCKED:
        return PS_GRPC_UNAVAILABLE;
    case PS_E_CANCELLED:
        return PS_GRPC_CANCELLED;
    case PS_E_BUG:
        return PS_GRPC_INTERNAL;
    case PS_E_IO:
    case PS_E_EXISTS:
    case PS_E_DENIED:
    case PS_E_REFUSED:
    case PS_E_CORRUPT:
    case PS_E_CHANGED:
    case PS_E_PARTIAL:
        return PS_GRPC_UNKNOWN;
    }
    return PS_GRPC_UNKNOWN;
}

/* Nanoseconds of a unit; 0 = none. */
static uint64_t unit_ns(char unit)
{
    switch (unit) {
    case 'H':
        return UINT64_C(3600000000000);
    case 'M':
        return UINT64_C(60000000000);
    case 'S':
        return UINT64_C(1000000000);
    case 'm':
        return UINT64_C(1000000);
    case 'u':
        return UINT64_C(1000);
    case 'n':
        return 1;
    default:
        return 0;
    }
}

bool ps_grpc_timeout_parse(const char *text, uint64_t *ms_out)
{
    size_t digits = strspn(text, "0123456789");
    uint64_t value = 0;
    uint64_t unit;

    if (digits == 0 || digits > 8 || text[digits] == '\0' || text[digits + 1] != '\0') {
        return false;
    }
    unit = unit_ns(text[digits]);
    if (unit == 0) {
        return false;
    }
    for (size_t i = 0; i < digits; i++) {
        value = value * 10 + (uint64_t)(text[i] - '0');
    }
    /* At most 99,999,999 hours, which is 3.6e20 ns: hours and minutes are counted in milliseconds at once. */
    if (unit >= UINT64_C(1000000)) {
        *ms_out = value * (unit / UINT64_C(1000000));
    } else {
        *ms_out = (value * unit + UINT64_C(999999)) / UINT64_C(1000000);
    }
    return true;
}

char *ps_grpc_message_format(const char *message, char *text, size_t text_size_bytes)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t used = 0;

    for (const unsigned char *c = (const unsigned char *)message; *c != '\0'; c++) {
        bool plain = *c >= 0x20 && *c <= 0x7e && *c != '%';

        if (used + (plain ? 1 : 3) >= text_size_bytes) {
            break;
        }
        if (plain) {
            text[used++] = (char)*c;
        } else {
            text[used++] = '%';
            text[used++] = hex[*c >> 4];
            text[used++] = hex[*c & 15];
        }
    }
    text[used] = '\0';
    return text;
}
