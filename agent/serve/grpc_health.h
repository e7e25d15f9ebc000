/**
 * grpc_health - the standard health service: the server serves as long as it answers.
 *
 * Flow:    grpc_server.h -> [grpc_health]
 * Thread:  the loop thread
 * Source:  gRPC health checking protocol, grpc.health.v1
 */
#ifndef PS_SERVE_GRPC_HEALTH_H
#define PS_SERVE_GRPC_HEALTH_H

#include "serve/grpc_server.h"

/** user: the served service's name, static. */
void ps_grpc_health_check(struct ps_grpc_call *call, void *user, const uint8_t *data,
                          size_t size_bytes);
/** Says the status once and stays open: it changes only with the connection's end. */
void ps_grpc_health_watch(struct ps_grpc_call *call, void *user, const uint8_t *data,
                          size_t size_bytes);

#endif
