/* oss_endpoint: an Endpoint that an answer names. A region that is found is a part of the host, and nothing else. */
#include "store/oss_endpoint.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char region[32];
    char *host = malloc(size + 1);

    if (host == NULL) {
        return 0;
    }
    if (size != 0) {
        memcpy(host, data, size);
    }
    host[size] = '\0';
    (void)ps_oss_endpoint_speaks_s3(host);
    memset(region, 'x', sizeof(region));
    if (ps_oss_endpoint_region(host, region, sizeof(region))) {
        size_t length = strnlen(region, sizeof(region));

        require(length > 0 && length < sizeof(region));
        require(strstr(host, region) != NULL);
        require(strchr(region, '.') == NULL && strchr(region, '/') == NULL);
    }
    free(host);
    return 0;
}
