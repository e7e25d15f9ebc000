/**
 * creds_fetch - one small question to a service that gives credentials, asked again a few times.
 *
 * Flow:    creds_container, creds_imds, creds_sts -> [creds_fetch] -> http/http_client.h
 * Thread:  the loop thread
 * Source:  AWS and Aliyun credentials SDKs: 1 to 2 s for a metadata service, 3 tries; redirects are not followed
 *
 * The body that is sent and the headers may be secrets: copies are wiped, and no message holds them or the URL's query.
 */
#ifndef PS_CREDS_CREDS_FETCH_H
#define PS_CREDS_CREDS_FETCH_H

#include "base/err.h"
#include "creds/creds_provider.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Longest answer; real ones have 2 KiB. Lower: long session tokens fail. Higher: a wrong URL is read for long. */
#define PS_CREDS_ANSWER_MAX_BYTES ((size_t)64 * 1024)

struct ps_creds_fetch;

/** All copied. */
struct ps_creds_question {
    const char *method;         /* "GET", static */
    const char *url;            /* what stands before its '?' is for messages */
    const char *const *headers; /* "name: value" */
    size_t header_count;
    const char *body;    /* NULL = none */
    uint32_t timeout_ms; /* of one try, in all */
    unsigned try_count;  /* 0 = 1 */
    const char *const
        *retry_words;      /* a 4xx whose body has one of them is tried again; NULL ends; static */
    bool link_local;       /* no proxy */
    const char *ca_bundle; /* NULL = the system's; borrowed until the end */
};

/** status 0 = no answer came (err says why); else err is NULL. body has a NUL; both are borrowed for the call. */
typedef void (*ps_creds_fetch_fn)(void *user, int status, const char *body, size_t size_bytes,
                                  const struct ps_err *err);

/**
 * Start. done comes once, later; *fetch_out is valid until then or cancel.
 *
 * Errors:  PS_E_NO_MEMORY, PS_E_INVALID (URL), PS_E_UNSUPPORTED (context has no HTTP client): nothing was started.
 */
PS_MUST_USE enum ps_code ps_creds_fetch_start(const struct ps_creds_context *context,
                                              const struct ps_creds_question *question,
                                              ps_creds_fetch_fn done, void *user,
                                              struct ps_creds_fetch **fetch_out,
                                              struct ps_err *err);

/** End it without a callback. NULL is allowed. */
void ps_creds_fetch_cancel(struct ps_creds_fetch *fetch);

/**
 * Read a small file (a token) whole, cut at its last line end, as heap text that the caller wipes.
 *
 * Errors:  as open(2) and read(2) by ps_err_set_errno; PS_E_TOO_LARGE; PS_E_INVALID when it is empty, not a regular
 *          file, or has a control character (a header could be split by it); PS_E_NO_MEMORY.
 */
PS_MUST_USE enum ps_code ps_creds_read_token(const char *path, char **token_out,
                                             struct ps_err *err);

/** Wipe and free a secret. NULL is allowed. */
void ps_creds_wipe(char *secret);

#endif
