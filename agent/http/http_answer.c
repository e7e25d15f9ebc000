#include "http/http_internal.h"

#include "base/str.h"

#include <ctype.h>
#include <string.h>

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool ps_http_answer_keep(struct ps_http_answer *answer, const char *line, size_t size_bytes)
{
    const char *colon = memchr(line, ':', size_bytes);
    const char *end = line + size_bytes;
    const char *value;
    size_t name_start = answer->headers.size_bytes;

    if (colon == NULL) {
        return true; /* not a header: curl has checked what matters */
    }
    value = colon + 1;
    while (value < end && is_space(*value)) {
        value++;
    }
    while (end > value && is_space(end[-1])) {
        end--;
    }
    if (ps_buf_append(&answer->headers, line, (size_t)(colon - line), NULL) != PS_OK ||
        ps_buf_append(&answer->headers, "", 1, NULL) != PS_OK ||
        ps_buf_append(&answer->headers, value, (size_t)(end - value), NULL) != PS_OK ||
        ps_buf_append(&answer->headers, "", 1, NULL) != PS_OK) {
        return false;
    }
    for (char *c = answer->headers.data + name_start; *c != '\0'; c++) {
        *c = (char)tolower((unsigned char)*c);
    }
    return true;
}

int ps_http_answer_status(const struct ps_http_answer *answer)
{
    return answer->status;
}

bool ps_http_answer_was_continued(const struct ps_http_answer *answer)
{
    return answer->was_continued;
}

static const char *next_header(const struct ps_http_answer *answer, const char *name,
                               const char **value_out)
{
    const char *end = answer->headers.data + answer->headers.size_bytes;

    if (answer->headers.data == NULL || name >= end) {
        return NULL;
    }
    *value_out = name + strlen(name) + 1;
    return name;
}

const char *ps_http_answer_header(const struct ps_http_answer *answer, const char *name)
{
    const char *value = NULL;

    for (const char *at = next_header(answer, answer->headers.data, &value); at != NULL;
         at = next_header(answer, value + strlen(value) + 1, &value)) {
        if (strcasecmp(at, name) == 0) {
            return value;
        }
    }
    return NULL;
}

void ps_http_answer_each(const struct ps_http_answer *answer, const char *prefix,
                         void (*each)(void *user, const char *name, const char *value), void *user)
{
    const char *value = NULL;

    for (const char *at = next_header(answer, answer->headers.data, &value); at != NULL;
         at = next_header(answer, value + strlen(value) + 1, &value)) {
        if (ps_str_has_prefix(at, prefix)) {
            each(user, at, value);
        }
    }
}

const char *ps_http_answer_body(const struct ps_http_answer *answer, size_t *size_bytes_out)
{
    if (size_bytes_out != NULL) {
        *size_bytes_out = answer->body.size_bytes;
    }
    return ps_buf_peek(&answer->body);
}
