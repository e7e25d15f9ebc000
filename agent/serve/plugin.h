/**
 * plugin - Argo's artifact plugin: load, save, stream, list and delete artifacts for an executor, over gRPC.
 *
 * Flow:    argoexec, argo-server -> grpc_server.h -> [plugin] -> transfer/, store/
 * Thread:  the loop thread
 * Source:  Argo Workflows 4: artifact.ArtifactService (artifact.proto)
 *
 * A failed operation is an answer with its `error`, not a gRPC status: Argo shows the first as it is.
 */
#ifndef PS_SERVE_PLUGIN_H
#define PS_SERVE_PLUGIN_H

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "decide/decision.h"
#include "serve/plugin_config.h"
#include "state/state.h"
#include "store/store_open.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct ps_plugin;

/** All borrowed until on_stopped. */
struct ps_plugin_options {
    uv_loop_t *loop;
    const char *listen; /* as in grpc_server.h */
    const struct ps_store_factory *factory;
    const struct ps_decider *decider;
    const char *policy_digest;
    struct ps_plugin_policy_loader policy_loader; /* of what configurations bring */
    const struct ps_clock *clock;
    const struct ps_log *log;
    struct ps_state *(*open_state)(void *user, struct ps_err *err); /* as in upload.h */
    void *open_state_user;
    uint64_t stall_timeout_ms; /* as in grpc_server.h */
    uint64_t grace_ms;         /* how long ps_plugin_stop lets calls go on; 0 = 10,000 */
    void (*on_stopped)(void *user);
    void *user;
};

/** Listen. Errors: those of ps_grpc_server_start; PS_E_NO_MEMORY. */
PS_MUST_USE enum ps_code ps_plugin_start(struct ps_plugin **plugin_out,
                                         const struct ps_plugin_options *options,
                                         struct ps_err *err);

/**
 * Take no new calls; let those under way end for grace_ms; then stop transfers, whose parts are durable and are not
 * sent again by the next attempt. on_stopped comes later, when nothing runs any more; the plugin is gone then.
 */
void ps_plugin_stop(struct ps_plugin *plugin);

/** The port of a test's listener; 0 for a socket. */
int ps_plugin_port(const struct ps_plugin *plugin);

#endif
