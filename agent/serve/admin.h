/**
 * admin - the agent's local interface: JSON over HTTP on a unix socket that only its user and root may open.
 *
 * Flow:    cli/cmd_status.c, curl --unix-socket -> serve/httpd.h -> [admin] -> serve/admin_state.h
 * Thread:  the loop thread
 * Source:  unix(7) SO_PEERCRED
 *
 * | request | level | answer |
 * |---|---|---|
 * | GET /v1/status | read | the agent in short |
 * | GET /v1/uploads | read | { uploads: [...] } |
 * | GET /v1/streams | read | { streams: [...] }: downloads that are under way |
 * | GET /v1/reclaims | read | { reclaims: [...], more }: what is planned, by time |
 * | GET /v1/decisions | read | { decisions: [...] }: the last 100 |
 * | GET /v1/explain?url= | read | { records: [...], history: [...] }: as `purser explain --json`, by the policies in force |
 * | GET /v1/policy | read | { policies: [...], digest }: those in force |
 * | POST /v1/hold?url=, release, cancel | operate | {}; as `purser reclaims hold`, ... |
 * | POST /v1/reload | operate | { policy_digest } of the new policies; 422 and { error } when they do not load |
 * | POST /v1/drain | operate | {}; the agent ends when what is being sent is sent |
 * The agent's own user and root may operate; others, where the socket's mode was widened by hand, may read.
 */
#ifndef PS_SERVE_ADMIN_H
#define PS_SERVE_ADMIN_H

#include "base/err.h"
#include "base/log.h"
#include "serve/admin_state.h"

#include <uv.h>

struct ps_admin;

/** Listen at path. context is borrowed and may change between calls. Errors as ps_httpd_new. */
PS_MUST_USE enum ps_code ps_admin_new(struct ps_admin **admin_out, uv_loop_t *loop,
                                      const struct ps_log *log, const char *path,
                                      const struct ps_admin_context *context, struct ps_err *err);
/** NULL is allowed. The loop must run once more. */
void ps_admin_free(struct ps_admin *admin);

#endif
