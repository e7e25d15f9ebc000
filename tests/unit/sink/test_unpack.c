#include "sink/unpack.h"

#include <criterion/criterion.h>
#include <string.h>
#include <zlib.h>

TestSuite(unpack, .timeout = 20);

#define RAW_BYTES ((size_t)300000)

struct source {
    const unsigned char *data;
    size_t size;
    size_t at;
    size_t step; /* bytes a pull */
};

static bool pull(void *user, void *into, size_t size, size_t *got_out, struct ps_err *err)
{
    struct source *source = user;
    size_t left = source->size - source->at;
    size_t take = left < source->step ? left : source->step;

    (void)err;
    take = take < size ? take : size;
    memcpy(into, source->data + source->at, take);
    source->at += take;
    *got_out = take;
    return true;
}

static unsigned char raw[RAW_BYTES];
static unsigned char packed[2 * RAW_BYTES];
static unsigned char back[2 * RAW_BYTES];

/* zlib as the maker. */
static size_t pack(unsigned char *into, size_t room, const unsigned char *from, size_t size)
{
    z_stream stream = { 0 };

    cr_assert_eq(deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_in = (unsigned char *)(uintptr_t)from;
    stream.avail_in = (uInt)size;
    stream.next_out = into;
    stream.avail_out = (uInt)room;
    cr_assert_eq(deflate(&stream, Z_FINISH), Z_STREAM_END);
    (void)deflateEnd(&stream);
    return stream.total_out;
}

static enum ps_code unpack(const unsigned char *data, size_t size, size_t step, size_t *total_out)
{
    struct source source = { data, size, 0, step };
    struct ps_unpack *unpack = NULL;
    enum ps_code code;
    size_t got = 1;

    *total_out = 0;
    cr_assert_eq(ps_unpack_new(&unpack, pull, &source, NULL), PS_OK);
    do {
        code = ps_unpack_read(unpack, back + *total_out, sizeof(back) - *total_out, &got, NULL);
        *total_out += got;
    } while (code == PS_OK && got > 0);
    ps_unpack_free(unpack);
    return code;
}

static void fill_raw(void)
{
    for (size_t i = 0; i < RAW_BYTES; i++) {
        raw[i] = (unsigned char)((i * 2654435761U) >> (i % 3 == 0 ? 24 : 30));
    }
}

Test(unpack, unpacks_members_and_passes_what_is_no_gzip)
{
    static const size_t steps[] = { 1, 7, 65536, RAW_BYTES };
    size_t first;
    size_t size;
    size_t total = 0;

    fill_raw();
    first = pack(packed, sizeof(packed), raw, 100000);
    size = first + pack(packed + first, sizeof(packed) - first, raw + 100000, RAW_BYTES - 100000);
    memset(packed + size, 0, 512); /* padding, as tapes have it */
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        cr_assert_eq(unpack(packed, size, steps[i], &total), PS_OK);
        cr_assert_eq(total, RAW_BYTES);
        cr_assert_arr_eq(back, raw, RAW_BYTES);
        cr_assert_eq(unpack(packed, size + 512, steps[i], &total), PS_OK);
        cr_assert_eq(total, RAW_BYTES);
        cr_assert_eq(unpack(raw, RAW_BYTES, steps[i], &total), PS_OK);
        cr_assert_eq(total, RAW_BYTES);
        cr_assert_arr_eq(back, raw, RAW_BYTES);
    }
    cr_assert_eq(unpack(raw, 0, 1, &total), PS_OK);
    cr_assert_eq(total, 0);
    cr_assert_eq(unpack(raw, 1, 1, &total), PS_OK);
    cr_assert_eq(total, 1);
}

Test(unpack, sees_wrong_checksums_and_cuts)
{
    size_t size;
    size_t total = 0;

    fill_raw();
    size = pack(packed, sizeof(packed), raw, 5000);
    for (size_t cut = 2; cut < size; cut++) {
        cr_assert_eq(unpack(packed, cut, 64, &total), PS_E_CORRUPT, "cut at %zu", cut);
    }
    for (size_t i = 1; i <= 8; i++) { /* CRC and length */
        packed[size - i] ^= 1;
        cr_assert_eq(unpack(packed, size, 64, &total), PS_E_CORRUPT, "byte %zu from the end", i);
        packed[size - i] ^= 1;
    }
}
