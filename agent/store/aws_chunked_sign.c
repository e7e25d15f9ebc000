#include "store/aws_chunked.h"

#include "base/encode.h"
#include "http/http_date.h"

#include <stdio.h>
#include <string.h>

/* ALGORITHM \n TIME \n SCOPE \n PREVIOUS \n rest */
static void sign_text(const struct ps_aws_chunked_signer *signer, const char *algorithm,
                      const char *previous, const char *rest, char *signature)
{
    char text[64 + sizeof(signer->time) + sizeof(signer->scope) + 3 * (size_t)PS_SIGN_V4_HEX_SIZE];
    uint8_t digest[PS_SHA256_SIZE];
    int length = snprintf(text, sizeof(text), "%s\n%s\n%s\n%s\n%s", algorithm, signer->time,
                          signer->scope, previous, rest);

    ps_hmac_sha256(signer->key.bytes, sizeof(signer->key.bytes), text, (size_t)length, digest);
    (void)ps_hex_encode(digest, sizeof(digest), signature);
}

enum ps_code ps_aws_chunked_signer_init(struct ps_aws_chunked_signer *signer,
                                        const struct ps_sign_request *request,
                                        struct ps_sign_v4_key *key, struct ps_err *err)
{
    struct ps_aws_chunked_signer made = { .time = "" };
    enum ps_code code;

    if (key != NULL) {
        made.key = *key;
    }
    code = ps_sign_v4_key_fill(request, &made.key, made.scope, err);
    if (code == PS_OK) {
        /* Cannot fail: the scope was made from the same time. */
        (void)ps_http_date_format_amz(request->unix_ms, made.time);
        *signer = made;
        if (key != NULL) {
            *key = made.key;
        }
    }
    ps_aws_chunked_signer_clear(&made);
    return code;
}

void ps_aws_chunked_signer_clear(struct ps_aws_chunked_signer *signer)
{
    explicit_bzero(signer, sizeof(*signer));
}

void ps_aws_chunked_sign_chunk(const struct ps_aws_chunked_signer *signer, const char *previous,
                               const void *data, size_t size_bytes,
                               char signature[PS_SIGN_V4_HEX_SIZE])
{
    char hashes[2 * PS_SIGN_V4_HEX_SIZE];
    uint8_t digest[PS_SHA256_SIZE];

    ps_sha256(NULL, 0, digest);
    (void)ps_hex_encode(digest, sizeof(digest), hashes);
    hashes[PS_SIGN_V4_HEX_SIZE - 1] = '\n';
    ps_sha256(data, size_bytes, digest);
    (void)ps_hex_encode(digest, sizeof(digest), hashes + PS_SIGN_V4_HEX_SIZE);
    sign_text(signer, PS_SIGN_V4_ALGORITHM "-PAYLOAD", previous, hashes, signature);
}

void ps_aws_chunked_sign_trailer(const struct ps_aws_chunked_signer *signer, const char *previous,
                                 const char *name, const char *value,
                                 char signature[PS_SIGN_V4_HEX_SIZE])
{
    char line[160];
    char hash[PS_SIGN_V4_HEX_SIZE];
    uint8_t digest[PS_SHA256_SIZE];

    (void)snprintf(line, sizeof(line), "%s:%s\n", name, value);
    ps_sha256(line, strlen(line), digest);
    (void)ps_hex_encode(digest, sizeof(digest), hash);
    sign_text(signer, PS_SIGN_V4_ALGORITHM "-TRAILER", previous, hash, signature);
}
