#include "creds/sign_v4.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

TestSuite(sign_v4, .timeout = 20);

/* 20130524T000000Z, key and secret of the examples in the S3 API reference, "Signature Version 4". */
#define EXAMPLE_UNIX_MS ((int64_t)1369353600000)
#define EXAMPLE_ID "AKIAIOSFODNN7EXAMPLE"
#define EXAMPLE_SECRET "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
#define EXAMPLE_HOST "examplebucket.s3.amazonaws.com"
#define EMPTY_HASH "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define BODY_HASH "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"

/* Of the vectors on which two independent implementations agree. */
#define OTHER_HOST "examplebucket.s3.us-east-1.amazonaws.com"
#define TOKEN "FwoGZXIvYXdzEXAMPLE/TOKEN+=="

#define PAIRS_MAX 12

struct row {
    const char *name;
    const char *method;
    const char *path;
    struct ps_sign_pair query[PAIRS_MAX];
    struct ps_sign_pair headers[PAIRS_MAX];
    const char *payload_hash;
    const char *canonical_hash; /* NULL = not published */
    const char *signature;
    const char *signed_headers;
};

static size_t count_pairs(const struct ps_sign_pair *pairs)
{
    size_t count = 0;

    while (count < PAIRS_MAX && pairs[count].name != NULL) {
        count++;
    }
    return count;
}

static struct ps_sign_request request_of(const struct row *row)
{
    return (struct ps_sign_request){
        .method = row->method,
        .path = row->path,
        .query = row->query,
        .query_count = count_pairs(row->query),
        .headers = row->headers,
        .header_count = count_pairs(row->headers),
        .payload_hash = row->payload_hash,
        .unix_ms = EXAMPLE_UNIX_MS,
        .region = "us-east-1",
        .access_key_id = EXAMPLE_ID,
        .secret_access_key = EXAMPLE_SECRET,
    };
}

/* S3 API reference: "Authenticating requests: using the Authorization header", the examples, and "Signature
 * calculations ... multiple chunks", "... trailing headers" (seed signatures). */
static const struct row rows[] = {
    { .name = "GET object",
      .method = "GET",
      .path = "/test.txt",
      .headers = { { "Host", EXAMPLE_HOST },
                   { "Range", "bytes=0-9" },
                   { "x-amz-content-sha256", EMPTY_HASH },
                   { "x-amz-date", "20130524T000000Z" } },
      .payload_hash = EMPTY_HASH,
      .canonical_hash = "7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972",
      .signature = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
      .signed_headers = "host;range;x-amz-content-sha256;x-amz-date" },
    { .name = "PUT object",
      .method = "PUT",
      .path = "/test%24file.text",
      .headers = { { "x-amz-storage-class", "REDUCED_REDUNDANCY" },
                   { "x-amz-date", "20130524T000000Z" },
                   { "x-amz-content-sha256", BODY_HASH },
                   { "Host", EXAMPLE_HOST },
                   { "Date", "Fri, 24 May 2013 00:00:00 GMT" } },
      .payload_hash = BODY_HASH,
      .canonical_hash = "9e0e90d9c76de8fa5b200d8c849cd5b8dc7a3be3951ddb7f6a76b4158342019d",
      .signature = "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
      .signed_headers = "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class" },
    { .name = "GET bucket lifecycle",
      .method = "GET",
      .path = "/",
      .query = { { "lifecycle", NULL } },
      .headers = { { "host", EXAMPLE_HOST },
                   { "x-amz-content-sha256", EMPTY_HASH },
                   { "x-amz-date", "20130524T000000Z" } },
      .payload_hash = EMPTY_HASH,
      .canonical_hash = "9766c798316ff2757b517bc739a67f6213b4ab36dd5da2f94eaebf79c77395ca",
      .signature = "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
      .signed_headers = "host;x-amz-content-sha256;x-amz-date" },
    { .name = "GET bucket (list objects)",
      .method = "GET",
      .path = "/",
      .query = { { "prefix", "J" }, { "max-keys", "2" } },
      .headers = { { "host", EXAMPLE_HOST },
                   { "x-amz-content-sha256", EMPTY_HASH },
                   { "x-amz-date", "20130524T000000Z" } },
      .payload_hash = EMPTY_HASH,
      .canonical_hash = "df57d21db20da04d7fa30298dd4488ba3a2b47ca3a489c74750e0f1e7df1b9b7",
      .signature = "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
      .signed_headers = "host;x-amz-content-sha256;x-amz-date" },
    { .name = "PUT chunked, seed",
      .method = "PUT",
      .path = "/examplebucket/chunkObject.txt",
      .headers = { { "host", "s3.amazonaws.com" },
                   { "content-encoding", "aws-chunked" },
                   { "content-length", "66824" },
                   { "x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" },
                   { "x-amz-date", "20130524T000000Z" },
                   { "x-amz-decoded-content-length", "66560" },
                   { "x-amz-storage-class", "REDUCED_REDUNDANCY" } },
      .payload_hash = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
      .signature = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
      .signed_headers = "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;"
                        "x-amz-decoded-content-length;x-amz-storage-class" },
    { .name = "PUT chunked with trailer, seed",
      .method = "PUT",
      .path = "/examplebucket/chunkObject.txt",
      .headers = { { "host", "s3.amazonaws.com" },
                   { "content-encoding", "aws-chunked" },
                   { "x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" },
                   { "x-amz-date", "20130524T000000Z" },
                   { "x-amz-decoded-content-length", "66560" },
                   { "x-amz-storage-class", "REDUCED_REDUNDANCY" },
                   { "x-amz-trailer", "x-amz-checksum-crc32c" } },
      .payload_hash = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
      .signature = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
      .signed_headers = "content-encoding;host;x-amz-content-sha256;x-amz-date;"
                        "x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer" },
    /* Two independent implementations agree on these. */
    { .name = "PUT part with a token and an encoded path",
      .method = "PUT",
      .path = "/a%20b%2Bc/%C3%A9~.bin",
      .query = { { "uploadId", "VXBs+aWQ" }, { "partNumber", "2" } },
      .headers = { { "host", OTHER_HOST },
                   { "x-amz-content-sha256", "UNSIGNED-PAYLOAD" },
                   { "x-amz-date", "20130524T000000Z" },
                   { "x-amz-security-token", TOKEN } },
      .signature = "1feacdda2c507f89f277c28bf26bcf1a7751ed0f6a6eb3100e61bbc5d700d43e",
      .signed_headers = "host;x-amz-content-sha256;x-amz-date;x-amz-security-token" },
    { .name = "POST complete with a token",
      .method = "POST",
      .path = "/k",
      .query = { { "uploadId", "VXBs+aWQ" } },
      .headers = { { "host", OTHER_HOST },
                   { "x-amz-content-sha256", "UNSIGNED-PAYLOAD" },
                   { "x-amz-date", "20130524T000000Z" },
                   { "x-amz-security-token", TOKEN } },
      .signature = "dc8f60353182026aa781e0fcdc101d9f4ece803e5b643ac1360c2bd8cb43fa64",
      .signed_headers = "host;x-amz-content-sha256;x-amz-date;x-amz-security-token" },
    { .name = "GET list with characters to encode",
      .method = "GET",
      .path = "/",
      .query = { { "list-type", "2" }, { "prefix", "a b/" }, { "continuation-token", "1+/=" } },
      .headers = { { "host", OTHER_HOST },
                   { "x-amz-content-sha256", "UNSIGNED-PAYLOAD" },
                   { "x-amz-date", "20130524T000000Z" } },
      .signature = "7217ab078214ae8786187cb4d81fd30f2b4ecedb6798ab6b3a2bb1934e6efb96",
      .signed_headers = "host;x-amz-content-sha256;x-amz-date" },
};

#define ROW_COUNT (sizeof(rows) / sizeof(rows[0]))

Test(sign_v4, hashes_the_canonical_requests_that_aws_published)
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        struct ps_sign_request request = request_of(&rows[i]);
        char hash[PS_SIGN_V4_HEX_SIZE];
        struct ps_err err;

        if (rows[i].canonical_hash == NULL) {
            continue;
        }
        cr_assert_eq(ps_sign_v4_canonical_hash(&request, hash, &err), PS_OK, "%s", rows[i].name);
        cr_expect_str_eq(hash, rows[i].canonical_hash, "%s: %s", rows[i].name, hash);
    }
}

Test(sign_v4, writes_the_authorization_that_aws_published)
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        struct ps_sign_request request = request_of(&rows[i]);
        struct ps_buf authorization = { 0 };
        struct ps_buf wanted = { 0 };
        struct ps_err err;

        cr_assert_eq(ps_sign_v4_authorize(&request, NULL, &authorization, &err), PS_OK, "%s",
                     rows[i].name);

        cr_assert_eq(ps_buf_append_format(&wanted, NULL,
                                          "AWS4-HMAC-SHA256 Credential=" EXAMPLE_ID
                                          "/20130524/us-east-1/s3/aws4_request, "
                                          "SignedHeaders=%s, Signature=%s",
                                          rows[i].signed_headers, rows[i].signature),
                     PS_OK);
        cr_expect_str_eq(ps_buf_peek(&authorization), ps_buf_peek(&wanted), "%s: %s", rows[i].name,
                         ps_buf_peek(&authorization));
        ps_buf_clear(&authorization);
        ps_buf_clear(&wanted);
    }
}

Test(sign_v4, gives_the_same_signature_alone)
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        struct ps_sign_request request = request_of(&rows[i]);
        char signature[PS_SIGN_V4_HEX_SIZE];

        cr_assert_eq(ps_sign_v4_signature(&request, NULL, signature, NULL), PS_OK);
        cr_expect_str_eq(signature, rows[i].signature, "%s", rows[i].name);
    }
}

Test(sign_v4, derives_the_signing_key_and_keeps_it)
{
    /* The key of the examples above. */
    static const uint8_t wanted[] = { 0xdb, 0xb8, 0x93, 0xac, 0xc0, 0x10, 0x96, 0x49,
                                      0x18, 0xf1, 0xfd, 0x43, 0x3a, 0xdd, 0x87, 0xc7,
                                      0x0e, 0x8b, 0x0d, 0xb6, 0xbe, 0x30, 0xc1, 0xfb,
                                      0xea, 0xfe, 0xfa, 0x5e, 0xc6, 0xba, 0x83, 0x78 };
    struct ps_sign_request request = request_of(&rows[0]);
    struct ps_sign_v4_key key = { 0 };
    char scope[PS_SIGN_V4_SCOPE_SIZE];

    cr_assert_eq(ps_sign_v4_key_fill(&request, &key, scope, NULL), PS_OK);

    cr_expect_str_eq(scope, "20130524/us-east-1/s3/aws4_request");
    cr_expect_arr_eq(key.bytes, wanted, sizeof(wanted));
    key.bytes[0] ^= 1; /* if it were derived again, this would be undone */
    cr_assert_eq(ps_sign_v4_key_fill(&request, &key, scope, NULL), PS_OK);
    cr_expect_eq(key.bytes[0], wanted[0] ^ 1);
}

Test(sign_v4, derives_the_key_anew_when_secret_day_region_or_service_change)
{
    struct ps_sign_request base = request_of(&rows[0]);
    struct ps_sign_request changed[4] = { base, base, base, base };

    changed[0].secret_access_key = "another";
    changed[1].unix_ms += 24 * 3600 * 1000;
    changed[2].region = "eu-west-1";
    changed[3].service = "sts";

    for (size_t i = 0; i < 4; i++) {
        struct ps_sign_v4_key key = { 0 };
        char cached[PS_SIGN_V4_HEX_SIZE];
        char fresh[PS_SIGN_V4_HEX_SIZE];

        cr_assert_eq(ps_sign_v4_signature(&base, &key, cached, NULL), PS_OK);
        cr_assert_eq(ps_sign_v4_signature(&changed[i], &key, cached, NULL), PS_OK);
        cr_assert_eq(ps_sign_v4_signature(&changed[i], NULL, fresh, NULL), PS_OK);

        cr_expect_str_eq(cached, fresh, "row %zu", i);
        ps_sign_v4_key_clear(&key);
    }
}

Test(sign_v4, same_day_uses_one_key)
{
    struct ps_sign_request request = request_of(&rows[0]);
    struct ps_sign_v4_key key = { 0 };
    struct ps_sign_v4_key later;
    char scope[PS_SIGN_V4_SCOPE_SIZE];

    cr_assert_eq(ps_sign_v4_key_fill(&request, &key, scope, NULL), PS_OK);
    later = key;
    request.unix_ms += 24 * 3600 * 1000 - 1;
    cr_assert_eq(ps_sign_v4_key_fill(&request, &later, scope, NULL), PS_OK);

    cr_expect_arr_eq(&key, &later, sizeof(key));
}

struct presign_row {
    const char *name;
    const char *host;
    const char *path;
    const char *token;
    uint32_t expires_s;
    const char *canonical_hash; /* NULL = not published */
    const char *query;
};

static const struct presign_row presign_rows[] = {
    /* S3 API reference, "Authenticating requests: using query parameters". */
    { .name = "GET /test.txt for a day",
      .host = EXAMPLE_HOST,
      .path = "/test.txt",
      .expires_s = 86400,
      .canonical_hash = "3bfa292879f6447bbcda7001decf97f4a54dc650c8942174ae0a9121cf58ad04",
      .query =
          "X-Amz-Algorithm=AWS4-HMAC-SHA256"
          "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
          "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
          "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404" },
    /* Two independent implementations agree. */
    { .name = "GET with a token",
      .host = OTHER_HOST,
      .path = "/a%20b%2Bc/%C3%A9~.bin",
      .token = TOKEN,
      .expires_s = 900,
      .query =
          "X-Amz-Algorithm=AWS4-HMAC-SHA256"
          "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
          "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=900"
          "&X-Amz-Security-Token=FwoGZXIvYXdzEXAMPLE%2FTOKEN%2B%3D%3D"
          "&X-Amz-SignedHeaders=host"
          "&X-Amz-Signature=589f9df74ce22ed731eda08293a755d8a9ec2696abceed954884689753b21adb" },
};

static struct ps_sign_request presign_request(const struct presign_row *row,
                                              const struct ps_sign_pair *host)
{
    return (struct ps_sign_request){
        .method = "GET",
        .path = row->path,
        .headers = host,
        .header_count = 1,
        .unix_ms = EXAMPLE_UNIX_MS,
        .region = "us-east-1",
        .access_key_id = EXAMPLE_ID,
        .secret_access_key = EXAMPLE_SECRET,
        .session_token = row->token,
    };
}

Test(sign_v4, presigns_as_published)
{
    for (size_t i = 0; i < sizeof(presign_rows) / sizeof(presign_rows[0]); i++) {
        const struct presign_row *row = &presign_rows[i];
        const struct ps_sign_pair host = { "host", row->host };
        struct ps_sign_request request = presign_request(row, &host);
        struct ps_buf query = { 0 };
        struct ps_err err;

        cr_assert_eq(ps_sign_v4_presign(&request, row->expires_s, NULL, &query, &err), PS_OK, "%s",
                     row->name);

        cr_expect_str_eq(ps_buf_peek(&query), row->query, "%s: %s", row->name, ps_buf_peek(&query));
        ps_buf_clear(&query);
    }
}

Test(sign_v4, hashes_the_canonical_request_of_the_published_presigned_url)
{
    const struct presign_row *row = &presign_rows[0];
    const struct ps_sign_pair host = { "host", row->host };
    struct ps_sign_request request = presign_request(row, &host);
    char *canonical = strdup(row->query);
    char hash[PS_SIGN_V4_HEX_SIZE];

    *strstr(canonical, "&X-Amz-Signature=") = '\0';
    request.canonical_query = canonical;
    cr_assert_eq(ps_sign_v4_canonical_hash(&request, hash, NULL), PS_OK);

    cr_expect_str_eq(hash, row->canonical_hash);
    free(canonical);
}

Test(sign_v4, presign_sorts_the_requests_own_parameters_among_ours)
{
    const struct ps_sign_pair host = { "host", EXAMPLE_HOST };
    const struct ps_sign_pair query[] = { { "response-content-type", "a/b" }, { "A", NULL } };
    struct ps_sign_request request = presign_request(&presign_rows[0], &host);
    struct ps_buf out = { 0 };
    const char *text;

    request.query = query;
    request.query_count = 2;
    cr_assert_eq(ps_sign_v4_presign(&request, 1, NULL, &out, NULL), PS_OK);

    text = ps_buf_peek(&out);
    cr_expect_eq(strncmp(text, "A=&X-Amz-Algorithm=", strlen("A=&X-Amz-Algorithm=")), 0, "%s",
                 text);
    cr_expect_not_null(strstr(text, "X-Amz-SignedHeaders=host&response-content-type=a%2Fb&"
                                    "X-Amz-Signature="),
                       "%s", text);
    ps_buf_clear(&out);
}

Test(sign_v4, refuses_a_lifetime_that_s3_refuses)
{
    static const uint32_t lifetimes[] = { 0, 604801, UINT32_MAX };
    const struct ps_sign_pair host = { "host", EXAMPLE_HOST };
    struct ps_sign_request request = presign_request(&presign_rows[0], &host);

    for (size_t i = 0; i < sizeof(lifetimes) / sizeof(lifetimes[0]); i++) {
        struct ps_buf query = { 0 };
        struct ps_err err;

        cr_expect_eq(ps_sign_v4_presign(&request, lifetimes[i], NULL, &query, &err), PS_E_INVALID,
                     "%u", lifetimes[i]);
        cr_expect_eq(query.size_bytes, 0);
        ps_buf_clear(&query);
    }
}

struct canonical_row {
    const char *name;
    const char *path;
    struct ps_sign_pair query[PAIRS_MAX];
    struct ps_sign_pair headers[PAIRS_MAX];
    const char *canonical;
};

/* IAM user guide "Create a signed AWS API request": the rules, each by itself. */
static const struct canonical_row canonical_rows[] = {
    { .name = "values are trimmed and blanks inside made one space",
      .path = "/",
      .headers = { { "Host", "h" },
                   { "X-Amz-Meta-A", "  a  \t b c  " },
                   { "x-amz-meta-b", " \t " } },
      .canonical = "GET\n/\n\nhost:h\nx-amz-meta-a:a b c\nx-amz-meta-b:\n\n"
                   "host;x-amz-meta-a;x-amz-meta-b\nUNSIGNED-PAYLOAD" },
    { .name = "names that repeat are joined in their order",
      .path = "/",
      .headers = { { "X-Amz-Tag", "b" }, { "host", "h" }, { "x-amz-tag", "a" } },
      .canonical = "GET\n/\n\nhost:h\nx-amz-tag:b,a\n\nhost;x-amz-tag\nUNSIGNED-PAYLOAD" },
    { .name = "the path is not normalised",
      .path = "/a//b/./../c",
      .headers = { { "host", "h" } },
      .canonical = "GET\n/a//b/./../c\n\nhost:h\n\nhost\nUNSIGNED-PAYLOAD" },
    { .name = "an empty path is the root",
      .path = "",
      .headers = { { "host", "h" } },
      .canonical = "GET\n/\n\nhost:h\n\nhost\nUNSIGNED-PAYLOAD" },
    { .name = "the query is sorted after it was encoded, by name, then by value",
      .path = "/",
      .query = { { "b", "2" },
                 { "b", "10" },
                 { "a", NULL },
                 { "[", "x y" },
                 { "B", "/" },
                 { "\xc3\xa9", "~" } },
      .headers = { { "host", "h" } },
      .canonical =
          "GET\n/\n%5B=x%20y&%C3%A9=~&B=%2F&a=&b=10&b=2\nhost:h\n\nhost\nUNSIGNED-PAYLOAD" },
    { .name = "a name that begins another goes first",
      .path = "/",
      .query = { { "uploads", NULL }, { "upload", "z" } },
      .headers = { { "host", "h" } },
      .canonical = "GET\n/\nupload=z&uploads=\nhost:h\n\nhost\nUNSIGNED-PAYLOAD" },
};

Test(sign_v4, canonical_request_follows_the_rules)
{
    for (size_t i = 0; i < sizeof(canonical_rows) / sizeof(canonical_rows[0]); i++) {
        const struct canonical_row *row = &canonical_rows[i];
        const struct ps_sign_request request = {
            .method = "GET",
            .path = row->path,
            .query = row->query,
            .query_count = count_pairs(row->query),
            .headers = row->headers,
            .header_count = count_pairs(row->headers),
        };
        struct ps_buf canonical = { 0 };

        cr_assert_eq(ps_sign_v4_canonical(&request, &canonical, NULL), PS_OK, "%s", row->name);

        cr_expect_str_eq(ps_buf_peek(&canonical), row->canonical, "%s: %s", row->name,
                         ps_buf_peek(&canonical));
        ps_buf_clear(&canonical);
    }
}

Test(sign_v4, refuses_what_cannot_be_signed)
{
    static char long_region[PS_SIGN_V4_SCOPE_SIZE];
    const struct ps_sign_pair no_host = { "x-amz-date", "20130524T000000Z" };
    struct ps_sign_request requests[4];
    struct ps_buf out = { 0 };
    struct ps_err err;

    memset(long_region, 'r', sizeof(long_region) - 1);
    for (size_t i = 0; i < 4; i++) {
        requests[i] = request_of(&rows[0]);
    }
    requests[0].unix_ms = -1;
    requests[1].unix_ms = INT64_MAX;
    requests[2].region = long_region;
    requests[3].headers = &no_host;
    requests[3].header_count = 1;

    for (size_t i = 0; i < 4; i++) {
        cr_expect_eq(ps_sign_v4_authorize(&requests[i], NULL, &out, &err), PS_E_INVALID, "row %zu",
                     i);
        cr_expect_eq(err.code, PS_E_INVALID, "row %zu", i);
        cr_expect_eq(out.size_bytes, 0, "row %zu", i);
        cr_expect_null(strstr(err.message, EXAMPLE_SECRET), "row %zu", i);
    }
}

Test(sign_v4, refuses_a_secret_that_is_absurdly_long)
{
    static char secret[4096];
    struct ps_sign_request request = request_of(&rows[0]);
    struct ps_sign_v4_key key = { 0 };
    struct ps_buf out = { 0 };
    struct ps_err err;

    memset(secret, 'x', sizeof(secret) - 1);
    request.secret_access_key = secret;
    cr_expect_eq(ps_sign_v4_authorize(&request, &key, &out, &err), PS_E_INVALID);

    cr_expect_not(key.filled);
    cr_expect_null(strstr(err.message, "xxxx"));
}
