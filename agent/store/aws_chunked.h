/**
 * aws_chunked - the body of a streaming S3 upload: chunks with a signature each, or a checksum behind the data.
 *
 * Flow:    struct ps_body -> [aws_chunked] -> struct ps_body of the encoded bytes, http/http_client.h
 * Thread:  the loop thread
 * Source:  Amazon S3 API reference, "Signature calculations: multiple chunks", "... including trailing headers"
 *
 * The length of the encoded body is known before the first byte is read. Every byte of it follows from the options and
 * the data alone, so reading again from any offset gives the same bytes. The request carries
 * x-amz-content-sha256 (ps_aws_chunked_payload), x-amz-decoded-content-length, content-encoding: aws-chunked, and for
 * the forms with a trailer x-amz-trailer (ps_aws_chunked_trailer_name); Content-Length is the encoded size.
 */
#ifndef PS_STORE_AWS_CHUNKED_H
#define PS_STORE_AWS_CHUNKED_H

#include "creds/sign_v4.h"
#include "hash/checksum.h"
#include "store/store.h"

enum ps_aws_chunked_form {
    PS_AWS_CHUNKED_SIGNED,           /* each chunk signed */
    PS_AWS_CHUNKED_SIGNED_TRAILER,   /* the same, then a signed checksum */
    PS_AWS_CHUNKED_UNSIGNED_TRAILER, /* a checksum behind the data; for https */
};

/**
 * 64 KiB keeps the framing at 0.14 %. Lower: more framing, and S3 refuses chunks under 8 KiB. Higher: more memory a
 * request.
 */
#define PS_AWS_CHUNKED_CHUNK_DEFAULT_BYTES 65536U
#define PS_AWS_CHUNKED_CHUNK_MIN_BYTES 8192U
#define PS_AWS_CHUNKED_CHUNK_MAX_BYTES (16U * 1024 * 1024)

/** Key, time and scope of one request's signature. */
struct ps_aws_chunked_signer {
    struct ps_sign_v4_key key;
    char time[17]; /* x-amz-date */
    char scope[PS_SIGN_V4_SCOPE_SIZE];
};

/** Make the signer that belongs to request. key: a cache, may be NULL. Errors: PS_E_INVALID as ps_sign_v4_authorize. */
PS_MUST_USE enum ps_code ps_aws_chunked_signer_init(struct ps_aws_chunked_signer *signer,
                                                    const struct ps_sign_request *request,
                                                    struct ps_sign_v4_key *key, struct ps_err *err);

/** Wipe. Safe twice. */
void ps_aws_chunked_signer_clear(struct ps_aws_chunked_signer *signer);

/** The signature of one chunk, which follows that of the chunk before, or of the request. signature may be previous. */
void ps_aws_chunked_sign_chunk(const struct ps_aws_chunked_signer *signer, const char *previous,
                               const void *data, size_t size_bytes,
                               char signature[PS_SIGN_V4_HEX_SIZE]);

/** The signature of the trailer "name:value", which follows that of the empty last chunk. */
void ps_aws_chunked_sign_trailer(const struct ps_aws_chunked_signer *signer, const char *previous,
                                 const char *name, const char *value,
                                 char signature[PS_SIGN_V4_HEX_SIZE]);

/** The value of x-amz-content-sha256. Static. */
const char *ps_aws_chunked_payload(enum ps_aws_chunked_form form);

/** "x-amz-checksum-crc64nvme"; NULL for an algorithm that S3 does not take there. Static. */
const char *ps_aws_chunked_trailer_name(enum ps_checksum_algorithm algorithm);

struct ps_aws_chunked_options {
    enum ps_aws_chunked_form form;
    struct ps_body body;       /* the data; its user must live as long as the encoder */
    uint32_t chunk_size_bytes; /* 0 = the default */
    /** Of the trailer; PS_CHECKSUM_NONE with PS_AWS_CHUNKED_SIGNED. */
    enum ps_checksum_algorithm checksum;
    /** The whole body's, when it is known; NULL or NONE = it is computed as the data pass. Copied. */
    const struct ps_checksum *checksum_value;
    /** Copied; NULL for the unsigned form. */
    const struct ps_aws_chunked_signer *signer;
    /** That of the request's headers; copied; NULL for the unsigned form. */
    const char *seed_signature;
};

/**
 * The size of the encoded body, which the signed Content-Length needs before there is a seed signature. signer,
 * seed_signature, checksum_value and the functions of body are not looked at.
 *
 * Errors:  PS_E_INVALID for a chunk size out of range or a checksum that does not fit the form; PS_E_TOO_LARGE.
 */
PS_MUST_USE enum ps_code ps_aws_chunked_size(const struct ps_aws_chunked_options *options,
                                             uint64_t *size_bytes_out, struct ps_err *err);

struct ps_aws_chunked;

/** Make an encoder: one for each attempt, as each is signed anew. Errors: as ps_aws_chunked_size; PS_E_NO_MEMORY. */
PS_MUST_USE enum ps_code ps_aws_chunked_new(struct ps_aws_chunked **chunked_out,
                                            const struct ps_aws_chunked_options *options,
                                            struct ps_err *err);

/** NULL is allowed. */
void ps_aws_chunked_free(struct ps_aws_chunked *chunked);

/**
 * The read function of a struct ps_body whose user is the encoder: up to size bytes of the encoded body from offset
 * on, 0 at its end.
 *
 * On from where the last call stopped costs one copy. Any other offset reads the body anew from its start.
 * PS_BODY_LATER and PS_BODY_FAILED come from the body; a body that ends early is PS_BODY_FAILED too.
 */
ssize_t ps_aws_chunked_read(void *user, uint64_t offset, void *into, size_t size);

#endif
