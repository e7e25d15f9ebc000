#include "creds/creds.h"

#include "base/str.h"
#include "creds/creds_aliyun.h"
#include "creds/creds_container.h"
#include "creds/creds_env.h"
#include "creds/creds_imds.h"
#include "creds/creds_profile.h"
#include "creds/creds_role.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * AWS SDKs: from 15 minutes before the end they are renewed in passing, from 10 minutes before it all wait for that.
 * Aliyun's: 3 minutes. What lives shortly is renewed in the last third and sixth of its life: else a session of 15
 * minutes, or a set that the machine's service replaces late, would be asked for with each request.
 */
static const struct margins {
    int64_t early_ms;
    int64_t late_ms;
} margins[] = {
    [PS_CREDS_AWS] = { (int64_t)15 * 60 * 1000, (int64_t)10 * 60 * 1000 },
    [PS_CREDS_ALIYUN] = { (int64_t)5 * 60 * 1000, (int64_t)3 * 60 * 1000 },
};
#define EARLY_PART 3
#define LATE_PART 6

/** An early renewal that failed is tried again after this. Lower: a metadata service in trouble is pressed on. */
#define RENEW_PAUSE_MS ((int64_t)60 * 1000)

enum {
    SAID_SIZE = 240, /* what the places said, for one message */
};

struct waiter {
    struct waiter *next;
    ps_creds_fn done;
    void *user;
};

struct ps_creds_chain {
    struct ps_creds_context context;
    char *region;           /* NULL = not set anywhere */
    struct margins margins; /* of what is held */
    struct ps_creds_provider *providers[PS_CREDS_PROVIDERS_MAX];
    size_t provider_count;
    size_t provider_index; /* the one that looks now */
    bool looking;
    bool forced; /* the store has refused what is held */
    bool has_held;
    struct ps_creds held;
    uint64_t found_count;
    int64_t not_before_unix_ms; /* of the next early renewal */
    char said[SAID_SIZE];
    struct waiter *waiters; /* in the order of their calls */
};

static void look_on(struct ps_creds_chain *chain);

/* --- what is held --- */

static int64_t left_ms(const struct ps_creds_chain *chain)
{
    return chain->held.expires_unix_ms - ps_clock_unix_ms(chain->context.clock);
}

static bool held_for_longer_than(const struct ps_creds_chain *chain, int64_t ms)
{
    return chain->has_held && (chain->held.expires_unix_ms == 0 || left_ms(chain) > ms);
}

/* --- the search --- */

static void wake_waiters(struct ps_creds_chain *chain, const struct ps_err *err)
{
    struct waiter *waiter = chain->waiters;

    chain->waiters = NULL;
    while (waiter != NULL) {
        struct waiter *next = waiter->next;

        waiter->done(waiter->user, err == NULL ? &chain->held : NULL, err);
        free(waiter);
        waiter = next;
    }
}

static int64_t lesser(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void set_margins(struct ps_creds_chain *chain)
{
    int64_t life_ms = left_ms(chain) > 0 ? left_ms(chain) : 0;

    chain->margins.early_ms = lesser(margins[chain->context.family].early_ms, life_ms / EARLY_PART);
    chain->margins.late_ms = lesser(margins[chain->context.family].late_ms, life_ms / LATE_PART);
}

/* AWS SDK: while the machine's service is down, what it gave last goes on being used: the store has the last word. */
static bool outlives_outage(struct ps_creds_chain *chain, const struct ps_err *err)
{
    if (!chain->has_held || !chain->held.outlives_outage || err->code != PS_E_TEMPORARY) {
        return false;
    }
    ps_log(chain->context.log, PS_LOG_WARN, "creds", "%s; using the ones that have ended",
           err->message);
    return true;
}

static void end_search(struct ps_creds_chain *chain, const struct ps_err *err)
{
    bool keep_held = err != NULL && !chain->forced &&
                     (held_for_longer_than(chain, 0) || outlives_outage(chain, err));

    chain->looking = false;
    chain->forced = false;
    if (err != NULL) {
        chain->not_before_unix_ms = ps_clock_unix_ms(chain->context.clock) + RENEW_PAUSE_MS;
    }
    /* What is held is good to its very end: better than to fail for a metadata service that is down for a minute. */
    wake_waiters(chain, keep_held ? NULL : err);
}

static void say(struct ps_creds_chain *chain, const char *what)
{
    size_t used = strlen(chain->said);

    (void)snprintf(chain->said + used, sizeof(chain->said) - used, "%s%s", used != 0 ? "; " : "",
                   what);
}

static void on_reply(void *user, enum ps_creds_reply reply, struct ps_creds *creds,
                     const struct ps_err *err)
{
    struct ps_creds_chain *chain = user;

    switch (reply) {
    case PS_CREDS_FOUND:
        ps_creds_clear(&chain->held);
        chain->held = *creds;
        chain->held.number = ++chain->found_count;
        memset(creds, 0, sizeof(*creds));
        chain->has_held = true;
        set_margins(chain);
        end_search(chain, NULL);
        return;
    case PS_CREDS_NONE:
        say(chain, err->message);
        chain->provider_index++;
        look_on(chain);
        return;
    case PS_CREDS_FAILED: {
        struct ps_err failure = *err;

        (void)ps_err_wrap(&failure, failure.code, "credentials");
        end_search(chain, &failure);
        return;
    }
    }
}

/* Ask the provider whose turn it is; providers that reply at once nest here, one level each. */
static void look_on(struct ps_creds_chain *chain)
{
    struct ps_creds_provider *provider;
    struct ps_err err;

    if (chain->provider_index == chain->provider_count) {
        (void)ps_err_set(&err, PS_E_DENIED, "no credentials: %s", chain->said);
        end_search(chain, &err);
        return;
    }
    provider = chain->providers[chain->provider_index];
    provider->look(provider, on_reply, chain);
}

static void start_search(struct ps_creds_chain *chain)
{
    chain->looking = true;
    chain->provider_index = 0;
    chain->said[0] = '\0';
    look_on(chain);
}

/* --- life --- */

static const char *env(const struct ps_creds_options *options, const char *name)
{
    return ps_creds_env_get(options->getenv, options->getenv_user, name);
}

static const char *profile_option(const struct ps_creds_options *options)
{
    return options->profile != NULL && options->profile[0] != '\0' ? options->profile : NULL;
}

/* code: of the constructor that made *provider. The provider is the chain's, or freed. */
static enum ps_code push(struct ps_creds_chain *chain, enum ps_code code,
                         struct ps_creds_provider *provider, struct ps_err *err)
{
    if (code == PS_OK) {
        code = ps_creds_chain_push(chain, &provider, err);
    }
    if (provider != NULL) {
        provider->free(provider);
    }
    return code;
}

static enum ps_code add_env(struct ps_creds_chain *chain, struct ps_err *err)
{
    struct ps_creds_provider *provider = NULL;
    enum ps_code code = ps_creds_env_new(&provider, &chain->context, err);

    return push(chain, code, provider, err);
}

static enum ps_code add_web_identity(struct ps_creds_chain *chain, struct ps_err *err)
{
    struct ps_creds_provider *provider = NULL;
    enum ps_code code = ps_creds_role_of_env_new(&provider, &chain->context, err);

    return push(chain, code, provider, err);
}

static enum ps_code add_container(struct ps_creds_chain *chain, struct ps_err *err)
{
    struct ps_creds_provider *provider = NULL;
    enum ps_code code = ps_creds_container_new(&provider, &chain->context, NULL, err);

    return push(chain, code, provider, err);
}

static enum ps_code add_imds(struct ps_creds_chain *chain, struct ps_err *err)
{
    struct ps_creds_provider *provider = NULL;
    enum ps_code code = ps_creds_imds_new(&provider, &chain->context, NULL, err);

    return push(chain, code, provider, err);
}

static enum ps_code add_aws_profile(struct ps_creds_chain *chain, const char *name,
                                    struct ps_err *err)
{
    struct ps_creds_provider *profile = NULL;
    enum ps_code code = ps_creds_profile_new(&profile, &chain->context, name, err);

    if (code == PS_OK && chain->region == NULL) {
        chain->region = ps_creds_profile_region(profile);
    }
    return push(chain, code, profile, err);
}

static enum ps_code add_aliyun_profile(struct ps_creds_chain *chain, const char *name, bool is_ini,
                                       struct ps_err *err)
{
    struct ps_creds_provider *profile = NULL;
    enum ps_code code = ps_creds_aliyun_new(&profile, &chain->context, name, is_ini, err);

    if (code == PS_OK && chain->region == NULL) {
        chain->region = ps_creds_aliyun_region(profile);
    }
    return push(chain, code, profile, err);
}

static bool is_online(const struct ps_creds_chain *chain)
{
    return chain->context.http != NULL && chain->context.loop != NULL;
}

static enum ps_code add_aws(struct ps_creds_chain *chain, const struct ps_creds_options *options,
                            struct ps_err *err)
{
    const char *chosen = profile_option(options);
    enum ps_code code = PS_OK;

    chosen = chosen != NULL ? chosen : env(options, "AWS_PROFILE");
    if (chosen != NULL) {
        return add_aws_profile(chain, chosen, err);
    }
    code = add_env(chain, err);
    if (code == PS_OK && is_online(chain)) {
        code = add_web_identity(chain, err);
    }
    if (code == PS_OK) {
        code = add_aws_profile(chain, "default", err);
    }
    if (code == PS_OK && is_online(chain)) {
        code = add_container(chain, err);
    }
    return code == PS_OK && is_online(chain) ? add_imds(chain, err) : code;
}

static enum ps_code add_aliyun(struct ps_creds_chain *chain, const struct ps_creds_options *options,
                               struct ps_err *err)
{
    const char *chosen = profile_option(options);
    enum ps_code code = chosen == NULL ? add_env(chain, err) : PS_OK;

    if (code == PS_OK && chosen == NULL && is_online(chain)) {
        code = add_web_identity(chain, err);
    }
    if (code == PS_OK) {
        code = add_aliyun_profile(chain, chosen, false, err);
    }
    if (code == PS_OK) {
        code = add_aliyun_profile(chain, chosen, true, err);
    }
    if (code == PS_OK && chosen == NULL && is_online(chain)) {
        code = add_imds(chain, err);
    }
    return code == PS_OK && chosen == NULL && is_online(chain) ? add_container(chain, err) : code;
}

static enum ps_code add_providers(struct ps_creds_chain *chain,
                                  const struct ps_creds_options *options, struct ps_err *err)
{
    enum ps_code code = PS_E_BUG;

    chain->region =
        ps_strdup(ps_creds_env_region(options->family, options->getenv, options->getenv_user));
    switch (options->family) {
    case PS_CREDS_AWS:
        code = add_aws(chain, options, err);
        break;
    case PS_CREDS_ALIYUN:
        code = add_aliyun(chain, options, err);
        break;
    }
    chain->context.region = chain->region;
    return code;
}

enum ps_code ps_creds_chain_new(struct ps_creds_chain **chain_out,
                                const struct ps_creds_options *options, struct ps_err *err)
{
    struct ps_creds_chain *chain = calloc(1, sizeof(*chain));
    enum ps_code code;

    if (chain == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "credentials: out of memory");
    }
    chain->context = (struct ps_creds_context){
        .family = options->family,
        .getenv = options->getenv,
        .getenv_user = options->getenv_user,
        .clock = options->clock,
        .loop = options->loop,
        .http = options->http,
        .log = options->log,
    };
    code = add_providers(chain, options, err);
    if (code != PS_OK) {
        ps_creds_chain_free(chain);
        return code;
    }
    *chain_out = chain;
    return PS_OK;
}

void ps_creds_chain_free(struct ps_creds_chain *chain)
{
    if (chain == NULL) {
        return;
    }
    for (size_t i = 0; i < chain->provider_count; i++) {
        chain->providers[i]->free(chain->providers[i]);
    }
    while (chain->waiters != NULL) {
        struct waiter *waiter = chain->waiters;

        chain->waiters = waiter->next;
        free(waiter);
    }
    ps_creds_clear(&chain->held);
    free(chain->region);
    free(chain);
}

enum ps_code ps_creds_chain_push(struct ps_creds_chain *chain, struct ps_creds_provider **provider,
                                 struct ps_err *err)
{
    if (chain->provider_count == PS_CREDS_PROVIDERS_MAX) {
        return ps_err_set(err, PS_E_TOO_LARGE, "credentials: more than %d places",
                          PS_CREDS_PROVIDERS_MAX);
    }
    chain->providers[chain->provider_count++] = *provider;
    *provider = NULL;
    return PS_OK;
}

/* --- credentials --- */

static void wipe(char **text)
{
    if (*text != NULL) {
        explicit_bzero(*text, strlen(*text));
        free(*text);
        *text = NULL;
    }
}

void ps_creds_clear(struct ps_creds *creds)
{
    wipe(&creds->access_key_id);
    wipe(&creds->secret_access_key);
    wipe(&creds->session_token);
    memset(creds, 0, sizeof(*creds));
}

static void add_waiter(struct ps_creds_chain *chain, struct waiter *waiter)
{
    struct waiter **end = &chain->waiters;

    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = waiter;
}

void ps_creds_get(struct ps_creds_chain *chain, uint64_t refused_number, ps_creds_fn done,
                  void *user)
{
    bool refused = refused_number != 0 && chain->has_held && chain->held.number == refused_number;
    struct waiter *waiter;
    struct ps_err err;

    if (!refused && held_for_longer_than(chain, chain->margins.late_ms)) {
        if (!held_for_longer_than(chain, chain->margins.early_ms) && !chain->looking &&
            ps_clock_unix_ms(chain->context.clock) >= chain->not_before_unix_ms) {
            start_search(chain);
        }
        done(user, &chain->held, NULL);
        return;
    }
    waiter = calloc(1, sizeof(*waiter));
    if (waiter == NULL) {
        (void)ps_err_set(&err, PS_E_NO_MEMORY, "credentials: out of memory");
        done(user, NULL, &err);
        return;
    }
    waiter->done = done;
    waiter->user = user;
    add_waiter(chain, waiter);
    chain->forced = chain->forced || refused;
    if (!chain->looking) {
        start_search(chain);
    }
}

const char *ps_creds_region(const struct ps_creds_chain *chain)
{
    return chain->region;
}
