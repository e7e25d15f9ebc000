/* A list's bytes in any cuts: both ways give the same items, and nothing hangs. The first byte says how it is cut. */
#include "kube/json_split.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    size_t count;
    uint32_t sum;
};

static void add(void *user, const char *text, size_t size_bytes)
{
    struct seen *seen = user;

    seen->count++;
    for (size_t i = 0; i < size_bytes; i++) {
        seen->sum = seen->sum * 31 + (uint8_t)text[i];
    }
}

static enum ps_code feed(const uint8_t *data, size_t size, size_t cut, struct seen *seen)
{
    struct ps_json_split split = { .on_item = add, .on_metadata = add, .user = seen };
    enum ps_code code = PS_OK;

    for (size_t at = 0; at < size && code == PS_OK; at += cut) {
        code = ps_json_split_feed(&split, (const char *)data + at,
                                  size - at < cut ? size - at : cut, NULL);
    }
    ps_json_split_reset(&split);
    return code;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seen whole = { 0 };
    struct seen cut = { 0 };

    if (size < 2) {
        return 0;
    }
    if (feed(data + 1, size - 1, size, &whole) !=
            feed(data + 1, size - 1, data[0] % 16 + 1, &cut) ||
        whole.count != cut.count || whole.sum != cut.sum) {
        abort();
    }
    return 0;
}
