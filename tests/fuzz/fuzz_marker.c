/* Reclaim markers as anybody might write them. What is taken names nothing outside of its prefix, and comes out the same
 * when it is written again. */
#include "reclaim/marker.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void same_again(const struct ps_marker *marker)
{
    struct ps_marker_writer writer = { 0 };
    struct ps_marker again = { 0 };
    char name[PS_MARKER_NAME_SIZE];

    for (size_t i = 0; i < marker->count; i++) {
        must(ps_marker_takes_key(marker->entries[i].key));
        must(ps_marker_add(&writer, &marker->entries[i], NULL) == PS_OK);
    }
    must(ps_marker_end(&writer, name, NULL) == PS_OK);
    must(ps_marker_parse(name, writer.text.data, writer.text.size_bytes, &again, NULL) == PS_OK);
    must(again.count == marker->count);
    for (size_t i = 0; i < marker->count; i++) {
        must(strcmp(again.entries[i].key, marker->entries[i].key) == 0);
        must(strcmp(again.entries[i].etag, marker->entries[i].etag) == 0);
        must(again.entries[i].size_bytes == marker->entries[i].size_bytes);
        must(again.entries[i].after_s == marker->entries[i].after_s);
    }
    ps_marker_clear(&again);
    ps_marker_writer_clear(&writer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ps_marker marker = { 0 };
    char name[PS_MARKER_NAME_SIZE];

    ps_marker_name((const char *)data, size, name);
    if (ps_marker_parse(name, (const char *)data, size, &marker, NULL) == PS_OK) {
        same_again(&marker);
        ps_marker_clear(&marker);
    }
    return 0;
}
