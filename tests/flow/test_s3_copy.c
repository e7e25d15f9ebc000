/* Copies, presigned URLs, tags, lifecycle and restore against scripted answers. */
#include "tests/support/s3_rig.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(s3_copy, .timeout = 20);

#define ANSWER(status, body)                                                                       \
    "HTTP/1.1 " status "\ndate: Fri, 02 Jan 2026 03:04:05 GMT\ncontent-length: auto\n\n" body

/* S3 API reference, CopyObject: an error after the 200 stands in the body. */
#define COPIED                                                                                     \
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<CopyObjectResult><LastModified>"                 \
    "2026-01-02T03:04:05.000Z</LastModified><ETag>\"9b2cf535f27731c974343645a3985328\"</ETag>"     \
    "<ChecksumCRC64NVME>" DIGITS_CRC "</ChecksumCRC64NVME></CopyObjectResult>"
#define PART_COPIED                                                                                \
    "<CopyPartResult><LastModified>2026-01-02T03:04:05.000Z</LastModified>"                        \
    "<ETag>\"p2\"</ETag></CopyPartResult>"
#define FAILED_LATE                                                                                \
    "\n  \n<?xml version=\"1.0\"?><Error><Code>InternalError</Code><Message>again</Message>"       \
    "</Error>"

static void on_text(void *user, const char *text, size_t size_bytes, const struct ps_err *err)
{
    struct seen *seen = user;

    seen->ended = true;
    if (err != NULL) {
        seen->err = *err;
        return;
    }
    cr_assert_lt(size_bytes, sizeof(seen->text));
    memcpy(seen->text, text, size_bytes);
    seen->text[size_bytes] = '\0';
}

static void on_tags(void *user, const struct ps_store_pair *tags, size_t count,
                    const struct ps_err *err)
{
    struct seen *seen = user;
    size_t used = 0;

    seen->ended = true;
    if (err != NULL) {
        seen->err = *err;
    }
    for (size_t i = 0; i < count; i++) {
        used += (size_t)snprintf(seen->text + used, sizeof(seen->text) - used, "%s=%s;",
                                 tags[i].name, tags[i].value);
    }
}

static void copy(struct rig *rig, const struct ps_copy_request *request)
{
    cr_assert_not_null(
        ps_store_copy(rig->store, request, s3_rig_on_put, &rig->seen, &rig->seen.err), "%s",
        rig->seen.err.message);
    s3_rig_wait(rig);
}

Test(s3_copy, an_error_after_the_200_is_no_success_and_is_tried_again)
{
    const struct ps_copy_request request = { .key = "to",
                                             .from_key = "a b+/%c",
                                             .from_if_match = "\"e\"",
                                             .options.storage_class = "STANDARD_IA" };
    struct rig rig;

    s3_rig_open(&rig);
    http_server_answer(rig.server, ANSWER("200 OK", FAILED_LATE));
    http_server_answer(rig.server, ANSWER("200 OK", COPIED));
    copy(&rig, &request);

    s3_rig_check_code(&rig, PS_OK);
    cr_assert_not_null(strstr(rig.seen.text, "9b2cf535f27731c974343645a3985328"));
    s3_rig_check_requests(&rig, 2);
    cr_assert_str_eq(http_server_request(rig.server, 1)->target, "/bucket/to");
    s3_rig_check_header(&rig, 1, "x-amz-copy-source", "/bucket/a%20b%2B/%25c");
    s3_rig_check_header(&rig, 1, "x-amz-copy-source-if-match", "\"e\"");
    s3_rig_check_header(&rig, 1, "x-amz-storage-class", "STANDARD_IA");
    s3_rig_check_header(&rig, 1, "x-amz-metadata-directive", "");
    s3_rig_close(&rig);
}

Test(s3_copy, what_is_given_anew_replaces_what_was_there)
{
    static const struct ps_store_pair meta = { "k", "v" };
    static const struct ps_store_pair tag = { "t", "1" };
    const struct ps_copy_request request = { .key = "to",
                                             .from_bucket = "other",
                                             .from_key = "from",
                                             .options = { .metadata = &meta,
                                                          .metadata_count = 1,
                                                          .tags = &tag,
                                                          .tag_count = 1,
                                                          .create_only = true } };
    struct rig rig;

    s3_rig_open(&rig);
    http_server_answer(rig.server, ANSWER("200 OK", COPIED));
    copy(&rig, &request);

    s3_rig_check_code(&rig, PS_OK);
    s3_rig_check_header(&rig, 0, "x-amz-copy-source", "/other/from");
    s3_rig_check_header(&rig, 0, "x-amz-metadata-directive", "REPLACE");
    s3_rig_check_header(&rig, 0, "x-amz-meta-k", "v");
    s3_rig_check_header(&rig, 0, "x-amz-tagging-directive", "REPLACE");
    s3_rig_check_header(&rig, 0, "x-amz-tagging", "t=1");
    s3_rig_check_header(&rig, 0, "if-none-match", "*");
    s3_rig_close(&rig);
}

Test(s3_copy, a_part_is_a_range_of_the_source)
{
    const struct ps_copy_request request = { .key = "to",
                                             .from_key = "from",
                                             .upload_id = "U+1",
                                             .part_number = 2,
                                             .offset_bytes = 5368709120,
                                             .length_bytes = 5242880 };
    struct rig rig;

    s3_rig_open(&rig);
    http_server_answer(rig.server, ANSWER("200 OK", PART_COPIED));
    copy(&rig, &request);

    s3_rig_check_code(&rig, PS_OK);
    cr_assert_str_eq(http_server_request(rig.server, 0)->target,
                     "/bucket/to?partNumber=2&uploadId=U%2B1");
    s3_rig_check_header(&rig, 0, "x-amz-copy-source-range", "bytes=5368709120-5373951999");
    s3_rig_close(&rig);
}

Test(s3_copy, a_source_that_has_changed_is_told)
{
    const struct ps_copy_request request = { .key = "to",
                                             .from_key = "from",
                                             .from_if_match = "\"e\"" };
    struct rig rig;

    s3_rig_open(&rig);
    http_server_answer(rig.server, ANSWER("412 Precondition Failed",
                                          "<Error><Code>PreconditionFailed</Code></Error>"));
    copy(&rig, &request);

    s3_rig_check_code(&rig, PS_E_CHANGED);
    s3_rig_close(&rig);
}

Test(s3_copy, a_restore_that_runs_already_is_a_success)
{
    const struct ps_restore_request request = { .key = "k", .days = 2, .tier = "Bulk" };
    struct rig rig;

    s3_rig_open(&rig);
    http_server_answer(
        rig.server, ANSWER("409 Conflict", "<Error><Code>RestoreAlreadyInProgress</Code></Error>"));
    cr_assert_not_null(
        ps_store_restore(rig.store, &request, s3_rig_on_done, &rig.seen, &rig.seen.err));
    s3_rig_wait(&rig);

    s3_rig_check_code(&rig, PS_OK);
    cr_assert_str_eq(http_server_request(rig.server, 0)->target, "/bucket/k?restore=");
    cr_assert_str_eq(http_server_request(rig.server, 0)->body,
                     "<RestoreRequest xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Days>2"
                     "</Days><GlacierJobParameters><Tier>Bulk</Tier></GlacierJobParameters>"
                     "</RestoreRequest>");
    cr_assert(s3_rig_header_has(&rig, 0, "content-md5", "=="));
    s3_rig_close(&rig);
}

Test(s3_copy, no_tags_is_what_minio_calls_no_such_tag_set)
{
    struct rig rig;

    s3_rig_open(&rig);
    http_server_answer(rig.server,
                       ANSWER("404 Not Found", "<Error><Code>NoSuchTagSet</Code></Error>"));
    cr_assert_not_null(ps_store_get_tags(rig.store, "k", on_tags, &rig.seen, &rig.seen.err));
    s3_rig_wait(&rig);

    s3_rig_check_code(&rig, PS_OK);
    cr_assert_str_eq(rig.seen.text, "");
    s3_rig_close(&rig);
}

Test(s3_copy, lifecycle_is_text_and_its_header_comes_along)
{
    struct rig rig;

    s3_rig_open(&rig);
    http_server_answer(rig.server,
                       "HTTP/1.1 200 OK\nx-amz-transition-default-minimum-object-size: "
                       "varies_by_storage_class\ncontent-length: auto\n\n<L><Odd/></L>");
    http_server_answer(rig.server, ANSWER("200 OK", ""));
    cr_assert_not_null(ps_store_get_lifecycle(rig.store, on_text, &rig.seen, &rig.seen.err));
    s3_rig_wait(&rig);
    s3_rig_check_code(&rig, PS_OK);
    cr_assert_str_eq(rig.seen.text, "<L><Odd/></L>");

    memset(&rig.seen, 0, sizeof(rig.seen));
    cr_assert_not_null(
        ps_store_put_lifecycle(rig.store, "<L/>", 4, s3_rig_on_done, &rig.seen, &rig.seen.err));
    s3_rig_wait(&rig);
    s3_rig_check_code(&rig, PS_OK);
    cr_assert_str_eq(http_server_request(rig.server, 1)->method, "PUT");
    cr_assert_str_eq(http_server_request(rig.server, 1)->body, "<L/>");
    s3_rig_check_header(&rig, 1, "x-amz-transition-default-minimum-object-size",
                        "varies_by_storage_class");
    s3_rig_close(&rig);
}

Test(s3_copy, no_lifecycle_is_an_empty_one_and_none_is_a_delete)
{
    struct rig rig;

    s3_rig_open(&rig);
    http_server_answer(
        rig.server,
        ANSWER("404 Not Found", "<Error><Code>NoSuchLifecycleConfiguration</Code></Error>"));
    http_server_answer(rig.server, ANSWER("204 No Content", ""));
    cr_assert_not_null(ps_store_get_lifecycle(rig.store, on_text, &rig.seen, &rig.seen.err));
    s3_rig_wait(&rig);
    s3_rig_check_code(&rig, PS_OK);
    cr_assert_str_eq(rig.seen.text, "");

    memset(&rig.seen, 0, sizeof(rig.seen));
    cr_assert_not_null(
        ps_store_put_lifecycle(rig.store, "", 0, s3_rig_on_done, &rig.seen, &rig.seen.err));
    s3_rig_wait(&rig);
    s3_rig_check_code(&rig, PS_OK);
    cr_assert_str_eq(http_server_request(rig.server, 1)->method, "DELETE");
    cr_assert_str_eq(http_server_request(rig.server, 1)->target, "/bucket?lifecycle=");
    s3_rig_close(&rig);
}

/* Vector of two independent implementations: examplebucket in us-east-1, 900 s, with a session token. */
Test(s3_copy, presigns_as_the_vector_says)
{
    struct rig rig = { .token = "FwoGZXIvYXdzEXAMPLE/TOKEN+==" };
    struct ps_s3_options options = { .bucket = "examplebucket", .region = "us-east-1" };
    const struct ps_presign_request request = { .method = "GET",
                                                .key = "a b+c/\xc3\xa9~.bin",
                                                .expires_s = 900 };
    struct ps_store *store = NULL;

    s3_rig_open_with(&rig, (struct ps_s3_options){ .region = NULL });
    rig.unix_ms = 1369353600000; /* 20130524T000000Z */
    options.loop = &rig.loop;
    options.http = rig.http;
    options.creds = rig.creds;
    options.retry = &rig.retry;
    options.clock = &rig.clock;
    cr_assert_eq(ps_s3_store_new(&store, &options, NULL), PS_OK);
    cr_assert_not_null(ps_store_presign(store, &request, on_text, &rig.seen, &rig.seen.err));
    s3_rig_wait(&rig);

    s3_rig_check_code(&rig, PS_OK);
    cr_assert_not_null(strstr(rig.seen.text, "https://examplebucket.s3.us-east-1.amazonaws.com/"
                                             "a%20b%2Bc/%C3%A9~.bin?X-Amz-Algorithm="),
                       "%s", rig.seen.text);
    cr_assert_not_null(strstr(rig.seen.text,
                              "&X-Amz-Signature=589f9df74ce22ed731eda08293a755d8a9ec2696abceed"
                              "954884689753b21adb"),
                       "%s", rig.seen.text);
    ps_store_free(store);
    s3_rig_close(&rig);
}

Test(s3_copy, a_cancelled_presign_calls_nobody)
{
    const struct ps_presign_request request = { .method = "GET", .key = "k", .expires_s = 900 };
    struct rig rig;

    s3_rig_open(&rig);
    ps_store_cancel(ps_store_presign(rig.store, &request, on_text, &rig.seen, &rig.seen.err));
    s3_rig_close(&rig);
    cr_assert_not(rig.seen.ended);
}
