/**
 * retry_ask - a store's question whether to try again, put to policies.
 *
 * Flow:    store/ -> http/retry.h -> [retry_ask] -> decide/decision.h
 * Thread:  the loop thread
 * Source:  none
 */
#ifndef PS_CLI_RETRY_ASK_H
#define PS_CLI_RETRY_ASK_H

#include "decide/decision.h"
#include "store/store_open.h"

struct ps_app;

/** Who is asked; all borrowed. */
struct ps_retry_asker {
    struct ps_app *app;
    const struct ps_decider *decider;
};

/** For a store factory's ask_retry; user is the asker. */
void ps_retry_ask(void *user, const struct ps_retry_failure *failure,
                  struct ps_retry_answer *answer_out);

#endif
