#include "cli/admin_call.h"
#include "cli/app.h"
#include "cli/output.h"
#include "cli/reclaim_cli.h"

#include "base/str.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* explain URL: the record, every policy asked and its answer, who won, and what would change it. */

static const char *or_dash(const char *text)
{
    return text[0] != '\0' ? text : "-";
}

static const char *or_builtin(const char *digest)
{
    return digest[0] != '\0' ? digest : "built-in";
}

static const char *member(const json_t *object, const char *name)
{
    return ps_output_string(object, name);
}

static void print_line(const char *label, const char *value)
{
    if (value[0] != '\0') {
        (void)printf("  %-14s %s\n", label, value);
    }
}

/* --- the record --- */

static void print_labels(const json_t *labels)
{
    void *at = json_object_iter((json_t *)(uintptr_t)labels); /* jansson 2.14: not const */
    const char *label = "labels";

    for (; at != NULL; at = json_object_iter_next((json_t *)(uintptr_t)labels, at)) {
        (void)printf("  %-14s %s=%s\n", label, json_object_iter_key(at),
                     json_string_value(json_object_iter_value(at)));
        label = "";
    }
}

static void print_record(const json_t *record)
{
    const json_t *size = json_object_get(record, "size_bytes");
    const char *uid = member(record, "workflow_uid");
    char size_text[16] = "-";

    if (json_is_integer(size)) {
        (void)ps_size_format((uint64_t)json_integer_value(size), size_text, sizeof(size_text));
    }
    (void)printf("artifact %" PRId64 "\n  %-14s %s, ETag %s\n", ps_output_number(record, "number"),
                 "object", size_text, or_dash(member(record, "etag")));
    print_line("created", member(record, "created"));
    (void)printf("  %-14s %s\n", "strategy", or_dash(member(record, "strategy")));
    print_labels(json_object_get(record, "labels"));
    if (json_is_string(json_object_get(record, "workflow"))) {
        (void)printf("  %-14s %s%s%s, %s\n", "workflow", member(record, "workflow"),
                     uid[0] != '\0' ? " " : "", uid, or_dash(member(record, "workflow_status")));
        print_line("finished", member(record, "workflow_finished"));
        print_line("deleted", member(record, "workflow_deleted"));
    }
}

/* --- the answers --- */

static void print_answer(const json_t *answer)
{
    const json_t *after_s = json_object_get(answer, "after_s");
    const char *reason = member(answer, "reason");
    const char *where = member(answer, "where");
    char after[32] = "";

    if (json_is_integer(after_s)) {
        (void)ps_reclaim_span(json_integer_value(after_s), after);
    }
    (void)printf("    %-16s %-8s%s%s%s%s\n", member(answer, "policy"),
                 json_is_true(json_object_get(answer, "nil")) ? "nil" : member(answer, "action"),
                 after[0] != '\0' ? " after " : "", after, reason[0] != '\0' ? ": " : "", reason);
    if (where[0] != '\0') {
        (void)printf("      %s%s\n", where,
                     json_is_true(json_object_get(answer, "faulty")) ? " FAULT: kept" : "");
    }
}

static void print_answers(const json_t *record)
{
    json_t *answer;
    size_t i;

    (void)printf("  %-14s event '%s', clock %s, policies %s\n", "asked", member(record, "event"),
                 member(record, "now"), or_builtin(member(record, "digest")));
    json_array_foreach(json_object_get(record, "answers"), i, answer)
    {
        print_answer(answer);
    }
}

/* --- the verdict --- */

static void print_plan(const json_t *record)
{
    if (member(record, "state")[0] == '\0') {
        (void)printf("  %-14s nothing is planned\n", "on record");
        return;
    }
    (void)printf("  %-14s %s since %s: %s %s\n", "on record", member(record, "state"),
                 member(record, "planned_at"), member(record, "state_policy"),
                 member(record, "state_reason"));
    print_line("due on record", member(record, "planned_due"));
    if (json_is_true(json_object_get(record, "outdated"))) {
        (void)printf("  %-14s by policies %s: it is asked anew before anything is done\n",
                     "planned", or_builtin(member(record, "planned_digest")));
    }
}

static void print_verdict(const json_t *record)
{
    int64_t left_s =
        ps_output_number(record, "due_unix_s") - ps_output_number(record, "now_unix_s");
    char span[32];

    (void)printf("  %-14s %s by %s: %s\n", "would be", member(record, "action"),
                 member(record, "policy"), or_dash(member(record, "reason")));
    if (member(record, "due")[0] != '\0') {
        (void)printf("  %-14s %s (%s%s)\n", "due", member(record, "due"),
                     left_s > 0 ? "in " : "for ", ps_reclaim_span(left_s, span));
    }
    print_plan(record);
    if (json_is_true(json_object_get(record, "held"))) {
        (void)printf("  %-14s %s\n", "on hold", or_dash(member(record, "hold_why")));
        print_line("until", member(record, "hold_until"));
    }
    if (ps_output_number(record, "other_claims") > 0) {
        (void)printf("  %-14s %" PRId64 ", %s\n", "other records",
                     ps_output_number(record, "other_claims"),
                     or_dash(member(record, "other_workflow")));
    }
    print_line("would change", member(record, "would_change"));
}

/* --- the whole --- */

static void print_text(const json_t *answer)
{
    const char *head = "log, newest first\n";
    json_t *item;
    size_t i;

    json_array_foreach(json_object_get(answer, "records"), i, item)
    {
        print_record(item);
        print_answers(item);
        print_verdict(item);
    }
    json_array_foreach(json_object_get(answer, "history"), i, item)
    {
        (void)printf("%s  %s  %s %s: %s\n", head, member(item, "at"), member(item, "what"),
                     member(item, "policy"), member(item, "reason"));
        head = "";
    }
}

static void print_lines(const json_t *answer, const char *name, const char *type)
{
    json_t *item;
    size_t i;

    json_array_foreach(json_object_get(answer, name), i, item)
    {
        json_t *line = json_incref(item);

        ps_output_json(type, &line);
    }
}

enum ps_exit ps_cmd_explain(struct ps_app *app, const char **args, int arg_count)
{
    struct ps_admin_call call;
    json_t *answer = NULL;
    struct ps_err err;
    enum ps_code code;

    (void)arg_count;
    ps_admin_call_init(&call, app, "GET", "/v1/explain");
    call.side = ps_admin_call_policy_side(app);
    ps_admin_call_add(&call, "url", args[0]);
    code = ps_admin_call_add_now(&call, &err);
    if (code == PS_OK) {
        code = ps_admin_call_run(&call, &answer, &err);
    }
    ps_admin_call_clear(&call);
    if (code != PS_OK) {
        return ps_app_fail(app, &err);
    }
    if (app->json) {
        print_lines(answer, "records", "explain");
        print_lines(answer, "history", "history");
    } else {
        print_text(answer);
    }
    json_decref(answer);
    return PS_EXIT_DONE;
}
