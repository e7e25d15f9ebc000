/* Vectors of Aliyun's own SDKs, as published in their tests. */
#include "store/sign_oss1.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(sign_oss1, .timeout = 20);

Test(sign_oss1, signs_headers_as_aliyun_does)
{
    static const struct ps_sign_pair headers[] = {
        { "content-md5", "eB5eJF1ptWaXm4bijSPyxw==" },
        { "content-type", "text/html" },
        { "x-oss-meta-magic", "abracadabra" },
        { "x-oss-meta-author", "alice" },
        { "x-oss-date", "Wed, 28 Dec 2022 10:27:41 GMT" },
        { "date", "Wed, 28 Dec 2022 10:27:41 GMT" },
    };
    const struct ps_sign_request request = {
        .method = "PUT",
        .bucket = "examplebucket",
        .key = "nelson",
        .headers = headers,
        .header_count = sizeof(headers) / sizeof(headers[0]),
        .access_key_id = "ak",
        .secret_access_key = "sk",
    };
    struct ps_buf text = { 0 };

    cr_assert_eq(ps_sign_oss1_authorize(&request, &text, NULL), PS_OK);
    cr_assert_str_eq(text.data, "OSS ak:kSHKmLxlyEAKtZPkJhG9bZb5k7M=");
    ps_buf_clear(&text);
}

Test(sign_oss1, needs_a_date)
{
    const struct ps_sign_request request = {
        .method = "GET", .bucket = "b", .key = "k", .access_key_id = "ak", .secret_access_key = "sk"
    };
    struct ps_buf text = { 0 };

    cr_assert_eq(ps_sign_oss1_authorize(&request, &text, NULL), PS_E_INVALID);
    cr_assert_eq(text.size_bytes, 0);
}

Test(sign_oss1, presigns_as_aliyun_does)
{
    static const struct ps_sign_pair query[] = { { "versionId", "versionId" } };
    struct ps_sign_request request = {
        .method = "GET",
        .bucket = "bucket",
        .key = "key",
        .query = query,
        .query_count = 1,
        .access_key_id = "ak",
        .secret_access_key = "sk",
    };
    struct ps_buf text = { 0 };

    cr_assert_eq(ps_sign_oss1_presign(&request, 1699807420, &text, NULL), PS_OK);
    cr_assert_str_eq(text.data, "versionId=versionId&OSSAccessKeyId=ak&Expires=1699807420&"
                                "Signature=dcLTea%2BYh9ApirQ8o8dOPqtvJXQ%3D");
    ps_buf_clear(&text);

    request.key = "key+123";
    request.session_token = "token";
    cr_assert_eq(ps_sign_oss1_presign(&request, 1699808204, &text, NULL), PS_OK);
    cr_assert(strstr(text.data, "Signature=jzKYRrM5y6Br0dRFPaTGOsbrDhY%3D") != NULL, "%s",
              text.data);
    ps_buf_clear(&text);
}
