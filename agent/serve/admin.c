#include "serve/admin.h"

#include "base/str.h"
#include "serve/admin_reclaims.h"
#include "serve/httpd.h"
#include "serve/json_text.h"
#include "serve/target.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct ps_admin {
    uv_loop_t *loop;
    struct ps_httpd *httpd;
    const struct ps_log *log;
    const struct ps_admin_context *context;
};

typedef enum ps_code (*handle_fn)(const struct ps_admin_context *context,
                                  const struct ps_target *target, json_t **json_out,
                                  struct ps_err *err);

/* The handlers that the page has too take no arguments. */
#define WITHOUT_ARGS(name)                                                                         \
    static enum ps_code name(const struct ps_admin_context *context,                               \
                             const struct ps_target *target, json_t **json_out,                    \
                             struct ps_err *err)                                                   \
    {                                                                                              \
        (void)target;                                                                              \
        return ps_admin_##name(context, json_out, err);                                            \
    }

WITHOUT_ARGS(status)
WITHOUT_ARGS(uploads)
WITHOUT_ARGS(streams)
WITHOUT_ARGS(reclaims)
WITHOUT_ARGS(decisions)

static enum ps_code explain(const struct ps_admin_context *context, const struct ps_target *target,
                            json_t **json_out, struct ps_err *err)
{
    const char *url = ps_target_arg(target, "url");

    if (url == NULL || url[0] == '\0') {
        return ps_err_set(err, PS_E_INVALID, "url=: write s3://BUCKET/KEY");
    }
    return context->explain(context->user, url, json_out, err);
}

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

static const struct route {
    const char *path;
    bool operates; /* POST */
    handle_fn handle;
} routes[] = {
    { "/v1/status", false, status },       { "/v1/uploads", false, uploads },
    { "/v1/streams", false, streams },     { "/v1/explain", false, explain },
    { "/v1/policy", false, policy },       { "/v1/reload", true, reload },
    { "/v1/drain", true, drain },          { "/v1/reclaims", false, reclaims },
    { "/v1/decisions", false, decisions },
};

static void send_json(struct ps_httpd_request *request, unsigned status, json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT | JSON_PRESERVE_ORDER);

    ps_httpd_send_text(request, status, "application/json", text != NULL ? text : "{}",
                       text != NULL ? strlen(text) : 2);
    free(text);
    json_decref(json);
}

static void send_error(struct ps_httpd_request *request, unsigned status, enum ps_code code,
                       const char *message)
{
    send_json(request, status,
              json_pack("{s:{s:s, s:o}}", "error", "code", ps_code_name(code), "message",
                        ps_json_text(message)));
}

static unsigned status_of(enum ps_code code)
{
    return code == PS_E_NOT_FOUND ? 404
           : code == PS_E_INVALID ? 422
           : code == PS_E_REFUSED ? 422
           : code == PS_E_LOCKED  ? 409
           : code == PS_E_DENIED  ? 403
                                  : 500;
}

static bool may_operate(const struct ps_httpd_request *request)
{
    uid_t uid = 0;
    pid_t pid = 0;

    return ps_httpd_peer(request, &uid, &pid) && (uid == geteuid() || uid == 0);
}

static void serve(struct ps_admin *admin, struct ps_httpd_request *request,
                  const struct ps_target *target, const struct route *route)
{
    json_t *json = NULL;
    struct ps_err err;
    enum ps_code code;

    if (strcmp(ps_httpd_method(request), route->operates ? "POST" : "GET") != 0) {
        send_error(request, 405, PS_E_INVALID, route->operates ? "only POST" : "only GET");
        return;
    }
    if (route->operates && !may_operate(request)) {
        send_error(request, 403, PS_E_DENIED, "only the agent's user and root may do this");
        return;
    }
    code = route->handle(admin->context, target, &json, &err);
    if (code == PS_OK && json == NULL) {
        code = ps_err_set(&err, PS_E_NO_MEMORY, "out of memory");
    }
    if (route->operates) {
        ps_log(admin->log, PS_LOG_INFO, "admin", "%s: %s", route->path,
               code == PS_OK ? "done" : err.message);
    }
    if (code != PS_OK) {
        send_error(request, status_of(code), code, err.message);
    } else {
        send_json(request, 200, json);
    }
}

/* The request of a change waits for its end; a client that goes does not undo it. */
struct waiting {
    struct ps_httpd_request *request;
    struct ps_admin_change *change;
};

static void on_changed(void *user, const struct ps_err *err)
{
    struct waiting *waiting = user;

    waiting->change = NULL;
    if (err != NULL) {
        send_error(waiting->request, status_of(err->code), err->code, err->message);
    } else {
        send_json(waiting->request, 200, json_object());
    }
}

static void change(struct ps_admin *admin, struct ps_httpd_request *request,
                   enum ps_admin_verb verb, const char *url)
{
    struct waiting *waiting = calloc(1, sizeof(*waiting));
    struct ps_err err;

    if (strcmp(ps_httpd_method(request), "POST") != 0) {
        send_error(request, 405, PS_E_INVALID, "only POST");
    } else if (!may_operate(request)) {
        send_error(request, 403, PS_E_DENIED, "only the agent's user and root may do this");
    } else if (waiting == NULL) {
        send_error(request, 500, PS_E_NO_MEMORY, "out of memory");
    } else {
        waiting->request = request;
        if (ps_admin_change_start(&waiting->change, admin->loop, admin->context, verb, url,
                                  "the admin socket", on_changed, waiting, &err) == PS_OK) {
            ps_httpd_set_data(request, waiting);
            return;
        }
        send_error(request, status_of(err.code), err.code, err.message);
    }
    free(waiting);
}

static void on_request(void *user, struct ps_httpd_request *request)
{
    struct ps_admin *admin = user;
    struct ps_target target = { 0 };
    struct ps_err err;
    const struct route *found = NULL;
    enum ps_admin_verb verb;

    if (ps_target_parse(ps_httpd_target(request), &target, &err) != PS_OK) {
        send_error(request, 400, err.code, err.message);
        return;
    }
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        if (strcmp(routes[i].path, target.path) == 0) {
            found = &routes[i];
        }
    }
    if (found != NULL) {
        serve(admin, request, &target, found);
    } else if (ps_str_has_prefix(target.path, "/v1/") &&
               ps_admin_verb_parse(target.path + strlen("/v1/"), &verb)) {
        change(admin, request, verb, ps_target_arg(&target, "url"));
    } else {
        send_error(request, 404, PS_E_NOT_FOUND, "nothing is here");
    }
    ps_target_clear(&target);
}

static void on_end(void *user, struct ps_httpd_request *request)
{
    struct waiting *waiting = ps_httpd_data(request);

    (void)user;
    if (waiting != NULL) {
        ps_admin_change_abandon(waiting->change);
        free(waiting);
    }
}

enum ps_code ps_admin_new(struct ps_admin **admin_out, uv_loop_t *loop, const struct ps_log *log,
                          const char *path, const struct ps_admin_context *context,
                          struct ps_err *err)
{
    struct ps_admin *admin = calloc(1, sizeof(*admin));
    char *listen = ps_str_format("unix:%s", path);
    struct ps_httpd_options options = {
        .loop = loop,
        .log = log,
        .name = "admin",
        .listen = listen,
        .header_limit_bytes = (size_t)16 * 1024,
        .connections_max = 64,
        .header_timeout_ms = 30000,
        .stall_timeout_ms = 30000,
        .on_request = on_request,
        .on_end = on_end,
        .user = admin,
    };
    enum ps_code code;

    if (admin == NULL || listen == NULL) {
        free(admin);
        free(listen);
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    admin->loop = loop;
    admin->log = log;
    admin->context = context;
    code = ps_httpd_new(&admin->httpd, &options, err);
    free(listen);
    if (code != PS_OK) {
        ps_admin_free(admin);
        return code;
    }
    *admin_out = admin;
    return PS_OK;
}

void ps_admin_free(struct ps_admin *admin)
{
    if (admin != NULL) {
        ps_httpd_free(admin->httpd);
        free(admin);
    }
}
