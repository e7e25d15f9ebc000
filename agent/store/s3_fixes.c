#include "store/s3_fixes.h"

#include "hash/crc64_nvme.h"
#include "store/s3_error.h"
#include "store/s3_internal.h"

#include <string.h>

/**
 * Sets of credentials that may be refused for one request. Lower: sets that live for seconds, with many requests at
 * once, fail an upload. Higher: wrong keys are asked about for longer.
 */
enum {
    CREDS_FIX_COUNT_MAX = 3
};

static uint64_t print_of(const struct ps_creds *creds)
{
    const char *token = creds->session_token != NULL ? creds->session_token : "";
    uint64_t print = ps_crc64_nvme(0, creds->access_key_id, strlen(creds->access_key_id));

    return ps_crc64_nvme(print, token, strlen(token));
}

/* The next credentials may end too while a request waits for its turn with them. The same ones again are no new case. */
static unsigned fixes_not_to_repeat(const struct ps_s3_fixes *fixes)
{
    bool others = fixes->creds_print != fixes->refused_creds_print;

    return others && fixes->creds_fix_count < CREDS_FIX_COUNT_MAX
               ? fixes->done & ~(unsigned)PS_S3_FIX_CREDS
               : fixes->done;
}

void ps_s3_fixes_signed(struct ps_s3_fixes *fixes, const struct ps_creds *creds)
{
    fixes->refused_creds_number = 0;
    fixes->creds_number = creds->number;
    fixes->creds_print = print_of(creds);
}

bool ps_s3_fixes_try(struct ps_s3_fixes *fixes, struct ps_s3_store *store,
                     const struct ps_http_answer *answer)
{
    struct ps_s3_error error;
    enum ps_s3_fix fix;

    ps_s3_error_read(answer, &error);
    fix = ps_s3_error_fix(store, answer, &error, fixes_not_to_repeat(fixes));
    if (fix == PS_S3_FIX_NONE) {
        return false;
    }
    fixes->done |= (unsigned)fix;
    fixes->refused_creds_number = 0;
    if (fix == PS_S3_FIX_CREDS) {
        fixes->refused_creds_number = fixes->creds_number;
        fixes->refused_creds_print = fixes->creds_print;
        fixes->creds_fix_count++;
    }
    return true;
}
