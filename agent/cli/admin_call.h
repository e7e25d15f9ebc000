/**
 * admin_call - one question of a command: to this machine's agent when one runs, else to the same handlers here, on what
 *              is on the disk. The answer has the same form either way.
 *
 * Flow:    cli/cmd_status.c, cmd_uploads.c, cmd_reclaims.c, cmd_explain.c, cmd_policy.c -> [admin_call]
 *          -> serve/admin_client.h or serve/admin_route.h, serve/admin_change.h
 * Thread:  the loop thread
 * Source:  serve/admin.h: the questions
 */
#ifndef PS_CLI_ADMIN_CALL_H
#define PS_CLI_ADMIN_CALL_H

#include "base/buf.h"
#include "cli/app.h"

#include <jansson.h>

/** Who answers; once that is known it stays so, in the middle of a list too. */
enum ps_admin_side {
    PS_ADMIN_SIDE_ANY,   /* the agent, else here */
    PS_ADMIN_SIDE_AGENT, /* the agent and nobody else */
    PS_ADMIN_SIDE_HERE,  /* not the agent: none runs, or the command's own flags say what to ask */
};

/** Of a question about policies: here when --policy-path was written, as those may be others than the agent's. */
enum ps_admin_side ps_admin_call_policy_side(const struct ps_app *app);

struct ps_admin_call {
    struct ps_app *app;
    enum ps_admin_side side;
    const char *method; /* "GET", or "POST" for what changes something */
    struct ps_buf path; /* with its query, encoded */
    enum ps_code code;  /* the first failure of making it */
};

/** path: "/v1/status". Static text. Ended by clear. */
void ps_admin_call_init(struct ps_admin_call *call, struct ps_app *app, const char *method,
                        const char *path);
void ps_admin_call_clear(struct ps_admin_call *call);

/** Add an argument; NULL adds nothing. A failure shows when the call is made. */
void ps_admin_call_add(struct ps_admin_call *call, const char *name, const char *value);
void ps_admin_call_add_number(struct ps_admin_call *call, const char *name, int64_t value);

/** --now, when it was given. Errors: PS_E_INVALID. */
PS_MUST_USE enum ps_code ps_admin_call_add_now(struct ps_admin_call *call, struct ps_err *err);

/**
 * Ask. The caller owns *json_out. Errors: those of ps_admin_ask and of the handlers, the same from an agent and from here;
 * those of opening the state and of loading policies when it is answered here.
 */
PS_MUST_USE enum ps_code ps_admin_call_run(struct ps_admin_call *call, json_t **json_out,
                                           struct ps_err *err);

/** A list that is asked for, a page at a time. */
struct ps_admin_items {
    const char *name;   /* of the list in the answer */
    uint64_t count_max; /* 0 = all */
    void (*each)(void *user, json_t *item);
    void *user;
    uint64_t count; /* set: how many came */
    bool more;      /* set: there were more than count_max */
};

/** Ask and call items->each for each. Errors: as run; PS_E_UNSUPPORTED for an answer that is no such list. */
PS_MUST_USE enum ps_code ps_admin_call_each(struct ps_admin_call *call,
                                            struct ps_admin_items *items, struct ps_err *err);

#endif
