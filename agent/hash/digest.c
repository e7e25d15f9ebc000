#include "hash/digest.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

void ps_sha256(const void *data, size_t size_bytes, uint8_t out[PS_SHA256_SIZE])
{
    if (EVP_Digest(data, size_bytes, out, NULL, EVP_sha256(), NULL) != 1) {
        memset(out, 0, PS_SHA256_SIZE);
    }
}

void ps_hmac_sha256(const void *key, size_t key_size_bytes, const void *data, size_t size_bytes,
                    uint8_t out[PS_SHA256_SIZE])
{
    if (HMAC(EVP_sha256(), key, (int)key_size_bytes, data, size_bytes, out, NULL) == NULL) {
        memset(out, 0, PS_SHA256_SIZE);
    }
}

void ps_hmac_sha1(const void *key, size_t key_size_bytes, const void *data, size_t size_bytes,
                  uint8_t out[PS_SHA1_SIZE])
{
    if (HMAC(EVP_sha1(), key, (int)key_size_bytes, data, size_bytes, out, NULL) == NULL) {
        memset(out, 0, PS_SHA1_SIZE);
    }
}
