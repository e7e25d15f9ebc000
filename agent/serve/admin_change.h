/**
 * admin_change - changes that an operator makes: hold, release, cancel, plan, abort.
 *
 * Flow:    serve/admin.c, serve/gateway_page.c, cli/admin_call.c -> [admin_change] -> state/pending_reclaim.h, reclaim/orphans.h
 * Thread:  the loop thread; the state is written on a worker
 * Source:  admin.h
 */
#ifndef PS_SERVE_ADMIN_CHANGE_H
#define PS_SERVE_ADMIN_CHANGE_H

#include "serve/admin_route.h"
#include "serve/admin_state.h"

#include <uv.h>

enum ps_admin_verb {
    PS_ADMIN_HOLD, /* keep it whatever policies say, until it is released; also all below PREFIX/ */
    PS_ADMIN_RELEASE, /* end a hold */
    PS_ADMIN_CANCEL,  /* keep what is planned; a later event may plan it again */
    PS_ADMIN_PLAN,    /* ask the policies anew about all artifacts */
    PS_ADMIN_ABORT,   /* end an interrupted upload, at its store and in the state */
};

/** False when text is none of "hold" "release" "cancel" "plan" "abort". */
PS_MUST_USE bool ps_admin_verb_parse(const char *text, enum ps_admin_verb *verb_out);

struct ps_admin_change; /* opaque */

struct ps_admin_change_options {
    uv_loop_t *loop;
    const struct ps_admin_context *context;
    enum ps_admin_verb verb;
    const char *url;        /* hold, release, cancel */
    const char *why;        /* hold, cancel: for people */
    int64_t until_unix_s;   /* hold; 0 = until it is released */
    int64_t now_unix_s;     /* 0 = the clock's */
    uint64_t upload_number; /* abort */
    /**
     * The end, once. answer: { count, url } of what was changed (held, queued anew, kept, asked about, aborted), borrowed;
     * NULL with err.
     */
    void (*done)(void *user, json_t *answer, const struct ps_err *err);
    void *user;
};

/**
 * Start; text is copied. *change_out is valid until done comes, with NULL for err when all is durable.
 *
 * Errors:  PS_E_INVALID (no URL), PS_E_NO_MEMORY: nothing was started. Through done also PS_E_NOT_FOUND; PS_E_LOCKED for
 *          an upload that runs; PS_E_PARTIAL for a hold that came too late for some.
 */
PS_MUST_USE enum ps_code ps_admin_change_start(struct ps_admin_change **change_out,
                                               const struct ps_admin_change_options *options,
                                               struct ps_err *err);

/**
 * Start what target asks of route; options say who asks. why stays where target says none. Errors: as start;
 * PS_E_UNSUPPORTED: an argument that the route does not take.
 */
PS_MUST_USE enum ps_code ps_admin_change_ask(struct ps_admin_change **change_out,
                                             const struct ps_admin_change_options *options,
                                             const struct ps_admin_route *route,
                                             const struct ps_target *target, struct ps_err *err);

/** Nobody waits for done any more; the change itself is made. NULL is allowed. */
void ps_admin_change_abandon(struct ps_admin_change *change);

#endif
