#include "hash/crc_combine.h"

/* In a reflected word of n bits the highest bit is x^0 and the lowest x^(n-1): multiplying by x is a shift right,
 * and a bit that falls out is x^n, which is the polynomial. */

static uint64_t multiply(uint64_t polynomial, uint64_t a, uint64_t b, uint64_t x0)
{
    uint64_t product = 0;

    for (uint64_t bit = x0; a != 0; bit >>= 1) {
        if ((a & bit) != 0) {
            product ^= b;
            a ^= bit;
        }
        b = (b >> 1) ^ ((b & 1) != 0 ? polynomial : 0);
    }
    return product;
}

static uint64_t combine(uint64_t polynomial, uint64_t x0, uint64_t crc_a, uint64_t crc_b,
                        uint64_t b_size_bytes)
{
    uint64_t square = x0 >> 8; /* x^8: one byte */

    for (; b_size_bytes != 0; b_size_bytes >>= 1) {
        if ((b_size_bytes & 1) != 0) {
            crc_a = multiply(polynomial, crc_a, square, x0);
        }
        square = multiply(polynomial, square, square, x0);
    }
    return crc_a ^ crc_b;
}

uint64_t ps_crc64_combine(uint64_t polynomial, uint64_t crc_a, uint64_t crc_b,
                          uint64_t b_size_bytes)
{
    return combine(polynomial, (uint64_t)1 << 63, crc_a, crc_b, b_size_bytes);
}

uint32_t ps_crc32_combine(uint32_t polynomial, uint32_t crc_a, uint32_t crc_b,
                          uint64_t b_size_bytes)
{
    return (uint32_t)combine(polynomial, (uint64_t)1 << 31, crc_a, crc_b, b_size_bytes);
}
