#include "cli/options.h"

#include "base/str.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum ps_code ps_options_size(const struct ps_options *options, enum ps_option option,
                             uint64_t *bytes_out, struct ps_err *err)
{
    char origin[64];
    uint64_t bytes = 0;

    if (options->values[option] == NULL) {
        return PS_OK;
    }
    if (!ps_size_parse(options->values[option], &bytes) || bytes == 0) {
        return ps_err_set(err, PS_E_INVALID, "%s: '%s' is no size: write e.g. 64MiB",
                          ps_options_origin(options, option, origin), options->values[option]);
    }
    *bytes_out = bytes;
    return PS_OK;
}

enum ps_code ps_options_number(const struct ps_options *options, enum ps_option option,
                               uint32_t *value_out, struct ps_err *err)
{
    char origin[64];
    uint64_t value = 0;

    if (options->values[option] == NULL) {
        return PS_OK;
    }
    if (!ps_u64_parse(options->values[option], &value) || value == 0 || value > 64) {
        return ps_err_set(err, PS_E_INVALID, "%s: '%s' is no number from 1 to 64",
                          ps_options_origin(options, option, origin), options->values[option]);
    }
    *value_out = (uint32_t)value;
    return PS_OK;
}

enum ps_code ps_options_level(const struct ps_options *options, int *level_out, struct ps_err *err)
{
    const char *text = options->values[PS_OPT_COMPRESSION_LEVEL];
    char origin[64];
    uint64_t value = 0;

    if (text == NULL) {
        return PS_OK;
    }
    if (strcmp(text, "-1") == 0) {
        *level_out = -1;
        return PS_OK;
    }
    if (!ps_u64_parse(text, &value) || value > 19) {
        return ps_err_set(err, PS_E_INVALID, "%s: '%s' is no number from -1 to 19",
                          ps_options_origin(options, PS_OPT_COMPRESSION_LEVEL, origin), text);
    }
    *level_out = (int)value;
    return PS_OK;
}

enum ps_code ps_options_mode(const struct ps_options *options, int *mode_out, struct ps_err *err)
{
    const char *text = options->values[PS_OPT_MODE];
    char origin[64];
    char *end = NULL;
    unsigned long value;

    *mode_out = -1;
    if (text == NULL) {
        return PS_OK;
    }
    value = strtoul(text, &end, 8);
    if (isdigit((unsigned char)text[0]) == 0 || *end != '\0' || value > 0777) {
        return ps_err_set(err, PS_E_INVALID, "%s: '%s' is no octal mode from 0 to 0777",
                          ps_options_origin(options, PS_OPT_MODE, origin), text);
    }
    *mode_out = (int)value;
    return PS_OK;
}
