#include "store/oss_store.h"

#include "http/http_internal.h"
#include "store/s3_error.h"
#include "store/s3_request.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

TestSuite(oss_store, .timeout = 20);

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *no_env(void *user, const char *name)
{
    (void)user;
    (void)name;
    return NULL;
}

static const char *env_with_region(void *user, const char *name)
{
    (void)user;
    return strcmp(name, "OSS_REGION") == 0 ? "cn-beijing" : NULL;
}

/* 2023-12-16T16:20:57Z */
static int64_t vector_time(void *user)
{
    (void)user;
    return 1702743657000;
}

static const struct ps_clock fixed_clock = { NULL, vector_time, vector_time, NULL, NULL };

static enum ps_code store_in(struct ps_store **store, struct ps_oss_options options,
                             ps_getenv_fn getenv_fn, struct ps_err *err)
{
    struct ps_creds_chain *creds = NULL;
    const struct ps_creds_options creds_options = { .family = PS_CREDS_ALIYUN,
                                                    .getenv = getenv_fn,
                                                    .clock = &fixed_clock };
    enum ps_code code;

    cr_assert_eq(ps_creds_chain_new(&creds, &creds_options, NULL), PS_OK);
    options.base.creds = creds;
    options.base.clock = &fixed_clock;
    code = ps_oss_store_new(store, &options, err);
    ps_creds_chain_free(creds); /* only its region is asked for, in the call above */
    return code;
}

static void build(struct ps_store *store, const char *key, struct ps_s3_request *request)
{
    const struct ps_creds creds = { .access_key_id = (char *)(uintptr_t) "ak",
                                    .secret_access_key = (char *)(uintptr_t) "sk" };
    const struct ps_s3_pairs none = { NULL, 0, 0 };
    const struct ps_s3_request_parts parts = {
        .method = "GET",
        .key = key,
        .query = &none,
        .headers = &none,
        .payload_hash = "UNSIGNED-PAYLOAD",
    };
    struct ps_err err = { 0 };

    cr_assert_eq(ps_s3_request_build((struct ps_s3_store *)store, &parts, &creds, request, &err),
                 PS_OK, "%s", err.message);
}

static const char *line_with(const struct ps_s3_request *request, const char *name)
{
    for (size_t i = 0; i < request->line_count; i++) {
        if (strncmp(request->lines[i], name, strlen(name)) == 0) {
            return request->lines[i];
        }
    }
    return "";
}

Test(oss_store, finds_host_and_signing_scope)
{
    static const struct {
        struct ps_oss_options options;
        const char *url;
        const char *scope;
    } rows[] = {
        { { .base = { .bucket = "bkt", .region = "cn-hangzhou" } },
          "https://bkt.oss-cn-hangzhou.aliyuncs.com/a/b",
          "20231216/cn-hangzhou/oss/" },
        { { .base = { .bucket = "bkt", .region = "oss-cn-hangzhou" },
            .network = PS_OSS_NETWORK_INTERNAL },
          "https://bkt.oss-cn-hangzhou-internal.aliyuncs.com/a/b",
          "20231216/cn-hangzhou/oss/" },
        { { .base = { .bucket = "bkt" }, .network = PS_OSS_NETWORK_ACCELERATE },
          "https://bkt.oss-accelerate.aliyuncs.com/a/b",
          "20231216/cn-beijing/oss/" },
        { { .base = { .bucket = "bkt", .region = "cn-hangzhou" },
            .network = PS_OSS_NETWORK_DUAL_STACK },
          "https://bkt.cn-hangzhou.oss.aliyuncs.com/a/b",
          "20231216/cn-hangzhou/oss/" },
        { { .base = { .bucket = "bkt", .endpoint = "oss-cn-hangzhou.aliyuncs.com" } },
          "https://bkt.oss-cn-hangzhou.aliyuncs.com/a/b",
          "20231216/cn-hangzhou/oss/" },
        { { .base = { .bucket = "bkt", .endpoint = "http://bkt.oss-cn-hangzhou.aliyuncs.com" } },
          "http://bkt.oss-cn-hangzhou.aliyuncs.com/a/b",
          "20231216/cn-hangzhou/oss/" },
        { { .base = { .bucket = "bkt",
                      .endpoint = "cb-123.cn-hangzhou.oss-cloudbox.aliyuncs.com" } },
          "https://bkt.cb-123.cn-hangzhou.oss-cloudbox.aliyuncs.com/a/b",
          "20231216/cb-123/oss-cloudbox/" },
        { { .base = { .bucket = "bkt", .endpoint = "http://127.0.0.1:9" } },
          "http://127.0.0.1:9/bkt/a/b",
          "20231216/cn-beijing/oss/" },
        { { .base = { .bucket = "bkt",
                      .endpoint = "http://localhost:9",
                      .path_style = PS_S3_PATH_STYLE_OFF } },
          "http://bkt.localhost:9/a/b",
          "20231216/cn-beijing/oss/" },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct ps_store *store = NULL;
        struct ps_s3_request request;
        struct ps_err err = { 0 };

        cr_assert_eq(store_in(&store, rows[i].options, env_with_region, &err), PS_OK, "row %zu: %s",
                     i, err.message);
        build(store, "a/b", &request);
        cr_assert_str_eq(request.url.data, rows[i].url);
        cr_assert(strstr(line_with(&request, "authorization"), rows[i].scope) != NULL,
                  "row %zu: %s", i, line_with(&request, "authorization"));
        cr_assert_str_eq(store->root_url, "oss://bkt");
        ps_s3_request_clear(&request);
        ps_store_free(store);
    }
}

Test(oss_store, refuses_settings_that_cannot_be)
{
    static const struct {
        struct ps_oss_options options;
        const char *word;
    } rows[] = {
        { { .base = { .bucket = NULL } }, "bucket" },
        { { .base = { .bucket = "bkt" } }, "no region" },
        { { .base = { .bucket = "bkt" }, .network = PS_OSS_NETWORK_ACCELERATE }, "no region" },
        { { .base = { .bucket = "bkt", .endpoint = "http://127.0.0.1:9" } }, "no region" },
        { { .base = { .bucket = "bkt", .region = "evil.example/" } }, "region" },
        { { .base = { .bucket = "bkt", .region = "cb-123" } }, "CloudBox" },
        { { .base = { .bucket = "bkt", .endpoint = "s3.oss-cn-hangzhou.aliyuncs.com" } }, "s3://" },
        { { .base = { .bucket = "bkt", .region = "x", .endpoint = "ftp://host" } }, "endpoint" },
        { { .base = { .bucket = "bkt",
                      .region = "x",
                      .checksum_fixed = true,
                      .checksum = PS_CHECKSUM_CRC32C } },
          "crc64ecma" },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct ps_store *store = NULL;
        struct ps_err err = { 0 };

        cr_assert_eq(store_in(&store, rows[i].options, no_env, &err), PS_E_INVALID, "row %zu", i);
        cr_assert_null(store);
        cr_assert(strstr(err.message, rows[i].word) != NULL, "row %zu: %s", i, err.message);
    }
}

Test(oss_store, needs_no_region_for_version_1)
{
    struct ps_store *store = NULL;
    struct ps_s3_request request;

    cr_assert_eq(
        store_in(&store,
                 (struct ps_oss_options){
                     .base = { .bucket = "bkt", .endpoint = "http://10.0.0.1" }, .sign_v1 = true },
                 no_env, NULL),
        PS_OK);
    build(store, "k", &request);
    cr_assert_str_eq(line_with(&request, "date"), "date: Sat, 16 Dec 2023 16:20:57 GMT");
    cr_assert_eq(strstr(line_with(&request, "authorization"), "authorization: OSS ak:"),
                 line_with(&request, "authorization"));
    cr_assert_str_eq(line_with(&request, "x-oss-content-sha256"), "");
    ps_s3_request_clear(&request);
    ps_store_free(store);
}

static struct ps_http_answer refusal(const char *headers, size_t headers_size, const char *body)
{
    struct ps_http_answer answer = { .status = 403 };

    cr_assert_eq(ps_buf_append(&answer.headers, headers, headers_size, NULL), PS_OK);
    cr_assert_eq(ps_buf_append_str(&answer.body, body, NULL), PS_OK);
    return answer;
}

static void answer_clear(struct ps_http_answer *answer)
{
    ps_buf_clear(&answer->headers);
    ps_buf_clear(&answer->body);
}

/* The Error that OSS documents for a request to the wrong region. */
#define ELSEWHERE(endpoint)                                                                        \
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>AccessDenied</Code><Message>The "      \
    "bucket "                                                                                      \
    "you are attempting to access must be addressed using the specified endpoint. Please send "    \
    "all "                                                                                         \
    "future requests to this endpoint.</Message><RequestId>5C1B138A109F4E405B2D</RequestId>"       \
    "<HostId>bkt.oss-cn-hangzhou.aliyuncs.com</HostId><Bucket>bkt</Bucket><Endpoint>" endpoint     \
    "</Endpoint></Error>"

Test(oss_store, follows_a_region_but_never_a_host)
{
    static const struct {
        const char *given_endpoint;
        const char *answered;
        bool follows;
    } rows[] = {
        { NULL, ELSEWHERE("oss-cn-beijing.aliyuncs.com"), true },
        { NULL, ELSEWHERE("oss-cn-hangzhou.aliyuncs.com"), false }, /* that is where we are */
        { NULL, ELSEWHERE("oss-cn-beijing.aliyuncs.com.evil.example"), false },
        { NULL, ELSEWHERE("evil.example"), false },
        { "https://oss-cn-hangzhou.aliyuncs.com", ELSEWHERE("oss-cn-beijing.aliyuncs.com"), false },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct ps_oss_options options = {
            .base = { .bucket = "bkt", .region = "cn-hangzhou", .endpoint = rows[i].given_endpoint }
        };
        struct ps_http_answer answer = refusal("", 0, rows[i].answered);
        struct ps_s3_error error;
        struct ps_store *store = NULL;
        struct ps_s3_request request;
        struct ps_err err;

        cr_assert_eq(store_in(&store, options, no_env, NULL), PS_OK);
        ps_s3_error_read(&answer, &error);
        cr_assert_eq(ps_s3_error_fix((struct ps_s3_store *)store, &answer, &error, 0),
                     rows[i].follows ? PS_S3_FIX_REGION : PS_S3_FIX_NONE, "row %zu", i);
        build(store, "k", &request);
        cr_assert_str_eq(request.url.data, rows[i].follows
                                               ? "https://bkt.oss-cn-beijing.aliyuncs.com/k"
                                               : "https://bkt.oss-cn-hangzhou.aliyuncs.com/k");
        cr_assert_eq(ps_s3_error_fill(&error, 403, &err), PS_E_INVALID);
        cr_assert(strstr(err.message, "set endpoint or region") != NULL, "%s", err.message);
        ps_s3_request_clear(&request);
        answer_clear(&answer);
        ps_store_free(store);
    }
}

Test(oss_store, reads_the_error_of_head_from_its_header)
{
    /* base64 of <Error><Code>SymlinkTargetNotExist</Code><Message>gone</Message><EC>0026-00000001</EC></Error> */
    static const char headers[] =
        "x-oss-"
        "err\0PEVycm9yPjxDb2RlPlN5bWxpbmtUYXJnZXROb3RFeGlzdDwvQ29kZT48TWVzc2FnZT5nb25lPC9NZXNz"
        "YWdlPjxFQz4wMDI2LTAwMDAwMDAxPC9FQz48L0Vycm9yPg==\0x-oss-request-id\0"
        "5C1B138A109F4E405B2D\0";
    struct ps_http_answer answer = refusal(headers, sizeof(headers) - 1, "");
    struct ps_s3_error error;
    struct ps_err err;

    ps_s3_error_read(&answer, &error);
    (void)ps_s3_error_fill(&error, 404, &err);
    cr_assert_str_eq(err.message,
                     "SymlinkTargetNotExist: gone (5C1B138A109F4E405B2D, EC 0026-00000001)");
    cr_assert_str_eq(err.request_id, "5C1B138A109F4E405B2D");
    answer_clear(&answer);
}

Test(oss_store, does_not_trust_the_header_with_the_error)
{
    static const char *const rows[] = { "", "%%%", "PEVycm9yPg==", "PGh0bWw+PC9odG1sPg==" };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct ps_buf headers = { 0 };
        struct ps_http_answer answer;
        struct ps_s3_error error;

        cr_assert_eq(ps_buf_append(&headers, "x-oss-err", 10, NULL), PS_OK);
        cr_assert_eq(ps_buf_append(&headers, rows[i], strlen(rows[i]) + 1, NULL), PS_OK);
        answer = refusal(headers.data, headers.size_bytes, "");
        ps_s3_error_read(&answer, &error);
        cr_assert_str_eq(error.code, "");
        answer_clear(&answer);
        ps_buf_clear(&headers);
    }
}
