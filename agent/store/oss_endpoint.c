#include "store/oss_endpoint.h"

#include "base/str.h"

#include <stdlib.h>
#include <string.h>

#define DOMAIN ".aliyuncs.com"
#define INTERNAL "-internal"
#define CLOUDBOX ".oss-cloudbox"

static const char *const network_names[] = {
    [PS_OSS_NETWORK_PUBLIC] = "public",
    [PS_OSS_NETWORK_INTERNAL] = "internal",
    [PS_OSS_NETWORK_ACCELERATE] = "accelerate",
    [PS_OSS_NETWORK_DUAL_STACK] = "dual-stack",
};

bool ps_oss_network_parse(const char *name, enum ps_oss_network *network_out)
{
    for (size_t i = 0; i < sizeof(network_names) / sizeof(network_names[0]); i++) {
        if (strcmp(network_names[i], name) == 0) {
            *network_out = (enum ps_oss_network)i;
            return true;
        }
    }
    return false;
}

char *ps_oss_endpoint_host(const char *region, enum ps_oss_network network)
{
    switch (network) {
    case PS_OSS_NETWORK_PUBLIC:
        return ps_str_format("oss-%s" DOMAIN, region);
    case PS_OSS_NETWORK_INTERNAL:
        return ps_str_format("oss-%s" INTERNAL DOMAIN, region);
    case PS_OSS_NETWORK_ACCELERATE:
        return ps_strdup("oss-accelerate" DOMAIN);
    case PS_OSS_NETWORK_DUAL_STACK:
        return ps_str_format("%s.oss" DOMAIN, region);
    }
    return NULL;
}

bool ps_oss_region_is_cloudbox(const char *region)
{
    return ps_str_has_prefix(region, "cb-");
}

/* The last label of name, which ends at length; its beginning. */
static size_t last_label(const char *name, size_t length)
{
    while (length > 0 && name[length - 1] != '.') {
        length--;
    }
    return length;
}

static bool write_region(const char *begin, size_t length, char *region, size_t region_size_bytes)
{
    if (length == 0 || length >= region_size_bytes) {
        return false;
    }
    memcpy(region, begin, length);
    region[length] = '\0';
    return true;
}

/* name is "[BUCKET.]cb-ID.REGION"; length ends there. */
static bool cloudbox_id(const char *name, size_t length, char *region, size_t region_size_bytes)
{
    size_t end = last_label(name, length);
    size_t begin;

    if (end == 0) {
        return false;
    }
    begin = last_label(name, end - 1);
    return ps_oss_region_is_cloudbox(name + begin) &&
           write_region(name + begin, end - 1 - begin, region, region_size_bytes);
}

static bool ends_with(const char *text, size_t length, const char *suffix)
{
    size_t size = strlen(suffix);

    return length >= size && memcmp(text + length - size, suffix, size) == 0;
}

bool ps_oss_endpoint_region(const char *host, char *region, size_t region_size_bytes)
{
    size_t length = strcspn(host, ":/");
    size_t begin;

    if (!ends_with(host, length, DOMAIN)) {
        return false;
    }
    length -= strlen(DOMAIN);
    if (ends_with(host, length, CLOUDBOX)) {
        return cloudbox_id(host, length - strlen(CLOUDBOX), region, region_size_bytes);
    }
    if (ends_with(host, length, ".oss")) {
        length -= strlen(".oss");
        begin = last_label(host, length);
        return write_region(host + begin, length - begin, region, region_size_bytes);
    }
    begin = last_label(host, length);
    if (strncmp(host + begin, "oss-", 4) != 0 || strncmp(host + begin, "oss-accelerate", 14) == 0) {
        return false;
    }
    if (ends_with(host, length, INTERNAL)) {
        length -= strlen(INTERNAL);
    }
    return length > begin + 4 &&
           write_region(host + begin + 4, length - begin - 4, region, region_size_bytes);
}

bool ps_oss_endpoint_speaks_s3(const char *host)
{
    const char *face = strstr(host, "s3.oss-");

    return face != NULL && strstr(face, DOMAIN) != NULL && (face == host || face[-1] == '.');
}
