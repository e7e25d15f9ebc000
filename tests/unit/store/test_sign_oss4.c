/* Vectors of Aliyun's own SDKs (Go, Python, C), as published in their tests. */
#include "store/sign_oss4.h"

#include "base/encode.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(sign_oss4, .timeout = 20);

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct ps_sign_pair query[] = {
    { "param1", "value1" }, { "+param1", "value3" }, { "|param1", "value4" },
    { "+param2", "" },      { "|param2", NULL },     { "param2", "" },
};

static struct ps_sign_request vector_request(const struct ps_sign_pair *headers,
                                             size_t header_count, int64_t unix_s)
{
    const struct ps_sign_request request = {
        .method = "PUT",
        .bucket = "bucket",
        .key = "1234+-/123/1.txt",
        .query = query,
        .query_count = COUNT(query),
        .headers = headers,
        .header_count = header_count,
        .region = "cn-hangzhou",
        .unix_ms = unix_s * 1000,
        .access_key_id = "ak",
        .secret_access_key = "sk",
    };

    return request;
}

/* 2023-12-16T00:00:00Z and the days after it. */
#define DAY_16 INT64_C(1702684800)
#define AT(day, h, m, s) (DAY_16 + ((day)-16) * 86400 + (h)*3600 + (m)*60 + (s))

#define HEADERS(date)                                                                              \
    { "x-oss-head1", "value" }, { "abc", "value" }, { "zabc", "value" }, { "xyz", "value" },       \
        { "content-type", "text/plain" }, { "x-oss-date", date },                                  \
    {                                                                                              \
        "x-oss-content-sha256", "UNSIGNED-PAYLOAD"                                                 \
    }

static void check_authorization(const struct ps_sign_request *request, const char *expected)
{
    struct ps_buf text = { 0 };
    struct ps_sign_v4_key key = { 0 };

    /* Twice: the second time the key is taken from the cache. */
    for (int i = 0; i < 2; i++) {
        ps_buf_clear(&text);
        cr_assert_eq(ps_sign_oss4_authorize(request, &key, &text, NULL), PS_OK);
        cr_assert_str_eq(text.data, expected);
    }
    ps_buf_clear(&text);
}

Test(sign_oss4, writes_the_canonical_request_as_aliyun_does)
{
    static const struct ps_sign_pair headers[] = { HEADERS("20231216T162057Z") };
    struct ps_sign_request request = vector_request(headers, COUNT(headers), AT(16, 16, 20, 57));
    struct ps_sign_v4_key key = { 0 };
    struct ps_buf text = { 0 };
    char scope[PS_SIGN_V4_SCOPE_SIZE];
    uint8_t hash[PS_SHA256_SIZE];
    char hex[65];

    cr_assert_eq(ps_sign_oss4_canonical(&request, &text, NULL), PS_OK);
    ps_sha256(text.data, text.size_bytes, hash);
    cr_assert_str_eq(ps_hex_encode(hash, sizeof(hash), hex),
                     "f4613657f1b108998e8dbd10a1aa5da621dc2c6e02c9ddec0f163664848704c4");
    cr_assert_str_eq(text.data,
                     "PUT\n/bucket/1234%2B-/123/1.txt\n"
                     "%2Bparam1=value3&%2Bparam2&%7Cparam1=value4&%7Cparam2&param1=value1&param2\n"
                     "content-type:text/plain\nx-oss-content-sha256:UNSIGNED-PAYLOAD\n"
                     "x-oss-date:20231216T162057Z\nx-oss-head1:value\n\n\nUNSIGNED-PAYLOAD");
    cr_assert_eq(ps_sign_oss4_key_fill(&request, &key, scope, NULL), PS_OK);
    cr_assert_str_eq(ps_hex_encode(key.bytes, sizeof(key.bytes), hex),
                     "b412a03b134ebddd720f5167b5de6db66620ebb3b01cff4d49e3ccb09f8de97f");
    cr_assert_str_eq(scope, "20231216/cn-hangzhou/oss/aliyun_v4_request");
    ps_buf_clear(&text);
}

Test(sign_oss4, signs_as_aliyun_does)
{
    static const struct ps_sign_pair headers[] = { HEADERS("20231216T162057Z") };
    static const struct ps_sign_pair with_token[] = { HEADERS("20231217T034736Z"),
                                                      { "x-oss-security-token", "token" } };
    static const struct ps_sign_pair more[] = { HEADERS("20231216T172512Z") };
    struct ps_sign_request request = vector_request(headers, COUNT(headers), AT(16, 16, 20, 57));

    check_authorization(
        &request,
        "OSS4-HMAC-SHA256 Credential=ak/20231216/cn-hangzhou/oss/aliyun_v4_request,Signature="
        "e21d18daa82167720f9b1047ae7e7f1ce7cb77a31e8203a7d5f4624fa0284afe");

    request.region = "cb-123";
    request.service = "oss-cloudbox";
    check_authorization(
        &request,
        "OSS4-HMAC-SHA256 Credential=ak/20231216/cb-123/oss-cloudbox/aliyun_v4_request,Signature="
        "94ce1f12c17d148ea681030275a94449d3357f5b5b21133996eec80af3e08a43");

    request = vector_request(with_token, COUNT(with_token), AT(17, 3, 47, 36));
    check_authorization(
        &request,
        "OSS4-HMAC-SHA256 Credential=ak/20231217/cn-hangzhou/oss/aliyun_v4_request,Signature="
        "b94a3f999cf85bcdc00d332fbd3734ba03e48382c36fa4d5af5df817395bd9ea");

    request = vector_request(more, COUNT(more), AT(16, 17, 25, 12));
    request.additional = "abc;zabc";
    check_authorization(&request,
                        "OSS4-HMAC-SHA256 Credential=ak/20231216/cn-hangzhou/oss/aliyun_v4_request,"
                        "AdditionalHeaders=abc;zabc,Signature="
                        "4a4183c187c07c8947db7620deb0a6b38d9fbdd34187b6dbaccb316fa251212f");
}

Test(sign_oss4, signs_as_the_c_sdk_does)
{
    static const struct ps_sign_pair headers[] = {
        { "x-oss-head1", "value" },
        { "abc", "value" },
        { "zabc", "value" },
        { "xyz", "value" },
        { "x-oss-date", "20221016T091431Z" },
        { "content-type", "application/octet-stream" },
        { "x-oss-content-sha256", "UNSIGNED-PAYLOAD" },
    };
    /* 2022-10-16T09:14:31Z */
    struct ps_sign_request request = vector_request(headers, COUNT(headers), 1665911671);
    static const char signature[] =
        "5028172a0a3806285979896982bee6e36e915cbf428ee7100a809e1f0ff43b64";
    struct ps_buf text = { 0 };

    request.bucket = "oss-bucket-test";
    request.key = "test-sign-V4/-!@#$%^&*()/abcdefjhijklmnoqprstuvwxyz/123456789";
    request.query_count = 0;
    cr_assert_eq(ps_sign_oss4_authorize(&request, NULL, &text, NULL), PS_OK);
    cr_log_info("%s", text.data);
    cr_assert_str_eq(strstr(text.data, "Signature=") + strlen("Signature="), signature);
    ps_buf_clear(&text);
}

Test(sign_oss4, presigns_as_aliyun_does)
{
    static const struct ps_sign_pair headers[] = {
        { "x-oss-head1", "value" },
        { "abc", "value" },
        { "zabc", "value" },
        { "xyz", "value" },
        { "content-type", "application/octet-stream" },
    };
    static const struct {
        const char *name;
        int64_t unix_s;
        const char *token;
        const char *additional;
        const char *signature;
    } rows[] = {
        { "plain", AT(17, 2, 54, 37), NULL, NULL,
          "a39966c61718be0d5b14e668088b3fa07601033f6518ac7b523100014269c0fe" },
        { "token", AT(17, 3, 56, 28), "token", NULL,
          "3817ac9d206cd6dfc90f1c09c00be45005602e55898f26f5ddb06d7892e1f8b5" },
        { "additional", AT(17, 3, 30, 9), NULL, "abc;zabc",
          "6bd984bfe531afb6db1f7550983a741b103a8c58e5e14f83ea474c2322dfa2b7" },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct ps_sign_request request = vector_request(headers, COUNT(headers), rows[i].unix_s);
        struct ps_buf text = { 0 };

        request.session_token = rows[i].token;
        request.additional = rows[i].additional;
        cr_assert_eq(ps_sign_oss4_presign(&request, 599, NULL, &text, NULL), PS_OK);
        cr_assert_str_eq(strstr(text.data, "x-oss-signature=") + strlen("x-oss-signature="),
                         rows[i].signature, "%s", rows[i].name);
        cr_assert(strstr(text.data, "x-oss-expires=599&") != NULL, "%s", rows[i].name);
        ps_buf_clear(&text);
    }
}

Test(sign_oss4, refuses_what_no_url_can_be)
{
    struct ps_sign_request request = vector_request(NULL, 0, AT(17, 0, 0, 0));
    struct ps_buf text = { 0 };

    cr_assert_eq(ps_sign_oss4_presign(&request, 0, NULL, &text, NULL), PS_E_INVALID);
    cr_assert_eq(ps_sign_oss4_presign(&request, 604801, NULL, &text, NULL), PS_E_INVALID);
    request.unix_ms = -1;
    cr_assert_eq(ps_sign_oss4_presign(&request, 60, NULL, &text, NULL), PS_E_INVALID);
    cr_assert_eq(text.size_bytes, 0);
}
