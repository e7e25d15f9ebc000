/**
 * prefix_archive_internal - what prefix_archive.c (the loop's side) and prefix_archive_encode.c (the worker's) share.
 *
 * Flow:    prefix_archive.c -> batches of commands -> prefix_archive_encode.c -> bytes
 * Thread:  a batch and the encoder are the worker's while its job runs, else the loop's
 * Source:  none
 */
#ifndef PS_TRANSFER_PREFIX_ARCHIVE_INTERNAL_H
#define PS_TRANSFER_PREFIX_ARCHIVE_INTERNAL_H

#include "base/buf.h"
#include "base/err.h"
#include "source/archive_encoder.h"
#include "source/gzip_block.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Input of one job. Lower: more hops to workers. Higher: memory. */
#define PS_PREFIX_BATCH_BYTES ((size_t)256 * 1024)
/** Small objects share a job: a header, data and an end each. */
#define PS_PREFIX_COMMANDS_MAX 192

enum ps_prefix_command_kind {
    PS_PREFIX_FILE,      /* bytes: the name with its NUL */
    PS_PREFIX_DIRECTORY, /* the same; has no data and no end of its own */
    PS_PREFIX_DATA,      /* bytes: the object's */
    PS_PREFIX_FILE_END,
    PS_PREFIX_LAST,
};

struct ps_prefix_command {
    enum ps_prefix_command_kind kind;
    size_t offset_bytes; /* in the batch */
    size_t size_bytes;
    uint64_t object_size_bytes;
    int64_t mtime_ns;
};

struct ps_prefix_batch {
    char *bytes; /* PS_PREFIX_BATCH_BYTES */
    size_t used_bytes;
    struct ps_prefix_command commands[PS_PREFIX_COMMANDS_MAX];
    size_t count;
};

/** Makes an archive of commands; holds no store and no loop. */
struct ps_prefix_encoder {
    enum ps_archive_format format;
    struct ps_archive_encoder *archive; /* made by the first batch */
    struct ps_buf raw;                  /* of a tar.gz: the tar's bytes that are not deflated yet */
    struct ps_buf out;                  /* what the reader gets */

    struct ps_gzip_deflater *deflater;
    uint8_t window[PS_GZIP_WINDOW_BYTES];
    size_t window_size_bytes;
    uint8_t *deflated; /* PS_GZIP_BLOCK_MAX_BYTES */
    uint64_t raw_bytes;
    uint32_t crc32;
};

void ps_prefix_encoder_init(struct ps_prefix_encoder *encoder, enum ps_archive_format format);
void ps_prefix_encoder_clear(struct ps_prefix_encoder *encoder);

/** Do what the batch says; appends to encoder->out. Errors: those of the encoder and the deflater. */
PS_MUST_USE enum ps_code ps_prefix_encoder_run(struct ps_prefix_encoder *encoder,
                                               const struct ps_prefix_batch *batch,
                                               struct ps_err *err);

#endif
