/**
 * admin - the agent's local interface: JSON over HTTP on a unix socket that only its user and root may open.
 *
 * Flow:    serve/admin_client.h, curl --unix-socket -> serve/httpd.h -> [admin] -> serve/admin_route.h, serve/admin_change.h
 * Thread:  the loop thread
 * Source:  unix(7) SO_PEERCRED
 *
 * | request | level | answer |
 * |---|---|---|
 * | GET /v1/status | read | the agent in short |
 * | GET /v1/uploads | read | { uploads: [...], next }: what runs and what was interrupted, with what is done of it |
 * | GET /v1/streams | read | { streams: [...] }: downloads that are under way |
 * | GET /v1/reclaims?prefix=&due_max_unix_s=&now_unix_s= | read | { reclaims: [...], next }: what is planned, by time; `held` and the hold's URL and reason |
 * | GET /v1/holds | read | { holds: [...], next } |
 * | GET /v1/decisions?since_unix_ms= | read | { decisions: [...], next }: the newest first |
 * | GET /v1/explain?url=&now_unix_s= | read | { records: [...], history: [...] } by the policies in force |
 * | GET /v1/policy | read | { policies: [...], digest }: those in force |
 * | POST /v1/hold?url=&until_unix_s=&why=, release?url=, cancel?url=&why= | operate | { count, url }; also now_unix_s= |
 * | POST /v1/plan | operate | { count, url }: all are asked about anew, in the round that begins now |
 * | POST /v1/abort?id= | operate | { count, url } of an interrupted upload; 409 while it runs |
 * | POST /v1/reload | operate | { policy_digest } of the new policies; 422 and { error } when they do not load |
 * | POST /v1/drain | operate | {}; the agent ends when what is being sent is sent |
 *
 * A list has at most 500 items, or `limit=`; where `next` is not null, `after=` with it asks for what follows. What is
 * not in the table is refused, arguments too: { error: { code, message } }. `purser uploads`, `reclaims`, `explain`, `policy
 * list` and `status` ask these, or the same handlers in their own process when no agent runs (cli/admin_call.h). The
 * agent's own user and root may operate; others, where the socket's mode was widened by hand, may read.
 */
#ifndef PS_SERVE_ADMIN_H
#define PS_SERVE_ADMIN_H

#include "base/err.h"
#include "base/log.h"
#include "serve/admin_state.h"

#include <uv.h>

/** Of every answer: a client tells by it that this is an agent, and of which version. */
#define PS_ADMIN_VERSION_HEADER "Purser-Version"

/** What who may only read is told when they operate. */
#define PS_ADMIN_LEVEL_MESSAGE "only the agent's user and root may do this"

struct ps_admin;

/** Listen at path. context is borrowed and may change between calls. Errors as ps_httpd_new. */
PS_MUST_USE enum ps_code ps_admin_new(struct ps_admin **admin_out, uv_loop_t *loop,
                                      const struct ps_log *log, const char *path,
                                      const struct ps_admin_context *context, struct ps_err *err);
/** NULL is allowed. The loop must run once more. */
void ps_admin_free(struct ps_admin *admin);

#endif
