/**
 * metrics - the counts of an agent in Prometheus' text form: base units, no keys as labels.
 *
 * Flow:    serve/gateway.h -> [metrics] -> GET /metrics
 * Thread:  the loop thread
 * Source:  Prometheus text exposition format 0.0.4
 */
#ifndef PS_SERVE_METRICS_H
#define PS_SERVE_METRICS_H

#include "base/buf.h"
#include "serve/gateway.h"

#define PS_METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/** Append all of them. Errors as ps_buf_append. */
PS_MUST_USE enum ps_code ps_metrics_format(struct ps_buf *buf, const struct ps_gateway_stats *stats,
                                           struct ps_err *err);

#endif
