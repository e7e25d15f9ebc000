/**
 * unpack - bytes that are pulled, unpacked where they are gzip or zstd and as they are where not; checksums are checked.
 *
 * Flow:    a pull of bytes -> [unpack] -> sink/archive_writer.h
 * Thread:  one at a time; blocks in the pull
 * Source:  RFC 1952, several members one after the other included. libarchive's own gzip filter (3.6) checks no CRC.
 *          RFC 1951: blocks end at any bit and point back 32 KiB at most, so those and a few bits begin any stream anew.
 *          RFC 8878: only a zstd frame can be begun at; purser's own archives have one every 64 MiB.
 */
#ifndef PS_SINK_UNPACK_H
#define PS_SINK_UNPACK_H

#include "base/err.h"
#include "sink/object_pull.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ps_unpack; /* opaque */

/** Deflate's bytes may point back this far. */
#define PS_UNPACK_WINDOW_BYTES ((size_t)32 * 1024)

enum ps_unpack_kind {
    PS_UNPACK_PLAIN, /* stored: never renumber */
    PS_UNPACK_GZIP = 1,
    PS_UNPACK_ZSTD = 2,
};

/** Where unpacking can begin later: between two blocks of deflate or frames of zstd, or anywhere in what is not packed. */
struct ps_unpack_point {
    enum ps_unpack_kind kind;
    uint64_t packed_bytes;   /* plain: both are equal; offset of the first byte to pull */
    uint64_t unpacked_bytes; /* offset of the first byte that will be read */
    /* gzip only: */
    uint8_t bit_count; /* 0..7 bits of the byte before belong to the next block: */
    uint8_t bits;
    uint32_t crc32;        /* of the member so far */
    uint32_t member_bytes; /* unpacked, of the member so far, modulo 2^32 */
    uint16_t window_size_bytes;
    uint8_t window[PS_UNPACK_WINDOW_BYTES];
};

/** Whether zstd begins with these bytes; gzip and what is not packed do not. */
bool ps_unpack_is_zstd(const uint8_t bytes[4]);

/** Errors: PS_E_NO_MEMORY. */
PS_MUST_USE enum ps_code ps_unpack_new(struct ps_unpack **unpack_out, ps_pull_fn pull, void *user,
                                       struct ps_err *err);
/** Refuse zstd whose window is larger than 2^window_log, 10..27; without this call 27, as the zstd program does. */
void ps_unpack_limit_window(struct ps_unpack *unpack, int window_log);

/** NULL is allowed. */
void ps_unpack_free(struct ps_unpack *unpack);

/**
 * Some bytes; *got_out = 0 at the end.
 *
 * Errors:  PS_E_CORRUPT for what is broken, cut, or has another checksum or length; PS_E_REFUSED for a window that is
 *          too large; those of pull.
 */
PS_MUST_USE enum ps_code ps_unpack_read(struct ps_unpack *unpack, void *into, size_t size,
                                        size_t *got_out, struct ps_err *err);

/**
 * Begin at point instead, before the first read; skip_bytes are pulled and passed over first.
 *
 * Errors:  PS_E_CORRUPT for a point that cannot be one; PS_E_NO_MEMORY.
 */
PS_MUST_USE enum ps_code ps_unpack_resume(struct ps_unpack *unpack,
                                          const struct ps_unpack_point *point, uint64_t skip_bytes,
                                          struct ps_err *err);

/** What it is. Known after the first read. */
enum ps_unpack_kind ps_unpack_kind(const struct ps_unpack *unpack);

/**
 * Take a point at the next end of a block or frame, which of zstd may be never; the one before is forgotten. Nothing
 * happens when one is wanted already, memory is out, or nothing is packed.
 */
void ps_unpack_want_point(struct ps_unpack *unpack);

/** The point that was wanted, once; NULL = not yet. Borrowed until the next read. */
const struct ps_unpack_point *ps_unpack_take_point(struct ps_unpack *unpack);

#endif
