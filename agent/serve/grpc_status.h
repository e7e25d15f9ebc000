/**
 * grpc_status - gRPC's status codes, its timeouts and its message text.
 *
 * Flow:    grpc_call.c, plugin -> [grpc_status] -> the wire
 * Thread:  any; holds no state
 * Source:  gRPC over HTTP2 (grpc-timeout, grpc-status, grpc-message), gRPC status codes
 */
#ifndef PS_SERVE_GRPC_STATUS_H
#define PS_SERVE_GRPC_STATUS_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ps_grpc_status {
    PS_GRPC_OK = 0,
    PS_GRPC_CANCELLED = 1,
    PS_GRPC_UNKNOWN = 2,
    PS_GRPC_INVALID_ARGUMENT = 3,
    PS_GRPC_DEADLINE_EXCEEDED = 4,
    PS_GRPC_NOT_FOUND = 5,
    PS_GRPC_RESOURCE_EXHAUSTED = 8,
    PS_GRPC_UNIMPLEMENTED = 12,
    PS_GRPC_INTERNAL = 13,
    PS_GRPC_UNAVAILABLE = 14,
};

/** Status of a call that failed with code. */
enum ps_grpc_status ps_grpc_status_of(enum ps_code code);

/** A grpc-timeout: 1 to 8 digits and a unit H M S m u n. Less than a millisecond counts as one. False = no timeout. */
PS_MUST_USE bool ps_grpc_timeout_parse(const char *text, uint64_t *ms_out);

/**
 * Percent-encode message for grpc-message into text, cut to fit. A byte outside 0x20..0x7e, and %, becomes %XX.
 * Returns text.
 */
char *ps_grpc_message_format(const char *message, char *text, size_t text_size_bytes);

#endif
