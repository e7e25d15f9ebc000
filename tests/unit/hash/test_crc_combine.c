#include "hash/crc_combine.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(crc_combine, .timeout = 60);

/* The four CRCs of the stores (catalogue of CRC algorithms): reflected, init = xorout = ~0. */
static const struct kind {
    const char *name;
    unsigned width_bits;
    uint64_t polynomial;
    uint64_t check; /* of "123456789" */
} kinds[] = {
    { "CRC-64/NVME", 64, 0x9A6C9329AC4BC9B5U, 0xae8b14860a799888U },
    { "CRC-64/XZ", 64, 0xC96C5795D7870F42U, 0x995dc9bbdf1939faU },
    { "CRC-32C", 32, 0x82F63B78U, 0xe3069283U },
    { "CRC-32", 32, 0xEDB88320U, 0xcbf43926U },
};

enum {
    KIND_COUNT = sizeof(kinds) / sizeof(kinds[0])
};

static uint64_t ones(const struct kind *kind)
{
    return UINT64_MAX >> (64 - kind->width_bits);
}

/* The definition: one bit at a time. */
static uint64_t by_bits(const struct kind *kind, uint64_t crc, const unsigned char *data,
                        size_t size)
{
    crc ^= ones(kind);
    for (size_t i = 0; i < size; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ ((crc & 1) != 0 ? kind->polynomial : 0);
        }
    }
    return crc ^ ones(kind);
}

static uint64_t combine(const struct kind *kind, uint64_t a, uint64_t b, uint64_t b_size_bytes)
{
    if (kind->width_bits == 64) {
        return ps_crc64_combine(kind->polynomial, a, b, b_size_bytes);
    }
    return ps_crc32_combine((uint32_t)kind->polynomial, (uint32_t)a, (uint32_t)b, b_size_bytes);
}

static void fill(unsigned char *data, size_t size)
{
    uint32_t state = 1;

    for (size_t i = 0; i < size; i++) {
        state = state * 1664525U + 1013904223U;
        data[i] = (unsigned char)(state >> 24);
    }
}

Test(crc_combine, every_split_of_the_check_text_gives_its_check_value)
{
    const unsigned char *text = (const unsigned char *)"123456789";

    for (size_t i = 0; i < KIND_COUNT; i++) {
        for (size_t split = 0; split <= 9; split++) {
            uint64_t a = by_bits(&kinds[i], 0, text, split);
            uint64_t b = by_bits(&kinds[i], 0, text + split, 9 - split);

            cr_assert_eq(combine(&kinds[i], a, b, 9 - split), kinds[i].check, "%s after %zu",
                         kinds[i].name, split);
        }
    }
}

Test(crc_combine, equals_the_crc_of_the_whole_at_every_length)
{
    static unsigned char data[1500];

    fill(data, sizeof(data));
    for (size_t i = 0; i < KIND_COUNT; i++) {
        const uint64_t a = by_bits(&kinds[i], 0, data, 400);
        uint64_t whole = a;
        uint64_t b = 0;

        for (size_t size = 0; size <= 1100; size++) {
            cr_assert_eq(combine(&kinds[i], a, b, size), whole, "%s, %zu bytes", kinds[i].name,
                         size);
            if (size < 1100) {
                whole = by_bits(&kinds[i], whole, data + 400 + size, 1);
                b = by_bits(&kinds[i], b, data + 400 + size, 1);
            }
        }
    }
}

Test(crc_combine, three_parts_combine_in_either_grouping)
{
    static unsigned char data[3000];

    fill(data, sizeof(data));
    for (size_t i = 0; i < KIND_COUNT; i++) {
        const struct kind *kind = &kinds[i];
        uint64_t a = by_bits(kind, 0, data, 1000);
        uint64_t b = by_bits(kind, 0, data + 1000, 777);
        uint64_t c = by_bits(kind, 0, data + 1777, 1223);
        uint64_t whole = by_bits(kind, 0, data, sizeof(data));

        cr_assert_eq(combine(kind, combine(kind, a, b, 777), c, 1223), whole, "%s", kind->name);
        cr_assert_eq(combine(kind, a, combine(kind, b, c, 1223), 2000), whole, "%s", kind->name);
    }
}

/* The multipart vector of S3: part 1 is 5 MiB of 'a', part 2 is 1 MiB of 'b'; bytes of its base64 values. */
Test(crc_combine, gives_the_full_object_checksum_of_the_multipart_vector)
{
    const uint64_t mebibyte = 1024 * 1024;

    cr_assert_eq(combine(&kinds[0], 0x3dbbcb1245944a08U, 0xdab8fe5adea97044U, mebibyte),
                 0x7f6171b2daca3dfdU);
    cr_assert_eq(combine(&kinds[1], 2368817460909046045U, 4085814139916291200U, mebibyte),
                 14945743540798809801U);
    cr_assert_eq(combine(&kinds[2], 0x5a9b8e7aU, 0xe8c15255U, mebibyte), 0x9c0aca96U);
    cr_assert_eq(combine(&kinds[3], 0xaffcc16fU, 0x9376ded6U, mebibyte), 0x798904d8U);
}

/* Lengths over 32 bits: n zero bytes one after the other, against doubling in another order. */
Test(crc_combine, lengths_over_four_gib_are_not_cut)
{
    const unsigned char zero = 0;

    for (size_t i = 0; i < KIND_COUNT; i++) {
        const struct kind *kind = &kinds[i];
        uint64_t crcs[43];
        uint64_t up;
        uint64_t down;
        uint64_t size = 0;

        crcs[0] = by_bits(kind, 0, &zero, 1);
        for (unsigned power = 1; power < 43; power++) {
            crcs[power] =
                combine(kind, crcs[power - 1], crcs[power - 1], (uint64_t)1 << (power - 1));
        }
        up = 0;
        down = 0;
        for (unsigned power = 0; power < 43; power += 3) {
            up = combine(kind, up, crcs[power], (uint64_t)1 << power);
            down = combine(kind, crcs[power], down, size);
            size += (uint64_t)1 << power;
        }
        cr_assert_eq(up, down, "%s", kind->name);
        cr_assert_neq(combine(kind, crcs[0], 0, (uint64_t)1 << 32), crcs[0], "%s", kind->name);
    }
}

Test(crc_combine, nothing_changes_nothing)
{
    for (size_t i = 0; i < KIND_COUNT; i++) {
        cr_assert_eq(combine(&kinds[i], kinds[i].check, 0, 0), kinds[i].check, "%s", kinds[i].name);
        cr_assert_eq(combine(&kinds[i], 0, kinds[i].check, 9), kinds[i].check, "%s", kinds[i].name);
    }
}
