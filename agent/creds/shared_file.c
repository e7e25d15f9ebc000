#include "creds/shared_file.h"

#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct parse {
    const char *path;
    const struct ps_shared_file_handler *handler;
    void *user;
    const char *section; /* NULL = none yet */
    unsigned line;
    size_t indent;    /* of the last setting or section */
    bool has_setting; /* one since the section: a deeper line belongs to it */
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

static enum ps_code fault(const struct parse *parse, const char *what, struct ps_err *err)
{
    return ps_err_set(err, PS_E_INVALID, "%s:%u: %s", parse->path, parse->line, what);
}

/* Cut blanks off the end, in place. */
static void trim_end(char *text)
{
    size_t length = strlen(text);

    while (length > 0 && is_blank(text[length - 1])) {
        length--;
    }
    text[length] = '\0';
}

static char *skip_blanks(char *text)
{
    while (is_blank(*text)) {
        text++;
    }
    return text;
}

/* Cut off a comment that follows a blank. Keys, tokens and regions have no blanks. */
static void cut_comment(char *text)
{
    for (char *c = text; *c != '\0'; c++) {
        if ((*c == '#' || *c == ';') && (c == text || is_blank(c[-1]))) {
            *c = '\0';
            return;
        }
    }
}

/* text begins with '['. */
static enum ps_code parse_section(struct parse *parse, char *text, struct ps_err *err)
{
    char *name = skip_blanks(text + 1);
    char *end = strchr(name, ']');
    char *rest;

    if (end == NULL) {
        return fault(parse, "a section has no ']'", err);
    }
    *end = '\0';
    rest = skip_blanks(end + 1);
    if (*rest != '\0' && *rest != '#' && *rest != ';') {
        return fault(parse, "text after the ']' of a section", err);
    }
    trim_end(name);
    if (*name == '\0') {
        return fault(parse, "a section has no name", err);
    }
    parse->section = name;
    parse->has_setting = false;
    if (parse->handler->on_section != NULL) {
        parse->handler->on_section(parse->user, name, parse->line);
    }
    return PS_OK;
}

static enum ps_code parse_setting(struct parse *parse, char *text, struct ps_err *err)
{
    char *equals = strchr(text, '=');
    char *value;

    if (equals == NULL) {
        return fault(parse, "neither a [section] nor name = value", err);
    }
    *equals = '\0';
    trim_end(text);
    if (*text == '\0') {
        return fault(parse, "a setting has no name", err);
    }
    if (parse->section == NULL) {
        return fault(parse, "a setting stands before the first [section]", err);
    }
    value = skip_blanks(equals + 1);
    cut_comment(value);
    trim_end(value);
    parse->has_setting = true;
    parse->handler->on_setting(parse->user, parse->section, text, value, parse->line);
    return PS_OK;
}

static enum ps_code parse_line(struct parse *parse, char *line, struct ps_err *err)
{
    char *text = skip_blanks(line);
    size_t indent = (size_t)(text - line);

    if (*text == '\0' || *text == '#' || *text == ';') {
        return PS_OK;
    }
    if (parse->has_setting && indent > parse->indent) {
        return PS_OK; /* nested: "s3 =" and its lines below */
    }
    parse->indent = indent;
    return *text == '[' ? parse_section(parse, text, err) : parse_setting(parse, text, err);
}

enum ps_code ps_shared_file_parse(const char *path, char *text, size_t size_bytes,
                                  const struct ps_shared_file_handler *handler, void *user,
                                  struct ps_err *err)
{
    static const char byte_order_mark[] = "\xef\xbb\xbf";
    struct parse parse = { .path = path, .handler = handler, .user = user };
    enum ps_code code = PS_OK;
    char *at = text;

    text[size_bytes] = '\0';
    if (ps_str_has_prefix(at, byte_order_mark)) {
        at += strlen(byte_order_mark);
    }
    while (at < text + size_bytes && code == PS_OK) {
        size_t left = (size_t)(text + size_bytes - at);
        char *end = memchr(at, '\n', left);
        size_t length = end != NULL ? (size_t)(end - at) : left;

        parse.line++;
        at[length] = '\0';
        if (strlen(at) != length) {
            return fault(&parse, "a NUL byte: not a text file", err);
        }
        code = parse_line(&parse, at, err);
        at += length + 1;
    }
    return code;
}

/* Up to capacity_bytes of the file; *size_out tells how many. */
static enum ps_code read_all(const char *path, int fd, char *text, size_t capacity_bytes,
                             size_t *size_out, struct ps_err *err)
{
    size_t size = 0;

    while (size < capacity_bytes) {
        ssize_t got = read(fd, text + size, capacity_bytes - size);

        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return ps_err_set_errno(err, errno, "%s", path);
        }
        if (got == 0) {
            *size_out = size;
            return PS_OK;
        }
        size += (size_t)got;
    }
    return ps_err_set(err, PS_E_TOO_LARGE, "%s: larger than %zu bytes: not a file of credentials",
                      path, PS_SHARED_FILE_MAX_BYTES);
}

/* A FIFO or a device (/dev/stdin) would block the loop. */
static enum ps_code check_kind(const char *path, int fd, struct ps_err *err)
{
    struct stat status;

    if (fstat(fd, &status) != 0) {
        return ps_err_set_errno(err, errno, "%s", path);
    }
    if (!S_ISREG(status.st_mode)) {
        return ps_err_set(err, PS_E_INVALID, "%s: not a regular file", path);
    }
    return PS_OK;
}

enum ps_code ps_shared_file_load(const char *path, char **text_out, size_t *size_bytes_out,
                                 struct ps_err *err)
{
    const size_t capacity_bytes =
        PS_SHARED_FILE_MAX_BYTES + 1; /* one more tells that it is too large */
    char *text = NULL;
    enum ps_code code;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0) {
        return ps_err_set_errno(err, errno, "%s", path);
    }
    code = check_kind(path, fd, err);
    if (code != PS_OK) {
        goto out;
    }
    text = calloc(1, capacity_bytes + 1);
    if (text == NULL) {
        code = ps_err_set(err, PS_E_NO_MEMORY, "%s: out of memory", path);
        goto out;
    }
    code = read_all(path, fd, text, capacity_bytes, size_bytes_out, err);
    if (code == PS_OK) {
        text[*size_bytes_out] = '\0';
        *text_out = text;
        text = NULL;
    }
out:
    ps_shared_file_wipe(text);
    (void)close(fd);
    return code;
}

void ps_shared_file_wipe(char *text)
{
    if (text != NULL) {
        explicit_bzero(text, PS_SHARED_FILE_MAX_BYTES + 1);
        free(text);
    }
}

enum ps_code ps_shared_file_read(const char *path, const struct ps_shared_file_handler *handler,
                                 void *user, struct ps_err *err)
{
    char *text = NULL;
    size_t size_bytes = 0;
    enum ps_code code = ps_shared_file_load(path, &text, &size_bytes, err);

    if (code == PS_OK) {
        code = ps_shared_file_parse(path, text, size_bytes, handler, user, err);
    }
    ps_shared_file_wipe(text);
    return code;
}
