#include "base/settings.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

TestSuite(settings, .timeout = 20);

static enum ps_code read_text(struct ps_settings *settings, const char *text, struct ps_err *err)
{
    cr_assert_eq(ps_settings_init(settings, err), PS_OK);
    return ps_settings_read_text(settings, text, strlen(text), "f.yaml", err);
}

Test(settings, mistakes_are_told_with_file_and_line)
{
    static const struct row {
        const char *text;
        const char *message;
    } rows[] = {
        { "state_dirr: x\n", "f.yaml:1: key `state_dirr`: unknown; see purser help settings" },
        { "log:\n  level: info\n  levle: x\n", "f.yaml:3: key `log.levle`: unknown" },
        { "log: {level: loud}\n",
          "f.yaml:1: key `log.level`: 'loud' is none of: error warn info debug" },
        { "\n\ntransfer:\n  memory_limit: lots\n",
          "f.yaml:4: key `transfer.memory_limit`: 'lots' is no size: write e.g. 64MiB" },
        { "reclaim: {interval: soon}\n",
          "f.yaml:1: key `reclaim.interval`: 'soon' is no duration" },
        { "reclaim: {fuse: {count: -1}}\n",
          "f.yaml:1: key `reclaim.fuse.count`: '-1' is no number" },
        { "state_dir: a\nstate_dir: b\n", "f.yaml:2: key `state_dir`: stands here a second time" },
        { "state_dir: [a]\n", "f.yaml:1: key `state_dir`: one value is wanted here" },
        { "stores: [a]\n", "f.yaml:1: key `stores`: a map of named stores is wanted" },
        { "stores:\n  a:\n    urll: x\n", "f.yaml:3: key `urll`: unknown in a store" },
        { "stores:\n  a b: {url: x}\n", "f.yaml:2: key `a b`: a store's name has letters" },
        { "stores:\n  a: {sign_payload: perhaps}\n",
          "f.yaml:2: key `sign_payload`: 'perhaps' is neither true nor false" },
        { "- a\n", "f.yaml:1: a map of settings is wanted" },
        { "log: [\n", "f.yaml:" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ps_settings settings;
        struct ps_err err;

        cr_assert_eq(read_text(&settings, rows[i].text, &err), PS_E_INVALID, "%s", rows[i].text);
        cr_assert_eq(strncmp(err.message, rows[i].message, strlen(rows[i].message)), 0, "%s: %s",
                     rows[i].text, err.message);
        ps_settings_clear(&settings);
    }
}

Test(settings, reads_all_kinds)
{
    struct ps_settings settings;
    struct ps_err err;
    const struct ps_store_settings *store;

    cr_assert_eq(read_text(&settings,
                           "policy_path: [/a, /b]\n"
                           "transfer: {memory_limit: 1.5GiB, concurrency: 6}\n"
                           "reclaim: {interval: 15m, fuse: {percent: 10}}\n"
                           "stores:\n"
                           "  one: {url: 's3://bucket/', region: eu-west-1, path_style: true}\n"
                           "  two: {url: 's3://bucket/deep/', sign_payload: true}\n",
                           &err),
                 PS_OK, "%s", err.message);
    cr_assert_str_eq(settings.policy_path, "/a:/b");
    cr_assert_eq(settings.transfer_memory_limit_bytes, (uint64_t)1536 * 1024 * 1024);
    cr_assert_eq(settings.transfer_concurrency, 6);
    cr_assert_eq(settings.reclaim_interval_ms, 900000);
    cr_assert_eq(settings.reclaim_fuse_percent, 10);
    cr_assert_eq(settings.reclaim_fuse_count, 10000, "the default stays");
    store = ps_settings_store(&settings, "one");
    cr_assert_str_eq(store->region, "eu-west-1");
    cr_assert_str_eq(store->path_style, "true");
    cr_assert_str_eq(ps_settings_store_of_url(&settings, "s3://bucket/deep/x")->name, "two");
    cr_assert_str_eq(ps_settings_store_of_url(&settings, "s3://bucket/other")->name, "one");
    cr_assert_eq(ps_settings_store_of_url(&settings, "s3://bucketful/x"), NULL);
    ps_settings_clear(&settings);
}

static const char *some_variables(void *user, const char *name)
{
    (void)user;
    if (strcmp(name, "PURSER_LOG_LEVEL") == 0) {
        return "debug";
    }
    return strcmp(name, "PURSER_TRANSFER_MEMORY_LIMIT") == 0 ? "1MiB" : NULL;
}

Test(settings, variables_beat_files_and_flags_beat_variables)
{
    struct ps_settings settings;
    struct ps_err err;

    cr_assert_eq(read_text(&settings, "log: {level: info}\nstate_dir: /s\n", &err), PS_OK);
    cr_assert_eq(ps_settings_load(&settings, NULL, some_variables, NULL, &err), PS_OK);
    cr_assert_str_eq(settings.log_level, "debug");
    cr_assert_str_eq(settings.state_dir, "/s");
    cr_assert_eq(settings.transfer_memory_limit_bytes, 1024 * 1024);
    cr_assert_eq(ps_settings_set(&settings, "log.level", "error", "flag --log-level", &err), PS_OK);
    cr_assert_str_eq(settings.log_level, "error");
    cr_assert_eq(ps_settings_set(&settings, "log.level", "x", "flag --log-level", &err),
                 PS_E_INVALID);
    cr_assert(strstr(err.message, "flag --log-level: 'x'") != NULL, "%s", err.message);
    cr_assert_eq(ps_settings_set(&settings, "no.such", "x", "here", &err), PS_E_INVALID);
    ps_settings_clear(&settings);
}

static const char *only_home(void *user, const char *name)
{
    (void)user;
    return strcmp(name, "HOME") == 0 ? "/home/u" : NULL;
}

Test(settings, the_state_directory_that_is_set_is_used)
{
    struct ps_settings settings;
    struct ps_err err;
    char *dir = NULL;

    cr_assert_eq(read_text(&settings, "state_dir: /here\n", &err), PS_OK);
    cr_assert_eq(ps_settings_state_dir(&settings, only_home, NULL, &dir, &err), PS_OK);
    cr_assert_str_eq(dir, "/here");
    free(dir);
    ps_settings_clear(&settings);
    cr_assert_eq(ps_settings_init(&settings, &err), PS_OK);
    cr_assert_eq(ps_settings_state_dir(&settings, only_home, NULL, &dir, &err), PS_OK);
    cr_assert(strcmp(dir, "/var/lib/purser") == 0 ||
                  strcmp(dir, "/home/u/.local/state/purser") == 0,
              "%s", dir);
    free(dir);
    ps_settings_clear(&settings);
}
