#include "store/s3_request.h"

#include "base/encode.h"
#include "base/str.h"
#include "http/http_date.h"

#include <stdlib.h>
#include <string.h>

enum {
    DATE_SIZE = PS_HTTP_DATE_IMF_SIZE > PS_HTTP_DATE_AMZ_SIZE ? PS_HTTP_DATE_IMF_SIZE
                                                              : PS_HTTP_DATE_AMZ_SIZE,
};

/** Headers that are added here: host, date, payload hash, token. */
#define OWN_HEADERS_MAX 4

static enum ps_code no_memory(struct ps_err *err)
{
    return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
}

char *ps_s3_request_host(const struct ps_s3_store *store)
{
    char *derived = store->host == NULL ? store->dialect->region_host(store) : NULL;
    const char *host = store->host != NULL ? store->host : derived;
    char *whole = NULL;

    if (host != NULL) {
        whole = store->path_style ? ps_strdup(host) : ps_str_format("%s.%s", store->bucket, host);
    }
    free(derived);
    return whole;
}

enum ps_code ps_s3_request_path(const struct ps_s3_store *store, const char *key,
                                struct ps_buf *path, struct ps_err *err)
{
    enum ps_code code = ps_uri_encode(path, store->base_path, PS_URI_KEEP_SLASH, err);

    if (code == PS_OK && store->path_style) {
        code = ps_buf_append_str(path, "/", err);
        if (code == PS_OK) {
            code = ps_uri_encode(path, store->bucket, PS_URI_KEEP_NONE, err);
        }
        if (code != PS_OK || key == NULL) {
            return code;
        }
    }
    if (code == PS_OK) {
        code = ps_buf_append_str(path, "/", err);
    }
    if (code == PS_OK && key != NULL) {
        code = ps_uri_encode(path, key, PS_URI_KEEP_SLASH, err);
    }
    return code;
}

static enum ps_code append_query(struct ps_buf *url, const struct ps_s3_pairs *query,
                                 struct ps_err *err)
{
    enum ps_code code = PS_OK;

    for (size_t i = 0; i < query->count && code == PS_OK; i++) {
        code = ps_buf_append_str(url, i == 0 ? "?" : "&", err);
        if (code == PS_OK) {
            code = ps_uri_encode(url, query->items[i].name, PS_URI_KEEP_NONE, err);
        }
        if (code == PS_OK) {
            code = ps_buf_append_str(url, "=", err);
        }
        if (code == PS_OK) {
            code = ps_uri_encode(url, query->items[i].value, PS_URI_KEEP_NONE, err);
        }
    }
    return code;
}

/* The scheme's own port is not part of Host, neither as signed nor as curl sends it. */
static void drop_default_port(const struct ps_s3_store *store, char *host)
{
    const char *port = strcmp(store->scheme, "https") == 0 ? ":443" : ":80";

    if (ps_str_has_suffix(host, port)) {
        host[strlen(host) - strlen(port)] = '\0';
    }
}

static enum ps_code add_line(struct ps_s3_request *request, const char *name, const char *value,
                             struct ps_err *err)
{
    struct ps_buf line = { 0 };
    /* curl takes "name;" as a header without a value. */
    enum ps_code code =
        ps_buf_append_texts(&line, err, name, value[0] != '\0' ? ": " : ";", value, NULL);

    if (code == PS_OK) {
        request->lines[request->line_count++] = ps_buf_steal(&line);
    }
    ps_buf_clear(&line);
    return code;
}

/* What is signed: the caller's headers, and those of every request. */
struct signing {
    struct ps_sign_pair *headers;
    size_t header_count;
    struct ps_sign_pair *query;
    char date[DATE_SIZE];
    int64_t now_unix_ms;
    char *host;
    struct ps_buf path;
    struct ps_buf authorization;
};

static void add_signed(struct signing *signing, const char *name, const char *value)
{
    if (name == NULL) {
        return; /* the dialect has no such header */
    }
    signing->headers[signing->header_count].name = name;
    signing->headers[signing->header_count].value = value;
    signing->header_count++;
}

static void signing_clear(struct signing *signing)
{
    free(signing->headers);
    free(signing->query);
    free(signing->host);
    ps_buf_clear(&signing->path);
    ps_buf_clear(&signing->authorization);
}

static bool format_date(struct signing *signing, const struct ps_s3_dialect *dialect)
{
    return dialect->date_is_imf ? ps_http_date_format_imf(signing->now_unix_ms, signing->date)
                                : ps_http_date_format_amz(signing->now_unix_ms, signing->date);
}

static enum ps_code collect(struct signing *signing, const struct ps_s3_store *store,
                            const struct ps_s3_request_parts *parts, const struct ps_creds *creds,
                            struct ps_err *err)
{
    const struct ps_s3_dialect *dialect = store->dialect;

    signing->now_unix_ms = ps_clock_unix_ms(store->clock) + store->clock_offset_ms;
    signing->headers = calloc(parts->headers->count + OWN_HEADERS_MAX, sizeof(*signing->headers));
    signing->query = calloc(parts->query->count + 1, sizeof(*signing->query));
    signing->host = ps_s3_request_host(store);
    if (signing->headers == NULL || signing->query == NULL || signing->host == NULL) {
        return no_memory(err);
    }
    drop_default_port(store, signing->host);
    if (!format_date(signing, dialect)) {
        return ps_err_set(err, PS_E_INVALID, "this machine's clock is before 1970: set it");
    }
    add_signed(signing, "host", signing->host);
    add_signed(signing, dialect->date, signing->date);
    add_signed(signing, dialect->content_sha256, parts->payload_hash);
    if (creds->session_token != NULL) {
        add_signed(signing, dialect->security_token, creds->session_token);
    }
    for (size_t i = 0; i < parts->headers->count; i++) {
        add_signed(signing, parts->headers->items[i].name, parts->headers->items[i].value);
    }
    for (size_t i = 0; i < parts->query->count; i++) {
        signing->query[i].name = parts->query->items[i].name;
        signing->query[i].value = parts->query->items[i].value;
    }
    return ps_s3_request_path(store, parts->key, &signing->path, err);
}

static struct ps_sign_request to_sign(const struct signing *signing,
                                      const struct ps_s3_store *store,
                                      const struct ps_s3_request_parts *parts,
                                      const struct ps_creds *creds)
{
    return (struct ps_sign_request){
        .method = parts->method,
        .path = ps_buf_peek(&signing->path),
        .bucket = store->bucket,
        .key = parts->key,
        .query = signing->query,
        .query_count = parts->query->count,
        .headers = signing->headers,
        .header_count = signing->header_count,
        .payload_hash = parts->payload_hash,
        .unix_ms = signing->now_unix_ms,
        .region = store->region,
        .access_key_id = creds->access_key_id,
        .secret_access_key = creds->secret_access_key,
        .session_token = creds->session_token,
    };
}

static enum ps_code write_out(const struct signing *signing, const struct ps_s3_store *store,
                              const struct ps_s3_pairs *query, struct ps_s3_request *request,
                              struct ps_err *err)
{
    enum ps_code code = ps_buf_append_texts(&request->url, err, store->scheme, "://", signing->host,
                                            ps_buf_peek(&signing->path), NULL);

    if (code == PS_OK) {
        code = append_query(&request->url, query, err);
    }
    if (code != PS_OK) {
        return code;
    }
    request->lines = calloc(signing->header_count + 1, sizeof(*request->lines));
    if (request->lines == NULL) {
        return no_memory(err);
    }
    /* Host is written by curl from the URL, to the same text. */
    for (size_t i = 1; i < signing->header_count && code == PS_OK; i++) {
        code = add_line(request, signing->headers[i].name, signing->headers[i].value, err);
    }
    if (code == PS_OK) {
        code = add_line(request, "authorization", ps_buf_peek(&signing->authorization), err);
    }
    return code;
}

enum ps_code ps_s3_request_build(struct ps_s3_store *store, const struct ps_s3_request_parts *parts,
                                 const struct ps_creds *creds, struct ps_s3_request *request_out,
                                 struct ps_err *err)
{
    struct signing signing = { 0 };
    struct ps_s3_request request = { 0 };
    enum ps_code code = collect(&signing, store, parts, creds, err);

    if (code == PS_OK) {
        const struct ps_sign_request asked = to_sign(&signing, store, parts, creds);

        code = store->dialect->authorize(store, &asked, &signing.authorization, err);
    }
    if (code == PS_OK) {
        code = write_out(&signing, store, parts->query, &request, err);
    }
    signing_clear(&signing);
    if (code != PS_OK) {
        ps_s3_request_clear(&request);
        return code;
    }
    *request_out = request;
    return PS_OK;
}

/* host is the one header that every user of a URL sends; others are asked for. */
static enum ps_code collect_url(struct signing *signing, const struct ps_s3_store *store,
                                const struct ps_s3_request_parts *parts, struct ps_err *err)
{
    const struct ps_s3_pairs *query = parts->query;

    signing->now_unix_ms = ps_clock_unix_ms(store->clock) + store->clock_offset_ms;
    signing->headers = calloc(1 + parts->headers->count, sizeof(*signing->headers));
    signing->query = calloc(query->count + 1, sizeof(*signing->query));
    signing->host = ps_s3_request_host(store);
    if (signing->headers == NULL || signing->query == NULL || signing->host == NULL) {
        return no_memory(err);
    }
    drop_default_port(store, signing->host);
    add_signed(signing, "host", signing->host);
    for (size_t i = 0; i < parts->headers->count; i++) {
        add_signed(signing, parts->headers->items[i].name, parts->headers->items[i].value);
    }
    for (size_t i = 0; i < query->count; i++) {
        signing->query[i].name = query->items[i].name;
        signing->query[i].value = query->items[i].value;
    }
    return ps_s3_request_path(store, parts->key, &signing->path, err);
}

enum ps_code ps_s3_request_presign(struct ps_s3_store *store,
                                   const struct ps_s3_request_parts *parts, uint32_t expires_s,
                                   const struct ps_creds *creds, struct ps_buf *url,
                                   struct ps_err *err)
{
    struct signing signing = { 0 };
    struct ps_buf text = { 0 };
    enum ps_code code;

    if (store->dialect->presign == NULL) {
        return ps_err_set(err, PS_E_UNSUPPORTED, "%s: no presigned URLs", store->dialect->name);
    }
    code = collect_url(&signing, store, parts, err);
    if (code == PS_OK) {
        const struct ps_sign_request asked = to_sign(&signing, store, parts, creds);

        code = store->dialect->presign(store, &asked, expires_s, &text, err);
    }
    if (code == PS_OK) {
        code = ps_buf_append_format(url, err, "%s://%s%s?%s", store->scheme, signing.host,
                                    ps_buf_peek(&signing.path), ps_buf_peek(&text));
    }
    ps_buf_clear(&text);
    signing_clear(&signing);
    return code;
}

void ps_s3_request_hash(const struct ps_s3_store *store, const struct ps_buf *text,
                        const struct ps_checksum *sha256, char hash[PS_SIGN_V4_HEX_SIZE])
{
    uint8_t made[PS_SHA256_SIZE];

    ps_str_copy(hash, PS_SIGN_V4_HEX_SIZE, PS_SIGN_V4_UNSIGNED_PAYLOAD);
    if (!store->dialect->hashes_text) {
        return;
    }
    if (text != NULL) {
        ps_sha256(text->data, text->size_bytes, made);
        (void)ps_hex_encode(made, sizeof(made), hash);
    } else if (sha256 != NULL && sha256->algorithm == PS_CHECKSUM_SHA256) {
        (void)ps_hex_encode(sha256->bytes, sizeof(made), hash);
    }
}

void ps_s3_request_clear(struct ps_s3_request *request)
{
    for (size_t i = 0; i < request->line_count; i++) {
        free(request->lines[i]);
    }
    free(request->lines);
    ps_buf_clear(&request->url);
    memset(request, 0, sizeof(*request));
}
