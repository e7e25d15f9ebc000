/**
 * checksum - one value type and one hasher for every algorithm the stores speak; CRCs of parts combine.
 *
 * Flow:    source/reader.h, sink/writer.h -> [checksum] -> store/ headers, state/ records
 * Thread:  any; a hasher belongs to one thread at a time
 * Source:  S3 x-amz-checksum-* (CRC64NVME, CRC32C, CRC32, SHA256), OSS x-oss-hash-crc64ecma, RFC 1321 (Content-MD5)
 */
#ifndef PS_HASH_CHECKSUM_H
#define PS_HASH_CHECKSUM_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ps_checksum_algorithm {
    PS_CHECKSUM_NONE = 0,
    PS_CHECKSUM_CRC64_NVME = 1, /* numbers are stored in the state database: never renumber */
    PS_CHECKSUM_CRC64_ECMA = 2,
    PS_CHECKSUM_CRC32C = 3,
    PS_CHECKSUM_CRC32 = 4,
    PS_CHECKSUM_MD5 = 5,
    PS_CHECKSUM_SHA256 = 6,
};

#define PS_CHECKSUM_SIZE_MAX 32
/** Room for any checksum as text ("sha256:" + base64, or a decimal CRC). */
#define PS_CHECKSUM_TEXT_SIZE 64

struct ps_checksum {
    enum ps_checksum_algorithm algorithm;
    uint8_t bytes[PS_CHECKSUM_SIZE_MAX]; /* big-endian, ps_checksum_size() of them; the rest is 0 */
};

/** Bytes of one value: 8, 8, 4, 4, 16, 32; 0 for PS_CHECKSUM_NONE. */
size_t ps_checksum_size(enum ps_checksum_algorithm algorithm);

/** "crc64nvme" "crc64ecma" "crc32c" "crc32" "md5" "sha256" "none"; static. */
const char *ps_checksum_name(enum ps_checksum_algorithm algorithm);

/** The reverse of ps_checksum_name, any case. False when name is none of them. */
PS_MUST_USE bool ps_checksum_parse_name(const char *name,
                                        enum ps_checksum_algorithm *algorithm_out);

/** True for the CRCs: the checksum of a whole follows from those of its parts. */
bool ps_checksum_can_combine(enum ps_checksum_algorithm algorithm);

/** Same algorithm and same value. Two of PS_CHECKSUM_NONE are not equal. */
bool ps_checksum_equal(const struct ps_checksum *a, const struct ps_checksum *b);

/** Base64 of the big-endian bytes, as S3 writes them. text holds PS_CHECKSUM_TEXT_SIZE. Returns text. */
const char *ps_checksum_to_base64(const struct ps_checksum *sum, char *text);

/** Parse S3's form; a composite value ("...-3") is refused. False when it does not fit the algorithm. */
PS_MUST_USE bool ps_checksum_from_base64(enum ps_checksum_algorithm algorithm, const char *text,
                                         struct ps_checksum *sum_out);

/** Lower-case hex of the bytes, for people and ETags. text holds 2 * size + 1 bytes. Returns text. */
const char *ps_checksum_to_hex(const struct ps_checksum *sum, char *text);

/** Unsigned decimal, as OSS writes crc64. CRCs only ("0" for the others). Returns text. */
const char *ps_checksum_to_decimal(const struct ps_checksum *sum, char *text);

/** Parse OSS's form. False when text is no such number or the algorithm is no CRC. */
PS_MUST_USE bool ps_checksum_from_decimal(enum ps_checksum_algorithm algorithm, const char *text,
                                          struct ps_checksum *sum_out);

/** As its store writes it: decimal for crc64ecma (OSS), else base64. text holds PS_CHECKSUM_TEXT_SIZE. Returns text. */
const char *ps_checksum_format(const struct ps_checksum *sum, char *text);

/** The reverse. False when text is no such value. */
PS_MUST_USE bool ps_checksum_parse(enum ps_checksum_algorithm algorithm, const char *text,
                                   struct ps_checksum *sum_out);

/** The value of a CRC algorithm as a number; 0 for the others. */
uint64_t ps_checksum_to_u64(const struct ps_checksum *sum);

/** A CRC algorithm's number as a value. */
struct ps_checksum ps_checksum_from_u64(enum ps_checksum_algorithm algorithm, uint64_t value);

/** The checksum of no bytes at all. */
struct ps_checksum ps_checksum_empty(enum ps_checksum_algorithm algorithm);

/**
 * *whole becomes the checksum of A || B, where it was that of A and next is that of B (next_size_bytes long).
 *
 * Costs 1 to 3 microseconds for any size (bench_hash).
 * Errors:  PS_E_INVALID when the algorithms differ or cannot be combined; *whole is unchanged.
 */
PS_MUST_USE enum ps_code ps_checksum_combine(struct ps_checksum *whole,
                                             const struct ps_checksum *next,
                                             uint64_t next_size_bytes, struct ps_err *err);

/** Running state of one checksum. The caller holds it; for MD5 and SHA256 it owns an OpenSSL context. */
struct ps_hasher {
    enum ps_checksum_algorithm algorithm;
    uint64_t crc;
    void *digest; /* EVP_MD_CTX, NULL for CRCs */
};

/** Start. PS_CHECKSUM_NONE is allowed: its final value is none. Errors: PS_E_NO_MEMORY. */
PS_MUST_USE enum ps_code ps_hasher_init(struct ps_hasher *hasher,
                                        enum ps_checksum_algorithm algorithm, struct ps_err *err);

/** Add bytes; cannot fail. */
void ps_hasher_update(struct ps_hasher *hasher, const void *data, size_t size_bytes);

/** The value of all bytes so far. CRCs may go on afterwards; MD5 and SHA256 end here. */
struct ps_checksum ps_hasher_finish(struct ps_hasher *hasher);

/** Free what init took. Safe twice and on a zeroed struct. */
void ps_hasher_clear(struct ps_hasher *hasher);

#endif
