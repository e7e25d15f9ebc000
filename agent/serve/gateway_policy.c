#include "serve/gateway_internal.h"

#include "base/str.h"

#include <stdlib.h>
#include <string.h>

/* The download hook: who may read is decided by rules before; a policy can narrow that, or open it to who has none. */

/** Long enough to begin a download, short enough that the URL in a log is worth nothing. */
#define REDIRECT_EXPIRES_S 300

/** How long a restored copy stays. */
#define RESTORE_DAYS 1

static void on_url(void *user, const char *text, size_t size_bytes, const struct ps_err *err)
{
    struct ps_exchange *exchange = user;

    (void)size_bytes;
    exchange->op = NULL;
    if (err != NULL) {
        ps_gateway_fail_by(exchange, err);
        return;
    }
    ps_httpd_add_header(exchange->request, "Location", text);
    ps_httpd_add_header(exchange->request, "Cache-Control", "no-store");
    ps_gateway_fail(exchange, 307, "see the store");
}

static void redirect(struct ps_exchange *exchange)
{
    const struct ps_presign_request request = {
        .method = exchange->is_head ? "HEAD" : "GET",
        .key = exchange->key,
        .expires_s = REDIRECT_EXPIRES_S,
    };
    struct ps_err err;

    exchange->op = ps_store_presign(exchange->store->open.store, &request, on_url, exchange, &err);
    if (exchange->op == NULL) {
        ps_gateway_fail_by(exchange, &err);
    }
}

static void on_restored(void *user, const struct ps_err *err)
{
    struct ps_exchange *exchange = user;

    exchange->op = NULL;
    if (err != NULL) {
        ps_gateway_fail_by(exchange, err);
    } else {
        ps_gateway_fail_archived(exchange, true);
    }
}

static void restore(struct ps_exchange *exchange)
{
    const struct ps_restore_request request = { .key = exchange->key, .days = RESTORE_DAYS };
    struct ps_err err;

    exchange->op =
        ps_store_restore(exchange->store->open.store, &request, on_restored, exchange, &err);
    if (exchange->op == NULL) {
        ps_gateway_fail_by(exchange, &err);
    }
}

static void deny(struct ps_exchange *exchange, const struct ps_download_decision *decision)
{
    if (exchange->needs_policy && !exchange->access.known) {
        ps_gateway_fail(exchange, 401, "a token is needed");
    } else {
        ps_gateway_fail(exchange, 403, "%s/%s: refused by policy: %s", exchange->store->name,
                        exchange->name, decision->origin.reason);
    }
}

/* About the object of that name, size and class. */
static void ask(struct ps_exchange *exchange, const char *name, uint64_t size_bytes,
                const char *storage_class, struct ps_download_decision *decision)
{
    const struct ps_decider *decider = exchange->gateway->decider;
    char remote[64];
    const struct ps_download_facts facts = {
        .store = exchange->store->name,
        .key = name,
        .size_bytes = size_bytes,
        .range = ps_httpd_header(exchange->request, "Range"),
        .subject = exchange->access.subject[0] != '\0' && !exchange->needs_policy
                       ? exchange->access.subject
                       : NULL,
        .remote = ps_httpd_remote(exchange->request, remote),
        .storage_class = storage_class,
    };

    decider->download(decider->user, &facts, ps_clock_unix_ms(exchange->gateway->clock) / 1000,
                      decision);
    ps_log(exchange->gateway->log, PS_LOG_DEBUG, "policy", "download = %s: %s (%s%s%s)",
           ps_download_action_name(decision->action), decision->origin.reason,
           decision->origin.policy, decision->origin.where[0] != '\0' ? ", " : "",
           decision->origin.where);
}

bool ps_gateway_policy_allows(struct ps_exchange *exchange)
{
    struct ps_download_decision decision;

    if (!exchange->gateway->decider->asks_download) {
        return true;
    }
    ask(exchange, exchange->name, exchange->size_bytes, exchange->storage_class, &decision);
    if (exchange->needs_policy && !decision.has_action) {
        decision.action = PS_DOWNLOAD_DENY;
    }
    exchange->body.rate_bytes_per_s = decision.rate_bytes_per_s;
    switch (decision.action) {
    case PS_DOWNLOAD_STREAM:
        return true;
    case PS_DOWNLOAD_REDIRECT:
        redirect(exchange);
        break;
    case PS_DOWNLOAD_DENY:
        deny(exchange, &decision);
        break;
    case PS_DOWNLOAD_RESTORE:
        if (exchange->restore == PS_RESTORE_DONE) {
            return true; /* there is a copy */
        }
        if (exchange->restore == PS_RESTORE_ONGOING) {
            ps_gateway_fail_archived(exchange, false);
        } else {
            restore(exchange);
        }
        break;
    }
    return false;
}

bool ps_gateway_policy_may_add(struct ps_exchange *exchange, const struct ps_object_info *info,
                               struct ps_err *err)
{
    /* As a user names it: without the prefix of the store's own URL. */
    const char *name = info->key + (strlen(exchange->key) - strlen(exchange->name));
    struct ps_download_decision decision;

    if (!exchange->gateway->decider->asks_download) {
        return true;
    }
    ask(exchange, name, info->size_bytes, info->storage_class, &decision);
    if (decision.rate_bytes_per_s != 0 &&
        (exchange->body.rate_bytes_per_s == 0 ||
         decision.rate_bytes_per_s < exchange->body.rate_bytes_per_s)) {
        exchange->body.rate_bytes_per_s = decision.rate_bytes_per_s;
    }
    if (decision.action == PS_DOWNLOAD_STREAM || decision.action == PS_DOWNLOAD_REDIRECT) {
        return true;
    }
    (void)ps_err_set(err, PS_E_REFUSED, "%s/%s: refused by policy: %s", exchange->store->name, name,
                     decision.origin.reason);
    return false;
}
