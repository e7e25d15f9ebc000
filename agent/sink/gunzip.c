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
    bool (*pull)(void *user, void *into, size_t size, size_t *got_out, struct ps_err *err);
    void *user;
    enum kind kind;
    z_stream inflate;
    bool inflate_ready;
    bool pull_ended;
    bool between; /* two members */
    uint64_t pulled_bytes;
    uint8_t *buffer;
    size_t start_bytes; /* what is not used of buffer: start_bytes..end_bytes */
    size_t end_bytes;
};

enum ps_code ps_gunzip_new(struct ps_gunzip **gunzip_out,
                           bool (*pull)(void *user, void *into, size_t size, size_t *got_out,
                                        struct ps_err *err),
                           void *user, struct ps_err *err)
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
    free(gunzip->buffer);
    free(gunzip);
}

uint64_t ps_gunzip_pulled(const struct ps_gunzip *gunzip)
{
    return gunzip->pulled_bytes;
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
        (void)inflateReset(&gunzip->inflate);
    }
    return code;
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
    status = inflate(stream, Z_NO_FLUSH);
    gunzip->start_bytes = gunzip->end_bytes - stream->avail_in;
    *got_out = size - stream->avail_out;
    if (status == Z_STREAM_END) {
        gunzip->between = true;
        return PS_OK;
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

enum ps_code ps_gunzip_read(struct ps_gunzip *gunzip, void *into, size_t size, size_t *got_out,
                            struct ps_err *err)
{
    enum ps_code code = PS_OK;

    *got_out = 0;
    if (gunzip->kind == KIND_UNKNOWN) {
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
