/**
 * kube_client - requests to the Kubernetes API server: one object, a list page by page, a watch line by line.
 *
 * Flow:    workflow_watch.h, lease.h -> [kube_client] -> http/http_client.h
 * Thread:  the loop thread
 * Source:  Kubernetes API concepts: verbs, limit and continue, watch, bookmarks, 410 Gone
 */
#ifndef PS_KUBE_KUBE_CLIENT_H
#define PS_KUBE_KUBE_CLIENT_H

#include "base/err.h"
#include "http/http_client.h"
#include "kube/kube_config.h"

#include <stdbool.h>
#include <stdint.h>

struct ps_kube_client;
struct ps_kube_call;

/** Takes config over (it is zeroed). http is borrowed. Errors: PS_E_NO_MEMORY. */
PS_MUST_USE enum ps_code ps_kube_client_new(struct ps_kube_client **client_out,
                                            struct ps_http_client *http,
                                            struct ps_kube_config *config, struct ps_err *err);
/** NULL is allowed. Calls must have ended. */
void ps_kube_client_free(struct ps_kube_client *client);

/** Of the config; borrowed. */
const char *ps_kube_client_namespace(const struct ps_kube_client *client);
const char *ps_kube_client_server(const struct ps_kube_client *client);

struct ps_kube_request {
    const char *method; /* "GET", "POST", "PUT" */
    const char
        *server;      /* NULL = the API server; another one ("https://argo:2746") for its own API */
    const char *path; /* with the query: "/api/v1/..." */
    const char *body; /* JSON; NULL = none; copied */
    uint32_t stall_timeout_ms; /* 0 = 30,000 */
    size_t body_limit_bytes;   /* without on_data; 0 = 8 MiB */
    /** Bytes of a 2xx answer as they come; NULL = they are kept for on_done. */
    enum ps_push (*on_data)(void *user, const char *data, size_t size_bytes);
    /**
     * The end, once; the call is gone when it returns. err NULL: a 2xx answer came whole, text is its body. Else
     * PS_E_NOT_FOUND (404), PS_E_DENIED (401, 403), PS_E_CHANGED (409 and 410, which err->http_status tells apart),
     * PS_E_INVALID (other 4xx), PS_E_TEMPORARY (429, 5xx, network), and those of http_client.h;
     * err->message has the server's words.
     */
    void (*on_done)(void *user, const char *text, size_t size_bytes, const struct ps_err *err);
    void *user;
};

/** Errors: PS_E_NO_MEMORY, those of reading the token; nothing was started then. */
PS_MUST_USE enum ps_code ps_kube_start(struct ps_kube_client *client,
                                       const struct ps_kube_request *request,
                                       struct ps_kube_call **call_out, struct ps_err *err);
/** on_data goes on after PS_PUSH_PAUSE. */
void ps_kube_resume(struct ps_kube_call *call);
/** No callback comes any more. NULL is allowed. */
void ps_kube_cancel(struct ps_kube_call *call);

#endif
