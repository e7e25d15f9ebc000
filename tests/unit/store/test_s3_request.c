#include "store/s3_request.h"

#include "store/s3_answer.h"
#include "store/s3_internal.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(s3_request, .timeout = 20);

static const char *no_env(void *user, const char *name)
{
    (void)user;
    (void)name;
    return NULL;
}

/* 2013-05-24T00:00:00Z, the time of the published vectors. */
static int64_t vector_time(void *user)
{
    (void)user;
    return 1369353600000;
}

static enum ps_code store_with(struct ps_store **store, struct ps_s3_options options,
                               struct ps_err *err)
{
    static const struct ps_clock clock = { NULL, vector_time, vector_time, NULL, NULL };
    struct ps_creds_chain *creds = NULL;
    const struct ps_creds_options creds_options = { .getenv = no_env, .clock = &clock };
    enum ps_code code;

    cr_assert_eq(ps_creds_chain_new(&creds, &creds_options, NULL), PS_OK);
    options.creds = creds;
    options.clock = &clock;
    code = ps_s3_store_new(store, &options, err);
    ps_creds_chain_free(creds); /* only its region is asked for, in the call above */
    return code;
}

static char *url_of(struct ps_s3_options options, const char *key)
{
    const struct ps_creds creds = { .access_key_id = (char *)(uintptr_t) "AK",
                                    .secret_access_key = (char *)(uintptr_t) "SK" };
    const struct ps_s3_pairs none = { NULL, 0, 0 };
    const struct ps_s3_request_parts parts = {
        .method = "GET",
        .key = key,
        .query = &none,
        .headers = &none,
        .payload_hash = "UNSIGNED-PAYLOAD",
    };
    struct ps_s3_request request;
    struct ps_store *store = NULL;
    struct ps_err err = { 0 };
    char *url;

    cr_assert_eq(store_with(&store, options, &err), PS_OK, "%s", err.message);
    cr_assert_eq(ps_s3_request_build((struct ps_s3_store *)store, &parts, &creds, &request, &err),
                 PS_OK, "%s", err.message);
    url = strdup(request.url.data);
    ps_s3_request_clear(&request);
    ps_store_free(store);
    return url;
}

Test(s3_request, puts_the_bucket_where_the_endpoint_wants_it)
{
    /* Amazon S3 user guide, "Virtual hosting of general purpose buckets". */
    static const struct {
        struct ps_s3_options options;
        const char *key;
        const char *url;
    } rows[] = {
        { { .bucket = "bucket" }, "a/b", "https://bucket.s3.us-east-1.amazonaws.com/a/b" },
        { { .bucket = "bucket" }, NULL, "https://bucket.s3.us-east-1.amazonaws.com/" },
        { { .bucket = "bucket", .region = "eu-west-1" },
          "k",
          "https://bucket.s3.eu-west-1.amazonaws.com/k" },
        { { .bucket = "bucket", .region = "cn-north-1" },
          "k",
          "https://bucket.s3.cn-north-1.amazonaws.com.cn/k" },
        { { .bucket = "my.bucket" }, "k", "https://s3.us-east-1.amazonaws.com/my.bucket/k" },
        { { .bucket = "bucket", .endpoint = "https://s3.us-west-2.amazonaws.com" },
          "k",
          "https://bucket.s3.us-west-2.amazonaws.com/k" },
        { { .bucket = "bucket", .endpoint = "http://127.0.0.1:9000/" },
          "k",
          "http://127.0.0.1:9000/bucket/k" },
        { { .bucket = "bucket", .endpoint = "http://127.0.0.1:9000/" },
          NULL,
          "http://127.0.0.1:9000/bucket" },
        { { .bucket = "bucket", .endpoint = "https://host/s3/" }, "k", "https://host/s3/bucket/k" },
        { { .bucket = "bucket", .endpoint = "https://host:443" }, "k", "https://host/bucket/k" },
        { { .bucket = "bucket", .endpoint = "https://host", .path_style = PS_S3_PATH_STYLE_OFF },
          "k",
          "https://bucket.host/k" },
        { { .bucket = "bucket", .path_style = PS_S3_PATH_STYLE_ON },
          "k",
          "https://s3.us-east-1.amazonaws.com/bucket/k" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *url = url_of(rows[i].options, rows[i].key);

        cr_assert_str_eq(url, rows[i].url, "row %zu: %s", i, url);
        free(url);
    }
}

Test(s3_request, refuses_settings_that_cannot_be)
{
    static const struct ps_s3_options rows[] = {
        { .bucket = NULL },
        { .bucket = "ab" },
        { .bucket = "bucket/../x" },
        { .bucket = "buck et" },
        { .bucket = "bucket", .region = "evil.example/" },
        { .bucket = "bucket", .endpoint = "host" },
        { .bucket = "bucket", .endpoint = "ftp://host" },
        { .bucket = "bucket", .endpoint = "https://" },
        { .bucket = "bucket", .endpoint = "https://user@host" },
        { .bucket = "bucket", .endpoint = "https://host?x" },
        { .bucket = "bucket", .checksum_fixed = true, .checksum = PS_CHECKSUM_CRC64_ECMA },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ps_store *store = NULL;
        struct ps_err err = { 0 };

        cr_assert_eq(store_with(&store, rows[i], &err), PS_E_INVALID, "row %zu", i);
        cr_assert_null(store);
        cr_assert_neq(err.message[0], '\0');
    }
}

Test(s3_request, tells_what_the_store_can_do)
{
    static const struct {
        struct ps_s3_options options;
        enum ps_checksum_algorithm checksum;
        bool object_checksum;
    } rows[] = {
        { { .bucket = "bucket" }, PS_CHECKSUM_CRC64_NVME, true },
        { { .bucket = "bucket", .endpoint = "http://h" }, PS_CHECKSUM_CRC64_NVME, true },
        { { .bucket = "bucket", .checksum_fixed = true, .checksum = PS_CHECKSUM_CRC32C },
          PS_CHECKSUM_CRC32C,
          true },
        { { .bucket = "bucket", .checksum_fixed = true, .checksum = PS_CHECKSUM_SHA256 },
          PS_CHECKSUM_SHA256,
          false },
        { { .bucket = "bucket", .checksum_fixed = true, .checksum = PS_CHECKSUM_MD5 },
          PS_CHECKSUM_MD5,
          false },
        { { .bucket = "bucket", .checksum_fixed = true, .checksum = PS_CHECKSUM_NONE },
          PS_CHECKSUM_NONE,
          false },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ps_store *store = NULL;

        cr_assert_eq(store_with(&store, rows[i].options, NULL), PS_OK);

        cr_assert_eq(store->capabilities.checksum_default, rows[i].checksum, "row %zu", i);
        cr_assert_eq(store->capabilities.object_checksum, rows[i].object_checksum, "row %zu", i);
        cr_assert_neq(store->capabilities.checksum_set & 1U << rows[i].checksum, 0, "row %zu", i);
        cr_assert_eq(store->capabilities.part_size_min_bytes, UINT64_C(5) << 20);
        cr_assert_eq(store->capabilities.part_size_max_bytes, UINT64_C(5) << 30);
        cr_assert_eq(store->capabilities.part_count_max, 10000);
        /* 10000 parts of 5 GiB */
        cr_assert_eq(store->capabilities.object_size_max_bytes, UINT64_C(53687091200000));
        cr_assert_str_eq(store->root_url, "s3://bucket");
        ps_store_free(store);
    }
}

Test(s3_request, parses_content_range)
{
    static const struct {
        const char *text;
        bool good;
        uint64_t first;
        uint64_t last;
        uint64_t total;
    } rows[] = {
        /* RFC 9110 14.4 */
        { "bytes 42-1233/1234", true, 42, 1233, 1234 },
        { "bytes 0-0/1", true, 0, 0, 1 },
        { "bytes 0-18446744073709551613/18446744073709551614", true, 0, UINT64_MAX - 2,
          UINT64_MAX - 1 },
        { "bytes 42-1233/*", false, 0, 0, 0 },
        { "bytes */1234", false, 0, 0, 0 },
        { "bytes 5-4/10", false, 0, 0, 0 },
        { "bytes 0-10/10", false, 0, 0, 0 },
        { "bytes 0-18446744073709551616/1", false, 0, 0, 0 },
        { "bytes 0-1/2 ", false, 0, 0, 0 },
        { "bytes=0-1/2", false, 0, 0, 0 },
        { "bytes -1/2", false, 0, 0, 0 },
        { "", false, 0, 0, 0 },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t first = 0;
        uint64_t last = 0;
        uint64_t total = 0;

        cr_assert_eq(ps_s3_range_parse(rows[i].text, &first, &last, &total), rows[i].good, "%s",
                     rows[i].text);
        cr_assert_eq(first, rows[i].first, "%s", rows[i].text);
        cr_assert_eq(last, rows[i].last, "%s", rows[i].text);
        cr_assert_eq(total, rows[i].total, "%s", rows[i].text);
    }
}

/* Endpoints of AWS: which of them name a region, whose host a correction of the region changes. */
Test(s3_request, an_endpoint_that_names_a_region_of_aws_follows_it)
{
    static const struct {
        const char *endpoint;
        const char *given; /* region of the settings; NULL = none */
        const char *region;
        bool follows;
    } rows[] = {
        { "https://s3.eu-west-1.amazonaws.com", NULL, "eu-west-1", true },
        { "https://s3.eu-west-1.amazonaws.com/", "eu-west-1", "eu-west-1", true },
        { "https://s3.cn-north-1.amazonaws.com.cn", NULL, "cn-north-1", true },
        { "https://s3.eu-west-1.amazonaws.com", "us-west-2", "us-west-2", false },
        { "http://s3.eu-west-1.amazonaws.com", NULL, "us-east-1", false },
        { "https://s3.dualstack.eu-west-1.amazonaws.com", NULL, "us-east-1", false },
        { "https://bucket.vpce-1.s3.eu-west-1.vpce.amazonaws.com", NULL, "us-east-1", false },
        { "https://s3.eu-west-1.amazonaws.com.evil.example", NULL, "us-east-1", false },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ps_store *store = NULL;
        struct ps_err err = { 0 };
        const struct ps_s3_options options = { .bucket = "bucket",
                                               .endpoint = rows[i].endpoint,
                                               .region = rows[i].given };

        cr_assert_eq(store_with(&store, options, &err), PS_OK, "%s", err.message);
        cr_expect_str_eq(((struct ps_s3_store *)store)->region, rows[i].region, "%s",
                         rows[i].endpoint);
        cr_expect_eq(((struct ps_s3_store *)store)->host == NULL, rows[i].follows, "%s",
                     rows[i].endpoint);
        ps_store_free(store);
    }
}
