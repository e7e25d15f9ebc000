#include "base/xml_read.h"

#include "base/buf.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(xml_read, .timeout = 20);

static enum ps_code note(void *user, const char *path, const char *text, struct ps_err *err)
{
    return ps_buf_append_format(user, err, "%s=%s\n", path, text);
}

static enum ps_code note_begin(void *user, const char *path, struct ps_err *err)
{
    return ps_buf_append_format(user, err, "+%s\n", path);
}

static enum ps_code refuse(void *user, const char *path, const char *text, struct ps_err *err)
{
    (void)user;
    (void)path;
    (void)text;
    return ps_err_set(err, PS_E_TOO_LARGE, "enough");
}

static const struct ps_xml_handler noting = { .end = note };

static enum ps_code read_text(const char *xml, struct ps_buf *out, struct ps_err *err)
{
    ps_buf_init(out, 0);
    return ps_xml_read(xml, strlen(xml), &noting, out, err);
}

Test(xml_read, gives_path_and_text_of_each_element)
{
    static const struct {
        const char *name;
        const char *xml;
        const char *text;
    } rows[] = {
        { "leaves", "<a><b>x</b><c/></a>", "/a/b=x\n/a/c=\n/a=\n" },
        { "white space around children is no text", "<a>\n <b> x </b>\n</a>", "/a/b= x \n/a=\n" },
        { "text after a child is not the parent's", "<a>p<b>x</b>q</a>", "/a/b=x\n/a=\n" },
        { "predefined entities and references, XML 1.0 4.1, 4.6",
          "<a>&lt;&amp;&gt;&quot;&apos;&#65;&#x42;&#13;</a>", "/a=<&>\"'AB\r\n" },
        { "CDATA, XML 1.0 2.7", "<a><![CDATA[<x>&]]></a>", "/a=<x>&\n" },
        { "namespaces, attributes and comments are ignored",
          "<n:a xmlns:n='urn:n' k='v'><!-- c --><n:b>x</n:b></n:a>", "/a/b=x\n/a=\n" },
        { "declaration", "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a>\xc3\xa9</a>\n",
          "/a=\xc3\xa9\n" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ps_err err = { 0 };
        struct ps_buf out;

        cr_assert_eq(read_text(rows[i].xml, &out, &err), PS_OK, "%s: %s", rows[i].name,
                     err.message);

        cr_assert_str_eq(ps_buf_peek(&out), rows[i].text, "%s", rows[i].name);
        ps_buf_clear(&out);
    }
}

Test(xml_read, tells_where_an_element_begins)
{
    static const struct ps_xml_handler both = { .begin = note_begin, .end = note };
    static const char xml[] = "<a><b/><b>2</b></a>";
    struct ps_buf out;

    ps_buf_init(&out, 0);
    cr_assert_eq(ps_xml_read(xml, sizeof(xml) - 1, &both, &out, NULL), PS_OK);

    cr_assert_str_eq(ps_buf_peek(&out), "+/a\n+/a/b\n/a/b=\n+/a/b\n/a/b=2\n/a=\n");
    ps_buf_clear(&out);
}

Test(xml_read, refuses_what_is_no_plain_document)
{
    static const struct {
        const char *name;
        const char *xml;
    } rows[] = {
        { "empty", "" },
        { "cut in a tag", "<a><b>x</b" },
        { "cut after a child", "<a><b>x</b>" },
        { "not XML", "Service Unavailable" },
        { "wrong nesting", "<a><b></a></b>" },
        { "two roots", "<a/><b/>" },
        { "bad UTF-8", "<a>\xff</a>" },
        { "control character", "<a>\x01</a>" },
        { "reference to a control character", "<a>&#1;</a>" },
        { "unknown entity", "<a>&nbsp;</a>" },
        { "document type", "<!DOCTYPE a><a/>" },
        { "billion laughs",
          "<!DOCTYPE a [<!ENTITY b \"ha\"><!ENTITY c \"&b;&b;&b;\">]><a>&c;</a>" },
        { "external entity", "<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]><a>&b;</a>" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ps_err err = { 0 };
        struct ps_buf out;

        cr_assert_eq(read_text(rows[i].xml, &out, &err), PS_E_PARSE, "%s", rows[i].name);

        cr_assert_eq(err.code, PS_E_PARSE, "%s", rows[i].name);
        cr_assert_null(strstr(ps_buf_peek(&out), "ha"), "%s", rows[i].name);
        ps_buf_clear(&out);
    }
}

static char *nested(unsigned depth)
{
    struct ps_buf xml;

    ps_buf_init(&xml, 0);
    for (unsigned i = 0; i < depth; i++) {
        cr_assert_eq(ps_buf_append_str(&xml, "<a>", NULL), PS_OK);
    }
    for (unsigned i = 0; i < depth; i++) {
        cr_assert_eq(ps_buf_append_str(&xml, "</a>", NULL), PS_OK);
    }
    return ps_buf_steal(&xml);
}

Test(xml_read, bounds_depth)
{
    static const struct ps_xml_handler nothing = { .end = NULL };
    char *deepest = nested(PS_XML_DEPTH_MAX);
    char *deeper = nested(PS_XML_DEPTH_MAX + 1);

    cr_assert_eq(ps_xml_read(deepest, strlen(deepest), &nothing, NULL, NULL), PS_OK);
    cr_assert_eq(ps_xml_read(deeper, strlen(deeper), &nothing, NULL, NULL), PS_E_PARSE);

    free(deepest);
    free(deeper);
}

static enum ps_code read_sized(size_t name_size, size_t text_size)
{
    static const struct ps_xml_handler nothing = { .end = NULL };
    char *name = calloc(1, name_size + 1);
    char *text = calloc(1, text_size + 1);
    struct ps_buf xml;
    enum ps_code code;

    memset(name, 'n', name_size);
    memset(text, 't', text_size);
    ps_buf_init(&xml, 0);
    cr_assert_eq(ps_buf_append_format(&xml, NULL, "<%s>%s</%s>", name, text, name), PS_OK);
    code = ps_xml_read(xml.data, xml.size_bytes, &nothing, NULL, NULL);
    ps_buf_clear(&xml);
    free(name);
    free(text);
    return code;
}

Test(xml_read, bounds_names_and_text)
{
    cr_assert_eq(read_sized(PS_XML_PATH_MAX_BYTES - 2, PS_XML_TEXT_MAX_BYTES), PS_OK);
    cr_assert_eq(read_sized(PS_XML_PATH_MAX_BYTES - 1, 1), PS_E_PARSE);
    cr_assert_eq(read_sized(1, PS_XML_TEXT_MAX_BYTES + 1), PS_E_PARSE);
}

Test(xml_read, stops_with_the_code_of_a_handler)
{
    static const struct ps_xml_handler refusing = { .end = refuse };
    struct ps_err err = { 0 };

    cr_assert_eq(ps_xml_read("<a><b/></a>", 11, &refusing, NULL, &err), PS_E_TOO_LARGE);
    cr_assert_str_eq(err.message, "enough");
}

Test(xml_read, escapes_what_an_element_can_carry)
{
    static const struct {
        const char *text;
        const char *escaped; /* NULL = refused */
    } rows[] = {
        /* XML 1.0 2.4 and 2.11: markup is escaped, and a CR must not become an LF */
        { "a/2 & 3.bin", "a/2 &amp; 3.bin" },
        { "<>\"'\r\n\t", "&lt;&gt;&quot;&apos;&#13;\n\t" },
        { "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80" },
        { "", "" },
        { "\x01", NULL },
        { "\x1f", NULL },
        { "\xff", NULL },
        { "\xc3", NULL },
        { "\xc0\x80", NULL },         /* overlong, RFC 3629 3 */
        { "\xe0\x80\x80", NULL },     /* overlong */
        { "\xed\xa0\x80", NULL },     /* surrogate */
        { "\xef\xbf\xbf", NULL },     /* U+FFFF, XML 1.0 2.2 */
        { "\xf4\x90\x80\x80", NULL }, /* above U+10FFFF */
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ps_buf buf;
        enum ps_code code;

        ps_buf_init(&buf, 0);
        code = ps_xml_escape(&buf, rows[i].text, NULL);

        cr_assert_eq(code, rows[i].escaped != NULL ? PS_OK : PS_E_INVALID, "row %zu", i);
        if (rows[i].escaped != NULL) {
            cr_assert_str_eq(ps_buf_peek(&buf), rows[i].escaped, "row %zu", i);
        }
        ps_buf_clear(&buf);
    }
}
