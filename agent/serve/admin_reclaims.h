/**
 * admin_reclaims - what is planned, what was decided, and changing it: hold, release, cancel.
 *
 * Flow:    serve/admin.c, serve/gateway_page.c -> [admin_reclaims] -> state/pending_reclaim.h, state/decision_log.h
 * Thread:  the loop thread; changes are written on a worker
 * Source:  none
 */
#ifndef PS_SERVE_ADMIN_RECLAIMS_H
#define PS_SERVE_ADMIN_RECLAIMS_H

#include "serve/admin_state.h"

#include <uv.h>

/** { reclaims: [...], more }: the next ones by time, at most 500. */
PS_MUST_USE enum ps_code ps_admin_reclaims(const struct ps_admin_context *context,
                                           json_t **json_out, struct ps_err *err);
/** { decisions: [...] }: the last 100 with their reasons. */
PS_MUST_USE enum ps_code ps_admin_decisions(const struct ps_admin_context *context,
                                            json_t **json_out, struct ps_err *err);

enum ps_admin_verb {
    PS_ADMIN_HOLD, /* keep it whatever policies say, until it is released; also all below PREFIX/ */
    PS_ADMIN_RELEASE, /* end a hold */
    PS_ADMIN_CANCEL,  /* keep what is planned; a later event may plan it again */
};

/** False when text is none of "hold" "release" "cancel". */
PS_MUST_USE bool ps_admin_verb_parse(const char *text, enum ps_admin_verb *verb_out);

struct ps_admin_change; /* opaque */

/**
 * Start to change url; done comes later, once, with NULL when it is durable. *change_out is valid until then.
 *
 * Errors:  PS_E_INVALID (no URL), PS_E_NO_MEMORY: nothing was started. Through done also PS_E_NOT_FOUND.
 */
PS_MUST_USE enum ps_code ps_admin_change_start(struct ps_admin_change **change_out, uv_loop_t *loop,
                                               const struct ps_admin_context *context,
                                               enum ps_admin_verb verb, const char *url,
                                               const char *who,
                                               void (*done)(void *user, const struct ps_err *err),
                                               void *user, struct ps_err *err);

/** Nobody waits for done any more; the change itself is made. NULL is allowed. */
void ps_admin_change_abandon(struct ps_admin_change *change);

#endif
