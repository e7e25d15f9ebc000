#include "cli/app.h"

#include "base/str.h"
#include "cli/admin_call.h"
#include "cli/output.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* status, reload, drain. Without an agent, status tells what the state directory has. */

static const char *size_text(const json_t *object, const char *name, char *into)
{
    return ps_size_format((uint64_t)ps_output_number(object, name), into, 16);
}

static void print_gateway(const json_t *gateway)
{
    char sent[16];
    char reserved[16];

    (void)printf("gateway   %s\n", ps_output_string(gateway, "address"));
    (void)printf("          %" PRId64 " streams, %s of memory; %" PRId64 " requests, %s sent\n",
                 ps_output_number(gateway, "streams"),
                 size_text(gateway, "reserved_bytes", reserved),
                 ps_output_number(gateway, "requests"), size_text(gateway, "sent_bytes", sent));
    (void)printf("          %" PRId64 " verified, %" PRId64 " cut (%" PRId64
                 " by a checksum), %" PRId64 " put off\n",
                 ps_output_number(gateway, "verified"), ps_output_number(gateway, "cut"),
                 ps_output_number(gateway, "corrupt"), ps_output_number(gateway, "busy"));
}

static void print_status(const json_t *status)
{
    const json_t *uploads = json_object_get(status, "uploads");
    const char *digest = ps_output_string(status, "policy_digest");

    if (json_is_true(json_object_get(status, "running"))) {
        (void)printf("agent     %s, pid %" PRId64 ", up %" PRId64 " s\n",
                     ps_output_string(status, "version"), ps_output_number(status, "pid"),
                     ps_output_number(status, "up_s"));
        print_gateway(json_object_get(status, "gateway"));
    } else {
        (void)printf("agent     none runs\n");
    }
    (void)printf("policies  %s\n", digest[0] != '\0' ? digest : "built-in");
    (void)printf("uploads   %" PRId64 " running, %" PRId64 " interrupted\n",
                 ps_output_number(uploads, "running"), ps_output_number(uploads, "interrupted"));
}

enum ps_exit ps_cmd_status(struct ps_app *app, const char **args, int arg_count)
{
    struct ps_admin_call call;
    json_t *status = NULL;
    struct ps_err err;
    enum ps_code code;

    (void)args;
    (void)arg_count;
    ps_admin_call_init(&call, app, "GET", "/v1/status");
    code = ps_admin_call_run(&call, &status, &err);
    ps_admin_call_clear(&call);
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

/* What only an agent can do. */
static enum ps_code have_done(struct ps_app *app, const char *path, json_t **answer_out,
                              struct ps_err *err)
{
    struct ps_admin_call call;
    enum ps_code code;

    ps_admin_call_init(&call, app, "POST", path);
    call.side = PS_ADMIN_SIDE_AGENT;
    code = ps_admin_call_run(&call, answer_out, err);
    ps_admin_call_clear(&call);
    return code;
}

enum ps_exit ps_cmd_reload(struct ps_app *app, const char **args, int arg_count)
{
    json_t *answer = NULL;
    struct ps_err err;

    (void)args;
    (void)arg_count;
    if (have_done(app, "/v1/reload", &answer, &err) != PS_OK) {
        return ps_app_fail(app, &err);
    }
    if (app->json) {
        ps_output_json("result", &answer);
        return PS_EXIT_DONE;
    }
    if (!app->quiet) {
        (void)fprintf(stderr, "policies %s are in force\n",
                      ps_output_string(answer, "policy_digest"));
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
    if (have_done(app, "/v1/drain", &answer, &err) != PS_OK) {
        return ps_app_fail(app, &err);
    }
    json_decref(answer);
    if (!app->quiet) {
        (void)fprintf(stderr, "the agent ends when what it sends is sent\n");
    }
    return PS_EXIT_DONE;
}
