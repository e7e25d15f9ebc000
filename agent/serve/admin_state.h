/**
 * admin_state - what an agent tells of itself and of this machine's transfers, as JSON; the same with or without a
 * running agent.
 *
 * Flow:    serve/admin.c (over the socket), cli/cmd_status.c (without an agent) -> [admin_state] -> state/, serve/gateway.h
 * Thread:  the loop thread; reads of the state are short
 * Source:  none
 */
#ifndef PS_SERVE_ADMIN_STATE_H
#define PS_SERVE_ADMIN_STATE_H

#include "base/clock.h"
#include "base/err.h"
#include "serve/gateway.h"
#include "state/state.h"

#include <jansson.h>

/** What can be told and done; all borrowed. */
struct ps_admin_context {
    const struct ps_clock *clock;
    struct ps_state *state;     /* NULL = none yet */
    struct ps_gateway *gateway; /* NULL = no agent runs */
    const char *policy_digest;  /* "" = built-in */
    int64_t started_unix_ms;    /* of the agent; 0 = none runs */
    /** Load the policies anew; the old ones stay when that fails. NULL = cannot. */
    enum ps_code (*reload)(void *user, struct ps_err *err);
    /** Finish what is being sent, then end. NULL = cannot. */
    void (*drain)(void *user);
    /** Why an artifact stays or goes; the policies in force. The caller owns *json_out. NULL = cannot. */
    enum ps_code (*explain)(void *user, const char *url, json_t **json_out, struct ps_err *err);
    json_t *(*policies)(void *user);
    void *user;
};

/** The whole in short. Errors: those of the state; PS_E_NO_MEMORY. The caller owns *json_out, as below. */
PS_MUST_USE enum ps_code ps_admin_status(const struct ps_admin_context *context, json_t **json_out,
                                         struct ps_err *err);

/** Uploads that are running or were interrupted. */
PS_MUST_USE enum ps_code ps_admin_uploads(const struct ps_admin_context *context, json_t **json_out,
                                          struct ps_err *err);

/** Streams of the gateway, now. */
PS_MUST_USE enum ps_code ps_admin_streams(const struct ps_admin_context *context, json_t **json_out,
                                          struct ps_err *err);

#endif
