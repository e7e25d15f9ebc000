#include "serve/plugin_config.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

TestSuite(plugin_config, .timeout = 10);

static const char *no_environment(void *user, const char *name)
{
    (void)user;
    (void)name;
    return NULL;
}

static struct ps_store_factory factory_of(uv_loop_t *loop, const struct ps_settings *settings)
{
    return (struct ps_store_factory){
        .loop = loop,
        .settings = settings,
        .clock = ps_clock_system(),
        .getenv = no_environment,
    };
}

static void expect_error(const char *text, const char *wanted)
{
    uv_loop_t loop;
    struct ps_settings settings = { 0 };
    struct ps_store_factory factory;
    struct ps_plugin_configs configs = { .factory = &factory };
    struct ps_plugin_config *config = NULL;
    struct ps_err err = { 0 };

    (void)uv_loop_init(&loop);
    factory = factory_of(&loop, &settings);
    cr_expect_eq(ps_plugin_config_get(&configs, text, &config, &err), PS_E_INVALID, "%s", text);
    cr_expect_not_null(strstr(err.message, wanted), "'%s' says: %s", text, err.message);
    ps_plugin_configs_clear(&configs);
    (void)uv_loop_close(&loop);
}

Test(plugin_config, every_mistake_is_named_with_its_line)
{
    expect_error("", "configuration:1: a map is wanted");
    expect_error("- a\n", "configuration:1: a map is wanted");
    expect_error("region: x\n", "no url");
    expect_error("url: s3://b\nendpiont: x\n", "configuration:2: key `endpiont`: unknown");
    expect_error("url: s3://b\nurl: s3://c\n", "configuration:2: key `url`: stands here a second");
    expect_error("url: s3://b\npart_size: big\n",
                 "configuration:2: key `part_size`: 'big' is no size");
    expect_error("url: s3://b\nregion: [a]\n", "configuration:2: key `region`: one value");
    expect_error("url: {\n", "configuration:2:");
    expect_error("url: http://b/p\n", "configuration:");
    expect_error("url: file:///a/../b\n", "configuration:");
}

Test(plugin_config, one_text_is_opened_once_and_kept)
{
    uv_loop_t loop;
    struct ps_settings settings = { 0 };
    struct ps_store_factory factory;
    struct ps_plugin_configs configs = { .factory = &factory };
    struct ps_plugin_config *first = NULL;
    struct ps_plugin_config *second = NULL;
    struct ps_err err;
    static const char text[] = "url: file:///tmp/x\npart_size: 8MiB\nconcurrency: 3\n";

    (void)uv_loop_init(&loop);
    factory = factory_of(&loop, &settings);

    cr_assert_eq(ps_plugin_config_get(&configs, text, &first, &err), PS_OK, "%s", err.message);
    ps_plugin_config_release(&configs, first);
    cr_assert_eq(ps_plugin_config_get(&configs, text, &second, &err), PS_OK);

    cr_expect_eq(first, second);
    cr_expect_eq(second->says.part_size_bytes, 8 * 1024 * 1024);
    cr_expect_eq(second->says.concurrency, 3);
    ps_plugin_config_release(&configs, second);
    ps_plugin_configs_clear(&configs);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&loop);
}

Test(plugin_config, keys_stay_inside_the_prefix)
{
    static const struct {
        const char *key;
        const char *sub_path;
        const char *url; /* NULL = refused */
    } rows[] = {
        { "a/b", "", "s3://bkt/p/q/a/b" },
        { "a/b/", "", "s3://bkt/p/q/a/b" },
        { "a", "b/c", "s3://bkt/p/q/a/b/c" },
        { "a/", "/b/", "s3://bkt/p/q/a/b" },
        { "..a/b..", "", "s3://bkt/p/q/..a/b.." },
        { "a", "../b", NULL },
        { "..", "", NULL },
        { "a/..", "", NULL },
        { "../p2/x", "", NULL },
        { "a/./b", "", NULL },
        { "/a", "", NULL },
        { "/", "", NULL },
        { "", "", NULL },
        { "", "a", NULL },
        { ".purser/reclaim/x", "", NULL },
        { "a/.purser", "", NULL },
    };
    struct ps_plugin_config config = { 0 };
    char long_key[1100];

    config.open.key = (char *)(uintptr_t) "p/q/";
    config.says.url = (char *)(uintptr_t) "s3://bkt/p/q/";
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *key = NULL;
        char *url = NULL;
        struct ps_err err;
        enum ps_code code =
            ps_plugin_config_key(&config, rows[i].key, rows[i].sub_path, &key, &url, &err);

        cr_expect_eq(code, rows[i].url != NULL ? PS_OK : PS_E_INVALID, "'%s' + '%s'", rows[i].key,
                     rows[i].sub_path);
        if (code == PS_OK) {
            cr_expect_str_eq(url, rows[i].url);
            cr_expect_str_eq(key, rows[i].url + strlen("s3://bkt/"));
        }
        free(key);
        free(url);
    }
    memset(long_key, 'k', sizeof(long_key) - 1);
    long_key[sizeof(long_key) - 1] = '\0';
    cr_expect_eq(
        ps_plugin_config_key(&config, long_key, "", &(char *){ NULL }, &(char *){ NULL }, NULL),
        PS_E_INVALID);
}
