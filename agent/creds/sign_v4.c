#include "creds/sign_v4_internal.h"

#include "base/encode.h"
#include "base/str.h"

#include <stdio.h>
#include <string.h>

#define SCOPE_END "aws4_request"

/** "AWS4" + secret: AWS secrets have 40 characters, those of other stores up to some hundreds. */
#define SECRET_MAX_BYTES 1024

static void hmac_text(const uint8_t key[PS_SHA256_SIZE], const char *text,
                      uint8_t out[PS_SHA256_SIZE])
{
    ps_hmac_sha256(key, PS_SHA256_SIZE, text, strlen(text), out);
}

/* H(H(H(H("AWS4"+secret, DATE), REGION), SERVICE), "aws4_request") */
static enum ps_code derive_key(const struct ps_sign_request *request, const char *time,
                               uint8_t bytes[PS_SHA256_SIZE], struct ps_err *err)
{
    char secret[SECRET_MAX_BYTES];
    char date[9];
    int length = snprintf(secret, sizeof(secret), "AWS4%s", request->secret_access_key);

    if (length < 0 || (size_t)length >= sizeof(secret)) {
        explicit_bzero(secret, sizeof(secret));
        return ps_err_set(err, PS_E_INVALID, "signature: the secret key is too long");
    }
    ps_str_copy(date, sizeof(date), time);
    ps_hmac_sha256(secret, (size_t)length, date, strlen(date), bytes);
    hmac_text(bytes, request->region, bytes);
    hmac_text(bytes, request->service != NULL ? request->service : "s3", bytes);
    hmac_text(bytes, SCOPE_END, bytes);
    explicit_bzero(secret, sizeof(secret));
    return PS_OK;
}

static enum ps_code fill_key(const struct ps_sign_request *request, const char *time,
                             const char *scope, struct ps_sign_v4_key *key, struct ps_err *err)
{
    uint8_t made_for[PS_SHA256_SIZE];
    enum ps_code code;

    ps_hmac_sha256(request->secret_access_key, strlen(request->secret_access_key), scope,
                   strlen(scope), made_for);
    if (key->filled && memcmp(key->made_for, made_for, sizeof(made_for)) == 0) {
        return PS_OK;
    }
    ps_sign_v4_key_clear(key);
    code = derive_key(request, time, key->bytes, err);
    if (code == PS_OK) {
        memcpy(key->made_for, made_for, sizeof(made_for));
        key->filled = true;
    }
    return code;
}

enum ps_code ps_sign_v4_scope(const struct ps_sign_request *request,
                              char time[PS_HTTP_DATE_AMZ_SIZE], char scope[PS_SIGN_V4_SCOPE_SIZE],
                              struct ps_err *err)
{
    const char *service = request->service != NULL ? request->service : "s3";
    int length;

    if (!ps_http_date_format_amz(request->unix_ms, time)) {
        return ps_err_set(err, PS_E_INVALID, "signature: the clock is not between 1970 and 9999");
    }
    length = snprintf(scope, PS_SIGN_V4_SCOPE_SIZE, "%.8s/%s/%s/" SCOPE_END, time, request->region,
                      service);
    if (length < 0 || length >= PS_SIGN_V4_SCOPE_SIZE) {
        return ps_err_set(err, PS_E_INVALID, "signature: the region's name is too long");
    }
    return PS_OK;
}

void ps_sign_v4_key_clear(struct ps_sign_v4_key *key)
{
    explicit_bzero(key, sizeof(*key));
}

enum ps_code ps_sign_v4_key_fill(const struct ps_sign_request *request, struct ps_sign_v4_key *key,
                                 char scope[PS_SIGN_V4_SCOPE_SIZE], struct ps_err *err)
{
    char time[PS_HTTP_DATE_AMZ_SIZE];
    enum ps_code code = ps_sign_v4_scope(request, time, scope, err);

    return code == PS_OK ? fill_key(request, time, scope, key, err) : code;
}

/* What is written beside a signature. */
struct signed_with {
    char time[PS_HTTP_DATE_AMZ_SIZE];
    char scope[PS_SIGN_V4_SCOPE_SIZE];
    struct ps_buf names;
};

static enum ps_code sign(const struct ps_sign_request *request, struct ps_sign_v4_key *key,
                         char signature[PS_SIGN_V4_HEX_SIZE], struct signed_with *with,
                         struct ps_err *err)
{
    struct ps_sign_v4_key own_key = { 0 };
    struct ps_buf text = { 0 };
    char hash[PS_SIGN_V4_HEX_SIZE];
    uint8_t digest[PS_SHA256_SIZE];
    enum ps_code code = ps_sign_v4_scope(request, with->time, with->scope, err);

    if (code == PS_OK) {
        code = ps_sign_v4_hash_named(request, hash, &with->names, err);
    }
    if (code == PS_OK) {
        key = key != NULL ? key : &own_key;
        code = fill_key(request, with->time, with->scope, key, err);
    }
    if (code == PS_OK) {
        code = ps_buf_append_texts(&text, err, PS_SIGN_V4_ALGORITHM "\n", with->time, "\n",
                                   with->scope, "\n", hash, NULL);
    }
    if (code == PS_OK) {
        hmac_text(key->bytes, text.data, digest);
        (void)ps_hex_encode(digest, sizeof(digest), signature);
    }
    ps_sign_v4_key_clear(&own_key);
    ps_buf_clear(&text);
    return code;
}

enum ps_code ps_sign_v4_signature(const struct ps_sign_request *request, struct ps_sign_v4_key *key,
                                  char signature[PS_SIGN_V4_HEX_SIZE], struct ps_err *err)
{
    struct signed_with with = { .names = { 0 } };
    enum ps_code code = sign(request, key, signature, &with, err);

    ps_buf_clear(&with.names);
    return code;
}

enum ps_code ps_sign_v4_authorize(const struct ps_sign_request *request, struct ps_sign_v4_key *key,
                                  struct ps_buf *authorization, struct ps_err *err)
{
    struct signed_with with = { .names = { 0 } };
    char signature[PS_SIGN_V4_HEX_SIZE];
    enum ps_code code = sign(request, key, signature, &with, err);

    if (code == PS_OK) {
        code = ps_buf_append_texts(authorization, err,
                                   PS_SIGN_V4_ALGORITHM " Credential=", request->access_key_id, "/",
                                   with.scope, ", SignedHeaders=", ps_buf_peek(&with.names),
                                   ", Signature=", signature, NULL);
    }
    ps_buf_clear(&with.names);
    return code;
}
