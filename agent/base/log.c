#include "base/log.h"

#include "base/str.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

/** Longest line. Longer ones are cut: write(2) of up to PIPE_BUF (4 KiB) is not torn on a pipe. */
enum {
    LINE_SIZE_BYTES = 2048
};

static const char *const level_names[] = { "error", "warn", "info", "debug" };

bool ps_log_level_parse(const char *name, enum ps_log_level *level_out)
{
    for (size_t i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++) {
        if (strcasecmp(name, level_names[i]) == 0) {
            *level_out = (enum ps_log_level)i;
            return true;
        }
    }
    return false;
}

static void format_time(const struct ps_log *log, char *text, size_t text_size_bytes)
{
    int64_t now_ms = ps_clock_unix_ms(log->clock);
    time_t seconds = (time_t)(now_ms / 1000);
    struct tm parts;
    size_t used;

    (void)gmtime_r(&seconds, &parts);
    used = strftime(text, text_size_bytes, "%Y-%m-%dT%H:%M:%S", &parts);
    (void)snprintf(text + used, text_size_bytes - used, ".%03dZ", (int)(now_ms % 1000));
}

/* JSON string contents; control bytes become \u00XX. Bytes from 0x80 on pass: keys are UTF-8 or the user's matter. */
static size_t escape_json(const char *text, char *out, size_t out_size_bytes)
{
    size_t used = 0;

    for (; *text != '\0' && used + 7 < out_size_bytes; text++) {
        unsigned char byte = (unsigned char)*text;

        if (byte == '"' || byte == '\\') {
            out[used++] = '\\';
            out[used++] = *text;
        } else if (byte < 0x20) {
            used += (size_t)snprintf(out + used, out_size_bytes - used, "\\u%04x", byte);
        } else {
            out[used++] = *text;
        }
    }
    out[used] = '\0';
    return used;
}

/* A key with line breaks must not forge a second line. */
static void flatten(char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f) {
            *text = '?';
        }
    }
}

static size_t format_line(const struct ps_log *log, enum ps_log_level level, const char *module,
                          char *message, char *line)
{
    char time_text[40] = "";
    char escaped[LINE_SIZE_BYTES - 128];
    int length;

    if (log->clock != NULL) {
        format_time(log, time_text, sizeof(time_text));
    }
    if (log->format == PS_LOG_JSON) {
        (void)escape_json(message, escaped, sizeof(escaped));
        length = snprintf(line, LINE_SIZE_BYTES,
                          "{\"time\":\"%s\",\"level\":\"%s\",\"module\":\"%s\",\"message\":\"%s\"}",
                          time_text, level_names[level], module, escaped);
    } else {
        flatten(message);
        length = snprintf(line, LINE_SIZE_BYTES, "%s%s%s %s: %s", time_text,
                          time_text[0] != '\0' ? " " : "", level_names[level], module, message);
    }
    if (length < 0) {
        return 0;
    }
    return length < LINE_SIZE_BYTES - 1 ? (size_t)length : LINE_SIZE_BYTES - 2;
}

void ps_log(const struct ps_log *log, enum ps_log_level level, const char *module,
            const char *format, ...)
{
    char message[LINE_SIZE_BYTES / 2];
    char line[LINE_SIZE_BYTES];
    va_list args;
    size_t used;
    ssize_t wrote;

    if (log == NULL || level > log->level) {
        return;
    }
    va_start(args, format);
    (void)vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    used = format_line(log, level, module, message, line);
    line[used++] = '\n';
    if (log->before_line != NULL) {
        log->before_line(log->user);
    }
    wrote = write(log->fd, line, used);
    (void)wrote; /* nobody is left to tell */
}
