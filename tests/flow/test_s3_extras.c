/* Encryption at the store, requester pays, and what a store's Server header tells. */
#include "tests/support/s3_rig.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

TestSuite(s3_extras, .timeout = 20);

#define ANSWER(status, body)                                                                       \
    "HTTP/1.1 " status "\netag: \"e\"\nx-amz-checksum-crc64nvme: " DIGITS_CRC                      \
    "\nserver: MinIO\ncontent-length: auto\n\n" body

#define SSE "x-amz-server-side-encryption"
#define SSE_C "x-amz-server-side-encryption-customer-"

/* 32 bytes "0".."9".. and their MD5, by OpenSSL: printf 01234567890123456789012345678901 | openssl md5 -binary | base64 */
#define KEY "01234567890123456789012345678901"
#define KEY_BASE64 "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="

static void put(struct rig *rig)
{
    struct ps_put_request request = {
        .key = "k",
        .body = { .size_bytes = 9, .read = s3_rig_read_digits },
        .options.checksum = PS_CHECKSUM_CRC64_NVME,
    };

    cr_assert(ps_checksum_from_base64(PS_CHECKSUM_CRC64_NVME, DIGITS_CRC, &request.checksum));
    http_server_answer(rig->server, ANSWER("200 OK", ""));
    memset(&rig->seen, 0, sizeof(rig->seen));
    cr_assert_not_null(
        ps_store_put(rig->store, &request, s3_rig_on_put, &rig->seen, &rig->seen.err));
    s3_rig_wait(rig);
    s3_rig_check_code(rig, PS_OK);
}

static void head(struct rig *rig)
{
    http_server_answer(rig->server, ANSWER("200 OK", ""));
    memset(&rig->seen, 0, sizeof(rig->seen));
    cr_assert_not_null(ps_store_head(rig->store, "k", s3_rig_on_head, &rig->seen, &rig->seen.err));
    s3_rig_wait(rig);
}

Test(s3_extras, kms_is_named_where_an_object_begins_and_the_payer_everywhere)
{
    struct rig rig = { .token = NULL };

    s3_rig_open_with(&rig, (struct ps_s3_options){ .extras = { .encryption = "aws:kms",
                                                               .encryption_key = "key/1",
                                                               .requester_pays = true } });
    put(&rig);
    head(&rig);

    s3_rig_check_header(&rig, 0, SSE, "aws:kms");
    s3_rig_check_header(&rig, 0, SSE "-aws-kms-key-id", "key/1");
    s3_rig_check_header(&rig, 0, "x-amz-request-payer", "requester");
    cr_assert(s3_rig_header_has(&rig, 0, "authorization", SSE ";" SSE "-aws-kms-key-id"));
    s3_rig_check_header(&rig, 1, SSE, "");
    s3_rig_check_header(&rig, 1, "x-amz-request-payer", "requester");
    s3_rig_close(&rig);
}

static void write_key(char *path, const char *text)
{
    int fd;

    (void)snprintf(path, 64, "/tmp/purser-key-XXXXXX");
    fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    (void)close(fd);
}

Test(s3_extras, a_customers_key_goes_along_wherever_its_object_is_touched)
{
    static const char *const texts[] = { KEY, KEY_BASE64, KEY_BASE64 "\n" };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const struct ps_copy_request copy = { .key = "c", .from_key = "k" };
        struct rig rig = { .token = NULL };
        char path[64];

        write_key(path, texts[i]);
        s3_rig_open_with(&rig, (struct ps_s3_options){ .extras = { .encryption = "customer",
                                                                   .encryption_key_file = path } });
        put(&rig);
        head(&rig);
        http_server_answer(
            rig.server,
            ANSWER("200 OK", "<CopyObjectResult><ETag>\"e\"</ETag></CopyObjectResult>"));
        memset(&rig.seen, 0, sizeof(rig.seen));
        cr_assert_not_null(
            ps_store_copy(rig.store, &copy, s3_rig_on_put, &rig.seen, &rig.seen.err));
        s3_rig_wait(&rig);
        s3_rig_check_code(&rig, PS_OK);

        for (size_t request = 0; request < 3; request++) {
            s3_rig_check_header(&rig, request, SSE_C "algorithm", "AES256");
            s3_rig_check_header(&rig, request, SSE_C "key", KEY_BASE64);
            s3_rig_check_header(&rig, request, SSE_C "key-md5", "KYvwGXoFFJ42a2u2GDWhwQ==");
            s3_rig_check_header(&rig, request, SSE, "");
        }
        s3_rig_check_header(&rig, 2, "x-amz-copy-source-server-side-encryption-customer-key",
                            KEY_BASE64);
        s3_rig_close(&rig);
        (void)unlink(path);
    }
}

static const struct {
    const char *name;
    struct ps_s3_extras_options extras;
    const char *endpoint;
    enum ps_code code;
    const char *said;
} mistakes[] = {
    { "no such thing", { .encryption = "rot13" }, NULL, PS_E_INVALID, "is none of AES256" },
    { "a key without KMS",
      { .encryption_key = "k" },
      NULL,
      PS_E_INVALID,
      "set encryption to aws:kms" },
    { "a file without customer",
      { .encryption = "AES256", .encryption_key_file = "/x" },
      NULL,
      PS_E_INVALID,
      "for encryption customer only" },
    { "customer without a file",
      { .encryption = "customer" },
      NULL,
      PS_E_INVALID,
      "set encryption_key_file" },
    { "in clear",
      { .encryption = "customer", .encryption_key_file = "/dev/null" },
      "http://example.com",
      PS_E_INVALID,
      "would be sent in clear" },
    { "no file",
      { .encryption = "customer", .encryption_key_file = "/nonexistent/key" },
      NULL,
      PS_E_NOT_FOUND,
      "/nonexistent/key" },
    { "no key",
      { .encryption = "customer", .encryption_key_file = "/etc/hostname" },
      NULL,
      PS_E_INVALID,
      "has 32 bytes, raw or as base64" },
};

Test(s3_extras, mistakes_are_told_before_anything_is_sent)
{
    for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
        struct rig rig = { .token = NULL };
        struct ps_s3_options options = { .bucket = "bucket" };
        struct ps_store *store = NULL;
        struct ps_err err = { .code = PS_OK };

        s3_rig_open_with(&rig, (struct ps_s3_options){ .region = NULL });
        options.loop = &rig.loop;
        options.http = rig.http;
        options.creds = rig.creds;
        options.retry = &rig.retry;
        options.clock = &rig.clock;
        options.endpoint = mistakes[i].endpoint;
        options.extras = mistakes[i].extras;

        cr_expect_eq(ps_s3_store_new(&store, &options, &err), mistakes[i].code, "%s: %s",
                     mistakes[i].name, err.message);
        cr_expect_not_null(strstr(err.message, mistakes[i].said), "%s: %s", mistakes[i].name,
                           err.message);
        s3_rig_close(&rig);
    }
}

Test(s3_extras, a_url_of_what_a_customer_has_encrypted_is_refused)
{
    const struct ps_presign_request request = { .method = "GET", .key = "k", .expires_s = 60 };
    struct rig rig = { .token = NULL };
    char path[64];

    write_key(path, KEY);
    s3_rig_open_with(&rig, (struct ps_s3_options){ .extras = { .encryption = "customer",
                                                               .encryption_key_file = path } });
    cr_assert_null(ps_store_presign(rig.store, &request, NULL, NULL, &rig.seen.err));
    s3_rig_check_code(&rig, PS_E_UNSUPPORTED);
    s3_rig_close(&rig);
    (void)unlink(path);
}

Test(s3_extras, the_first_answer_tells_what_the_store_is)
{
    struct rig rig;

    s3_rig_open(&rig);
    cr_assert(rig.store->capabilities.part_copy_checksums);
    head(&rig);

    cr_assert_str_eq(rig.store->capabilities.kind, "MinIO");
    cr_assert_not(rig.store->capabilities.part_copy_checksums);
    s3_rig_close(&rig);
}

Test(s3_extras, a_kind_that_was_set_is_not_learned_anew)
{
    struct rig rig = { .token = NULL };

    s3_rig_open_with(&rig, (struct ps_s3_options){ .kind = "r2" });
    head(&rig);

    cr_assert_str_eq(rig.store->capabilities.kind, "Cloudflare R2");
    cr_assert(rig.store->capabilities.equal_parts_only);
    s3_rig_close(&rig);
}
