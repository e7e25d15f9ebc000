#include "store/s3_error.h"

#include "base/encode.h"
#include "base/str.h"
#include "base/xml_read.h"
#include "http/http_date.h"
#include "store/error_class.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/** A clock that is wrong by more is not a clock; a server's that is, is not to be trusted with signatures. */
#define CLOCK_OFFSET_MAX_MS ((int64_t)24 * 3600 * 1000)

/** An answer to HEAD names no error: a 403 whose Date is this far from ours is taken for RequestTimeTooSkewed. */
#define CLOCK_SUSPECT_MS ((int64_t)5 * 60 * 1000)

/** A correction smaller than this changes nothing: Date counts whole seconds. */
#define CLOCK_STEP_MIN_MS 2000

/** x-oss-err decoded: some hundred bytes. Longer ones are not read, and the status decides. */
#define OSS_HEADER_MAX_BYTES ((size_t)4096)

/** Of the store's own words: the code before and the mend after them matter more in a line of 255 bytes. */
#define MESSAGE_SHOWN_BYTES ((size_t)100)

/* --- reading --- */

void ps_s3_error_copy(char *dst, size_t dst_size_bytes, const char *src)
{
    ps_str_copy(dst, dst_size_bytes, src);
    for (char *c = dst; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f) {
            *c = ' ';
        }
    }
}

static enum ps_code on_end(void *user, const char *path, const char *text, struct ps_err *err)
{
    struct ps_s3_error *error = user;

    (void)err;
    if (strcmp(path, "/Error/Code") == 0) {
        ps_s3_error_copy(error->code, sizeof(error->code), text);
    } else if (strcmp(path, "/Error/Message") == 0) {
        ps_s3_error_copy(error->message, sizeof(error->message), text);
    } else if (strcmp(path, "/Error/RequestId") == 0) {
        ps_s3_error_copy(error->request_id, sizeof(error->request_id), text);
    } else if (strcmp(path, "/Error/Region") == 0) {
        ps_s3_error_copy(error->region, sizeof(error->region), text);
    } else if (strcmp(path, "/Error/Endpoint") == 0) {
        ps_s3_error_copy(error->endpoint, sizeof(error->endpoint), text);
    } else if (strcmp(path, "/Error/EC") == 0) {
        ps_s3_error_copy(error->ec, sizeof(error->ec), text);
    }
    return PS_OK;
}

static const struct ps_xml_handler error_handler = { .end = on_end };

/* HEAD has no body: OSS puts the XML into a header. */
static void read_oss_header(const struct ps_http_answer *answer, struct ps_s3_error *error)
{
    const char *encoded = ps_http_answer_header(answer, "x-oss-err");
    const char *ec = ps_http_answer_header(answer, "x-oss-ec");
    char xml[OSS_HEADER_MAX_BYTES];
    size_t size_bytes = 0;

    if (encoded != NULL && error->code[0] == '\0' &&
        ps_base64_decode(encoded, xml, sizeof(xml), &size_bytes) &&
        ps_xml_read(xml, size_bytes, &error_handler, error, NULL) != PS_OK) {
        return; /* what was read before the fault counts */
    }
    if (ec != NULL) {
        ps_s3_error_copy(error->ec, sizeof(error->ec), ec);
    }
}

static const char *request_id(const struct ps_http_answer *answer)
{
    const char *id = ps_http_answer_header(answer, "x-amz-request-id");

    return id != NULL ? id : ps_http_answer_header(answer, "x-oss-request-id");
}

void ps_s3_error_read(const struct ps_http_answer *answer, struct ps_s3_error *error_out)
{
    size_t size_bytes = 0;
    const char *body = ps_http_answer_body(answer, &size_bytes);
    const char *id = request_id(answer);
    const char *region = ps_http_answer_header(answer, "x-amz-bucket-region");
    /* MinIO says in a header what the missing body of HEAD cannot. */
    const char *code = ps_http_answer_header(answer, "x-minio-error-code");

    memset(error_out, 0, sizeof(*error_out));
    while (size_bytes > 0 && isspace((unsigned char)*body)) {
        body++;
        size_bytes--;
    }
    /* A proxy may answer in HTML, and a body may be cut: what was read before counts. */
    if (ps_xml_read(body, size_bytes, &error_handler, error_out, NULL) != PS_OK &&
        error_out->code[0] == '\0' && code != NULL) {
        ps_s3_error_copy(error_out->code, sizeof(error_out->code), code);
    }
    read_oss_header(answer, error_out);
    if (id != NULL) {
        ps_s3_error_copy(error_out->request_id, sizeof(error_out->request_id), id);
    }
    if (region != NULL) {
        ps_s3_error_copy(error_out->region, sizeof(error_out->region), region);
    }
}

/* OSS refuses a bucket of another region as AccessDenied, and names the endpoint that it has. */
static bool is_elsewhere(const struct ps_s3_error *error)
{
    return error->endpoint[0] != '\0' && strcmp(error->code, "AccessDenied") == 0;
}

/* OSS, for a region in the signature that is not the endpoint's, has no code of its own. */
static bool is_wrong_region(const struct ps_s3_error *error)
{
    return strcmp(error->code, "InvalidArgument") == 0 &&
           strcasestr(error->message, "signing region") != NULL;
}

enum ps_code ps_s3_error_fill(const struct ps_s3_error *error, int http_status, struct ps_err *err)
{
    const char *mend = ps_error_class_mend(http_status, error->code);
    bool has_ec = error->ec[0] != '\0' && error->request_id[0] != '\0';
    char status[32];
    char elsewhere[128];
    const char *name = error->code;
    size_t length = strlen(error->message);

    if (err == NULL) {
        return ps_error_class_s3(NULL, http_status, error->code);
    }
    if (name[0] == '\0') {
        (void)snprintf(status, sizeof(status), "HTTP status %d", http_status);
        name = status;
    }
    length = length < MESSAGE_SHOWN_BYTES ? length : MESSAGE_SHOWN_BYTES;
    while (length > 0 && (error->message[length - 1] == '.' || error->message[length - 1] == ' ')) {
        length--;
    }
    if (is_elsewhere(error)) {
        (void)snprintf(elsewhere, sizeof(elsewhere),
                       "the bucket is at %.80s: set endpoint or region", error->endpoint);
        mend = elsewhere;
        length = 0; /* says the same in more words */
    } else if (is_wrong_region(error)) {
        mend = "set the bucket's region";
    }
    (void)ps_err_set(err, PS_E_TEMPORARY, "%s%s%.*s%s%s%s%s%s%s%s", name, length != 0 ? ": " : "",
                     (int)length, error->message, error->request_id[0] != '\0' ? " (" : "",
                     error->request_id, has_ec ? ", EC " : "", has_ec ? error->ec : "",
                     error->request_id[0] != '\0' ? ")" : "", mend != NULL ? ": " : "",
                     mend != NULL ? mend : "");
    (void)ps_error_class_s3(err, http_status, error->code);
    if (is_elsewhere(error)) {
        err->code = PS_E_INVALID;
    }
    ps_str_copy(err->request_id, sizeof(err->request_id), error->request_id);
    return err->code;
}

void ps_s3_error_of_transport(struct ps_err *err)
{
    ps_error_class_transport(err);
}

enum ps_code ps_s3_error_parse(struct ps_err *err)
{
    if (err == NULL) {
        return PS_E_PARSE;
    }
    /* Cut by a proxy, most likely: worth another try, as a body cut by the connection is. */
    err->code = PS_E_PARSE;
    err->retry = PS_RETRY_TRANSIENT;
    return ps_err_wrap(err, PS_E_PARSE, "the answer makes no sense");
}

/* --- mending --- */

static bool fix_clock(struct ps_s3_store *store, const struct ps_http_answer *answer,
                      const struct ps_s3_error *error)
{
    const char *date = ps_http_answer_header(answer, "date");
    int64_t server_ms = 0;
    int64_t offset_ms;
    int64_t step_ms;

    if (date == NULL || !ps_http_date_parse_imf(date, &server_ms)) {
        return false;
    }
    offset_ms = server_ms - ps_clock_unix_ms(store->clock);
    step_ms = offset_ms - store->clock_offset_ms;
    step_ms = step_ms < 0 ? -step_ms : step_ms;
    if (offset_ms > CLOCK_OFFSET_MAX_MS || offset_ms < -CLOCK_OFFSET_MAX_MS ||
        step_ms < (error->code[0] != '\0' ? CLOCK_STEP_MIN_MS : CLOCK_SUSPECT_MS)) {
        return false;
    }
    store->clock_offset_ms = offset_ms;
    ps_log(store->log, PS_LOG_WARN, store->dialect->family,
           "%s: this machine's clock differs by %" PRId64
           " s from the store's: signing with the store's",
           store->base.root_url, offset_ms / 1000);
    return true;
}

static bool is_region(const char *region)
{
    if (region[0] == '\0') {
        return false;
    }
    for (; *region != '\0'; region++) {
        if (!islower((unsigned char)*region) && !isdigit((unsigned char)*region) &&
            *region != '-') {
            return false;
        }
    }
    return true;
}

static void take_region(struct ps_s3_store *store, const char *region)
{
    ps_log(store->log, PS_LOG_WARN, store->dialect->family,
           "%s: the bucket is in region %s, not %s: set region", store->base.root_url, region,
           store->region);
    ps_str_copy(store->region, sizeof(store->region), region);
}

/* Only the region is taken from an answer, never a host: credentials go nowhere but to the endpoint chosen. */
static bool fix_region(struct ps_s3_store *store, const struct ps_s3_error *error)
{
    if (!is_region(error->region) || strcmp(error->region, store->region) == 0) {
        return false;
    }
    take_region(store, error->region);
    return true;
}

/* The same where the answer names an endpoint: the host must follow from the region, else it was chosen by the user. */
static bool fix_endpoint(struct ps_s3_store *store, const struct ps_s3_error *error)
{
    char region[PS_S3_REGION_SIZE];

    if (store->dialect->endpoint_region == NULL || !is_elsewhere(error) || store->host != NULL ||
        !store->dialect->endpoint_region(error->endpoint, region, sizeof(region)) ||
        !is_region(region) || strcmp(region, store->region) == 0) {
        return false;
    }
    take_region(store, region);
    return true;
}

static bool is_about_creds(const char *code)
{
    static const char *const codes[] = {
        "ExpiredToken",         "ExpiredTokenException",
        "InvalidToken",         "InvalidAccessKeyId",
        "TokenRefreshRequired", "SecurityTokenExpired",
        "InvalidSecurityToken", "AccessKeyIdAndSecurityTokenNotMatch",
    };

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (strcmp(codes[i], code) == 0) {
            return true;
        }
    }
    return false;
}

enum ps_s3_fix ps_s3_error_fix(struct ps_s3_store *store, const struct ps_http_answer *answer,
                               const struct ps_s3_error *error, unsigned fixes_done)
{
    int status = ps_http_answer_status(answer);
    bool named = error->code[0] != '\0';
    struct ps_err class = { .code = PS_OK };

    if (status < 300 || status >= 500) {
        return PS_S3_FIX_NONE;
    }
    (void)ps_error_class_s3(&class, status, error->code);
    if ((fixes_done & PS_S3_FIX_REGION) == 0 && fix_endpoint(store, error)) {
        return PS_S3_FIX_REGION;
    }
    if (named && class.retry != PS_RETRY_AFTER_FIX) {
        return PS_S3_FIX_NONE;
    }
    if ((fixes_done & PS_S3_FIX_REGION) == 0 && status != 403 && status != 404 &&
        fix_region(store, error)) {
        return PS_S3_FIX_REGION;
    }
    if ((fixes_done & PS_S3_FIX_CLOCK) == 0 &&
        (strcmp(error->code, "RequestTimeTooSkewed") == 0 || (!named && status == 403)) &&
        fix_clock(store, answer, error)) {
        return PS_S3_FIX_CLOCK;
    }
    if ((fixes_done & PS_S3_FIX_CREDS) == 0 &&
        (is_about_creds(error->code) || (!named && status == 400))) {
        return PS_S3_FIX_CREDS;
    }
    return PS_S3_FIX_NONE;
}

bool ps_s3_error_retry_after(const struct ps_s3_store *store, const struct ps_http_answer *answer,
                             uint64_t *ms_out)
{
    const char *ms_text = ps_http_answer_header(answer, "x-amz-retry-after");
    const char *text = ps_http_answer_header(answer, "retry-after");
    const char *date = ps_http_answer_header(answer, "date");
    int64_t now_unix_ms = 0;

    if (ms_text != NULL && ps_u64_parse(ms_text, ms_out)) {
        return true;
    }
    if (date == NULL || !ps_http_date_parse_imf(date, &now_unix_ms)) {
        now_unix_ms = ps_clock_unix_ms(store->clock) + store->clock_offset_ms;
    }
    return text != NULL && ps_http_date_parse_retry_after(text, now_unix_ms, ms_out);
}

void ps_s3_error_note_lost_upload(const struct ps_s3_error *error, const char *method,
                                  const struct ps_s3_pairs *query, struct ps_err *failure)
{
    bool reads = strcmp(method, "GET") == 0;
    bool aborts = strcmp(method, "DELETE") == 0;

    if ((!reads && !aborts) || strcmp(error->code, "NoSuchKey") != 0) {
        return;
    }
    for (size_t i = 0; i < query->count; i++) {
        if (strcmp(query->items[i].name, "uploadId") == 0) {
            failure->code = PS_E_NO_UPLOAD;
        }
    }
}
