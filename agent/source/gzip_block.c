#include "source/gzip_block.h"

#include <isa-l.h>
#include <libdeflate.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum {
    ISAL_LEVEL_MAX = 3,
    STORED_MAX_BYTES = 65535,
    SCRATCH_BYTES = 64 * 1024
};

struct ps_gzip_deflater {
    int level;
    struct isal_zstream isal; /* levels 1..3 */
    uint8_t *isal_buffer;
    uint32_t isal_buffer_size_bytes;
    struct libdeflate_compressor *deflate; /* levels 4..9 */
    z_stream inflate;
    bool inflate_ready;
    uint8_t *scratch; /* where the proof inflates to */
};

static uint32_t isal_buffer_size(int level)
{
    switch (level) {
    case 1:
        return ISAL_DEF_LVL1_DEFAULT;
    case 2:
        return ISAL_DEF_LVL2_DEFAULT;
    default:
        return ISAL_DEF_LVL3_DEFAULT;
    }
}

static bool make_parts(struct ps_gzip_deflater *deflater)
{
    if (deflater->level == 0) {
        return true;
    }
    if (deflater->level <= ISAL_LEVEL_MAX) {
        deflater->isal_buffer_size_bytes = isal_buffer_size(deflater->level);
        deflater->isal_buffer = malloc(deflater->isal_buffer_size_bytes);
        return deflater->isal_buffer != NULL;
    }
    deflater->deflate = libdeflate_alloc_compressor(deflater->level);
    deflater->scratch = malloc(SCRATCH_BYTES);
    deflater->inflate_ready = inflateInit2(&deflater->inflate, -MAX_WBITS) == Z_OK;
    return deflater->deflate != NULL && deflater->scratch != NULL && deflater->inflate_ready;
}

enum ps_code ps_gzip_deflater_new(struct ps_gzip_deflater **deflater_out, int level,
                                  struct ps_err *err)
{
    struct ps_gzip_deflater *deflater;

    if (level < 0 || level > 9) {
        return ps_err_set(err, PS_E_INVALID, "gzip: %d is no level: 0 to 9", level);
    }
    deflater = calloc(1, sizeof(*deflater));
    if (deflater == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "gzip: out of memory");
    }
    deflater->level = level;
    if (!make_parts(deflater)) {
        ps_gzip_deflater_free(deflater);
        return ps_err_set(err, PS_E_NO_MEMORY, "gzip: out of memory");
    }
    *deflater_out = deflater;
    return PS_OK;
}

void ps_gzip_deflater_free(struct ps_gzip_deflater *deflater)
{
    if (deflater == NULL) {
        return;
    }
    if (deflater->inflate_ready) {
        (void)inflateEnd(&deflater->inflate);
    }
    if (deflater->deflate != NULL) {
        libdeflate_free_compressor(deflater->deflate);
    }
    free(deflater->scratch);
    free(deflater->isal_buffer);
    free(deflater);
}

/* RFC 1951 3.2.4: every 65,535 bytes a header of 5. */
static void store(struct ps_gzip_block *block)
{
    const uint8_t *from = block->data;
    uint8_t *to = block->out;

    for (size_t left_bytes = block->size_bytes; left_bytes > 0;) {
        size_t size_bytes = left_bytes < STORED_MAX_BYTES ? left_bytes : STORED_MAX_BYTES;

        to[0] = 0;
        to[1] = (uint8_t)size_bytes;
        to[2] = (uint8_t)(size_bytes >> 8);
        to[3] = (uint8_t)~to[1];
        to[4] = (uint8_t)~to[2];
        memcpy(to + 5, from, size_bytes);
        to += 5 + size_bytes;
        from += size_bytes;
        left_bytes -= size_bytes;
    }
    block->out_size_bytes = (size_t)(to - (uint8_t *)block->out);
}

/* Libraries without const: only read. */
static uint8_t *unconst(const void *data)
{
    return (uint8_t *)(uintptr_t)data;
}

static void deflate_isal(struct ps_gzip_deflater *deflater, struct ps_gzip_block *block)
{
    struct isal_zstream *stream = &deflater->isal;

    isal_deflate_init(stream);
    stream->level = (uint32_t)deflater->level;
    stream->level_buf = deflater->isal_buffer;
    stream->level_buf_size = deflater->isal_buffer_size_bytes;
    stream->flush = SYNC_FLUSH; /* ends on a byte, without "last" */
    if (block->window_size_bytes > 0) {
        (void)isal_deflate_set_dict(stream, unconst(block->window),
                                    (uint32_t)block->window_size_bytes);
    }
    stream->next_in = unconst(block->data);
    stream->avail_in = (uint32_t)block->size_bytes;
    stream->next_out = block->out;
    stream->avail_out = (uint32_t)PS_GZIP_BLOCK_MAX_BYTES;
    if (isal_deflate(stream) != COMP_OK || stream->avail_in != 0 || stream->avail_out == 0) {
        store(block); /* bytes that get longer by deflating */
    } else {
        block->out_size_bytes = PS_GZIP_BLOCK_MAX_BYTES - stream->avail_out;
    }
}

/* What one pass over a deflate stream tells. */
struct joint {
    uint64_t last_bit;        /* where the header of the last block starts */
    unsigned int unused_bits; /* of the last byte */
    uint32_t crc32;           /* of the bytes that it gives */
};

/* False: it is no such stream, or of another size. */
static bool find_joint(struct ps_gzip_deflater *deflater, const struct ps_gzip_block *block,
                       struct joint *joint)
{
    z_stream *stream = &deflater->inflate;
    const uint8_t *start = block->out;
    int status = inflateReset(stream);

    memset(joint, 0, sizeof(*joint));
    stream->next_in = block->out;
    stream->avail_in = (uInt)block->out_size_bytes;
    while (status == Z_OK) {
        stream->next_out = deflater->scratch;
        stream->avail_out = SCRATCH_BYTES;
        status = inflate(stream, Z_BLOCK);
        joint->crc32 =
            libdeflate_crc32(joint->crc32, deflater->scratch, SCRATCH_BYTES - stream->avail_out);
        /* zlib.h: bit 7 of data_type = at the end of a block, bit 6 = of the last one, bits 0..2 = unused bits. */
        if (status == Z_OK && (stream->data_type & 128) != 0) {
            joint->unused_bits = (unsigned int)stream->data_type & 7;
            if ((stream->data_type & 64) == 0) {
                joint->last_bit = (uint64_t)(stream->next_in - start) * 8 - joint->unused_bits;
            }
        }
    }
    return status == Z_STREAM_END && stream->avail_in == 0 &&
           stream->total_out == block->size_bytes;
}

static enum ps_code deflate_joined(struct ps_gzip_deflater *deflater, struct ps_gzip_block *block,
                                   struct ps_err *err)
{
    uint8_t *out = block->out;
    struct joint joint;

    block->out_size_bytes = libdeflate_deflate_compress(
        deflater->deflate, block->data, block->size_bytes, out, PS_GZIP_BLOCK_MAX_BYTES - 8);
    if (block->out_size_bytes == 0) {
        store(block);
        return PS_OK;
    }
    if (!find_joint(deflater, block, &joint) || joint.crc32 != block->crc32) {
        return ps_err_set(err, PS_E_BUG, "gzip: a block does not give its bytes back");
    }
    out[joint.last_bit / 8] &= (uint8_t) ~(1U << (joint.last_bit % 8));
    /* An empty stored block: 3 bits of 0, zeros up to the next byte, 00 00 ff ff. */
    if (joint.unused_bits < 3) {
        out[block->out_size_bytes++] = 0;
    }
    memcpy(out + block->out_size_bytes, "\0\0\xff\xff", 4);
    block->out_size_bytes += 4;
    return PS_OK;
}

enum ps_code ps_gzip_deflate(struct ps_gzip_deflater *deflater, struct ps_gzip_block *block,
                             struct ps_err *err)
{
    block->crc32 = libdeflate_crc32(0, block->data, block->size_bytes);
    if (deflater->level == 0) {
        store(block);
        return PS_OK;
    }
    if (deflater->level <= ISAL_LEVEL_MAX) {
        deflate_isal(deflater, block);
        return PS_OK;
    }
    return deflate_joined(deflater, block, err);
}

const char *ps_gzip_maker(int level, char *text)
{
    /* What ISA-L's dispatcher looks at. */
    unsigned int cpu =
        (__builtin_cpu_supports("sse4.2") ? 1U : 0U) | (__builtin_cpu_supports("avx") ? 2U : 0U) |
        (__builtin_cpu_supports("avx2") ? 4U : 0U) | (__builtin_cpu_supports("avx512f") ? 8U : 0U) |
        (__builtin_cpu_supports("avx512vbmi2") ? 16U : 0U);

    if (level == 0) {
        (void)snprintf(text, PS_GZIP_MAKER_SIZE, "stored");
    } else if (level <= ISAL_LEVEL_MAX) {
        (void)snprintf(text, PS_GZIP_MAKER_SIZE, "isal %d.%d.%d cpu %u", ISAL_MAJOR_VERSION,
                       ISAL_MINOR_VERSION, ISAL_PATCH_VERSION, cpu);
    } else {
        (void)snprintf(text, PS_GZIP_MAKER_SIZE, "libdeflate %s", LIBDEFLATE_VERSION_STRING);
    }
    return text;
}

void ps_gzip_header(int level, uint8_t *out)
{
    /* RFC 1952 2.3: deflate, no flags, no time, XFL 2 = slowest, 4 = fastest, OS 255 = unknown. */
    const uint8_t header[PS_GZIP_HEADER_BYTES] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255 };

    memcpy(out, header, sizeof(header));
    if (level == 9) {
        out[8] = 2;
    } else if (level == 1) {
        out[8] = 4;
    }
}

void ps_gzip_trailer(uint32_t crc32, uint64_t size_bytes, uint8_t *out)
{
    out[0] = 3; /* a last block, fixed codes, end at once: 10 bits */
    out[1] = 0;
    for (unsigned int i = 0; i < 4; i++) {
        out[2 + i] = (uint8_t)(crc32 >> (8 * i));
        out[6 + i] = (uint8_t)(size_bytes >> (8 * i));
    }
}
