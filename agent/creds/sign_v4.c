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

enum ps_code ps_sign_v4_signature(const struct ps_sign_request *request, struct ps_sign_v4_key *key,
                                  char signature[PS_SIGN_V4_HEX_SIZE], struct ps_err *err)
{
    struct ps_sign_v4_key own_key = { 0 };
    char time[PS_HTTP_DATE_AMZ_SIZE];
    char scope[PS_SIGN_V4_SCOPE_SIZE];
    char hash[PS_SIGN_V4_HEX_SIZE];
    char text[sizeof(PS_SIGN_V4_ALGORITHM) + sizeof(time) + sizeof(scope) + sizeof(hash)];
    uint8_t digest[PS_SHA256_SIZE];
    enum ps_code code = ps_sign_v4_scope(request, time, scope, err);

    if (code == PS_OK) {
        code = ps_sign_v4_canonical_hash(request, hash, err);
    }
    if (code == PS_OK) {
        key = key != NULL ? key : &own_key;
        code = fill_key(request, time, scope, key, err);
    }
    if (code == PS_OK) {
        (void)snprintf(text, sizeof(text), PS_SIGN_V4_ALGORITHM "\n%s\n%s\n%s", time, scope, hash);
        hmac_text(key->bytes, text, digest);
        (void)ps_hex_encode(digest, sizeof(digest), signature);
    }
    ps_sign_v4_key_clear(&own_key);
    return code;
}

enum ps_code ps_sign_v4_authorize(const struct ps_sign_request *request, struct ps_sign_v4_key *key,
                                  struct ps_buf *authorization, struct ps_err *err)
{
    struct ps_buf names = { 0 };
    char time[PS_HTTP_DATE_AMZ_SIZE];
    char scope[PS_SIGN_V4_SCOPE_SIZE];
    char signature[PS_SIGN_V4_HEX_SIZE];
    enum ps_code code = ps_sign_v4_scope(request, time, scope, err);

    if (code == PS_OK) {
        code = ps_sign_v4_signature(request, key, signature, err);
    }
    if (code == PS_OK) {
        code = ps_sign_v4_append_names(&names, request, err);
    }
    if (code == PS_OK) {
        code = ps_buf_append_format(authorization, err,
                                    PS_SIGN_V4_ALGORITHM
                                    " Credential=%s/%s, SignedHeaders=%s, Signature=%s",
                                    request->access_key_id, scope, ps_buf_peek(&names), signature);
    }
    ps_buf_clear(&names);
    return code;
}
