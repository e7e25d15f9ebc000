#include "transfer/prefix_archive_internal.h"

#include "hash/checksum.h"

#include <stdlib.h>
#include <string.h>

/** As a file that anybody may read: stores keep no modes. */
#define FILE_MODE 0644U
#define DIRECTORY_MODE 0755U

/** 3 is ISA-L's: several hundred MB/s a core, so a network decides the pace; 4 is a third as fast for 3 % less. */
#define GZIP_LEVEL 3
/** A reader of a stream waits for its bytes; zlib's 6 costs three times as much as 1 for a tenth. */
#define ZIP_LEVEL 1

/**
 * A tar is deflated in blocks of exactly this, wherever batches end: the same tar gives the same bytes. Lower: worse
 * ratio. Higher: the first byte comes later.
 */
#define DEFLATE_BYTES ((size_t)128 * 1024)

/** Bytes of one batch and what the format adds: headers of a tar are at most 1.5 KiB and the name, twice. */
#define OUT_LIMIT_BYTES ((size_t)4 * 1024 * 1024)

void ps_prefix_encoder_init(struct ps_prefix_encoder *encoder, enum ps_archive_format format)
{
    memset(encoder, 0, sizeof(*encoder));
    encoder->format = format;
    ps_buf_init(&encoder->raw, OUT_LIMIT_BYTES);
    /* A zip's directory comes in one piece. */
    ps_buf_init(&encoder->out, format == PS_ARCHIVE_ZIP ? (size_t)1 << 30 : OUT_LIMIT_BYTES);
}

void ps_prefix_encoder_clear(struct ps_prefix_encoder *encoder)
{
    ps_archive_encoder_free(encoder->archive);
    encoder->archive = NULL;
    ps_gzip_deflater_free(encoder->deflater);
    encoder->deflater = NULL;
    free(encoder->deflated);
    encoder->deflated = NULL;
    ps_buf_clear(&encoder->raw);
    ps_buf_clear(&encoder->out);
}

static enum ps_code start_gzip(struct ps_prefix_encoder *encoder, struct ps_err *err)
{
    uint8_t header[PS_GZIP_HEADER_BYTES];

    encoder->deflated = malloc(PS_GZIP_BLOCK_MAX_BYTES);
    if (encoder->deflated == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    ps_gzip_header(GZIP_LEVEL, header);
    if (ps_buf_append(&encoder->out, header, sizeof(header), err) != PS_OK) {
        return PS_E_NO_MEMORY;
    }
    return ps_gzip_deflater_new(&encoder->deflater, GZIP_LEVEL, err);
}

static enum ps_code start(struct ps_prefix_encoder *encoder, struct ps_err *err)
{
    bool gzip = encoder->format == PS_ARCHIVE_TAR_GZ;
    enum ps_code code = gzip ? start_gzip(encoder, err) : PS_OK;

    return code == PS_OK ? ps_archive_encoder_new(&encoder->archive, encoder->format, ZIP_LEVEL,
                                                  gzip ? &encoder->raw : &encoder->out, err)
                         : code;
}

/* --- gzip --- */

static void keep_window(struct ps_prefix_encoder *encoder, const char *data, size_t size_bytes)
{
    size_t keep_bytes = size_bytes < PS_GZIP_WINDOW_BYTES ? size_bytes : PS_GZIP_WINDOW_BYTES;
    size_t old_bytes = encoder->window_size_bytes;

    if (old_bytes + keep_bytes > PS_GZIP_WINDOW_BYTES) {
        old_bytes = PS_GZIP_WINDOW_BYTES - keep_bytes;
    }
    memmove(encoder->window, encoder->window + encoder->window_size_bytes - old_bytes, old_bytes);
    memcpy(encoder->window + old_bytes, data + size_bytes - keep_bytes, keep_bytes);
    encoder->window_size_bytes = old_bytes + keep_bytes;
}

static enum ps_code add_crc(struct ps_prefix_encoder *encoder, uint32_t crc32, size_t size_bytes,
                            struct ps_err *err)
{
    struct ps_checksum whole = ps_checksum_from_u64(PS_CHECKSUM_CRC32, encoder->crc32);
    struct ps_checksum next = ps_checksum_from_u64(PS_CHECKSUM_CRC32, crc32);
    enum ps_code code = ps_checksum_combine(&whole, &next, size_bytes, err);

    encoder->crc32 = (uint32_t)ps_checksum_to_u64(&whole);
    encoder->raw_bytes += size_bytes;
    return code;
}

static enum ps_code deflate_block(struct ps_prefix_encoder *encoder, const char *data,
                                  size_t size_bytes, struct ps_err *err)
{
    struct ps_gzip_block block = {
        .window = encoder->window,
        .window_size_bytes = encoder->window_size_bytes,
        .data = data,
        .size_bytes = size_bytes,
        .out = encoder->deflated,
    };
    enum ps_code code = ps_gzip_deflate(encoder->deflater, &block, err);

    if (code == PS_OK) {
        code = add_crc(encoder, block.crc32, size_bytes, err);
    }
    if (code == PS_OK) {
        code = ps_buf_append(&encoder->out, encoder->deflated, block.out_size_bytes, err);
    }
    keep_window(encoder, data, size_bytes);
    return code;
}

static enum ps_code deflate(struct ps_prefix_encoder *encoder, bool last, struct ps_err *err)
{
    uint8_t trailer[PS_GZIP_TRAILER_BYTES];
    size_t done_bytes = 0;
    enum ps_code code = PS_OK;

    while (code == PS_OK && encoder->raw.size_bytes - done_bytes >= (last ? 1 : DEFLATE_BYTES)) {
        size_t left_bytes = encoder->raw.size_bytes - done_bytes;
        size_t size_bytes = left_bytes < DEFLATE_BYTES ? left_bytes : DEFLATE_BYTES;

        code = deflate_block(encoder, encoder->raw.data + done_bytes, size_bytes, err);
        done_bytes += size_bytes;
    }
    if (done_bytes > 0) {
        size_t left_bytes = encoder->raw.size_bytes - done_bytes;

        memmove(encoder->raw.data, encoder->raw.data + done_bytes, left_bytes);
        encoder->raw.size_bytes = left_bytes;
    }
    if (last && code == PS_OK) {
        ps_gzip_trailer(encoder->crc32, encoder->raw_bytes, trailer);
        code = ps_buf_append(&encoder->out, trailer, sizeof(trailer), err);
    }
    return code;
}

/* --- commands --- */

static enum ps_code add_entry(struct ps_prefix_encoder *encoder,
                              const struct ps_prefix_command *command, const char *name,
                              struct ps_err *err)
{
    bool directory = command->kind == PS_PREFIX_DIRECTORY;
    const struct ps_archive_entry entry = {
        .path = name,
        .kind = directory ? PS_ARCHIVE_DIRECTORY : PS_ARCHIVE_FILE,
        .mode = directory ? DIRECTORY_MODE : FILE_MODE,
        .size_bytes = command->object_size_bytes,
        .mtime_ns = command->mtime_ns,
    };
    enum ps_code code = ps_archive_encoder_entry(encoder->archive, &entry, err);

    return code == PS_OK && directory ? ps_archive_encoder_entry_end(encoder->archive, err) : code;
}

static enum ps_code run_command(struct ps_prefix_encoder *encoder,
                                const struct ps_prefix_command *command, const char *bytes,
                                struct ps_err *err)
{
    switch (command->kind) {
    case PS_PREFIX_FILE:
    case PS_PREFIX_DIRECTORY:
        return add_entry(encoder, command, bytes, err);
    case PS_PREFIX_DATA:
        return ps_archive_encoder_data(encoder->archive, bytes, command->size_bytes, err);
    case PS_PREFIX_FILE_END:
        return ps_archive_encoder_entry_end(encoder->archive, err);
    case PS_PREFIX_LAST:
        return ps_archive_encoder_end(encoder->archive, err);
    }
    return ps_err_set(err, PS_E_BUG, "unknown command");
}

enum ps_code ps_prefix_encoder_run(struct ps_prefix_encoder *encoder,
                                   const struct ps_prefix_batch *batch, struct ps_err *err)
{
    bool last = batch->count > 0 && batch->commands[batch->count - 1].kind == PS_PREFIX_LAST;
    enum ps_code code = encoder->archive == NULL ? start(encoder, err) : PS_OK;

    for (size_t i = 0; i < batch->count && code == PS_OK; i++) {
        code = run_command(encoder, &batch->commands[i],
                           batch->bytes + batch->commands[i].offset_bytes, err);
    }
    return code == PS_OK && encoder->format == PS_ARCHIVE_TAR_GZ ? deflate(encoder, last, err)
                                                                 : code;
}
