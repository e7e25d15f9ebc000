/**
 * s3_fixes - what was corrected for one request (clock, region, credentials), so that nothing is corrected twice in vain.
 *
 * Flow:    s3_call.c -> [s3_fixes] -> s3_error.h
 * Thread:  the loop thread
 * Source:  AWS SDK for C++ and botocore: clock skew correction, S3 region redirects, ExpiredToken
 */
#ifndef PS_STORE_S3_FIXES_H
#define PS_STORE_S3_FIXES_H

#include "creds/creds.h"
#include "http/http_client.h"

struct ps_s3_store;

/** Zeroed = nothing was corrected yet. */
struct ps_s3_fixes {
    unsigned done; /* enum ps_s3_fix */
    unsigned creds_fix_count;
    uint64_t
        creds_print; /* tells one set from another, whatever their numbers; of the last attempt */
    uint64_t refused_creds_print;
    uint64_t creds_number;         /* of the set that the last attempt was signed with */
    uint64_t refused_creds_number; /* 0 = none */
};

/** The next attempt is signed with creds. */
void ps_s3_fixes_signed(struct ps_s3_fixes *fixes, const struct ps_creds *creds);

/** True when the answer named something that was corrected, so that the request is worth another attempt at once. */
PS_MUST_USE bool ps_s3_fixes_try(struct ps_s3_fixes *fixes, struct ps_s3_store *store,
                                 const struct ps_http_answer *answer);

#endif
