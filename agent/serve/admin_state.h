/**
 * admin_state - what an agent tells of itself and of this machine's transfers, as JSON; the same with or without a
 * running agent.
 *
 * Flow:    serve/admin_route.h -> [admin_state] -> state/, serve/gateway.h
 * Thread:  the loop thread; reads of the state are short
 * Source:  none
 */
#ifndef PS_SERVE_ADMIN_STATE_H
#define PS_SERVE_ADMIN_STATE_H

#include "base/clock.h"
#include "base/err.h"
#include "reclaim/reclaim_question.h"
#include "reclaim/sweep_stores.h"
#include "serve/gateway.h"
#include "serve/target.h"
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
    /** Policies and rules in force, for explain. */
    struct ps_reclaim_rules (*rules)(void *user);
    /** { policies: [...], digest } of those in force. The caller owns it; NULL when memory is out. */
    json_t *(*policies)(void *user);
    /** Much was queued for the planner: let it begin. NULL = the caller of the change does. */
    void (*queued)(void *user);
    void *user;
    struct ps_store_opener opener; /* of the stores whose uploads are aborted */
};

/*
 * The handlers of admin_route.c. The caller owns *json_out. Errors: those of the state; PS_E_INVALID for an argument;
 * PS_E_NO_MEMORY.
 */

/** The whole in short. */
PS_MUST_USE enum ps_code ps_admin_status(const struct ps_admin_context *context,
                                         const struct ps_target *target, json_t **json_out,
                                         struct ps_err *err);

/** Uploads that are running or were interrupted, by URL. */
PS_MUST_USE enum ps_code ps_admin_uploads(const struct ps_admin_context *context,
                                          const struct ps_target *target, json_t **json_out,
                                          struct ps_err *err);

/** Streams of the gateway, now. */
PS_MUST_USE enum ps_code ps_admin_streams(const struct ps_admin_context *context,
                                          const struct ps_target *target, json_t **json_out,
                                          struct ps_err *err);

/** The clock, or what `now_unix_s` says. */
PS_MUST_USE enum ps_code ps_admin_now(const struct ps_admin_context *context,
                                      const struct ps_target *target, int64_t *now_unix_s_out,
                                      struct ps_err *err);

#endif
