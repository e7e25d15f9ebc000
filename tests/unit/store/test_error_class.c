#include "store/error_class.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(error_class, .timeout = 20);

struct row {
    int http_status;
    const char *store_code;
    enum ps_code code;
    enum ps_retry retry;
};

/* S3 "Error responses", OSS "Error codes", MinIO error names; retry classes of the AWS SDK standard mode. */
static const struct row rows[] = {
    /* transient */
    { 500, "InternalError", PS_E_TEMPORARY, PS_RETRY_TRANSIENT },
    { 200, "InternalError", PS_E_TEMPORARY, PS_RETRY_TRANSIENT },
    { 500, NULL, PS_E_TEMPORARY, PS_RETRY_TRANSIENT },
    { 502, "", PS_E_TEMPORARY, PS_RETRY_TRANSIENT },
    { 503, "ServiceUnavailable", PS_E_TEMPORARY, PS_RETRY_TRANSIENT },
    { 503, NULL, PS_E_TEMPORARY, PS_RETRY_TRANSIENT },
    { 504, NULL, PS_E_TEMPORARY, PS_RETRY_TRANSIENT },
    { 509, NULL, PS_E_TEMPORARY, PS_RETRY_TRANSIENT },
    { 520, NULL, PS_E_TEMPORARY, PS_RETRY_TRANSIENT },
    { 400, "RequestTimeout", PS_E_TEMPORARY, PS_RETRY_TRANSIENT },
    { 400, "RequestTimeoutException", PS_E_TEMPORARY, PS_RETRY_TRANSIENT },
    { 408, NULL, PS_E_TEMPORARY, PS_RETRY_TRANSIENT },
    { 400, "PriorRequestNotComplete", PS_E_TEMPORARY, PS_RETRY_TRANSIENT },
    { 400, "IncompleteBody", PS_E_TEMPORARY, PS_RETRY_TRANSIENT },
    { 409, "OperationAborted", PS_E_TEMPORARY, PS_RETRY_TRANSIENT },
    { 409, "ConditionalRequestConflict", PS_E_TEMPORARY, PS_RETRY_TRANSIENT },
    { 503, "ServiceBusy", PS_E_TEMPORARY, PS_RETRY_TRANSIENT },
    { 503, "SocketTimeout", PS_E_TEMPORARY, PS_RETRY_TRANSIENT },
    { 503, "ConnectionTimeout", PS_E_TEMPORARY, PS_RETRY_TRANSIENT },
    { 400, "SocketException", PS_E_TEMPORARY, PS_RETRY_TRANSIENT },
    { 400, "DomainNetWorkVisitedException", PS_E_TEMPORARY, PS_RETRY_TRANSIENT },
    { 400, "CachedTimeTooLarge", PS_E_TEMPORARY, PS_RETRY_TRANSIENT },
    { 403, "QuotaExceeded.Refresh", PS_E_TEMPORARY, PS_RETRY_TRANSIENT },
    { 400, "Default", PS_E_TEMPORARY, PS_RETRY_TRANSIENT },
    { 503, "XMinioServerNotInitialized", PS_E_TEMPORARY, PS_RETRY_TRANSIENT },
    { 200, "NeverHeardOf", PS_E_TEMPORARY, PS_RETRY_TRANSIENT },

    /* throttle */
    { 503, "SlowDown", PS_E_TEMPORARY, PS_RETRY_THROTTLE },
    { 503, "SlowDownWrite", PS_E_TEMPORARY, PS_RETRY_THROTTLE },
    { 400, "Throttling", PS_E_TEMPORARY, PS_RETRY_THROTTLE },
    { 400, "ThrottlingException", PS_E_TEMPORARY, PS_RETRY_THROTTLE },
    { 400, "RequestThrottled", PS_E_TEMPORARY, PS_RETRY_THROTTLE },
    { 503, "RequestLimitExceeded", PS_E_TEMPORARY, PS_RETRY_THROTTLE },
    { 509, "BandwidthLimitExceeded", PS_E_TEMPORARY, PS_RETRY_THROTTLE },
    { 429, "TooManyRequests", PS_E_TEMPORARY, PS_RETRY_THROTTLE },
    { 429, NULL, PS_E_TEMPORARY, PS_RETRY_THROTTLE },
    { 503, "QpsLimitExceeded", PS_E_TEMPORARY, PS_RETRY_THROTTLE },
    { 503, "UploadTrafficRateLimitExceeded", PS_E_TEMPORARY, PS_RETRY_THROTTLE },
    { 503, "DownloadTrafficRateLimitExceeded", PS_E_TEMPORARY, PS_RETRY_THROTTLE },

    /* once, after a fix */
    { 403, "RequestTimeTooSkewed", PS_E_DENIED, PS_RETRY_AFTER_FIX },
    { 400, "ExpiredToken", PS_E_DENIED, PS_RETRY_AFTER_FIX },
    { 403, "InvalidAccessKeyId", PS_E_DENIED, PS_RETRY_AFTER_FIX },
    { 403, "SecurityTokenExpired", PS_E_DENIED, PS_RETRY_AFTER_FIX },
    { 403, "InvalidSecurityToken", PS_E_DENIED, PS_RETRY_AFTER_FIX },
    { 400, "AuthorizationHeaderMalformed", PS_E_INVALID, PS_RETRY_AFTER_FIX },
    { 400, "IllegalLocationConstraint", PS_E_INVALID, PS_RETRY_AFTER_FIX },
    { 400, "IllegalLocationConstraintException", PS_E_INVALID, PS_RETRY_AFTER_FIX },
    { 301, "PermanentRedirect", PS_E_INVALID, PS_RETRY_AFTER_FIX },
    { 301, NULL, PS_E_INVALID, PS_RETRY_AFTER_FIX },
    { 307, "TemporaryRedirect", PS_E_INVALID, PS_RETRY_AFTER_FIX },
    { 307, NULL, PS_E_INVALID, PS_RETRY_AFTER_FIX },

    /* send the part again, after reading it anew */
    { 400, "BadDigest", PS_E_CORRUPT, PS_RETRY_RESEND_PART },
    { 400, "InvalidDigest", PS_E_CORRUPT, PS_RETRY_RESEND_PART },
    { 400, "XAmzContentSHA256Mismatch", PS_E_CORRUPT, PS_RETRY_RESEND_PART },
    { 400, "XAmzContentChecksumMismatch", PS_E_CORRUPT, PS_RETRY_RESEND_PART },

    /* never */
    { 404, "NoSuchUpload", PS_E_NO_UPLOAD, PS_RETRY_NEVER },
    { 404, "NoSuchKey", PS_E_NOT_FOUND, PS_RETRY_NEVER },
    { 404, "NoSuchBucket", PS_E_NOT_FOUND, PS_RETRY_NEVER },
    { 404, NULL, PS_E_NOT_FOUND, PS_RETRY_NEVER },
    { 403, "AccessKeyIdAndSecurityTokenNotMatch", PS_E_DENIED, PS_RETRY_AFTER_FIX },
    { 403, "InDebt", PS_E_DENIED, PS_RETRY_NEVER },
    { 403, "InDebtOverdue", PS_E_DENIED, PS_RETRY_NEVER },
    { 403, "UserDisable", PS_E_DENIED, PS_RETRY_NEVER },
    { 409, "FileImmutable", PS_E_REFUSED, PS_RETRY_NEVER },
    { 404, "SymlinkTargetNotExist", PS_E_NOT_FOUND, PS_RETRY_NEVER },
    { 400, "OperationNotSupported", PS_E_UNSUPPORTED, PS_RETRY_NEVER },
    { 403, "AccessDenied", PS_E_DENIED, PS_RETRY_NEVER },
    { 403, "SignatureDoesNotMatch", PS_E_DENIED, PS_RETRY_NEVER },
    { 403, "SomethingNew", PS_E_DENIED, PS_RETRY_NEVER },
    { 403, NULL, PS_E_DENIED, PS_RETRY_NEVER },
    { 401, NULL, PS_E_DENIED, PS_RETRY_NEVER },
    { 403, "InvalidObjectState", PS_E_REFUSED, PS_RETRY_NEVER },
    { 409, "RestoreAlreadyInProgress", PS_E_TEMPORARY, PS_RETRY_NEVER },
    { 412, "PreconditionFailed", PS_E_CHANGED, PS_RETRY_NEVER },
    { 412, NULL, PS_E_CHANGED, PS_RETRY_NEVER },
    { 409, "FileAlreadyExists", PS_E_EXISTS, PS_RETRY_NEVER },
    { 409, "SomethingNew", PS_E_REFUSED, PS_RETRY_NEVER },
    { 400, "EntityTooLarge", PS_E_TOO_LARGE, PS_RETRY_NEVER },
    { 413, NULL, PS_E_TOO_LARGE, PS_RETRY_NEVER },
    { 403, "QuotaExceeded", PS_E_NO_SPACE, PS_RETRY_NEVER },
    { 400, "XMinioAdminBucketQuotaExceeded", PS_E_NO_SPACE, PS_RETRY_NEVER },
    { 507, "XMinioStorageFull", PS_E_NO_SPACE, PS_RETRY_NEVER },
    { 507, NULL, PS_E_NO_SPACE, PS_RETRY_NEVER },
    { 501, "NotImplemented", PS_E_UNSUPPORTED, PS_RETRY_NEVER },
    { 501, NULL, PS_E_UNSUPPORTED, PS_RETRY_NEVER },
    { 405, "MethodNotAllowed", PS_E_UNSUPPORTED, PS_RETRY_NEVER },
    { 400, "InvalidPart", PS_E_INVALID, PS_RETRY_NEVER },
    { 400, "InvalidArgument", PS_E_INVALID, PS_RETRY_NEVER },
    { 400, NULL, PS_E_INVALID, PS_RETRY_NEVER },
    { 411, "MissingContentLength", PS_E_INVALID, PS_RETRY_NEVER },
    { 416, "InvalidRange", PS_E_INVALID, PS_RETRY_NEVER },
    { 304, NULL, PS_E_PARSE, PS_RETRY_NEVER },
    { 100, NULL, PS_E_PARSE, PS_RETRY_NEVER },
    { 0, NULL, PS_E_PARSE, PS_RETRY_NEVER },
};

Test(error_class, gives_each_answer_its_code_and_class)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *row = &rows[i];
        const char *name = row->store_code != NULL ? row->store_code : "(none)";
        struct ps_err err = { .message = "kept", .request_id = "id" };

        cr_expect_eq(ps_error_class_s3(&err, row->http_status, row->store_code), row->code, "%d %s",
                     row->http_status, name);

        cr_expect_eq(err.code, row->code, "%d %s", row->http_status, name);
        cr_expect_eq(err.retry, row->retry, "%d %s: %s", row->http_status, name,
                     ps_retry_name(err.retry));
        cr_expect_eq(err.http_status, row->http_status, "%d %s", row->http_status, name);
        cr_expect_str_eq(err.store_code, row->store_code != NULL ? row->store_code : "");
        cr_expect_str_eq(err.message, "kept");
        cr_expect_str_eq(err.request_id, "id");
    }
}

Test(error_class, works_without_err_and_with_its_own_code)
{
    struct ps_err err = { .store_code = "NoSuchUpload" };

    cr_expect_eq(ps_error_class_s3(NULL, 404, "NoSuchUpload"), PS_E_NO_UPLOAD);
    cr_expect_eq(ps_error_class_s3(&err, 404, err.store_code), PS_E_NO_UPLOAD);
    cr_expect_str_eq(err.store_code, "NoSuchUpload");
}

Test(error_class, cuts_a_code_that_is_too_long)
{
    char code[300];
    struct ps_err err = { 0 };

    memset(code, 'x', sizeof(code) - 1);
    code[sizeof(code) - 1] = '\0';
    cr_expect_eq(ps_error_class_s3(&err, 400, code), PS_E_INVALID);
    cr_expect_eq(strlen(err.store_code), sizeof(err.store_code) - 1);
}

Test(error_class, only_network_trouble_is_worth_another_try)
{
    static const struct {
        enum ps_code code;
        enum ps_retry retry;
    } transport[] = {
        { PS_E_TEMPORARY, PS_RETRY_TRANSIENT }, { PS_E_DENIED, PS_RETRY_NEVER },
        { PS_E_CANCELLED, PS_RETRY_NEVER },     { PS_E_TOO_LARGE, PS_RETRY_NEVER },
        { PS_E_INVALID, PS_RETRY_NEVER },       { PS_E_NO_MEMORY, PS_RETRY_NEVER },
    };

    for (size_t i = 0; i < sizeof(transport) / sizeof(transport[0]); i++) {
        struct ps_err err = { .code = transport[i].code, .retry = PS_RETRY_THROTTLE };

        ps_error_class_transport(&err);
        cr_expect_eq(err.retry, transport[i].retry, "%s", ps_code_name(err.code));
        cr_expect_eq(err.code, transport[i].code);
    }
}

Test(error_class, tells_what_can_be_done)
{
    static const struct {
        int http_status;
        const char *store_code;
        const char *part; /* NULL = nothing to say */
    } mends[] = {
        { 403, "SignatureDoesNotMatch", "check the secret key" },
        { 404, "NoSuchBucket", "create the bucket or check its name" },
        { 403, "InvalidAccessKeyId", "access key" },
        { 403, "RequestTimeTooSkewed", "clock" },
        { 403, "InvalidObjectState", "archived: restore it first" },
        { 400, "ExpiredToken", "token" },
        { 301, "PermanentRedirect", "region" },
        { 301, NULL, "region" },
        { 403, NULL, "credentials" },
        { 401, NULL, "key" },
        { 507, "XMinioStorageFull", "full" },
        { 404, "NoSuchKey", NULL },
        { 500, NULL, NULL },
        { 400, "NeverHeardOf", NULL },
    };

    for (size_t i = 0; i < sizeof(mends) / sizeof(mends[0]); i++) {
        const char *mend = ps_error_class_mend(mends[i].http_status, mends[i].store_code);

        if (mends[i].part == NULL) {
            cr_expect_null(mend, "row %zu", i);
        } else {
            cr_assert_not_null(mend, "row %zu", i);
            cr_expect_not_null(strstr(mend, mends[i].part), "row %zu: %s", i, mend);
        }
    }
}
