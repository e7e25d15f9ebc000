#include "store/sign_oss1.h"

#include "base/encode.h"
#include "base/str.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Parameters that are part of the resource; all others are not signed. Only what we can send is listed, and what a
 * presigned URL may carry. */
static const char *const sub_resources[] = {
    "acl",
    "append",
    "bucketInfo",
    "continuation-token",
    "delete",
    "lifecycle",
    "location",
    "objectMeta",
    "partNumber",
    "position",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "restore",
    "security-token",
    "stat",
    "symlink",
    "tagging",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
};

static bool is_sub_resource(const char *name)
{
    for (size_t i = 0; i < sizeof(sub_resources) / sizeof(sub_resources[0]); i++) {
        if (strcmp(sub_resources[i], name) == 0) {
            return true;
        }
    }
    return ps_str_has_prefix(name, "x-oss-");
}

static int compare_pairs(const void *a, const void *b)
{
    const struct ps_sign_pair *left = a;
    const struct ps_sign_pair *right = b;

    return strcmp(left->name, right->name);
}

/* Those of pairs that is_wanted, sorted by name; *count_out of them. NULL when memory is out; free(). */
static struct ps_sign_pair *sort_pairs(const struct ps_sign_pair *pairs, size_t count,
                                       bool (*is_wanted)(const char *name), size_t *count_out)
{
    struct ps_sign_pair *sorted = calloc(count + 1, sizeof(*sorted)); /* + 1: never 0 bytes */
    size_t kept = 0;

    for (size_t i = 0; sorted != NULL && i < count; i++) {
        if (pairs[i].name != NULL && is_wanted(pairs[i].name)) {
            sorted[kept++] = pairs[i];
        }
    }
    if (sorted != NULL) {
        qsort(sorted, kept, sizeof(*sorted), compare_pairs);
    }
    *count_out = kept;
    return sorted;
}

static bool is_oss_header(const char *name)
{
    return ps_str_has_prefix(name, "x-oss-");
}

static const char *header(const struct ps_sign_request *request, const char *name)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (strcmp(request->headers[i].name, name) == 0) {
            return request->headers[i].value;
        }
    }
    return NULL;
}

static const char *or_empty(const char *text)
{
    return text != NULL ? text : "";
}

static enum ps_code append_headers(struct ps_buf *text, const struct ps_sign_request *request,
                                   struct ps_err *err)
{
    size_t count = 0;
    struct ps_sign_pair *sorted =
        sort_pairs(request->headers, request->header_count, is_oss_header, &count);
    enum ps_code code = sorted != NULL ? PS_OK : ps_err_set(err, PS_E_NO_MEMORY, "out of memory");

    for (size_t i = 0; i < count && code == PS_OK; i++) {
        code = ps_buf_append_format(text, err, "%s:%s\n", sorted[i].name, sorted[i].value);
    }
    free(sorted);
    return code;
}

/* "/bucket/key?acl&partNumber=1": nothing of it is encoded. */
static enum ps_code append_resource(struct ps_buf *text, const struct ps_sign_request *request,
                                    struct ps_err *err)
{
    size_t count = 0;
    struct ps_sign_pair *sorted =
        sort_pairs(request->query, request->query_count, is_sub_resource, &count);
    bool has_bucket = request->bucket != NULL;
    enum ps_code code;

    if (sorted == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    code = ps_buf_append_format(text, err, "/%s%s%s", has_bucket ? request->bucket : "",
                                has_bucket ? "/" : "", or_empty(request->key));
    for (size_t i = 0; i < count && code == PS_OK; i++) {
        const char *value = or_empty(sorted[i].value);

        code = ps_buf_append_format(text, err, "%s%s%s%s", i == 0 ? "?" : "&", sorted[i].name,
                                    value[0] != '\0' ? "=" : "", value);
    }
    free(sorted);
    return code;
}

static enum ps_code sign(const struct ps_sign_request *request, const char *date,
                         char signature[PS_BASE64_SIZE(PS_SHA1_SIZE)], struct ps_err *err)
{
    struct ps_buf text = { 0 };
    uint8_t digest[PS_SHA1_SIZE];
    enum ps_code code = ps_buf_append_format(&text, err, "%s\n%s\n%s\n%s\n", request->method,
                                             or_empty(header(request, "content-md5")),
                                             or_empty(header(request, "content-type")), date);

    if (code == PS_OK) {
        code = append_headers(&text, request, err);
    }
    if (code == PS_OK) {
        code = append_resource(&text, request, err);
    }
    if (code == PS_OK) {
        ps_hmac_sha1(request->secret_access_key, strlen(request->secret_access_key), text.data,
                     text.size_bytes, digest);
        (void)ps_base64_encode(digest, sizeof(digest), signature);
    }
    ps_buf_clear(&text);
    return code;
}

enum ps_code ps_sign_oss1_authorize(const struct ps_sign_request *request,
                                    struct ps_buf *authorization, struct ps_err *err)
{
    char signature[PS_BASE64_SIZE(PS_SHA1_SIZE)];
    const char *date = header(request, "x-oss-date");
    enum ps_code code;

    date = date != NULL ? date : header(request, "date");
    if (date == NULL) {
        return ps_err_set(err, PS_E_INVALID, "signature: no date among the headers");
    }
    code = sign(request, date, signature, err);
    if (code == PS_OK) {
        code = ps_buf_append_format(authorization, err, "OSS %s:%s", request->access_key_id,
                                    signature);
    }
    return code;
}

/* --- presigned --- */

static enum ps_code append_parameter(struct ps_buf *query, const char *name, const char *value,
                                     struct ps_err *err)
{
    enum ps_code code = query->size_bytes != 0 ? ps_buf_append_str(query, "&", err) : PS_OK;

    if (code == PS_OK) {
        code = ps_uri_encode(query, name, PS_URI_KEEP_NONE, err);
    }
    if (code == PS_OK && value[0] != '\0') {
        code = ps_buf_append_str(query, "=", err);
    }
    return code == PS_OK ? ps_uri_encode(query, value, PS_URI_KEEP_NONE, err) : code;
}

static enum ps_code write_query(const struct ps_sign_request *request, const char *expires,
                                const char *signature, struct ps_buf *text, struct ps_err *err)
{
    enum ps_code code = PS_OK;

    for (size_t i = 0; i < request->query_count && code == PS_OK; i++) {
        code =
            append_parameter(text, request->query[i].name, or_empty(request->query[i].value), err);
    }
    if (code == PS_OK) {
        code = append_parameter(text, "OSSAccessKeyId", request->access_key_id, err);
    }
    if (code == PS_OK) {
        code = append_parameter(text, "Expires", expires, err);
    }
    return code == PS_OK ? append_parameter(text, "Signature", signature, err) : code;
}

enum ps_code ps_sign_oss1_presign(const struct ps_sign_request *request, int64_t expires_unix_s,
                                  struct ps_buf *query, struct ps_err *err)
{
    bool has_token = request->session_token != NULL && request->session_token[0] != '\0';
    struct ps_sign_request whole = *request;
    struct ps_sign_pair *pairs = calloc(request->query_count + 1, sizeof(*pairs));
    char signature[PS_BASE64_SIZE(PS_SHA1_SIZE)];
    struct ps_buf text = { 0 };
    char expires[24];
    enum ps_code code;

    if (pairs == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    if (request->query_count != 0) {
        memcpy(pairs, request->query, request->query_count * sizeof(*pairs));
    }
    if (has_token) {
        pairs[whole.query_count++] =
            (struct ps_sign_pair){ "security-token", request->session_token };
    }
    whole.query = pairs;
    (void)snprintf(expires, sizeof(expires), "%" PRId64, expires_unix_s);
    code = sign(&whole, expires, signature, err);
    if (code == PS_OK) {
        code = write_query(&whole, expires, signature, &text, err);
    }
    if (code == PS_OK) {
        code = ps_buf_append(query, text.data, text.size_bytes, err);
    }
    ps_buf_clear(&text);
    free(pairs);
    return code;
}
