#include "base/xml_read.h"

#include "base/buf.h"

#include <expat.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct reading {
    XML_Parser parser;
    const struct ps_xml_handler *handler;
    void *user;
    char path[PS_XML_PATH_MAX_BYTES];
    size_t path_length;
    unsigned depth;
    size_t begins[PS_XML_DEPTH_MAX]; /* by depth: where the element begins in the document */
    bool is_leaf;                    /* nothing but text since the last start tag */
    struct ps_buf text;
    enum ps_code code; /* why the parser was stopped; PS_OK = it was not */
    struct ps_err err;
};

static void stop(struct reading *reading, enum ps_code code)
{
    reading->code = code;
    (void)XML_StopParser(reading->parser, XML_FALSE);
}

static void refuse(struct reading *reading, const char *what)
{
    stop(reading, ps_err_set(&reading->err, PS_E_PARSE, "XML: %s", what));
}

static const char *without_prefix(const char *name)
{
    const char *colon = strrchr(name, ':');

    return colon != NULL ? colon + 1 : name;
}

static bool push_name(struct reading *reading, const char *name)
{
    size_t length = strlen(name);

    if (reading->depth == PS_XML_DEPTH_MAX) {
        refuse(reading, "nested too deeply");
        return false;
    }
    if (length + 2 > sizeof(reading->path) - reading->path_length) {
        refuse(reading, "element names are too long");
        return false;
    }
    reading->path[reading->path_length] = '/';
    memcpy(reading->path + reading->path_length + 1, name, length + 1);
    reading->path_length += length + 1;
    reading->begins[reading->depth++] = (size_t)XML_GetCurrentByteIndex(reading->parser);
    return true;
}

static void pop_name(struct reading *reading)
{
    const char *slash = strrchr(reading->path, '/');

    reading->path_length = slash != NULL ? (size_t)(slash - reading->path) : 0;
    reading->path[reading->path_length] = '\0';
    reading->depth--;
}

/* expat may call on after XML_StopParser, for what it has parsed already: each handler looks at reading->code. */
static void on_start(void *user, const XML_Char *name, const XML_Char **attributes)
{
    struct reading *reading = user;
    enum ps_code code;

    (void)attributes;
    if (reading->code != PS_OK || !push_name(reading, without_prefix(name))) {
        return;
    }
    ps_buf_rewind(&reading->text);
    reading->is_leaf = true;
    if (reading->handler->begin != NULL) {
        code = reading->handler->begin(reading->user, reading->path, &reading->err);
        if (code != PS_OK) {
            stop(reading, code);
        }
    }
}

/* Of <a/> the end is told at its last byte, with no bytes of its own. */
static size_t end_of_tag(const struct reading *reading)
{
    return (size_t)XML_GetCurrentByteIndex(reading->parser) +
           (size_t)XML_GetCurrentByteCount(reading->parser);
}

static void on_end(void *user, const XML_Char *name)
{
    struct reading *reading = user;
    enum ps_code code = PS_OK;

    (void)name;
    if (reading->code != PS_OK) {
        return;
    }
    if (reading->handler->end != NULL) {
        code = reading->handler->end(reading->user, reading->path,
                                     reading->is_leaf ? ps_buf_peek(&reading->text) : "",
                                     &reading->err);
    }
    if (code == PS_OK && reading->handler->span != NULL) {
        code = reading->handler->span(reading->user, reading->path,
                                      reading->begins[reading->depth - 1], end_of_tag(reading),
                                      &reading->err);
    }
    if (code != PS_OK) {
        stop(reading, code);
    }
    reading->is_leaf = false;
    pop_name(reading);
}

static void on_text(void *user, const XML_Char *text, int size)
{
    struct reading *reading = user;
    enum ps_code code;

    if (reading->code != PS_OK || !reading->is_leaf || size <= 0) {
        return;
    }
    code = ps_buf_append(&reading->text, text, (size_t)size, &reading->err);
    if (code == PS_E_TOO_LARGE) {
        refuse(reading, "the text of one element is too long");
    } else if (code != PS_OK) {
        stop(reading, code);
    }
}

static void on_doctype(void *user, const XML_Char *name, const XML_Char *system_id,
                       const XML_Char *public_id, int has_internal_subset)
{
    (void)name;
    (void)system_id;
    (void)public_id;
    (void)has_internal_subset;
    refuse(user, "a document type is not allowed");
}

static enum ps_code parse(struct reading *reading, const char *data, size_t size_bytes)
{
    if (XML_Parse(reading->parser, data, (int)size_bytes, XML_TRUE) == XML_STATUS_OK) {
        return reading->code;
    }
    if (reading->code != PS_OK) {
        return reading->code;
    }
    if (XML_GetErrorCode(reading->parser) == XML_ERROR_NO_MEMORY) {
        return ps_err_set(&reading->err, PS_E_NO_MEMORY, "XML: out of memory");
    }
    return ps_err_set(&reading->err, PS_E_PARSE, "XML: %s (line %lu)",
                      XML_ErrorString(XML_GetErrorCode(reading->parser)),
                      (unsigned long)XML_GetCurrentLineNumber(reading->parser));
}

enum ps_code ps_xml_read(const char *data, size_t size_bytes, const struct ps_xml_handler *handler,
                         void *user, struct ps_err *err)
{
    struct reading reading = { .handler = handler, .user = user };
    enum ps_code code;

    if (size_bytes > INT_MAX) {
        return ps_err_set(err, PS_E_PARSE, "XML: more than %d bytes", INT_MAX);
    }
    ps_buf_init(&reading.text, PS_XML_TEXT_MAX_BYTES);
    reading.parser = XML_ParserCreate("UTF-8");
    if (reading.parser == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "XML: out of memory");
    }
    XML_SetUserData(reading.parser, &reading);
    XML_SetElementHandler(reading.parser, on_start, on_end);
    XML_SetCharacterDataHandler(reading.parser, on_text);
    XML_SetStartDoctypeDeclHandler(reading.parser, on_doctype);
    code = parse(&reading, data, size_bytes);
    if (code != PS_OK && err != NULL) {
        *err = reading.err;
        err->code = code;
    }
    XML_ParserFree(reading.parser);
    ps_buf_clear(&reading.text);
    return code;
}

/* Bytes of the UTF-8 character at s that XML 1.0 may carry; 0 = it may not (2.2 Char; RFC 3629). */
static size_t char_size(const unsigned char *s)
{
    uint32_t c;
    size_t size;

    if (s[0] < 0x80) {
        return s[0] >= 0x20 || s[0] == '\t' || s[0] == '\n' || s[0] == '\r' ? 1 : 0;
    }
    if (s[0] >= 0xc2 && s[0] <= 0xdf) {
        size = 2;
        c = s[0] & 0x1fU;
    } else if (s[0] >= 0xe0 && s[0] <= 0xef) {
        size = 3;
        c = s[0] & 0x0fU;
    } else if (s[0] >= 0xf0 && s[0] <= 0xf4) {
        size = 4;
        c = s[0] & 0x07U;
    } else {
        return 0;
    }
    for (size_t i = 1; i < size; i++) {
        if ((s[i] & 0xc0U) != 0x80) {
            return 0; /* also the NUL at the end */
        }
        c = c << 6 | (s[i] & 0x3fU);
    }
    if ((size == 3 && c < 0x800) || (size == 4 && c < 0x10000) || c > 0x10ffff ||
        (c >= 0xd800 && c <= 0xdfff) || c == 0xfffe || c == 0xffff) {
        return 0;
    }
    return size;
}

static const char *escape_of(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&apos;";
    case '\r':
        return "&#13;"; /* a bare CR would be read as LF: XML 1.0 2.11 */
    default:
        return NULL;
    }
}

enum ps_code ps_xml_escape(struct ps_buf *buf, const char *text, struct ps_err *err)
{
    enum ps_code code = PS_OK;

    for (const char *at = text; *at != '\0' && code == PS_OK;) {
        size_t size_bytes = char_size((const unsigned char *)at);
        const char *escape = escape_of(*at);

        if (size_bytes == 0) {
            return ps_err_set(err, PS_E_INVALID, "a byte that XML cannot carry");
        }
        code = escape != NULL ? ps_buf_append_str(buf, escape, err)
                              : ps_buf_append(buf, at, size_bytes, err);
        at += size_bytes;
    }
    return code;
}
