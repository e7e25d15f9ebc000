#include "cli/output.h"

#include "base/str.h"
#include "serve/json_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void ps_output_json(const char *type, json_t **object)
{
    json_t *line = json_pack("{s:s}", "type", type);

    if (line != NULL && *object != NULL && json_object_update(line, *object) == 0) {
        (void)json_dumpf(line, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
        (void)fputc('\n', stdout);
        (void)fflush(stdout);
    }
    json_decref(line);
    json_decref(*object);
    *object = NULL;
}

json_t *ps_output_text(const char *s)
{
    return ps_json_text(s);
}

static void decision_event(const struct ps_app *app, const struct ps_transfer_event *event)
{
    json_t *object;

    if (!app->json) {
        return; /* the log has it, with --verbose */
    }
    object = json_pack(
        "{s:s, s:o, s:o, s:o, s:o}", "field", event->field, "value", ps_output_text(event->value),
        "policy", ps_output_text(event->origin->policy), "where",
        ps_output_text(event->origin->where), "reason", ps_output_text(event->origin->reason));
    ps_output_json("decision", &object);
}

void ps_output_event(struct ps_app *app, const struct ps_transfer_event *event)
{
    json_t *object;

    if (event->kind == PS_TRANSFER_DECIDED) {
        decision_event(app, event);
        return;
    }
    if (event->kind == PS_TRANSFER_RESUMED || event->kind == PS_TRANSFER_ADOPTED) {
        return; /* told with the result */
    }
    if (app->json) {
        object = json_pack("{s:o}", "message", ps_output_text(event->text));
        ps_output_json(event->kind == PS_TRANSFER_AFRESH ? "afresh" : "notice", &object);
    } else if (!app->quiet) {
        ps_progress_bar_before_line(&app->bar);
        (void)fprintf(stderr, "purser: %s\n", event->text);
    }
}

void ps_output_failed(struct ps_app *app, const char *url, const char *path,
                      const struct ps_err *err)
{
    ps_progress_bar_before_line(&app->bar);
    if (app->json) {
        json_t *object = json_pack("{s:o, s:o, s:s, s:o}", "url", ps_output_text(url), "path",
                                   ps_output_text(path), "code", ps_code_name(err->code), "message",
                                   ps_output_text(err->message));

        ps_output_json("failed", &object);
    }
    (void)fprintf(stderr, "purser: ");
    for (const char *c = path; *c != '\0'; c++) {
        (void)fputc((unsigned char)*c < 0x20 || *c == 0x7f ? '?' : *c, stderr);
    }
    (void)fprintf(stderr, "%s%s\n", path[0] != '\0' ? ": " : "", err->message);
}

void ps_output_proof(const struct ps_checksum *sum, bool confirmed)
{
    const char *name = ps_checksum_name(sum->algorithm);
    bool has_sum = sum->algorithm != PS_CHECKSUM_NONE;
    char text[PS_CHECKSUM_TEXT_SIZE];

    if (confirmed && has_sum) {
        (void)fprintf(stderr, "verified %s %s\n", name, ps_checksum_format(sum, text));
    } else if (confirmed) {
        (void)fprintf(stderr, "verified part by part\n");
    } else if (has_sum) {
        (void)fprintf(stderr, "sent, not verified: the store gave no checksum (ours: %s %s)\n",
                      name, ps_checksum_format(sum, text));
    } else {
        (void)fprintf(stderr, "sent, not verified: no checksum was compared\n");
    }
}

const char *ps_output_time(int64_t unix_ms, char *text)
{
    return ps_json_time_text(unix_ms, text);
}

int64_t ps_output_number(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

const char *ps_output_string(const json_t *object, const char *name)
{
    const char *value = json_string_value(json_object_get(object, name));

    return value != NULL ? value : "";
}

void ps_output_key(const char *s)
{
    if (isatty(STDOUT_FILENO) != 1) {
        (void)fputs(s, stdout);
        return;
    }
    for (; *s != '\0'; s++) {
        (void)fputc((unsigned char)*s < 0x20 || *s == 0x7f ? '?' : *s, stdout);
    }
}
