/**
 * admin_route - the requests that an agent answers about itself, with their arguments: the one table behind the admin
 *               socket, the page and the commands.
 *
 * Flow:    serve/admin.c, serve/gateway_page.c, cli/admin_call.c -> [admin_route] -> admin_state, admin_reclaims, admin_explain
 * Thread:  the loop thread
 * Source:  admin.h
 */
#ifndef PS_SERVE_ADMIN_ROUTE_H
#define PS_SERVE_ADMIN_ROUTE_H

#include "serve/admin_state.h"
#include "serve/target.h"

#include <stdbool.h>

enum ps_admin_kind {
    PS_ADMIN_READ,    /* GET: whoever may connect */
    PS_ADMIN_OPERATE, /* POST: the agent's user and root; answered at once */
    PS_ADMIN_CHANGE,  /* the same, but what changes the state is answered later: admin_change.h */
};

/** Most arguments of one request. */
#define PS_ADMIN_ARGS_MAX 6

struct ps_admin_route {
    const char *path; /* "/v1/status" */
    enum ps_admin_kind kind;
    bool of_state; /* it reads or writes the state */
    /** NULL for a change. *json_out may stay NULL: no memory. */
    enum ps_code (*answer)(const struct ps_admin_context *context, const struct ps_target *target,
                           json_t **json_out, struct ps_err *err);
    const char *args[PS_ADMIN_ARGS_MAX]; /* that it takes; the first NULL ends them */
};

/** NULL = there is none. */
const struct ps_admin_route *ps_admin_route_find(const char *path);

/**
 * Refuse arguments that the route does not take: a client of another version must not get an answer to a question that
 * it did not ask. Errors: PS_E_UNSUPPORTED.
 */
PS_MUST_USE enum ps_code ps_admin_route_check(const struct ps_admin_route *route,
                                              const struct ps_target *target, struct ps_err *err);

/** The answer of a route that is no change. The caller owns *json_out. Errors: also PS_E_UNSUPPORTED. */
PS_MUST_USE enum ps_code ps_admin_route_answer(const struct ps_admin_route *route,
                                               const struct ps_admin_context *context,
                                               const struct ps_target *target, json_t **json_out,
                                               struct ps_err *err);

#endif
