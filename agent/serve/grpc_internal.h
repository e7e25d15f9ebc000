/**
 * grpc_internal - what the files of the gRPC server share; nobody else includes it.
 *
 * Flow:    grpc_server.c <-> grpc_connection.c <-> grpc_call.c
 * Thread:  the loop thread
 * Source:  nghttp2 1.52
 */
#ifndef PS_SERVE_GRPC_INTERNAL_H
#define PS_SERVE_GRPC_INTERNAL_H

#include "base/buf.h"
#include "serve/grpc_frame.h"
#include "serve/grpc_server.h"

#include <nghttp2/nghttp2.h>
#include <sys/types.h>

/**
 * Calls at once on one connection. Argo's client leaves streams open that it no longer reads, so a slot may be lost
 * until the stall timeout. Lower: such slots hold up new calls. Higher: a hostile client has us hold more.
 */
#define PS_GRPC_CALLS_MAX 1000

/** Connections at once. A pod has one or two clients; argo-server one. */
#define PS_GRPC_CONNECTIONS_MAX 64

/**
 * Most that one call may queue: far over what a service that watches its queue uses. Lower: a long ListObjects fails
 * (100,000 keys of 100 bytes are 10 MiB). Higher: memory.
 */
#define PS_GRPC_QUEUE_LIMIT_BYTES ((size_t)64 * 1024 * 1024)

/** Bytes that wait for the socket, at most; also one write(2). A frame has 16 KiB. */
#define PS_GRPC_OUT_BYTES ((size_t)64 * 1024)

struct ps_grpc_connection;

struct ps_grpc_call {
    struct ps_grpc_connection *connection;
    struct ps_grpc_call *next;
    struct ps_grpc_call **link;
    int32_t stream_id;
    const struct ps_grpc_method *method; /* NULL = refused */
    struct ps_grpc_watch watch;

    struct ps_grpc_frame frame;
    struct ps_buf request; /* of a unary method, until the client's end */
    bool has_request;
    bool is_post;
    bool is_grpc;     /* by content-type */
    bool half_closed; /* the client's last byte is here */

    struct ps_buf out;
    size_t out_taken_bytes;
    bool answered; /* response headers are submitted */
    bool finished; /* the service is done with it */
    bool deferred; /* nghttp2 waits for bytes */
    bool drain_due;
    bool was_reset;
    enum ps_grpc_status status;
    char message[1024]; /* percent-encoded */

    int64_t deadline_mono_ms; /* 0 = none */
    int64_t reset_mono_ms;    /* when a call past its deadline is cut off; 0 = not */
    int64_t taken_mono_ms;    /* when bytes were last taken, or began to wait */
};

struct ps_grpc_connection {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_pipe_t pipe;
        uv_tcp_t tcp;
    } uv;
    struct ps_grpc_server *server;
    struct ps_grpc_connection *next;
    struct ps_grpc_connection **link;
    nghttp2_session *session;
    struct ps_grpc_call *calls;
    int32_t last_stream_id; /* the highest the client has opened */
    uv_write_t write;
    uint8_t *out; /* PS_GRPC_OUT_BYTES */
    bool busy;    /* inside nghttp2 or a drain: sending waits */
    bool dirty;   /* has something to send when the kick comes */
    bool writing;
    bool
        lingering; /* all is said; what still comes is read and thrown away until the client closes */
    bool closing;
};

struct ps_grpc_server {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_pipe_t pipe;
        uv_tcp_t tcp;
    } listener;
    bool is_tcp;
    bool listening;
    bool stopping;
    uv_timer_t tick;
    uv_timer_t kick;
    size_t open_handles; /* listener, timers, connections */
    uv_loop_t *loop;
    const struct ps_clock *clock;
    const struct ps_log *log;
    const struct ps_grpc_method *methods;
    uint64_t stall_timeout_ms;
    void (*on_stopped)(void *user);
    void *user;
    struct ps_grpc_connection *connections;
    size_t connection_count;
    size_t call_count;
    char *socket_path; /* NULL for TCP */
    dev_t socket_device;
    ino_t socket_inode;
    char read[32 * 1024]; /* what the last read(2) brought, for as long as it is looked at */
};

/** Take over a client from the listener. */
void ps_grpc_connection_accept(struct ps_grpc_server *server);

/** Say GOAWAY; the connection ends when its calls have. */
void ps_grpc_connection_drain(struct ps_grpc_connection *connection);

/** End it now; its calls get on_end. */
void ps_grpc_connection_close(struct ps_grpc_connection *connection);

/** Send what nghttp2 has. May close the connection and so end its calls: never called from a service's functions. */
void ps_grpc_connection_flush(struct ps_grpc_connection *connection);

/** The same on the next turn of the loop. */
void ps_grpc_connection_wake(struct ps_grpc_connection *connection);

/** One handle of the server's is closed; frees it after the last. */
void ps_grpc_server_handle_closed(struct ps_grpc_server *server);

/** Flush the dirty connections on the next turn of the loop. */
void ps_grpc_server_kick(struct ps_grpc_server *server);

/** Start or stop the tick as there are calls. */
void ps_grpc_server_count_call(struct ps_grpc_server *server, int change);

struct ps_grpc_call *ps_grpc_call_new(struct ps_grpc_connection *connection, int32_t stream_id);
void ps_grpc_call_header(struct ps_grpc_call *call, const char *name, const char *value);
void ps_grpc_call_data(struct ps_grpc_call *call, const uint8_t *data, size_t size_bytes);
/** The client has sent all; comes also for a call with headers only. */
void ps_grpc_call_half_close(struct ps_grpc_call *call);
/** The stream is closed: tell the service if it is not done, and free. */
void ps_grpc_call_free(struct ps_grpc_call *call);
/** Deadlines and stalls. */
void ps_grpc_call_tick(struct ps_grpc_call *call, int64_t now_mono_ms);

#endif
