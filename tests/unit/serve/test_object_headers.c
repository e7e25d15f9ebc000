#include "serve/object_headers.h"

#include "serve/media_type.h"

#include <criterion/criterion.h>

TestSuite(object_headers, .timeout = 20);

/* 2 Feb 2026 03:04:05 UTC, and half a second. */
#define MTIME_MS INT64_C(1770001445500)
#define AT "Mon, 02 Feb 2026 03:04:05 GMT"
#define BEFORE "Mon, 02 Feb 2026 03:04:04 GMT"
#define AFTER "Mon, 02 Feb 2026 03:04:06 GMT"

static const struct ps_object_validators object = { .etag = "\"x\"", .mtime_unix_ms = MTIME_MS };
static const struct ps_object_validators weak = { .etag = "W/\"x\"" };
static const struct ps_object_validators bare = { .etag = "" };

struct row {
    const char *name;
    struct ps_conditions conditions;
    const struct ps_object_validators *object;
    enum ps_condition_answer answer;
};

/* RFC 9110 13.1, 13.2.2 */
static const struct row rows[] = {
    { "none", { 0 }, &object, PS_CONDITION_SEND },
    { "match", { .if_match = "\"x\"" }, &object, PS_CONDITION_SEND },
    { "match *", { .if_match = "*" }, &object, PS_CONDITION_SEND },
    { "match list", { .if_match = "\"a\", \"x\"" }, &object, PS_CONDITION_SEND },
    { "match other", { .if_match = "\"y\"" }, &object, PS_CONDITION_FAILED },
    { "match weak", { .if_match = "W/\"x\"" }, &object, PS_CONDITION_FAILED },
    { "match of a weak", { .if_match = "W/\"x\"" }, &weak, PS_CONDITION_FAILED },
    { "match of none", { .if_match = "\"x\"" }, &bare, PS_CONDITION_FAILED },
    { "match broken", { .if_match = "x" }, &object, PS_CONDITION_FAILED },
    { "none-match", { .if_none_match = "\"x\"" }, &object, PS_CONDITION_NOT_MODIFIED },
    { "none-match *", { .if_none_match = "*" }, &object, PS_CONDITION_NOT_MODIFIED },
    { "none-match weak", { .if_none_match = "W/\"x\"" }, &object, PS_CONDITION_NOT_MODIFIED },
    { "none-match of a weak", { .if_none_match = "\"x\"" }, &weak, PS_CONDITION_NOT_MODIFIED },
    { "none-match list", { .if_none_match = "\"a\",W/\"x\"" }, &object, PS_CONDITION_NOT_MODIFIED },
    { "none-match other", { .if_none_match = "\"xx\"" }, &object, PS_CONDITION_SEND },
    { "modified since", { .if_modified_since = BEFORE }, &object, PS_CONDITION_SEND },
    { "modified at", { .if_modified_since = AT }, &object, PS_CONDITION_NOT_MODIFIED },
    { "modified after", { .if_modified_since = AFTER }, &object, PS_CONDITION_NOT_MODIFIED },
    { "modified nonsense", { .if_modified_since = "yesterday" }, &object, PS_CONDITION_SEND },
    { "modified unknown", { .if_modified_since = AT }, &bare, PS_CONDITION_SEND },
    { "unmodified since", { .if_unmodified_since = BEFORE }, &object, PS_CONDITION_FAILED },
    { "unmodified at", { .if_unmodified_since = AT }, &object, PS_CONDITION_SEND },
    { "none-match wins",
      { .if_none_match = "\"y\"", .if_modified_since = AFTER },
      &object,
      PS_CONDITION_SEND },
    { "match wins",
      { .if_match = "\"x\"", .if_unmodified_since = BEFORE },
      &object,
      PS_CONDITION_SEND },
    { "match before none-match",
      { .if_match = "\"y\"", .if_none_match = "\"x\"" },
      &object,
      PS_CONDITION_FAILED },
};

Test(object_headers, conditions_go_in_the_order_of_the_rfc)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        enum ps_condition_answer answer = ps_conditions_check(&rows[i].conditions, rows[i].object);

        cr_expect_eq(answer, rows[i].answer, "%s: %d", rows[i].name, (int)answer);
    }
}

Test(object_headers, a_range_counts_for_the_version_it_was_meant_for)
{
    static const struct {
        const char *if_range;
        const struct ps_object_validators *object;
        bool counts;
    } cases[] = {
        { NULL, &object, true },     { "\"x\"", &object, true }, { "\"y\"", &object, false },
        { "W/\"x\"", &weak, false }, { AT, &object, true },      { BEFORE, &object, false },
        { AFTER, &object, false },   { "x", &object, false },    { AT, &bare, false },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ps_conditions conditions = { .if_range = cases[i].if_range };

        cr_expect_eq(ps_conditions_range_counts(&conditions, cases[i].object), cases[i].counts,
                     "%zu", i);
    }
}

/* RFC 6266 4.1, 5 and appendix D; RFC 8187 3.2.3 has the example of the euro sign. */
Test(object_headers, disposition_has_the_name_in_both_forms)
{
    static const struct {
        const char *key;
        const char *text;
    } cases[] = {
        { "a/b/c.txt", "inline; filename=\"c.txt\"" },
        { "c d.txt", "inline; filename=\"c d.txt\"" },
        { "say \"x\\y\"", "inline; filename=\"say \\\"x\\\\y\\\"\"" },
        { "\xe2\x82\xac rates",
          "inline; filename=\"___ rates\"; filename*=UTF-8''%E2%82%AC%20rates" },
        { "50%25", "inline; filename=\"50_25\"; filename*=UTF-8''50%2525" },
        { "a\r\nX: y", "inline; filename=\"a__X: y\"" },
        { "bad\xff\xc3", "inline; filename=\"bad__\"" },
        { "surrogate\xed\xa0\x80", "inline; filename=\"surrogate___\"" },
        { "a/", "inline" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ps_buf buf = { 0 };

        cr_assert_eq(ps_disposition_format(&buf, cases[i].key, false, NULL), PS_OK);

        cr_expect_str_eq(ps_buf_peek(&buf), cases[i].text);
        ps_buf_clear(&buf);
    }
}

Test(object_headers, disposition_may_be_an_attachment)
{
    struct ps_buf buf = { 0 };

    cr_assert_eq(ps_disposition_format(&buf, "x", true, NULL), PS_OK);

    cr_expect_str_eq(ps_buf_peek(&buf), "attachment; filename=\"x\"");
    ps_buf_clear(&buf);
}

Test(object_headers, types_go_by_the_last_suffix)
{
    cr_expect_str_eq(ps_media_type_of("a/report.HTML"), "text/html; charset=utf-8");
    cr_expect_str_eq(ps_media_type_of("model.tar.gz"), "application/gzip");
    cr_expect_str_eq(ps_media_type_of("dir.json/file"), "application/octet-stream");
    cr_expect_str_eq(ps_media_type_of("nothing"), "application/octet-stream");
    cr_expect_str_eq(ps_media_type_of(""), "application/octet-stream");
}

/* S3 HeadObject, x-amz-restore; OSS RestoreObject, x-oss-restore */
Test(object_headers, restore_is_read)
{
    static const struct {
        const char *value;
        enum ps_restore_state state;
        const char *expiry;
    } restores[] = {
        { "", PS_RESTORE_NONE, "" },
        { "ongoing-request=\"true\"", PS_RESTORE_ONGOING, "" },
        { "ongoing-request=\"false\", expiry-date=\"Fri, 21 Dec 2012 00:00:00 GMT\"",
          PS_RESTORE_DONE, "Fri, 21 Dec 2012 00:00:00 GMT" },
        { "ongoing-request=\"false\"", PS_RESTORE_DONE, "" },
        { "ongoing-request=\"false\", expiry-date=\"0123456789012345678901234567890123456789\"",
          PS_RESTORE_DONE, "" },
        { "expiry-date=\"\"", PS_RESTORE_NONE, "" },
        { "true", PS_RESTORE_NONE, "" },
    };
    char expiry[40];

    for (size_t i = 0; i < sizeof(restores) / sizeof(restores[0]); i++) {
        cr_expect_eq(ps_restore_parse(restores[i].value, expiry), restores[i].state, "%s",
                     restores[i].value);
        cr_expect_str_eq(expiry, restores[i].expiry, "%s", restores[i].value);
    }
}
