/* Checksums, stores that know none, and conditions of writes. */
#include "tests/support/s3_rig.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(s3_checksum, .timeout = 20);

/* --- checksums --- */

Test(s3_checksum, finds_the_bytes_wrong_when_the_store_has_another_checksum)
{
    static const char *const files[] = { "put/200_wrong_checksum.http", "put/400_bad_digest.http" };

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        struct rig rig;

        s3_rig_open(&rig);
        http_server_answer_file(rig.server, files[i]);

        s3_rig_put(&rig);

        s3_rig_check_code(&rig, PS_E_CORRUPT);
        cr_assert_eq(rig.seen.err.retry, PS_RETRY_RESEND_PART, "%s", files[i]);
        s3_rig_check_requests(&rig, 1);
        s3_rig_close(&rig);
    }
}

Test(s3_checksum, notices_a_store_that_ignores_checksums)
{
    struct rig rig;

    s3_rig_open(&rig);
    cr_assert(rig.store->capabilities.object_checksum);
    http_server_answer_file(rig.server, "put/200_no_checksum.http");

    s3_rig_put(&rig);

    s3_rig_check_code(&rig, PS_OK);
    cr_assert_str_eq(rig.seen.text, "\"25f9e794323b453885f5181f1b624d0b\" -");
    cr_assert_not(rig.store->capabilities.object_checksum);
    s3_rig_close(&rig);
}

Test(s3_checksum, falls_back_to_md5_for_a_store_that_refuses_checksum_headers)
{
    static const char *const files[] = { "put/501_checksum_not_implemented.http",
                                         "put/400_checksum_invalid_argument.http" };

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        struct rig rig;

        s3_rig_open(&rig);
        http_server_answer_file(rig.server, files[i]);
        http_server_answer_file(rig.server, "put/200_no_checksum.http");
        http_server_answer_file(rig.server, "put/200_no_checksum.http");

        s3_rig_put(&rig);
        s3_rig_check_code(&rig, PS_OK);
        s3_rig_put(&rig); /* it is remembered */

        s3_rig_check_code(&rig, PS_OK);
        s3_rig_check_requests(&rig, 3);
        for (size_t request = 1; request < 3; request++) {
            s3_rig_check_header(&rig, request, "x-amz-checksum-crc64nvme", "");
            /* RFC 1321: MD5("123456789") = 25f9e794323b453885f5181f1b624d0b */
            s3_rig_check_header(&rig, request, "content-md5", "JfnnlDI7RTiF9RgfG2JNCw==");
            cr_assert_str_eq(http_server_request(rig.server, request)->body, DIGITS);
        }
        cr_assert_eq(rig.store->capabilities.checksum_default, PS_CHECKSUM_MD5);
        cr_assert_not(rig.store->capabilities.object_checksum);
        s3_rig_close(&rig);
    }
}

struct slow_body {
    struct ps_store_op *op;
    uv_timer_t timer;
    unsigned later_count;
};

static void wake_body(uv_timer_t *timer)
{
    struct slow_body *body = timer->data;

    ps_store_wake(body->op);
}

/* Every second call has nothing yet. */
static ssize_t read_slowly(void *user, uint64_t offset, void *into, size_t size)
{
    struct slow_body *body = user;

    if (body->later_count++ % 2 == 0) {
        (void)uv_timer_start(&body->timer, wake_body, 0, 0);
        return PS_BODY_LATER;
    }
    return s3_rig_read_digits(NULL, offset, into, size > 4 ? 4 : size);
}

Test(s3_checksum, reads_a_body_that_comes_later_for_its_md5_and_again_to_send_it)
{
    struct slow_body body = { .later_count = 0 };
    struct ps_put_request request = s3_rig_digits_request();
    struct ps_err err = { 0 };
    struct rig rig;

    s3_rig_open(&rig);
    (void)uv_timer_init(&rig.loop, &body.timer);
    body.timer.data = &body;
    request.body.read = read_slowly;
    request.body.user = &body;
    http_server_answer_file(rig.server, "put/501_checksum_not_implemented.http");
    http_server_answer_file(rig.server, "put/200_no_checksum.http");

    body.op = ps_store_put(rig.store, &request, s3_rig_on_put, &rig.seen, &err);
    s3_rig_wait(&rig);

    s3_rig_check_code(&rig, PS_OK);
    s3_rig_check_header(&rig, 1, "content-md5", "JfnnlDI7RTiF9RgfG2JNCw==");
    cr_assert_str_eq(http_server_request(rig.server, 1)->body, DIGITS);
    uv_close((uv_handle_t *)&body.timer, NULL);
    s3_rig_close(&rig);
}

static ssize_t read_nothing(void *user, uint64_t offset, void *into, size_t size)
{
    (void)user;
    (void)offset;
    (void)into;
    (void)size;
    return PS_BODY_FAILED;
}

Test(s3_checksum, ends_as_cancelled_when_the_body_cannot_be_read)
{
    for (int with_md5 = 0; with_md5 < 2; with_md5++) {
        struct ps_put_request request = s3_rig_digits_request();
        struct ps_err err = { 0 };
        struct rig rig;

        s3_rig_open(&rig);
        if (with_md5 != 0) {
            http_server_answer_file(rig.server, "put/501_checksum_not_implemented.http");
            http_server_answer_file(rig.server, "put/200_no_checksum.http");
            s3_rig_put(&rig);
            memset(&rig.seen, 0, sizeof(rig.seen));
        }
        request.body.read = read_nothing;

        (void)ps_store_put(rig.store, &request, s3_rig_on_put, &rig.seen, &err);
        s3_rig_wait(&rig);

        s3_rig_check_code(&rig, PS_E_CANCELLED);
        s3_rig_close(&rig);
    }
}

Test(s3_checksum, does_not_fall_back_from_a_checksum_that_was_chosen)
{
    struct rig rig;

    memset(&rig, 0, sizeof(rig));
    s3_rig_open_with(
        &rig, (struct ps_s3_options){ .checksum_fixed = true, .checksum = PS_CHECKSUM_CRC64_NVME });
    http_server_answer_file(rig.server, "put/501_checksum_not_implemented.http");

    s3_rig_put(&rig);

    s3_rig_check_code(&rig, PS_E_UNSUPPORTED);
    s3_rig_check_requests(&rig, 1);
    s3_rig_close(&rig);
}

Test(s3_checksum, signs_the_hash_of_the_payload_when_set_to)
{
    struct ps_put_request request = s3_rig_digits_request();
    struct ps_hasher hasher;
    struct ps_err err = { 0 };
    struct rig rig;

    memset(&rig, 0, sizeof(rig));
    s3_rig_open_with(&rig, (struct ps_s3_options){ .sign_payload = true });
    http_server_answer_file(rig.server, "put/200.http");
    cr_assert_eq(ps_hasher_init(&hasher, PS_CHECKSUM_SHA256, &err), PS_OK);
    ps_hasher_update(&hasher, DIGITS, 9);
    request.sha256 = ps_hasher_finish(&hasher);
    ps_hasher_clear(&hasher);

    (void)ps_store_put(rig.store, &request, s3_rig_on_put, &rig.seen, &err);
    s3_rig_wait(&rig);

    s3_rig_check_code(&rig, PS_OK);
    /* sha256sum of "123456789" */
    s3_rig_check_header(&rig, 0, "x-amz-content-sha256",
                        "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225");
    s3_rig_close(&rig);
}

/* --- conditions --- */

static void put_create_only(struct rig *rig)
{
    struct ps_put_request request = s3_rig_digits_request();
    struct ps_err err = { 0 };

    request.options.create_only = true;
    (void)ps_store_put(rig->store, &request, s3_rig_on_put, &rig->seen, &err);
    s3_rig_wait(rig);
}

Test(s3_checksum, says_that_the_object_exists)
{
    struct rig rig;

    s3_rig_open(&rig);
    http_server_answer_file(rig.server, "put/412_precondition_failed.http");

    put_create_only(&rig);

    s3_rig_check_code(&rig, PS_E_EXISTS);
    s3_rig_close(&rig);
}

/* A body in memory goes out with the head, past every reader: that it was sent must be known all the same. */
Test(s3_checksum, knows_that_a_body_in_memory_may_have_arrived)
{
    static const char *const names[] = { "lost answer", "dead kept connection" };

    for (size_t i = 0; i < 2; i++) {
        struct ps_put_request request = s3_rig_digits_request();
        struct ps_err err = { 0 };
        struct rig rig;

        s3_rig_open(&rig);
        if (i == 1) {
            http_server_answer_file(rig.server, "put/200.http");
            s3_rig_put(&rig);
        }
        http_server_answer_nothing(rig.server);
        http_server_answer_file(rig.server, "put/412_precondition_failed.http");
        request.options.create_only = true;
        request.body.bytes = DIGITS;
        request.body.read = NULL;
        memset(&rig.seen, 0, sizeof(rig.seen));

        (void)ps_store_put(rig.store, &request, s3_rig_on_put, &rig.seen, &err);
        s3_rig_wait(&rig);

        cr_assert_eq(rig.seen.err.code, PS_E_UNKNOWN_OUTCOME, "%s", names[i]);
        s3_rig_check_requests(&rig, 2 + i);
        cr_assert_str_eq(http_server_request(rig.server, 1 + i)->method, "PUT");
        cr_assert_str_eq(http_server_request(rig.server, 1 + i)->body, DIGITS, "%s", names[i]);
        s3_rig_check_header(&rig, 1 + i, "content-type", "application/octet-stream");
        s3_rig_check_header(&rig, 1 + i, "content-length", "9");
        s3_rig_close(&rig);
    }
}

Test(s3_checksum, does_not_know_who_made_an_object_that_exists_after_a_lost_answer)
{
    struct rig rig;

    s3_rig_open(&rig);
    http_server_answer_nothing(rig.server);
    http_server_answer_file(rig.server, "put/412_precondition_failed.http");

    put_create_only(&rig);

    s3_rig_check_code(&rig, PS_E_UNKNOWN_OUTCOME);
    s3_rig_close(&rig);
}
