#include "hash/digest.h"

/*
 * SHA256_* are the functions beneath EVP, deprecated in OpenSSL 3 and still there: EVP looks the algorithm up anew in
 * every call, which costs 22,000 instructions for an HMAC of 100 bytes, six of them in every signed request.
 */
#define OPENSSL_SUPPRESS_DEPRECATED

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <string.h>

/** RFC 2104: bytes of a block, to which the key is filled up. */
enum {
    BLOCK_BYTES = SHA256_CBLOCK
};

void ps_sha256(const void *data, size_t size_bytes, uint8_t out[PS_SHA256_SIZE])
{
    SHA256_CTX context;

    (void)SHA256_Init(&context);
    (void)SHA256_Update(&context, data, size_bytes);
    (void)SHA256_Final(out, &context);
}

void ps_hmac_sha256(const void *key, size_t key_size_bytes, const void *data, size_t size_bytes,
                    uint8_t out[PS_SHA256_SIZE])
{
    uint8_t block[BLOCK_BYTES] = { 0 };
    SHA256_CTX context;

    if (key_size_bytes > sizeof(block)) {
        ps_sha256(key, key_size_bytes, block);
    } else if (key_size_bytes > 0) {
        memcpy(block, key, key_size_bytes);
    }
    for (size_t i = 0; i < sizeof(block); i++) {
        block[i] ^= 0x36;
    }
    (void)SHA256_Init(&context);
    (void)SHA256_Update(&context, block, sizeof(block));
    (void)SHA256_Update(&context, data, size_bytes);
    (void)SHA256_Final(out, &context);
    for (size_t i = 0; i < sizeof(block); i++) {
        block[i] ^= 0x36 ^ 0x5c;
    }
    (void)SHA256_Init(&context);
    (void)SHA256_Update(&context, block, sizeof(block));
    (void)SHA256_Update(&context, out, PS_SHA256_SIZE);
    (void)SHA256_Final(out, &context);
    OPENSSL_cleanse(block, sizeof(block));
    OPENSSL_cleanse(&context, sizeof(context));
}

void ps_hmac_sha1(const void *key, size_t key_size_bytes, const void *data, size_t size_bytes,
                  uint8_t out[PS_SHA1_SIZE])
{
    if (HMAC(EVP_sha1(), key, (int)key_size_bytes, data, size_bytes, out, NULL) == NULL) {
        memset(out, 0, PS_SHA1_SIZE);
    }
}
