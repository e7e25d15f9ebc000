#include "serve/json_text.h"

#include "base/buf.h"
#include "base/str.h"

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
