#include "cli/admin_call.h"
#include "cli/app.h"
#include "cli/output.h"

#include "base/str.h"
#include "serve/admin.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* uploads [ls | abort ID]: what runs and what interrupted runs have left, by the checkpoints of this machine. */

static void print_one(void *user, json_t *upload)
{
    const struct ps_app *app = user;
    const json_t *size = json_object_get(upload, "size_bytes");
    bool runs = json_is_true(json_object_get(upload, "running"));
    char done_text[16];
    char size_text[16];

    if (app->json) {
        (void)json_incref(upload);
        ps_output_json("upload", &upload);
        return;
    }
    (void)printf("%6" PRId64 "  %-10s %8s of %-8s  %s  ", ps_output_number(upload, "id"),
                 runs ? "running" : ps_output_string(upload, "state"),
                 ps_size_format((uint64_t)ps_output_number(upload, "done_bytes"), done_text,
                                sizeof(done_text)),
                 json_is_integer(size) ? ps_size_format((uint64_t)json_integer_value(size),
                                                        size_text, sizeof(size_text))
                                       : "stream",
                 ps_output_string(upload, "created"));
    ps_output_key(ps_output_string(upload, "url"));
    (void)putchar('\n');
}

static enum ps_exit list(struct ps_app *app)
{
    struct ps_admin_items items = { .name = "uploads", .each = print_one, .user = app };
    struct ps_admin_call call;
    struct ps_err err;
    enum ps_code code;

    ps_admin_call_init(&call, app, "GET", "/v1/uploads");
    code = ps_admin_call_each(&call, &items, &err);
    ps_admin_call_clear(&call);
    if (code != PS_OK) {
        return ps_app_fail(app, &err);
    }
    if (items.count == 0 && !app->json && !app->quiet) {
        (void)fprintf(stderr, "no interrupted uploads\n");
    }
    return PS_EXIT_DONE;
}

/* A flag about the store or its credentials means those of the command, which an agent does not have. */
static bool says_which_store(const struct ps_options *options)
{
    static const enum ps_option flags[] = {
        PS_OPT_ENDPOINT,  PS_OPT_REGION,    PS_OPT_PROFILE, PS_OPT_PATH_STYLE,
        PS_OPT_CA_BUNDLE, PS_OPT_SIGNATURE, PS_OPT_KIND,    PS_OPT_NETWORK,
    };

    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        if (options->values[flags[i]] != NULL && !options->from_env[flags[i]]) {
            return true;
        }
    }
    return false;
}

static enum ps_exit told_abort(struct ps_app *app, json_t *answer, const char *id)
{
    if (app->json) {
        json_t *object =
            json_pack("{s:s, s:s, s:O, s:O}", "command", "uploads", "what", "abort", "url",
                      json_object_get(answer, "url"), "count", json_object_get(answer, "count"));

        ps_output_json("result", &object);
    } else if (!app->quiet) {
        (void)fprintf(stderr, "aborted upload %s of %s\n", id, ps_output_string(answer, "url"));
    }
    json_decref(answer);
    return PS_EXIT_DONE;
}

static enum ps_exit abort_one(struct ps_app *app, const char *id)
{
    struct ps_admin_call call;
    json_t *answer = NULL;
    uint64_t number = 0;
    struct ps_err err;
    enum ps_code code;

    if (!ps_u64_parse(id, &number) || number == 0) {
        (void)ps_err_set(&err, PS_E_INVALID, "'%s' is no ID: see purser uploads ls", id);
        return ps_app_fail(app, &err);
    }
    ps_admin_call_init(&call, app, "POST", "/v1/abort");
    call.side = says_which_store(&app->options) ? PS_ADMIN_SIDE_HERE : PS_ADMIN_SIDE_ANY;
    ps_admin_call_add(&call, "id", id);
    code = ps_admin_call_run(&call, &answer, &err);
    ps_admin_call_clear(&call);
    if (code == PS_E_DENIED && call.side == PS_ADMIN_SIDE_AGENT &&
        strcmp(err.message, PS_ADMIN_LEVEL_MESSAGE) != 0) {
        app->mend = "the agent asked with its credentials; with --profile or --endpoint yours are "
                    "used";
    }
    return code == PS_OK ? told_abort(app, answer, id) : ps_app_fail(app, &err);
}

enum ps_exit ps_cmd_uploads(struct ps_app *app, const char **args, int arg_count)
{
    struct ps_err err;

    if (arg_count == 0 || (arg_count == 1 && strcmp(args[0], "ls") == 0)) {
        return list(app);
    }
    if (arg_count == 2 && strcmp(args[0], "abort") == 0) {
        return abort_one(app, args[1]);
    }
    (void)ps_err_set(&err, PS_E_INVALID,
                     "uploads: write `purser uploads ls` or `purser uploads abort ID`");
    return ps_app_fail(app, &err);
}
