/* Lifecycle configurations: what is parsed is merged, and what is merged has the rules of others as they were. */
#include "reclaim/lifecycle.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
    if (!good) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ps_lifecycle_rule rule = { .id = "purser-x-1", .prefix = "a", .expire_days = 1 };
    struct ps_lifecycle_rules rules = { 0 };
    struct ps_lifecycle_config before;
    struct ps_lifecycle_config after;
    struct ps_buf text;
    struct ps_err err;

    if (ps_lifecycle_parse(&before, (const char *)data, size, NULL) != PS_OK) {
        return 0;
    }
    ps_buf_init(&text, 0);
    check(ps_lifecycle_rules_push(&rules, &rule, &err) == PS_OK);
    if (ps_lifecycle_merge(&before, &rules, false, &text, &err) == PS_OK &&
        ps_lifecycle_parse(&after, ps_buf_peek(&text), text.size_bytes, NULL) == PS_OK) {
        /* A root with a namespace prefix puts our rule into another namespace: a store would refuse it, nothing is lost. */
        check(ps_lifecycle_verify(&before, &after, &rules, &err) == PS_OK);
        ps_lifecycle_config_clear(&after);
    }
    ps_buf_clear(&text);
    ps_lifecycle_rules_clear(&rules);
    ps_lifecycle_config_clear(&before);
    return 0;
}
