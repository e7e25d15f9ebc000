#include "sink/gunzip.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/** What is pulled at a time. */
#define PULL_BYTES ((size_t)128 * 1024)

enum kind {
    KIND_UNKNOWN, /* nothing was pulled */
    KIND_PLAIN,
    KIND_GZIP,
    KIND_ENDED,
};

struct ps_gunzip {
    ps_pull_fn pull;
    void *user;
    enum kind kind;
    z_stream inflate;
    bool inflate_ready;
    bool pull_ended;
    bool between;   /* two members */
    bool raw;       /* begun in the middle of a member: the trailer is checked here, not by zlib */
    uint32_t crc32; /* raw: of the member so far */
    uint32_t member_bytes; /* modulo 2^32 */
    uint64_t skip_bytes;   /* to be passed over first */
    uint64_t pulled_bytes; /* offset behind the last byte pulled */
    uint64_t unpacked_bytes;
    bool point_wanted;
    struct ps_gunzip_point *point; /* NULL = never wanted */
    bool has_point;
    uint8_t last; /* the byte before start_bytes */
    uint8_t *buffer;
    size_t start_bytes; /* what is not used of buffer: start_bytes..end_bytes */
    size_t end_bytes;
};

enum ps_code ps_gunzip_new(struct ps_gunzip **gunzip_out, ps_pull_fn pull, void *user,
                           struct ps_err *err)
{
    struct ps_gunzip *gunzip = calloc(1, sizeof(*gunzip));

    if (gunzip != NULL) {
        gunzip->buffer = malloc(PULL_BYTES);
        gunzip->inflate_ready = inflateInit2(&gunzip->inflate, 16 + MAX_WBITS) == Z_OK;
    }
    if (gunzip == NULL || gunzip->buffer == NULL || !gunzip->inflate_ready) {
        ps_gunzip_free(gunzip);
        return ps_err_set(err, PS_E_NO_MEMORY, "gzip: out of memory");
    }
    gunzip->pull = pull;
    gunzip->user = user;
    *gunzip_out = gunzip;
    return PS_OK;
}

void ps_gunzip_free(struct ps_gunzip *gunzip)
{
    if (gunzip == NULL) {
        return;
    }
    if (gunzip->inflate_ready) {
        (void)inflateEnd(&gunzip->inflate);
    }
    free(gunzip->point);
    free(gunzip->buffer);
    free(gunzip);
}

bool ps_gunzip_is_plain(const struct ps_gunzip *gunzip)
{
    return gunzip->kind == KIND_PLAIN;
}

/* --- points --- */

void ps_gunzip_want_point(struct ps_gunzip *gunzip)
{
    if (gunzip->point == NULL) {
        gunzip->point = calloc(1, sizeof(*gunzip->point));
    }
    gunzip->has_point = false;
    gunzip->point_wanted = gunzip->point != NULL && gunzip->kind == KIND_GZIP;
}

const struct ps_gunzip_point *ps_gunzip_point(const struct ps_gunzip *gunzip)
{
    return gunzip->has_point ? gunzip->point : NULL;
}

/* zlib.h: bit 7 of data_type = at the end of a block, bit 6 = of the last one, bits 0..2 = unused bits of the last byte.
 * After a member's header it stops too: that is as good. */
static void take_point(struct ps_gunzip *gunzip)
{
    z_stream *stream = &gunzip->inflate;
    struct ps_gunzip_point *point = gunzip->point;
    unsigned int unused_bits = (unsigned int)stream->data_type & 7;
    uInt window_bytes = 0;

    if ((stream->data_type & (128 | 64)) != 128 ||
        inflateGetDictionary(stream, point->window, &window_bytes) != Z_OK) {
        return;
    }
    point->packed_bytes = gunzip->pulled_bytes - (gunzip->end_bytes - gunzip->start_bytes);
    point->unpacked_bytes = gunzip->unpacked_bytes;
    point->bit_count = (uint8_t)unused_bits;
    point->bits = 0;
    if (unused_bits != 0) {
        point->bits = (uint8_t)(gunzip->last >> (8 - unused_bits));
    }
    point->crc32 = gunzip->raw ? gunzip->crc32 : (uint32_t)stream->adler;
    point->member_bytes = gunzip->member_bytes;
    point->window_size_bytes = (uint16_t)window_bytes;
    gunzip->has_point = true;
    gunzip->point_wanted = false;
}

static enum ps_code resume_packed(struct ps_gunzip *gunzip, const struct ps_gunzip_point *point,
                                  struct ps_err *err)
{
    z_stream *stream = &gunzip->inflate;

    if (point->bit_count > 7 || point->window_size_bytes > PS_GUNZIP_WINDOW_BYTES ||
        inflateReset2(stream, -MAX_WBITS) != Z_OK ||
        (point->bit_count != 0 && inflatePrime(stream, point->bit_count, point->bits) != Z_OK) ||
        (point->window_size_bytes != 0 &&
         inflateSetDictionary(stream, point->window, point->window_size_bytes) != Z_OK)) {
        return ps_err_set(err, PS_E_CORRUPT, "gzip: cannot begin in the middle");
    }
    gunzip->kind = KIND_GZIP;
    gunzip->raw = true;
    gunzip->crc32 = point->crc32;
    gunzip->member_bytes = point->member_bytes;
    return PS_OK;
}

enum ps_code ps_gunzip_resume(struct ps_gunzip *gunzip, const struct ps_gunzip_point *point,
                              uint64_t skip_bytes, struct ps_err *err)
{
    gunzip->skip_bytes = skip_bytes;
    gunzip->pulled_bytes = point->packed_bytes - skip_bytes;
    gunzip->unpacked_bytes = point->unpacked_bytes;
    if (point->plain) {
        gunzip->kind = KIND_PLAIN;
        return PS_OK;
    }
    return resume_packed(gunzip, point, err);
}

/* More bytes behind those that are there, up to the buffer's end. */
static enum ps_code pull_more(struct ps_gunzip *gunzip, struct ps_err *err)
{
    size_t got_bytes = 0;
    size_t left_bytes = gunzip->end_bytes - gunzip->start_bytes;

    memmove(gunzip->buffer, gunzip->buffer + gunzip->start_bytes, left_bytes);
    gunzip->start_bytes = 0;
    gunzip->end_bytes = left_bytes;
    if (!gunzip->pull(gunzip->user, gunzip->buffer + left_bytes, PULL_BYTES - left_bytes,
                      &got_bytes, err)) {
        return err != NULL ? err->code : PS_E_IO;
    }
    gunzip->end_bytes += got_bytes;
    gunzip->pulled_bytes += got_bytes;
    gunzip->pull_ended = got_bytes == 0;
    return PS_OK;
}

static bool is_magic(const struct ps_gunzip *gunzip)
{
    return gunzip->end_bytes - gunzip->start_bytes >= 2 &&
           gunzip->buffer[gunzip->start_bytes] == 0x1f &&
           gunzip->buffer[gunzip->start_bytes + 1] == 0x8b;
}

static enum ps_code fill_two(struct ps_gunzip *gunzip, struct ps_err *err)
{
    enum ps_code code = PS_OK;

    while (code == PS_OK && !gunzip->pull_ended && gunzip->end_bytes - gunzip->start_bytes < 2) {
        code = pull_more(gunzip, err);
    }
    return code;
}

/* Behind a member comes another one or the end; what is neither (padding) is passed over, as gzip does. */
static enum ps_code next_member(struct ps_gunzip *gunzip, struct ps_err *err)
{
    enum ps_code code = fill_two(gunzip, err);

    gunzip->between = false;
    if (code == PS_OK && !is_magic(gunzip)) {
        gunzip->kind = KIND_ENDED;
    } else if (code == PS_OK) {
        (void)inflateReset2(&gunzip->inflate, 16 + MAX_WBITS);
        gunzip->raw = false;
        gunzip->member_bytes = 0;
    }
    return code;
}

static uint32_t read_u32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

/* RFC 1952 2.3.1: CRC-32 and length, behind the last whole byte of deflate. */
static enum ps_code check_trailer(struct ps_gunzip *gunzip, struct ps_err *err)
{
    const uint8_t *trailer;
    enum ps_code code = PS_OK;

    while (code == PS_OK && !gunzip->pull_ended && gunzip->end_bytes - gunzip->start_bytes < 8) {
        code = pull_more(gunzip, err);
    }
    if (code != PS_OK) {
        return code;
    }
    if (gunzip->end_bytes - gunzip->start_bytes < 8) {
        return ps_err_set(err, PS_E_CORRUPT, "gzip: it ends in the middle");
    }
    trailer = gunzip->buffer + gunzip->start_bytes;
    if (read_u32(trailer) != gunzip->crc32 || read_u32(trailer + 4) != gunzip->member_bytes) {
        return ps_err_set(err, PS_E_CORRUPT, "gzip: its CRC or its length differs");
    }
    gunzip->start_bytes += 8;
    return PS_OK;
}

/* What one inflate took and gave. */
static void note_used(struct ps_gunzip *gunzip, const void *made, size_t made_bytes)
{
    size_t start_bytes = gunzip->end_bytes - gunzip->inflate.avail_in;

    if (start_bytes > gunzip->start_bytes) {
        gunzip->last = gunzip->buffer[start_bytes - 1];
    }
    gunzip->start_bytes = start_bytes;
    gunzip->unpacked_bytes += made_bytes;
    gunzip->member_bytes += (uint32_t)made_bytes;
    if (gunzip->raw) {
        gunzip->crc32 = (uint32_t)crc32_z(gunzip->crc32, made, made_bytes);
    }
}

static enum ps_code inflate_some(struct ps_gunzip *gunzip, void *into, size_t size, size_t *got_out,
                                 struct ps_err *err)
{
    z_stream *stream = &gunzip->inflate;
    int status;

    if (gunzip->start_bytes == gunzip->end_bytes && !gunzip->pull_ended) {
        enum ps_code code = pull_more(gunzip, err);

        if (code != PS_OK) {
            return code;
        }
    }
    stream->next_in = gunzip->buffer + gunzip->start_bytes;
    stream->avail_in = (uInt)(gunzip->end_bytes - gunzip->start_bytes);
    stream->next_out = into;
    stream->avail_out = (uInt)size;
    status = inflate(stream, gunzip->point_wanted ? Z_BLOCK : Z_NO_FLUSH);
    *got_out = size - stream->avail_out;
    note_used(gunzip, into, *got_out);
    if (status == Z_OK && gunzip->point_wanted) {
        take_point(gunzip);
    }
    if (status == Z_STREAM_END) {
        gunzip->between = true;
        return gunzip->raw ? check_trailer(gunzip, err) : PS_OK;
    }
    if (status == Z_MEM_ERROR) {
        return ps_err_set(err, PS_E_NO_MEMORY, "gzip: out of memory");
    }
    if (status != Z_OK && status != Z_BUF_ERROR) {
        return ps_err_set(err, PS_E_CORRUPT, "gzip: %s",
                          stream->msg != NULL ? stream->msg : "broken");
    }
    if (*got_out == 0 && gunzip->pull_ended && gunzip->start_bytes == gunzip->end_bytes) {
        return ps_err_set(err, PS_E_CORRUPT, "gzip: it ends in the middle");
    }
    return PS_OK;
}

static enum ps_code read_plain(struct ps_gunzip *gunzip, void *into, size_t size, size_t *got_out,
                               struct ps_err *err)
{
    size_t left_bytes = gunzip->end_bytes - gunzip->start_bytes;
    size_t got_bytes = 0;

    if (left_bytes > 0) {
        *got_out = left_bytes < size ? left_bytes : size;
        memcpy(into, gunzip->buffer + gunzip->start_bytes, *got_out);
        gunzip->start_bytes += *got_out;
        return PS_OK;
    }
    if (!gunzip->pull(gunzip->user, into, size, &got_bytes, err)) {
        return err != NULL ? err->code : PS_E_IO;
    }
    gunzip->pulled_bytes += got_bytes;
    *got_out = got_bytes;
    return PS_OK;
}

static enum ps_code skip(struct ps_gunzip *gunzip, struct ps_err *err)
{
    enum ps_code code = PS_OK;

    while (code == PS_OK && gunzip->skip_bytes > 0 && !gunzip->pull_ended) {
        size_t left_bytes = gunzip->end_bytes - gunzip->start_bytes;
        size_t skip_bytes =
            left_bytes < gunzip->skip_bytes ? left_bytes : (size_t)gunzip->skip_bytes;

        gunzip->start_bytes += skip_bytes;
        gunzip->skip_bytes -= skip_bytes;
        if (gunzip->skip_bytes > 0) {
            code = pull_more(gunzip, err);
        }
    }
    return code;
}

enum ps_code ps_gunzip_read(struct ps_gunzip *gunzip, void *into, size_t size, size_t *got_out,
                            struct ps_err *err)
{
    enum ps_code code = PS_OK;

    *got_out = 0;
    if (gunzip->skip_bytes > 0) {
        code = skip(gunzip, err);
    } else if (gunzip->kind == KIND_UNKNOWN) {
        code = fill_two(gunzip, err);
        gunzip->kind = is_magic(gunzip) ? KIND_GZIP : KIND_PLAIN;
    }
    if (code == PS_OK && gunzip->kind == KIND_PLAIN) {
        return read_plain(gunzip, into, size, got_out, err);
    }
    while (code == PS_OK && *got_out == 0 && gunzip->kind == KIND_GZIP) {
        code = gunzip->between ? next_member(gunzip, err)
                               : inflate_some(gunzip, into, size, got_out, err);
    }
    return code;
}
