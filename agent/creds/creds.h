/**
 * creds - the credentials of one store, from where the user keeps them; refreshed ahead of expiry.
 *
 * Flow:    environment, files (later: metadata services) -> [creds] -> creds/sign_v4.h
 * Thread:  the loop thread
 * Source:  AWS SDK credential chain: environment, then shared files; an explicitly chosen profile beats the environment.
 *          Aliyun credentials SDK default chain
 */
#ifndef PS_CREDS_CREDS_H
#define PS_CREDS_CREDS_H

#include "base/clock.h"
#include "base/environment.h"
#include "base/err.h"
#include "base/log.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct ps_http_client;

/** Whose credentials: each family has its own variables, files and metadata services. */
enum ps_creds_family {
    PS_CREDS_AWS,    /* S3 and what speaks like it */
    PS_CREDS_ALIYUN, /* OSS */
};

/** Heap text owned by the struct; ps_creds_clear wipes it. */
struct ps_creds {
    char *access_key_id;
    char *secret_access_key;
    char *session_token;     /* NULL = none */
    int64_t expires_unix_ms; /* 0 = never */
    bool
        outlives_outage; /* of a metadata service: used past their end while that does not answer */
    uint64_t number;     /* of this set in its chain, from 1 */
    char source[96]; /* "environment", "profile default in /root/.aws/credentials": for doctor */
};

void ps_creds_clear(struct ps_creds *creds);

struct ps_creds_chain; /* opaque: remembers what it found, asks again when that expires */

struct ps_creds_options {
    enum ps_creds_family family;
    ps_getenv_fn getenv;
    void *getenv_user;
    /**
     * NULL = AWS_PROFILE, else "default"; a profile chosen here or there beats the keys in the environment. Aliyun:
     * ALIBABA_CLOUD_PROFILE only says which profile is meant once it is the turn of the profiles.
     */
    const char *profile;
    const struct ps_clock *clock;
    uv_loop_t *loop;             /* NULL = no place that has to be waited for (tests) */
    struct ps_http_client *http; /* NULL = no place that is asked over the network */
    const struct ps_log *log;    /* NULL = silent */
};

PS_MUST_USE enum ps_code ps_creds_chain_new(struct ps_creds_chain **chain_out,
                                            const struct ps_creds_options *options,
                                            struct ps_err *err);
void ps_creds_chain_free(struct ps_creds_chain *chain);

/** Called with credentials (borrowed for the call) or an error. */
typedef void (*ps_creds_fn)(void *user, const struct ps_creds *creds, const struct ps_err *err);

/**
 * Give credentials that are good now: at once (from within this call) when they are held, else later.
 *
 * Errors:  PS_E_DENIED "no credentials: ..." with every place that was looked at; PS_E_INVALID for a bad file, with
 *          file:line. refused_number: the store refused the set of that number (ExpiredToken): it is not given again, but a
 *          newer one that another request has brought about is. 0 = none.
 */
void ps_creds_get(struct ps_creds_chain *chain, uint64_t refused_number, ps_creds_fn done,
                  void *user);

/** Region from AWS_REGION, AWS_DEFAULT_REGION (OSS_REGION, ...) or the profile; NULL = none. Owned by the chain. */
const char *ps_creds_region(const struct ps_creds_chain *chain);

#endif
