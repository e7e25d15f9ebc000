#include "serve/json_text.h"

#include "base/buf.h"
#include "base/str.h"

#include <time.h>

json_t *ps_json_text(const char *s)
{
    json_t *text = json_string(s);
    struct ps_buf buf;

    if (text != NULL) {
        return text;
    }
    ps_buf_init(&buf, 0);
    while (*s != '\0') {
        size_t length = ps_utf8_length(s);
        enum ps_code code = length > 0 ? ps_buf_append(&buf, s, length, NULL)
                                       : ps_buf_append(&buf, "\xef\xbf\xbd", 3, NULL);

        if (code != PS_OK) {
            break;
        }
        s += length > 0 ? length : 1;
    }
    text = json_string(ps_buf_peek(&buf));
    ps_buf_clear(&buf);
    return text;
}

const char *ps_json_time_text(int64_t unix_ms, char *text)
{
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm parts;

    text[0] = '\0';
    if (unix_ms != 0 && gmtime_r(&seconds, &parts) != NULL) {
        (void)strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &parts);
    }
    return text;
}

json_t *ps_json_time(int64_t unix_ms)
{
    char text[32];

    return json_string(ps_json_time_text(unix_ms, text));
}
