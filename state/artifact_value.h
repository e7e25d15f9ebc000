/**
 * artifact_value - artifacts and workflows as bytes.
 *
 * Flow:    artifact.c, workflow.c, pending_*.c -> [artifact_value] -> field.h
 * Thread:  any; holds no state
 * Source:  README.md of this folder
 */
#ifndef PS_STATE_ARTIFACT_VALUE_H
#define PS_STATE_ARTIFACT_VALUE_H

#include "base/buf.h"
#include "state/artifact.h"

/** Append the value. The number is in the key. Errors: PS_E_TOO_LARGE, PS_E_NO_MEMORY. */
PS_MUST_USE enum ps_code ps_artifact_encode(const struct ps_artifact *artifact, struct ps_buf *buf,
                                            struct ps_err *err);
/** Text of *artifact_out points into value. Errors: PS_E_PARSE. */
PS_MUST_USE enum ps_code ps_artifact_decode(const void *value, size_t size_bytes,
                                            struct ps_artifact *artifact_out, struct ps_err *err);
PS_MUST_USE enum ps_code ps_workflow_encode(const struct ps_workflow *workflow, struct ps_buf *buf,
                                            struct ps_err *err);
PS_MUST_USE enum ps_code ps_workflow_decode(const void *value, size_t size_bytes,
                                            struct ps_workflow *workflow_out, struct ps_err *err);

#endif
