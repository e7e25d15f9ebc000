/**
 * digest - SHA-256 and HMAC of short texts in one call, for signatures.
 *
 * Flow:    creds/sign_v4.h -> [digest] -> OpenSSL
 * Thread:  any; holds no state
 * Source:  FIPS 180-4, RFC 2104
 */
#ifndef PS_HASH_DIGEST_H
#define PS_HASH_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#define PS_SHA256_SIZE 32
#define PS_SHA1_SIZE 20

/** All zero when OpenSSL has no memory, which makes a signature that no store accepts. data may be NULL if empty. */
void ps_sha256(const void *data, size_t size_bytes, uint8_t out[PS_SHA256_SIZE]);

void ps_hmac_sha256(const void *key, size_t key_size_bytes, const void *data, size_t size_bytes,
                    uint8_t out[PS_SHA256_SIZE]);

/** For the old signature of OSS. */
void ps_hmac_sha1(const void *key, size_t key_size_bytes, const void *data, size_t size_bytes,
                  uint8_t out[PS_SHA1_SIZE]);

#endif
