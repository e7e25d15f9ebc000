#include "creds/creds_sts.h"

#include "base/encode.h"
#include "base/str.h"
#include "creds/creds_env.h"
#include "creds/sign_rpc.h"
#include "creds/sign_v4.h"
#include "http/http_date.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/** Both SDKs. Lower: a service in another continent fails. Higher: a dead one is noticed late. */
#define TIMEOUT_MS ((uint32_t)5000)
#define TRY_COUNT 3

#define DEFAULT_REGION "us-east-1"
#define DEFAULT_SESSION_NAME "purser"

/** An hour: both services' default, and the longest that every role allows. */
#define DEFAULT_DURATION_S 3600U

/* STS asked too early after the provider's key was made, or could not reach the provider. */
static const char *const retry_words[] = { "IDPCommunicationError", "InvalidIdentityToken",
                                           "Throttling", NULL };

enum {
    PARAMETERS_MAX = 16,
};

/* What is sent, as it is put together. */
struct sts {
    const struct ps_creds_context *context;
    struct ps_sign_pair query[PARAMETERS_MAX];
    size_t query_count;
    struct ps_sign_pair form[PARAMETERS_MAX];
    size_t form_count;
    char duration[16];
    char timestamp[32];
    char nonce[40];
    char signature[PS_SIGN_RPC_SIZE];
    char *endpoint;
    struct ps_buf url;
    struct ps_buf body;
    char *headers[4];
    size_t header_count;
};

static const char *env(const struct ps_creds_context *context, const char *name)
{
    return ps_creds_env_get(context->getenv, context->getenv_user, name);
}

static void sts_clear(struct sts *sts)
{
    for (size_t i = 0; i < sts->header_count; i++) {
        ps_creds_wipe(sts->headers[i]);
    }
    if (sts->body.data != NULL) {
        explicit_bzero(sts->body.data, sts->body.size_bytes);
    }
    free(sts->endpoint);
    ps_buf_clear(&sts->url);
    ps_buf_clear(&sts->body);
}

static void add_query(struct sts *sts, const char *name, const char *value)
{
    if (value != NULL && sts->query_count < PARAMETERS_MAX) {
        sts->query[sts->query_count].name = name;
        sts->query[sts->query_count++].value = value;
    }
}

static void add_form(struct sts *sts, const char *name, const char *value)
{
    if (value != NULL && sts->form_count < PARAMETERS_MAX) {
        sts->form[sts->form_count].name = name;
        sts->form[sts->form_count++].value = value;
    }
}

/* line: moved; NULL = memory is out. */
static enum ps_code add_header(struct sts *sts, char *line, struct ps_err *err)
{
    if (line == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "credentials: out of memory");
    }
    sts->headers[sts->header_count++] = line;
    return PS_OK;
}

/* --- where --- */

static char *aliyun_endpoint(const struct ps_creds_context *context, const char *region)
{
    const char *named = env(context, "ALIBABA_CLOUD_STS_ENDPOINT"); /* of private clouds */
    const char *vpc = env(context, "ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED");

    if (named != NULL) {
        return ps_str_format("%s%s", strstr(named, "://") != NULL ? "" : "https://", named);
    }
    region = env(context, "ALIBABA_CLOUD_STS_REGION") != NULL
                 ? env(context, "ALIBABA_CLOUD_STS_REGION")
                 : region;
    if (region == NULL) {
        return ps_strdup("https://sts.aliyuncs.com");
    }
    return ps_str_format("https://sts%s.%s.aliyuncs.com",
                         vpc != NULL && strcasecmp(vpc, "true") == 0 ? "-vpc" : "", region);
}

static char *aws_endpoint(const struct ps_creds_context *context, const char *region)
{
    const char *named = env(context, "AWS_ENDPOINT_URL_STS");

    named = named != NULL ? named : env(context, "AWS_ENDPOINT_URL");
    if (named != NULL) {
        return ps_strdup(named);
    }
    if (region == NULL) {
        return ps_strdup("https://sts.amazonaws.com");
    }
    return ps_str_format("https://sts.%s.amazonaws.com%s", region,
                         ps_str_has_prefix(region, "cn-") ? ".cn" : "");
}

char *ps_creds_sts_endpoint(const struct ps_creds_context *context, const char *region)
{
    char *endpoint = context->family == PS_CREDS_ALIYUN ? aliyun_endpoint(context, region)
                                                        : aws_endpoint(context, region);
    size_t length = endpoint != NULL ? strlen(endpoint) : 0;

    while (length > 0 && endpoint[length - 1] == '/') {
        endpoint[--length] = '\0';
    }
    return endpoint;
}

/* --- what both say --- */

static void add_role(struct sts *sts, const struct ps_creds_role *role)
{
    uint32_t duration_s = role->duration_s != 0 ? role->duration_s : DEFAULT_DURATION_S;

    (void)snprintf(sts->duration, sizeof(sts->duration), "%" PRIu32, duration_s);
    add_form(sts, "RoleArn", role->role_arn);
    add_form(sts, "RoleSessionName",
             role->session_name != NULL ? role->session_name : DEFAULT_SESSION_NAME);
    add_form(sts, "DurationSeconds", sts->duration);
}

/* --- AWS --- */

/* "host[:port]" of the endpoint, as curl sends it. */
static void host_of(const char *endpoint, char *host, size_t host_size_bytes)
{
    bool is_https = ps_str_has_prefix(endpoint, "https://");
    const char *start = strstr(endpoint, "://");
    const char *port = is_https ? ":443" : ":80";

    start = start != NULL ? start + 3 : endpoint;
    (void)snprintf(host, host_size_bytes, "%.*s", (int)strcspn(start, "/"), start);
    if (ps_str_has_suffix(host, port)) {
        host[strlen(host) - strlen(port)] = '\0';
    }
}

static enum ps_code sign_aws(struct sts *sts, const char *region, const struct ps_creds *source,
                             struct ps_err *err)
{
    char host[256];
    char date[PS_HTTP_DATE_AMZ_SIZE];
    char hash_text[PS_HEX_SIZE(PS_SHA256_SIZE)];
    uint8_t hash[PS_SHA256_SIZE];
    struct ps_buf authorization = { 0 };
    struct ps_sign_pair headers[] = {
        { "content-type", "application/x-www-form-urlencoded; charset=utf-8" },
        { "host", host },
        { "x-amz-date", date },
        { "x-amz-security-token", source->session_token },
    };
    const struct ps_sign_request request = {
        .method = "POST",
        .path = "/",
        .headers = headers,
        .header_count = source->session_token != NULL ? 4 : 3,
        .payload_hash = hash_text,
        .unix_ms = ps_clock_unix_ms(sts->context->clock),
        .region = region != NULL ? region : DEFAULT_REGION,
        .service = "sts",
        .access_key_id = source->access_key_id,
        .secret_access_key = source->secret_access_key,
    };
    enum ps_code code;

    host_of(sts->endpoint, host, sizeof(host));
    ps_sha256(sts->body.data, sts->body.size_bytes, hash);
    (void)ps_hex_encode(hash, sizeof(hash), hash_text);
    (void)ps_http_date_format_amz(request.unix_ms, date);
    code = ps_sign_v4_authorize(&request, NULL, &authorization, err);
    if (code == PS_OK) {
        code =
            add_header(sts, ps_str_format("authorization: %s", ps_buf_peek(&authorization)), err);
    }
    if (code == PS_OK) {
        code = add_header(sts, ps_str_format("x-amz-date: %s", date), err);
    }
    if (code == PS_OK && source->session_token != NULL) {
        code =
            add_header(sts, ps_str_format("x-amz-security-token: %s", source->session_token), err);
    }
    ps_buf_clear(&authorization);
    return code;
}

static enum ps_code build_aws(struct sts *sts, const struct ps_creds_sts_question *question,
                              const char *region, struct ps_err *err)
{
    const struct ps_creds_role *role = question->role;
    const char *token = question->token;
    enum ps_code code;

    add_form(sts, "Action", token != NULL ? "AssumeRoleWithWebIdentity" : "AssumeRole");
    add_form(sts, "Version", "2011-06-15");
    add_role(sts, role);
    add_form(sts, "ExternalId", token == NULL ? role->external_id : NULL);
    add_form(sts, "WebIdentityToken", token);
    code = ps_sign_rpc_append_form(&sts->body, sts->form, sts->form_count, err);
    if (code == PS_OK) {
        code = ps_buf_append_format(&sts->url, err, "%s/", sts->endpoint);
    }
    if (code == PS_OK) {
        code = add_header(
            sts, ps_strdup("content-type: application/x-www-form-urlencoded; charset=utf-8"), err);
    }
    return code == PS_OK && token == NULL ? sign_aws(sts, region, question->source, err) : code;
}

/* --- Aliyun --- */

/* "2015-04-01T05:57:34Z" of now. */
static enum ps_code set_timestamp(struct sts *sts, struct ps_err *err)
{
    char amz[PS_HTTP_DATE_AMZ_SIZE];

    if (!ps_http_date_format_amz(ps_clock_unix_ms(sts->context->clock), amz)) {
        return ps_err_set(err, PS_E_INVALID, "this machine's clock is before 1970: set it");
    }
    (void)snprintf(sts->timestamp, sizeof(sts->timestamp), "%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", amz,
                   amz + 4, amz + 6, amz + 9, amz + 11, amz + 13);
    return PS_OK;
}

static void add_signing_query(struct sts *sts, const struct ps_creds *source)
{
    add_query(sts, "SignatureMethod", "HMAC-SHA1");
    add_query(sts, "SignatureVersion", "1.0");
    add_query(sts, "AccessKeyId", source->access_key_id);
    add_query(sts, "SecurityToken", source->session_token);
}

static enum ps_code sign_aliyun(struct sts *sts, const struct ps_creds *source, struct ps_err *err)
{
    struct ps_sign_pair all[2 * PARAMETERS_MAX];
    enum ps_code code;

    memcpy(all, sts->query, sts->query_count * sizeof(all[0]));
    memcpy(all + sts->query_count, sts->form, sts->form_count * sizeof(all[0]));
    code = ps_sign_rpc("POST", all, sts->query_count + sts->form_count, source->secret_access_key,
                       sts->signature, err);
    if (code == PS_OK) {
        add_query(sts, "Signature", sts->signature);
    }
    return code;
}

static enum ps_code build_aliyun(struct sts *sts, const struct ps_creds_sts_question *question,
                                 struct ps_err *err)
{
    const struct ps_creds_role *role = question->role;
    const char *token = question->token;
    const struct ps_clock *clock = sts->context->clock;
    enum ps_code code = set_timestamp(sts, err);

    (void)snprintf(sts->nonce, sizeof(sts->nonce), "%016" PRIx64 "%016" PRIx64,
                   ps_clock_random(clock), ps_clock_random(clock));
    add_query(sts, "Action", token != NULL ? "AssumeRoleWithOIDC" : "AssumeRole");
    add_query(sts, "Version", "2015-04-01");
    add_query(sts, "Format", "JSON");
    add_query(sts, "Timestamp", sts->timestamp);
    add_query(sts, "SignatureNonce", sts->nonce);
    add_role(sts, role);
    add_form(sts, "ExternalId", token == NULL ? role->external_id : NULL);
    add_form(sts, "OIDCProviderArn", token != NULL ? role->oidc_provider_arn : NULL);
    add_form(sts, "OIDCToken", token);
    if (code == PS_OK && token == NULL) {
        add_signing_query(sts, question->source);
        code = sign_aliyun(sts, question->source, err);
    }
    if (code == PS_OK) {
        code = ps_buf_append_format(&sts->url, err, "%s/?", sts->endpoint);
    }
    if (code == PS_OK) {
        code = ps_sign_rpc_append_form(&sts->url, sts->query, sts->query_count, err);
    }
    if (code == PS_OK) {
        code = ps_sign_rpc_append_form(&sts->body, sts->form, sts->form_count, err);
    }
    return code == PS_OK
               ? add_header(sts, ps_strdup("content-type: application/x-www-form-urlencoded"), err)
               : code;
}

/* --- asking --- */

enum ps_code ps_creds_sts_start(const struct ps_creds_context *context,
                                const struct ps_creds_sts_question *question,
                                ps_creds_fetch_fn done, void *user,
                                struct ps_creds_fetch **fetch_out, struct ps_err *err)
{
    const struct ps_creds_role *role = question->role;
    const char *region = role->region != NULL ? role->region : context->region;
    struct sts sts = { .context = context };
    struct ps_creds_question http = {
        .method = "POST",
        .timeout_ms = TIMEOUT_MS,
        .try_count = TRY_COUNT,
        .retry_words = retry_words,
    };
    enum ps_code code;

    sts.endpoint = ps_creds_sts_endpoint(context, region);
    if (sts.endpoint == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "credentials: out of memory");
    }
    code = context->family == PS_CREDS_ALIYUN ? build_aliyun(&sts, question, err)
                                              : build_aws(&sts, question, region, err);
    if (code == PS_OK) {
        http.url = ps_buf_peek(&sts.url);
        http.headers = (const char *const *)sts.headers;
        http.header_count = sts.header_count;
        http.body = ps_buf_peek(&sts.body);
        http.ca_bundle = context->family == PS_CREDS_AWS ? env(context, "AWS_CA_BUNDLE") : NULL;
        code = ps_creds_fetch_start(context, &http, done, user, fetch_out, err);
    }
    sts_clear(&sts);
    return code;
}
