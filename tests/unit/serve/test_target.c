#include "serve/target.h"

#include "base/str.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(target, .timeout = 20);

struct row {
    const char *raw;
    const char *path; /* NULL = refused */
};

/* RFC 9112 3.2, RFC 3986. */
static const struct row rows[] = {
    { "/", "/" },
    { "/a/main/k", "/a/main/k" },
    { "/a/main/a%20b%2Fc", "/a/main/a b/c" },
    { "/a/main/a+b", "/a/main/a+b" },
    { "/a/main//x//", "/a/main//x//" },
    { "/a/main/..x/x../...", "/a/main/..x/x../..." },
    { "/a/main/\xc3\xa9", "/a/main/\xc3\xa9" },
    { "http://host:80/a/main/k", "/a/main/k" },
    { "http://host", "/" },
    { "http://host?x=1", "/" },
    { "/?x=1", "/" },
    { "", NULL },
    { "*", NULL },
    { "host:443", NULL },
    { "a/b", NULL },
    { "/a#b", NULL },
    { "/a/../b", NULL },
    { "/a/..", NULL },
    { "/..", NULL },
    { "/a/%2e%2e/b", NULL },
    { "/a/%2E./b", NULL },
    { "/a/..%2fb", NULL },
    { "/a/./b", NULL },
    { "/a/.", NULL },
    { "/a%00b", NULL },
    { "/a%0d%0aX: y", NULL },
    { "/a%7f", NULL },
    { "/a%", NULL },
    { "/a%2", NULL },
    { "/a%zz", NULL },
    { "/a\tb", NULL },
    { "/a?x=%0", NULL },
    { "/a?x=%00", NULL },
    { "/?a&b&c&d&e&f&g&h&i&j&k&l&m&n&o&p&q", NULL },
};

Test(target, is_taken_apart_or_refused)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ps_target target = { 0 };
        struct ps_err err;

        enum ps_code code = ps_target_parse(rows[i].raw, &target, &err);

        cr_expect_eq(code, rows[i].path != NULL ? PS_OK : PS_E_INVALID, "%s", rows[i].raw);
        cr_expect(ps_str_equal(target.path, rows[i].path), "%s: %s", rows[i].raw, target.path);
        ps_target_clear(&target);
    }
}

Test(target, has_its_arguments_decoded)
{
    struct ps_target target = { 0 };

    cr_assert_eq(ps_target_parse("/x?a=1%262&b+c=d+e&f&a=2&g=", &target, NULL), PS_OK);

    cr_expect_str_eq(ps_target_arg(&target, "a"), "1&2");
    cr_expect_str_eq(ps_target_arg(&target, "b c"), "d e");
    cr_expect_str_eq(ps_target_arg(&target, "f"), "");
    cr_expect_str_eq(ps_target_arg(&target, "g"), "");
    cr_expect_null(ps_target_arg(&target, "z"));
    ps_target_clear(&target);
}

Test(target, names_a_store_and_a_key)
{
    static const struct {
        const char *raw;
        const char *name; /* NULL = none */
        const char *key;
    } cases[] = {
        { "/a/main/x/y", "main", "x/y" },
        { "/a/main/", "main", "" },
        { "/a/main", "main", "" },
        { "/a/main//x", "main", "/x" },
        { "/a/", NULL, NULL },
        { "/a", NULL, NULL },
        { "/b/main/x", NULL, NULL },
        { "/a//x", NULL, NULL },
        { "/a/0123456789/x", NULL, NULL },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ps_target target = { 0 };
        char name[8] = "";
        const char *key = NULL;

        cr_assert_eq(ps_target_parse(cases[i].raw, &target, NULL), PS_OK);

        bool found = ps_target_artifact(&target, name, sizeof(name), &key);

        cr_expect_eq(found, cases[i].name != NULL, "%s", cases[i].raw);
        cr_expect(!found || strcmp(name, cases[i].name) == 0, "%s: %s", cases[i].raw, name);
        cr_expect(!found || strcmp(key, cases[i].key) == 0, "%s: %s", cases[i].raw, key);
        ps_target_clear(&target);
    }
}
