#include "tests/support/http_text.h"

#include "tests/support/http_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#ifndef PS_TESTS_VECTORS_DIR
#define PS_TESTS_VECTORS_DIR "tests/vectors"
#endif

void *http_text_must(void *memory)
{
    if (memory == NULL) {
        fprintf(stderr, "http_server: out of memory\n");
        abort();
    }
    return memory;
}

char *http_text_copy(const char *bytes, size_t size_bytes)
{
    char *copy = http_text_must(malloc(size_bytes + 1));

    memcpy(copy, bytes, size_bytes);
    copy[size_bytes] = '\0';
    return copy;
}

const char *http_text_find(const char *head, const char *name)
{
    size_t length = strlen(name);

    for (const char *line = head; line != NULL && *line != '\0'; line = strchr(line, '\n')) {
        if (*line == '\n') {
            line++;
        }
        if (strncasecmp(line, name, length) == 0 && line[length] == ':') {
            return line + length + 1;
        }
    }
    return NULL;
}

/* The text of an answer with CRLF line ends in its head and its length filled in. */
char *http_text_finish(const char *text, size_t *size_out, size_t *head_size_out)
{
    const char *crlf = strstr(text, "\r\n\r\n");
    const char *lf = strstr(text, "\n\n");
    const char *body = crlf != NULL ? crlf + 4 : lf != NULL ? lf + 2 : text + strlen(text);
    size_t body_size = strlen(body);
    char *out = http_text_must(malloc((size_t)(body - text) * 2 + body_size + 64));
    size_t used = 0;

    for (const char *at = text; at < body; at++) {
        if (*at == '\n' && (at == text || at[-1] != '\r')) {
            out[used++] = '\r';
        }
        if (strncasecmp(at, "content-length: auto", 20) == 0) {
            used += (size_t)snprintf(out + used, 64, "content-length: %zu", body_size);
            at += 19;
            continue;
        }
        out[used++] = *at;
    }
    *head_size_out = used;
    memcpy(out + used, body, body_size + 1);
    *size_out = used + body_size;
    return out;
}

char *http_seen_header(const struct http_seen *seen, const char *name)
{
    const char *value = http_text_find(seen->head, name);
    const char *end;

    if (value == NULL) {
        return http_text_copy("", 0);
    }
    while (*value == ' ') {
        value++;
    }
    end = value + strcspn(value, "\r\n");
    return http_text_copy(value, (size_t)(end - value));
}

char *http_vector_read(const char *name)
{
    char path[512];
    FILE *file;
    char *text;
    size_t size;

    (void)snprintf(path, sizeof(path), "%s/http/%s", PS_TESTS_VECTORS_DIR, name);
    file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        abort();
    }
    text = http_text_must(calloc(1, 1 << 20));
    size = fread(text, 1, (1 << 20) - 1, file);
    text[size] = '\0';
    (void)fclose(file);
    return text;
}
