/* Lists, page after page, and deletes. */
#include "tests/support/s3_rig.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(s3_list, .timeout = 20);

/* --- lists --- */

Test(s3_list, lists_page_after_page_and_decodes_only_what_is_encoded)
{
    struct rig rig;

    s3_rig_open(&rig);
    http_server_answer_file(rig.server, "list/page_1_url.http");
    http_server_answer_file(rig.server, "list/page_empty.http");
    http_server_answer_file(rig.server, "list/page_last_plain.http");

    s3_rig_list(&rig);

    s3_rig_check_code(&rig, PS_OK);
    s3_rig_check_requests(&rig, 3);
    cr_assert_str_eq(rig.seen.text,
                     "p/a b+c\r\x01\xc3\xa9|434234|\"fba9dede5f27731c9771645a39863328\"|STANDARD|"
                     "1255369830000|0\n"
                     "p/%|0|\"x\"|GLACIER|1255369830000|0\n"
                     "p/a+b%41|7|\"y\"||1255369830000|0\n"
                     "p/q/|0|||0|1\n");
    cr_assert_str_eq(http_server_request(rig.server, 0)->target,
                     "/bucket?list-type=2&encoding-type=url&max-keys=1000&prefix=p%2F");
    cr_assert_str_eq(
        http_server_request(rig.server, 1)->target,
        "/bucket?list-type=2&continuation-token=1ueGcxLPRx1Tr%2FXYExHnhbYLgveDs2J%2Fwm36Hy4vbOwM%3D"
        "&encoding-type=url&max-keys=1000&prefix=p%2F");
    s3_rig_close(&rig);
}

Test(s3_list, asks_again_for_half_a_page_and_gives_up_on_nonsense)
{
    static const struct {
        const char *files[3];
        enum ps_code code;
    } rows[] = {
        { { "list/half.http", "list/page_last_plain.http" }, PS_OK },
        { { "list/half.http", "list/half.http", "list/half.http" }, PS_E_PARSE },
        { { "put/200.http", "list/page_last_plain.http" }, PS_OK },
        { { "list/truncated_without_token.http" }, PS_E_PARSE },
        { { "list/doctype.http", "list/doctype.http", "list/doctype.http" }, PS_E_PARSE },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rig rig;

        s3_rig_open(&rig);
        for (size_t j = 0; j < 3 && rows[i].files[j] != NULL; j++) {
            http_server_answer_file(rig.server, rows[i].files[j]);
        }

        s3_rig_list(&rig);

        cr_assert_eq(rig.seen.err.code, rows[i].code, "row %zu: %s", i, rig.seen.err.message);
        cr_assert_eq(http_server_answers_left(rig.server), 0, "row %zu", i);
        s3_rig_close(&rig);
    }
}

Test(s3_list, lists_parts_with_the_checksums_that_are_told)
{
    struct ps_err err = { 0 };
    struct rig rig;

    s3_rig_open(&rig);
    http_server_answer_file(rig.server, "list_parts/page_1.http");
    http_server_answer_file(rig.server, "list_parts/page_2.http");

    (void)ps_store_list_parts(rig.store, "a/b", "U", s3_rig_on_parts, &rig.seen, &err);
    s3_rig_wait(&rig);

    s3_rig_check_code(&rig, PS_OK);
    cr_assert_str_eq(rig.seen.text,
                     "1 5242880 \"79b281060d337b9b2b84ccf390adcf74\" " PART_1_CRC "\n"
                     "2 1048576 \"96767d2b46489f3520698a6df536dc4c\" -\n");
    cr_assert_str_eq(http_server_request(rig.server, 1)->target,
                     "/bucket/a/b?max-parts=1000&part-number-marker=1&uploadId=U");
    s3_rig_close(&rig);
}

Test(s3_list, ends_a_list_of_parts_whose_marker_stands_still)
{
    struct ps_err err = { 0 };
    struct rig rig;

    s3_rig_open(&rig);
    http_server_answer_file(rig.server, "list_parts/marker_stands_still.http");

    (void)ps_store_list_parts(rig.store, "a/b", "U", s3_rig_on_parts, &rig.seen, &err);
    s3_rig_wait(&rig);

    s3_rig_check_code(&rig, PS_E_PARSE);
    s3_rig_check_requests(&rig, 1);
    s3_rig_close(&rig);
}

Test(s3_list, lists_uploads_by_both_markers)
{
    struct ps_err err = { 0 };
    struct rig rig;

    s3_rig_open(&rig);
    http_server_answer_file(rig.server, "list_uploads/page_1.http");
    http_server_answer_file(rig.server, "list_uploads/page_2.http");

    (void)ps_store_list_uploads(rig.store, "a", s3_rig_on_uploads, &rig.seen, &err);
    s3_rig_wait(&rig);

    s3_rig_check_code(&rig, PS_OK);
    cr_assert_str_eq(rig.seen.text, "a b U1 1289422113000 crc64nvme\na+b U2 1289422113000 none\n");
    cr_assert_str_eq(
        http_server_request(rig.server, 1)->target,
        "/bucket?encoding-type=url&key-marker=a%20b&prefix=a&upload-id-marker=U1&uploads=");
    s3_rig_close(&rig);
}

/* --- delete --- */

Test(s3_list, deletes_in_a_batch_and_tells_of_each_key)
{
    static const char *const keys[] = { "a & b", "ctl\x01", "denied", "busy" };
    struct ps_deleter deleter;
    struct ps_err err = { 0 };
    struct rig rig;

    s3_rig_open(&rig);
    deleter.store = rig.store;
    http_server_answer_file(rig.server, "delete/200_partial.http");
    http_server_answer_file(rig.server, "delete/200_busy_done.http");
    http_server_answer_file(rig.server, "abort/204.http"); /* the key that XML cannot carry */

    (void)ps_deleter_delete_batch(&deleter, keys, 4, s3_rig_on_deleted, &rig.seen, &err);
    s3_rig_wait(&rig);

    s3_rig_check_code(&rig, PS_OK);
    s3_rig_check_requests(&rig, 3);
    cr_assert_str_eq(rig.seen.text, "a & b=ok+marker\nctl\x01=ok\ndenied=denied\nbusy=ok\n");
    cr_assert_str_eq(http_server_request(rig.server, 0)->target, "/bucket?delete=");
    cr_assert_not_null(strstr(http_server_request(rig.server, 0)->body,
                              "<Object><Key>a &amp; b</Key></Object>"
                              "<Object><Key>denied</Key></Object>"
                              "<Object><Key>busy</Key></Object></Delete>"));
    cr_assert_null(strstr(http_server_request(rig.server, 1)->body, "denied"));
    cr_assert_not(s3_rig_header_has(&rig, 0, "content-md5", ","));
    cr_assert(s3_rig_header_has(&rig, 0, "content-md5", "=="));
    cr_assert(s3_rig_header_has(&rig, 0, "x-amz-checksum-crc64nvme", "="));
    cr_assert_str_eq(http_server_request(rig.server, 2)->method, "DELETE");
    cr_assert_str_eq(http_server_request(rig.server, 2)->target, "/bucket/ctl%01");
    s3_rig_close(&rig);
}

Test(s3_list, does_not_call_deleted_what_the_store_does_not_name)
{
    static const char *const keys[] = { "busy", "forgotten" };
    struct ps_deleter deleter;
    struct ps_err err = { 0 };
    struct rig rig;

    s3_rig_open(&rig);
    deleter.store = rig.store;
    http_server_answer_file(rig.server, "delete/200_busy_done.http");

    (void)ps_deleter_delete_batch(&deleter, keys, 2, s3_rig_on_deleted, &rig.seen, &err);
    s3_rig_wait(&rig);

    s3_rig_check_code(&rig, PS_OK);
    cr_assert_str_eq(rig.seen.text, "busy=ok\nforgotten=unknown_outcome\n");
    s3_rig_close(&rig);
}

Test(s3_list, refuses_an_empty_key_among_those_to_delete)
{
    static const char *const keys[] = { "a", "" };
    struct ps_deleter deleter;
    struct ps_err err = { 0 };
    struct rig rig;

    s3_rig_open(&rig);
    deleter.store = rig.store;

    cr_assert_null(ps_deleter_delete_batch(&deleter, keys, 2, s3_rig_on_deleted, &rig.seen, &err));

    cr_assert_eq(err.code, PS_E_INVALID);
    s3_rig_check_requests(&rig, 0);
    s3_rig_close(&rig);
}
