/* xml_read: any bytes. What is read must escape and read back to the same text. */
#include "base/buf.h"
#include "base/xml_read.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum ps_code compare(void *user, const char *path, const char *text, struct ps_err *err)
{
    (void)path;
    (void)err;
    if (strcmp(text, user) != 0) {
        abort();
    }
    return PS_OK;
}

static enum ps_code round_trip(void *user, const char *path, const char *text, struct ps_err *err)
{
    static const struct ps_xml_handler handler = { .end = compare };
    struct ps_buf xml;
    char *copy = strdup(text);

    (void)user;
    if (copy == NULL || path[0] != '/' || strlen(path) >= PS_XML_PATH_MAX_BYTES ||
        strlen(text) > PS_XML_TEXT_MAX_BYTES) {
        abort();
    }
    ps_buf_init(&xml, 0);
    if (ps_buf_append_str(&xml, "<a>", err) != PS_OK || ps_xml_escape(&xml, text, err) != PS_OK ||
        ps_buf_append_str(&xml, "</a>", err) != PS_OK ||
        ps_xml_read(xml.data, xml.size_bytes, &handler, copy, err) != PS_OK) {
        abort();
    }
    ps_buf_clear(&xml);
    free(copy);
    return PS_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct ps_xml_handler handler = { .end = round_trip };

    enum ps_code code = ps_xml_read((const char *)data, size, &handler, NULL, NULL);

    (void)code; /* accepted or refused: what must hold is checked in round_trip */
    return 0;
}
