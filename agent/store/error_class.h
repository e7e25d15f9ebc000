/**
 * error_class - what a store's error means to us: a code, whether to send again, and what a user can do about it.
 *
 * Flow:    store/s3_error.h, oss_error.h, http/http_client.h -> [error_class] -> http/retry.h, transfer/
 * Thread:  any; holds no state
 * Source:  S3 "Error responses", OSS "Error codes", AWS SDK standard retry mode, RFC 9110 15
 */
#ifndef PS_STORE_ERROR_CLASS_H
#define PS_STORE_ERROR_CLASS_H

#include "base/err.h"

/**
 * Set err->code, err->retry, err->http_status and err->store_code; the message and the rest stay. Returns err->code.
 *
 * store_code: <Code> of the answer, S3 or OSS; NULL or "" = none (HEAD), then the status decides. A code that is known
 *             beats the status. err NULL = only the code is returned. Never PS_OK: a 2xx given here is an answer that
 *             holds an error, which is TEMPORARY and TRANSIENT unless its code says otherwise.
 * What the operation must add: with create_only PS_E_CHANGED means PS_E_EXISTS; ConditionalRequestConflict is TRANSIENT
 * (send a put again), but after it a Complete needs a new upload.
 */
enum ps_code ps_error_class_s3(struct ps_err *err, int http_status, const char *store_code);

/**
 * Set err->retry by err->code, of an error that came without a whole answer: PS_E_TEMPORARY (connect, reset, cut body)
 * is TRANSIENT; all others are NEVER, so also a TLS certificate that is not trusted (PS_E_DENIED).
 */
void ps_error_class_transport(struct ps_err *err);

/**
 * What the user can do, in a few words for the end of a message: "check the secret key". NULL = nothing to say.
 * store_code as above. Static.
 */
const char *ps_error_class_mend(int http_status, const char *store_code);

#endif
