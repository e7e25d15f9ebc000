#include "sink/unpack.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

/** What is pulled at a time. */
#define PULL_BYTES ((size_t)128 * 1024)

enum phase {
    PHASE_UNKNOWN, /* nothing was pulled */
    PHASE_READING,
    PHASE_ENDED,
};

/** RFC 8878 3.1.1, 3.1.2: a frame, or one to be skipped, whose first byte is 0x50..0x5f. */
static const uint8_t zstd_magic[] = { 0x28, 0xb5, 0x2f, 0xfd };
static const uint8_t zstd_skip_magic[] = { 0x50, 0x2a, 0x4d, 0x18 };

/** Larger windows: 128 MiB and more for a few bytes of a stranger's. */
#define WINDOW_LOG_MAX 27

struct ps_unpack {
    ps_pull_fn pull;
    void *user;
    enum phase phase;
    enum ps_unpack_kind kind;
    ZSTD_DCtx *zstd; /* NULL until it is needed */
    int window_log_max;
    bool zstd_open; /* in the middle of a frame */
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
    struct ps_unpack_point *point; /* NULL = never wanted */
    bool has_point;
    uint8_t last; /* the byte before start_bytes */
    uint8_t *buffer;
    size_t start_bytes; /* what is not used of buffer: start_bytes..end_bytes */
    size_t end_bytes;
};

bool ps_unpack_is_zstd(const uint8_t bytes[4])
{
    return memcmp(bytes, zstd_magic, sizeof(zstd_magic)) == 0 ||
           ((bytes[0] & 0xf0) == zstd_skip_magic[0] &&
            memcmp(bytes + 1, zstd_skip_magic + 1, sizeof(zstd_skip_magic) - 1) == 0);
}

enum ps_code ps_unpack_new(struct ps_unpack **unpack_out, ps_pull_fn pull, void *user,
                           struct ps_err *err)
{
    struct ps_unpack *unpack = calloc(1, sizeof(*unpack));

    if (unpack != NULL) {
        unpack->buffer = malloc(PULL_BYTES);
        unpack->inflate_ready = inflateInit2(&unpack->inflate, 16 + MAX_WBITS) == Z_OK;
    }
    if (unpack == NULL || unpack->buffer == NULL || !unpack->inflate_ready) {
        ps_unpack_free(unpack);
        return ps_err_set(err, PS_E_NO_MEMORY, "gzip: out of memory");
    }
    unpack->pull = pull;
    unpack->user = user;
    unpack->window_log_max = WINDOW_LOG_MAX;
    *unpack_out = unpack;
    return PS_OK;
}

void ps_unpack_limit_window(struct ps_unpack *unpack, int window_log)
{
    unpack->window_log_max = window_log;
}

void ps_unpack_free(struct ps_unpack *unpack)
{
    if (unpack == NULL) {
        return;
    }
    if (unpack->inflate_ready) {
        (void)inflateEnd(&unpack->inflate);
    }
    (void)ZSTD_freeDCtx(unpack->zstd);
    free(unpack->point);
    free(unpack->buffer);
    free(unpack);
}

enum ps_unpack_kind ps_unpack_kind(const struct ps_unpack *unpack)
{
    return unpack->kind;
}

/* --- points --- */

void ps_unpack_want_point(struct ps_unpack *unpack)
{
    if (unpack->point_wanted || unpack->kind == PS_UNPACK_PLAIN) {
        return;
    }
    if (unpack->point == NULL) {
        unpack->point = calloc(1, sizeof(*unpack->point));
    }
    unpack->has_point = false;
    unpack->point_wanted = unpack->point != NULL;
}

const struct ps_unpack_point *ps_unpack_take_point(struct ps_unpack *unpack)
{
    bool has_point = unpack->has_point;

    unpack->has_point = false;
    return has_point ? unpack->point : NULL;
}

static void set_offsets(struct ps_unpack *unpack)
{
    unpack->point->kind = unpack->kind;
    unpack->point->packed_bytes = unpack->pulled_bytes - (unpack->end_bytes - unpack->start_bytes);
    unpack->point->unpacked_bytes = unpack->unpacked_bytes;
    unpack->has_point = true;
    unpack->point_wanted = false;
}

/* zlib.h: bit 7 of data_type = at the end of a block, bit 6 = of the last one, bits 0..2 = unused bits of the last byte.
 * After a member's header it stops too: that is as good. */
static void take_point(struct ps_unpack *unpack)
{
    z_stream *stream = &unpack->inflate;
    struct ps_unpack_point *point = unpack->point;
    unsigned int unused_bits = (unsigned int)stream->data_type & 7;
    uInt window_bytes = 0;

    if ((stream->data_type & (128 | 64)) != 128 ||
        inflateGetDictionary(stream, point->window, &window_bytes) != Z_OK) {
        return;
    }
    set_offsets(unpack);
    point->bit_count = (uint8_t)unused_bits;
    point->bits = 0;
    if (unused_bits != 0) {
        point->bits = (uint8_t)(unpack->last >> (8 - unused_bits));
    }
    point->crc32 = unpack->raw ? unpack->crc32 : (uint32_t)stream->adler;
    point->member_bytes = unpack->member_bytes;
    point->window_size_bytes = (uint16_t)window_bytes;
}

static enum ps_code zstd_init(struct ps_unpack *unpack, struct ps_err *err)
{
    unpack->zstd = ZSTD_createDCtx();
    if (unpack->zstd == NULL ||
        ZSTD_isError(ZSTD_DCtx_setParameter(unpack->zstd, ZSTD_d_windowLogMax,
                                            unpack->window_log_max)) != 0) {
        return ps_err_set(err, PS_E_NO_MEMORY, "zstd: out of memory");
    }
    return PS_OK;
}

static enum ps_code resume_gzip(struct ps_unpack *unpack, const struct ps_unpack_point *point,
                                struct ps_err *err)
{
    z_stream *stream = &unpack->inflate;

    if (point->bit_count > 7 || point->window_size_bytes > PS_UNPACK_WINDOW_BYTES ||
        inflateReset2(stream, -MAX_WBITS) != Z_OK ||
        (point->bit_count != 0 && inflatePrime(stream, point->bit_count, point->bits) != Z_OK) ||
        (point->window_size_bytes != 0 &&
         inflateSetDictionary(stream, point->window, point->window_size_bytes) != Z_OK)) {
        return ps_err_set(err, PS_E_CORRUPT, "gzip: cannot begin in the middle");
    }
    unpack->raw = true;
    unpack->crc32 = point->crc32;
    unpack->member_bytes = point->member_bytes;
    return PS_OK;
}

enum ps_code ps_unpack_resume(struct ps_unpack *unpack, const struct ps_unpack_point *point,
                              uint64_t skip_bytes, struct ps_err *err)
{
    unpack->skip_bytes = skip_bytes;
    unpack->pulled_bytes = point->packed_bytes - skip_bytes;
    unpack->unpacked_bytes = point->unpacked_bytes;
    unpack->kind = point->kind;
    unpack->phase = PHASE_READING;
    switch (point->kind) {
    case PS_UNPACK_PLAIN:
        return PS_OK;
    case PS_UNPACK_GZIP:
        return resume_gzip(unpack, point, err);
    case PS_UNPACK_ZSTD:
        return zstd_init(unpack, err);
    }
    return ps_err_set(err, PS_E_CORRUPT, "a place to begin at that is none");
}

/* More bytes behind those that are there, up to the buffer's end. */
static enum ps_code pull_more(struct ps_unpack *unpack, struct ps_err *err)
{
    size_t got_bytes = 0;
    size_t left_bytes = unpack->end_bytes - unpack->start_bytes;

    memmove(unpack->buffer, unpack->buffer + unpack->start_bytes, left_bytes);
    unpack->start_bytes = 0;
    unpack->end_bytes = left_bytes;
    if (!unpack->pull(unpack->user, unpack->buffer + left_bytes, PULL_BYTES - left_bytes,
                      &got_bytes, err)) {
        return err != NULL ? err->code : PS_E_IO;
    }
    unpack->end_bytes += got_bytes;
    unpack->pulled_bytes += got_bytes;
    unpack->pull_ended = got_bytes == 0;
    return PS_OK;
}

static bool is_magic(const struct ps_unpack *unpack)
{
    return unpack->end_bytes - unpack->start_bytes >= 2 &&
           unpack->buffer[unpack->start_bytes] == 0x1f &&
           unpack->buffer[unpack->start_bytes + 1] == 0x8b;
}

/* Pull until so many bytes are there, or the end. */
static enum ps_code fill_to(struct ps_unpack *unpack, size_t size_bytes, struct ps_err *err)
{
    enum ps_code code = PS_OK;

    while (code == PS_OK && !unpack->pull_ended &&
           unpack->end_bytes - unpack->start_bytes < size_bytes) {
        code = pull_more(unpack, err);
    }
    return code;
}

/* Behind a member comes another one or the end; what is neither (padding) is passed over, as gzip does. */
static enum ps_code next_member(struct ps_unpack *unpack, struct ps_err *err)
{
    enum ps_code code = fill_to(unpack, 2, err);

    unpack->between = false;
    if (code == PS_OK && !is_magic(unpack)) {
        unpack->phase = PHASE_ENDED;
    } else if (code == PS_OK) {
        (void)inflateReset2(&unpack->inflate, 16 + MAX_WBITS);
        unpack->raw = false;
        unpack->member_bytes = 0;
    }
    return code;
}

static uint32_t read_u32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

/* RFC 1952 2.3.1: CRC-32 and length, behind the last whole byte of deflate. */
static enum ps_code check_trailer(struct ps_unpack *unpack, struct ps_err *err)
{
    const uint8_t *trailer;
    enum ps_code code = fill_to(unpack, 8, err);

    if (code != PS_OK) {
        return code;
    }
    if (unpack->end_bytes - unpack->start_bytes < 8) {
        return ps_err_set(err, PS_E_CORRUPT, "gzip: it ends in the middle");
    }
    trailer = unpack->buffer + unpack->start_bytes;
    if (read_u32(trailer) != unpack->crc32 || read_u32(trailer + 4) != unpack->member_bytes) {
        return ps_err_set(err, PS_E_CORRUPT, "gzip: its CRC or its length differs");
    }
    unpack->start_bytes += 8;
    return PS_OK;
}

/* What one inflate took and gave. */
static void note_used(struct ps_unpack *unpack, const void *made, size_t made_bytes)
{
    size_t start_bytes = unpack->end_bytes - unpack->inflate.avail_in;

    if (start_bytes > unpack->start_bytes) {
        unpack->last = unpack->buffer[start_bytes - 1];
    }
    unpack->start_bytes = start_bytes;
    unpack->unpacked_bytes += made_bytes;
    unpack->member_bytes += (uint32_t)made_bytes;
    if (unpack->raw) {
        unpack->crc32 = (uint32_t)crc32_z(unpack->crc32, made, made_bytes);
    }
}

static enum ps_code inflate_some(struct ps_unpack *unpack, void *into, size_t size, size_t *got_out,
                                 struct ps_err *err)
{
    z_stream *stream = &unpack->inflate;
    int status;

    if (unpack->start_bytes == unpack->end_bytes && !unpack->pull_ended) {
        enum ps_code code = pull_more(unpack, err);

        if (code != PS_OK) {
            return code;
        }
    }
    stream->next_in = unpack->buffer + unpack->start_bytes;
    stream->avail_in = (uInt)(unpack->end_bytes - unpack->start_bytes);
    stream->next_out = into;
    stream->avail_out = (uInt)size;
    status = inflate(stream, unpack->point_wanted ? Z_BLOCK : Z_NO_FLUSH);
    *got_out = size - stream->avail_out;
    note_used(unpack, into, *got_out);
    if (status == Z_OK && unpack->point_wanted) {
        take_point(unpack);
    }
    if (status == Z_STREAM_END) {
        unpack->between = true;
        return unpack->raw ? check_trailer(unpack, err) : PS_OK;
    }
    if (status == Z_MEM_ERROR) {
        return ps_err_set(err, PS_E_NO_MEMORY, "gzip: out of memory");
    }
    if (status != Z_OK && status != Z_BUF_ERROR) {
        return ps_err_set(err, PS_E_CORRUPT, "gzip: %s",
                          stream->msg != NULL ? stream->msg : "broken");
    }
    if (*got_out == 0 && unpack->pull_ended && unpack->start_bytes == unpack->end_bytes) {
        return ps_err_set(err, PS_E_CORRUPT, "gzip: it ends in the middle");
    }
    return PS_OK;
}

static enum ps_code read_plain(struct ps_unpack *unpack, void *into, size_t size, size_t *got_out,
                               struct ps_err *err)
{
    size_t left_bytes = unpack->end_bytes - unpack->start_bytes;
    size_t got_bytes = 0;

    if (left_bytes > 0) {
        *got_out = left_bytes < size ? left_bytes : size;
        memcpy(into, unpack->buffer + unpack->start_bytes, *got_out);
        unpack->start_bytes += *got_out;
        return PS_OK;
    }
    if (!unpack->pull(unpack->user, into, size, &got_bytes, err)) {
        return err != NULL ? err->code : PS_E_IO;
    }
    unpack->pulled_bytes += got_bytes;
    *got_out = got_bytes;
    return PS_OK;
}

static enum ps_code skip(struct ps_unpack *unpack, struct ps_err *err)
{
    enum ps_code code = PS_OK;

    while (code == PS_OK && unpack->skip_bytes > 0 && !unpack->pull_ended) {
        size_t left_bytes = unpack->end_bytes - unpack->start_bytes;
        size_t skip_bytes =
            left_bytes < unpack->skip_bytes ? left_bytes : (size_t)unpack->skip_bytes;

        unpack->start_bytes += skip_bytes;
        unpack->skip_bytes -= skip_bytes;
        if (unpack->skip_bytes > 0) {
            code = pull_more(unpack, err);
        }
    }
    return code;
}

/* --- zstd --- */

static enum ps_code read_zstd(struct ps_unpack *unpack, void *into, size_t size, size_t *got_out,
                              struct ps_err *err)
{
    enum ps_code code = fill_to(unpack, 1, err);
    ZSTD_inBuffer in = { unpack->buffer + unpack->start_bytes,
                         unpack->end_bytes - unpack->start_bytes, 0 };
    ZSTD_outBuffer out = { into, size, 0 };
    size_t status;

    if (code != PS_OK) {
        return code;
    }
    if (in.size == 0 && !unpack->zstd_open) {
        unpack->phase = PHASE_ENDED;
        return PS_OK;
    }
    status = ZSTD_decompressStream(unpack->zstd, &out, &in);
    if (ZSTD_getErrorCode(status) == ZSTD_error_frameParameter_windowTooLarge) {
        return ps_err_set(err, PS_E_REFUSED, "zstd: its window is larger than %llu MiB",
                          1ULL << unpack->window_log_max >> 20);
    }
    if (ZSTD_isError(status) != 0) {
        return ps_err_set(err, PS_E_CORRUPT, "zstd: %s", ZSTD_getErrorName(status));
    }
    if (in.size == 0 && out.pos == 0) {
        return ps_err_set(err, PS_E_CORRUPT, "zstd: it ends in the middle");
    }
    unpack->start_bytes += in.pos;
    unpack->unpacked_bytes += out.pos;
    unpack->zstd_open = status != 0;
    *got_out = out.pos;
    if (status == 0 && unpack->point_wanted) {
        set_offsets(unpack);
    }
    return PS_OK;
}

static enum ps_code find_kind(struct ps_unpack *unpack, struct ps_err *err)
{
    enum ps_code code = fill_to(unpack, sizeof(zstd_magic), err);

    unpack->phase = PHASE_READING;
    if (code == PS_OK && is_magic(unpack)) {
        unpack->kind = PS_UNPACK_GZIP;
    } else if (code == PS_OK && unpack->end_bytes - unpack->start_bytes >= sizeof(zstd_magic) &&
               ps_unpack_is_zstd(unpack->buffer + unpack->start_bytes)) {
        unpack->kind = PS_UNPACK_ZSTD;
        code = zstd_init(unpack, err);
    }
    return code;
}

static enum ps_code read_some(struct ps_unpack *unpack, void *into, size_t size, size_t *got_out,
                              struct ps_err *err)
{
    switch (unpack->kind) {
    case PS_UNPACK_PLAIN:
        return read_plain(unpack, into, size, got_out, err);
    case PS_UNPACK_GZIP:
        return unpack->between ? next_member(unpack, err)
                               : inflate_some(unpack, into, size, got_out, err);
    case PS_UNPACK_ZSTD:
        return read_zstd(unpack, into, size, got_out, err);
    }
    return PS_OK;
}

enum ps_code ps_unpack_read(struct ps_unpack *unpack, void *into, size_t size, size_t *got_out,
                            struct ps_err *err)
{
    enum ps_code code = PS_OK;

    *got_out = 0;
    if (unpack->skip_bytes > 0) {
        code = skip(unpack, err);
    } else if (unpack->phase == PHASE_UNKNOWN) {
        code = find_kind(unpack, err);
    }
    if (unpack->kind == PS_UNPACK_PLAIN) {
        return code == PS_OK ? read_plain(unpack, into, size, got_out, err) : code;
    }
    while (code == PS_OK && *got_out == 0 && unpack->phase == PHASE_READING) {
        code = read_some(unpack, into, size, got_out, err);
    }
    return code;
}
