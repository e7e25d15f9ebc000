/* Multipart uploads, and the ways in which their end can be unclear. */
#include "tests/support/s3_rig.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(s3_multipart, .timeout = 20);

Test(s3_multipart, begins_an_upload_with_a_checksum_of_the_full_object)
{
    struct rig rig;

    s3_rig_open(&rig);
    http_server_answer_file(rig.server, "begin/200.http");

    s3_rig_begin(&rig);

    s3_rig_check_code(&rig, PS_OK);
    cr_assert_str_eq(rig.seen.text, "VXBs+aWQ/x");
    cr_assert_str_eq(http_server_request(rig.server, 0)->target, "/bucket/a/b?uploads=");
    s3_rig_check_header(&rig, 0, "x-amz-checksum-algorithm", "CRC64NVME");
    s3_rig_check_header(&rig, 0, "x-amz-checksum-type", "FULL_OBJECT");
    s3_rig_close(&rig);
}

Test(s3_multipart, begins_again_after_half_an_answer)
{
    struct rig rig;

    s3_rig_open(&rig);
    http_server_answer_file(rig.server, "begin/200_half.http");
    http_server_answer_file(rig.server, "begin/200.http");

    s3_rig_begin(&rig);

    s3_rig_check_code(&rig, PS_OK);
    s3_rig_check_requests(&rig, 2);
    s3_rig_close(&rig);
}

Test(s3_multipart, begins_without_a_checksum_where_the_store_refuses_its_name)
{
    struct rig rig;

    s3_rig_open(&rig);
    http_server_answer_file(rig.server, "begin/400_checksum_type.http");
    http_server_answer_file(rig.server, "begin/200.http");

    s3_rig_begin(&rig);

    s3_rig_check_code(&rig, PS_OK);
    s3_rig_check_header(&rig, 1, "x-amz-checksum-algorithm", "");
    cr_assert_eq(rig.store->capabilities.checksum_default, PS_CHECKSUM_MD5);
    s3_rig_close(&rig);
}

Test(s3_multipart, names_the_part_in_the_request_and_in_the_error)
{
    struct rig rig;

    s3_rig_open(&rig);
    http_server_answer_file(rig.server, "put_part/404_no_such_upload.http");

    s3_rig_put_part(&rig, 7);

    s3_rig_check_code(&rig, PS_E_NO_UPLOAD);
    cr_assert_str_eq(http_server_request(rig.server, 0)->target,
                     "/bucket/a/b?partNumber=7&uploadId=VXBs%2BaWQ%2Fx");
    cr_assert_eq(strncmp(rig.seen.err.message, "put_part 7: NoSuchUpload: ", 26), 0, "%s",
                 rig.seen.err.message);
    s3_rig_close(&rig);
}

Test(s3_multipart, completes_with_the_checksums_of_parts_and_object)
{
    struct rig rig;

    s3_rig_open(&rig);
    http_server_answer_file(rig.server, "complete/200.http");

    s3_rig_complete(&rig);

    s3_rig_check_code(&rig, PS_OK);
    cr_assert_str_eq(rig.seen.text, "\"88fc978485924ccd87ceb19c90195b35-2\" " WHOLE_CRC);
    s3_rig_check_header(&rig, 0, "x-amz-checksum-crc64nvme", WHOLE_CRC);
    s3_rig_check_header(&rig, 0, "x-amz-checksum-type", "FULL_OBJECT");
    cr_assert_str_eq(
        http_server_request(rig.server, 0)->body,
        "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
        "<Part><PartNumber>1</PartNumber><ETag>&quot;79b281060d337b9b2b84ccf390adcf74&quot;</ETag>"
        "<ChecksumCRC64NVME>" PART_1_CRC "</ChecksumCRC64NVME></Part>"
        "<Part><PartNumber>2</PartNumber><ETag>&quot;96767d2b46489f3520698a6df536dc4c&quot;</ETag>"
        "<ChecksumCRC64NVME>" PART_2_CRC "</ChecksumCRC64NVME></Part></CompleteMultipartUpload>");
    s3_rig_close(&rig);
}

Test(s3_multipart, tells_every_way_a_complete_can_end)
{
    static const struct {
        const char *name;
        const char *files[3]; /* "" = the connection is cut; NULL = no more */
        enum ps_code code;
    } rows[] = {
        { "white space before the declaration", { "complete/200_spaces_first.http" }, PS_OK },
        { "200 with an error, then done",
          { "complete/200_then_error.http", "complete/200.http" },
          PS_OK },
        { "200 with an error to the end",
          { "complete/200_then_error.http", "complete/200_then_error.http",
            "complete/200_then_error.http" },
          PS_E_UNKNOWN_OUTCOME },
        { "200 with an error that stands", { "complete/200_then_denied.http" }, PS_E_DENIED },
        { "200 and nothing, then done", { "complete/200_empty.http", "complete/200.http" }, PS_OK },
        { "200 and half of it to the end",
          { "complete/200_half.http", "complete/200_half.http", "complete/200_half.http" },
          PS_E_UNKNOWN_OUTCOME },
        { "cut, then the upload is gone",
          { "", "complete/404_no_such_upload.http" },
          PS_E_UNKNOWN_OUTCOME },
        { "cut to the end", { "", "", "" }, PS_E_UNKNOWN_OUTCOME },
        { "500, then the upload is gone",
          { "put/500_internal_error.http", "complete/404_no_such_upload.http" },
          PS_E_UNKNOWN_OUTCOME },
        { "gone at the first try", { "complete/404_no_such_upload.http" }, PS_E_NO_UPLOAD },
        { "throttled to the end",
          { "put/503_slow_down.http", "put/503_slow_down.http", "put/503_slow_down.http" },
          PS_E_TEMPORARY },
        { "a part is not there", { "complete/400_invalid_part.http" }, PS_E_INVALID },
        { "other bytes", { "complete/200_wrong_checksum.http" }, PS_E_CORRUPT },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rig rig;

        s3_rig_open(&rig);
        for (size_t j = 0; j < 3 && rows[i].files[j] != NULL; j++) {
            if (rows[i].files[j][0] == '\0') {
                http_server_answer_nothing(rig.server);
            } else {
                http_server_answer_file(rig.server, rows[i].files[j]);
            }
        }

        s3_rig_complete(&rig);

        cr_assert_eq(rig.seen.err.code, rows[i].code, "%s: %s: %s", rows[i].name,
                     ps_code_name(rig.seen.err.code), rig.seen.err.message);
        cr_assert_eq(http_server_answers_left(rig.server), 0, "%s", rows[i].name);
        s3_rig_close(&rig);
    }
}

Test(s3_multipart, counts_a_complete_that_went_to_a_dead_kept_connection_as_sent)
{
    struct rig rig;

    s3_rig_open(&rig);
    http_server_answer_file(rig.server, "put/200.http");
    http_server_answer_nothing(rig.server); /* it may have completed before it broke */
    http_server_answer_file(rig.server, "complete/404_no_such_upload.http");

    s3_rig_put(&rig);
    s3_rig_complete(&rig);

    s3_rig_check_code(&rig, PS_E_UNKNOWN_OUTCOME);
    s3_rig_check_requests(&rig, 3);
    s3_rig_close(&rig);
}

Test(s3_multipart, omits_checksums_at_complete_for_a_store_that_did_not_answer_them)
{
    struct rig rig;

    s3_rig_open(&rig);
    http_server_answer_file(rig.server, "put/200_no_checksum.http");
    http_server_answer_file(rig.server, "complete/200_spaces_first.http");

    s3_rig_put_part(&rig, 1);
    s3_rig_complete(&rig);

    s3_rig_check_code(&rig, PS_OK);
    s3_rig_check_header(&rig, 1, "x-amz-checksum-crc64nvme", "");
    cr_assert_null(strstr(http_server_request(rig.server, 1)->body, "Checksum"));
    s3_rig_close(&rig);
}

Test(s3_multipart, repeats_abort_until_the_upload_is_gone)
{
    static const char *const methods[] = { "DELETE", "GET", "DELETE", "GET" };
    struct ps_err err = { 0 };
    struct rig rig;

    s3_rig_open(&rig);
    http_server_answer_file(rig.server, "abort/204.http");
    http_server_answer_file(rig.server, "list_parts/page_2.http"); /* a part came in meanwhile */
    http_server_answer_file(rig.server, "abort/204.http");
    http_server_answer_file(rig.server, "list_parts/404_no_such_upload.http");

    (void)ps_store_abort(rig.store, "a/b", "U", s3_rig_on_done, &rig.seen, &err);
    s3_rig_wait(&rig);

    s3_rig_check_code(&rig, PS_OK);
    s3_rig_check_requests(&rig, 4);
    for (size_t i = 0; i < 4; i++) {
        cr_assert_str_eq(http_server_request(rig.server, i)->method, methods[i]);
    }
    s3_rig_close(&rig);
}

Test(s3_multipart, takes_an_upload_that_is_unknown_for_aborted)
{
    struct ps_err err = { 0 };
    struct rig rig;

    s3_rig_open(&rig);
    http_server_answer_file(rig.server, "abort/404_no_such_upload.http");

    (void)ps_store_abort(rig.store, "a/b", "U", s3_rig_on_done, &rig.seen, &err);
    s3_rig_wait(&rig);

    s3_rig_check_code(&rig, PS_OK);
    s3_rig_check_requests(&rig, 1);
    s3_rig_close(&rig);
}
