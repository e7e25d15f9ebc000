/**
 * gunzip - bytes that are pulled, unpacked where they are gzip and as they are where not; CRC and length are checked.
 *
 * Flow:    a pull of bytes -> [gunzip] -> sink/archive_writer.h
 * Thread:  one at a time; blocks in the pull
 * Source:  RFC 1952, several members one after the other included. libarchive's own gzip filter (3.6) checks no CRC.
 *          RFC 1951: blocks end at any bit and point back 32 KiB at most, so those and a few bits begin any stream anew.
 */
#ifndef PS_SINK_GUNZIP_H
#define PS_SINK_GUNZIP_H

#include "base/err.h"
#include "sink/object_pull.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ps_gunzip; /* opaque */

/** Deflate's bytes may point back this far. */
#define PS_GUNZIP_WINDOW_BYTES ((size_t)32 * 1024)

/** Where unpacking can begin later: between two blocks of deflate, or anywhere in what is not packed. */
struct ps_gunzip_point {
    bool plain;              /* not packed: the rest is the two offsets, which are equal */
    uint64_t packed_bytes;   /* offset of the first byte to pull */
    uint64_t unpacked_bytes; /* offset of the first byte that will be read */
    uint8_t bit_count;       /* 0..7 bits of the byte before belong to the next block: */
    uint8_t bits;
    uint32_t crc32;        /* of the member so far */
    uint32_t member_bytes; /* unpacked, of the member so far, modulo 2^32 */
    uint16_t window_size_bytes;
    uint8_t window[PS_GUNZIP_WINDOW_BYTES];
};

/** Errors: PS_E_NO_MEMORY. */
PS_MUST_USE enum ps_code ps_gunzip_new(struct ps_gunzip **gunzip_out, ps_pull_fn pull, void *user,
                                       struct ps_err *err);
/** NULL is allowed. */
void ps_gunzip_free(struct ps_gunzip *gunzip);

/**
 * Some bytes; *got_out = 0 at the end.
 *
 * Errors:  PS_E_CORRUPT for gzip that is broken, cut, or has another CRC or length; those of pull.
 */
PS_MUST_USE enum ps_code ps_gunzip_read(struct ps_gunzip *gunzip, void *into, size_t size,
                                        size_t *got_out, struct ps_err *err);

/**
 * Begin at point instead, before the first read; skip_bytes are pulled and passed over first.
 *
 * Errors:  PS_E_CORRUPT for a point that cannot be one; PS_E_NO_MEMORY.
 */
PS_MUST_USE enum ps_code ps_gunzip_resume(struct ps_gunzip *gunzip,
                                          const struct ps_gunzip_point *point, uint64_t skip_bytes,
                                          struct ps_err *err);

/** What is read is what was pulled. Known after the first read. */
bool ps_gunzip_is_plain(const struct ps_gunzip *gunzip);

/** Take a point at the next end of a block; an earlier one is forgotten. Nothing happens when memory is out, or nothing is packed. */
void ps_gunzip_want_point(struct ps_gunzip *gunzip);

/** The point that was wanted; NULL = not yet. Borrowed until the next read. */
const struct ps_gunzip_point *ps_gunzip_point(const struct ps_gunzip *gunzip);

#endif
