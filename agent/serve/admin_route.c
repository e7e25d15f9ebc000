#include "serve/admin_route.h"

#include "serve/admin_explain.h"
#include "serve/admin_reclaims.h"

#include <string.h>

static enum ps_code policy(const struct ps_admin_context *context, const struct ps_target *target,
                           json_t **json_out, struct ps_err *err)
{
    (void)target;
    (void)err;
    *json_out = context->policies(context->user);
    return PS_OK;
}

static enum ps_code reload(const struct ps_admin_context *context, const struct ps_target *target,
                           json_t **json_out, struct ps_err *err)
{
    enum ps_code code = context->reload(context->user, err);

    (void)target;
    if (code == PS_OK) {
        *json_out = json_pack("{s:s}", "policy_digest", context->policy_digest);
    }
    return code;
}

static enum ps_code drain(const struct ps_admin_context *context, const struct ps_target *target,
                          json_t **json_out, struct ps_err *err)
{
    (void)target;
    (void)err;
    context->drain(context->user);
    *json_out = json_object();
    return PS_OK;
}

static const struct ps_admin_route routes[] = {
    { "/v1/status", PS_ADMIN_READ, true, ps_admin_status, { NULL } },
    { "/v1/uploads", PS_ADMIN_READ, true, ps_admin_uploads, { "after", "limit" } },
    { "/v1/streams", PS_ADMIN_READ, false, ps_admin_streams, { NULL } },
    { "/v1/explain", PS_ADMIN_READ, true, ps_admin_explain, { "url", "now_unix_s" } },
    { "/v1/policy", PS_ADMIN_READ, false, policy, { NULL } },
    { "/v1/reclaims",
      PS_ADMIN_READ,
      true,
      ps_admin_reclaims,
      { "prefix", "due_max_unix_s", "now_unix_s", "after", "limit" } },
    { "/v1/holds", PS_ADMIN_READ, true, ps_admin_holds, { "after", "limit" } },
    { "/v1/decisions",
      PS_ADMIN_READ,
      true,
      ps_admin_decisions,
      { "since_unix_ms", "after", "limit" } },
    { "/v1/reload", PS_ADMIN_OPERATE, false, reload, { NULL } },
    { "/v1/drain", PS_ADMIN_OPERATE, false, drain, { NULL } },
    { "/v1/hold", PS_ADMIN_CHANGE, true, NULL, { "url", "until_unix_s", "now_unix_s", "why" } },
    { "/v1/release", PS_ADMIN_CHANGE, true, NULL, { "url", "now_unix_s" } },
    { "/v1/cancel", PS_ADMIN_CHANGE, true, NULL, { "url", "now_unix_s", "why" } },
    { "/v1/plan", PS_ADMIN_CHANGE, true, NULL, { NULL } },
    { "/v1/abort", PS_ADMIN_CHANGE, true, NULL, { "id" } },
};

const struct ps_admin_route *ps_admin_route_find(const char *path)
{
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        if (strcmp(routes[i].path, path) == 0) {
            return &routes[i];
        }
    }
    return NULL;
}

static bool takes(const struct ps_admin_route *route, const char *name)
{
    for (size_t i = 0; i < PS_ADMIN_ARGS_MAX && route->args[i] != NULL; i++) {
        if (strcmp(route->args[i], name) == 0) {
            return true;
        }
    }
    return false;
}

enum ps_code ps_admin_route_check(const struct ps_admin_route *route,
                                  const struct ps_target *target, struct ps_err *err)
{
    for (size_t i = 0; i < target->arg_count; i++) {
        if (!takes(route, target->names[i])) {
            return ps_err_set(err, PS_E_UNSUPPORTED, "%s: takes no argument '%.64s'", route->path,
                              target->names[i]);
        }
    }
    return PS_OK;
}

enum ps_code ps_admin_route_answer(const struct ps_admin_route *route,
                                   const struct ps_admin_context *context,
                                   const struct ps_target *target, json_t **json_out,
                                   struct ps_err *err)
{
    json_t *json = NULL;
    enum ps_code code = ps_admin_route_check(route, target, err);

    if (code == PS_OK) {
        code = route->answer(context, target, &json, err);
    }
    if (code == PS_OK && json == NULL) {
        code = ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    if (code == PS_OK) {
        *json_out = json;
    }
    return code;
}
