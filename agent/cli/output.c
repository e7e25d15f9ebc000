#include "cli/output.h"

#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
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

/* Length of the UTF-8 sequence at s, 0 when it is none (RFC 3629). */
static size_t utf8_length(const unsigned char *s)
{
    size_t length = s[0] < 0x80                    ? 1
                    : s[0] >= 0xc2 && s[0] <= 0xdf ? 2
                    : (s[0] & 0xf0) == 0xe0        ? 3
                    : s[0] >= 0xf0 && s[0] <= 0xf4 ? 4
                                                   : 0;

    for (size_t i = 1; i < length; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f)) {
        return 0;
    }
    return length;
}

json_t *ps_output_text(const char *s)
{
    const unsigned char *at = (const unsigned char *)s;
    json_t *text = json_string(s);
    struct ps_buf buf;

    if (text != NULL) {
        return text;
    }
    ps_buf_init(&buf, 0);
    while (*at != '\0') {
        size_t length = utf8_length(at);
        enum ps_code code = length > 0 ? ps_buf_append(&buf, at, length, NULL)
                                       : ps_buf_append(&buf, "\xef\xbf\xbd", 3, NULL);

        if (code != PS_OK) {
            break;
        }
        at += length > 0 ? length : 1;
    }
    text = json_string(ps_buf_peek(&buf));
    ps_buf_clear(&buf);
    return text;
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

const char *ps_output_time(int64_t unix_ms, char *text)
{
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm parts;

    text[0] = '\0';
    if (unix_ms != 0 && gmtime_r(&seconds, &parts) != NULL) {
        (void)strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &parts);
    }
    return text;
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
