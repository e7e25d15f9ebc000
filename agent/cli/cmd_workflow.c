#include "cli/app.h"
#include "cli/output.h"
#include "cli/reclaim_cli.h"

#include "base/str.h"
#include "state/artifact.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* workflow ls, workflow NS/NAME completed | deleted | cleared | running: events by hand. */

static bool print_one(void *user, const struct ps_workflow *workflow)
{
    struct ps_app *app = user;
    char finished[32];
    char deleted[32];

    (void)ps_output_time(workflow->finished_unix_s * 1000, finished);
    (void)ps_output_time(workflow->deleted_unix_s * 1000, deleted);
    if (app->json) {
        json_t *object = json_pack(
            "{s:o, s:o, s:o, s:o, s:o, s:s, s:s}", "namespace", ps_output_text(workflow->ns),
            "name", ps_output_text(workflow->name), "uid", ps_output_text(workflow->uid),
            "template", ps_output_text(workflow->template_name), "status",
            ps_output_text(workflow->status), "finished", finished, "deleted", deleted);

        ps_output_json("workflow", &object);
        return true;
    }
    (void)printf("%-12s %-20s ",
                 workflow->deleted_unix_s != 0 ? "deleted"
                 : workflow->status[0] != '\0' ? workflow->status
                                               : "-",
                 finished[0] != '\0' ? finished : "-");
    ps_output_key(workflow->ns);
    (void)putchar('/');
    ps_output_key(workflow->name);
    (void)printf("%s%s\n", workflow->uid[0] != '\0' ? "  " : "", workflow->uid);
    return true;
}

static enum ps_exit list(struct ps_app *app)
{
    struct ps_err err;
    struct ps_state *state = ps_app_open_state_to_read(app, &err);

    if (state == NULL || ps_workflow_each(state, print_one, app, &err) != PS_OK) {
        return ps_app_fail(app, &err);
    }
    return PS_EXIT_DONE;
}

static bool parse_event(const char *text, enum ps_reclaim_event *event_out)
{
    for (int i = PS_EVENT_COMPLETED; i <= PS_EVENT_CLEARED; i++) {
        if (strcmp(text, ps_reclaim_event_name((enum ps_reclaim_event)i)) == 0) {
            *event_out = (enum ps_reclaim_event)i;
            return true;
        }
    }
    *event_out = PS_EVENT_AGE; /* nothing ends: only the status changes */
    return strcmp(text, "running") == 0;
}

static enum ps_code check_status(const struct ps_app *app, enum ps_reclaim_event event,
                                 const char **status_out, struct ps_err *err)
{
    static const char *const names[] = { "Succeeded", "Failed", "Error" };
    const char *status = app->options.values[PS_OPT_STATUS];

    *status_out = event == PS_EVENT_AGE ? "Running" : "";
    if (event != PS_EVENT_COMPLETED && status == NULL) {
        return PS_OK;
    }
    for (size_t i = 0; i < 3 && status != NULL; i++) {
        if (strcmp(status, names[i]) == 0) {
            *status_out = names[i];
            return PS_OK;
        }
    }
    return ps_err_set(err, PS_E_INVALID,
                      status == NULL ? "completed needs --status Succeeded, Failed or Error"
                                     : "--status %s: it is one of Succeeded Failed Error",
                      status);
}

static enum ps_exit print_result(struct ps_app *app, const char *workflow, const char *event,
                                 size_t known_count, const struct ps_reclaim_counts *counts)
{
    if (app->json) {
        json_t *object = json_pack(
            "{s:s, s:o, s:s, s:b, s:I, s:I}", "command", "workflow", "workflow",
            ps_output_text(workflow), "event", event, "known", (int)(known_count > 0), "pending",
            (json_int_t)counts->pending_count, "due", (json_int_t)counts->due_count);

        ps_output_json("result", &object);
    } else if (!app->quiet) {
        if (known_count == 0) {
            (void)fprintf(stderr, "%s: nothing was recorded of it; the event is noted\n", workflow);
        }
        (void)fprintf(stderr,
                      "%s %s: %" PRIu64 " reclaims are pending in all, %" PRIu64 " of them due\n",
                      workflow, event, counts->pending_count, counts->due_count);
    }
    return PS_EXIT_DONE;
}

static enum ps_code report(struct ps_app *app, const char *text, const char *event_text,
                           size_t *known_out, struct ps_reclaim_counts *counts_out,
                           struct ps_err *err)
{
    struct ps_workflow workflow = { .uid = app->options.values[PS_OPT_UID],
                                    .template_name = app->options.values[PS_OPT_TEMPLATE] };
    struct ps_workflow_report report = { .workflow = &workflow };
    struct ps_plan_result planned = { 0 };
    struct ps_state *state = NULL;
    char *ns = NULL;
    char *name = NULL;
    enum ps_code code = PS_OK;

    if (!parse_event(event_text, &report.event)) {
        code = ps_err_set(err, PS_E_INVALID, "'%s' is none of completed, deleted, cleared, running",
                          event_text);
    }
    if (code == PS_OK) {
        code = ps_reclaim_split_workflow(text, &ns, &name, err);
    }
    if (code == PS_OK) {
        code = check_status(app, report.event, &workflow.status, err);
    }
    if (code == PS_OK) {
        code = ps_reclaim_now(app, &report.at_unix_s, err);
    }
    workflow.ns = ns;
    workflow.name = name;
    if (code == PS_OK) {
        state = ps_app_open_state(app, err);
        code = state != NULL ? ps_workflow_report(state, &report, 1, known_out, err) : err->code;
    }
    if (code == PS_OK) {
        ps_fault_point(&app->fault, "workflow.reported");
        code = ps_reclaim_plan_all(app, state, report.at_unix_s, &planned, err);
    }
    if (code == PS_OK) {
        code = ps_reclaim_count(state, report.at_unix_s, counts_out, err);
    }
    free(ns);
    free(name);
    return code;
}

enum ps_exit ps_cmd_workflow(struct ps_app *app, const char **args, int arg_count)
{
    struct ps_reclaim_counts counts = { 0 };
    size_t known_count = 0;
    struct ps_err err;

    if (arg_count == 1 && strcmp(args[0], "ls") == 0) {
        return list(app);
    }
    if (arg_count != 2) {
        (void)ps_err_set(&err, PS_E_INVALID,
                         "workflow: write `purser workflow NS/NAME completed --status Succeeded`, "
                         "or deleted, cleared, running; or `purser workflow ls`");
        return ps_app_fail(app, &err);
    }
    if (report(app, args[0], args[1], &known_count, &counts, &err) != PS_OK) {
        return ps_app_fail(app, &err);
    }
    return print_result(app, args[0], args[1], known_count, &counts);
}
