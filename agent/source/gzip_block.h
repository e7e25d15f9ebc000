/**
 * gzip_block - blocks of bytes deflated apart, side by side, that join to one valid gzip stream of one member.
 *
 * Flow:    transfer/archive_feed.h (workers) -> [gzip_block] -> header, blocks in order, trailer
 * Thread:  a deflater belongs to one thread at a time; blocks know nothing of each other
 * Source:  RFC 1951, RFC 1952; levels 1..3 ISA-L (zlib's ratio within 2 %, four to seven times its speed), 4..9
 *          libdeflate (the same ratio as zlib's level, twice its speed), 0 stored
 *
 * Measured on 200 MB of sources, one core, 256 KiB blocks, MB/s and ratio:
 *   level   zlib           libdeflate     libdeflate + join   ISA-L
 *   1       91  0.497      203 0.489      147                 694 0.506
 *   3       76  0.486      132 0.478      104                 308 0.489
 *   6       44  0.470       95 0.469       80                 -
 *   9       20  0.468       26 0.467       24                 -
 *
 * libdeflate ends its stream with a block that says "last". Where that bit is, only a decoder knows: zlib's inflate with
 * Z_BLOCK goes over the result, the bit is cleared and an empty stored block aligns the end. That pass also proves that
 * every block gives the bytes that went in.
 */
#ifndef PS_SOURCE_GZIP_BLOCK_H
#define PS_SOURCE_GZIP_BLOCK_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

/** Bytes of a block. Lower: worse ratio without a dictionary. Higher: more memory a core. */
#define PS_GZIP_BLOCK_BYTES ((size_t)512 * 1024)
/** What one block can become at most: stored blocks of 65,535 bytes and the joint. */
#define PS_GZIP_BLOCK_MAX_BYTES (PS_GZIP_BLOCK_BYTES + PS_GZIP_BLOCK_BYTES / 1000 + 1024)
/** Bytes before a block that ISA-L's levels may point back to. */
#define PS_GZIP_WINDOW_BYTES ((size_t)32 * 1024)
#define PS_GZIP_HEADER_BYTES ((size_t)10)
#define PS_GZIP_TRAILER_BYTES ((size_t)10)

/** gzip's own default. */
#define PS_GZIP_LEVEL_DEFAULT 6

struct ps_gzip_deflater; /* opaque */

/** level 0..9. Errors: PS_E_INVALID, PS_E_NO_MEMORY. */
PS_MUST_USE enum ps_code ps_gzip_deflater_new(struct ps_gzip_deflater **deflater_out, int level,
                                              struct ps_err *err);
/** NULL is allowed. */
void ps_gzip_deflater_free(struct ps_gzip_deflater *deflater);

/** One block. window are the window_size_bytes (at most PS_GZIP_WINDOW_BYTES) right before it. */
struct ps_gzip_block {
    const void *window;
    size_t window_size_bytes;
    const void *data;
    size_t size_bytes; /* 1..PS_GZIP_BLOCK_BYTES */
    void *out;         /* PS_GZIP_BLOCK_MAX_BYTES */
    size_t out_size_bytes;
    uint32_t crc32; /* of data; the stream's by ps_checksum_combine of PS_CHECKSUM_CRC32 */
};

/** Deflate; fills out, out_size_bytes and crc32. Errors: PS_E_BUG when the result does not give the data back. */
PS_MUST_USE enum ps_code ps_gzip_deflate(struct ps_gzip_deflater *deflater,
                                         struct ps_gzip_block *block, struct ps_err *err);

/**
 * What the bytes of level depend on besides the data: libraries, and for ISA-L, which has code of its own for each kind of
 * CPU, that kind. text holds PS_GZIP_MAKER_SIZE; returns text.
 */
#define PS_GZIP_MAKER_SIZE 64
const char *ps_gzip_maker(int level, char *text);

/** The 10 bytes in front: no name, no time. */
void ps_gzip_header(int level, uint8_t *out);

/** The 10 bytes at the end: an empty last block, CRC-32, size modulo 2^32. */
void ps_gzip_trailer(uint32_t crc32, uint64_t size_bytes, uint8_t *out);

#endif
