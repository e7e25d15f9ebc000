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

/* Bytes of the UTF-8 character at text, 0 when there is none: RFC 3629 4, told apart by the first two bytes. */
static size_t utf8_length(const unsigned char *text)
{
    static const struct {
        unsigned char first_min, first_max, second_min, second_max, length;
    } rows[] = {
        { 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
        { 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 }, { 0xf0, 0xf0, 0x90, 0xbf, 4 },
        { 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
    };

    if (text[0] < 0x80) {
        return 1;
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (text[0] >= rows[i].first_min && text[0] <= rows[i].first_max) {
            bool good = text[1] >= rows[i].second_min && text[1] <= rows[i].second_max;

            for (size_t k = 2; good && k < rows[i].length; k++) {
                good = (text[k] & 0xc0) == 0x80;
            }
            return good ? rows[i].length : 0;
        }
    }
    return 0;
}

/* JSON string contents. Control bytes become \u00XX. A key may hold bytes that are no UTF-8, and a long message is
 * cut anywhere: each such byte becomes U+FFFD, or the line would not be JSON (RFC 8259 8.1). */
static size_t escape_json(const char *text, char *out, size_t out_size_bytes)
{
    size_t used = 0;

    while (*text != '\0' && used + 7 < out_size_bytes) {
        unsigned char byte = (unsigned char)*text;
        size_t length = utf8_length((const unsigned char *)text);

        if (byte < 0x20 || length == 0) {
            used += (size_t)snprintf(out + used, out_size_bytes - used, "\\u%04x",
                                     length == 0 ? 0xfffdU : byte);
            text++;
            continue;
        }
        if (byte == '"' || byte == '\\') {
            out[used++] = '\\';
        }
        memcpy(out + used, text, length);
        used += length;
        text += length;
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
