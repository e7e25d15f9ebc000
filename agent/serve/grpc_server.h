/**
 * grpc_server - gRPC methods served over HTTP/2 in cleartext on a unix socket (or, for tests, a loopback port).
 *
 * Flow:    a client -> grpc_connection.c (nghttp2 on libuv) -> grpc_call.c -> [grpc_server] -> a service's method
 * Thread:  the loop thread
 * Source:  RFC 9113; gRPC over HTTP2; keywords and limits as in grpc_frame.h
 *
 * A call: the method's on_message comes (once for a unary method, after the client's last byte), then the service
 * sends messages and finishes. Until ps_grpc_call_finish the call is valid, unless watch.on_end came first: then the
 * client is gone or its deadline has passed, and the call is gone when on_end returns. What was sent and not taken by
 * the client yet is held; a service that sends much asks ps_grpc_call_waiting_bytes and goes on at watch.on_drain.
 */
#ifndef PS_SERVE_GRPC_SERVER_H
#define PS_SERVE_GRPC_SERVER_H

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "serve/grpc_status.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct ps_grpc_server;
struct ps_grpc_call;

struct ps_grpc_method {
    const char *path; /* "/artifact.ArtifactService/Load" */
    bool streams_in;  /* on_message for each message as it comes; else once, at the end */
    void (*on_message)(struct ps_grpc_call *call, void *user, const uint8_t *data,
                       size_t size_bytes);
    void *user;
};

/** What a service wants to know of a call under way. Zeroed = nothing. */
struct ps_grpc_watch {
    void (*on_end)(void *user);   /* the client is gone or out of time; the call too */
    void (*on_drain)(void *user); /* half or more of what waited was taken */
    void *user;
};

struct ps_grpc_server_options {
    uv_loop_t *loop;
    const struct ps_clock *clock;
    const struct ps_log *log;
    /** A path, or "127.0.0.1:PORT" for tests. The directory is made; an old socket is replaced when all is ready. */
    const char *listen;
    const struct ps_grpc_method *methods; /* ends with a NULL path; borrowed */
    /** A call whose client takes none of the waiting bytes for so long is cut. 0 = 300,000. */
    uint64_t stall_timeout_ms;
    /** Everything is closed after ps_grpc_server_stop; the server is gone. */
    void (*on_stopped)(void *user);
    void *user;
};

/**
 * Listen. Errors: PS_E_INVALID (a path too long for a socket, an address that is not loopback), PS_E_DENIED, PS_E_IO.
 */
PS_MUST_USE enum ps_code ps_grpc_server_start(struct ps_grpc_server **server_out,
                                              const struct ps_grpc_server_options *options,
                                              struct ps_err *err);

/** Take no new calls: the socket goes, clients are told (GOAWAY), calls under way go on. */
void ps_grpc_server_drain(struct ps_grpc_server *server);

/** Close what is left, calls under way get on_end; on_stopped comes later. */
void ps_grpc_server_stop(struct ps_grpc_server *server);

/** Calls that are not finished. */
size_t ps_grpc_server_call_count(const struct ps_grpc_server *server);

/** The port of a test's listener; 0 for a socket. */
int ps_grpc_server_port(const struct ps_grpc_server *server);

void ps_grpc_call_watch(struct ps_grpc_call *call, const struct ps_grpc_watch *watch);

/** Queue one message. Errors: PS_E_NO_MEMORY, PS_E_TOO_LARGE: the call should be finished with an error then. */
PS_MUST_USE enum ps_code ps_grpc_call_send(struct ps_grpc_call *call,
                                           const ProtobufCMessage *message, struct ps_err *err);

/** Bytes queued that HTTP/2 has not taken yet. */
size_t ps_grpc_call_waiting_bytes(const struct ps_grpc_call *call);

/** How long the client has taken nothing of what waits; 0 when nothing waits. */
uint64_t ps_grpc_call_stalled_ms(const struct ps_grpc_call *call);

/** End the call after what is queued. message is copied; "" or NULL with PS_GRPC_OK. The call is gone. */
void ps_grpc_call_finish(struct ps_grpc_call *call, enum ps_grpc_status status,
                         const char *message);

/** Cut the call off, as for a client that has gone: watch.on_end comes before this returns. */
void ps_grpc_call_abandon(struct ps_grpc_call *call);

/** Send message and finish with OK: a unary answer. */
void ps_grpc_call_answer(struct ps_grpc_call *call, const ProtobufCMessage *message);

#endif
