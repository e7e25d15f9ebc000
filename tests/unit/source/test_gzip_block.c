#include "source/gzip_block.h"

#include "hash/checksum.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

TestSuite(gzip_block, .timeout = 60);

#define RAW_BYTES ((size_t)1300000)

static unsigned char raw[RAW_BYTES];
static unsigned char packed[2 * RAW_BYTES];
static unsigned char back[RAW_BYTES + 1];

/* Text that repeats, zeros, then bytes without any order. */
static void fill_raw(void)
{
    uint32_t state = 1;

    for (size_t i = 0; i < RAW_BYTES; i++) {
        state = state * 1664525U + 1013904223U;
        raw[i] = i < 600000   ? (unsigned char)("static int line;\n"[i % 17] + (state >> 31))
                 : i < 900000 ? 0
                              : (unsigned char)(state >> 24);
    }
}

static size_t pack(int level, size_t block_bytes, size_t size)
{
    struct ps_gzip_deflater *deflater = NULL;
    struct ps_checksum whole = ps_checksum_empty(PS_CHECKSUM_CRC32);
    static unsigned char out[PS_GZIP_BLOCK_MAX_BYTES];
    size_t used = PS_GZIP_HEADER_BYTES;

    cr_assert_eq(ps_gzip_deflater_new(&deflater, level, NULL), PS_OK);
    ps_gzip_header(level, packed);
    for (size_t at = 0; at < size; at += block_bytes) {
        size_t window = at < PS_GZIP_WINDOW_BYTES ? at : PS_GZIP_WINDOW_BYTES;
        struct ps_gzip_block block = {
            .window = raw + at - window,
            .window_size_bytes = window,
            .data = raw + at,
            .size_bytes = size - at < block_bytes ? size - at : block_bytes,
            .out = out,
        };
        struct ps_checksum next;

        cr_assert_eq(ps_gzip_deflate(deflater, &block, NULL), PS_OK, "level %d", level);
        cr_assert_leq(block.out_size_bytes, PS_GZIP_BLOCK_MAX_BYTES);
        memcpy(packed + used, out, block.out_size_bytes);
        used += block.out_size_bytes;
        next = ps_checksum_from_u64(PS_CHECKSUM_CRC32, block.crc32);
        cr_assert_eq(ps_checksum_combine(&whole, &next, block.size_bytes, NULL), PS_OK);
    }
    ps_gzip_trailer((uint32_t)ps_checksum_to_u64(&whole), size, packed + used);
    ps_gzip_deflater_free(deflater);
    return used + PS_GZIP_TRAILER_BYTES;
}

/* zlib as the judge: one member, its CRC and size checked, nothing behind it. */
static void check_with_zlib(size_t packed_size, size_t size, int level, size_t block_bytes)
{
    z_stream stream = { .next_in = packed, .avail_in = (uInt)packed_size };

    cr_assert_eq(inflateInit2(&stream, 16 + MAX_WBITS), Z_OK);
    stream.next_out = back;
    stream.avail_out = sizeof(back);
    cr_assert_eq(inflate(&stream, Z_FINISH), Z_STREAM_END, "level %d, blocks of %zu: %s", level,
                 block_bytes, stream.msg != NULL ? stream.msg : "");
    cr_assert_eq(stream.avail_in, 0, "level %d: bytes behind the member", level);
    cr_assert_eq(stream.total_out, size);
    cr_assert_arr_eq(back, raw, size, "level %d", level);
    (void)inflateEnd(&stream);
}

Test(gzip_block, joins_to_one_member_that_zlib_reads)
{
    static const size_t blocks[] = { PS_GZIP_BLOCK_BYTES, 100003, 4096 };

    fill_raw();
    for (int level = 0; level <= 9; level++) {
        for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
            check_with_zlib(pack(level, blocks[i], RAW_BYTES), RAW_BYTES, level, blocks[i]);
        }
    }
}

Test(gzip_block, takes_streams_of_a_few_bytes)
{
    fill_raw();
    for (int level = 0; level <= 9; level++) {
        for (size_t size = 0; size < 70; size++) {
            check_with_zlib(pack(level, 16, size), size, level, 16);
        }
    }
}

Test(gzip_block, gives_the_same_bytes_twice)
{
    static unsigned char first[2 * RAW_BYTES];

    fill_raw();
    for (int level = 0; level <= 9; level++) {
        size_t size = pack(level, PS_GZIP_BLOCK_BYTES, RAW_BYTES);

        memcpy(first, packed, size);
        cr_assert_eq(pack(level, PS_GZIP_BLOCK_BYTES, RAW_BYTES), size);
        cr_assert_arr_eq(first, packed, size, "level %d", level);
    }
}

Test(gzip_block, refuses_levels_that_are_none)
{
    struct ps_gzip_deflater *deflater = NULL;

    cr_assert_eq(ps_gzip_deflater_new(&deflater, -1, NULL), PS_E_INVALID);
    cr_assert_eq(ps_gzip_deflater_new(&deflater, 10, NULL), PS_E_INVALID);
    cr_assert_null(deflater);
}
