#include "serve/admin.h"

#include "base/str.h"
#include "serve/admin_change.h"
#include "serve/admin_route.h"
#include "serve/httpd.h"
#include "serve/json_text.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct ps_admin {
    uv_loop_t *loop;
    struct ps_httpd *httpd;
    const struct ps_log *log;
    const struct ps_admin_context *context;
};

static void send_json(struct ps_httpd_request *request, unsigned status, json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT | JSON_PRESERVE_ORDER);

    ps_httpd_add_header(request, PS_ADMIN_VERSION_HEADER, PURSER_VERSION);
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
    return code == PS_E_NOT_FOUND     ? 404
           : code == PS_E_INVALID     ? 422
           : code == PS_E_REFUSED     ? 422
           : code == PS_E_UNSUPPORTED ? 422
           : code == PS_E_LOCKED      ? 409
           : code == PS_E_DENIED      ? 403
                                      : 500;
}

static bool may_operate(const struct ps_httpd_request *request)
{
    uid_t uid = 0;
    pid_t pid = 0;

    return ps_httpd_peer(request, &uid, &pid) && (uid == geteuid() || uid == 0);
}

/* --- answered at once --- */

static void answer(struct ps_admin *admin, struct ps_httpd_request *request,
                   const struct ps_target *target, const struct ps_admin_route *route)
{
    json_t *json = NULL;
    struct ps_err err;
    enum ps_code code = ps_admin_route_answer(route, admin->context, target, &json, &err);

    if (route->kind == PS_ADMIN_OPERATE) {
        ps_log(admin->log, PS_LOG_INFO, "admin", "%s: %s", route->path,
               code == PS_OK ? "done" : err.message);
    }
    if (code != PS_OK) {
        send_error(request, status_of(code), code, err.message);
    } else {
        send_json(request, 200, json);
    }
}

/* --- changes: the request waits for the end; a client that goes does not undo it --- */

struct waiting {
    struct ps_admin *admin;
    struct ps_httpd_request *request;
    const struct ps_admin_route *route;
    struct ps_admin_change *change;
};

static void on_changed(void *user, json_t *json, const struct ps_err *err)
{
    struct waiting *waiting = user;

    waiting->change = NULL;
    ps_log(waiting->admin->log, PS_LOG_INFO, "admin", "%s: %s", waiting->route->path,
           err == NULL ? "done" : err->message);
    if (err != NULL) {
        send_error(waiting->request, status_of(err->code), err->code, err->message);
    } else {
        send_json(waiting->request, 200, json_incref(json));
    }
}

static enum ps_code start_change(struct waiting *waiting, const struct ps_target *target,
                                 struct ps_err *err)
{
    const struct ps_admin_change_options options = {
        .loop = waiting->admin->loop,
        .context = waiting->admin->context,
        .why = "by the admin socket",
        .done = on_changed,
        .user = waiting,
    };

    return ps_admin_change_ask(&waiting->change, &options, waiting->route, target, err);
}

static void change(struct ps_admin *admin, struct ps_httpd_request *request,
                   const struct ps_target *target, const struct ps_admin_route *route)
{
    struct waiting *waiting = calloc(1, sizeof(*waiting));
    struct ps_err err;

    if (waiting == NULL) {
        send_error(request, 500, PS_E_NO_MEMORY, "out of memory");
        return;
    }
    *waiting = (struct waiting){ .admin = admin, .request = request, .route = route };
    if (start_change(waiting, target, &err) == PS_OK) {
        ps_httpd_set_data(request, waiting);
        return;
    }
    free(waiting);
    send_error(request, status_of(err.code), err.code, err.message);
}

/* --- requests --- */

static void serve(struct ps_admin *admin, struct ps_httpd_request *request,
                  const struct ps_target *target)
{
    const struct ps_admin_route *route = ps_admin_route_find(target->path);
    bool reads = route != NULL && route->kind == PS_ADMIN_READ;

    if (route == NULL) {
        send_error(request, 404, PS_E_UNSUPPORTED, "nothing is here");
    } else if (strcmp(ps_httpd_method(request), reads ? "GET" : "POST") != 0) {
        send_error(request, 405, PS_E_INVALID, reads ? "only GET" : "only POST");
    } else if (!reads && !may_operate(request)) {
        send_error(request, 403, PS_E_DENIED, PS_ADMIN_LEVEL_MESSAGE);
    } else if (route->kind == PS_ADMIN_CHANGE) {
        change(admin, request, target, route);
    } else {
        answer(admin, request, target, route);
    }
}

static void on_request(void *user, struct ps_httpd_request *request)
{
    struct ps_target target = { 0 };
    struct ps_err err;

    if (ps_target_parse(ps_httpd_target(request), &target, &err) != PS_OK) {
        send_error(request, 400, err.code, err.message);
        return;
    }
    serve(user, request, &target);
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
