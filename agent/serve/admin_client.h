/**
 * admin_client - a question to the running agent.
 *
 * Flow:    cli/cmd_status.c -> [admin_client] -> http/http_client.h -> serve/admin.h in the agent's process
 * Thread:  the loop thread
 * Source:  serve/admin.h
 */
#ifndef PS_SERVE_ADMIN_CLIENT_H
#define PS_SERVE_ADMIN_CLIENT_H

#include "base/err.h"
#include "http/http_client.h"

#include <jansson.h>
#include <uv.h>

/**
 * Ask at the socket and run the loop until the answer is there. *json_out is the caller's.
 *
 * Errors:  PS_E_NOT_FOUND when no agent listens at socket_path; the code and message of the agent's own error;
 *          PS_E_PARSE for an answer that is none.
 */
PS_MUST_USE enum ps_code ps_admin_ask(struct ps_http_client *http, uv_loop_t *loop,
                                      const char *socket_path, const char *method, const char *path,
                                      json_t **json_out, struct ps_err *err);

#endif
