/* aliyun_profile: any bytes as the CLI's config.json. */
#include "creds/aliyun_profile.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = { NULL, "default", "a" };
    struct ps_aliyun_profile profile = { 0 };
    struct ps_err err;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        enum ps_code code =
            ps_aliyun_profile_parse_json("f", (const char *)data, size, names[i], &profile, &err);

        if (code != PS_OK && code != PS_E_INVALID) {
            abort();
        }
        if (code == PS_OK && !profile.there && profile.values[PS_ALIYUN_ID] != NULL) {
            abort();
        }
        ps_aliyun_profile_clear(&profile);
    }
    return 0;
}
