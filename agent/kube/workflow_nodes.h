/**
 * workflow_nodes - status.compressedNodes unpacked.
 *
 * Flow:    workflow_parse.c -> [workflow_nodes] -> zlib
 * Thread:  any; holds no state
 * Source:  Argo Workflows: base64 of gzip (RFC 1952) of the nodes' JSON
 */
#ifndef PS_KUBE_WORKFLOW_NODES_H
#define PS_KUBE_WORKFLOW_NODES_H

#include "base/buf.h"
#include "base/err.h"

/** Append the JSON to *json_out. Errors: PS_E_PARSE, PS_E_TOO_LARGE (over its limit), PS_E_NO_MEMORY. */
PS_MUST_USE enum ps_code ps_workflow_nodes_unpack(const char *text, struct ps_buf *json_out,
                                                  struct ps_err *err);

#endif
