#include "cli/retry_ask.h"

#include "cli/app.h"
#include "cli/output.h"

static void report_retry(struct ps_app *app, const struct ps_retry_failure *failure,
                         const struct ps_retry_decision *decision)
{
    const struct ps_transfer_event event = {
        .kind = PS_TRANSFER_DECIDED,
        .text = failure->err->message,
        .field = "retry",
        .value = decision->give_up ? "give up" : "again",
        .origin = &decision->origin,
    };

    ps_log(&app->log, PS_LOG_DEBUG, "policy", "retry = %s: %s (%s%s%s) after %s", event.value,
           decision->origin.reason, decision->origin.policy,
           decision->origin.where[0] != '\0' ? ", " : "", decision->origin.where,
           failure->err->message);
    ps_output_event(app, &event);
}

void ps_retry_ask(void *user, const struct ps_retry_failure *failure,
                  struct ps_retry_answer *answer_out)
{
    const struct ps_retry_asker *asker = user;
    struct ps_app *app = asker->app;
    const struct ps_object_facts object = {
        .url = failure->url, .store = "", .bucket = "", .key = "", .name = ""
    };
    const struct ps_retry_facts facts = {
        .operation = failure->operation,
        .retry_class = ps_retry_name(failure->err->retry),
        .http_status = failure->err->http_status,
        .store_code = failure->err->store_code,
        .attempt = failure->attempt,
        .elapsed_ms = failure->elapsed_ms,
        .has_retry_after = failure->has_retry_after,
        .retry_after_ms = failure->retry_after_ms,
        .part_number = failure->part_number,
        .object = failure->url != NULL ? &object : NULL,
    };
    struct ps_retry_decision decision;

    asker->decider->retry(asker->decider->user, &facts, ps_clock_unix_ms(app->clock) / 1000,
                          &decision);
    report_retry(app, failure, &decision);
    *answer_out = (struct ps_retry_answer){
        .give_up = decision.give_up,
        .has_after = decision.has_after,
        .after_ms = decision.after_ms,
    };
}
