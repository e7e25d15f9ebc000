/**
 * oss_endpoint - what Aliyun calls its endpoints: a region's host, and the region that a host stands for.
 *
 * Flow:    oss_store.c, oss_dialect.c -> [oss_endpoint]
 * Thread:  any; holds no state
 * Source:  Aliyun OSS "Regions and endpoints"; its SDKs
 */
#ifndef PS_STORE_OSS_ENDPOINT_H
#define PS_STORE_OSS_ENDPOINT_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/** How a region is reached when no endpoint is given. */
enum ps_oss_network {
    PS_OSS_NETWORK_PUBLIC,   /* oss-REGION.aliyuncs.com */
    PS_OSS_NETWORK_INTERNAL, /* oss-REGION-internal.aliyuncs.com: within the region, free of charge */
    PS_OSS_NETWORK_ACCELERATE, /* oss-accelerate.aliyuncs.com: the same from everywhere */
    PS_OSS_NETWORK_DUAL_STACK, /* REGION.oss.aliyuncs.com: IPv4 and IPv6 */
};

/** "public" "internal" "accelerate" "dual-stack". False when name is none of them. */
PS_MUST_USE bool ps_oss_network_parse(const char *name, enum ps_oss_network *network_out);

/** The host without the bucket. NULL when memory is out; free(). */
char *ps_oss_endpoint_host(const char *region, enum ps_oss_network network);

/**
 * Write the region that host stands for: "cn-hangzhou" of "oss-cn-hangzhou-internal.aliyuncs.com", the ID of a
 * CloudBox ("cb-123") of "cb-123.cn-hangzhou.oss-cloudbox.aliyuncs.com". A port and a bucket in front are allowed.
 *
 * False when it stands for none: the accelerated endpoint, an address, a domain of the user's own.
 */
PS_MUST_USE bool ps_oss_endpoint_region(const char *host, char *region, size_t region_size_bytes);

/** True for the endpoints at which OSS speaks S3: "s3.oss-cn-hangzhou.aliyuncs.com". */
bool ps_oss_endpoint_speaks_s3(const char *host);

/** True for the ID of a CloudBox, which signs for a product of its own. */
bool ps_oss_region_is_cloudbox(const char *region);

#endif
