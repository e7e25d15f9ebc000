#include "cli/app.h"

#include "base/str.h"
#include "cli/admin_socket.h"
#include "cli/output.h"
#include "serve/admin_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* status, reload, drain: questions to the agent. Without one, status tells what the state directory has. */

static int64_t number(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

static const char *text(const json_t *object, const char *name)
{
    const char *value = json_string_value(json_object_get(object, name));

    return value != NULL ? value : "";
}

static const char *size_text(const json_t *object, const char *name, char *into)
{
    return ps_size_format((uint64_t)number(object, name), into, 16);
}

static void print_gateway(const json_t *gateway)
{
    char sent[16];
    char reserved[16];

    (void)printf("gateway   %s\n", text(gateway, "address"));
    (void)printf("          %" PRId64 " streams, %s of memory; %" PRId64 " requests, %s sent\n",
                 number(gateway, "streams"), size_text(gateway, "reserved_bytes", reserved),
                 number(gateway, "requests"), size_text(gateway, "sent_bytes", sent));
    (void)printf("          %" PRId64 " verified, %" PRId64 " cut (%" PRId64
                 " by a checksum), %" PRId64 " put off\n",
                 number(gateway, "verified"), number(gateway, "cut"), number(gateway, "corrupt"),
                 number(gateway, "busy"));
}

static void print_status(const json_t *status)
{
    const json_t *uploads = json_object_get(status, "uploads");
    const char *digest = text(status, "policy_digest");

    if (json_is_true(json_object_get(status, "running"))) {
        (void)printf("agent     %s, pid %" PRId64 ", up %" PRId64 " s\n", text(status, "version"),
                     number(status, "pid"), number(status, "up_s"));
        print_gateway(json_object_get(status, "gateway"));
    } else {
        (void)printf("agent     none runs\n");
    }
    (void)printf("policies  %s\n", digest[0] != '\0' ? digest : "built-in");
    (void)printf("uploads   %" PRId64 " running, %" PRId64 " interrupted\n",
                 number(uploads, "running"), number(uploads, "interrupted"));
}

/* The same handler as the agent's, on what is on the disk. */
static enum ps_code status_without_agent(struct ps_app *app, json_t **json_out, struct ps_err *err)
{
    struct ps_admin_context context = {
        .clock = app->clock,
        .policy_digest = app->policy_digest,
    };

    context.state = ps_app_open_state(app, err);
    return context.state != NULL ? ps_admin_status(&context, json_out, err) : err->code;
}

enum ps_exit ps_cmd_status(struct ps_app *app, const char **args, int arg_count)
{
    json_t *status = NULL;
    struct ps_err err;
    enum ps_code code = ps_admin_socket_ask(app, "GET", "/v1/status", &status, &err);

    (void)args;
    (void)arg_count;
    if (code == PS_E_NOT_FOUND) {
        code = status_without_agent(app, &status, &err);
    }
    if (code != PS_OK) {
        return ps_app_fail(app, &err);
    }
    if (app->json) {
        ps_output_json("status", &status);
    } else {
        print_status(status);
        json_decref(status);
    }
    return PS_EXIT_DONE;
}

enum ps_exit ps_cmd_reload(struct ps_app *app, const char **args, int arg_count)
{
    json_t *answer = NULL;
    struct ps_err err;

    (void)args;
    (void)arg_count;
    if (ps_admin_socket_ask(app, "POST", "/v1/reload", &answer, &err) != PS_OK) {
        return ps_app_fail(app, &err);
    }
    if (app->json) {
        ps_output_json("result", &answer);
        return PS_EXIT_DONE;
    }
    if (!app->quiet) {
        (void)fprintf(stderr, "policies %s are in force\n", text(answer, "policy_digest"));
    }
    json_decref(answer);
    return PS_EXIT_DONE;
}

enum ps_exit ps_cmd_drain(struct ps_app *app, const char **args, int arg_count)
{
    json_t *answer = NULL;
    struct ps_err err;

    (void)args;
    (void)arg_count;
    if (ps_admin_socket_ask(app, "POST", "/v1/drain", &answer, &err) != PS_OK) {
        return ps_app_fail(app, &err);
    }
    json_decref(answer);
    if (!app->quiet) {
        (void)fprintf(stderr, "the agent ends when what it sends is sent\n");
    }
    return PS_EXIT_DONE;
}
