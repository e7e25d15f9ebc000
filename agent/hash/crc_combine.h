/**
 * crc_combine - the CRC of A || B from those of A and B and the length of B.
 *
 * Flow:    hash/checksum.h -> [crc_combine]
 * Thread:  any; holds no state
 * Source:  crc(A || B) = crc(A) x^(8 n) mod P xor crc(B), n bytes in B; no fix-up is needed where init = xorout = ~0
 */
#ifndef PS_HASH_CRC_COMBINE_H
#define PS_HASH_CRC_COMBINE_H

#include <stdint.h>

/** For a reflected polynomial of degree 64, as x^0 .. x^63 from the highest bit down (x^64 is implied). */
uint64_t ps_crc64_combine(uint64_t polynomial, uint64_t crc_a, uint64_t crc_b,
                          uint64_t b_size_bytes);
/** The same for degree 32. */
uint32_t ps_crc32_combine(uint32_t polynomial, uint32_t crc_a, uint32_t crc_b,
                          uint64_t b_size_bytes);

#endif
