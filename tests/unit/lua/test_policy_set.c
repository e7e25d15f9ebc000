#include "tests/unit/lua/policy_rig.h"

TestSuite(policy_set, .timeout = 60);

/* How Lua 5.4 words its own errors is in its sources (lparser.c, llex.c); the rest is ours, as README.md says it. */
Test(policy_set, files_that_do_not_load_are_told_with_file_and_line)
{
    static const struct row {
        const char *text;
        const char *message; /* after the path */
    } rows[] = {
        { "return {\n  api = 1,,\n}\n", ":2: unexpected symbol near ','" },
        { "local x <const> = 1\nx = 2\n", ":2: attempt to assign to const variable 'x'" },
        { "", ":1: returns no table" },
        { "local x = 1\n", ":1: returns no table" },
        { "local x = 1\n\nreturn x\n", ":3: returns no table" },
        { "-- return {}\nreturn nil\n-- return\n", ":2: returns no table" },
        { "return { api = 2, name = 'x' }\n", ":1: `api` must be 1" },
        { "return {\n  name = 'x',\n  api = '1' }\n", ":3: `api` must be 1" },
        { "local n = 'x'\nreturn { name = n }\n", ":2: `api = 1` is missing" },
        { "\nreturn { api = 1 }\n", ":2: `name` is missing" },
        { "return { api = 1,\n  name = 5 }\n", ":2: `name` must be a text" },
        { "return { api = 1,\n  name = '' }\n", ":2: `name` must be a text" },
        { "return { api = 1,\n  name = 'a\\nb' }\n", ":2: `name` must be a text" },
        { "return { api = 1,\n  name = ('x'):rep(64) }\n", ":2: `name` must be a text" },
        { "return {\n  api = 1,\n  name = 'x',\n  uplaod = 1,\n}\n",
          ":4: unknown key `uplaod`: did you mean `upload`?" },
        { "return {\n  api = 1,\n  name = 'x',\n  partsize = 1,\n}\n",
          ":4: unknown key `partsize`: did you mean `part_size`?" },
        { "return {\n  api = 1,\n  name = 'x',\n  retries = 1,\n}\n", ":4: unknown key `retries`" },
        { "return {\n  api = 1,\n  name = 'x',\n  colour = 1,\n}\n",
          ":4: unknown key `colour`: see lua/README.md" },
        { "return { api = 1, name = 'x',\n  5 }\n", ":1: the returned table has a key that is no" },
        { "return {\n  api = 1, name = 'x',\n  retry = 'no',\n}\n",
          ":3: `retry` is a string: a function is wanted" },
        { "return {\n  api = 1, name = 'x',\n  reclaim = {},\n}\n",
          ":3: `reclaim` is a table: a function is wanted" },
        { "return {\n  api = 1, name = 'x',\n  download = 1,\n}\n",
          ":3: `download` is a number: a function is wanted" },
        { "return {\n  api = 1, name = 'x',\n  lifecycle = function() end,\n}\n",
          ":3: `lifecycle` is a function: a table is wanted" },
#define ROWS(rows) "return {\n  api = 1, name = 'x',\n  lifecycle = { " rows " },\n}\n"
        { ROWS("{ expire = '7d' }"), ":3: lifecycle row 1: `prefix` is missing" },
        { ROWS("{ prefix = 'a', expire = '7d' }, { prefix = 'b' }"), ":3: lifecycle row 2: says" },
        { ROWS("{ prefix = 'a', expire = '36h' }"), ":3: lifecycle row 1: `expire` must be whole" },
        { ROWS("{ prefix = 'a', expire = 0 }"), ":3: lifecycle row 1: `expire` must be whole" },
        { ROWS("{ prefix = 'a', expires = '7d' }"), ":3: lifecycle row 1: `expires` is no field" },
        { ROWS("{ prefix = 5, expire = '7d' }"), ":3: lifecycle row 1: `prefix` must be a text" },
        { ROWS("{ prefix = 'file:///x/', expire = '7d' }"), ":3: lifecycle row 1: `prefix` of a" },
        { ROWS("{ prefix = 's3://b', expire = '7d' }"), ":3: lifecycle row 1: `prefix` must be" },
        { ROWS("{ prefix = '', tags = { a = 1 }, expire = '7d' }"), ":3: lifecycle row 1: `tags`" },
        { ROWS("{ prefix = '', archive = { after = '7d' } }"), ":3: lifecycle row 1: `archive` n" },
        { ROWS("{ prefix = '', expire = '7d', archive = { after = '7d', class = 'IA' } }"),
          ":3: lifecycle row 1: `expire` must be later" },
        { ROWS("{ prefix = '', tags = { a = 'b' }, abort_incomplete = '7d' }"),
          ":3: lifecycle row 1: `abort_incomplete` cannot go with `tags`" },
        { ROWS("prefix = 'a', expire = '7d'"), ":3: `lifecycle` must be a list" },
        { ROWS("'a'"), ":3: lifecycle row 1: is no table" },
        { "\n\nerror('stop')\n", ":3: stop" },
        { "\nerror({})\n", ":1: error object of type table" },
        { "\nwhile true do end\n", ":2: took longer than 50 ms" },
        { "local s = 'x'\nwhile true do s = s .. s end\n",
          ":1: used more memory than policies may" },
        { "\x1bLua", ":1: is compiled Lua" },
        { "#!/usr/bin/lua\nreturn {}\n", ":1: unexpected symbol near '#'" },
        { "local a\nleak = 1\n", ":2: global 'leak'" },
        { "return {\n  api = 1, name = 'x', retry = function() end,\n  [{}] = 1 }\n",
          ":1: the returned table has a key that is no text" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct policy_rig rig;
        struct ps_err err = { .code = PS_OK };

        policy_rig_init(&rig);
        policy_rig_write(&rig, "50-bad.lua", rows[i].text, strlen(rows[i].text));
        cr_expect_eq(policy_rig_load(&rig, &err), PS_E_INVALID, "%s", rows[i].text);
        cr_expect_eq(strncmp(err.message, rig.path, strlen(rig.path)), 0, "%s", err.message);
        cr_expect_eq(
            strncmp(err.message + strlen(rig.path), rows[i].message, strlen(rows[i].message)), 0,
            "%s\n%s", rows[i].text, err.message);
        policy_rig_clear(&rig);
    }
}

/* Lua cuts names of chunks at 59 bytes (LUA_IDSIZE). */
Test(policy_set, errors_in_files_with_long_names_have_the_whole_path)
{
    static const char text[] = "\n\nerror('stop')\n";
    static const char name[] =
        "a-directory-with-a-long-name/50-a-policy-whose-name-is-longer-than-lua-keeps-of-it.lua";
    struct policy_rig rig;
    struct ps_policy_options options = { .dir_count = 1 };
    struct ps_err err;
    char dir[160];
    char wanted[200];

    policy_rig_init(&rig);
    policy_rig_write(&rig, name, text, strlen(text));
    (void)snprintf(dir, sizeof(dir), "%s/a-directory-with-a-long-name", rig.dir);
    (void)snprintf(wanted, sizeof(wanted), "%s:3: stop", rig.path);
    options.dirs[0] = dir;
    options.clock = &rig.clock;
    cr_assert_eq(ps_policy_set_load(&rig.set, &options, &err), PS_E_INVALID);
    cr_assert_str_eq(err.message, wanted);
    policy_rig_clear(&rig);
}

Test(policy_set, a_file_that_is_too_large_is_no_policy)
{
    char *text = malloc(PS_POLICY_FILE_SIZE_MAX + 1);
    struct policy_rig rig;
    struct ps_err err;

    cr_assert(text != NULL);
    memset(text, '-', PS_POLICY_FILE_SIZE_MAX + 1);
    policy_rig_init(&rig);
    policy_rig_write(&rig, "50-big.lua", text, PS_POLICY_FILE_SIZE_MAX + 1);
    cr_assert_eq(policy_rig_load(&rig, &err), PS_E_INVALID);
    cr_assert(strstr(err.message, "50-big.lua:1: larger than 65536 bytes") != NULL, "%s",
              err.message);
    free(text);
    policy_rig_clear(&rig);
}

Test(policy_set, what_is_no_policy_file_is_left_alone)
{
    static const char bad[] = "this is no Lua";
    struct policy_rig rig;
    struct ps_err err;

    policy_rig_init(&rig);
    policy_rig_write(&rig, "README.md", bad, strlen(bad));
    policy_rig_write(&rig, ".50-hidden.lua", bad, strlen(bad));
    policy_rig_write(&rig, "50-x.lua.bak", bad, strlen(bad));
    policy_rig_write(&rig, "tests/50-x_test.lua", bad, strlen(bad));
    cr_assert_eq(policy_rig_load(&rig, &err), PS_OK, "%s", err.message);
    cr_assert_str_eq(ps_policy_set_digest(rig.set), "");
    cr_assert_eq(rig.decider.upload, ps_decider_builtin()->upload);
    policy_rig_clear(&rig);
}

Test(policy_set, what_cannot_be_read_is_an_error)
{
    struct policy_rig rig;
    struct ps_policy_options options = { .dir_count = 1 };
    struct ps_err err;

    policy_rig_init(&rig);
    policy_rig_write(&rig, "plain", "x", 1);
    options.clock = &rig.clock;
    options.dirs[0] = rig.path; /* a file where a directory is wanted */
    cr_assert_neq(ps_policy_set_load(&rig.set, &options, &err), PS_OK);
    cr_assert(strstr(err.message, rig.path) != NULL, "%s", err.message);
    policy_rig_write(&rig, "50-directory.lua/x", "x", 1);
    cr_assert_neq(policy_rig_load(&rig, &err), PS_OK);
    cr_assert(strstr(err.message, "50-directory.lua") != NULL, "%s", err.message);
    cr_assert_null(rig.set);
    policy_rig_clear(&rig);
}

struct seen {
    char text[512]; /* "name:size:hooks:masked " for each */
};

static void see(void *user, const struct ps_policy_info *info)
{
    struct seen *seen = user;
    size_t used = strlen(seen->text);

    (void)snprintf(seen->text + used, sizeof(seen->text) - used, "%s%s:%zu:%s%s%s%s ",
                   strrchr(info->path, '/') - 1, info->name[0] != '\0' ? "" : "-", info->size_bytes,
                   info->hooks[PS_HOOK_PART_SIZE] ? "p" : "",
                   info->hooks[PS_HOOK_RECLAIM] ? "r" : "",
                   info->hooks[PS_HOOK_LIFECYCLE] ? "l" : "",
                   info->masked_by != NULL ? strrchr(info->masked_by, '/') - 1 : "");
}

Test(policy_set, a_later_directory_masks_by_name_and_names_order_over_all_directories)
{
    static const char first[] = "return { api = 1, name = 'b' }";
    static const char shipped[] = "return { api = 1, name = 'a', part_size = function() return "
                                  "{ bytes = '16MiB', reason = 'shipped' } end }";
    static const char own[] = "return { api = 1, name = 'a', part_size = function() return "
                              "{ bytes = '64MiB', reason = 'own' } end }";
    static const char later[] = "return { api = 1, name = 'z', reclaim = print or function() end, "
                                "lifecycle = {} }";
    struct ps_policy_options options = { .dir_count = 4 };
    struct policy_rig rig;
    struct ps_part_size_decision decision;
    const struct ps_object_facts object = policy_rig_object();
    struct seen seen = { "" };
    char wanted[256];
    char dirs[3][64];
    struct ps_err err;

    policy_rig_init(&rig);
    for (int i = 0; i < 3; i++) {
        (void)snprintf(dirs[i], sizeof(dirs[i]), "%s/%d", rig.dir, i + 1);
    }
    policy_rig_write(&rig, "1/10-a.lua", shipped, strlen(shipped));
    policy_rig_write(&rig, "1/20-z.lua", later, strlen(later));
    policy_rig_write(&rig, "2/10-a.lua", "never read: no Lua", 18);
    policy_rig_write(&rig, "3/10-a.lua", own, strlen(own));
    policy_rig_write(&rig, "3/05-b.lua", first, strlen(first));
    options.dirs[0] = dirs[0];
    options.dirs[1] = dirs[1];
    options.dirs[2] = "/no/such/directory";
    options.dirs[3] = dirs[2];
    options.clock = &rig.clock;
    cr_assert_eq(ps_policy_set_load(&rig.set, &options, &err), PS_OK, "%s", err.message);
    ps_policy_set_each(rig.set, see, &seen);
    (void)snprintf(wanted, sizeof(wanted),
                   "3/05-b.lua:%zu: 1/10-a.lua-:0:2/10-a.lua 2/10-a.lua-:0:3/10-a.lua "
                   "3/10-a.lua:%zu:p 1/20-z.lua:%zu:rl ",
                   sizeof(first) - 1, sizeof(own) - 1, sizeof(later) - 1);
    cr_assert_str_eq(seen.text, wanted);
    rig.decider = ps_policy_set_decider(rig.set);
    rig.decider.part_size(rig.decider.user, &object, 1, &decision);
    cr_assert_eq(decision.bytes, 64 * 1024 * 1024);
    cr_assert_str_eq(decision.origin.reason, "own");
    policy_rig_clear(&rig);
}

Test(policy_set, two_files_may_not_have_one_name)
{
    static const char text[] = "return { api = 1,\n  name = 'same' }";
    struct policy_rig rig;
    struct ps_err err;

    policy_rig_init(&rig);
    policy_rig_write(&rig, "10-a.lua", text, strlen(text));
    policy_rig_write(&rig, "20-b.lua", text, strlen(text));
    cr_assert_eq(policy_rig_load(&rig, &err), PS_E_INVALID);
    cr_assert(strstr(err.message, "20-b.lua:2: name 'same'") != NULL, "%s", err.message);
    cr_assert(strstr(err.message, "10-a.lua") != NULL, "%s", err.message);
    policy_rig_clear(&rig);
}

static void digest_of(const char *name, const char *text, char digest[17])
{
    struct policy_rig rig;
    struct ps_err err;

    policy_rig_init(&rig);
    policy_rig_write(&rig, name, text, strlen(text));
    cr_assert_eq(policy_rig_load(&rig, &err), PS_OK, "%s", err.message);
    (void)snprintf(digest, 17, "%s", ps_policy_set_digest(rig.set));
    policy_rig_clear(&rig);
}

Test(policy_set, the_digest_is_that_of_names_and_contents_wherever_they_lie)
{
    char digests[4][17];

    digest_of("50-a.lua", "return { api = 1, name = 'a' }", digests[0]);
    digest_of("50-a.lua", "return { api = 1, name = 'a' }", digests[1]);
    digest_of("51-a.lua", "return { api = 1, name = 'a' }", digests[2]);
    digest_of("50-a.lua", "return { api = 1, name = 'a' } ", digests[3]);
    cr_assert_eq(strlen(digests[0]), 16);
    cr_assert_str_eq(digests[0], digests[1]);
    cr_assert_str_neq(digests[0], digests[2]);
    cr_assert_str_neq(digests[0], digests[3]);
}

Test(policy_set, no_policy_at_all_is_the_built_in_decider)
{
    struct policy_rig rig;
    struct ps_err err;

    policy_rig_init(&rig);
    cr_assert_eq(policy_rig_load(&rig, &err), PS_OK, "%s", err.message);
    cr_assert_eq(rig.decider.part_size, ps_decider_builtin()->part_size);
    policy_rig_clear(&rig);
}

struct taken {
    struct ps_lifecycle_rule rules[4];
    size_t count;
};

static bool take_rule(void *user, const struct ps_lifecycle_rule *rule)
{
    struct taken *taken = user;

    taken->rules[taken->count++] = *rule;
    return taken->count < 4;
}

Test(policy_set, rows_of_lifecycle_are_given_in_order_with_ids_of_their_own)
{
    static struct taken taken;
    struct policy_rig rig;
    struct ps_err err;

    policy_rig_start(&rig, "return { api = 1, name = 'old', lifecycle = {\n"
                           "  { prefix = 'tmp/', expire = '7d', abort_incomplete = '2d' },\n"
                           "  { prefix = 's3://b/x/', tags = { z = '1', a = '2' },\n"
                           "    archive = { after = '30d', class = 'GLACIER' },\n"
                           "    expire_noncurrent = 86400 },\n} }\n");

    cr_assert_eq(ps_policy_set_lifecycle(rig.set, take_rule, &taken, &err), PS_OK);

    cr_assert_eq(taken.count, 2);
    cr_expect_str_eq(taken.rules[0].id, "purser-old-1");
    cr_expect_str_eq(taken.rules[0].prefix, "tmp/");
    cr_expect_str_eq(taken.rules[0].store_url, "");
    cr_expect_eq(taken.rules[0].expire_days, 7);
    cr_expect_eq(taken.rules[0].abort_days, 2);
    cr_expect_str_eq(taken.rules[1].id, "purser-old-2");
    cr_expect_str_eq(taken.rules[1].store_url, "s3://b");
    cr_expect_str_eq(taken.rules[1].prefix, "x/");
    cr_expect_eq(taken.rules[1].tag_count, 2);
    cr_expect_str_eq(taken.rules[1].tags[0].name, "a");
    cr_expect_eq(taken.rules[1].archive_days, 30);
    cr_expect_str_eq(taken.rules[1].archive_class, "GLACIER");
    cr_expect_eq(taken.rules[1].noncurrent_days, 1);
    policy_rig_clear(&rig);
}
