/* Each error that OSS documents, answered by its double to each operation: sent again or not, and what is told. */
#include "tests/support/store_fixture.h"

#include "base/buf.h"
#include "http/retry.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

TestSuite(oss_errors, .timeout = 200);

enum operation {
    PUT,
    BEGIN,
    PUT_PART,
    LIST_PARTS,
    LIST_UPLOADS,
    COMPLETE,
    ABORT,
    GET,
    HEAD,
    LIST,
    DELETE_BATCH,
    COPY,
    COPY_PART,
    GET_TAGS,
    PUT_TAGS,
    GET_LIFECYCLE,
    PUT_LIFECYCLE,
    RESTORE,
    OPERATION_COUNT,
};

static const struct {
    const char *name;
    const char *method;
} operations[OPERATION_COUNT] = {
    [PUT] = { "put", "PUT" },
    [BEGIN] = { "begin", "POST" },
    [PUT_PART] = { "put_part", "PUT" },
    [LIST_PARTS] = { "list_parts", "GET" },
    [LIST_UPLOADS] = { "list_uploads", "GET" },
    [COMPLETE] = { "complete", "POST" },
    [ABORT] = { "abort", "DELETE" },
    [GET] = { "get", "GET" },
    [HEAD] = { "head", "HEAD" },
    [LIST] = { "list", "GET" },
    [DELETE_BATCH] = { "delete", "POST" },
    [COPY] = { "copy", "PUT" },
    [COPY_PART] = { "copy_part", "PUT" },
    [GET_TAGS] = { "get_tags", "GET" },
    [PUT_TAGS] = { "put_tags", "PUT" },
    [GET_LIFECYCLE] = { "get_lifecycle", "GET" },
    [PUT_LIFECYCLE] = { "put_lifecycle", "PUT" },
    [RESTORE] = { "restore", "POST" },
};

/* Answered once: PS_OK = the request is sent again, which helps; else it is final, told as that after one request. */
struct row {
    int http_status;
    const char *code;
    enum ps_code told;
};

/* OSS "Error codes", the retry lists of oss2 and Argo Workflows; those of S3 that OSS's face shares. */
static const struct row rows[] = {
    /* passes */
    { 500, "InternalError", PS_OK },
    { 502, "BadGateway", PS_OK },
    { 503, "ServiceUnavailable", PS_OK },
    { 504, "GatewayTimeout", PS_OK },
    { 509, "Unheard", PS_OK },
    { 400, "RequestTimeout", PS_OK },
    { 400, "RequestTimeoutException", PS_OK },
    { 400, "PriorRequestNotComplete", PS_OK },
    { 400, "IncompleteBody", PS_OK },
    { 409, "OperationAborted", PS_OK },
    { 503, "ServiceBusy", PS_OK },
    { 503, "SocketTimeout", PS_OK },
    { 503, "ConnectionTimeout", PS_OK },
    { 400, "SocketException", PS_OK },
    { 400, "DomainNetWorkVisitedException", PS_OK },
    { 400, "CachedTimeTooLarge", PS_OK },
    { 403, "QuotaExceeded.Refresh", PS_OK },
    { 400, "Default", PS_OK },
    /* too fast */
    { 503, "SlowDown", PS_OK },
    { 400, "Throttling", PS_OK },
    { 400, "Throttling.User", PS_OK },
    { 503, "RequestLimitExceeded", PS_OK },
    { 503, "RequestThrottled", PS_OK },
    { 509, "BandwidthLimitExceeded", PS_OK },
    { 429, "TooManyRequests", PS_OK },
    { 503, "QpsLimitExceeded", PS_OK },
    { 503, "UploadTrafficRateLimitExceeded", PS_OK },
    { 503, "DownloadTrafficRateLimitExceeded", PS_OK },
    /* credentials are asked for anew, once */
    { 403, "SecurityTokenExpired", PS_OK },
    { 403, "InvalidSecurityToken", PS_OK },
    { 400, "ExpiredToken", PS_OK },
    { 403, "InvalidAccessKeyId", PS_OK },
    /* a clock that is right cannot be mended, nor a region that the answer does not name */
    { 403, "RequestTimeTooSkewed", PS_E_DENIED },
    { 301, "PermanentRedirect", PS_E_INVALID },
    { 307, "TemporaryRedirect", PS_E_INVALID },
    { 400, "IllegalLocationConstraint", PS_E_INVALID },
    { 400, "AuthorizationHeaderMalformed", PS_E_INVALID },
    /* whoever holds the bytes reads them again */
    { 400, "BadDigest", PS_E_CORRUPT },
    { 400, "InvalidDigest", PS_E_CORRUPT },
    { 400, "XAmzContentSHA256Mismatch", PS_E_CORRUPT },
    /* final */
    { 403, "AccessDenied", PS_E_DENIED },
    { 403, "SignatureDoesNotMatch", PS_E_DENIED },
    { 401, "Unauthorized", PS_E_DENIED },
    { 403, "InvalidObjectState", PS_E_REFUSED },
    { 404, "NoSuchBucket", PS_E_NOT_FOUND },
    { 404, "NoSuchKey", PS_E_NOT_FOUND },
    { 405, "MethodNotAllowed", PS_E_UNSUPPORTED },
    { 409, "FileAlreadyExists", PS_E_EXISTS },
    { 411, "MissingContentLength", PS_E_INVALID },
    { 412, "PreconditionFailed", PS_E_CHANGED },
    { 416, "InvalidRange", PS_E_INVALID },
    { 501, "NotImplemented", PS_E_UNSUPPORTED },
    { 400, "InvalidArgument", PS_E_INVALID },
    { 400, "MalformedXML", PS_E_INVALID },
};

static struct answer a; /* large; each test runs in a process of its own */

/* --- orders to the double --- */

static size_t keep(char *data, size_t size, size_t count, void *user)
{
    return ps_buf_append(user, data, size * count, NULL) == PS_OK ? size * count : 0;
}

static void order(const struct store_fixture *f, const char *what, const char *json,
                  struct ps_buf *got)
{
    CURL *easy = curl_easy_init();
    char url[128];

    (void)snprintf(url, sizeof(url), "%s/-/%s", f->endpoint, what);
    (void)curl_easy_setopt(easy, CURLOPT_URL, url);
    (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, json);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, keep);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, got);
    cr_assert_eq(curl_easy_perform(easy), CURLE_OK);
    curl_easy_cleanup(easy);
}

static size_t requests_since(const struct store_fixture *f)
{
    struct ps_buf log = { 0 };
    size_t lines = 0;

    ps_buf_init(&log, 0);
    order(f, "log", "{}", &log);
    for (size_t i = 0; i < log.size_bytes; i++) {
        lines += log.data[i] == '\n' ? 1 : 0;
    }
    ps_buf_clear(&log);
    return lines;
}

static void order_error(const struct store_fixture *f, const char *method, const struct row *row)
{
    struct ps_buf nothing = { 0 };
    char json[256];

    ps_buf_init(&nothing, 0);
    (void)snprintf(json, sizeof(json), "{\"method\": \"%s\", \"status\": %d, \"code\": \"%s\"}",
                   method, row->http_status, row->code);
    order(f, "fault", json, &nothing);
    ps_buf_clear(&nothing);
}

/* --- the operations --- */

static char upload_id[256]; /* of the key "m", with one part */
static char part_etag[128];

static void begin_upload(struct store_fixture *f)
{
    struct ps_part_request part = {
        .key = "m",
        .upload_id = upload_id,
        .part_number = 1,
        .body = { .size_bytes = 10, .read = pattern_read, .user = NULL },
        .checksum = pattern_checksum(f, 0, 10),
    };

    store_begin(f, "m", 10, &a);
    OK(a);
    (void)snprintf(upload_id, sizeof(upload_id), "%s", a.upload_id);
    store_part(f, &part, &a);
    OK(a);
    (void)snprintf(part_etag, sizeof(part_etag), "%s", a.etag);
}

static void do_part(struct store_fixture *f)
{
    const struct ps_part_request part = {
        .key = "m",
        .upload_id = upload_id,
        .part_number = 1,
        .body = { .size_bytes = 10, .read = pattern_read, .user = NULL },
        .checksum = pattern_checksum(f, 0, 10),
    };

    store_part(f, &part, &a);
}

static void do_complete(struct store_fixture *f)
{
    const struct ps_part_info part = {
        .part_number = 1,
        .size_bytes = 10,
        .etag = part_etag,
        .checksum = pattern_checksum(f, 0, 10),
    };
    const struct ps_complete_request request = {
        .key = "m",
        .upload_id = upload_id,
        .parts = &part,
        .part_count = 1,
        .size_bytes = 10,
        .checksum = part.checksum,
    };

    store_complete(f, &request, &a);
}

static void do_copy(struct store_fixture *f, bool as_part)
{
    const struct ps_copy_request request = {
        .key = "m",
        .from_key = "o",
        .options.checksum = PS_CHECKSUM_CRC64_ECMA,
        .upload_id = as_part ? upload_id : NULL,
        .part_number = 2,
        .length_bytes = 10,
    };

    store_copy(f, &request, &a);
}

#define RULES                                                                                      \
    "<LifecycleConfiguration><Rule><ID>x</ID><Prefix>tmp/</Prefix><Status>Enabled</Status>"        \
    "<Expiration><Days>3</Days></Expiration></Rule></LifecycleConfiguration>"

static void run(struct store_fixture *f, enum operation operation)
{
    static const char *const keys[] = { "gone" };
    static const struct ps_store_pair tag = { "a", "1" };
    const struct ps_get_request get = { .key = "o" };
    const struct ps_list_request list = { .prefix = "" };
    const struct ps_tags_request tags = { .key = "o", .tags = &tag, .count = 1 };
    const struct ps_restore_request restore = { .key = "cold", .days = 1 };

    switch (operation) {
    case PUT:
        store_put(f, "o", 1, 10, &a);
        break;
    case BEGIN:
        store_begin(f, "other", 10, &a);
        break;
    case PUT_PART:
        do_part(f);
        break;
    case LIST_PARTS:
        store_parts(f, "m", upload_id, &a);
        break;
    case LIST_UPLOADS:
        store_uploads(f, "", &a);
        break;
    case COMPLETE:
        do_complete(f);
        break;
    case ABORT:
        store_abort(f, "m", upload_id, &a);
        break;
    case GET:
        store_get(f, &get, &a);
        break;
    case HEAD:
        store_head(f, "o", &a);
        break;
    case LIST:
        store_list(f, &list, &a);
        break;
    case DELETE_BATCH:
        store_delete(f, keys, 1, &a);
        break;
    case COPY:
        do_copy(f, false);
        break;
    case COPY_PART:
        do_copy(f, true);
        break;
    case GET_TAGS:
        store_get_tags(f, "o", &a);
        break;
    case PUT_TAGS:
        store_put_tags(f, &tags, &a);
        break;
    case GET_LIFECYCLE:
        store_get_lifecycle(f, &a);
        break;
    case PUT_LIFECYCLE:
        store_put_lifecycle(f, RULES, &a);
        break;
    case RESTORE:
        store_restore(f, &restore, &a);
        break;
    case OPERATION_COUNT:
        break;
    }
}

/* No backoff: it is random * limit, and what is to be shown here is not how long. */
static uint64_t no_random(void *user)
{
    (void)user;
    return 0;
}

static int64_t no_time(void *user)
{
    (void)user;
    return 0;
}

static const struct ps_clock still = { .unix_ms = no_time,
                                       .mono_ms = no_time,
                                       .random = no_random };

static void prepare(struct store_fixture *f)
{
    struct ps_put_request cold = {
        .key = "cold",
        .body = { .size_bytes = 10, .read = pattern_read, .user = (void *)1 },
        .checksum = pattern_checksum(f, 1, 10),
        .options = { .storage_class = "Archive" },
    };

    store_put(f, "o", 1, 10, &a);
    OK(a);
    cold.options.checksum = cold.checksum.algorithm;
    store_put_request(f, &cold, &a);
    OK(a);
    begin_upload(f);
}

/* A key that is missed where only an upload was named: Ceph RGW's way to say NoSuchUpload. */
static enum ps_code told_for(enum operation operation, const struct row *row)
{
    if (strcmp(row->code, "NoSuchKey") == 0 && operation == LIST_PARTS) {
        return PS_E_NO_UPLOAD;
    }
    return strcmp(row->code, "NoSuchKey") == 0 && operation == ABORT ? PS_OK : row->told;
}

static void check(struct store_fixture *f, enum operation operation, const struct row *row)
{
    const char *name = operations[operation].name;
    enum ps_code told = told_for(operation, row);
    size_t asked;

    if (operation == COMPLETE || operation == ABORT) {
        begin_upload(f); /* the one before is used up */
    }
    ps_retry_init(f->retrier, NULL, NULL, &still);
    (void)requests_since(f);
    order_error(f, operations[operation].method, row);
    run(f, operation);
    asked = requests_since(f);

    cr_expect_eq(a.err.code, told, "%s, %d %s: %s: %s", name, row->http_status, row->code,
                 ps_code_name(a.err.code), a.err.message);
    if (told != PS_OK) {
        cr_expect_eq(asked, 1, "%s, %d %s: %zu requests", name, row->http_status, row->code, asked);
        cr_expect_str_eq(a.err.store_code, row->code, "%s, %d", name, row->http_status);
        cr_expect_neq(a.err.request_id[0], '\0', "%s, %d %s", name, row->http_status, row->code);
        cr_expect_not_null(strstr(a.err.message, row->code), "%s: %s", name, a.err.message);
    } else if (row->told == PS_OK) {
        cr_expect_geq(asked, 2, "%s, %d %s: %zu requests", name, row->http_status, row->code,
                      asked);
    }
}

Test(oss_errors, each_is_sent_again_or_told_whatever_was_asked)
{
    struct store_fixture fixture;

    cr_assert(store_fixture_open(&fixture, "oss"), "no purser-test-python: run tests/run.sh");
    prepare(&fixture);
    for (int operation = 0; operation < OPERATION_COUNT; operation++) {
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
            check(&fixture, (enum operation)operation, &rows[i]);
        }
    }
    store_fixture_close(&fixture);
}
