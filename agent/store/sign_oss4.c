#include "store/sign_oss4.h"

#include "base/encode.h"
#include "base/str.h"
#include "http/http_date.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCOPE_END "aliyun_v4_request"
#define KEY_BEGIN "aliyun_v4"

/** "aliyun_v4" + secret: those of Aliyun have 30 characters, those of STS 44. */
#define SECRET_MAX_BYTES 1024

/* --- the signing key --- */

static void hmac_text(const uint8_t key[PS_SHA256_SIZE], const char *text,
                      uint8_t out[PS_SHA256_SIZE])
{
    ps_hmac_sha256(key, PS_SHA256_SIZE, text, strlen(text), out);
}

static const char *product_of(const struct ps_sign_request *request)
{
    return request->service != NULL ? request->service : "oss";
}

/* H(H(H(H("aliyun_v4"+secret, DATE), REGION), PRODUCT), "aliyun_v4_request") */
static enum ps_code derive_key(const struct ps_sign_request *request, const char *scope,
                               uint8_t bytes[PS_SHA256_SIZE], struct ps_err *err)
{
    char secret[SECRET_MAX_BYTES];
    int length = snprintf(secret, sizeof(secret), KEY_BEGIN "%s", request->secret_access_key);
    enum ps_code code = PS_OK;

    if (length < 0 || (size_t)length >= sizeof(secret)) {
        code = ps_err_set(err, PS_E_INVALID, "signature: the secret key is too long");
    } else {
        ps_hmac_sha256(secret, (size_t)length, scope, strlen("YYYYMMDD"), bytes);
        hmac_text(bytes, request->region, bytes);
        hmac_text(bytes, product_of(request), bytes);
        hmac_text(bytes, SCOPE_END, bytes);
    }
    explicit_bzero(secret, sizeof(secret));
    return code;
}

static enum ps_code make_scope(const struct ps_sign_request *request,
                               char time[PS_HTTP_DATE_AMZ_SIZE], char scope[PS_SIGN_V4_SCOPE_SIZE],
                               struct ps_err *err)
{
    int length;

    if (!ps_http_date_format_amz(request->unix_ms, time)) {
        return ps_err_set(err, PS_E_INVALID, "signature: the clock is not between 1970 and 9999");
    }
    length = snprintf(scope, PS_SIGN_V4_SCOPE_SIZE, "%.8s/%s/%s/" SCOPE_END, time, request->region,
                      product_of(request));
    if (length < 0 || length >= PS_SIGN_V4_SCOPE_SIZE) {
        return ps_err_set(err, PS_E_INVALID, "signature: the region's name is too long");
    }
    return PS_OK;
}

enum ps_code ps_sign_oss4_key_fill(const struct ps_sign_request *request,
                                   struct ps_sign_v4_key *key, char scope[PS_SIGN_V4_SCOPE_SIZE],
                                   struct ps_err *err)
{
    char time[PS_HTTP_DATE_AMZ_SIZE];
    uint8_t made_for[PS_SHA256_SIZE];
    enum ps_code code = make_scope(request, time, scope, err);

    if (code != PS_OK) {
        return code;
    }
    ps_hmac_sha256(request->secret_access_key, strlen(request->secret_access_key), scope,
                   strlen(scope), made_for);
    if (key->filled && memcmp(key->made_for, made_for, sizeof(made_for)) == 0) {
        return PS_OK;
    }
    ps_sign_v4_key_clear(key);
    code = derive_key(request, scope, key->bytes, err);
    if (code == PS_OK) {
        memcpy(key->made_for, made_for, sizeof(made_for));
        key->filled = true;
    }
    return code;
}

/* --- the canonical request --- */

static enum ps_code append_path(struct ps_buf *out, const struct ps_sign_request *request,
                                struct ps_err *err)
{
    enum ps_code code = ps_buf_append_str(out, "/", err);

    if (code == PS_OK && request->bucket != NULL) {
        code = ps_uri_encode(out, request->bucket, PS_URI_KEEP_NONE, err);
        if (code == PS_OK) {
            code = ps_buf_append_str(out, "/", err);
        }
        if (code == PS_OK && request->key != NULL) {
            code = ps_uri_encode(out, request->key, PS_URI_KEEP_SLASH, err);
        }
    }
    return code;
}

/* SigV4's query, without the '=' of a parameter that has no value: '=' and '&' in names and values are encoded. */
static enum ps_code append_query(struct ps_buf *out, const struct ps_sign_request *request,
                                 struct ps_err *err)
{
    const struct ps_sign_request like = {
        .query = request->query,
        .query_count = request->query_count,
    };
    struct ps_buf text = { 0 };
    enum ps_code code = ps_sign_v4_append_query(&text, &like, err);
    size_t kept = 0;

    for (size_t i = 0; code == PS_OK && i < text.size_bytes; i++) {
        char next = i + 1 < text.size_bytes ? text.data[i + 1] : '&';

        if (text.data[i] != '=' || next != '&') {
            text.data[kept++] = text.data[i];
        }
    }
    if (code == PS_OK) {
        code = ps_buf_append(out, text.data, kept, err);
    }
    ps_buf_clear(&text);
    return code;
}

static bool is_named(const char *names, const char *name)
{
    size_t length = strlen(name);

    while (names != NULL && *names != '\0') {
        size_t word = strcspn(names, ";");

        if (word == length && memcmp(names, name, word) == 0) {
            return true;
        }
        names += word + (names[word] == ';' ? 1 : 0);
    }
    return false;
}

static bool is_signed(const struct ps_sign_request *request, const char *name)
{
    return ps_str_has_prefix(name, "x-oss-") || strcmp(name, "content-type") == 0 ||
           strcmp(name, "content-md5") == 0 || is_named(request->additional, name);
}

static int compare_headers(const void *a, const void *b)
{
    const struct ps_sign_pair *left = a;
    const struct ps_sign_pair *right = b;

    return strcmp(left->name, right->name);
}

static enum ps_code append_header(struct ps_buf *out, const struct ps_sign_pair *header,
                                  struct ps_err *err)
{
    const char *value = header->value;
    size_t length;

    while (*value == ' ' || *value == '\t') {
        value++;
    }
    length = strlen(value);
    while (length > 0 && (value[length - 1] == ' ' || value[length - 1] == '\t')) {
        length--;
    }
    return ps_buf_append_format(out, err, "%s:%.*s\n", header->name, (int)length, value);
}

static enum ps_code append_headers(struct ps_buf *out, const struct ps_sign_request *request,
                                   struct ps_err *err)
{
    struct ps_sign_pair *sorted =
        calloc(request->header_count + 1, sizeof(*sorted)); /* + 1: never 0 bytes */
    size_t count = 0;
    enum ps_code code = PS_OK;

    if (sorted == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < request->header_count; i++) {
        if (is_signed(request, request->headers[i].name)) {
            sorted[count++] = request->headers[i];
        }
    }
    qsort(sorted, count, sizeof(*sorted), compare_headers);
    for (size_t i = 0; i < count && code == PS_OK; i++) {
        code = append_header(out, &sorted[i], err);
    }
    free(sorted);
    return code;
}

static const char *payload_of(const struct ps_sign_request *request)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (strcmp(request->headers[i].name, "x-oss-content-sha256") == 0) {
            return request->headers[i].value;
        }
    }
    return PS_SIGN_V4_UNSIGNED_PAYLOAD;
}

enum ps_code ps_sign_oss4_canonical(const struct ps_sign_request *request, struct ps_buf *canonical,
                                    struct ps_err *err)
{
    enum ps_code code = ps_buf_append_format(canonical, err, "%s\n", request->method);

    if (code == PS_OK) {
        code = append_path(canonical, request, err);
    }
    if (code == PS_OK) {
        code = ps_buf_append_str(canonical, "\n", err);
    }
    if (code == PS_OK) {
        code = append_query(canonical, request, err);
    }
    if (code == PS_OK) {
        code = ps_buf_append_str(canonical, "\n", err);
    }
    if (code == PS_OK) {
        code = append_headers(canonical, request, err);
    }
    if (code == PS_OK) {
        code = ps_buf_append_format(canonical, err, "\n%s\n%s",
                                    request->additional != NULL ? request->additional : "",
                                    payload_of(request));
    }
    return code;
}

/* --- the signature --- */

static enum ps_code hash_canonical(const struct ps_sign_request *request,
                                   char hash[PS_SIGN_V4_HEX_SIZE], struct ps_err *err)
{
    struct ps_buf canonical = { 0 };
    uint8_t digest[PS_SHA256_SIZE];
    enum ps_code code = ps_sign_oss4_canonical(request, &canonical, err);

    if (code == PS_OK) {
        ps_sha256(canonical.data, canonical.size_bytes, digest);
        (void)ps_hex_encode(digest, sizeof(digest), hash);
    }
    ps_buf_clear(&canonical);
    return code;
}

static enum ps_code sign(const struct ps_sign_request *request, struct ps_sign_v4_key *key,
                         char scope[PS_SIGN_V4_SCOPE_SIZE], char signature[PS_SIGN_V4_HEX_SIZE],
                         struct ps_err *err)
{
    struct ps_sign_v4_key own_key = { 0 };
    char time[PS_HTTP_DATE_AMZ_SIZE];
    char hash[PS_SIGN_V4_HEX_SIZE];
    char text[sizeof(PS_SIGN_OSS4_ALGORITHM) + sizeof(time) + PS_SIGN_V4_SCOPE_SIZE + sizeof(hash)];
    uint8_t digest[PS_SHA256_SIZE];
    enum ps_code code = make_scope(request, time, scope, err);

    key = key != NULL ? key : &own_key;
    if (code == PS_OK) {
        code = hash_canonical(request, hash, err);
    }
    if (code == PS_OK) {
        code = ps_sign_oss4_key_fill(request, key, scope, err);
    }
    if (code == PS_OK) {
        (void)snprintf(text, sizeof(text), PS_SIGN_OSS4_ALGORITHM "\n%s\n%s\n%s", time, scope,
                       hash);
        hmac_text(key->bytes, text, digest);
        (void)ps_hex_encode(digest, sizeof(digest), signature);
    }
    ps_sign_v4_key_clear(&own_key);
    return code;
}

static bool has_additional(const struct ps_sign_request *request)
{
    return request->additional != NULL && request->additional[0] != '\0';
}

enum ps_code ps_sign_oss4_authorize(const struct ps_sign_request *request,
                                    struct ps_sign_v4_key *key, struct ps_buf *authorization,
                                    struct ps_err *err)
{
    char scope[PS_SIGN_V4_SCOPE_SIZE];
    char signature[PS_SIGN_V4_HEX_SIZE];
    bool named = has_additional(request);
    enum ps_code code = sign(request, key, scope, signature, err);

    if (code == PS_OK) {
        code = ps_buf_append_format(
            authorization, err, PS_SIGN_OSS4_ALGORITHM " Credential=%s/%s%s%s,Signature=%s",
            request->access_key_id, scope, named ? ",AdditionalHeaders=" : "",
            named ? request->additional : "", signature);
    }
    return code;
}

/* --- presigned --- */

enum {
    PRESIGN_PAIRS_MAX = 6,
    CREDENTIAL_SIZE = PS_SIGN_V4_SCOPE_SIZE + 256,
};

/* request's parameters and those of the signature; *count_out of them. NULL when memory is out; free(). */
static struct ps_sign_pair *join_query(const struct ps_sign_request *request,
                                       const struct ps_sign_pair *ours, size_t our_count,
                                       size_t *count_out)
{
    struct ps_sign_pair *pairs = calloc(request->query_count + our_count, sizeof(*pairs));

    if (pairs != NULL) {
        if (request->query_count != 0) {
            memcpy(pairs, request->query, request->query_count * sizeof(*pairs));
        }
        memcpy(pairs + request->query_count, ours, our_count * sizeof(*pairs));
        *count_out = request->query_count + our_count;
    }
    return pairs;
}

static enum ps_code append_presigned(const struct ps_sign_request *request,
                                     struct ps_sign_v4_key *key, struct ps_buf *query,
                                     struct ps_err *err)
{
    struct ps_buf text = { 0 };
    char scope[PS_SIGN_V4_SCOPE_SIZE];
    char signature[PS_SIGN_V4_HEX_SIZE];
    enum ps_code code = sign(request, key, scope, signature, err);

    if (code == PS_OK) {
        code = append_query(&text, request, err);
    }
    if (code == PS_OK) {
        code = ps_buf_append_format(&text, err, "&x-oss-signature=%s", signature);
    }
    if (code == PS_OK) {
        code = ps_buf_append(query, text.data, text.size_bytes, err);
    }
    ps_buf_clear(&text);
    return code;
}

enum ps_code ps_sign_oss4_presign(const struct ps_sign_request *request, uint32_t expires_s,
                                  struct ps_sign_v4_key *key, struct ps_buf *query,
                                  struct ps_err *err)
{
    struct ps_sign_request whole = *request;
    struct ps_sign_pair ours[PRESIGN_PAIRS_MAX];
    struct ps_sign_pair *pairs = NULL;
    char time[PS_HTTP_DATE_AMZ_SIZE];
    char scope[PS_SIGN_V4_SCOPE_SIZE];
    char credential[CREDENTIAL_SIZE];
    char expires[16];
    size_t count = 0;
    enum ps_code code = make_scope(request, time, scope, err);
    int length;

    if (code != PS_OK) {
        return code;
    }
    if (expires_s == 0 || expires_s > PS_SIGN_V4_EXPIRES_MAX_S) {
        return ps_err_set(err, PS_E_INVALID, "a presigned URL lives 1 second to 7 days");
    }
    length = snprintf(credential, sizeof(credential), "%s/%s", request->access_key_id, scope);
    if (length < 0 || (size_t)length >= sizeof(credential)) {
        return ps_err_set(err, PS_E_INVALID, "signature: the access key is too long");
    }
    (void)snprintf(expires, sizeof(expires), "%u", expires_s);
    ours[count++] = (struct ps_sign_pair){ "x-oss-signature-version", PS_SIGN_OSS4_ALGORITHM };
    ours[count++] = (struct ps_sign_pair){ "x-oss-date", time };
    ours[count++] = (struct ps_sign_pair){ "x-oss-expires", expires };
    ours[count++] = (struct ps_sign_pair){ "x-oss-credential", credential };
    if (request->session_token != NULL && request->session_token[0] != '\0') {
        ours[count++] = (struct ps_sign_pair){ "x-oss-security-token", request->session_token };
    }
    if (has_additional(request)) {
        ours[count++] = (struct ps_sign_pair){ "x-oss-additional-headers", request->additional };
    }
    pairs = join_query(request, ours, count, &whole.query_count);
    if (pairs == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    whole.query = pairs;
    code = append_presigned(&whole, key, query, err);
    free(pairs);
    return code;
}
