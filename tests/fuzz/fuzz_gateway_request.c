/* What a request brings: its target, Range and conditions. The input's first line is a target, the rest a header. */
#include "base/encode.h"
#include "base/str.h"
#include "serve/object_headers.h"
#include "serve/range.h"
#include "serve/target.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

static void check(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void try_target(const char *raw)
{
    struct ps_target target = { 0 };
    const char *key = NULL;
    char name[64];

    if (ps_target_parse(raw, &target, NULL) != PS_OK) {
        return;
    }
    check(target.path[0] == '/' && strstr(target.path, "/../") == NULL);
    check(strpbrk(target.path, "\r\n") == NULL);
    if (ps_target_artifact(&target, name, sizeof(name), &key)) {
        struct ps_buf buf = { 0 };

        check(strchr(name, '/') == NULL);
        if (ps_disposition_format(&buf, key, true, NULL) == PS_OK) {
            check(strpbrk(ps_buf_peek(&buf), "\r\n") == NULL);
        }
        ps_buf_clear(&buf);
    }
    ps_target_clear(&target);
}

static void try_header(const char *text)
{
    static const uint64_t sizes[] = { 0, 1, 10, 10000, INT64_MAX };
    const struct ps_object_validators object = { .etag = "\"x\"", .mtime_unix_ms = 1770001445500 };
    const struct ps_conditions conditions = { text, text, text, text, text };
    struct ps_range ranges[PS_RANGES_MAX];
    size_t count = 0;

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        if (ps_range_parse(text, sizes[i], ranges, &count) != PS_RANGE_PARTS) {
            continue;
        }
        check(count > 0 && count <= PS_RANGES_MAX);
        for (size_t j = 0; j < count; j++) {
            check(ranges[j].length_bytes > 0 && ranges[j].offset_bytes < sizes[i] &&
                  ranges[j].length_bytes <= sizes[i] - ranges[j].offset_bytes);
        }
    }
    (void)ps_conditions_check(&conditions, &object);
    (void)ps_conditions_range_counts(&conditions, &object);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    char *text = ps_strndup((const char *)data, size_bytes);
    char *end = text != NULL ? strchr(text, '\n') : NULL;

    if (text == NULL) {
        return 0;
    }
    if (end != NULL) {
        *end = '\0';
        try_header(end + 1);
    }
    try_target(text);
    free(text);
    return 0;
}
