#include "hash/crc64_nvme.h"

#include "hash/crc_combine.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

TestSuite(crc64_nvme, .timeout = 60);

#define POLYNOMIAL 0x9A6C9329AC4BC9B5U

/* The definition: one bit at a time. */
static uint64_t by_bits(uint64_t crc, const unsigned char *data, size_t size)
{
    crc = ~crc;
    for (size_t i = 0; i < size; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ ((crc & 1) != 0 ? POLYNOMIAL : 0);
        }
    }
    return ~crc;
}

static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005U + 1442695040888963407U;
    return *state >> 33;
}

static void fill(unsigned char *data, size_t size)
{
    uint64_t state = 1;

    for (size_t i = 0; i < size; i++) {
        data[i] = (unsigned char)next_random(&state);
    }
}

Test(crc64_nvme, every_way_gives_the_check_value)
{
    for (int way = PS_CRC64_TABLE; way <= PS_CRC64_WIDE; way++) {
        if (ps_crc64_can((enum ps_crc64_way)way)) {
            cr_assert_eq(ps_crc64_nvme_by((enum ps_crc64_way)way, 0, "123456789", 9),
                         0xae8b14860a799888U, "way %d", way);
        }
    }
}

Test(crc64_nvme, every_way_agrees_with_the_definition_at_all_sizes_and_alignments)
{
    static unsigned char data[1200];

    fill(data, sizeof(data));
    for (size_t size = 0; size <= 1100; size++) {
        const unsigned char *at = data + size % 17;
        uint64_t wanted = by_bits(size, at, size);

        for (int way = PS_CRC64_TABLE; way <= PS_CRC64_WIDE; way++) {
            if (ps_crc64_can((enum ps_crc64_way)way)) {
                cr_assert_eq(ps_crc64_nvme_by((enum ps_crc64_way)way, size, at, size), wanted,
                             "way %d, %zu bytes", way, size);
            }
        }
    }
}

Test(crc64_nvme, goes_on_after_any_split)
{
    static unsigned char data[100000];
    uint64_t whole;
    uint64_t state = 7;

    fill(data, sizeof(data));
    whole = by_bits(0, data, sizeof(data));
    for (int i = 0; i < 200; i++) {
        size_t split = (size_t)(next_random(&state) % sizeof(data));
        uint64_t crc = ps_crc64_nvme(0, data, split);

        cr_assert_eq(ps_crc64_nvme(crc, data + split, sizeof(data) - split), whole, "%zu", split);
    }
}

Test(crc64_nvme, combines_any_two_lengths)
{
    static unsigned char data[50000];
    uint64_t state = 3;

    fill(data, sizeof(data));
    for (int i = 0; i < 200; i++) {
        size_t split = (size_t)(next_random(&state) % sizeof(data));
        size_t rest = sizeof(data) - split;
        uint64_t combined = ps_crc64_combine(POLYNOMIAL, ps_crc64_nvme(0, data, split),
                                             ps_crc64_nvme(0, data + split, rest), rest);

        cr_assert_eq(combined, ps_crc64_nvme(0, data, sizeof(data)), "%zu", split);
    }
}

/* 5 GiB of zeros by doubling: 2^30 * 5 = 4 GiB and 1 GiB; both orders must agree. */
Test(crc64_nvme, combines_lengths_over_four_gib)
{
    uint64_t crc = ps_crc64_nvme(0, "", 1);
    uint64_t size = 1;
    uint64_t gib;

    while (size < (uint64_t)1 << 30) {
        crc = ps_crc64_combine(POLYNOMIAL, crc, crc, size);
        size *= 2;
    }
    gib = crc;
    while (size < (uint64_t)1 << 32) {
        crc = ps_crc64_combine(POLYNOMIAL, crc, crc, size);
        size *= 2;
    }
    cr_assert_eq(ps_crc64_combine(POLYNOMIAL, crc, gib, (uint64_t)1 << 30),
                 ps_crc64_combine(POLYNOMIAL, gib, crc, (uint64_t)1 << 32));
}
