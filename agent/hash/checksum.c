#include "hash/checksum.h"

#include "base/encode.h"
#include "base/str.h"
#include "hash/crc64_nvme.h"
#include "hash/crc_combine.h"

#include <inttypes.h>
#include <isa-l/crc.h>
#include <isa-l/crc64.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define POLYNOMIAL_CRC64_NVME 0x9A6C9329AC4BC9B5U
#define POLYNOMIAL_CRC64_ECMA 0xC96C5795D7870F42U
#define POLYNOMIAL_CRC32C 0x82F63B78U
#define POLYNOMIAL_CRC32 0xEDB88320U

struct algorithm {
    const char *name;
    size_t size_bytes;
    bool is_crc;
};

static const struct algorithm algorithms[] = {
    [PS_CHECKSUM_NONE] = { "none", 0, false },
    [PS_CHECKSUM_CRC64_NVME] = { "crc64nvme", 8, true },
    [PS_CHECKSUM_CRC64_ECMA] = { "crc64ecma", 8, true },
    [PS_CHECKSUM_CRC32C] = { "crc32c", 4, true },
    [PS_CHECKSUM_CRC32] = { "crc32", 4, true },
    [PS_CHECKSUM_MD5] = { "md5", 16, false },
    [PS_CHECKSUM_SHA256] = { "sha256", 32, false },
};

enum {
    ALGORITHM_COUNT = sizeof(algorithms) / sizeof(algorithms[0])
};

size_t ps_checksum_size(enum ps_checksum_algorithm algorithm)
{
    return algorithms[algorithm].size_bytes;
}

const char *ps_checksum_name(enum ps_checksum_algorithm algorithm)
{
    return algorithms[algorithm].name;
}

bool ps_checksum_parse_name(const char *name, enum ps_checksum_algorithm *algorithm_out)
{
    for (size_t i = 0; i < ALGORITHM_COUNT; i++) {
        if (strcasecmp(name, algorithms[i].name) == 0) {
            *algorithm_out = (enum ps_checksum_algorithm)i;
            return true;
        }
    }
    return false;
}

bool ps_checksum_can_combine(enum ps_checksum_algorithm algorithm)
{
    return algorithms[algorithm].is_crc;
}

bool ps_checksum_equal(const struct ps_checksum *a, const struct ps_checksum *b)
{
    return a->algorithm == b->algorithm && a->algorithm != PS_CHECKSUM_NONE &&
           memcmp(a->bytes, b->bytes, ps_checksum_size(a->algorithm)) == 0;
}

const char *ps_checksum_to_base64(const struct ps_checksum *sum, char *text)
{
    return ps_base64_encode(sum->bytes, ps_checksum_size(sum->algorithm), text);
}

bool ps_checksum_from_base64(enum ps_checksum_algorithm algorithm, const char *text,
                             struct ps_checksum *sum_out)
{
    struct ps_checksum sum = { .algorithm = algorithm };
    size_t size_bytes = 0;

    if (!ps_base64_decode(text, sum.bytes, sizeof(sum.bytes), &size_bytes) || size_bytes == 0 ||
        size_bytes != ps_checksum_size(algorithm)) {
        return false;
    }
    *sum_out = sum;
    return true;
}

const char *ps_checksum_to_hex(const struct ps_checksum *sum, char *text)
{
    return ps_hex_encode(sum->bytes, ps_checksum_size(sum->algorithm), text);
}

const char *ps_checksum_format(const struct ps_checksum *sum, char *text)
{
    return sum->algorithm == PS_CHECKSUM_CRC64_ECMA ? ps_checksum_to_decimal(sum, text)
                                                    : ps_checksum_to_base64(sum, text);
}

bool ps_checksum_parse(enum ps_checksum_algorithm algorithm, const char *text,
                       struct ps_checksum *sum_out)
{
    return algorithm == PS_CHECKSUM_CRC64_ECMA ? ps_checksum_from_decimal(algorithm, text, sum_out)
                                               : ps_checksum_from_base64(algorithm, text, sum_out);
}

uint64_t ps_checksum_to_u64(const struct ps_checksum *sum)
{
    uint64_t value = 0;

    if (algorithms[sum->algorithm].is_crc) {
        for (size_t i = 0; i < ps_checksum_size(sum->algorithm); i++) {
            value = value << 8 | sum->bytes[i];
        }
    }
    return value;
}

struct ps_checksum ps_checksum_from_u64(enum ps_checksum_algorithm algorithm, uint64_t value)
{
    struct ps_checksum sum = { .algorithm = algorithm };

    for (size_t i = ps_checksum_size(algorithm); i > 0; i--) {
        sum.bytes[i - 1] = (uint8_t)value;
        value >>= 8;
    }
    return sum;
}

const char *ps_checksum_to_decimal(const struct ps_checksum *sum, char *text)
{
    (void)snprintf(text, PS_CHECKSUM_TEXT_SIZE, "%" PRIu64, ps_checksum_to_u64(sum));
    return text;
}

bool ps_checksum_from_decimal(enum ps_checksum_algorithm algorithm, const char *text,
                              struct ps_checksum *sum_out)
{
    uint64_t value = 0;

    if (!algorithms[algorithm].is_crc || !ps_u64_parse(text, &value) ||
        (ps_checksum_size(algorithm) == 4 && value > UINT32_MAX)) {
        return false;
    }
    *sum_out = ps_checksum_from_u64(algorithm, value);
    return true;
}

struct ps_checksum ps_checksum_empty(enum ps_checksum_algorithm algorithm)
{
    struct ps_checksum sum = { .algorithm = algorithm };
    struct ps_hasher hasher;

    if (ps_hasher_init(&hasher, algorithm, NULL) == PS_OK) {
        sum = ps_hasher_finish(&hasher);
    }
    ps_hasher_clear(&hasher);
    return sum;
}

static uint64_t combine(enum ps_checksum_algorithm algorithm, uint64_t a, uint64_t b,
                        uint64_t b_size_bytes)
{
    switch (algorithm) {
    case PS_CHECKSUM_CRC64_NVME:
        return ps_crc64_combine(POLYNOMIAL_CRC64_NVME, a, b, b_size_bytes);
    case PS_CHECKSUM_CRC64_ECMA:
        return ps_crc64_combine(POLYNOMIAL_CRC64_ECMA, a, b, b_size_bytes);
    case PS_CHECKSUM_CRC32C:
        return ps_crc32_combine(POLYNOMIAL_CRC32C, (uint32_t)a, (uint32_t)b, b_size_bytes);
    case PS_CHECKSUM_CRC32:
        return ps_crc32_combine(POLYNOMIAL_CRC32, (uint32_t)a, (uint32_t)b, b_size_bytes);
    case PS_CHECKSUM_NONE:
    case PS_CHECKSUM_MD5:
    case PS_CHECKSUM_SHA256:
        break;
    }
    return 0;
}

enum ps_code ps_checksum_combine(struct ps_checksum *whole, const struct ps_checksum *next,
                                 uint64_t next_size_bytes, struct ps_err *err)
{
    if (whole->algorithm != next->algorithm || !ps_checksum_can_combine(whole->algorithm)) {
        return ps_err_set(err, PS_E_INVALID, "checksums %s and %s do not combine",
                          ps_checksum_name(whole->algorithm), ps_checksum_name(next->algorithm));
    }
    *whole =
        ps_checksum_from_u64(whole->algorithm, combine(whole->algorithm, ps_checksum_to_u64(whole),
                                                       ps_checksum_to_u64(next), next_size_bytes));
    return PS_OK;
}

static const EVP_MD *digest_of(enum ps_checksum_algorithm algorithm)
{
    if (algorithm == PS_CHECKSUM_MD5) {
        return EVP_md5();
    }
    return algorithm == PS_CHECKSUM_SHA256 ? EVP_sha256() : NULL;
}

enum ps_code ps_hasher_init(struct ps_hasher *hasher, enum ps_checksum_algorithm algorithm,
                            struct ps_err *err)
{
    const EVP_MD *md = digest_of(algorithm);

    memset(hasher, 0, sizeof(*hasher));
    hasher->algorithm = algorithm;
    if (algorithm == PS_CHECKSUM_CRC32C) {
        hasher->crc = UINT32_MAX; /* ISA-L's crc32_iscsi works on the raw remainder */
    }
    if (md == NULL) {
        return PS_OK;
    }
    hasher->digest = EVP_MD_CTX_new();
    if (hasher->digest == NULL || EVP_DigestInit_ex(hasher->digest, md, NULL) != 1) {
        ps_hasher_clear(hasher);
        return ps_err_set(err, PS_E_NO_MEMORY, "%s: out of memory", ps_checksum_name(algorithm));
    }
    return PS_OK;
}

/* crc32_iscsi takes a length of int, and a pointer without const. */
static uint64_t crc32c_update(uint64_t raw, const unsigned char *data, size_t size_bytes)
{
    while (size_bytes > 0) {
        int step = size_bytes > (1 << 30) ? 1 << 30 : (int)size_bytes;

        raw = crc32_iscsi((unsigned char *)(uintptr_t)data, step, (unsigned)raw);
        data += step;
        size_bytes -= (size_t)step;
    }
    return raw;
}

void ps_hasher_update(struct ps_hasher *hasher, const void *data, size_t size_bytes)
{
    switch (hasher->algorithm) {
    case PS_CHECKSUM_NONE:
        break;
    case PS_CHECKSUM_CRC64_NVME:
        hasher->crc = ps_crc64_nvme(hasher->crc, data, size_bytes);
        break;
    case PS_CHECKSUM_CRC64_ECMA:
        hasher->crc = crc64_ecma_refl(hasher->crc, data, size_bytes);
        break;
    case PS_CHECKSUM_CRC32C:
        hasher->crc = crc32c_update(hasher->crc, data, size_bytes);
        break;
    case PS_CHECKSUM_CRC32:
        hasher->crc = crc32_gzip_refl((uint32_t)hasher->crc, data, size_bytes);
        break;
    case PS_CHECKSUM_MD5:
    case PS_CHECKSUM_SHA256:
        (void)EVP_DigestUpdate(hasher->digest, data, size_bytes);
        break;
    }
}

struct ps_checksum ps_hasher_finish(struct ps_hasher *hasher)
{
    struct ps_checksum sum = { .algorithm = hasher->algorithm };

    if (hasher->algorithm == PS_CHECKSUM_CRC32C) {
        return ps_checksum_from_u64(hasher->algorithm, (uint32_t)~hasher->crc);
    }
    if (ps_checksum_can_combine(hasher->algorithm)) {
        return ps_checksum_from_u64(hasher->algorithm, hasher->crc);
    }
    if (hasher->digest != NULL) {
        (void)EVP_DigestFinal_ex(hasher->digest, sum.bytes, NULL);
    }
    return sum;
}

void ps_hasher_clear(struct ps_hasher *hasher)
{
    EVP_MD_CTX_free(hasher->digest);
    hasher->digest = NULL;
}
