/**
 * grpc_reflection - the standard reflection service: what is served, as descriptors, for grpcurl and its like.
 *
 * Flow:    grpc_server.h -> [grpc_reflection] -> the descriptors that protoc-c made of the .proto files
 * Thread:  the loop thread
 * Source:  gRPC server reflection, grpc.reflection.v1 (v1alpha has the same messages)
 */
#ifndef PS_SERVE_GRPC_REFLECTION_H
#define PS_SERVE_GRPC_REFLECTION_H

#include "serve/grpc_server.h"

/** One message of a ServerReflectionInfo stream. */
void ps_grpc_reflection_info(struct ps_grpc_call *call, void *user, const uint8_t *data,
                             size_t size_bytes);

#endif
