/**
 * creds_provider - one place where credentials may be found; asynchronous, as some of them are asked over the network.
 *
 * Flow:    creds_chain.c -> [creds_provider] -> creds_env.h, creds_profile.h, creds_role.h, creds_imds.h, ...
 * Thread:  the loop thread
 * Source:  none
 */
#ifndef PS_CREDS_CREDS_PROVIDER_H
#define PS_CREDS_CREDS_PROVIDER_H

#include "creds/creds.h"

enum ps_creds_reply {
    PS_CREDS_FOUND, /* creds is set */
    PS_CREDS_NONE, /* not here, look at the next place; err->message says where it looked: "AWS_PROFILE is not set" */
    PS_CREDS_FAILED, /* here, but unusable: the search ends with err */
};

/** creds is moved: the receiver owns what is in it. creds and err themselves are borrowed for the call. */
typedef void (*ps_creds_reply_fn)(void *user, enum ps_creds_reply reply, struct ps_creds *creds,
                                  const struct ps_err *err);

/** What places are looked at with; borrowed for the life of the chain. */
struct ps_creds_context {
    enum ps_creds_family family;
    ps_getenv_fn getenv;
    void *getenv_user;
    const struct ps_clock *clock;
    uv_loop_t *loop;
    struct ps_http_client *http;
    const struct ps_log *log;
    const char *region; /* NULL = not known */
};

/** First member of every provider's own struct. */
struct ps_creds_provider {
    /** Look now, and call reply exactly once: from within this call, or later. One call at a time. */
    void (*look)(struct ps_creds_provider *provider, ps_creds_reply_fn reply, void *user);
    /** End a look under way (no reply comes) and free. */
    void (*free)(struct ps_creds_provider *provider);
};

/** Places that a chain can have; the AWS SDKs know about ten, of which a chosen profile leaves one. */
#define PS_CREDS_PROVIDERS_MAX 12

/**
 * Add a place to look at after all others; not while a search is under way. The chain owns *provider then, and
 * *provider is NULL.
 *
 * Errors:  PS_E_TOO_LARGE when there are PS_CREDS_PROVIDERS_MAX already.
 */
PS_MUST_USE enum ps_code ps_creds_chain_push(struct ps_creds_chain *chain,
                                             struct ps_creds_provider **provider,
                                             struct ps_err *err);

#endif
