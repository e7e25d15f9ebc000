#include "reclaim/lifecycle.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

TestSuite(lifecycle, .timeout = 60);

/* Rules as S3's and OSS's documents show them: S3 "Lifecycle configuration elements", OSS PutBucketLifecycle. */
#define THEIRS                                                                                     \
    "<Rule >\n\t<ID>theirs</ID><Filter><And><Prefix>a</Prefix><ObjectSizeGreaterThan>500"          \
    "</ObjectSizeGreaterThan></And></Filter><Status>Enabled</Status><Transition><Days>0</Days>"    \
    "<StorageClass>GLACIER</StorageClass></Transition><!-- kept --></Rule>"
#define OWN                                                                                        \
    "<Rule><ID>purser-x-1</ID><Prefix>tmp/</Prefix><Status>Enabled</Status><Expiration><Days>7"    \
    "</Days></Expiration></Rule>"

static struct ps_lifecycle_rule rule_of(const char *id, const char *prefix, uint32_t expire_days)
{
    struct ps_lifecycle_rule rule = { .expire_days = expire_days };

    (void)snprintf(rule.id, sizeof(rule.id), "%s", id);
    (void)snprintf(rule.prefix, sizeof(rule.prefix), "%s", prefix);
    return rule;
}

static void parse(struct ps_lifecycle_config *config, const char *text)
{
    struct ps_err err = { .code = PS_OK };

    cr_assert_eq(ps_lifecycle_parse(config, text, strlen(text), &err), PS_OK, "%s", err.message);
}

/* The merged text; rule NULL = no rules. */
static void merge(const char *text, const struct ps_lifecycle_rule *rule, bool is_flat,
                  struct ps_buf *buf)
{
    static struct ps_lifecycle_rules rules;
    struct ps_lifecycle_config config;
    struct ps_err err = { .code = PS_OK };

    parse(&config, text);
    ps_buf_init(buf, 0);
    if (rule != NULL) {
        cr_assert_eq(ps_lifecycle_rules_push(&rules, rule, &err), PS_OK);
    }
    cr_assert_eq(ps_lifecycle_merge(&config, &rules, is_flat, buf, &err), PS_OK, "%s", err.message);
    ps_lifecycle_rules_clear(&rules);
    ps_lifecycle_config_clear(&config);
}

Test(lifecycle, rules_of_others_stay_byte_for_byte_and_in_place)
{
    const struct ps_lifecycle_rule rule = rule_of("purser-x-2", "b", 3);
    struct ps_buf buf;

    merge("<?xml version=\"1.0\"?>\n<LifecycleConfiguration><Odd/>" OWN " " THEIRS
          "\n</LifecycleConfiguration>\n",
          &rule, false, &buf);

    cr_expect_str_eq(ps_buf_peek(&buf),
                     "<?xml version=\"1.0\"?>\n<LifecycleConfiguration><Odd/> " THEIRS
                     "\n<Rule><ID>purser-x-2</ID><Filter><Prefix>b</Prefix></Filter><Status>Enabled"
                     "</Status><Expiration><Days>3</Days></Expiration></Rule>"
                     "</LifecycleConfiguration>\n");
    ps_buf_clear(&buf);
}

Test(lifecycle, a_bucket_without_rules_of_others_gets_a_fresh_configuration_or_none)
{
    static const char *const texts[] = { "", "<LifecycleConfiguration/>",
                                         "<LifecycleConfiguration>" OWN
                                         "</LifecycleConfiguration>" };
    struct ps_lifecycle_rule rule = rule_of("purser-x-2", "", 0);
    struct ps_buf buf;

    rule.abort_days = 5;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        merge(texts[i], &rule, true, &buf);
        cr_expect_str_eq(
            ps_buf_peek(&buf),
            "<LifecycleConfiguration><Rule><ID>purser-x-2</ID><Prefix></Prefix><Status>"
            "Enabled</Status><AbortMultipartUpload><Days>5</Days>"
            "</AbortMultipartUpload></Rule></LifecycleConfiguration>");
        ps_buf_clear(&buf);
        merge(texts[i], NULL, true, &buf);
        cr_expect_eq(buf.size_bytes, 0);
        ps_buf_clear(&buf);
    }
}

/* S3: a Filter holds exactly one of Prefix, Tag, And. */
Test(lifecycle, a_filter_has_one_child)
{
    static const struct row {
        const char *prefix;
        size_t tag_count;
        const char *filter;
    } rows[] = {
        { "", 0, "<Filter><Prefix></Prefix></Filter>" },
        { "p&", 0, "<Filter><Prefix>p&amp;</Prefix></Filter>" },
        { "", 1, "<Filter><Tag><Key>k</Key><Value>v</Value></Tag></Filter>" },
        { "p", 1,
          "<Filter><And><Prefix>p</Prefix><Tag><Key>k</Key><Value>v</Value></Tag></And></Filter>" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ps_lifecycle_rule rule = rule_of("purser-x-1", rows[i].prefix, 1);
        struct ps_buf buf;

        rule.tag_count = rows[i].tag_count;
        (void)snprintf(rule.tags[0].name, sizeof(rule.tags[0].name), "k");
        (void)snprintf(rule.tags[0].value, sizeof(rule.tags[0].value), "v");
        merge("", &rule, false, &buf);
        cr_expect_not_null(strstr(ps_buf_peek(&buf), rows[i].filter), "%s", ps_buf_peek(&buf));
        ps_buf_clear(&buf);
    }
}

Test(lifecycle, a_rule_that_says_more_than_a_row_is_never_the_same)
{
    static const struct row {
        const char *rule;
        bool applied;
    } rows[] = {
        { OWN, true },
        { "<Rule><ID>purser-x-1</ID><Filter><Prefix>tmp/</Prefix></Filter><Status>Enabled</Status>"
          "<Expiration><Days>7</Days></Expiration></Rule>",
          true },
        { "<Rule><ID>purser-x-1</ID><Prefix>tmp/</Prefix><Status>Disabled</Status><Expiration>"
          "<Days>7</Days></Expiration></Rule>",
          false },
        { "<Rule><ID>purser-x-1</ID><Prefix>tmp/</Prefix><Status>Enabled</Status><Expiration>"
          "<Days>7</Days></Expiration><New/></Rule>",
          false },
        { "<Rule><ID>purser-x-1</ID><Prefix>tmp/</Prefix><Status>Enabled</Status><Expiration>"
          "<Days>7</Days><Days>9</Days></Expiration></Rule>",
          false },
        { "<Rule><ID>purser-x-1</ID><Prefix>tmp/</Prefix><Status>Enabled</Status><Expiration>"
          "<Days>x</Days></Expiration></Rule>",
          false },
        { OWN OWN, true },
        { OWN "<Rule><ID>purser-x-2</ID></Rule>", false },
        { "", false },
    };
    const struct ps_lifecycle_rule rule = rule_of("purser-x-1", "tmp/", 7);
    struct ps_lifecycle_rules rules = { 0 };
    struct ps_err err;

    cr_assert_eq(ps_lifecycle_rules_push(&rules, &rule, &err), PS_OK);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ps_lifecycle_config config;
        char text[2048];

        (void)snprintf(text, sizeof(text), "<LifecycleConfiguration>%s</LifecycleConfiguration>",
                       rows[i].rule);
        parse(&config, text);
        cr_expect_eq(ps_lifecycle_is_applied(&config, &rules), rows[i].applied, "%s", rows[i].rule);
        ps_lifecycle_config_clear(&config);
    }
    ps_lifecycle_rules_clear(&rules);
}

Test(lifecycle, reading_back_finds_what_another_changed)
{
    static const struct row {
        const char *after;
        enum ps_code code;
    } rows[] = {
        { THEIRS OWN, PS_OK },
        { OWN "\n" THEIRS, PS_OK },
        { OWN, PS_E_CORRUPT },
        { THEIRS, PS_E_CORRUPT },
        { THEIRS OWN "<Rule><ID>new</ID></Rule>", PS_E_CORRUPT },
        { "<Rule><ID>theirs</ID></Rule>" OWN, PS_E_CORRUPT },
    };
    const struct ps_lifecycle_rule rule = rule_of("purser-x-1", "tmp/", 7);
    struct ps_lifecycle_rules rules = { 0 };
    struct ps_lifecycle_config before;
    struct ps_err err;

    parse(&before, "<LifecycleConfiguration>" THEIRS "</LifecycleConfiguration>");
    cr_assert_eq(ps_lifecycle_rules_push(&rules, &rule, &err), PS_OK);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ps_lifecycle_config after;
        char text[2048];

        (void)snprintf(text, sizeof(text), "<LifecycleConfiguration>%s</LifecycleConfiguration>",
                       rows[i].after);
        parse(&after, text);
        cr_expect_eq(ps_lifecycle_verify(&before, &after, &rules, &err), rows[i].code, "%s",
                     rows[i].after);
        ps_lifecycle_config_clear(&after);
    }
    ps_lifecycle_rules_clear(&rules);
    ps_lifecycle_config_clear(&before);
}

Test(lifecycle, what_is_no_configuration_is_refused)
{
    static const char *const texts[] = {
        "<Lifecycle", "<Other/>", "not XML", "<!DOCTYPE x><LifecycleConfiguration/>",
        "<LifecycleConfiguration><Rule></LifecycleConfiguration>"
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct ps_lifecycle_config config;
        struct ps_err err;

        cr_expect_eq(ps_lifecycle_parse(&config, texts[i], strlen(texts[i]), &err), PS_E_PARSE,
                     "%s", texts[i]);
    }
}
