#include "kube/json_split.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

TestSuite(json_split, .timeout = 10);

struct seen {
    char items[256]; /* joined by '|' */
    char metadata[128];
};

static void on_item(void *user, const char *text, size_t size_bytes)
{
    struct seen *seen = user;
    size_t used = strlen(seen->items);

    (void)snprintf(seen->items + used, sizeof(seen->items) - used, "%.*s|", (int)size_bytes, text);
}

static void on_metadata(void *user, const char *text, size_t size_bytes)
{
    struct seen *seen = user;

    (void)snprintf(seen->metadata, sizeof(seen->metadata), "%.*s", (int)size_bytes, text);
}

static enum ps_code feed(const char *text, size_t cut, struct seen *seen, bool *whole_out)
{
    struct ps_json_split split = { .on_item = on_item, .on_metadata = on_metadata, .user = seen };
    size_t size_bytes = strlen(text);
    enum ps_code code = PS_OK;

    for (size_t at = 0; at < size_bytes && code == PS_OK; at += cut) {
        code = ps_json_split_feed(&split, text + at, size_bytes - at < cut ? size_bytes - at : cut,
                                  NULL);
    }
    *whole_out = ps_json_split_is_whole(&split);
    ps_json_split_reset(&split);
    return code;
}

Test(json_split, items_come_out_however_the_bytes_are_cut)
{
    static const struct {
        const char *text;
        const char *items;
        const char *metadata;
    } rows[] = {
        { "{\"metadata\":{\"resourceVersion\":\"7\"},\"items\":[{\"a\":1},{\"b\":[{}]}]}",
          "{\"a\":1}|{\"b\":[{}]}|", "{\"resourceVersion\":\"7\"}" },
        { " {\n \"kind\" : \"L\" , \"items\" : [ ] , \"metadata\" : { } } ", "", "{ }" },
        { "{\"items\":null,\"metadata\":{}}", "", "{}" },
        { "{\"items\":[{\"s\":\"}]\\\"\\\\\"}]}", "{\"s\":\"}]\\\"\\\\\"}|", "" },
        { "{\"items\":[1,\"two\",true,[3]]}", "1|\"two\"|true|[3]|", "" },
        { "{\"other\":{\"items\":[{\"no\":1}]},\"items\":[{\"yes\":1}]}", "{\"yes\":1}|", "" },
        { "{\"a long key that is none of ours\":5,\"it\\\"ems\":[{}],\"items\":[]}", "", "" },
        { "{}", "", "" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (size_t cut = 1; cut <= strlen(rows[i].text); cut++) {
            struct seen seen = { 0 };
            bool whole = false;

            cr_assert_eq(feed(rows[i].text, cut, &seen, &whole), PS_OK, "%s", rows[i].text);
            cr_expect(whole, "%s", rows[i].text);
            cr_expect_str_eq(seen.items, rows[i].items, "cut %zu of %s", cut, rows[i].text);
            cr_expect_str_eq(seen.metadata, rows[i].metadata, "cut %zu", cut);
        }
    }
}

Test(json_split, what_is_no_list_is_refused_and_what_is_cut_is_not_whole)
{
    static const struct {
        const char *text;
        enum ps_code code;
    } rows[] = {
        { "[]", PS_E_PARSE },
        { "{]", PS_E_PARSE },
        { "{\"a\" 1}", PS_E_PARSE },
        { "{\"a\":}", PS_E_PARSE },
        { "{\"items\":[}]}", PS_E_PARSE },
        { "{\"items\":[:]}", PS_E_PARSE },
        { "{} {", PS_E_PARSE },
        { "", PS_OK },
        { "{\"items\":[{\"a\":1}", PS_OK },
        { "{\"items\":[{\"a\":1", PS_OK },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct seen seen = { 0 };
        bool whole = false;

        cr_expect_eq(feed(rows[i].text, 3, &seen, &whole), rows[i].code, "%s", rows[i].text);
        cr_expect_not(whole && rows[i].code == PS_OK, "%s", rows[i].text);
    }
}
