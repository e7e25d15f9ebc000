/**
 * signed_link - a link that lets whoever has it read one key, or all below a prefix, until a time.
 *
 * Flow:    cli/gateway_link.h (makes it) ; serve/gateway.h -> [signed_link] (checks it)
 * Thread:  any; holds no state
 * Source:  RFC 2104 (HMAC), SHA-256
 *
 * The query is expires=UNIX_S&sig=HEX for the key of the path, expires=UNIX_S&prefix=PREFIX&sig=HEX for keys that begin
 * with PREFIX. sig is the HMAC of the lines "purser link 1", store, "key" or "prefix", the key or prefix, UNIX_S.
 */
#ifndef PS_SERVE_SIGNED_LINK_H
#define PS_SERVE_SIGNED_LINK_H

#include "base/buf.h"
#include "base/err.h"
#include "serve/target.h"

#include <stdbool.h>
#include <stdint.h>

#define PS_LINK_KEY_SIZE 32

/** Who has it can make links for all that the gateway serves. */
struct ps_link_key {
    uint8_t bytes[PS_LINK_KEY_SIZE];
};

/**
 * Read the key at path (32 bytes); make it with mode 0600 when it is not there.
 *
 * Errors:  PS_E_INVALID when it has another size; PS_E_DENIED when others may read it; PS_E_IO.
 */
PS_MUST_USE enum ps_code ps_link_key_load(struct ps_link_key *key_out, const char *path,
                                          struct ps_err *err);

/** What a link lets read, and until when. */
struct ps_link {
    const char *store; /* its name */
    const char *key;
    bool is_prefix; /* key is that of all that may be read, and the link's path its directory */
    int64_t expires_unix_s;
};

/**
 * Append "/a/STORE/KEY?expires=...&sig=..." to buf.
 *
 * Errors:  PS_E_INVALID for a key with control bytes; as ps_buf_append.
 */
PS_MUST_USE enum ps_code ps_signed_link_format(struct ps_buf *buf,
                                               const struct ps_link_key *link_key,
                                               const struct ps_link *link, struct ps_err *err);

enum ps_link_answer {
    PS_LINK_NONE,    /* no signature in the query */
    PS_LINK_VALID,   /* for this key */
    PS_LINK_EXPIRED, /* it was right */
    PS_LINK_WRONG,
};

enum ps_link_answer ps_signed_link_check(const struct ps_link_key *link_key,
                                         const struct ps_target *target, const char *store,
                                         const char *key, int64_t now_unix_s);

#endif
