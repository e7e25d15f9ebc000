#include "hash/crc64_nvme.h"

#include "hash/crc64_nvme_table.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

TestSuite(crc64_nvme, .timeout = 60);

/* NVM Express NVM Command Set 5.2.1.3.4, reflected. */
#define POLYNOMIAL 0x9A6C9329AC4BC9B5U

enum {
    SIZE_MAX_BYTES = 1100, /* four steps of the widest way, and every rest */
    WAY_COUNT = PS_CRC64_WIDE + 1,
};

static const char *const way_names[WAY_COUNT] = { "table", "clmul", "wide" };

/* The definition: one bit at a time, without the inversions. */
static uint64_t one_byte(uint64_t raw, unsigned byte)
{
    raw ^= byte;
    for (int bit = 0; bit < 8; bit++) {
        raw = (raw >> 1) ^ ((raw & 1) != 0 ? POLYNOMIAL : 0);
    }
    return raw;
}

static uint64_t by_bits(uint64_t crc, const unsigned char *data, size_t size)
{
    crc = ~crc;
    for (size_t i = 0; i < size; i++) {
        crc = one_byte(crc, data[i]);
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

/* --- the numbers in the header --- */

Test(crc64_nvme, the_tables_follow_from_the_polynomial)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        uint64_t raw = one_byte(0, byte);

        for (size_t k = 0; k < 8; k++) {
            cr_assert_eq(crc64_nvme_table[k][byte], raw, "table[%zu][%u]", k, byte);
            raw = one_byte(raw, 0);
        }
    }
}

/* x^power modulo P: x^0 is the highest bit of a reflected word, and times x is a shift right. */
static uint64_t power_of_x(unsigned power)
{
    uint64_t value = (uint64_t)1 << 63;

    for (; power > 0; power--) {
        value = (value >> 1) ^ ((value & 1) != 0 ? POLYNOMIAL : 0);
    }
    return value;
}

Test(crc64_nvme, the_folding_constants_follow_from_the_polynomial)
{
    static const struct row {
        unsigned distance_bits;
        uint64_t high;
        uint64_t low;
    } rows[] = {
        { 128, FOLD_128_HIGH, FOLD_128_LOW },    { 256, FOLD_256_HIGH, FOLD_256_LOW },
        { 384, FOLD_384_HIGH, FOLD_384_LOW },    { 512, FOLD_512_HIGH, FOLD_512_LOW },
        { 1024, FOLD_1024_HIGH, FOLD_1024_LOW }, { 2048, FOLD_2048_HIGH, FOLD_2048_LOW },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cr_assert_eq(rows[i].high, power_of_x(rows[i].distance_bits + 63), "%u",
                     rows[i].distance_bits);
        cr_assert_eq(rows[i].low, power_of_x(rows[i].distance_bits - 1), "%u",
                     rows[i].distance_bits);
    }
}

/* --- every way against published values and the definition --- */

/* Catalogue of CRC algorithms: check value; and, by another implementation, the pangram and 66,560 times 'a'. */
Test(crc64_nvme, every_way_gives_the_published_values)
{
    static char letters[66560];
    static const char fox[] = "The quick brown fox jumps over the lazy dog";

    memset(letters, 'a', sizeof(letters));
    for (int i = 0; i < WAY_COUNT; i++) {
        enum ps_crc64_way way = (enum ps_crc64_way)i;

        if (ps_crc64_can(way)) {
            cr_assert_eq(ps_crc64_nvme_by(way, 0, "", 0), 0, "%s", way_names[i]);
            cr_assert_eq(ps_crc64_nvme_by(way, 0, "123456789", 9), 0xae8b14860a799888U, "%s",
                         way_names[i]);
            cr_assert_eq(ps_crc64_nvme_by(way, 0, fox, strlen(fox)), 0xd76c54054954c143U, "%s",
                         way_names[i]);
            cr_assert_eq(ps_crc64_nvme_by(way, 0, letters, sizeof(letters)), 0xa517fe7a6ae72fe0U,
                         "%s", way_names[i]);
        }
    }
}

Test(crc64_nvme, every_way_agrees_with_the_definition_at_all_sizes_and_alignments)
{
    static _Alignas(64) unsigned char data[64 + SIZE_MAX_BYTES];

    fill(data, sizeof(data));
    for (size_t shift = 0; shift < 64; shift += shift < 17 ? 1 : 5) {
        const uint64_t start = shift % 2 == 0 ? 0 : 0x0123456789abcdefU * shift;
        uint64_t wanted = ~start;

        for (size_t size = 0; size <= SIZE_MAX_BYTES; size++) {
            for (int i = 0; i < WAY_COUNT; i++) {
                if (ps_crc64_can((enum ps_crc64_way)i)) {
                    cr_assert_eq(ps_crc64_nvme_by((enum ps_crc64_way)i, start, data + shift, size),
                                 ~wanted, "%s, %zu bytes at %zu", way_names[i], size, shift);
                }
            }
            wanted = one_byte(wanted, size < SIZE_MAX_BYTES ? data[shift + size] : 0);
        }
    }
}

/* The data ends where its heap block ends: a byte that is read beyond it is a sanitizer's finding. */
Test(crc64_nvme, no_way_reads_beyond_the_end)
{
    for (size_t size = 1; size <= SIZE_MAX_BYTES; size++) {
        unsigned char *data = malloc(size);

        fill(data, size);
        for (int i = 0; i < WAY_COUNT; i++) {
            if (ps_crc64_can((enum ps_crc64_way)i)) {
                cr_assert_eq(ps_crc64_nvme_by((enum ps_crc64_way)i, 0, data, size),
                             by_bits(0, data, size), "%s, %zu bytes", way_names[i], size);
            }
        }
        free(data);
    }
}

Test(crc64_nvme, goes_on_after_any_split)
{
    static unsigned char data[100003];
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

Test(crc64_nvme, the_tables_work_on_every_processor)
{
    cr_assert(ps_crc64_can(PS_CRC64_TABLE));
}
