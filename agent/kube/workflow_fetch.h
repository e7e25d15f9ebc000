/**
 * workflow_fetch - Workflows whose nodes are in Argo's database, asked for one by one at the Argo server, which has them.
 *
 * Flow:    workflow_watch.h -> [workflow_fetch] -> kube_client.h -> workflow_parse.h -> the watcher's sink
 * Thread:  the loop thread
 * Source:  Argo Workflows 4: status.offloadNodeStatusVersion; GET /api/v1/workflows/NAMESPACE/NAME of argo-server, with the
 *          bearer token that the API server takes (auth mode "client")
 *
 * Only workflows that have ended are asked for: a running one changes with every node. What cannot be had is kept, and
 * told in the log: nobody knows where its artifacts lie.
 */
#ifndef PS_KUBE_WORKFLOW_FETCH_H
#define PS_KUBE_WORKFLOW_FETCH_H

#include "base/err.h"
#include "base/log.h"
#include "kube/kube_client.h"
#include "kube/workflow_parse.h"

#include <stdbool.h>
#include <uv.h>

/** Workflows that wait. Lower: those of a big cluster's first list are not asked for. Higher: 100 bytes each. */
#define PS_WORKFLOW_FETCH_MAX ((size_t)20000)

struct ps_workflow_fetch;

/** All borrowed until ps_workflow_fetch_free. */
struct ps_workflow_fetch_options {
    uv_loop_t *loop;
    struct ps_kube_client *client;
    const struct ps_log *log;
    const char *server;      /* "https://argo-server.argo:2746" */
    uint32_t retry_first_ms; /* 0 = 10,000; doubled for the next attempt */
    /** One with its nodes; it may be moved away. False: no more until ps_workflow_fetch_resume. */
    bool (*on_workflow)(void *user, struct ps_watched_workflow *workflow);
    void *user;
};

/** Whether server may be asked; NULL and "" are none, which is fine. Errors: PS_E_INVALID (it is no URL). */
PS_MUST_USE enum ps_code ps_workflow_fetch_check(const char *server, struct ps_err *err);

/** Errors: those of ps_workflow_fetch_check, PS_E_NO_MEMORY. */
PS_MUST_USE enum ps_code ps_workflow_fetch_new(struct ps_workflow_fetch **fetch_out,
                                               const struct ps_workflow_fetch_options *options,
                                               struct ps_err *err);

/** Ask for one, later. False: there is no room, or no memory; it is kept. */
bool ps_workflow_fetch_add(struct ps_workflow_fetch *fetch,
                           const struct ps_watched_workflow *workflow);

/** NULL is allowed. */
void ps_workflow_fetch_resume(struct ps_workflow_fetch *fetch);

/** No callback comes any more; the loop must run once more. NULL is allowed. */
void ps_workflow_fetch_free(struct ps_workflow_fetch *fetch);

#endif
