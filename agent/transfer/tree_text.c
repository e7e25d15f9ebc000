#include "transfer/tree_text.h"

#include "base/str.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NS ((int64_t)1000000000)

void ps_tree_time_format(int64_t mtime_ns, char text[PS_TREE_TIME_SIZE])
{
    bool negative = mtime_ns < 0;
    uint64_t ns = negative ? (uint64_t)0 - (uint64_t)mtime_ns : (uint64_t)mtime_ns;
    uint64_t rest_ns = ns % (uint64_t)NS;

    if (rest_ns == 0) {
        (void)snprintf(text, PS_TREE_TIME_SIZE, "%s%" PRIu64, negative ? "-" : "",
                       ns / (uint64_t)NS);
    } else {
        (void)snprintf(text, PS_TREE_TIME_SIZE, "%s%" PRIu64 ".%09" PRIu64, negative ? "-" : "",
                       ns / (uint64_t)NS, rest_ns);
    }
}

bool ps_tree_time_parse(const char *text, int64_t *mtime_ns_out)
{
    bool negative = text[0] == '-';
    const char *dot;
    char whole[24];
    char fraction[10] = "000000000";
    uint64_t seconds = 0;
    uint64_t rest_ns = 0;
    size_t length;

    text += negative ? 1 : 0;
    dot = strchr(text, '.');
    length = dot != NULL ? (size_t)(dot - text) : strlen(text);
    if (length >= sizeof(whole)) {
        return false;
    }
    memcpy(whole, text, length);
    whole[length] = '\0';
    if (dot != NULL) {
        length = strlen(dot + 1);
        memcpy(fraction, dot + 1, length < 9 ? length : 9);
    }
    if (!ps_u64_parse(whole, &seconds) || !ps_u64_parse(fraction, &rest_ns) ||
        seconds > (uint64_t)(INT64_MAX / NS) - 1) {
        return false;
    }
    *mtime_ns_out = (int64_t)seconds * NS + (int64_t)rest_ns;
    *mtime_ns_out = negative ? -*mtime_ns_out : *mtime_ns_out;
    return true;
}

void ps_tree_mode_format(uint32_t mode, char text[PS_TREE_MODE_SIZE])
{
    (void)snprintf(text, PS_TREE_MODE_SIZE, "0%" PRIo32, mode);
}

bool ps_tree_mode_parse(const char *text, uint32_t *mode_out)
{
    uint32_t base = text[0] == '0' ? 8 : 10;
    uint32_t mode = 0;
    size_t length = strlen(text);

    if (length == 0 || length > 8) {
        return false;
    }
    for (; *text != '\0'; text++) {
        uint32_t digit = (uint32_t)(unsigned char)*text - '0';

        if (digit >= base) {
            return false;
        }
        mode = mode * base + digit;
    }
    *mode_out = mode;
    return mode <= 0177777;
}
