#include "base/settings.h"

#include "base/settings_table.h"

#include <criterion/criterion.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(settings, .timeout = 20);

#define MIB ((uint64_t)1024 * 1024)

static enum ps_code read_bytes(struct ps_settings *settings, const char *text, size_t size,
                               struct ps_err *err)
{
    cr_assert_eq(ps_settings_init(settings, err), PS_OK);
    return ps_settings_read_text(settings, text, size, "f.yaml", err);
}

static enum ps_code read_text(struct ps_settings *settings, const char *text, struct ps_err *err)
{
    return read_bytes(settings, text, strlen(text), err);
}

/* --- mistakes --- */

Test(settings, mistakes_are_told_with_file_line_and_key)
{
    static const struct row {
        const char *text;
        const char *message;
    } rows[] = {
        { "state_dirr: x\n", "f.yaml:1: key `state_dirr`: unknown; see purser help settings" },
        { "# a comment\n\nlog:\n  level: info\n  levle: x\n",
          "f.yaml:5: key `log.levle`: unknown; see purser help settings" },
        { "log: {level: info}\nlog.level: info\nlogs: 1\n",
          "f.yaml:3: key `logs`: unknown; see purser help settings" },
        { "reclaim:\n  fuse:\n    cuont: 1\n",
          "f.yaml:3: key `reclaim.fuse.cuont`: unknown; see purser help settings" },
        { "state_dir:\n  path: /x\n", "f.yaml:2: key `state_dir`: one value is wanted here" },
        { "log: {level: loud}\n",
          "f.yaml:1: key `log.level`: 'loud' is none of: error warn info debug" },
        { "log: {level: warn info}\n",
          "f.yaml:1: key `log.level`: 'warn info' is none of: error warn info debug" },
        { "log: {level: ''}\n", "f.yaml:1: key `log.level`: '' is none of: error warn info debug" },
        { "log: {format: [json]}\n", "f.yaml:1: key `log.format`: one value is wanted here" },
        { "\n\ntransfer:\n  memory_limit: lots\n",
          "f.yaml:4: key `transfer.memory_limit`: 'lots' is no size: write e.g. 64MiB" },
        { "transfer: {memory_limit: -1}\n",
          "f.yaml:1: key `transfer.memory_limit`: '-1' is no size: write e.g. 64MiB" },
        { "transfer:\n  concurrency: 4294967296\n",
          "f.yaml:2: key `transfer.concurrency`: '4294967296' is no number from 0 to 4294967295" },
        { "reclaim: {fuse: {count: -1}}\n",
          "f.yaml:1: key `reclaim.fuse.count`: '-1' is no number from 0 to 4294967295" },
        { "reclaim: {interval: soon}\n", "f.yaml:1: key `reclaim.interval`: 'soon' is no duration: "
                                         "write e.g. 90s, 12h or 7d" },
        { "state_dir: a\nstate_dir: b\n", "f.yaml:2: key `state_dir`: stands here a second time" },
        { "log: {level: info}\nlog: {format: json}\n",
          "f.yaml:2: key `log`: stands here a second time" },
        { "stores:\n  a: {url: x}\n  a: {url: y}\n",
          "f.yaml:3: key `a`: stands here a second time" },
        { "stores:\n  a:\n    url: x\n    url: y\n",
          "f.yaml:4: key `url`: stands here a second time" },
        { "policy_path:\n  - /a\n  - [/b]\n",
          "f.yaml:3: key `policy_path`: a list of texts is wanted" },
        { "policy_path: {a: b}\n", "f.yaml:1: key `policy_path`: one value is wanted here" },
        { "? [a, b]\n: x\n", "f.yaml:1: key `?`: a key is a plain text" },
        { "stores: [a]\n", "f.yaml:1: key `stores`: a map of named stores is wanted" },
        { "stores:\n", "f.yaml:1: key `stores`: a map of named stores is wanted" },
        { "stores:\n  a: s3://b\n",
          "f.yaml:2: key `a`: a map of url, endpoint, region ... is wanted" },
        { "stores:\n  a:\n    urll: x\n",
          "f.yaml:3: key `urll`: unknown in a store; see purser help settings" },
        { "stores:\n  a b: {url: x}\n",
          "f.yaml:2: key `a b`: a store's name has letters, digits, - and _ only" },
        { "stores:\n  '': {url: x}\n",
          "f.yaml:2: key ``: a store's name has letters, digits, - and _ only" },
        { "stores:\n  a: {sign_payload: perhaps}\n",
          "f.yaml:2: key `sign_payload`: 'perhaps' is neither true nor false" },
        { "stores:\n  a:\n    path_style: yes\n",
          "f.yaml:3: key `path_style`: 'yes' is none of: auto true false" },
        { "- a\n", "f.yaml:1: a map of settings is wanted" },
        { "just a text\n", "f.yaml:1: a map of settings is wanted" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ps_settings settings;
        struct ps_err err;

        cr_assert_eq(read_text(&settings, rows[i].text, &err), PS_E_INVALID, "%s", rows[i].text);
        cr_assert_eq(err.code, PS_E_INVALID, "%s", rows[i].text);
        cr_assert_str_eq(err.message, rows[i].message, "%s%s", rows[i].text, err.message);
        ps_settings_clear(&settings);
    }
}

Test(settings, a_section_wants_a_map)
{
    static const char *const rows[][2] = {
        { "log: info\n", "f.yaml:1: key `log`: a map is wanted here" },
        { "transfer: [memory_limit]\n", "f.yaml:1: key `transfer`: a map is wanted here" },
        { "reclaim:\n  fuse: 10\n", "f.yaml:2: key `reclaim.fuse`: a map is wanted here" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ps_settings settings;
        struct ps_err err;

        cr_assert_eq(read_text(&settings, rows[i][0], &err), PS_E_INVALID, "%s", rows[i][0]);
        cr_assert_str_eq(err.message, rows[i][1]);
        ps_settings_clear(&settings);
    }
}

/* The words after the line are libyaml's. */
Test(settings, bad_yaml_is_told_with_file_and_line)
{
    static const struct row {
        const char *text;
        const char *begin;
    } rows[] = {
        { "log: [\n", "f.yaml:2: " },
        { "log:\n\tlevel: info\n", "f.yaml:2: " },
        { "a: b: c\n", "f.yaml:1: " },
        { "log: {level: 'info}\n", "f.yaml:2: " },
        { "state_dir: *nowhere\n", "f.yaml:1: " },
        { "state_dir: \xff\xfe\n", "f.yaml:1: " },
        { "log: {level: info}\n}\n", "f.yaml:2: " },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ps_settings settings;
        struct ps_err err;

        cr_assert_eq(read_text(&settings, rows[i].text, &err), PS_E_INVALID, "%s", rows[i].text);
        cr_assert_eq(strncmp(err.message, rows[i].begin, strlen(rows[i].begin)), 0, "%s%s",
                     rows[i].text, err.message);
        cr_assert_gt(strlen(err.message), strlen(rows[i].begin), "%s", err.message);
        ps_settings_clear(&settings);
    }
}

/* YAML 1.1 9.2: a stream may hold many documents. What is not read must not look as if it were. */
Test(settings, a_second_document_is_refused)
{
    static const char *const rows[][2] = {
        { "log: {level: info}\n---\nlog: {level: debug}\n", "f.yaml:3: a second document" },
        { "log: {level: info}\n...\n---\n- x\n", "f.yaml:4: a second document" },
        { "log: {level: info}\n---\n[\n", "f.yaml:" },
    };
    struct ps_settings settings;
    struct ps_err err;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cr_assert_eq(read_text(&settings, rows[i][0], &err), PS_E_INVALID, "%s", rows[i][0]);
        cr_assert_eq(strncmp(err.message, rows[i][1], strlen(rows[i][1])), 0, "%s", err.message);
        ps_settings_clear(&settings);
    }
    cr_assert_eq(read_text(&settings, "---\nlog: {level: info}\n...\n", &err), PS_OK, "%s",
                 err.message);
    ps_settings_clear(&settings);
}

/* "\0" is an escape of double-quoted YAML: the text behind it would be lost without a word. */
Test(settings, a_nul_in_a_text_is_refused)
{
    static const char *const rows[][2] = {
        { "state_dir: \"/a\\0b\"\n", "f.yaml:1: key `state_dir`: holds a NUL byte" },
        { "log:\n  level: \"info\\0x\"\n", "f.yaml:2: key `log.level`: holds a NUL byte" },
        { "policy_path:\n  - \"/a\\0\"\n", "f.yaml:2: key `policy_path`: holds a NUL byte" },
        { "\"state_dir\\0x\": /a\n", "f.yaml:1: key `state_dir`: holds a NUL byte" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ps_settings settings;
        struct ps_err err;

        cr_assert_eq(read_text(&settings, rows[i][0], &err), PS_E_INVALID, "%s", rows[i][0]);
        cr_assert_str_eq(err.message, rows[i][1]);
        ps_settings_clear(&settings);
    }
}

Test(settings, at_most_64_stores_have_names)
{
    struct ps_settings settings;
    struct ps_err err;
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);

    (void)fprintf(file, "stores:\n");
    for (int i = 0; i <= PS_SETTINGS_STORES_MAX; i++) {
        (void)fprintf(file, "  s%d: {}\n", i);
    }
    (void)fclose(file);

    cr_assert_eq(read_bytes(&settings, text, size, &err), PS_E_INVALID);

    cr_assert_str_eq(err.message, "f.yaml:66: key `s64`: more than 64 stores");
    cr_assert_eq(settings.store_count, 64);
    ps_settings_clear(&settings);
    free(text);
}

/* --- values --- */

Test(settings, an_empty_file_leaves_all_defaults)
{
    static const char *const texts[] = { "", "# nothing\n", "{}\n" };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct ps_settings settings;

        cr_assert_eq(read_text(&settings, texts[i], NULL), PS_OK, "%s", texts[i]);
        cr_assert_str_eq(settings.state_dir, "");
        cr_assert_str_eq(settings.log_level, "warn");
        cr_assert_str_eq(settings.log_format, "text");
        cr_assert_eq(settings.transfer_memory_limit_bytes, 256 * MIB);
        cr_assert_eq(settings.transfer_concurrency, 0);
        cr_assert_str_eq(settings.reclaim_default_strategy, "Never");
        cr_assert_eq(settings.store_count, 0);
        ps_settings_clear(&settings);
    }
}

Test(settings, reads_all_kinds)
{
    struct ps_settings settings;
    struct ps_err err;
    const struct ps_store_settings *store;

    cr_assert_eq(
        read_text(&settings,
                  "policy_path: [/a, /b]\n"
                  "watch:\n  namespaces:\n    - one\n    - two\n"
                  "transfer: {memory_limit: 1.5GiB, concurrency: 6}\n"
                  "reclaim: {interval: 15m, orphan_uploads_after: 2d, fuse: {percent: 10}}\n"
                  "stores:\n"
                  "  one: {url: 's3://bucket/', region: eu-west-1, path_style: true}\n"
                  "  two: {url: 's3://bucket/deep/', sign_payload: true,\n"
                  "        connect_timeout: 250ms, checksum: crc32c}\n",
                  &err),
        PS_OK, "%s", err.message);
    cr_assert_str_eq(settings.policy_path, "/a:/b");
    cr_assert_str_eq(settings.watch_namespaces, "one,two");
    cr_assert_eq(settings.transfer_memory_limit_bytes, 1536 * MIB);
    cr_assert_eq(settings.transfer_concurrency, 6);
    cr_assert_eq(settings.reclaim_interval_ms, 900000);
    cr_assert_eq(settings.reclaim_orphan_uploads_after_ms, 172800000);
    cr_assert_eq(settings.reclaim_fuse_percent, 10);
    cr_assert_eq(settings.reclaim_fuse_count, 10000, "the default stays");
    cr_assert_eq(settings.store_count, 2);
    store = ps_settings_store(&settings, "one");
    cr_assert_str_eq(store->region, "eu-west-1");
    cr_assert_str_eq(store->path_style, "true");
    cr_assert(!store->sign_payload);
    cr_assert_eq(store->stall_timeout_ms, 30000, "the default of a store");
    store = ps_settings_store(&settings, "two");
    cr_assert(store->sign_payload);
    cr_assert_eq(store->connect_timeout_ms, 250);
    cr_assert_str_eq(store->checksum, "crc32c");
    cr_assert_null(ps_settings_store(&settings, "three"));
    cr_assert_null(ps_settings_store(&settings, ""));
    ps_settings_clear(&settings);
    ps_settings_clear(&settings);
}

Test(settings, a_later_file_adds_to_an_earlier_one)
{
    struct ps_settings settings;
    const char *later = "log: {level: debug}\nstores: {a: {region: r2}, b: {url: 's3://b'}}\n";
    const struct ps_store_settings *store;

    cr_assert_eq(read_text(&settings,
                           "state_dir: /s\nlog: {level: info, format: json}\n"
                           "stores: {a: {url: 's3://a', region: r1}}\n",
                           NULL),
                 PS_OK);

    cr_assert_eq(ps_settings_read_text(&settings, later, strlen(later), "g.yaml", NULL), PS_OK);

    cr_assert_str_eq(settings.state_dir, "/s");
    cr_assert_str_eq(settings.log_level, "debug");
    cr_assert_str_eq(settings.log_format, "json");
    cr_assert_eq(settings.store_count, 2);
    store = ps_settings_store(&settings, "a");
    cr_assert_str_eq(store->url, "s3://a");
    cr_assert_str_eq(store->region, "r2");
    ps_settings_clear(&settings);
}

Test(settings, a_store_is_found_by_the_longest_url_above)
{
    static const char yaml[] = "stores:\n"
                               "  none: {region: x}\n"
                               "  deep: {url: 's3://bucket/deep/'}\n"
                               "  all: {url: 's3://bucket'}\n"
                               "  deeper: {url: 's3://bucket/deep/er'}\n"
                               "  disk: {url: 'file:///'}\n"
                               "  data: {url: 'file:///data//'}\n";
    static const struct row {
        const char *url;
        const char *name; /* NULL = none */
    } rows[] = {
        { "s3://bucket", "all" },
        { "s3://bucket/", "all" },
        { "s3://bucket/other", "all" },
        { "s3://bucket/deepest", "all" },
        { "s3://bucket/deep", "deep" },
        { "s3://bucket/deep/x", "deep" },
        { "s3://bucket/deep/er", "deeper" },
        { "s3://bucket/deep/er/x", "deeper" },
        { "s3://bucket/deep/erer", "deep" },
        { "file:///x", "disk" },
        { "file:///data/x", "data" },
        { "file:///database", "disk" },
        { "s3://bucketful/x", NULL },
        { "s3://", NULL },
        { "oss://bucket/deep", NULL },
        { "", NULL },
    };
    struct ps_settings settings;

    cr_assert_eq(read_text(&settings, yaml, NULL), PS_OK);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct ps_store_settings *store = ps_settings_store_of_url(&settings, rows[i].url);

        if (rows[i].name == NULL) {
            cr_assert_null(store, "%s", rows[i].url);
        } else {
            cr_assert_not_null(store, "%s", rows[i].url);
            cr_assert_str_eq(store->name, rows[i].name, "%s", rows[i].url);
        }
    }
    ps_settings_clear(&settings);
}

/* --- files, variables, flags --- */

struct variable {
    const char *name;
    const char *value;
};

/* user: variables, ended by one without a name. */
static const char *fake_getenv(void *user, const char *name)
{
    for (const struct variable *variable = user; variable->name != NULL; variable++) {
        if (strcmp(variable->name, name) == 0) {
            return variable->value;
        }
    }
    return NULL;
}

struct folder {
    char dir[32];
    char path[48];
};

static void folder_init(struct folder *folder, const char *yaml)
{
    FILE *file;

    (void)snprintf(folder->dir, sizeof(folder->dir), "/tmp/ps_settings_XXXXXX");
    cr_assert_not_null(mkdtemp(folder->dir));
    (void)snprintf(folder->path, sizeof(folder->path), "%s/p.yaml", folder->dir);
    file = fopen(folder->path, "w");
    cr_assert_not_null(file);
    (void)fputs(yaml, file);
    (void)fclose(file);
}

static void folder_clear(const struct folder *folder)
{
    (void)unlink(folder->path);
    (void)rmdir(folder->dir);
}

Test(settings, a_flag_beats_a_variable_and_a_variable_beats_a_file)
{
    struct folder folder;
    struct ps_settings settings;
    struct ps_err err;
    struct variable variables[] = {
        { "PURSER_CONFIG", NULL },
        { "PURSER_LOG_FORMAT", "json" },
        { "PURSER_LOG_LEVEL", "debug" },
        { "PURSER_RECLAIM_FUSE_COUNT", "" },
        { "PURSER_TRANSFER_MEMORY_LIMIT", "1MiB" },
        { NULL, NULL },
    };

    folder_init(&folder, "state_dir: /s\nlog: {level: info, format: text}\n"
                         "reclaim: {fuse: {count: 5}}\ntransfer: {concurrency: 3}\n");
    variables[0].value = folder.path;
    cr_assert_eq(ps_settings_init(&settings, &err), PS_OK);

    cr_assert_eq(ps_settings_load(&settings, NULL, fake_getenv, variables, &err), PS_OK, "%s",
                 err.message);
    cr_assert_eq(ps_settings_set(&settings, "log.level", "error", "flag --log-level", &err), PS_OK);

    cr_assert_str_eq(settings.log_level, "error", "flag over variable and file");
    cr_assert_str_eq(settings.log_format, "json", "variable over file");
    cr_assert_eq(settings.transfer_memory_limit_bytes, MIB, "variable over default");
    cr_assert_str_eq(settings.state_dir, "/s", "file over default");
    cr_assert_eq(settings.transfer_concurrency, 3, "file over default");
    cr_assert_eq(settings.reclaim_fuse_count, 5, "an empty variable is none");
    ps_settings_clear(&settings);
    folder_clear(&folder);
}

Test(settings, every_setting_has_a_variable)
{
    for (size_t i = 0; i < ps_settings_row_count; i++) {
        char name[64] = "PURSER_";
        struct variable variables[] = { { name, "\x01" }, { NULL, NULL } };
        const struct ps_setting *row = &ps_settings_rows[i];
        struct ps_settings settings;
        struct ps_err err;
        enum ps_code code;

        for (size_t k = 0; k <= strlen(row->name); k++) {
            const char c = row->name[k];

            name[7 + k] = (char)(c == '.' ? '_' : c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
        }
        cr_assert_eq(ps_settings_init(&settings, &err), PS_OK);
        code = ps_settings_load(&settings, NULL, fake_getenv, variables, &err);
        if (row->type == PS_SETTING_TEXT || row->type == PS_SETTING_LIST) {
            cr_assert_eq(code, PS_OK, "%s", name);
            cr_assert_str_eq(*(char **)(void *)((char *)&settings + row->offset), "\x01", "%s",
                             name);
        } else {
            cr_assert_eq(code, PS_E_INVALID, "%s", name);
            cr_assert_eq(strncmp(err.message, name, strlen(name)), 0, "%s", err.message);
        }
        ps_settings_clear(&settings);
    }
}

Test(settings, the_file_that_is_named_beats_that_of_the_variable)
{
    struct variable variables[] = { { "PURSER_CONFIG", "/nowhere/p.yaml" }, { NULL, NULL } };
    struct folder folder;
    struct ps_settings settings;
    struct ps_err err;

    folder_init(&folder, "state_dir: /named\n");
    cr_assert_eq(ps_settings_init(&settings, &err), PS_OK);

    cr_assert_eq(ps_settings_load(&settings, folder.path, fake_getenv, variables, &err), PS_OK);

    cr_assert_str_eq(settings.state_dir, "/named");
    cr_assert_eq(ps_settings_load(&settings, NULL, fake_getenv, variables, &err), PS_E_NOT_FOUND);
    cr_assert_str_eq(err.message, "settings /nowhere/p.yaml: No such file or directory");
    ps_settings_clear(&settings);
    folder_clear(&folder);
}

Test(settings, wrong_values_are_told_with_their_origin)
{
    struct variable variables[] = { { "PURSER_LOG_LEVEL", "loud" }, { NULL, NULL } };
    struct ps_settings settings;
    struct ps_err err;

    cr_assert_eq(ps_settings_init(&settings, &err), PS_OK);

    cr_assert_eq(ps_settings_load(&settings, NULL, fake_getenv, variables, &err), PS_E_INVALID);
    cr_assert_str_eq(err.message, "PURSER_LOG_LEVEL: 'loud' is none of: error warn info debug");
    cr_assert_eq(ps_settings_set(&settings, "log.level", "x", "flag --log-level", &err),
                 PS_E_INVALID);
    cr_assert_str_eq(err.message, "flag --log-level: 'x' is none of: error warn info debug");
    cr_assert_eq(ps_settings_set(&settings, "no.such", "x", "flag --x", &err), PS_E_INVALID);
    cr_assert_str_eq(err.message, "flag --x: unknown setting `no.such`");
    cr_assert_str_eq(settings.log_level, "warn", "unchanged on failure");
    ps_settings_clear(&settings);
}

Test(settings, a_file_that_cannot_be_read_is_an_error)
{
    struct folder folder;
    struct ps_settings settings;
    struct ps_err err;
    char *big = malloc(2 * MIB);

    memset(big, '#', 2 * MIB);
    big[2 * MIB - 1] = '\0';
    folder_init(&folder, big);
    cr_assert_eq(ps_settings_init(&settings, &err), PS_OK);

    cr_assert_eq(ps_settings_read_file(&settings, "/nowhere", &err), PS_E_NOT_FOUND);
    cr_assert_eq(ps_settings_read_file(&settings, folder.dir, &err), PS_E_IO);
    cr_assert_not_null(strstr(err.message, "Is a directory"), "%s", err.message);
    cr_assert_eq(ps_settings_read_file(&settings, folder.path, &err), PS_E_TOO_LARGE);
    cr_assert_not_null(strstr(err.message, folder.path), "%s", err.message);
    ps_settings_clear(&settings);
    folder_clear(&folder);
    free(big);
}

/* --- the state directory --- */

/* Run check in a child that may write to no directory of the system. */
static int as_nobody(int (*check)(const char *arg), const char *arg)
{
    const uid_t nobody = 65534;
    int status = 0;
    pid_t child = fork();

    cr_assert_geq(child, 0);
    if (child == 0) {
        if (getuid() == 0 && (setgroups(0, NULL) != 0 || setresgid(nobody, nobody, nobody) != 0 ||
                              setresuid(nobody, nobody, nobody) != 0)) {
            _exit(99);
        }
        _exit(check(arg));
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 100;
}

static int check_state_dirs(const char *arg)
{
    static const struct row {
        struct variable variables[3];
        const char *dir; /* NULL = there is none */
    } rows[] = {
        { { { "XDG_STATE_HOME", "/x" }, { "HOME", "/h" } }, "/x/purser" },
        { { { "XDG_STATE_HOME", "/x" } }, "/x/purser" },
        { { { "HOME", "/h" } }, "/h/.local/state/purser" },
        { { { "XDG_STATE_HOME", "" }, { "HOME", "/h" } }, "/h/.local/state/purser" },
        /* XDG Base Directory: a relative path is to be ignored */
        { { { "XDG_STATE_HOME", "x" }, { "HOME", "/h" } }, "/h/.local/state/purser" },
        { { { "HOME", "h" } }, NULL },
        { { { "HOME", "" } }, NULL },
        { { { NULL, NULL } }, NULL },
    };
    struct ps_settings settings;
    int failed = 0;

    (void)arg;
    if (access("/var/lib/purser", W_OK | X_OK) == 0 || ps_settings_init(&settings, NULL) != PS_OK) {
        return 98; /* a machine where anybody may write there */
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) && failed == 0; i++) {
        char *dir = NULL;
        enum ps_code code = ps_settings_state_dir(&settings, fake_getenv,
                                                  (void *)(uintptr_t)rows[i].variables, &dir, NULL);

        if (rows[i].dir == NULL ? code != PS_E_INVALID || dir != NULL
                                : code != PS_OK || strcmp(dir, rows[i].dir) != 0) {
            failed = 1 + (int)i;
        }
        free(dir);
    }
    ps_settings_clear(&settings);
    return failed;
}

Test(settings, the_state_lies_in_the_users_place_where_the_systems_is_closed)
{
    cr_assert_eq(as_nobody(check_state_dirs, NULL), 0, "the number of the row");
}

Test(settings, the_state_directory_that_is_set_is_used)
{
    struct variable variables[] = { { "XDG_STATE_HOME", "/x" }, { "HOME", "/h" }, { NULL, NULL } };
    struct ps_settings settings;
    char *dir = NULL;

    cr_assert_eq(read_text(&settings, "state_dir: /here\n", NULL), PS_OK);

    cr_assert_eq(ps_settings_state_dir(&settings, fake_getenv, variables, &dir, NULL), PS_OK);

    cr_assert_str_eq(dir, "/here");
    free(dir);
    ps_settings_clear(&settings);
}

Test(settings, the_systems_place_is_used_where_it_can_be_made)
{
    struct variable variables[] = { { "HOME", "/h" }, { NULL, NULL } };
    bool may_write = access("/var/lib/purser", W_OK | X_OK) == 0 ||
                     (access("/var/lib/purser", F_OK) != 0 && access("/var/lib", W_OK | X_OK) == 0);
    struct ps_settings settings;
    char *dir = NULL;

    cr_assert_eq(ps_settings_init(&settings, NULL), PS_OK);

    cr_assert_eq(ps_settings_state_dir(&settings, fake_getenv, variables, &dir, NULL), PS_OK);

    cr_assert_str_eq(dir, may_write ? "/var/lib/purser" : "/h/.local/state/purser");
    free(dir);
    ps_settings_clear(&settings);
}

static int read_denied(const char *path)
{
    struct ps_settings settings;
    enum ps_code code = ps_settings_init(&settings, NULL);

    if (code == PS_OK) {
        code = ps_settings_read_file(&settings, path, NULL);
        ps_settings_clear(&settings);
    }
    return (int)code;
}

Test(settings, a_file_of_somebody_else_is_denied)
{
    struct folder folder;

    folder_init(&folder, "log: {level: info}\n");
    cr_assert_eq(chmod(folder.path, 0), 0);

    cr_assert_eq(as_nobody(read_denied, folder.path), (int)PS_E_DENIED);

    folder_clear(&folder);
}

/* --- the help --- */

Test(settings, the_help_names_every_setting_within_80_columns)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);

    ps_settings_describe(file);
    (void)fclose(file);

    for (size_t i = 0; i < ps_settings_row_count; i++) {
        cr_assert_not_null(strstr(text, ps_settings_rows[i].name), "%s", ps_settings_rows[i].name);
    }
    for (size_t i = 0; i < ps_settings_store_row_count; i++) {
        char name[64];

        (void)snprintf(name, sizeof(name), "stores.NAME.%s:", ps_settings_store_rows[i].name);
        cr_assert_not_null(strstr(text, name), "%s", name);
    }
    for (const char *line = text; *line != '\0';) {
        size_t length = strcspn(line, "\n");

        cr_assert_leq(length, 80, "%.*s", (int)length, line);
        line += length + 1;
    }
    free(text);
}
