/* The s3:// store against a scripted server: what it sends, and what it does when that fails. */
#include "tests/support/s3_rig.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(s3_store, .timeout = 20);

/* --- what a write sends --- */

Test(s3_store, sends_a_put_with_a_signed_checksum_header)
{
    struct rig rig;

    s3_rig_open(&rig);
    http_server_answer_file(rig.server, "put/200.http");

    s3_rig_put(&rig);

    s3_rig_check_code(&rig, PS_OK);
    s3_rig_check_requests(&rig, 1);
    cr_assert_str_eq(rig.seen.text, "\"25f9e794323b453885f5181f1b624d0b\" " DIGITS_CRC);
    cr_assert_str_eq(http_server_request(rig.server, 0)->method, "PUT");
    cr_assert_str_eq(http_server_request(rig.server, 0)->target, "/bucket/a/b");
    cr_assert_str_eq(http_server_request(rig.server, 0)->body, DIGITS);
    s3_rig_check_header(&rig, 0, "x-amz-content-sha256", "UNSIGNED-PAYLOAD");
    s3_rig_check_header(&rig, 0, "x-amz-checksum-crc64nvme", DIGITS_CRC);
    s3_rig_check_header(&rig, 0, "x-amz-date", "20260102T030405Z");
    s3_rig_check_header(&rig, 0, "content-type", "application/octet-stream");
    cr_assert(
        s3_rig_header_has(&rig, 0, "authorization",
                          "Credential=AKIAIOSFODNN7EXAMPLE/20260102/us-east-1/s3/aws4_request"));
    cr_assert(s3_rig_header_has(&rig, 0, "authorization", "x-amz-checksum-crc64nvme"));
    s3_rig_close(&rig);
}

Test(s3_store, sends_metadata_tags_and_odd_keys_as_the_wire_wants_them)
{
    static const struct ps_store_pair metadata[] = { { "Made-By", "purser" } };
    static const struct ps_store_pair tags[] = { { "a b", "c/d" }, { "e", "" } };
    struct ps_put_request request = s3_rig_digits_request();
    struct ps_err err = { 0 };
    struct rig rig;

    s3_rig_open(&rig);
    http_server_answer_file(rig.server, "put/200.http");
    request.key = "/./a b+c//../\xc3\xa9~\x01%";
    request.options = (struct ps_write_options){
        .storage_class = "STANDARD_IA",
        .content_type = "text/plain",
        .metadata = metadata,
        .metadata_count = 1,
        .tags = tags,
        .tag_count = 2,
        .create_only = true,
    };

    (void)ps_store_put(rig.store, &request, s3_rig_on_put, &rig.seen, &err);
    s3_rig_wait(&rig);

    s3_rig_check_code(&rig, PS_OK);
    cr_assert_str_eq(http_server_request(rig.server, 0)->target,
                     "/bucket//./a%20b%2Bc//../%C3%A9~%01%25");
    s3_rig_check_header(&rig, 0, "x-amz-meta-made-by", "purser");
    s3_rig_check_header(&rig, 0, "x-amz-tagging", "a%20b=c%2Fd&e=");
    s3_rig_check_header(&rig, 0, "x-amz-storage-class", "STANDARD_IA");
    s3_rig_check_header(&rig, 0, "if-none-match", "*");
    s3_rig_close(&rig);
}

Test(s3_store, refuses_what_no_request_can_carry)
{
    static const struct ps_store_pair bad_name[] = { { "a:b", "x" } };
    static const struct ps_store_pair bad_value[] = { { "a", "x\r\nx-amz-acl: public-read" } };
    static const struct {
        const char *name;
        const char *key;
        const struct ps_store_pair *metadata;
    } rows[] = {
        { "empty key", "", NULL },
        { "metadata name", "k", bad_name },
        { "metadata value", "k", bad_value },
    };
    struct rig rig;

    s3_rig_open(&rig);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ps_put_request request = s3_rig_digits_request();
        struct ps_err err = { 0 };

        request.key = rows[i].key;
        request.options.metadata = rows[i].metadata;
        request.options.metadata_count = rows[i].metadata != NULL ? 1 : 0;

        cr_assert_null(ps_store_put(rig.store, &request, s3_rig_on_put, &rig.seen, &err), "%s",
                       rows[i].name);
        cr_assert_eq(err.code, PS_E_INVALID, "%s", rows[i].name);
    }
    s3_rig_check_requests(&rig, 0);
    s3_rig_close(&rig);
}

/* --- retries --- */

Test(s3_store, sends_again_after_trouble_that_passes)
{
    static const char *const files[] = { "put/500_internal_error.http", "put/503_slow_down.http",
                                         "put/502_proxy_html.http" };

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        struct rig rig;

        s3_rig_open(&rig);
        http_server_answer_file(rig.server, files[i]);
        http_server_answer_file(rig.server, "put/200.http");

        s3_rig_put(&rig);

        s3_rig_check_code(&rig, PS_OK);
        s3_rig_check_requests(&rig, 2);
        cr_assert_str_eq(http_server_request(rig.server, 1)->body, DIGITS, "%s", files[i]);
        s3_rig_close(&rig);
    }
}

Test(s3_store, waits_as_long_as_a_throttling_store_asks)
{
    struct rig rig;
    uint64_t started_ns;

    s3_rig_open(&rig);
    http_server_answer_file(rig.server, "put/503_slow_down.http"); /* x-amz-retry-after: 30 */
    http_server_answer_file(rig.server, "put/200.http");
    started_ns = uv_hrtime();

    s3_rig_put(&rig);

    s3_rig_check_code(&rig, PS_OK);
    cr_assert_geq(uv_hrtime() - started_ns, UINT64_C(29000000));
    s3_rig_close(&rig);
}

Test(s3_store, gives_up_when_told_to_wait_for_an_hour)
{
    struct rig rig;

    s3_rig_open(&rig);
    http_server_answer_file(rig.server, "put/503_slow_down_for_an_hour.http");

    s3_rig_put(&rig);

    s3_rig_check_code(&rig, PS_E_TEMPORARY);
    s3_rig_check_requests(&rig, 1);
    s3_rig_close(&rig);
}

Test(s3_store, gives_up_after_the_last_attempt_with_a_message_that_says_it_all)
{
    struct rig rig;

    s3_rig_open(&rig);
    for (int i = 0; i < 3; i++) {
        http_server_answer_file(rig.server, "put/500_internal_error.http");
    }

    s3_rig_put(&rig);

    s3_rig_check_code(&rig, PS_E_TEMPORARY);
    s3_rig_check_requests(&rig, 3);
    cr_assert_eq(rig.seen.err.http_status, 500);
    cr_assert_str_eq(rig.seen.err.store_code, "InternalError");
    cr_assert_str_eq(rig.seen.err.request_id, "4442587FB7D0A2F9");
    s3_rig_close(&rig);
}

Test(s3_store, says_what_happened_and_the_mend_in_one_line)
{
    struct rig rig;

    s3_rig_open(&rig);
    http_server_answer_file(rig.server, "put/404_no_such_bucket.http");

    s3_rig_put(&rig);

    s3_rig_check_code(&rig, PS_E_NOT_FOUND);
    s3_rig_check_requests(&rig, 1);
    cr_assert_str_eq(rig.seen.err.message,
                     "put: NoSuchBucket: The specified bucket does not exist (4442587FB7D0A2F9): "
                     "create the bucket or check its name");
    s3_rig_close(&rig);
}

Test(s3_store, sends_a_put_again_whose_connection_was_cut)
{
    struct rig rig;

    s3_rig_open(&rig);
    http_server_answer_nothing(rig.server);
    http_server_answer_file(rig.server, "put/200.http");

    s3_rig_put(&rig);

    s3_rig_check_code(&rig, PS_OK);
    s3_rig_check_requests(&rig, 2);
    s3_rig_close(&rig);
}

Test(s3_store, sends_again_for_free_when_a_kept_connection_was_dead)
{
    struct rig rig;

    s3_rig_open(&rig);
    rig.retry.attempts_max = 1;
    http_server_answer_file(rig.server, "put/200.http");
    http_server_answer_nothing(rig.server);
    http_server_answer_file(rig.server, "put/200.http");

    s3_rig_put(&rig);
    s3_rig_put(&rig);

    s3_rig_check_code(&rig, PS_OK);
    s3_rig_check_requests(&rig, 3);
    cr_assert_eq(http_server_request(rig.server, 1)->connection_number, 1);
    cr_assert_eq(http_server_request(rig.server, 2)->connection_number, 2);
    cr_assert_str_eq(http_server_request(rig.server, 2)->body, DIGITS);
    s3_rig_close(&rig);
}

Test(s3_store, signs_with_the_clock_of_the_store_once_that_differs)
{
    struct rig rig;

    s3_rig_open(&rig);
    rig.unix_ms = SERVER_UNIX_MS - 3600000;
    http_server_answer_file(rig.server, "put/403_request_time_too_skewed.http");
    http_server_answer_file(rig.server, "put/200.http");
    http_server_answer_file(rig.server, "put/200.http");

    s3_rig_put(&rig);
    s3_rig_check_code(&rig, PS_OK);
    s3_rig_put(&rig); /* the offset is kept */

    s3_rig_check_code(&rig, PS_OK);
    s3_rig_check_requests(&rig, 3);
    s3_rig_check_header(&rig, 0, "x-amz-date", "20260102T020405Z");
    s3_rig_check_header(&rig, 1, "x-amz-date", "20260102T030405Z");
    s3_rig_check_header(&rig, 2, "x-amz-date", "20260102T030405Z");
    s3_rig_close(&rig);
}

Test(s3_store, does_not_follow_a_clock_that_is_days_off)
{
    struct rig rig;

    s3_rig_open(&rig);
    rig.unix_ms = SERVER_UNIX_MS - INT64_C(3) * 24 * 3600 * 1000;
    http_server_answer_file(rig.server, "put/403_request_time_too_skewed.http");

    s3_rig_put(&rig);

    s3_rig_check_code(&rig, PS_E_DENIED);
    s3_rig_check_requests(&rig, 1);
    s3_rig_close(&rig);
}

Test(s3_store, corrects_the_clock_for_a_head_whose_answer_has_no_body)
{
    struct ps_err err = { 0 };
    struct rig rig;

    s3_rig_open(&rig);
    rig.unix_ms = SERVER_UNIX_MS + 3600000;
    http_server_answer_file(rig.server, "head/403.http");
    http_server_answer_file(rig.server, "head/200.http");

    (void)ps_store_head(rig.store, "a/b", s3_rig_on_head, &rig.seen, &err);
    s3_rig_wait(&rig);

    s3_rig_check_code(&rig, PS_OK);
    s3_rig_check_header(&rig, 1, "x-amz-date", "20260102T030405Z");
    s3_rig_close(&rig);
}

Test(s3_store, signs_for_the_region_that_the_store_names_and_never_follows_its_location)
{
    static const struct {
        const char *file;
        const char *scope;
    } rows[] = {
        { "put/301_permanent_redirect.http", "/eu-west-1/s3/" },
        { "put/400_authorization_header_malformed.http", "/eu-central-1/s3/" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rig rig;

        s3_rig_open(&rig);
        http_server_answer_file(rig.server, rows[i].file);
        http_server_answer_file(rig.server, "put/200.http");

        s3_rig_put(&rig);

        s3_rig_check_code(&rig, PS_OK);
        s3_rig_check_requests(&rig, 2); /* both came to this server */
        cr_assert(s3_rig_header_has(&rig, 0, "authorization", "/us-east-1/s3/"));
        cr_assert(s3_rig_header_has(&rig, 1, "authorization", rows[i].scope), "%s", rows[i].file);
        s3_rig_close(&rig);
    }
}

Test(s3_store, redirects_end_after_one_correction)
{
    struct rig rig;

    s3_rig_open(&rig);
    http_server_answer_file(rig.server, "put/301_permanent_redirect.http");
    http_server_answer_file(rig.server, "put/400_authorization_header_malformed.http");

    s3_rig_put(&rig);

    s3_rig_check_code(&rig, PS_E_INVALID);
    s3_rig_check_requests(&rig, 2);
    s3_rig_close(&rig);
}

Test(s3_store, takes_no_region_that_could_be_part_of_a_host)
{
    struct rig rig;

    s3_rig_open(&rig);
    http_server_answer_file(rig.server, "put/400_bad_region_name.http");

    s3_rig_put(&rig);

    s3_rig_check_code(&rig, PS_E_INVALID);
    s3_rig_check_requests(&rig, 1);
    s3_rig_close(&rig);
}

Test(s3_store, reads_the_credentials_anew_when_the_token_has_expired)
{
    struct rig rig;

    s3_rig_open(&rig);
    rig.token = "old/token==";
    http_server_answer_held(rig.server, "HTTP/1.1 400 Bad Request\ncontent-length: auto\n\n"
                                        "<Error><Code>ExpiredToken</Code></Error>");
    http_server_answer_file(rig.server, "put/200.http");

    (void)s3_rig_start_put(&rig);
    while (http_server_request_count(rig.server) == 0) {
        (void)uv_run(&rig.loop, UV_RUN_ONCE);
    }
    rig.token = "new/token==";
    http_server_release(rig.server);
    s3_rig_wait(&rig);

    s3_rig_check_code(&rig, PS_OK);
    s3_rig_check_requests(&rig, 2);
    s3_rig_check_header(&rig, 0, "x-amz-security-token", "old/token==");
    s3_rig_check_header(&rig, 1, "x-amz-security-token", "new/token==");
    s3_rig_close(&rig);
}

Test(s3_store, asks_for_new_credentials_only_once)
{
    struct rig rig;

    s3_rig_open(&rig);
    http_server_answer_file(rig.server, "put/400_expired_token.http");
    http_server_answer_file(rig.server, "put/400_expired_token.http");

    s3_rig_put(&rig);

    s3_rig_check_code(&rig, PS_E_DENIED);
    s3_rig_check_requests(&rig, 2);
    s3_rig_close(&rig);
}

Test(s3_store, never_repeats_what_was_denied)
{
    struct rig rig;

    s3_rig_open(&rig);
    http_server_answer_file(rig.server, "put/403_access_denied.http");

    s3_rig_put(&rig);

    s3_rig_check_code(&rig, PS_E_DENIED);
    s3_rig_check_requests(&rig, 1);
    s3_rig_close(&rig);
}
