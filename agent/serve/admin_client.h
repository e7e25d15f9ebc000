/**
 * admin_client - a question to the running agent.
 *
 * Flow:    cli/admin_call.h -> [admin_client] -> http/http_client.h -> serve/admin.h in the agent's process
 * Thread:  the loop thread
 * Source:  serve/admin.h
 */
#ifndef PS_SERVE_ADMIN_CLIENT_H
#define PS_SERVE_ADMIN_CLIENT_H

#include "base/err.h"
#include "http/http_client.h"

#include <jansson.h>
#include <uv.h>

enum ps_admin_reach {
    PS_ADMIN_NOBODY,   /* no agent runs: the disk may be read instead */
    PS_ADMIN_SILENT,   /* one is there, or may be, and gave no answer */
    PS_ADMIN_ANSWERED, /* with what was asked for, or an error of its own */
};

struct ps_admin_question {
    struct ps_http_client *http;
    uv_loop_t *loop;
    const char *socket_path;
    const char *method;  /* "GET"; "POST" changes something */
    const char *path;    /* with its query, encoded */
    uint32_t timeout_ms; /* until the whole answer is there; not 0 */
};

/**
 * Ask and run the loop until the answer is there, or timeout_ms are over. *json_out is the caller's; *reach_out is set in
 * any case.
 *
 * Errors:  PS_E_NOT_FOUND with NOBODY. With SILENT PS_E_DENIED when this user may not connect; PS_E_TEMPORARY (GET) or
 *          PS_E_UNKNOWN_OUTCOME (POST). With ANSWERED PS_E_UNSUPPORTED for an agent of another version that does not know
 *          the question, or something else that listens there; else the code and message of the agent's own error.
 */
PS_MUST_USE enum ps_code ps_admin_ask(const struct ps_admin_question *question, json_t **json_out,
                                      enum ps_admin_reach *reach_out, struct ps_err *err);

#endif
