/* One suite, run against every store: copies, tags, presigned URLs, restore and lifecycle. */
#include "tests/support/store_fixture.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(store_copy, .timeout = 60);

#define MIB ((uint64_t)1024 * 1024)

static struct answer a; /* large; each test runs in a process of its own */

STORE_TEST(store_copy, copies_bytes_checksum_metadata_and_type)
{
    static const uint64_t sizes[] = { 0, 1, 300000 };
    struct ps_copy_request request = { .key = "new dir/c+%41", .from_key = "from/a b+%41" };

    request.options.checksum = f->store->capabilities.checksum_default;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        const struct ps_get_request get = { .key = "new dir/c+%41" };
        struct ps_checksum sum = pattern_checksum(f, 5, sizes[i]);
        char expected[64];

        store_put(f, request.from_key, 5, sizes[i], &a);
        OK(a);
        store_copy(f, &request, &a);
        OK(a);
        cr_assert_neq(a.etag[0], '\0');
        store_head(f, request.key, &a);
        OK(a);
        cr_assert_eq(a.info.size_bytes, sizes[i]);
        cr_assert(a.checksum.algorithm == PS_CHECKSUM_NONE || ps_checksum_equal(&a.checksum, &sum));
        store_get(f, &get, &a);
        OK(a);
        (void)pattern_read((void *)5, 0, expected, sizeof(expected));
        cr_assert_eq(memcmp(a.body, expected, sizes[i] < 64 ? sizes[i] : 64), 0);
    }
}

STORE_TEST(store_copy, copy_keeps_what_is_not_given_and_replaces_what_is)
{
    static const struct ps_store_pair old_meta = { "color", "red" };
    static const struct ps_store_pair old_tag = { "team", "a" };
    static const struct ps_store_pair new_meta = { "color", "blue" };
    static const struct ps_store_pair new_tag = { "team", "b c" };
    struct ps_put_request put = {
        .key = "o",
        .body = { .size_bytes = 10, .read = pattern_read, .user = (void *)1 },
        .checksum = pattern_checksum(f, 1, 10),
        .options = { .content_type = "text/x",
                     .metadata = &old_meta,
                     .metadata_count = 1,
                     .tags = &old_tag,
                     .tag_count = 1 },
    };
    struct ps_copy_request request = { .key = "kept", .from_key = "o" };

    put.options.checksum = put.checksum.algorithm;
    store_put_request(f, &put, &a);
    OK(a);
    store_copy(f, &request, &a);
    OK(a);
    store_head(f, "kept", &a);
    OK(a);
    cr_assert_str_eq(a.metadata, "color=red ");
    cr_assert_str_eq(a.content_type, "text/x");
    store_get_tags(f, "kept", &a);
    OK(a);
    cr_assert_str_eq(a.text, "team=a;");

    request.key = "replaced";
    request.options = (struct ps_write_options){ .content_type = "text/y",
                                                 .metadata = &new_meta,
                                                 .metadata_count = 1,
                                                 .tags = &new_tag,
                                                 .tag_count = 1 };
    store_copy(f, &request, &a);
    OK(a);
    store_head(f, "replaced", &a);
    OK(a);
    cr_assert_str_eq(a.metadata, "color=blue ");
    cr_assert_str_eq(a.content_type, "text/y");
    store_get_tags(f, "replaced", &a);
    OK(a);
    cr_assert_str_eq(a.text, "team=b c;");
}

STORE_TEST(store_copy, copy_of_another_version_or_of_nothing_is_refused)
{
    struct ps_copy_request request = { .key = "c",
                                       .from_key = "s",
                                       .from_if_match = "\"0123456789abcdef0123456789abcdef\"" };

    store_put(f, "s", 1, 100, &a);
    OK(a);
    store_copy(f, &request, &a);
    FAILS(a, PS_E_CHANGED);
    store_head(f, "c", &a);
    FAILS(a, PS_E_NOT_FOUND);

    request.from_if_match = NULL;
    request.from_key = "nothing";
    store_copy(f, &request, &a);
    FAILS(a, PS_E_NOT_FOUND);
}

STORE_TEST(store_copy, parts_are_copied_and_complete_to_the_same_bytes)
{
    struct ps_copy_request part = { .key = "whole", .from_key = "big" };
    struct ps_part_info parts[2] = { { .part_number = 1 }, { .part_number = 2 } };
    struct ps_complete_request complete = {
        .key = "whole", .parts = parts, .part_count = 2, .size_bytes = 6 * MIB
    };
    struct ps_begin_request begin = {
        .key = "whole", .has_size = true, .size_bytes = 6 * MIB, .part_size_bytes = 5 * MIB
    };
    struct ps_get_request get = {
        .key = "whole", .has_range = true, .offset_bytes = 5 * MIB - 10, .length_bytes = 20
    };
    char etags[2][128];
    char upload_id[256];
    char expected[20];

    store_put(f, "big", 7, 6 * MIB, &a);
    OK(a);
    (void)begin;
    store_begin(f, "whole", 6 * MIB, &a);
    OK(a);
    (void)snprintf(upload_id, sizeof(upload_id), "%s", a.upload_id);
    part.upload_id = upload_id;
    part.options.checksum = f->store->capabilities.checksum_default;
    for (uint32_t i = 0; i < 2; i++) {
        part.part_number = i + 1;
        part.offset_bytes = i * 5 * MIB;
        part.length_bytes = i == 0 ? 5 * MIB : MIB;
        store_copy(f, &part, &a);
        OK(a);
        (void)snprintf(etags[i], sizeof(etags[i]), "%s", a.etag);
        parts[i].etag = etags[i];
        parts[i].size_bytes = part.length_bytes;
        parts[i].checksum = a.checksum;
        cr_assert(!store_fixture_is_oss(f) || a.checksum.algorithm == PS_CHECKSUM_CRC64_ECMA);
    }
    complete.upload_id = upload_id;
    store_complete(f, &complete, &a);
    OK(a);
    store_head(f, "whole", &a);
    OK(a);
    cr_assert_eq(a.info.size_bytes, 6 * MIB);
    store_get(f, &get, &a);
    OK(a);
    (void)pattern_read((void *)7, 5 * MIB - 10, expected, sizeof(expected));
    cr_assert_eq(memcmp(a.body, expected, sizeof(expected)), 0);
}

STORE_TEST(store_copy, tags_are_put_and_got)
{
    static const struct ps_store_pair tags[] = { { "a", "1" }, { "b-c", "x y:z" } };
    const struct ps_tags_request request = { .key = "t", .tags = tags, .count = 2 };

    store_put(f, "t", 1, 100, &a);
    OK(a);
    store_get_tags(f, "t", &a);
    OK(a);
    cr_assert_str_eq(a.text, "");
    store_put_tags(f, &request, &a);
    OK(a);
    store_get_tags(f, "t", &a);
    OK(a);
    cr_assert(strcmp(a.text, "a=1;b-c=x y:z;") == 0 || strcmp(a.text, "b-c=x y:z;a=1;") == 0, "%s",
              a.text);
    store_head(f, "t", &a);
    OK(a);
    cr_assert_eq(a.info.size_bytes, 100);
    store_get_tags(f, "nothing", &a);
    FAILS(a, PS_E_NOT_FOUND);
}

static size_t count_bytes(char *data, size_t size, size_t count, void *user)
{
    (void)data;
    *(size_t *)user += size * count;
    return size * count;
}

/* Asked for by curl, which knows no credentials. */
static long ask(const char *url, size_t *size_out)
{
    CURL *easy = curl_easy_init();
    long status = 0;

    *size_out = 0;
    (void)curl_easy_setopt(easy, CURLOPT_URL, url);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, count_bytes);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, size_out);
    (void)curl_easy_perform(easy);
    (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(easy);
    return status;
}

STORE_TEST(store_copy, presigned_url_opens_one_object_and_no_other)
{
    struct ps_presign_request request = { .method = "GET", .key = "a b/+%41", .expires_s = 60 };
    size_t size = 0;

    store_put(f, request.key, 1, 100, &a);
    OK(a);
    store_presign(f, &request, &a);
    if (!f->store->capabilities.presign) {
        FAILS(a, PS_E_UNSUPPORTED);
        return;
    }
    OK(a);
    cr_assert_eq(ask(a.text, &size), 200);
    cr_assert_eq(size, 100);
    *strstr(a.text, "a%20b") = 'x';
    cr_assert_eq(ask(a.text, &size), 403);

    request.expires_s = 604801;
    store_presign(f, &request, &a);
    FAILS(a, PS_E_INVALID);
}

#define RULES                                                                                      \
    "<LifecycleConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Rule><ID>x</ID>"   \
    "<Filter><Prefix>tmp/</Prefix></Filter><Status>Enabled</Status><Expiration><Days>3</Days>"     \
    "</Expiration></Rule></LifecycleConfiguration>"

/* OSS has the prefix in the rule itself, and knows no namespace. */
#define OSS_RULES                                                                                  \
    "<LifecycleConfiguration>\n <Rule><ID>x</ID><Prefix>tmp/</Prefix><Status>Enabled</Status>"     \
    "<Expiration><Days>3</Days></Expiration></Rule>\n</LifecycleConfiguration>"

STORE_TEST(store_copy, lifecycle_is_kept_as_it_was_given)
{
    const char *rules = store_fixture_is_oss(f) ? OSS_RULES : RULES;

    store_put_lifecycle(f, rules, &a);
    if (a.err.code == PS_E_UNSUPPORTED) { /* versitygw has none */
        cr_assert(!f->store->capabilities.local && !store_fixture_is_oss(f));
        return;
    }
    OK(a);
    store_get_lifecycle(f, &a);
    OK(a);
    cr_assert_str_eq(a.text, rules);
    store_put_lifecycle(f, "", &a);
    OK(a);
    store_get_lifecycle(f, &a);
    OK(a);
    cr_assert_str_eq(a.text, "");
}

STORE_TEST(store_copy, restore_is_for_archives)
{
    const struct ps_restore_request request = { .key = "r", .days = 1 };
    const struct ps_restore_request no_days = { .key = "r" };

    store_put(f, "r", 1, 100, &a);
    OK(a);
    store_restore(f, &request, &a);
    cr_assert_neq(a.err.code, PS_E_BUG);
    if (f->store->capabilities.restore) {
        store_restore(f, &no_days, &a);
        FAILS(a, PS_E_INVALID);
    } else {
        FAILS(a, PS_E_UNSUPPORTED);
    }
}

/* Of the servers here only the double of OSS has archives; its restore takes until a second look. */
STORE_TEST(store_copy, an_archived_object_opens_when_it_is_restored)
{
    const struct ps_get_request get = { .key = "cold" };
    const struct ps_restore_request restore = { .key = "cold", .days = 2, .tier = "Expedited" };
    struct ps_put_request put = {
        .key = "cold",
        .body = { .size_bytes = 10, .read = pattern_read, .user = (void *)1 },
        .checksum = pattern_checksum(f, 1, 10),
        .options = { .storage_class = "ColdArchive" },
    };

    if (!store_fixture_is_oss(f)) {
        return;
    }
    put.options.checksum = put.checksum.algorithm;
    store_put_request(f, &put, &a);
    OK(a);
    store_get(f, &get, &a);
    FAILS(a, PS_E_REFUSED);
    cr_assert_str_eq(a.err.store_code, "InvalidObjectState");
    for (int i = 0; i < 2; i++) { /* the second time it is on its way, which is success too */
        store_restore(f, &restore, &a);
        OK(a);
    }
    store_get(f, &get, &a);
    FAILS(a, PS_E_REFUSED);
    store_head(f, "cold", &a);
    OK(a);
    store_get(f, &get, &a);
    OK(a);
    cr_assert_eq(a.body_size, 10);
}
