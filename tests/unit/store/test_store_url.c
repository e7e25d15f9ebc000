#include "store/store_url.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(store_url, .timeout = 20);

struct good_row {
    const char *url;
    const char *scheme;
    const char *bucket;
    const char *key;
};

/* The s3:// form as the AWS CLI reads it: after the bucket, byte for byte. file: RFC 8089, paths as they are. */
static const struct good_row good_rows[] = {
    { "s3://bucket/a/b.tar", "s3", "bucket", "a/b.tar" },
    { "s3://bucket", "s3", "bucket", "" },
    { "s3://bucket/", "s3", "bucket", "" },
    { "s3://bucket//a", "s3", "bucket", "/a" },
    { "s3://bucket/a/../b/./", "s3", "bucket", "a/../b/./" },
    { "s3://bucket/a%20b?c#d@e", "s3", "bucket", "a%20b?c#d@e" },
    { "s3://my.bucket_1-x/k", "s3", "my.bucket_1-x", "k" },
    { "s3://b/.purser/x", "s3", "b", ".purser/x" },
    { "oss://bucket/\xc3\xa9", "oss", "bucket", "\xc3\xa9" },
    { "file:///tmp/a", "file", "", "tmp/a" },
    { "file://localhost/tmp/a", "file", "", "tmp/a" },
    { "file:///tmp/a%20b", "file", "", "tmp/a%20b" },
    { "file:///tmp/dir/", "file", "", "tmp/dir/" },
    { "file:///", "file", "", "" },
    { "file:///a/..b/c.", "file", "", "a/..b/c." },
    { "file:///a/.purser2", "file", "", "a/.purser2" },
};

Test(store_url, takes_urls_apart)
{
    for (size_t i = 0; i < sizeof(good_rows) / sizeof(good_rows[0]); i++) {
        const struct good_row *row = &good_rows[i];
        struct ps_store_url url = { 0 };
        struct ps_err err;

        cr_assert_eq(ps_store_url_parse(row->url, &url, &err), PS_OK, "%s", row->url);

        cr_expect_str_eq(url.scheme, row->scheme, "%s", row->url);
        cr_expect_str_eq(url.bucket, row->bucket, "%s", row->url);
        cr_expect_str_eq(url.key, row->key, "%s", row->url);
        ps_store_url_clear(&url);
    }
}

struct bad_row {
    const char *url;
    const char *advice; /* part of the message */
};

static const struct bad_row bad_rows[] = {
    { "", "write s3://BUCKET/KEY" },
    { "bucket/key", "write s3://BUCKET/KEY" },
    { "/tmp/a", "write s3://BUCKET/KEY" },
    { "S3://bucket/key", "write s3://BUCKET/KEY" },
    { "s3:/bucket/key", "write s3://BUCKET/KEY" },
    { "https://bucket.s3.amazonaws.com/key", "write s3://BUCKET/KEY" },
    { "s3://", "no bucket" },
    { "s3:///key", "no bucket" },
    { "oss:///key", "write oss://BUCKET/KEY" },
    { "s3://bu cket/key", "write s3://BUCKET/KEY" },
    { "s3://bucket?x/key", "write s3://BUCKET/KEY" },
    { "s3://bucket:80/key", "write s3://BUCKET/KEY" },
    { "s3://../key", "write s3://BUCKET/KEY" },
    { "s3://-b/key", "write s3://BUCKET/KEY" },
    { "s3://b\xc3\xbc/key", "write s3://BUCKET/KEY" },
    { "file:relative", "write file:///DIR/FILE" },
    { "file:/tmp/a", "write file:///DIR/FILE" },
    { "file://", "three slashes" },
    { "file://host/tmp/a", "three slashes" },
    { "file://localhost", "three slashes" },
    { "file://localhostile/a", "three slashes" },
    { "file:////tmp/a", "two slashes" },
    { "file:///tmp//a", "two slashes" },
    { "file:///tmp/../a", "'..'" },
    { "file:///tmp/..", "'..'" },
    { "file:///./a", "'.'" },
    { "file:///tmp/.", "'.'" },
    { "file:///tmp/.purser/uploads/1", "'.purser'" },
    { "file:///.purser", "'.purser'" },
};

Test(store_url, refuses_what_is_no_url_and_says_what_to_write)
{
    for (size_t i = 0; i < sizeof(bad_rows) / sizeof(bad_rows[0]); i++) {
        struct ps_store_url url = { .scheme = "untouched" };
        struct ps_err err;

        cr_expect_eq(ps_store_url_parse(bad_rows[i].url, &url, &err), PS_E_INVALID, "%s",
                     bad_rows[i].url);

        cr_expect_eq(err.code, PS_E_INVALID, "%s", bad_rows[i].url);
        cr_expect_not_null(strstr(err.message, bad_rows[i].advice), "%s: %s", bad_rows[i].url,
                           err.message);
        cr_expect_str_eq(url.scheme, "untouched", "%s", bad_rows[i].url);
    }
}

Test(store_url, does_not_repeat_secrets)
{
    static const char *const urls[] = {
        "s3://AKID:hunter2@bucket/key",
        "https://user:hunter2@host/key",
        "https://host/key?X-Amz-Signature=hunter2",
        "key?X-Amz-Signature=hunter2",
        "user:hunter2@host",
    };

    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        struct ps_store_url url = { 0 };
        struct ps_err err;

        cr_expect_eq(ps_store_url_parse(urls[i], &url, &err), PS_E_INVALID, "%s", urls[i]);
        cr_expect_null(strstr(err.message, "hunter2"), "%s: %s", urls[i], err.message);
    }
}

Test(store_url, long_urls_leave_room_for_the_advice)
{
    char text[4096] = "s3://";
    struct ps_store_url url = { 0 };
    struct ps_err err;

    memset(text + 5, '!', sizeof(text) - 6);
    cr_expect_eq(ps_store_url_parse(text, &url, &err), PS_E_INVALID);
    cr_expect_not_null(strstr(err.message, "write s3://BUCKET/KEY"), "%s", err.message);
}

Test(store_url, clear_is_safe_twice)
{
    struct ps_store_url url = { 0 };

    cr_assert_eq(ps_store_url_parse("s3://b/k", &url, NULL), PS_OK);
    ps_store_url_clear(&url);
    ps_store_url_clear(&url);
    cr_expect_null(url.key);
}
