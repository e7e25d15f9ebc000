/**
 * access - who may read what: tokens, signed links, and prefixes that are open to all. Without a rule: nobody.
 *
 * Flow:    settings, serve/signed_link.h -> [access] -> serve/gateway.h
 * Thread:  the loop thread
 * Source:  RFC 6750 2.1 (Bearer), RFC 7617 (Basic: browsers ask for it; the password is the token)
 *
 * The tokens file has a token a line: TOKEN [read|operate] [STORE/PREFIX ...]. TOKEN is the text itself or "sha256:" and
 * the hex of its SHA-256. Without a STORE/PREFIX it holds for all stores. '#' begins a comment.
 */
#ifndef PS_SERVE_ACCESS_H
#define PS_SERVE_ACCESS_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct ps_access;

enum ps_access_level {
    PS_ACCESS_NONE,
    PS_ACCESS_READ,
    PS_ACCESS_OPERATE, /* also hold and cancel reclaims, reload */
};

struct ps_access_answer {
    enum ps_access_level level;
    bool known;       /* a token that is in the file, whatever it may read */
    bool scoped;      /* it holds for a part of the stores only */
    char subject[64]; /* "token:1a2b3c4d" (of its SHA-256), "link", "anyone"; "" = nobody */
};

struct ps_access_options {
    const char *tokens_file; /* "" = no tokens */
    const char *allow;       /* "STORE/PREFIX,STORE/": what all may read */
};

/**
 * Errors:  PS_E_INVALID "FILE:LINE: ..." or an allow entry without a store; PS_E_DENIED when others than the owner can
 *          write the file, or read plain tokens in it; PS_E_NOT_FOUND, PS_E_IO, PS_E_NO_MEMORY.
 */
PS_MUST_USE enum ps_code ps_access_new(struct ps_access **access_out,
                                       const struct ps_access_options *options, struct ps_err *err);
void ps_access_free(struct ps_access *access);

/** What the sender of this Authorization header (NULL = none) may do to key of store; store NULL = any at all. */
void ps_access_check(const struct ps_access *access, const char *authorization, const char *store,
                     const char *key, struct ps_access_answer *answer_out);

#endif
