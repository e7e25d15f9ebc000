/**
 * oss_store - oss://bucket: Aliyun OSS by its own API.
 *
 * Flow:    store_open.c -> [oss_store] -> s3_store.h with the dialect of OSS (oss_dialect.c)
 * Thread:  the loop thread only
 * Source:  Aliyun OSS API reference; its SDKs for signatures, checksums and endpoints
 *
 * Checksums. OSS takes none but Content-MD5; it answers the CRC-64/XZ of what it stored with each part, each PUT and
 * each completed object, and with HEAD. Each is compared with our own, that of the whole with the combination of those
 * of the parts, so that nothing is read a second time.
 *
 * Regions. Version 4 signs the region, which is the one given, else that of the endpoint, else that of the environment.
 * Without an endpoint the host follows from the region; an answer that names the endpoint of another region is then
 * followed by region, never by host.
 */
#ifndef PS_STORE_OSS_STORE_H
#define PS_STORE_OSS_STORE_H

#include "store/oss_endpoint.h"
#include "store/s3_store.h"

/** base is as for ps_s3_store_new, but for what is said here. */
struct ps_oss_options {
    /**
     * endpoint: "oss-cn-hangzhou.aliyuncs.com", also with https:// or http:// in front; NULL or "" = by region and
     * network. path_style AUTO: for an endpoint that is an address or localhost. checksum: crc64ecma, md5 or none.
     * sign_payload has no effect. dialect is chosen here.
     */
    struct ps_s3_options base;
    enum ps_oss_network network;
    bool sign_v1; /* HMAC-SHA1, for endpoints that do not know version 4; needs no region */
};

/**
 * Make the store. Nothing is sent.
 *
 * Owns:    *store_out is the caller's: ps_store_free, when its operations have ended or were cancelled.
 * Errors:  PS_E_INVALID for a bucket, endpoint or checksum that cannot be, or without a region; PS_E_NO_MEMORY.
 */
PS_MUST_USE enum ps_code ps_oss_store_new(struct ps_store **store_out,
                                          const struct ps_oss_options *options, struct ps_err *err);

#endif
