#include "store/aws_chunked.h"

#include "base/encode.h"
#include "base/str.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_EXTENSION ";chunk-signature="
#define TRAILER_SIGNATURE "x-amz-trailer-signature:"
#define SIGNATURE_LENGTH ((size_t)PS_SIGN_V4_HEX_SIZE - 1)

enum {
    /* "1000000;chunk-signature=" + signature + CRLF, and for the last frame the trailer with its signature. */
    HEAD_SIZE = 320,
};

/* The encoded body is a row of frames: one a chunk, and a last one of framing alone. */
struct ps_aws_chunked {
    struct ps_aws_chunked_options options;
    struct ps_aws_chunked_signer signer;
    char seed_signature[PS_SIGN_V4_HEX_SIZE];
    struct ps_checksum checksum_value;
    uint64_t encoded_size_bytes;

    uint64_t offset;                     /* of the next byte that comes out */
    uint64_t data_bytes;                 /* of the body, taken into chunks so far */
    char signature[PS_SIGN_V4_HEX_SIZE]; /* of the last frame that was made */
    struct ps_hasher hasher;

    bool frame_ready;
    char head[HEAD_SIZE]; /* before the data; all of the last frame */
    size_t head_bytes;
    size_t chunk_bytes; /* in chunk so far; when the frame is ready, all of them */
    size_t frame_at;    /* how much of the frame has come out */
    uint8_t *chunk;     /* chunk_size_bytes + 2, for CRLF */
};

static bool is_signed(enum ps_aws_chunked_form form)
{
    return form != PS_AWS_CHUNKED_UNSIGNED_TRAILER;
}

static bool has_trailer(enum ps_aws_chunked_form form)
{
    return form != PS_AWS_CHUNKED_SIGNED;
}

static uint32_t chunk_size_of(const struct ps_aws_chunked_options *options)
{
    return options->chunk_size_bytes != 0 ? options->chunk_size_bytes
                                          : PS_AWS_CHUNKED_CHUNK_DEFAULT_BYTES;
}

/* --- sizes --- */

/* "hex(size)[;chunk-signature=SIG]\r\n" */
static uint64_t head_size(enum ps_aws_chunked_form form, uint32_t chunk_bytes)
{
    char digits[16];
    int length = snprintf(digits, sizeof(digits), "%x", chunk_bytes);

    return (uint64_t)length + 2 +
           (is_signed(form) ? strlen(CHUNK_EXTENSION) + SIGNATURE_LENGTH : 0);
}

static uint64_t chunk_frame_size(enum ps_aws_chunked_form form, uint32_t chunk_bytes)
{
    return head_size(form, chunk_bytes) + chunk_bytes + 2;
}

static uint64_t last_frame_size(const struct ps_aws_chunked_options *options)
{
    uint64_t size = head_size(options->form, 0) + 2;

    if (has_trailer(options->form)) {
        size += strlen(ps_aws_chunked_trailer_name(options->checksum)) + 1 +
                PS_BASE64_SIZE(ps_checksum_size(options->checksum)) - 1 + 2;
    }
    if (options->form == PS_AWS_CHUNKED_SIGNED_TRAILER) {
        size += strlen(TRAILER_SIGNATURE) + SIGNATURE_LENGTH + 2;
    }
    return size;
}

static enum ps_code check_options(const struct ps_aws_chunked_options *options, struct ps_err *err)
{
    uint32_t chunk_bytes = chunk_size_of(options);

    if (chunk_bytes < PS_AWS_CHUNKED_CHUNK_MIN_BYTES ||
        chunk_bytes > PS_AWS_CHUNKED_CHUNK_MAX_BYTES) {
        return ps_err_set(err, PS_E_INVALID, "aws-chunked: chunks are 8 KiB to 16 MiB");
    }
    if (has_trailer(options->form) && ps_aws_chunked_trailer_name(options->checksum) == NULL) {
        return ps_err_set(err, PS_E_INVALID, "aws-chunked: a trailer cannot be a checksum %s",
                          ps_checksum_name(options->checksum));
    }
    if (!has_trailer(options->form) && options->checksum != PS_CHECKSUM_NONE) {
        return ps_err_set(err, PS_E_INVALID, "aws-chunked: this form has no checksum");
    }
    return PS_OK;
}

enum ps_code ps_aws_chunked_size(const struct ps_aws_chunked_options *options,
                                 uint64_t *size_bytes_out, struct ps_err *err)
{
    uint32_t chunk_bytes = chunk_size_of(options);
    uint64_t body_bytes = options->body.size_bytes;
    uint64_t size;
    enum ps_code code = check_options(options, err);

    if (code != PS_OK) {
        return code;
    }
    /* With room for the last two frames: then no sum below can overflow. */
    if (!ps_mul_u64(body_bytes / chunk_bytes, chunk_frame_size(options->form, chunk_bytes),
                    &size) ||
        size > UINT64_MAX - 2 * (uint64_t)PS_AWS_CHUNKED_CHUNK_MAX_BYTES) {
        return ps_err_set(err, PS_E_TOO_LARGE, "aws-chunked: the body is too large");
    }
    if (body_bytes % chunk_bytes != 0) {
        size += chunk_frame_size(options->form, (uint32_t)(body_bytes % chunk_bytes));
    }
    *size_bytes_out = size + last_frame_size(options);
    return PS_OK;
}

/* --- names --- */

const char *ps_aws_chunked_payload(enum ps_aws_chunked_form form)
{
    switch (form) {
    case PS_AWS_CHUNKED_SIGNED:
        return "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
    case PS_AWS_CHUNKED_SIGNED_TRAILER:
        return "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
    case PS_AWS_CHUNKED_UNSIGNED_TRAILER:
        return "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
    }
    return "";
}

const char *ps_aws_chunked_trailer_name(enum ps_checksum_algorithm algorithm)
{
    switch (algorithm) {
    case PS_CHECKSUM_CRC64_NVME:
        return "x-amz-checksum-crc64nvme";
    case PS_CHECKSUM_CRC32C:
        return "x-amz-checksum-crc32c";
    case PS_CHECKSUM_CRC32:
        return "x-amz-checksum-crc32";
    case PS_CHECKSUM_SHA256:
        return "x-amz-checksum-sha256";
    case PS_CHECKSUM_NONE:
    case PS_CHECKSUM_CRC64_ECMA:
    case PS_CHECKSUM_MD5:
        return NULL;
    }
    return NULL;
}

/* --- frames --- */

static bool restart(struct ps_aws_chunked *chunked)
{
    chunked->offset = 0;
    chunked->data_bytes = 0;
    chunked->frame_ready = false;
    chunked->chunk_bytes = 0;
    memcpy(chunked->signature, chunked->seed_signature, sizeof(chunked->signature));
    ps_hasher_clear(&chunked->hasher);
    return chunked->checksum_value.algorithm != PS_CHECKSUM_NONE ||
           ps_hasher_init(&chunked->hasher, chunked->options.checksum, NULL) == PS_OK;
}

static void append_head(struct ps_aws_chunked *chunked, const char *text)
{
    ps_str_copy(chunked->head + chunked->head_bytes, sizeof(chunked->head) - chunked->head_bytes,
                text);
    chunked->head_bytes += strlen(chunked->head + chunked->head_bytes);
}

/* "400;chunk-signature=...\r\n" for what is in chunk. */
static void make_head(struct ps_aws_chunked *chunked)
{
    char digits[24];

    (void)snprintf(digits, sizeof(digits), "%zx", chunked->chunk_bytes);
    chunked->head_bytes = 0;
    append_head(chunked, digits);
    if (is_signed(chunked->options.form)) {
        ps_aws_chunked_sign_chunk(&chunked->signer, chunked->signature, chunked->chunk,
                                  chunked->chunk_bytes, chunked->signature);
        append_head(chunked, CHUNK_EXTENSION);
        append_head(chunked, chunked->signature);
    }
    append_head(chunked, "\r\n");
}

static void append_trailer(struct ps_aws_chunked *chunked)
{
    const char *name = ps_aws_chunked_trailer_name(chunked->options.checksum);
    struct ps_checksum sum = chunked->checksum_value;
    char value[PS_CHECKSUM_TEXT_SIZE];

    if (sum.algorithm == PS_CHECKSUM_NONE) {
        sum = ps_hasher_finish(&chunked->hasher);
    }
    (void)ps_checksum_to_base64(&sum, value);
    append_head(chunked, name);
    append_head(chunked, ":");
    append_head(chunked, value);
    append_head(chunked, "\r\n");
    if (is_signed(chunked->options.form)) {
        ps_aws_chunked_sign_trailer(&chunked->signer, chunked->signature, name, value,
                                    chunked->signature);
        append_head(chunked, TRAILER_SIGNATURE);
        append_head(chunked, chunked->signature);
        append_head(chunked, "\r\n");
    }
}

/* Bytes of the chunk that comes next; 0 = the last frame. */
static size_t wanted_bytes(const struct ps_aws_chunked *chunked)
{
    uint64_t left = chunked->options.body.size_bytes - chunked->data_bytes;
    uint32_t chunk_bytes = chunk_size_of(&chunked->options);

    return left < chunk_bytes ? (size_t)left : chunk_bytes;
}

/* Fill chunk; 1 when it is full, else PS_BODY_LATER or PS_BODY_FAILED. */
static ssize_t fill_chunk(struct ps_aws_chunked *chunked, size_t wanted)
{
    const struct ps_body *body = &chunked->options.body;

    while (chunked->chunk_bytes < wanted) {
        size_t room = wanted - chunked->chunk_bytes;
        ssize_t got = body->read(body->user, chunked->data_bytes + chunked->chunk_bytes,
                                 chunked->chunk + chunked->chunk_bytes, room);

        if (got == PS_BODY_LATER) {
            return PS_BODY_LATER;
        }
        if (got <= 0 || (size_t)got > room) {
            return PS_BODY_FAILED;
        }
        chunked->chunk_bytes += (size_t)got;
    }
    return 1;
}

/* Make the next frame ready; results as fill_chunk. */
static ssize_t make_frame(struct ps_aws_chunked *chunked)
{
    size_t wanted = wanted_bytes(chunked);
    ssize_t filled = fill_chunk(chunked, wanted);

    if (filled != 1) {
        return filled;
    }
    make_head(chunked);
    if (wanted != 0) {
        if (chunked->checksum_value.algorithm == PS_CHECKSUM_NONE) {
            ps_hasher_update(&chunked->hasher, chunked->chunk, wanted);
        }
    } else if (has_trailer(chunked->options.form)) {
        append_trailer(chunked);
    }
    memcpy(chunked->chunk + wanted, "\r\n", 2);
    chunked->data_bytes += wanted;
    chunked->frame_at = 0;
    chunked->frame_ready = true;
    return 1;
}

/* Take up to size bytes of the frame that is ready; into NULL = skip them. */
static size_t take(struct ps_aws_chunked *chunked, uint8_t *into, size_t size)
{
    size_t tail_bytes = chunked->chunk_bytes + 2;
    bool in_head = chunked->frame_at < chunked->head_bytes;
    size_t tail_at = in_head ? 0 : chunked->frame_at - chunked->head_bytes;
    size_t left = in_head ? chunked->head_bytes - chunked->frame_at : tail_bytes - tail_at;
    size_t taken = size < left ? size : left;

    if (into != NULL && in_head) {
        memcpy(into, chunked->head + chunked->frame_at, taken);
    } else if (into != NULL) {
        memcpy(into, chunked->chunk + tail_at, taken);
    }
    chunked->frame_at += taken;
    chunked->offset += taken;
    if (chunked->frame_at == chunked->head_bytes + tail_bytes) {
        chunked->frame_ready = false;
        chunked->chunk_bytes = 0;
    }
    return taken;
}

/* Up to size bytes from where it stands; into NULL = skip them. */
static ssize_t go_on(struct ps_aws_chunked *chunked, uint8_t *into, size_t size)
{
    size_t done = 0;

    while (done < size && chunked->offset < chunked->encoded_size_bytes) {
        if (!chunked->frame_ready) {
            ssize_t made = make_frame(chunked);

            if (made != 1) {
                return done > 0 && made == PS_BODY_LATER ? (ssize_t)done : made;
            }
        }
        done += take(chunked, into != NULL ? into + done : NULL, size - done);
    }
    return (ssize_t)done;
}

/* Go to offset, from the start if need be; 1 when there, else as fill_chunk. */
static ssize_t seek(struct ps_aws_chunked *chunked, uint64_t offset)
{
    if (offset < chunked->offset && !restart(chunked)) {
        return PS_BODY_FAILED;
    }
    while (chunked->offset < offset) {
        uint64_t left = offset - chunked->offset;
        ssize_t skipped = go_on(chunked, NULL, left < SSIZE_MAX ? (size_t)left : SSIZE_MAX);

        if (skipped <= 0) {
            return skipped < 0 ? skipped : PS_BODY_FAILED;
        }
    }
    return 1;
}

ssize_t ps_aws_chunked_read(void *user, uint64_t offset, void *into, size_t size)
{
    struct ps_aws_chunked *chunked = user;
    ssize_t there;

    if (offset >= chunked->encoded_size_bytes) {
        return 0;
    }
    there = seek(chunked, offset);
    return there == 1 ? go_on(chunked, into, size) : there;
}

/* --- life --- */

enum ps_code ps_aws_chunked_new(struct ps_aws_chunked **chunked_out,
                                const struct ps_aws_chunked_options *options, struct ps_err *err)
{
    uint64_t encoded_size_bytes = 0;
    struct ps_aws_chunked *chunked;
    enum ps_code code = ps_aws_chunked_size(options, &encoded_size_bytes, err);

    if (code != PS_OK) {
        return code;
    }
    if (is_signed(options->form) && (options->signer == NULL || options->seed_signature == NULL)) {
        return ps_err_set(err, PS_E_INVALID, "aws-chunked: this form needs a signature");
    }
    if (options->checksum_value != NULL && options->checksum_value->algorithm != PS_CHECKSUM_NONE &&
        options->checksum_value->algorithm != options->checksum) {
        return ps_err_set(err, PS_E_INVALID, "aws-chunked: the checksum is of another kind");
    }
    chunked = calloc(1, sizeof(*chunked));
    if (chunked == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "aws-chunked: out of memory");
    }
    chunked->options = *options;
    chunked->encoded_size_bytes = encoded_size_bytes;
    if (is_signed(options->form)) {
        chunked->signer = *options->signer;
        ps_str_copy(chunked->seed_signature, sizeof(chunked->seed_signature),
                    options->seed_signature);
    }
    if (options->checksum_value != NULL && has_trailer(options->form)) {
        chunked->checksum_value = *options->checksum_value;
    }
    chunked->chunk = malloc((size_t)chunk_size_of(options) + 2);
    if (chunked->chunk == NULL || !restart(chunked)) {
        ps_aws_chunked_free(chunked);
        return ps_err_set(err, PS_E_NO_MEMORY, "aws-chunked: out of memory");
    }
    *chunked_out = chunked;
    return PS_OK;
}

void ps_aws_chunked_free(struct ps_aws_chunked *chunked)
{
    if (chunked == NULL) {
        return;
    }
    ps_hasher_clear(&chunked->hasher);
    ps_aws_chunked_signer_clear(&chunked->signer);
    free(chunked->chunk);
    free(chunked);
}
