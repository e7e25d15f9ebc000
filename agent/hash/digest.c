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

static void hmac(const EVP_MD *algorithm, const void *key, size_t key_size_bytes, const void *data,
                 size_t size_bytes, uint8_t *out, size_t out_size_bytes)
{
    if (HMAC(algorithm, key, (int)key_size_bytes, data, size_bytes, out, NULL) == NULL) {
        memset(out, 0, out_size_bytes);
    }
}

void ps_hmac_sha256(const void *key, size_t key_size_bytes, const void *data, size_t size_bytes,
                    uint8_t out[PS_SHA256_SIZE])
{
    hmac(EVP_sha256(), key, key_size_bytes, data, size_bytes, out, PS_SHA256_SIZE);
}

void ps_hmac_sha1(const void *key, size_t key_size_bytes, const void *data, size_t size_bytes,
                  uint8_t out[PS_SHA1_SIZE])
{
    hmac(EVP_sha1(), key, key_size_bytes, data, size_bytes, out, PS_SHA1_SIZE);
}
