/**
 * grpc_frame - the messages in a gRPC stream: a flag, four bytes of length, the bytes.
 *
 * Flow:    HTTP/2 DATA -> [grpc_frame] -> grpc_call.c -> a service
 * Thread:  the loop thread
 * Source:  gRPC over HTTP2: Length-Prefixed-Message
 */
#ifndef PS_SERVE_GRPC_FRAME_H
#define PS_SERVE_GRPC_FRAME_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PS_GRPC_HEAD_BYTES 5

/**
 * Largest message that is taken in. A request is one artifact: a key of at most 1 KiB and the configuration, a page of
 * YAML. Lower: long configurations fail. Higher: a thousand calls at once could make us hold that much each.
 */
#define PS_GRPC_MESSAGE_LIMIT_BYTES ((size_t)256 * 1024)

/** Zeroed = at a message's start. */
struct ps_grpc_frame {
    uint8_t head[PS_GRPC_HEAD_BYTES];
    size_t head_bytes;
    uint32_t size_bytes; /* of the message, once the head is whole */
    struct ps_buf body;
};

/** Called for each whole message. data is borrowed for the call. False ends the feeding. */
typedef bool (*ps_grpc_frame_fn)(void *user, const uint8_t *data, size_t size_bytes);

/**
 * Take bytes in, in any cuts.
 *
 * Errors:  PS_E_UNSUPPORTED (a compressed message), PS_E_PARSE (a flag that is neither 0 nor 1), PS_E_TOO_LARGE (over
 *          PS_GRPC_MESSAGE_LIMIT_BYTES, told from the head alone), PS_E_NO_MEMORY. The stream is lost then.
 */
PS_MUST_USE enum ps_code ps_grpc_frame_feed(struct ps_grpc_frame *frame, const uint8_t *data,
                                            size_t size_bytes, ps_grpc_frame_fn on_message,
                                            void *user, struct ps_err *err);

/** True when no message is half taken in. */
bool ps_grpc_frame_is_between(const struct ps_grpc_frame *frame);

/** Write the head of an uncompressed message. */
void ps_grpc_frame_head(uint8_t *head, uint32_t size_bytes);

void ps_grpc_frame_clear(struct ps_grpc_frame *frame);

#endif
