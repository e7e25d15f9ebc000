#include "creds/creds_static.h"

#include "base/str.h"

#include <stdlib.h>
#include <string.h>

struct static_provider {
    struct ps_creds_provider base;
    struct ps_creds creds;
};

enum ps_code ps_creds_copy(const struct ps_creds *creds, struct ps_creds *copy_out,
                           struct ps_err *err)
{
    struct ps_creds copy = *creds;

    copy.access_key_id = ps_strdup(creds->access_key_id);
    copy.secret_access_key = ps_strdup(creds->secret_access_key);
    copy.session_token = ps_strdup(creds->session_token);
    if (copy.access_key_id == NULL || copy.secret_access_key == NULL ||
        (creds->session_token != NULL && copy.session_token == NULL)) {
        ps_creds_clear(&copy);
        return ps_err_set(err, PS_E_NO_MEMORY, "credentials: out of memory");
    }
    *copy_out = copy;
    return PS_OK;
}

static void look(struct ps_creds_provider *provider, ps_creds_reply_fn reply_fn, void *user)
{
    const struct static_provider *statics = (const struct static_provider *)provider;
    struct ps_creds copy = { 0 };
    struct ps_err err;

    if (ps_creds_copy(&statics->creds, &copy, &err) != PS_OK) {
        reply_fn(user, PS_CREDS_FAILED, NULL, &err);
        return;
    }
    reply_fn(user, PS_CREDS_FOUND, &copy, NULL);
}

static void static_free(struct ps_creds_provider *provider)
{
    struct static_provider *statics = (struct static_provider *)provider;

    ps_creds_clear(&statics->creds);
    free(statics);
}

enum ps_code ps_creds_static_new(struct ps_creds_provider **provider_out, struct ps_creds *creds,
                                 struct ps_err *err)
{
    struct static_provider *statics = calloc(1, sizeof(*statics));

    if (statics == NULL) {
        ps_creds_clear(creds);
        return ps_err_set(err, PS_E_NO_MEMORY, "credentials: out of memory");
    }
    statics->base.look = look;
    statics->base.free = static_free;
    statics->creds = *creds;
    memset(creds, 0, sizeof(*creds));
    *provider_out = &statics->base;
    return PS_OK;
}
