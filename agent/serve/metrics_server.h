/**
 * metrics_server - /metrics, /healthz and /readyz at an address of their own, for scrapers that need no other path.
 *
 * Flow:    Prometheus, a kubelet -> serve/httpd.h -> [metrics_server] -> serve/gateway.h
 * Thread:  the loop thread
 * Source:  Prometheus text format 0.0.4
 */
#ifndef PS_SERVE_METRICS_SERVER_H
#define PS_SERVE_METRICS_SERVER_H

#include "base/err.h"
#include "base/log.h"
#include "serve/gateway.h"

#include <uv.h>

struct ps_metrics_server;

/** Listen at an address as of struct ps_httpd_options. gateway is borrowed. Errors as ps_httpd_new. */
PS_MUST_USE enum ps_code ps_metrics_server_new(struct ps_metrics_server **server_out,
                                               uv_loop_t *loop, const struct ps_log *log,
                                               const char *listen, const struct ps_gateway *gateway,
                                               struct ps_err *err);
/** NULL is allowed. The loop must run once more. */
void ps_metrics_server_free(struct ps_metrics_server *server);

/** The address listened at. Borrowed. */
const char *ps_metrics_server_address(const struct ps_metrics_server *server);

#endif
