#include "cli/admin_call.h"

#include "base/encode.h"
#include "base/str.h"
#include "cli/admin_socket.h"
#include "cli/policies.h"
#include "cli/reclaim_cli.h"
#include "serve/admin_change.h"
#include "serve/admin_client.h"
#include "serve/admin_list.h"
#include "serve/admin_route.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** Until a whole answer is there. Lower: a busy agent is given up. Higher: a command hangs for longer on one that is stopped. */
#define READ_TIMEOUT_MS 10000
/** The same for a change: it may test policies, write to a slow disk or ask a store. */
#define CHANGE_TIMEOUT_MS 60000

/* --- the question --- */

enum ps_admin_side ps_admin_call_policy_side(const struct ps_app *app)
{
    bool written = app->options.values[PS_OPT_POLICY_PATH] != NULL &&
                   !app->options.from_env[PS_OPT_POLICY_PATH];

    return written ? PS_ADMIN_SIDE_HERE : PS_ADMIN_SIDE_ANY;
}

void ps_admin_call_init(struct ps_admin_call *call, struct ps_app *app, const char *method,
                        const char *path)
{
    *call = (struct ps_admin_call){ .app = app, .method = method };
    ps_buf_init(&call->path, 0);
    call->code = ps_buf_append_str(&call->path, path, NULL);
}

void ps_admin_call_clear(struct ps_admin_call *call)
{
    ps_buf_clear(&call->path);
}

static enum ps_code append_arg(struct ps_buf *path, const char *name, const char *value)
{
    const char *separator = strchr(ps_buf_peek(path), '?') == NULL ? "?" : "&";
    enum ps_code code = ps_buf_append_str(path, separator, NULL);

    if (code == PS_OK) {
        code = ps_buf_append_str(path, name, NULL);
    }
    if (code == PS_OK) {
        code = ps_buf_append_str(path, "=", NULL);
    }
    return code == PS_OK ? ps_uri_encode(path, value, PS_URI_KEEP_NONE, NULL) : code;
}

void ps_admin_call_add(struct ps_admin_call *call, const char *name, const char *value)
{
    if (value != NULL && call->code == PS_OK) {
        call->code = append_arg(&call->path, name, value);
    }
}

void ps_admin_call_add_number(struct ps_admin_call *call, const char *name, int64_t value)
{
    char text[32];

    (void)snprintf(text, sizeof(text), "%" PRId64, value);
    ps_admin_call_add(call, name, text);
}

enum ps_code ps_admin_call_add_now(struct ps_admin_call *call, struct ps_err *err)
{
    int64_t now_unix_s = 0;
    enum ps_code code = ps_reclaim_now(call->app, &now_unix_s, err);

    if (code == PS_OK && call->app->options.values[PS_OPT_NOW] != NULL) {
        ps_admin_call_add_number(call, "now_unix_s", now_unix_s);
    }
    return code;
}

/* --- answered here --- */

static struct ps_reclaim_rules rules(void *user)
{
    return ps_reclaim_app_rules(user);
}

static json_t *policies(void *user)
{
    return ps_policies_json(user);
}

struct changing {
    json_t *json;
    struct ps_err err; /* code PS_OK = none */
    bool done;
};

static void on_changed(void *user, json_t *answer, const struct ps_err *err)
{
    struct changing *changing = user;

    changing->json = json_incref(answer);
    if (err != NULL) {
        changing->err = *err;
    }
    changing->done = true;
}

static enum ps_code change_here(const struct ps_admin_route *route,
                                const struct ps_admin_context *context,
                                const struct ps_target *target, json_t **json_out,
                                struct ps_err *err)
{
    struct ps_app *app = context->user;
    struct changing changing = { .done = false };
    const struct ps_admin_change_options options = {
        .loop = app->loop,
        .context = context,
        .why = "by hand",
        .done = on_changed,
        .user = &changing,
    };
    struct ps_admin_change *change = NULL;
    enum ps_code code = ps_admin_change_ask(&change, &options, route, target, err);

    if (code != PS_OK) {
        return code;
    }
    ps_app_run_until(app, &changing.done);
    if (changing.err.code != PS_OK) {
        *err = changing.err;
        return err->code;
    }
    *json_out = changing.json;
    return PS_OK;
}

/* An agent has both already. */
static enum ps_code open_parts(struct ps_app *app, const struct ps_admin_route *route,
                               struct ps_err *err)
{
    const struct ps_state *state = NULL;
    enum ps_code code = app->policies == NULL ? ps_policies_load(app, err) : PS_OK;

    if (code != PS_OK || !route->of_state) {
        return code;
    }
    state = route->kind == PS_ADMIN_READ ? ps_app_open_state_to_read(app, err)
                                         : ps_app_open_state(app, err);
    return state != NULL ? PS_OK : err->code;
}

static enum ps_code answer_here(struct ps_app *app, const char *path, json_t **json_out,
                                struct ps_err *err)
{
    struct ps_target target = { 0 };
    const struct ps_admin_route *route = NULL;
    struct ps_admin_context context = {
        .clock = app->clock,
        .policy_digest = app->policy_digest,
        .rules = rules,
        .policies = policies,
        .user = app,
        .opener = ps_reclaim_app_opener(app),
    };
    enum ps_code code = ps_target_parse(path, &target, err);

    if (code == PS_OK) {
        route = ps_admin_route_find(target.path);
        code = route != NULL && route->kind != PS_ADMIN_OPERATE
                   ? open_parts(app, route, err)
                   : ps_err_set(err, PS_E_BUG, "%s: is answered by agents only", target.path);
    }
    context.state = app->state;
    if (code == PS_OK && route->kind == PS_ADMIN_CHANGE) {
        code = change_here(route, &context, &target, json_out, err);
    } else if (code == PS_OK) {
        code = ps_admin_route_answer(route, &context, &target, json_out, err);
    }
    ps_target_clear(&target);
    return code;
}

/* --- asking --- */

static enum ps_code ask_agent(struct ps_admin_call *call, const char *path, json_t **json_out,
                              struct ps_err *err)
{
    struct ps_app *app = call->app;
    char *socket_path = ps_admin_socket_path(app, err);
    const struct ps_admin_question question = {
        .http = app->factory.http,
        .loop = app->loop,
        .socket_path = socket_path,
        .method = call->method,
        .path = path,
        .timeout_ms = strcmp(call->method, "GET") == 0 ? READ_TIMEOUT_MS : CHANGE_TIMEOUT_MS,
    };
    enum ps_admin_reach reach = PS_ADMIN_SILENT;
    enum ps_code code =
        socket_path != NULL ? ps_admin_ask(&question, json_out, &reach, err) : err->code;

    free(socket_path);
    if (reach == PS_ADMIN_SILENT && (code == PS_E_TEMPORARY || code == PS_E_UNKNOWN_OUTCOME)) {
        app->mend = "is it stopped, or too busy? its log may say";
    }
    if (call->side == PS_ADMIN_SIDE_ANY) {
        call->side = reach != PS_ADMIN_NOBODY ? PS_ADMIN_SIDE_AGENT : PS_ADMIN_SIDE_HERE;
    }
    return code;
}

static enum ps_code ask(struct ps_admin_call *call, const char *path, json_t **json_out,
                        struct ps_err *err)
{
    if (call->side != PS_ADMIN_SIDE_HERE) {
        enum ps_code code = ask_agent(call, path, json_out, err);

        if (call->side != PS_ADMIN_SIDE_HERE) {
            return code;
        }
    }
    return answer_here(call->app, path, json_out, err);
}

enum ps_code ps_admin_call_run(struct ps_admin_call *call, json_t **json_out, struct ps_err *err)
{
    if (call->code != PS_OK) {
        return ps_err_set(err, call->code, "the question does not fit into memory");
    }
    return ask(call, ps_buf_peek(&call->path), json_out, err);
}

/* --- lists --- */

static enum ps_code ask_page(struct ps_admin_call *call, const char *after, uint64_t limit,
                             json_t **json_out, struct ps_err *err)
{
    const char *path = ps_buf_peek(&call->path);
    char *text =
        ps_str_format("%s%slimit=%" PRIu64 "%s%s", path, strchr(path, '?') != NULL ? "&" : "?",
                      limit, after != NULL ? "&after=" : "", after != NULL ? after : "");
    enum ps_code code = call->code == PS_OK && text != NULL
                            ? ask(call, text, json_out, err)
                            : ps_err_set(err, PS_E_NO_MEMORY, "out of memory");

    free(text);
    return code;
}

/* The items of one page; *after is where the next one begins, NULL = nowhere. */
static enum ps_code take_page(struct ps_admin_items *items, const json_t *page, char **after,
                              struct ps_err *err)
{
    const json_t *list = json_object_get(page, items->name);
    const char *next = json_string_value(json_object_get(page, "next"));
    json_t *item;
    size_t i;

    if (!json_is_array(list)) {
        return ps_err_set(err, PS_E_UNSUPPORTED,
                          "the agent's answer has no list of %s: is it of another version?",
                          items->name);
    }
    json_array_foreach(list, i, item)
    {
        items->each(items->user, item);
    }
    items->count += json_array_size(list);
    free(*after);
    *after = next != NULL ? ps_strdup(next) : NULL;
    return next == NULL || *after != NULL ? PS_OK
                                          : ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
}

enum ps_code ps_admin_call_each(struct ps_admin_call *call, struct ps_admin_items *items,
                                struct ps_err *err)
{
    char *after = NULL;
    enum ps_code code;

    items->count = 0;
    do {
        uint64_t left = items->count_max != 0 ? items->count_max - items->count : PS_ADMIN_PAGE_MAX;
        json_t *page = NULL;

        code =
            ask_page(call, after, left < PS_ADMIN_PAGE_MAX ? left : PS_ADMIN_PAGE_MAX, &page, err);
        if (code == PS_OK) {
            code = take_page(items, page, &after, err);
        }
        json_decref(page);
    } while (code == PS_OK && after != NULL &&
             (items->count_max == 0 || items->count < items->count_max));
    items->more = after != NULL;
    free(after);
    return code;
}
