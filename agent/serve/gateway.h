/**
 * gateway - objects over HTTP, streamed from store to user: no disk, bounded memory, verified as they pass.
 *
 * Flow:    users -> serve/httpd.h -> [gateway] -> store/store.h
 * Thread:  the loop thread only
 * Source:  RFC 9110; the paths are purser's own: /a/STORE/KEY, /healthz, /readyz, /metrics
 *
 * State machine of a request for an object (gateway_object.c):
 * | from    | event                                  | to      |
 * |---------|----------------------------------------|---------|
 * | LOOKING | the store's head                       | OPENING, or ENDED with 304, 412, 416, HEAD's answer |
 * | OPENING | the store's headers of the body        | SENDING |
 * | LOOKING, OPENING | an error of the store         | ENDED with its status |
 * | SENDING | the last byte, an error (cut), client gone | ENDED |
 * Nothing is durable.
 */
#ifndef PS_SERVE_GATEWAY_H
#define PS_SERVE_GATEWAY_H

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/settings.h"
#include "decide/decision.h"
#include "store/store_open.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct ps_gateway;
struct ps_admin_context; /* serve/admin_state.h */

struct ps_gateway_options {
    uv_loop_t *loop;
    const struct ps_settings *settings; /* borrowed for its life, as all below */
    const struct ps_store_factory *factory;
    const struct ps_decider *decider;
    const struct ps_clock *clock;
    const struct ps_log *log;
    const struct ps_admin_context *admin; /* what the page tells; may be filled in later */
    const char *link_key_path;            /* see serve/signed_link.h; made when it is not there */
};

/** Counts since the start. */
struct ps_gateway_stats {
    uint64_t requests[6]; /* by the first digit of the status; [0] = gone before an answer */
    uint64_t sent_bytes;  /* of bodies */
    uint64_t store_bytes;
    uint64_t cut_count;     /* streams ended by an error of the store */
    uint64_t corrupt_count; /* of them because of a checksum */
    uint64_t verified_count;
    uint64_t refused_busy_count; /* 503: memory_limit */
    uint64_t denied_count;       /* 401, 403 */
    uint32_t streams;            /* now */
    uint64_t reserved_bytes;     /* now */
    uint64_t connections;        /* now */
};

/** One stream that is under way; borrowed for the call. */
struct ps_gateway_stream {
    const char *store;
    const char *key;
    const char *remote;
    const char *subject; /* "token:1a2b3c4d" */
    uint64_t sent_bytes;
    uint64_t size_bytes; /* of the object */
    uint64_t elapsed_ms;
};

/** Open the stores and listen. Errors: those of settings, stores and ps_httpd_new. */
PS_MUST_USE enum ps_code ps_gateway_new(struct ps_gateway **gateway_out,
                                        const struct ps_gateway_options *options,
                                        struct ps_err *err);
/** NULL is allowed. The loop must run once more. */
void ps_gateway_free(struct ps_gateway *gateway);

/** Finish what is being sent, take nothing new; then drained is called. */
void ps_gateway_drain(struct ps_gateway *gateway, void (*drained)(void *user), void *user);

bool ps_gateway_is_draining(const struct ps_gateway *gateway);

/**
 * From now on who may read is told by these; requests under way go on. Errors as ps_access_new: then all is as before.
 */
PS_MUST_USE enum ps_code ps_gateway_set_access(struct ps_gateway *gateway, const char *tokens_file,
                                               const char *allow, struct ps_err *err);

/** The address listened at. Borrowed. */
const char *ps_gateway_address(const struct ps_gateway *gateway);

void ps_gateway_each_stream(const struct ps_gateway *gateway,
                            void (*each)(void *user, const struct ps_gateway_stream *stream),
                            void *user);

void ps_gateway_stats(const struct ps_gateway *gateway, struct ps_gateway_stats *stats_out);

#endif
