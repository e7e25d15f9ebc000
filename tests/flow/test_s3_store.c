/* The s3:// store against a scripted server: answers are files named after the failure. */
#include "creds/creds.h"
#include "store/s3_store.h"
#include "tests/support/http_server.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(s3_store, .timeout = 20);

/* 2026-01-02T03:04:05Z, the Date of the answers in tests/vectors/http. */
#define SERVER_UNIX_MS 1767323045000

/* protocols: the CRC-64/NVME check value of "123456789". */
#define DIGITS "123456789"
#define DIGITS_CRC "rosUhgp5mIg="
/* "a" x 5 MiB, "b" x 1 MiB and both: published multipart vector. */
#define PART_1_CRC "PbvLEkWUSgg="
#define PART_2_CRC "2rj+Wt6pcEQ="
#define WHOLE_CRC "f2FxstrKPf0="

struct seen {
    unsigned calls;
    unsigned infos;
    bool ended;
    struct ps_err err; /* code PS_OK = success */
    char text[4096];   /* what the callback was given, line by line */
    char body[256];
    size_t body_size;
    struct ps_store_op *cancel_in_page;
};

struct rig {
    uv_loop_t loop;
    struct http_server *server;
    struct ps_http_client *http;
    struct ps_creds_chain *creds;
    struct ps_retrier retry;
    struct ps_clock clock;
    struct ps_store *store;
    int64_t unix_ms;
    const char *token; /* AWS_SESSION_TOKEN */
    struct seen seen;
};

static int64_t rig_unix_ms(void *user)
{
    return ((struct rig *)user)->unix_ms;
}

static int64_t rig_mono_ms(void *user)
{
    (void)user;
    return ps_clock_mono_ms(ps_clock_system());
}

static uint64_t rig_random(void *user)
{
    (void)user;
    return 0; /* no jitter: a retry follows at once */
}

static const char *rig_getenv(void *user, const char *name)
{
    const struct rig *rig = user;

    if (strcmp(name, "AWS_ACCESS_KEY_ID") == 0) {
        return "AKIAIOSFODNN7EXAMPLE";
    }
    if (strcmp(name, "AWS_SECRET_ACCESS_KEY") == 0) {
        return "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    }
    return strcmp(name, "AWS_SESSION_TOKEN") == 0 ? rig->token : NULL;
}

static void rig_open_with(struct rig *rig, struct ps_s3_options options)
{
    struct ps_creds_options creds = { .getenv = rig_getenv, .getenv_user = rig };
    struct ps_err err = { 0 };

    rig->unix_ms = SERVER_UNIX_MS;
    rig->clock = (struct ps_clock){ rig, rig_unix_ms, rig_mono_ms, rig_random };
    creds.clock = &rig->clock;
    cr_assert_eq(uv_loop_init(&rig->loop), 0);
    rig->server = http_server_new(&rig->loop);
    cr_assert_eq(ps_http_client_new(&rig->http, &rig->loop, "purser/test", &err), PS_OK);
    cr_assert_eq(ps_creds_chain_new(&rig->creds, &creds, &err), PS_OK, "%s", err.message);
    ps_retry_init(&rig->retry, NULL, NULL, &rig->clock);
    rig->retry.attempts_max = 3;
    options.loop = &rig->loop;
    options.http = rig->http;
    options.creds = rig->creds;
    options.retry = &rig->retry;
    options.clock = &rig->clock;
    options.bucket = "bucket";
    options.endpoint = http_server_url(rig->server);
    cr_assert_eq(ps_s3_store_new(&rig->store, &options, &err), PS_OK, "%s", err.message);
}

static void rig_open(struct rig *rig)
{
    memset(rig, 0, sizeof(*rig));
    rig_open_with(rig, (struct ps_s3_options){ .region = NULL });
}

static void rig_close(struct rig *rig)
{
    ps_store_free(rig->store);
    ps_creds_chain_free(rig->creds);
    ps_http_client_free(rig->http);
    http_server_free(rig->server);
    (void)uv_run(&rig->loop, UV_RUN_DEFAULT);
    cr_assert_eq(uv_loop_close(&rig->loop), 0, "a handle was left open");
}

static void rig_wait(struct rig *rig)
{
    while (!rig->seen.ended) {
        (void)uv_run(&rig->loop, UV_RUN_ONCE);
    }
}

static void check_code(const struct rig *rig, enum ps_code code)
{
    cr_assert_eq(rig->seen.err.code, code, "%s, not %s: %s", ps_code_name(rig->seen.err.code),
                 ps_code_name(code), rig->seen.err.message);
}

static void check_requests(const struct rig *rig, size_t count)
{
    cr_assert_eq(http_server_request_count(rig->server), count, "%zu requests, not %zu",
                 http_server_request_count(rig->server), count);
    cr_assert_eq(http_server_answers_left(rig->server), 0);
}

static void check_header(const struct rig *rig, size_t index, const char *name, const char *value)
{
    char *got = http_seen_header(http_server_request(rig->server, index), name);

    cr_assert_str_eq(got, value, "request %zu: %s: \"%s\", not \"%s\"", index, name, got, value);
    free(got);
}

static bool header_has(const struct rig *rig, size_t index, const char *name, const char *part)
{
    char *got = http_seen_header(http_server_request(rig->server, index), name);
    bool found = strstr(got, part) != NULL;

    free(got);
    return found;
}

/* --- callbacks --- */

static void end(struct seen *seen, const struct ps_err *err)
{
    cr_assert_not(seen->ended, "a second callback");
    seen->ended = true;
    seen->calls++;
    if (err != NULL) {
        seen->err = *err;
        cr_assert_neq(err->code, PS_OK);
    }
}

static void note(struct seen *seen, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void note(struct seen *seen, const char *format, ...)
{
    size_t used = strlen(seen->text);
    va_list args;

    va_start(args, format);
    (void)vsnprintf(seen->text + used, sizeof(seen->text) - used, format, args);
    va_end(args);
}

static void on_put(void *user, const char *etag, const struct ps_checksum *checksum,
                   const struct ps_err *err)
{
    struct seen *seen = user;
    char text[PS_CHECKSUM_TEXT_SIZE];

    end(seen, err);
    if (err == NULL) {
        note(seen, "%s %s", etag,
             checksum->algorithm != PS_CHECKSUM_NONE ? ps_checksum_to_base64(checksum, text) : "-");
    }
}

static void on_begin(void *user, const char *upload_id, const struct ps_err *err)
{
    end(user, err);
    if (err == NULL) {
        note(user, "%s", upload_id);
    }
}

static void on_done(void *user, const struct ps_err *err)
{
    end(user, err);
}

static void on_parts(void *user, const struct ps_part_info *parts, size_t count, bool more,
                     const struct ps_err *err)
{
    struct seen *seen = user;
    char text[PS_CHECKSUM_TEXT_SIZE];

    for (size_t i = 0; i < count; i++) {
        note(seen, "%" PRIu32 " %" PRIu64 " %s %s\n", parts[i].part_number, parts[i].size_bytes,
             parts[i].etag,
             parts[i].checksum.algorithm != PS_CHECKSUM_NONE
                 ? ps_checksum_to_base64(&parts[i].checksum, text)
                 : "-");
    }
    if (!more) {
        end(seen, err);
    }
}

static void on_uploads(void *user, const struct ps_upload_info *uploads, size_t count, bool more,
                       const struct ps_err *err)
{
    for (size_t i = 0; i < count; i++) {
        note(user, "%s %s %" PRId64 " %s\n", uploads[i].key, uploads[i].upload_id,
             uploads[i].initiated_unix_ms, ps_checksum_name(uploads[i].checksum));
    }
    if (!more) {
        end(user, err);
    }
}

static void on_list(void *user, const struct ps_object_info *objects, size_t count, bool more,
                    const struct ps_err *err)
{
    struct seen *seen = user;

    for (size_t i = 0; i < count; i++) {
        note(seen, "%s|%" PRIu64 "|%s|%s|%" PRId64 "|%d\n", objects[i].key, objects[i].size_bytes,
             objects[i].etag, objects[i].storage_class, objects[i].mtime_unix_ms,
             objects[i].is_prefix);
    }
    if (more && seen->cancel_in_page != NULL) {
        ps_store_cancel(seen->cancel_in_page);
        seen->ended = true;
        return;
    }
    if (!more) {
        end(seen, err);
    }
}

static void on_head(void *user, const struct ps_object_info *info, const struct ps_err *err)
{
    struct seen *seen = user;
    char text[PS_CHECKSUM_TEXT_SIZE];

    end(seen, err);
    if (err == NULL) {
        note(seen, "%s|%" PRIu64 "|%" PRId64 "|%s|%s|%s|%s|%s|%s", info->key, info->size_bytes,
             info->mtime_unix_ms, info->etag, info->content_type, info->storage_class,
             info->restore,
             info->checksum.algorithm != PS_CHECKSUM_NONE
                 ? ps_checksum_to_base64(&info->checksum, text)
                 : info->composite,
             info->metadata_count != 0 ? info->metadata[0].value : "");
    }
}

static void on_deleted(void *user, const struct ps_delete_result *results, size_t count,
                       const struct ps_err *err)
{
    struct seen *seen = user;

    end(seen, err);
    for (size_t i = 0; i < count; i++) {
        note(seen, "%s=%s%s\n", results[i].key, ps_code_name(results[i].code),
             results[i].delete_marker ? "+marker" : "");
    }
}

static ssize_t read_digits(void *user, uint64_t offset, void *into, size_t size)
{
    (void)user;
    memcpy(into, &DIGITS[offset], size);
    return (ssize_t)size;
}

static enum ps_push write_body(void *user, const void *data, size_t size_bytes)
{
    struct seen *seen = user;

    cr_assert_lt(seen->body_size + size_bytes, sizeof(seen->body));
    memcpy(seen->body + seen->body_size, data, size_bytes);
    seen->body_size += size_bytes;
    return PS_PUSH_TAKEN;
}

static void on_info(void *user, const struct ps_object_info *info)
{
    struct seen *seen = user;

    seen->infos++;
    note(seen, "%" PRIu64 " %s", info->size_bytes, info->etag);
}

/* --- shorthands --- */

static struct ps_checksum crc(const char *base64)
{
    struct ps_checksum sum = { .algorithm = PS_CHECKSUM_NONE };

    cr_assert(ps_checksum_from_base64(PS_CHECKSUM_CRC64_NVME, base64, &sum));
    return sum;
}

static struct ps_put_request digits_request(void)
{
    return (struct ps_put_request){
        .key = "a/b",
        .body = { .size_bytes = 9, .read = read_digits },
        .checksum = crc(DIGITS_CRC),
    };
}

static struct ps_store_op *start_put(struct rig *rig)
{
    struct ps_put_request request = digits_request();
    struct ps_err err = { 0 };
    struct ps_store_op *op = ps_store_put(rig->store, &request, on_put, &rig->seen, &err);

    cr_assert_not_null(op, "%s", err.message);
    cr_assert_not(rig->seen.ended, "called back from within the start");
    return op;
}

static void put(struct rig *rig)
{
    memset(&rig->seen, 0, sizeof(rig->seen));
    (void)start_put(rig);
    rig_wait(rig);
}

static void complete(struct rig *rig)
{
    struct ps_part_info parts[2] = {
        { 1, 5242880, "\"79b281060d337b9b2b84ccf390adcf74\"", crc(PART_1_CRC) },
        { 2, 1048576, "\"96767d2b46489f3520698a6df536dc4c\"", crc(PART_2_CRC) },
    };
    struct ps_complete_request request = {
        .key = "a/b",
        .upload_id = "VXBs+aWQ/x",
        .parts = parts,
        .part_count = 2,
        .size_bytes = 6291456,
        .checksum = crc(WHOLE_CRC),
    };
    struct ps_err err = { 0 };

    memset(&rig->seen, 0, sizeof(rig->seen));
    cr_assert_not_null(ps_store_complete(rig->store, &request, on_put, &rig->seen, &err));
    rig_wait(rig);
}

static struct ps_get_request get_request(struct rig *rig)
{
    return (struct ps_get_request){
        .key = "a/b",
        .sink = { .write = write_body, .user = &rig->seen },
        .on_info = on_info,
    };
}

static void get(struct rig *rig, const struct ps_get_request *request)
{
    struct ps_err err = { 0 };

    memset(&rig->seen, 0, sizeof(rig->seen));
    cr_assert_not_null(ps_store_get(rig->store, request, on_done, &rig->seen, &err));
    rig_wait(rig);
}

static void list(struct rig *rig)
{
    struct ps_list_request request = { .prefix = "p/" };
    struct ps_err err = { 0 };

    memset(&rig->seen, 0, sizeof(rig->seen));
    cr_assert_not_null(ps_store_list(rig->store, &request, on_list, &rig->seen, &err));
    rig_wait(rig);
}

/* --- what a write sends --- */

Test(s3_store, sends_a_put_with_a_signed_checksum_header)
{
    struct rig rig;

    rig_open(&rig);
    http_server_answer_file(rig.server, "put/200.http");

    put(&rig);

    check_code(&rig, PS_OK);
    check_requests(&rig, 1);
    cr_assert_str_eq(rig.seen.text, "\"25f9e794323b453885f5181f1b624d0b\" " DIGITS_CRC);
    cr_assert_str_eq(http_server_request(rig.server, 0)->method, "PUT");
    cr_assert_str_eq(http_server_request(rig.server, 0)->target, "/bucket/a/b");
    cr_assert_str_eq(http_server_request(rig.server, 0)->body, DIGITS);
    check_header(&rig, 0, "x-amz-content-sha256", "UNSIGNED-PAYLOAD");
    check_header(&rig, 0, "x-amz-checksum-crc64nvme", DIGITS_CRC);
    check_header(&rig, 0, "x-amz-date", "20260102T030405Z");
    check_header(&rig, 0, "content-type", "application/octet-stream");
    cr_assert(header_has(&rig, 0, "authorization",
                         "Credential=AKIAIOSFODNN7EXAMPLE/20260102/us-east-1/s3/aws4_request"));
    cr_assert(header_has(&rig, 0, "authorization", "x-amz-checksum-crc64nvme"));
    rig_close(&rig);
}

Test(s3_store, sends_metadata_tags_and_odd_keys_as_the_wire_wants_them)
{
    static const struct ps_store_pair metadata[] = { { "Made-By", "purser" } };
    static const struct ps_store_pair tags[] = { { "a b", "c/d" }, { "e", "" } };
    struct ps_put_request request = digits_request();
    struct ps_err err = { 0 };
    struct rig rig;

    rig_open(&rig);
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

    (void)ps_store_put(rig.store, &request, on_put, &rig.seen, &err);
    rig_wait(&rig);

    check_code(&rig, PS_OK);
    cr_assert_str_eq(http_server_request(rig.server, 0)->target,
                     "/bucket//./a%20b%2Bc//../%C3%A9~%01%25");
    check_header(&rig, 0, "x-amz-meta-made-by", "purser");
    check_header(&rig, 0, "x-amz-tagging", "a%20b=c%2Fd&e=");
    check_header(&rig, 0, "x-amz-storage-class", "STANDARD_IA");
    check_header(&rig, 0, "if-none-match", "*");
    rig_close(&rig);
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

    rig_open(&rig);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ps_put_request request = digits_request();
        struct ps_err err = { 0 };

        request.key = rows[i].key;
        request.options.metadata = rows[i].metadata;
        request.options.metadata_count = rows[i].metadata != NULL ? 1 : 0;

        cr_assert_null(ps_store_put(rig.store, &request, on_put, &rig.seen, &err), "%s",
                       rows[i].name);
        cr_assert_eq(err.code, PS_E_INVALID, "%s", rows[i].name);
    }
    check_requests(&rig, 0);
    rig_close(&rig);
}

/* --- retries --- */

Test(s3_store, sends_again_after_trouble_that_passes)
{
    static const char *const files[] = { "put/500_internal_error.http", "put/503_slow_down.http",
                                         "put/502_proxy_html.http" };

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        struct rig rig;

        rig_open(&rig);
        http_server_answer_file(rig.server, files[i]);
        http_server_answer_file(rig.server, "put/200.http");

        put(&rig);

        check_code(&rig, PS_OK);
        check_requests(&rig, 2);
        cr_assert_str_eq(http_server_request(rig.server, 1)->body, DIGITS, "%s", files[i]);
        rig_close(&rig);
    }
}

Test(s3_store, waits_as_long_as_a_throttling_store_asks)
{
    struct rig rig;
    uint64_t started_ns;

    rig_open(&rig);
    http_server_answer_file(rig.server, "put/503_slow_down.http"); /* x-amz-retry-after: 30 */
    http_server_answer_file(rig.server, "put/200.http");
    started_ns = uv_hrtime();

    put(&rig);

    check_code(&rig, PS_OK);
    cr_assert_geq(uv_hrtime() - started_ns, UINT64_C(29000000));
    rig_close(&rig);
}

Test(s3_store, gives_up_when_told_to_wait_for_an_hour)
{
    struct rig rig;

    rig_open(&rig);
    http_server_answer_file(rig.server, "put/503_slow_down_for_an_hour.http");

    put(&rig);

    check_code(&rig, PS_E_TEMPORARY);
    check_requests(&rig, 1);
    rig_close(&rig);
}

Test(s3_store, gives_up_after_the_last_attempt_with_a_message_that_says_it_all)
{
    struct rig rig;

    rig_open(&rig);
    for (int i = 0; i < 3; i++) {
        http_server_answer_file(rig.server, "put/500_internal_error.http");
    }

    put(&rig);

    check_code(&rig, PS_E_TEMPORARY);
    check_requests(&rig, 3);
    cr_assert_eq(rig.seen.err.http_status, 500);
    cr_assert_str_eq(rig.seen.err.store_code, "InternalError");
    cr_assert_str_eq(rig.seen.err.request_id, "4442587FB7D0A2F9");
    rig_close(&rig);
}

Test(s3_store, says_what_happened_and_the_mend_in_one_line)
{
    struct rig rig;

    rig_open(&rig);
    http_server_answer_file(rig.server, "put/404_no_such_bucket.http");

    put(&rig);

    check_code(&rig, PS_E_NOT_FOUND);
    check_requests(&rig, 1);
    cr_assert_str_eq(rig.seen.err.message,
                     "put: NoSuchBucket: The specified bucket does not exist (4442587FB7D0A2F9): "
                     "create the bucket or check its name");
    rig_close(&rig);
}

Test(s3_store, sends_a_put_again_whose_connection_was_cut)
{
    struct rig rig;

    rig_open(&rig);
    http_server_answer_nothing(rig.server);
    http_server_answer_file(rig.server, "put/200.http");

    put(&rig);

    check_code(&rig, PS_OK);
    check_requests(&rig, 2);
    rig_close(&rig);
}

Test(s3_store, sends_again_for_free_when_a_kept_connection_was_dead)
{
    struct rig rig;

    rig_open(&rig);
    rig.retry.attempts_max = 1;
    http_server_answer_file(rig.server, "put/200.http");
    http_server_answer_nothing(rig.server);
    http_server_answer_file(rig.server, "put/200.http");

    put(&rig);
    put(&rig);

    check_code(&rig, PS_OK);
    check_requests(&rig, 3);
    cr_assert_eq(http_server_request(rig.server, 1)->connection_number, 1);
    cr_assert_eq(http_server_request(rig.server, 2)->connection_number, 2);
    cr_assert_str_eq(http_server_request(rig.server, 2)->body, DIGITS);
    rig_close(&rig);
}

Test(s3_store, signs_with_the_clock_of_the_store_once_that_differs)
{
    struct rig rig;

    rig_open(&rig);
    rig.unix_ms = SERVER_UNIX_MS - 3600000;
    http_server_answer_file(rig.server, "put/403_request_time_too_skewed.http");
    http_server_answer_file(rig.server, "put/200.http");
    http_server_answer_file(rig.server, "put/200.http");

    put(&rig);
    check_code(&rig, PS_OK);
    put(&rig); /* the offset is kept */

    check_code(&rig, PS_OK);
    check_requests(&rig, 3);
    check_header(&rig, 0, "x-amz-date", "20260102T020405Z");
    check_header(&rig, 1, "x-amz-date", "20260102T030405Z");
    check_header(&rig, 2, "x-amz-date", "20260102T030405Z");
    rig_close(&rig);
}

Test(s3_store, does_not_follow_a_clock_that_is_days_off)
{
    struct rig rig;

    rig_open(&rig);
    rig.unix_ms = SERVER_UNIX_MS - INT64_C(3) * 24 * 3600 * 1000;
    http_server_answer_file(rig.server, "put/403_request_time_too_skewed.http");

    put(&rig);

    check_code(&rig, PS_E_DENIED);
    check_requests(&rig, 1);
    rig_close(&rig);
}

Test(s3_store, corrects_the_clock_for_a_head_whose_answer_has_no_body)
{
    struct ps_err err = { 0 };
    struct rig rig;

    rig_open(&rig);
    rig.unix_ms = SERVER_UNIX_MS + 3600000;
    http_server_answer_file(rig.server, "head/403.http");
    http_server_answer_file(rig.server, "head/200.http");

    (void)ps_store_head(rig.store, "a/b", on_head, &rig.seen, &err);
    rig_wait(&rig);

    check_code(&rig, PS_OK);
    check_header(&rig, 1, "x-amz-date", "20260102T030405Z");
    rig_close(&rig);
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

        rig_open(&rig);
        http_server_answer_file(rig.server, rows[i].file);
        http_server_answer_file(rig.server, "put/200.http");

        put(&rig);

        check_code(&rig, PS_OK);
        check_requests(&rig, 2); /* both came to this server */
        cr_assert(header_has(&rig, 0, "authorization", "/us-east-1/s3/"));
        cr_assert(header_has(&rig, 1, "authorization", rows[i].scope), "%s", rows[i].file);
        rig_close(&rig);
    }
}

Test(s3_store, redirects_end_after_one_correction)
{
    struct rig rig;

    rig_open(&rig);
    http_server_answer_file(rig.server, "put/301_permanent_redirect.http");
    http_server_answer_file(rig.server, "put/400_authorization_header_malformed.http");

    put(&rig);

    check_code(&rig, PS_E_INVALID);
    check_requests(&rig, 2);
    rig_close(&rig);
}

Test(s3_store, takes_no_region_that_could_be_part_of_a_host)
{
    struct rig rig;

    rig_open(&rig);
    http_server_answer_file(rig.server, "put/400_bad_region_name.http");

    put(&rig);

    check_code(&rig, PS_E_INVALID);
    check_requests(&rig, 1);
    rig_close(&rig);
}

Test(s3_store, reads_the_credentials_anew_when_the_token_has_expired)
{
    struct rig rig;

    rig_open(&rig);
    rig.token = "old/token==";
    http_server_answer_held(rig.server, "HTTP/1.1 400 Bad Request\ncontent-length: auto\n\n"
                                        "<Error><Code>ExpiredToken</Code></Error>");
    http_server_answer_file(rig.server, "put/200.http");

    (void)start_put(&rig);
    while (http_server_request_count(rig.server) == 0) {
        (void)uv_run(&rig.loop, UV_RUN_ONCE);
    }
    rig.token = "new/token==";
    http_server_release(rig.server);
    rig_wait(&rig);

    check_code(&rig, PS_OK);
    check_requests(&rig, 2);
    check_header(&rig, 0, "x-amz-security-token", "old/token==");
    check_header(&rig, 1, "x-amz-security-token", "new/token==");
    rig_close(&rig);
}

Test(s3_store, asks_for_new_credentials_only_once)
{
    struct rig rig;

    rig_open(&rig);
    http_server_answer_file(rig.server, "put/400_expired_token.http");
    http_server_answer_file(rig.server, "put/400_expired_token.http");

    put(&rig);

    check_code(&rig, PS_E_DENIED);
    check_requests(&rig, 2);
    rig_close(&rig);
}

Test(s3_store, never_repeats_what_was_denied)
{
    struct rig rig;

    rig_open(&rig);
    http_server_answer_file(rig.server, "put/403_access_denied.http");

    put(&rig);

    check_code(&rig, PS_E_DENIED);
    check_requests(&rig, 1);
    rig_close(&rig);
}

/* --- checksums --- */

Test(s3_store, finds_the_bytes_wrong_when_the_store_has_another_checksum)
{
    static const char *const files[] = { "put/200_wrong_checksum.http", "put/400_bad_digest.http" };

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        struct rig rig;

        rig_open(&rig);
        http_server_answer_file(rig.server, files[i]);

        put(&rig);

        check_code(&rig, PS_E_CORRUPT);
        cr_assert_eq(rig.seen.err.retry, PS_RETRY_RESEND_PART, "%s", files[i]);
        check_requests(&rig, 1);
        rig_close(&rig);
    }
}

Test(s3_store, notices_a_store_that_ignores_checksums)
{
    struct rig rig;

    rig_open(&rig);
    cr_assert(rig.store->capabilities.object_checksum);
    http_server_answer_file(rig.server, "put/200_no_checksum.http");

    put(&rig);

    check_code(&rig, PS_OK);
    cr_assert_str_eq(rig.seen.text, "\"25f9e794323b453885f5181f1b624d0b\" -");
    cr_assert_not(rig.store->capabilities.object_checksum);
    rig_close(&rig);
}

Test(s3_store, falls_back_to_md5_for_a_store_that_refuses_checksum_headers)
{
    static const char *const files[] = { "put/501_checksum_not_implemented.http",
                                         "put/400_checksum_invalid_argument.http" };

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        struct rig rig;

        rig_open(&rig);
        http_server_answer_file(rig.server, files[i]);
        http_server_answer_file(rig.server, "put/200_no_checksum.http");
        http_server_answer_file(rig.server, "put/200_no_checksum.http");

        put(&rig);
        check_code(&rig, PS_OK);
        put(&rig); /* it is remembered */

        check_code(&rig, PS_OK);
        check_requests(&rig, 3);
        for (size_t request = 1; request < 3; request++) {
            check_header(&rig, request, "x-amz-checksum-crc64nvme", "");
            /* RFC 1321: MD5("123456789") = 25f9e794323b453885f5181f1b624d0b */
            check_header(&rig, request, "content-md5", "JfnnlDI7RTiF9RgfG2JNCw==");
            cr_assert_str_eq(http_server_request(rig.server, request)->body, DIGITS);
        }
        cr_assert_eq(rig.store->capabilities.checksum_default, PS_CHECKSUM_MD5);
        cr_assert_not(rig.store->capabilities.object_checksum);
        rig_close(&rig);
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
    return read_digits(NULL, offset, into, size > 4 ? 4 : size);
}

Test(s3_store, reads_a_body_that_comes_later_for_its_md5_and_again_to_send_it)
{
    struct slow_body body = { .later_count = 0 };
    struct ps_put_request request = digits_request();
    struct ps_err err = { 0 };
    struct rig rig;

    rig_open(&rig);
    (void)uv_timer_init(&rig.loop, &body.timer);
    body.timer.data = &body;
    request.body.read = read_slowly;
    request.body.user = &body;
    http_server_answer_file(rig.server, "put/501_checksum_not_implemented.http");
    http_server_answer_file(rig.server, "put/200_no_checksum.http");

    body.op = ps_store_put(rig.store, &request, on_put, &rig.seen, &err);
    rig_wait(&rig);

    check_code(&rig, PS_OK);
    check_header(&rig, 1, "content-md5", "JfnnlDI7RTiF9RgfG2JNCw==");
    cr_assert_str_eq(http_server_request(rig.server, 1)->body, DIGITS);
    uv_close((uv_handle_t *)&body.timer, NULL);
    rig_close(&rig);
}

static ssize_t read_nothing(void *user, uint64_t offset, void *into, size_t size)
{
    (void)user;
    (void)offset;
    (void)into;
    (void)size;
    return PS_BODY_FAILED;
}

Test(s3_store, ends_as_cancelled_when_the_body_cannot_be_read)
{
    for (int with_md5 = 0; with_md5 < 2; with_md5++) {
        struct ps_put_request request = digits_request();
        struct ps_err err = { 0 };
        struct rig rig;

        rig_open(&rig);
        if (with_md5 != 0) {
            http_server_answer_file(rig.server, "put/501_checksum_not_implemented.http");
            http_server_answer_file(rig.server, "put/200_no_checksum.http");
            put(&rig);
            memset(&rig.seen, 0, sizeof(rig.seen));
        }
        request.body.read = read_nothing;

        (void)ps_store_put(rig.store, &request, on_put, &rig.seen, &err);
        rig_wait(&rig);

        check_code(&rig, PS_E_CANCELLED);
        rig_close(&rig);
    }
}

Test(s3_store, does_not_fall_back_from_a_checksum_that_was_chosen)
{
    struct rig rig;

    memset(&rig, 0, sizeof(rig));
    rig_open_with(
        &rig, (struct ps_s3_options){ .checksum_fixed = true, .checksum = PS_CHECKSUM_CRC64_NVME });
    http_server_answer_file(rig.server, "put/501_checksum_not_implemented.http");

    put(&rig);

    check_code(&rig, PS_E_UNSUPPORTED);
    check_requests(&rig, 1);
    rig_close(&rig);
}

Test(s3_store, signs_the_hash_of_the_payload_when_set_to)
{
    struct ps_put_request request = digits_request();
    struct ps_hasher hasher;
    struct ps_err err = { 0 };
    struct rig rig;

    memset(&rig, 0, sizeof(rig));
    rig_open_with(&rig, (struct ps_s3_options){ .sign_payload = true });
    http_server_answer_file(rig.server, "put/200.http");
    cr_assert_eq(ps_hasher_init(&hasher, PS_CHECKSUM_SHA256, &err), PS_OK);
    ps_hasher_update(&hasher, DIGITS, 9);
    request.sha256 = ps_hasher_finish(&hasher);
    ps_hasher_clear(&hasher);

    (void)ps_store_put(rig.store, &request, on_put, &rig.seen, &err);
    rig_wait(&rig);

    check_code(&rig, PS_OK);
    /* sha256sum of "123456789" */
    check_header(&rig, 0, "x-amz-content-sha256",
                 "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225");
    rig_close(&rig);
}

/* --- conditions --- */

static void put_create_only(struct rig *rig)
{
    struct ps_put_request request = digits_request();
    struct ps_err err = { 0 };

    request.options.create_only = true;
    (void)ps_store_put(rig->store, &request, on_put, &rig->seen, &err);
    rig_wait(rig);
}

Test(s3_store, says_that_the_object_exists)
{
    struct rig rig;

    rig_open(&rig);
    http_server_answer_file(rig.server, "put/412_precondition_failed.http");

    put_create_only(&rig);

    check_code(&rig, PS_E_EXISTS);
    rig_close(&rig);
}

Test(s3_store, does_not_know_who_made_an_object_that_exists_after_a_lost_answer)
{
    struct rig rig;

    rig_open(&rig);
    http_server_answer_nothing(rig.server);
    http_server_answer_file(rig.server, "put/412_precondition_failed.http");

    put_create_only(&rig);

    check_code(&rig, PS_E_UNKNOWN_OUTCOME);
    rig_close(&rig);
}

/* --- multipart --- */

static void begin(struct rig *rig)
{
    struct ps_begin_request request = { .key = "a/b",
                                        .options = { .checksum = PS_CHECKSUM_CRC64_NVME } };
    struct ps_err err = { 0 };

    memset(&rig->seen, 0, sizeof(rig->seen));
    (void)ps_store_begin_multipart(rig->store, &request, on_begin, &rig->seen, &err);
    rig_wait(rig);
}

Test(s3_store, begins_an_upload_with_a_checksum_of_the_full_object)
{
    struct rig rig;

    rig_open(&rig);
    http_server_answer_file(rig.server, "begin/200.http");

    begin(&rig);

    check_code(&rig, PS_OK);
    cr_assert_str_eq(rig.seen.text, "VXBs+aWQ/x");
    cr_assert_str_eq(http_server_request(rig.server, 0)->target, "/bucket/a/b?uploads=");
    check_header(&rig, 0, "x-amz-checksum-algorithm", "CRC64NVME");
    check_header(&rig, 0, "x-amz-checksum-type", "FULL_OBJECT");
    rig_close(&rig);
}

Test(s3_store, begins_again_after_half_an_answer)
{
    struct rig rig;

    rig_open(&rig);
    http_server_answer_file(rig.server, "begin/200_half.http");
    http_server_answer_file(rig.server, "begin/200.http");

    begin(&rig);

    check_code(&rig, PS_OK);
    check_requests(&rig, 2);
    rig_close(&rig);
}

Test(s3_store, begins_without_a_checksum_where_the_store_refuses_its_name)
{
    struct rig rig;

    rig_open(&rig);
    http_server_answer_file(rig.server, "begin/400_checksum_type.http");
    http_server_answer_file(rig.server, "begin/200.http");

    begin(&rig);

    check_code(&rig, PS_OK);
    check_header(&rig, 1, "x-amz-checksum-algorithm", "");
    cr_assert_eq(rig.store->capabilities.checksum_default, PS_CHECKSUM_MD5);
    rig_close(&rig);
}

static void put_part(struct rig *rig, uint32_t part_number)
{
    struct ps_part_request request = {
        .key = "a/b",
        .upload_id = "VXBs+aWQ/x",
        .part_number = part_number,
        .body = { .size_bytes = 9, .read = read_digits },
        .checksum = crc(DIGITS_CRC),
    };
    struct ps_err err = { 0 };

    memset(&rig->seen, 0, sizeof(rig->seen));
    (void)ps_store_put_part(rig->store, &request, on_put, &rig->seen, &err);
    rig_wait(rig);
}

Test(s3_store, names_the_part_in_the_request_and_in_the_error)
{
    struct rig rig;

    rig_open(&rig);
    http_server_answer_file(rig.server, "put_part/404_no_such_upload.http");

    put_part(&rig, 7);

    check_code(&rig, PS_E_NO_UPLOAD);
    cr_assert_str_eq(http_server_request(rig.server, 0)->target,
                     "/bucket/a/b?partNumber=7&uploadId=VXBs%2BaWQ%2Fx");
    cr_assert_eq(strncmp(rig.seen.err.message, "put_part 7: NoSuchUpload: ", 26), 0, "%s",
                 rig.seen.err.message);
    rig_close(&rig);
}

Test(s3_store, completes_with_the_checksums_of_parts_and_object)
{
    struct rig rig;

    rig_open(&rig);
    http_server_answer_file(rig.server, "complete/200.http");

    complete(&rig);

    check_code(&rig, PS_OK);
    cr_assert_str_eq(rig.seen.text, "\"88fc978485924ccd87ceb19c90195b35-2\" " WHOLE_CRC);
    check_header(&rig, 0, "x-amz-checksum-crc64nvme", WHOLE_CRC);
    check_header(&rig, 0, "x-amz-checksum-type", "FULL_OBJECT");
    cr_assert_str_eq(
        http_server_request(rig.server, 0)->body,
        "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
        "<Part><PartNumber>1</PartNumber><ETag>&quot;79b281060d337b9b2b84ccf390adcf74&quot;</ETag>"
        "<ChecksumCRC64NVME>" PART_1_CRC "</ChecksumCRC64NVME></Part>"
        "<Part><PartNumber>2</PartNumber><ETag>&quot;96767d2b46489f3520698a6df536dc4c&quot;</ETag>"
        "<ChecksumCRC64NVME>" PART_2_CRC "</ChecksumCRC64NVME></Part></CompleteMultipartUpload>");
    rig_close(&rig);
}

Test(s3_store, tells_every_way_a_complete_can_end)
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

        rig_open(&rig);
        for (size_t j = 0; j < 3 && rows[i].files[j] != NULL; j++) {
            if (rows[i].files[j][0] == '\0') {
                http_server_answer_nothing(rig.server);
            } else {
                http_server_answer_file(rig.server, rows[i].files[j]);
            }
        }

        complete(&rig);

        cr_assert_eq(rig.seen.err.code, rows[i].code, "%s: %s: %s", rows[i].name,
                     ps_code_name(rig.seen.err.code), rig.seen.err.message);
        cr_assert_eq(http_server_answers_left(rig.server), 0, "%s", rows[i].name);
        rig_close(&rig);
    }
}

Test(s3_store, counts_a_complete_that_went_to_a_dead_kept_connection_as_sent)
{
    struct rig rig;

    rig_open(&rig);
    http_server_answer_file(rig.server, "put/200.http");
    http_server_answer_nothing(rig.server); /* it may have completed before it broke */
    http_server_answer_file(rig.server, "complete/404_no_such_upload.http");

    put(&rig);
    complete(&rig);

    check_code(&rig, PS_E_UNKNOWN_OUTCOME);
    check_requests(&rig, 3);
    rig_close(&rig);
}

Test(s3_store, omits_checksums_at_complete_for_a_store_that_did_not_answer_them)
{
    struct rig rig;

    rig_open(&rig);
    http_server_answer_file(rig.server, "put/200_no_checksum.http");
    http_server_answer_file(rig.server, "complete/200_spaces_first.http");

    put_part(&rig, 1);
    complete(&rig);

    check_code(&rig, PS_OK);
    check_header(&rig, 1, "x-amz-checksum-crc64nvme", "");
    cr_assert_null(strstr(http_server_request(rig.server, 1)->body, "Checksum"));
    rig_close(&rig);
}

Test(s3_store, repeats_abort_until_the_upload_is_gone)
{
    static const char *const methods[] = { "DELETE", "GET", "DELETE", "GET" };
    struct ps_err err = { 0 };
    struct rig rig;

    rig_open(&rig);
    http_server_answer_file(rig.server, "abort/204.http");
    http_server_answer_file(rig.server, "list_parts/page_2.http"); /* a part came in meanwhile */
    http_server_answer_file(rig.server, "abort/204.http");
    http_server_answer_file(rig.server, "list_parts/404_no_such_upload.http");

    (void)ps_store_abort(rig.store, "a/b", "U", on_done, &rig.seen, &err);
    rig_wait(&rig);

    check_code(&rig, PS_OK);
    check_requests(&rig, 4);
    for (size_t i = 0; i < 4; i++) {
        cr_assert_str_eq(http_server_request(rig.server, i)->method, methods[i]);
    }
    rig_close(&rig);
}

Test(s3_store, takes_an_upload_that_is_unknown_for_aborted)
{
    struct ps_err err = { 0 };
    struct rig rig;

    rig_open(&rig);
    http_server_answer_file(rig.server, "abort/404_no_such_upload.http");

    (void)ps_store_abort(rig.store, "a/b", "U", on_done, &rig.seen, &err);
    rig_wait(&rig);

    check_code(&rig, PS_OK);
    check_requests(&rig, 1);
    rig_close(&rig);
}

/* --- get and head --- */

Test(s3_store, goes_on_where_a_body_was_cut)
{
    char *whole = http_vector_read("get/200.http");
    struct ps_get_request request;
    struct rig rig;

    rig_open(&rig);
    request = get_request(&rig);
    http_server_answer_cut(rig.server, whole, 4);
    http_server_answer_file(rig.server, "get/206_from_4.http");

    get(&rig, &request);

    check_code(&rig, PS_OK);
    check_requests(&rig, 2);
    cr_assert_str_eq(rig.seen.body, "0123456789");
    cr_assert_str_eq(rig.seen.text, "10 \"e1\"", "on_info is called once: %s", rig.seen.text);
    check_header(&rig, 0, "range", "");
    check_header(&rig, 1, "range", "bytes=4-9");
    check_header(&rig, 1, "if-match", "\"e1\"");
    free(whole);
    rig_close(&rig);
}

Test(s3_store, goes_on_through_a_store_that_sends_the_whole_body_again)
{
    char *whole = http_vector_read("get/200.http");
    struct ps_get_request request;
    struct rig rig;

    rig_open(&rig);
    request = get_request(&rig);
    http_server_answer_cut(rig.server, whole, 4);
    http_server_answer(rig.server, whole);

    get(&rig, &request);

    check_code(&rig, PS_OK);
    cr_assert_str_eq(rig.seen.body, "0123456789");
    free(whole);
    rig_close(&rig);
}

Test(s3_store, counts_attempts_anew_after_each_progress)
{
    char *whole = http_vector_read("get/200.http");
    struct ps_get_request request;
    char rest[256];
    struct rig rig;

    rig_open(&rig);
    request = get_request(&rig);
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

    get(&rig, &request);

    check_code(&rig, PS_OK);
    cr_assert_str_eq(rig.seen.body, "0123456789");
    free(whole);
    rig_close(&rig);
}

Test(s3_store, never_mixes_the_bytes_of_two_objects)
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

        rig_open(&rig);
        request = get_request(&rig);
        http_server_answer_cut(rig.server, whole, 4);
        http_server_answer_file(rig.server, rows[i].file);

        get(&rig, &request);

        check_code(&rig, rows[i].code);
        cr_assert_str_eq(rig.seen.body, "0123", "%s", rows[i].file);
        free(whole);
        rig_close(&rig);
    }
}

Test(s3_store, gets_a_range_also_from_a_store_that_ignores_it)
{
    static const char *const files[] = { "get/206_from_4.http", "get/200.http" };

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        struct ps_get_request request;
        struct rig rig;

        rig_open(&rig);
        request = get_request(&rig);
        request.has_range = true;
        request.offset_bytes = 4;
        request.length_bytes = 6;
        request.if_match = "\"e1\"";
        http_server_answer_file(rig.server, files[i]);

        get(&rig, &request);

        check_code(&rig, PS_OK);
        cr_assert_str_eq(rig.seen.body, "456789", "%s", files[i]);
        cr_assert_str_eq(rig.seen.text, "10 \"e1\"");
        check_header(&rig, 0, "range", "bytes=4-9");
        check_header(&rig, 0, "if-match", "\"e1\"");
        rig_close(&rig);
    }
}

Test(s3_store, notices_a_replaced_object_where_the_store_does_not_know_if_match)
{
    struct ps_get_request request;
    struct rig rig;

    rig_open(&rig);
    request = get_request(&rig);
    request.if_match = "\"e0\"";
    http_server_answer_file(rig.server, "get/200.http");

    get(&rig, &request);

    check_code(&rig, PS_E_CHANGED);
    cr_assert_eq(rig.seen.body_size, 0);
    rig_close(&rig);
}

Test(s3_store, reads_the_headers_of_an_object)
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

        rig_open(&rig);
        http_server_answer_file(rig.server, rows[i].file);

        (void)ps_store_head(rig.store, "a/b", on_head, &rig.seen, &err);
        rig_wait(&rig);

        check_code(&rig, PS_OK);
        cr_assert_str_eq(rig.seen.text, rows[i].text, "%s: %s", rows[i].file, rig.seen.text);
        check_header(&rig, 0, "x-amz-checksum-mode", "ENABLED");
        rig_close(&rig);
    }
}

Test(s3_store, tells_an_object_that_is_not_there)
{
    struct ps_err err = { 0 };
    struct rig rig;

    rig_open(&rig);
    http_server_answer_file(rig.server, "head/404.http");

    (void)ps_store_head(rig.store, "a/b", on_head, &rig.seen, &err);
    rig_wait(&rig);

    check_code(&rig, PS_E_NOT_FOUND);
    cr_assert_str_eq(rig.seen.err.request_id, "4442587FB7D0A2F9");
    rig_close(&rig);
}

/* --- lists --- */

Test(s3_store, lists_page_after_page_and_decodes_only_what_is_encoded)
{
    struct rig rig;

    rig_open(&rig);
    http_server_answer_file(rig.server, "list/page_1_url.http");
    http_server_answer_file(rig.server, "list/page_empty.http");
    http_server_answer_file(rig.server, "list/page_last_plain.http");

    list(&rig);

    check_code(&rig, PS_OK);
    check_requests(&rig, 3);
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
    rig_close(&rig);
}

Test(s3_store, asks_again_for_half_a_page_and_gives_up_on_nonsense)
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

        rig_open(&rig);
        for (size_t j = 0; j < 3 && rows[i].files[j] != NULL; j++) {
            http_server_answer_file(rig.server, rows[i].files[j]);
        }

        list(&rig);

        cr_assert_eq(rig.seen.err.code, rows[i].code, "row %zu: %s", i, rig.seen.err.message);
        cr_assert_eq(http_server_answers_left(rig.server), 0, "row %zu", i);
        rig_close(&rig);
    }
}

Test(s3_store, lists_parts_with_the_checksums_that_are_told)
{
    struct ps_err err = { 0 };
    struct rig rig;

    rig_open(&rig);
    http_server_answer_file(rig.server, "list_parts/page_1.http");
    http_server_answer_file(rig.server, "list_parts/page_2.http");

    (void)ps_store_list_parts(rig.store, "a/b", "U", on_parts, &rig.seen, &err);
    rig_wait(&rig);

    check_code(&rig, PS_OK);
    cr_assert_str_eq(rig.seen.text,
                     "1 5242880 \"79b281060d337b9b2b84ccf390adcf74\" " PART_1_CRC "\n"
                     "2 1048576 \"96767d2b46489f3520698a6df536dc4c\" -\n");
    cr_assert_str_eq(http_server_request(rig.server, 1)->target,
                     "/bucket/a/b?max-parts=1000&part-number-marker=1&uploadId=U");
    rig_close(&rig);
}

Test(s3_store, ends_a_list_of_parts_whose_marker_stands_still)
{
    struct ps_err err = { 0 };
    struct rig rig;

    rig_open(&rig);
    http_server_answer_file(rig.server, "list_parts/marker_stands_still.http");

    (void)ps_store_list_parts(rig.store, "a/b", "U", on_parts, &rig.seen, &err);
    rig_wait(&rig);

    check_code(&rig, PS_E_PARSE);
    check_requests(&rig, 1);
    rig_close(&rig);
}

Test(s3_store, lists_uploads_by_both_markers)
{
    struct ps_err err = { 0 };
    struct rig rig;

    rig_open(&rig);
    http_server_answer_file(rig.server, "list_uploads/page_1.http");
    http_server_answer_file(rig.server, "list_uploads/page_2.http");

    (void)ps_store_list_uploads(rig.store, "a", on_uploads, &rig.seen, &err);
    rig_wait(&rig);

    check_code(&rig, PS_OK);
    cr_assert_str_eq(rig.seen.text, "a b U1 1289422113000 crc64nvme\na+b U2 1289422113000 none\n");
    cr_assert_str_eq(
        http_server_request(rig.server, 1)->target,
        "/bucket?encoding-type=url&key-marker=a%20b&prefix=a&upload-id-marker=U1&uploads=");
    rig_close(&rig);
}

/* --- delete --- */

Test(s3_store, deletes_in_a_batch_and_tells_of_each_key)
{
    static const char *const keys[] = { "a & b", "ctl\x01", "denied", "busy" };
    struct ps_deleter deleter;
    struct ps_err err = { 0 };
    struct rig rig;

    rig_open(&rig);
    deleter.store = rig.store;
    http_server_answer_file(rig.server, "delete/200_partial.http");
    http_server_answer_file(rig.server, "delete/200_busy_done.http");
    http_server_answer_file(rig.server, "abort/204.http"); /* the key that XML cannot carry */

    (void)ps_deleter_delete_batch(&deleter, keys, 4, on_deleted, &rig.seen, &err);
    rig_wait(&rig);

    check_code(&rig, PS_OK);
    check_requests(&rig, 3);
    cr_assert_str_eq(rig.seen.text, "a & b=ok+marker\nctl\x01=ok\ndenied=denied\nbusy=ok\n");
    cr_assert_str_eq(http_server_request(rig.server, 0)->target, "/bucket?delete=");
    cr_assert_not_null(strstr(http_server_request(rig.server, 0)->body,
                              "<Object><Key>a &amp; b</Key></Object>"
                              "<Object><Key>denied</Key></Object>"
                              "<Object><Key>busy</Key></Object></Delete>"));
    cr_assert_null(strstr(http_server_request(rig.server, 1)->body, "denied"));
    cr_assert_not(header_has(&rig, 0, "content-md5", ","));
    cr_assert(header_has(&rig, 0, "content-md5", "=="));
    cr_assert(header_has(&rig, 0, "x-amz-checksum-crc64nvme", "="));
    cr_assert_str_eq(http_server_request(rig.server, 2)->method, "DELETE");
    cr_assert_str_eq(http_server_request(rig.server, 2)->target, "/bucket/ctl%01");
    rig_close(&rig);
}

Test(s3_store, does_not_call_deleted_what_the_store_does_not_name)
{
    static const char *const keys[] = { "busy", "forgotten" };
    struct ps_deleter deleter;
    struct ps_err err = { 0 };
    struct rig rig;

    rig_open(&rig);
    deleter.store = rig.store;
    http_server_answer_file(rig.server, "delete/200_busy_done.http");

    (void)ps_deleter_delete_batch(&deleter, keys, 2, on_deleted, &rig.seen, &err);
    rig_wait(&rig);

    check_code(&rig, PS_OK);
    cr_assert_str_eq(rig.seen.text, "busy=ok\nforgotten=unknown_outcome\n");
    rig_close(&rig);
}

Test(s3_store, refuses_an_empty_key_among_those_to_delete)
{
    static const char *const keys[] = { "a", "" };
    struct ps_deleter deleter;
    struct ps_err err = { 0 };
    struct rig rig;

    rig_open(&rig);
    deleter.store = rig.store;

    cr_assert_null(ps_deleter_delete_batch(&deleter, keys, 2, on_deleted, &rig.seen, &err));

    cr_assert_eq(err.code, PS_E_INVALID);
    check_requests(&rig, 0);
    rig_close(&rig);
}

/* --- cancelling --- */

Test(s3_store, is_silent_after_cancel_in_every_state)
{
    struct ps_store_op *op;
    struct rig rig;

    rig_open(&rig);
    op = start_put(&rig);
    ps_store_cancel(op); /* before anything was sent */
    (void)uv_run(&rig.loop, UV_RUN_NOWAIT);

    http_server_answer_held(rig.server, "HTTP/1.1 200 OK\ncontent-length: auto\n\n");
    op = start_put(&rig);
    while (http_server_request_count(rig.server) == 0) {
        (void)uv_run(&rig.loop, UV_RUN_ONCE);
    }
    ps_store_cancel(op); /* while the answer is awaited */
    http_server_release(rig.server);
    (void)uv_run(&rig.loop, UV_RUN_NOWAIT);

    http_server_answer_file(rig.server, "put/503_slow_down.http");
    op = start_put(&rig);
    while (http_server_request_count(rig.server) == 1 || ps_retry_pause_ms(&rig.retry) == 0) {
        (void)uv_run(&rig.loop, UV_RUN_ONCE);
    }
    ps_store_cancel(op); /* while it waits to be sent again */

    cr_assert_eq(rig.seen.calls, 0);
    rig_close(&rig);
}

Test(s3_store, can_be_cancelled_from_within_a_page)
{
    struct ps_list_request request = { .prefix = "p/" };
    struct ps_err err = { 0 };
    struct rig rig;

    rig_open(&rig);
    http_server_answer_file(rig.server, "list/page_1_url.http");

    rig.seen.cancel_in_page = ps_store_list(rig.store, &request, on_list, &rig.seen, &err);
    rig_wait(&rig);

    check_requests(&rig, 1);
    cr_assert_eq(rig.seen.calls, 0);
    rig_close(&rig);
}

struct cancelling {
    struct ps_store_op *op;
    bool in_info;
    bool called;
};

static void cancel_in_info(void *user, const struct ps_object_info *info)
{
    struct cancelling *cancelling = user;

    (void)info;
    if (cancelling->in_info) {
        cancelling->called = true;
        ps_store_cancel(cancelling->op);
    }
}

static enum ps_push cancel_in_write(void *user, const void *data, size_t size_bytes)
{
    struct cancelling *cancelling = user;

    (void)data;
    (void)size_bytes;
    cr_assert_not(cancelling->called, "written to after cancel");
    cancelling->called = true;
    ps_store_cancel(cancelling->op);
    return PS_PUSH_STOP;
}

struct pausing {
    struct seen *seen;
    struct ps_store_op *op;
    uv_timer_t timer;
    bool paused;
};

static void wake_sink(uv_timer_t *timer)
{
    struct pausing *pausing = timer->data;

    ps_store_wake(pausing->op);
}

static enum ps_push pause_first(void *user, const void *data, size_t size_bytes)
{
    struct pausing *pausing = user;

    if (!pausing->paused) {
        pausing->paused = true;
        (void)uv_timer_start(&pausing->timer, wake_sink, 0, 0);
        return PS_PUSH_PAUSE;
    }
    return write_body(pausing->seen, data, size_bytes);
}

Test(s3_store, gives_the_same_bytes_again_after_a_pause)
{
    struct pausing pausing = { .paused = false };
    struct ps_get_request request;
    struct ps_err err = { 0 };
    struct rig rig;

    rig_open(&rig);
    (void)uv_timer_init(&rig.loop, &pausing.timer);
    pausing.timer.data = &pausing;
    pausing.seen = &rig.seen;
    request = get_request(&rig);
    request.sink = (struct ps_sink){ .write = pause_first, .user = &pausing };
    request.has_range = true;
    request.offset_bytes = 4;
    request.length_bytes = 6;
    http_server_answer_file(rig.server,
                            "get/200.http"); /* the range is ignored: 4 bytes are skipped */

    pausing.op = ps_store_get(rig.store, &request, on_done, &rig.seen, &err);
    rig_wait(&rig);

    check_code(&rig, PS_OK);
    cr_assert_str_eq(rig.seen.body, "456789");
    uv_close((uv_handle_t *)&pausing.timer, NULL);
    rig_close(&rig);
}

static void must_not_end(void *user, const struct ps_err *err)
{
    (void)user;
    (void)err;
    cr_assert_fail("called back after cancel");
}

Test(s3_store, can_be_cancelled_from_within_its_sink)
{
    for (int in_info = 0; in_info < 2; in_info++) {
        struct cancelling cancelling = { .in_info = in_info != 0 };
        struct ps_get_request request = {
            .key = "a/b",
            .sink = { .write = cancel_in_write, .user = &cancelling },
            .on_info = cancel_in_info,
        };
        struct ps_err err = { 0 };
        struct rig rig;

        rig_open(&rig);
        http_server_answer_file(rig.server, "get/200.http");

        cancelling.op = ps_store_get(rig.store, &request, must_not_end, &cancelling, &err);
        while (!cancelling.called) {
            (void)uv_run(&rig.loop, UV_RUN_ONCE);
        }
        (void)uv_run(&rig.loop, UV_RUN_NOWAIT);

        check_requests(&rig, 1);
        rig_close(&rig);
    }
}
