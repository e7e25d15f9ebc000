/* Reading objects, also where the body is cut. */
#include "tests/support/s3_rig.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(s3_get, .timeout = 20);

Test(s3_get, goes_on_where_a_body_was_cut)
{
    char *whole = http_vector_read("get/200.http");
    struct ps_get_request request;
    struct rig rig;

    s3_rig_open(&rig);
    request = s3_rig_get_request(&rig);
    http_server_answer_cut(rig.server, whole, 4);
    http_server_answer_file(rig.server, "get/206_from_4.http");

    s3_rig_get(&rig, &request);

    s3_rig_check_code(&rig, PS_OK);
    s3_rig_check_requests(&rig, 2);
    cr_assert_str_eq(rig.seen.body, "0123456789");
    cr_assert_str_eq(rig.seen.text, "10 \"e1\"", "on_info is called once: %s", rig.seen.text);
    s3_rig_check_header(&rig, 0, "range", "");
    s3_rig_check_header(&rig, 1, "range", "bytes=4-9");
    s3_rig_check_header(&rig, 1, "if-match", "\"e1\"");
    free(whole);
    s3_rig_close(&rig);
}

Test(s3_get, goes_on_through_a_store_that_sends_the_whole_body_again)
{
    char *whole = http_vector_read("get/200.http");
    struct ps_get_request request;
    struct rig rig;

    s3_rig_open(&rig);
    request = s3_rig_get_request(&rig);
    http_server_answer_cut(rig.server, whole, 4);
    http_server_answer(rig.server, whole);

    s3_rig_get(&rig, &request);

    s3_rig_check_code(&rig, PS_OK);
    cr_assert_str_eq(rig.seen.body, "0123456789");
    free(whole);
    s3_rig_close(&rig);
}

Test(s3_get, counts_attempts_anew_after_each_progress)
{
    char *whole = http_vector_read("get/200.http");
    struct ps_get_request request;
    char rest[256];
    struct rig rig;

    s3_rig_open(&rig);
    request = s3_rig_get_request(&rig);
    http_server_answer_cut(rig.server, whole, 1);
    for (int i = 1; i < 9; i++) { /* more cuts than attempts_max */
        (void)snprintf(rest, sizeof(rest),
                       "HTTP/1.1 206 Partial Content\nETag: \"e1\"\nContent-Range: bytes %d-9/10\n"
                       "content-length: auto\n\n%s",
                       i, &"0123456789"[i]);
        http_server_answer_cut(rig.server, rest, 1);
    }
    http_server_answer(rig.server, "HTTP/1.1 206 Partial Content\nETag: \"e1\"\n"
                                   "Content-Range: bytes 9-9/10\ncontent-length: auto\n\n9");

    s3_rig_get(&rig, &request);

    s3_rig_check_code(&rig, PS_OK);
    cr_assert_str_eq(rig.seen.body, "0123456789");
    free(whole);
    s3_rig_close(&rig);
}

Test(s3_get, never_mixes_the_bytes_of_two_objects)
{
    static const struct {
        const char *file;
        enum ps_code code;
    } rows[] = {
        { "get/206_other_etag.http", PS_E_CHANGED },
        { "get/412.http", PS_E_CHANGED },
        { "get/206_wrong_start.http", PS_E_PARSE },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *whole = http_vector_read("get/200.http");
        struct ps_get_request request;
        struct rig rig;

        s3_rig_open(&rig);
        request = s3_rig_get_request(&rig);
        http_server_answer_cut(rig.server, whole, 4);
        http_server_answer_file(rig.server, rows[i].file);

        s3_rig_get(&rig, &request);

        s3_rig_check_code(&rig, rows[i].code);
        cr_assert_str_eq(rig.seen.body, "0123", "%s", rows[i].file);
        free(whole);
        s3_rig_close(&rig);
    }
}

Test(s3_get, gets_a_range_also_from_a_store_that_ignores_it)
{
    static const char *const files[] = { "get/206_from_4.http", "get/200.http" };

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        struct ps_get_request request;
        struct rig rig;

        s3_rig_open(&rig);
        request = s3_rig_get_request(&rig);
        request.has_range = true;
        request.offset_bytes = 4;
        request.length_bytes = 6;
        request.if_match = "\"e1\"";
        http_server_answer_file(rig.server, files[i]);

        s3_rig_get(&rig, &request);

        s3_rig_check_code(&rig, PS_OK);
        cr_assert_str_eq(rig.seen.body, "456789", "%s", files[i]);
        cr_assert_str_eq(rig.seen.text, "10 \"e1\"");
        s3_rig_check_header(&rig, 0, "range", "bytes=4-9");
        s3_rig_check_header(&rig, 0, "if-match", "\"e1\"");
        s3_rig_close(&rig);
    }
}

Test(s3_get, notices_a_replaced_object_where_the_store_does_not_know_if_match)
{
    struct ps_get_request request;
    struct rig rig;

    s3_rig_open(&rig);
    request = s3_rig_get_request(&rig);
    request.if_match = "\"e0\"";
    http_server_answer_file(rig.server, "get/200.http");

    s3_rig_get(&rig, &request);

    s3_rig_check_code(&rig, PS_E_CHANGED);
    cr_assert_eq(rig.seen.body_size, 0);
    s3_rig_close(&rig);
}

Test(s3_get, reads_the_headers_of_an_object)
{
    static const struct {
        const char *file;
        const char *text;
    } rows[] = {
        { "head/200.http",
          "a/b|6291456|1255369830000|\"88fc978485924ccd87ceb19c90195b35-2\"|"
          "text/plain|STANDARD_IA|ongoing-request=\"true\"|" WHOLE_CRC "|token 1" },
        { "head/200_composite.http",
          "a/b|6291456|0|\"x-2\"||||4b0o13OGbYmXv5QenBgYkQfFFWwZUxaxssJCW8WXE9w=-2|" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ps_err err = { 0 };
        struct rig rig;

        s3_rig_open(&rig);
        http_server_answer_file(rig.server, rows[i].file);

        (void)ps_store_head(rig.store, "a/b", s3_rig_on_head, &rig.seen, &err);
        s3_rig_wait(&rig);

        s3_rig_check_code(&rig, PS_OK);
        cr_assert_str_eq(rig.seen.text, rows[i].text, "%s: %s", rows[i].file, rig.seen.text);
        s3_rig_check_header(&rig, 0, "x-amz-checksum-mode", "ENABLED");
        s3_rig_close(&rig);
    }
}

Test(s3_get, tells_an_object_that_is_not_there)
{
    struct ps_err err = { 0 };
    struct rig rig;

    s3_rig_open(&rig);
    http_server_answer_file(rig.server, "head/404.http");

    (void)ps_store_head(rig.store, "a/b", s3_rig_on_head, &rig.seen, &err);
    s3_rig_wait(&rig);

    s3_rig_check_code(&rig, PS_E_NOT_FOUND);
    cr_assert_str_eq(rig.seen.err.request_id, "4442587FB7D0A2F9");
    s3_rig_close(&rig);
}
