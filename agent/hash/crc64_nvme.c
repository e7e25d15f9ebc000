#include "hash/crc64_nvme.h"

#include "hash/crc64_nvme_table.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#define HAVE_CLMUL 1
#else
#define HAVE_CLMUL 0
#endif

/* All functions below work on the raw remainder: inverted at the start and the end by the public ones. */

static uint64_t by_table(uint64_t raw, const unsigned char *data, size_t size_bytes)
{
    for (; size_bytes >= 8; data += 8, size_bytes -= 8) {
        uint64_t word;

        memcpy(
            &word, data,
            sizeof(word)); /* little-endian, as x86 and every target of Debian's that we build on */
        word ^= raw;
        raw = crc64_nvme_table[7][word & 255] ^ crc64_nvme_table[6][(word >> 8) & 255] ^
              crc64_nvme_table[5][(word >> 16) & 255] ^ crc64_nvme_table[4][(word >> 24) & 255] ^
              crc64_nvme_table[3][(word >> 32) & 255] ^ crc64_nvme_table[2][(word >> 40) & 255] ^
              crc64_nvme_table[1][(word >> 48) & 255] ^ crc64_nvme_table[0][word >> 56];
    }
    for (; size_bytes > 0; data++, size_bytes--) {
        raw = crc64_nvme_table[0][(raw ^ *data) & 255] ^ (raw >> 8);
    }
    return raw;
}

#if HAVE_CLMUL

/*
 * Folding. A 16-byte register holds a piece of the message as a polynomial with its first byte in the highest
 * degrees, bits reflected: its low word is A, its high word is B, and the piece is A x^64 + B. To carry it past the
 * next D bits of the message it must be multiplied by x^D; modulo P that is A (x^(D+64) mod P) + B (x^D mod P). A
 * carry-less product of two reflected words comes out one bit too low, which is a factor x too much: so the constants
 * are x^(D+63) mod P for A and x^(D-1) mod P for B, as reflected 64-bit words: FOLD_D_HIGH and FOLD_D_LOW of
 * crc64_nvme_table.h.
 */

enum {
    CLMUL_STEP_BYTES = 128,
    WIDE_STEP_BYTES = 256,
};

#define TARGET_CLMUL __attribute__((target("pclmul,sse4.1")))
#define TARGET_WIDE __attribute__((target("pclmul,vpclmulqdq,avx512f,avx512vl")))

TARGET_CLMUL static inline __m128i fold(__m128i piece, __m128i constants, __m128i next)
{
    __m128i high = _mm_clmulepi64_si128(piece, constants, 0x00);
    __m128i low = _mm_clmulepi64_si128(piece, constants, 0x11);

    return _mm_xor_si128(_mm_xor_si128(high, low), next);
}

TARGET_CLMUL static inline __m128i pair_128(uint64_t high, uint64_t low)
{
    return _mm_set_epi64x((long long)low, (long long)high);
}

TARGET_CLMUL static inline __m128i load_128(const unsigned char *data)
{
    return _mm_loadu_si128((const __m128i_u *)data);
}

/* A register that stands for all of the message so far is a message of 16 bytes itself, with the same remainder. */
TARGET_CLMUL static uint64_t finish(__m128i piece, const unsigned char *data, size_t size_bytes)
{
    const __m128i constants = pair_128(FOLD_128_HIGH, FOLD_128_LOW);
    unsigned char last[16];
    uint64_t raw;

    for (; size_bytes >= 16; data += 16, size_bytes -= 16) {
        piece = fold(piece, constants, load_128(data));
    }
    _mm_storeu_si128((__m128i_u *)last, piece);
    raw = by_table(0, last, sizeof(last));
    return by_table(raw, data, size_bytes);
}

/* Eight registers, so that the multiplier's latency is hidden. */
TARGET_CLMUL static uint64_t by_clmul(uint64_t raw, const unsigned char *data, size_t size_bytes)
{
    const __m128i far = pair_128(FOLD_1024_HIGH, FOLD_1024_LOW);
    const __m128i near = pair_128(FOLD_128_HIGH, FOLD_128_LOW);
    __m128i pieces[8];
    __m128i all;

    for (size_t i = 0; i < 8; i++) {
        pieces[i] = load_128(data + 16 * i);
    }
    pieces[0] = _mm_xor_si128(pieces[0], pair_128(raw, 0));
    data += CLMUL_STEP_BYTES;
    size_bytes -= CLMUL_STEP_BYTES;
    for (; size_bytes >= CLMUL_STEP_BYTES;
         data += CLMUL_STEP_BYTES, size_bytes -= CLMUL_STEP_BYTES) {
        for (size_t i = 0; i < 8; i++) {
            pieces[i] = fold(pieces[i], far, load_128(data + 16 * i));
        }
    }
    all = pieces[0];
    for (int i = 1; i < 8; i++) {
        all = fold(all, near, pieces[i]);
    }
    return finish(all, data, size_bytes);
}

TARGET_WIDE static inline __m512i fold_wide(__m512i piece, __m512i constants, __m512i next)
{
    __m512i high = _mm512_clmulepi64_epi128(piece, constants, 0x00);
    __m512i low = _mm512_clmulepi64_epi128(piece, constants, 0x11);

    return _mm512_ternarylogic_epi64(high, low, next, 0x96); /* xor of three */
}

TARGET_WIDE static inline __m512i pair_512(uint64_t high, uint64_t low)
{
    return _mm512_set_epi64((long long)low, (long long)high, (long long)low, (long long)high,
                            (long long)low, (long long)high, (long long)low, (long long)high);
}

TARGET_WIDE static inline __m512i load_512(const unsigned char *data)
{
    return _mm512_loadu_si512((const void *)data);
}

TARGET_WIDE static uint64_t by_wide(uint64_t raw, const unsigned char *data, size_t size_bytes)
{
    const __m512i far = pair_512(FOLD_2048_HIGH, FOLD_2048_LOW);
    const __m512i near = pair_512(FOLD_512_HIGH, FOLD_512_LOW);
    __m512i a = load_512(data);
    __m512i b = load_512(data + 64);
    __m512i c = load_512(data + 128);
    __m512i d = load_512(data + 192);
    __m128i all;

    a = _mm512_xor_si512(a, _mm512_zextsi128_si512(_mm_set_epi64x(0, (long long)raw)));
    data += WIDE_STEP_BYTES;
    size_bytes -= WIDE_STEP_BYTES;
    for (; size_bytes >= WIDE_STEP_BYTES; data += WIDE_STEP_BYTES, size_bytes -= WIDE_STEP_BYTES) {
        a = fold_wide(a, far, load_512(data));
        b = fold_wide(b, far, load_512(data + 64));
        c = fold_wide(c, far, load_512(data + 128));
        d = fold_wide(d, far, load_512(data + 192));
    }
    b = fold_wide(a, near, b);
    c = fold_wide(b, near, c);
    d = fold_wide(c, near, d);
    for (; size_bytes >= 64; data += 64, size_bytes -= 64) {
        d = fold_wide(d, near, load_512(data));
    }
    all = _mm512_extracti32x4_epi32(d, 3);
    all = fold(_mm512_extracti32x4_epi32(d, 2), pair_128(FOLD_128_HIGH, FOLD_128_LOW), all);
    all = fold(_mm512_extracti32x4_epi32(d, 1), pair_128(FOLD_256_HIGH, FOLD_256_LOW), all);
    all = fold(_mm512_extracti32x4_epi32(d, 0), pair_128(FOLD_384_HIGH, FOLD_384_LOW), all);
    return finish(all, data, size_bytes);
}

#endif

bool ps_crc64_can(enum ps_crc64_way way)
{
    switch (way) {
    case PS_CRC64_TABLE:
        return true;
    case PS_CRC64_CLMUL:
#if HAVE_CLMUL
        return __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
#else
        return false;
#endif
    case PS_CRC64_WIDE:
#if HAVE_CLMUL
        return __builtin_cpu_supports("vpclmulqdq") && __builtin_cpu_supports("avx512f") &&
               __builtin_cpu_supports("avx512vl");
#else
        return false;
#endif
    }
    return false;
}

uint64_t ps_crc64_nvme_by(enum ps_crc64_way way, uint64_t crc, const void *data, size_t size_bytes)
{
#if HAVE_CLMUL
    if (way == PS_CRC64_WIDE && size_bytes >= WIDE_STEP_BYTES) {
        return ~by_wide(~crc, data, size_bytes);
    }
    if (way != PS_CRC64_TABLE && size_bytes >= CLMUL_STEP_BYTES) {
        return ~by_clmul(~crc, data, size_bytes);
    }
#else
    (void)way;
#endif
    return ~by_table(~crc, data, size_bytes);
}

uint64_t ps_crc64_nvme(uint64_t crc, const void *data, size_t size_bytes)
{
    enum ps_crc64_way way = PS_CRC64_TABLE;

    if (ps_crc64_can(PS_CRC64_WIDE)) {
        way = PS_CRC64_WIDE;
    } else if (ps_crc64_can(PS_CRC64_CLMUL)) {
        way = PS_CRC64_CLMUL;
    }
    return ps_crc64_nvme_by(way, crc, data, size_bytes);
}
