#include "store/error_class.h"

#include "base/str.h"

#include <stdbool.h>
#include <string.h>

enum match {
    MATCH_EXACT,
    MATCH_PREFIX,
    MATCH_SUFFIX,
};

/* One error code, or a family of them; the first row that fits counts. */
struct row {
    const char *name;
    enum match match;
    enum ps_code code;
    enum ps_retry retry;
    const char *mend; /* NULL = none */
};

#define MEND_KEYS "check the access key and the secret key"
#define MEND_TOKEN "renew the session token"
#define MEND_REGION "set the bucket's region"
#define MEND_BILL "see the account's bills and notices"
#define MEND_ARCHIVED "archived: restore it first"
#define MEND_FULL "the store is full or the quota is used up: free space there"

static const struct row rows[] = {
    /* Gone, there already, or changed. */
    { "NoSuchUpload", MATCH_EXACT, PS_E_NO_UPLOAD, PS_RETRY_NEVER, NULL },
    { "NoSuchBucket", MATCH_EXACT, PS_E_NOT_FOUND, PS_RETRY_NEVER,
      "create the bucket or check its name" },
    { "NoSuch", MATCH_PREFIX, PS_E_NOT_FOUND, PS_RETRY_NEVER, NULL },
    { "PreconditionFailed", MATCH_EXACT, PS_E_CHANGED, PS_RETRY_NEVER, NULL },
    { "ConditionalRequestConflict", MATCH_EXACT, PS_E_TEMPORARY, PS_RETRY_TRANSIENT, NULL },
    { "FileAlreadyExists", MATCH_EXACT, PS_E_EXISTS, PS_RETRY_NEVER, NULL },
    { "BucketAlreadyExists", MATCH_EXACT, PS_E_EXISTS, PS_RETRY_NEVER,
      "choose another bucket name" },
    { "BucketAlreadyOwnedByYou", MATCH_EXACT, PS_E_EXISTS, PS_RETRY_NEVER, NULL },

    /* Store trouble that passes. */
    { "InternalError", MATCH_PREFIX, PS_E_TEMPORARY, PS_RETRY_TRANSIENT, NULL },
    { "RequestTimeout", MATCH_EXACT, PS_E_TEMPORARY, PS_RETRY_TRANSIENT, NULL },
    { "RequestTimeoutException", MATCH_EXACT, PS_E_TEMPORARY, PS_RETRY_TRANSIENT, NULL },
    { "PriorRequestNotComplete", MATCH_EXACT, PS_E_TEMPORARY, PS_RETRY_TRANSIENT, NULL },
    { "IncompleteBody", MATCH_EXACT, PS_E_TEMPORARY, PS_RETRY_TRANSIENT, NULL },
    { "ServiceUnavailable", MATCH_EXACT, PS_E_TEMPORARY, PS_RETRY_TRANSIENT, NULL },
    { "OperationAborted", MATCH_EXACT, PS_E_TEMPORARY, PS_RETRY_TRANSIENT, NULL },
    { "ServiceBusy", MATCH_EXACT, PS_E_TEMPORARY, PS_RETRY_TRANSIENT, NULL },
    { "SocketTimeout", MATCH_EXACT, PS_E_TEMPORARY, PS_RETRY_TRANSIENT, NULL },
    { "ConnectionTimeout", MATCH_EXACT, PS_E_TEMPORARY, PS_RETRY_TRANSIENT, NULL },
    /* OSS, as Argo Workflows retries it */
    { "SocketException", MATCH_EXACT, PS_E_TEMPORARY, PS_RETRY_TRANSIENT, NULL },
    { "DomainNetWorkVisitedException", MATCH_EXACT, PS_E_TEMPORARY, PS_RETRY_TRANSIENT, NULL },
    { "CachedTimeTooLarge", MATCH_EXACT, PS_E_TEMPORARY, PS_RETRY_TRANSIENT, NULL },
    { "QuotaExceeded.Refresh", MATCH_EXACT, PS_E_TEMPORARY, PS_RETRY_TRANSIENT, NULL },
    { "Default", MATCH_EXACT, PS_E_TEMPORARY, PS_RETRY_TRANSIENT, NULL },
    { "RestoreAlreadyInProgress", MATCH_EXACT, PS_E_TEMPORARY, PS_RETRY_NEVER,
      "wait until the restore is done" },

    /* Too fast. MinIO says SlowDownRead and SlowDownWrite. */
    { "SlowDown", MATCH_PREFIX, PS_E_TEMPORARY, PS_RETRY_THROTTLE, NULL },
    { "Throttling", MATCH_PREFIX, PS_E_TEMPORARY, PS_RETRY_THROTTLE, NULL },
    { "RequestThrottled", MATCH_PREFIX, PS_E_TEMPORARY, PS_RETRY_THROTTLE, NULL },
    { "RequestLimitExceeded", MATCH_EXACT, PS_E_TEMPORARY, PS_RETRY_THROTTLE, NULL },
    { "BandwidthLimitExceeded", MATCH_EXACT, PS_E_TEMPORARY, PS_RETRY_THROTTLE, NULL },
    { "TooManyRequests", MATCH_PREFIX, PS_E_TEMPORARY, PS_RETRY_THROTTLE, NULL },
    { "QpsLimitExceeded", MATCH_SUFFIX, PS_E_TEMPORARY, PS_RETRY_THROTTLE, NULL },
    { "TrafficRateLimitExceeded", MATCH_SUFFIX, PS_E_TEMPORARY, PS_RETRY_THROTTLE, NULL },

    /* May be corrected once: clock, credentials, region. */
    { "RequestTimeTooSkewed", MATCH_EXACT, PS_E_DENIED, PS_RETRY_AFTER_FIX,
      "set this machine's clock" },
    { "ExpiredToken", MATCH_PREFIX, PS_E_DENIED, PS_RETRY_AFTER_FIX, MEND_TOKEN },
    { "TokenRefreshRequired", MATCH_EXACT, PS_E_DENIED, PS_RETRY_AFTER_FIX, MEND_TOKEN },
    { "InvalidToken", MATCH_EXACT, PS_E_DENIED, PS_RETRY_AFTER_FIX, MEND_TOKEN },
    { "SecurityTokenExpired", MATCH_EXACT, PS_E_DENIED, PS_RETRY_AFTER_FIX, MEND_TOKEN },
    { "InvalidSecurityToken", MATCH_EXACT, PS_E_DENIED, PS_RETRY_AFTER_FIX, MEND_TOKEN },
    { "InvalidAccessKeyId", MATCH_EXACT, PS_E_DENIED, PS_RETRY_AFTER_FIX,
      "the store does not know this access key: " MEND_KEYS },
    /* versitygw's word for it, with status 404 */
    { "XAdminUserNotFound", MATCH_EXACT, PS_E_DENIED, PS_RETRY_NEVER,
      "the store does not know this access key: " MEND_KEYS },
    { "AuthorizationHeaderMalformed", MATCH_EXACT, PS_E_INVALID, PS_RETRY_AFTER_FIX, MEND_REGION },
    { "IllegalLocationConstraint", MATCH_PREFIX, PS_E_INVALID, PS_RETRY_AFTER_FIX, MEND_REGION },
    { "PermanentRedirect", MATCH_EXACT, PS_E_INVALID, PS_RETRY_AFTER_FIX, MEND_REGION },
    { "TemporaryRedirect", MATCH_EXACT, PS_E_INVALID, PS_RETRY_AFTER_FIX, MEND_REGION },

    /* The store saw other bytes than were hashed. MinIO says XAmzContentChecksumMismatch. */
    { "BadDigest", MATCH_EXACT, PS_E_CORRUPT, PS_RETRY_RESEND_PART, NULL },
    { "InvalidDigest", MATCH_EXACT, PS_E_CORRUPT, PS_RETRY_RESEND_PART, NULL },
    { "XAmzContentSHA256Mismatch", MATCH_EXACT, PS_E_CORRUPT, PS_RETRY_RESEND_PART, NULL },
    { "XAmzContentChecksumMismatch", MATCH_EXACT, PS_E_CORRUPT, PS_RETRY_RESEND_PART, NULL },

    /* Never. */
    { "SignatureDoesNotMatch", MATCH_EXACT, PS_E_DENIED, PS_RETRY_NEVER, "check the secret key" },
    { "AccessDenied", MATCH_EXACT, PS_E_DENIED, PS_RETRY_NEVER,
      "the credentials may not do this: check the bucket's and the user's policy" },
    { "InvalidObjectState", MATCH_EXACT, PS_E_REFUSED, PS_RETRY_NEVER, MEND_ARCHIVED },
    { "AccessKeyIdAndSecurityTokenNotMatch", MATCH_EXACT, PS_E_DENIED, PS_RETRY_AFTER_FIX,
      "take the access key and the token of one set" },
    { "InDebt", MATCH_PREFIX, PS_E_DENIED, PS_RETRY_NEVER, MEND_BILL },
    { "UserDisable", MATCH_EXACT, PS_E_DENIED, PS_RETRY_NEVER, MEND_BILL },
    { "BucketDisable", MATCH_EXACT, PS_E_DENIED, PS_RETRY_NEVER, MEND_BILL },
    { "FileImmutable", MATCH_EXACT, PS_E_REFUSED, PS_RETRY_NEVER,
      "a retention policy of the bucket protects it" },
    { "SymlinkTargetNotExist", MATCH_EXACT, PS_E_NOT_FOUND, PS_RETRY_NEVER, NULL },
    { "OperationNotSupported", MATCH_EXACT, PS_E_UNSUPPORTED, PS_RETRY_NEVER, NULL },
    { "EntityTooLarge", MATCH_EXACT, PS_E_TOO_LARGE, PS_RETRY_NEVER, NULL },
    { "QuotaExceeded", MATCH_SUFFIX, PS_E_NO_SPACE, PS_RETRY_NEVER, MEND_FULL },
    { "XMinioStorageFull", MATCH_EXACT, PS_E_NO_SPACE, PS_RETRY_NEVER, MEND_FULL },
    { "NotImplemented", MATCH_EXACT, PS_E_UNSUPPORTED, PS_RETRY_NEVER, NULL },
    { "MethodNotAllowed", MATCH_EXACT, PS_E_UNSUPPORTED, PS_RETRY_NEVER, NULL },
    { "InvalidBucketName", MATCH_EXACT, PS_E_INVALID, PS_RETRY_NEVER, "check the bucket's name" },
};

struct class
{
    enum ps_code code;
    enum ps_retry retry;
};

static bool row_fits(const struct row *row, const char *store_code)
{
    switch (row->match) {
    case MATCH_EXACT:
        return strcmp(row->name, store_code) == 0;
    case MATCH_PREFIX:
        return ps_str_has_prefix(store_code, row->name);
    case MATCH_SUFFIX:
        return ps_str_has_suffix(store_code, row->name);
    }
    return false;
}

static const struct row *find_row(const char *store_code)
{
    if (store_code == NULL || store_code[0] == '\0') {
        return NULL;
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (row_fits(&rows[i], store_code)) {
            return &rows[i];
        }
    }
    return NULL;
}

/* A status for which 4xx and 5xx have a meaning of their own. */
static bool class_of_status(int http_status, struct class *class_out)
{
    static const struct {
        int http_status;
        struct class class;
    } statuses[] = {
        { 301, { PS_E_INVALID, PS_RETRY_AFTER_FIX } },
        { 302, { PS_E_INVALID, PS_RETRY_AFTER_FIX } },
        { 307, { PS_E_INVALID, PS_RETRY_AFTER_FIX } },
        { 308, { PS_E_INVALID, PS_RETRY_AFTER_FIX } },
        { 401, { PS_E_DENIED, PS_RETRY_NEVER } },
        { 403, { PS_E_DENIED, PS_RETRY_NEVER } },
        { 404, { PS_E_NOT_FOUND, PS_RETRY_NEVER } },
        { 405, { PS_E_UNSUPPORTED, PS_RETRY_NEVER } },
        { 408, { PS_E_TEMPORARY, PS_RETRY_TRANSIENT } },
        { 409, { PS_E_REFUSED, PS_RETRY_NEVER } },
        { 410, { PS_E_NOT_FOUND, PS_RETRY_NEVER } },
        { 412, { PS_E_CHANGED, PS_RETRY_NEVER } },
        { 413, { PS_E_TOO_LARGE, PS_RETRY_NEVER } },
        { 429, { PS_E_TEMPORARY, PS_RETRY_THROTTLE } },
        { 501, { PS_E_UNSUPPORTED, PS_RETRY_NEVER } },
        { 505, { PS_E_UNSUPPORTED, PS_RETRY_NEVER } },
        { 507, { PS_E_NO_SPACE, PS_RETRY_NEVER } },
    };

    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        if (statuses[i].http_status == http_status) {
            *class_out = statuses[i].class;
            return true;
        }
    }
    return false;
}

static struct class class_of(int http_status, const struct row *row)
{
    struct class class = { PS_E_PARSE,
                           PS_RETRY_NEVER }; /* 1xx, 3xx, no status: no answer of a store */

    if (row != NULL) {
        class.code = row->code;
        class.retry = row->retry;
    } else if (class_of_status(http_status, &class)) {
        return class;
    } else if (http_status / 100 == 5 || http_status / 100 == 2) {
        /* CompleteMultipartUpload: a 200 may carry <Error>; with a code that we do not know it is worth another try. */
        class.code = PS_E_TEMPORARY;
        class.retry = PS_RETRY_TRANSIENT;
    } else if (http_status / 100 == 4) {
        class.code = PS_E_INVALID;
    }
    return class;
}

enum ps_code ps_error_class_s3(struct ps_err *err, int http_status, const char *store_code)
{
    struct class class = class_of(http_status, find_row(store_code));

    if (err != NULL) {
        char kept[sizeof(err->store_code)]; /* store_code may be err's own */

        ps_str_copy(kept, sizeof(kept), store_code);
        memcpy(err->store_code, kept, sizeof(kept));
        err->code = class.code;
        err->retry = class.retry;
        err->http_status = http_status;
    }
    return class.code;
}

void ps_error_class_transport(struct ps_err *err)
{
    err->retry = err->code == PS_E_TEMPORARY ? PS_RETRY_TRANSIENT : PS_RETRY_NEVER;
}

const char *ps_error_class_mend(int http_status, const char *store_code)
{
    const struct row *row = find_row(store_code);

    if (row != NULL) {
        return row->mend;
    }
    switch (http_status) {
    case 301:
    case 302:
    case 307:
    case 308:
        return MEND_REGION;
    case 401:
        return MEND_KEYS;
    case 403:
        return "check the credentials and what they may do";
    case 507:
        return MEND_FULL;
    default:
        return NULL;
    }
}
