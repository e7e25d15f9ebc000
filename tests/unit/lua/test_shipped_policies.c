/* The rows of policies/tests, each through the real decider with that one policy in force; policies/README.md says
 * what a row is. */
#include "lua/policy_test.h"
#include "tests/unit/lua/policy_rig.h"

#include <glob.h>

TestSuite(shipped_policies, .timeout = 60);

#define POLICIES PS_SOURCE_DIR "/policies"

static void on_row(void *user, const char *row_name, const char *failure)
{
    const char *path = user;

    cr_expect_null(failure, "%s: %s: %s", path, row_name, failure);
}

/* policies/10-x.lua -> policies/tests/10-x_test.lua: every shipped policy has one, with rows for each hook. */
static void run_file(char *policy_path)
{
    const struct ps_policy_options options = { .clock = ps_clock_system(), .digest = ps_sha256 };
    const char *name = strrchr(policy_path, '/') + 1;
    struct ps_policy_test_report report;
    struct ps_err err = { .code = PS_OK };
    char test_path[512];
    const struct ps_policy_test test = { policy_path, test_path, on_row, policy_path };

    (void)snprintf(test_path, sizeof(test_path), "%.*stests/%.*s_test.lua",
                   (int)(name - policy_path), policy_path, (int)(strlen(name) - strlen(".lua")),
                   name);
    cr_assert_eq(ps_policy_test_run(&options, &test, &report, &err), PS_OK, "%s", err.message);
    cr_expect_gt(report.row_count, 0, "%s", policy_path);
    for (int i = 0; i < PS_HOOK_COUNT; i++) {
        cr_expect_eq(report.has_hook[i], report.tested[i], "%s: %s", policy_path,
                     ps_hook_name((enum ps_hook)i));
    }
}

static void run_dir(const char *pattern, size_t count_min)
{
    glob_t found;

    cr_assert_eq(glob(pattern, 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        run_file(found.gl_pathv[i]);
    }
    cr_assert_geq(found.gl_pathc, count_min);
    globfree(&found);
}

Test(shipped_policies, every_row_decides_as_it_says)
{
    run_dir(POLICIES "/*.lua", 3);
}

Test(shipped_policies, every_row_of_the_optional_ones_too)
{
    run_dir(POLICIES "/optional/*.lua", 6);
}

static void load(const char *dir)
{
    const struct ps_policy_options options = {
        .dirs = { dir }, .dir_count = 1, .clock = ps_clock_system(), .digest = ps_sha256
    };
    struct ps_policy_set *set = NULL;
    struct ps_err err;

    cr_assert_eq(ps_policy_set_load(&set, &options, &err), PS_OK, "%s", err.message);
    ps_policy_set_free(set);
}

Test(shipped_policies, they_load_together)
{
    load(POLICIES);
    load(POLICIES "/optional");
}

struct told {
    unsigned failed;
    char last[320];
};

static void note_row(void *user, const char *row_name, const char *failure)
{
    struct told *told = user;

    (void)row_name;
    told->failed += failure != NULL ? 1 : 0;
    if (failure != NULL) {
        (void)snprintf(told->last, sizeof(told->last), "%s", failure);
    }
}

/* One row against a policy that deletes after a day. */
static enum ps_code run_row(const char *row, struct told *told, struct ps_err *err)
{
    static const char policy[] = "return { api = 1, name = 'p', reclaim = function(a)\n"
                                 "if a.event == 'age' then return nil end\n"
                                 "if a.event == 'cleared' then error('broken') end\n"
                                 "return { action = 'delete', after = '1d', reason = 'why' } end }";
    struct policy_rig rig;
    struct ps_policy_options options = { 0 };
    struct ps_policy_test_report report;
    char policy_path[160];
    enum ps_code code;

    policy_rig_init(&rig);
    options = (struct ps_policy_options){ .clock = ps_clock_system(), .digest = ps_sha256 };
    policy_rig_write(&rig, "p.lua", policy, strlen(policy));
    (void)snprintf(policy_path, sizeof(policy_path), "%s", rig.path);
    policy_rig_write(&rig, "p_test.lua", row, strlen(row));
    code = ps_policy_test_run(
        &options, &(struct ps_policy_test){ policy_path, rig.path, note_row, told }, &report, err);
    policy_rig_clear(&rig);
    return code;
}

Test(shipped_policies, a_row_that_is_wrong_fails)
{
    static const struct {
        const char *row;
        const char *says; /* NULL = passes */
    } rows[] = {
        { "facts = { event = 'completed' }, expect = { action = 'delete', after = '1d' }, reason = "
          "'why'",
          NULL },
        { "facts = { event = 'completed' }, expect = { action = 'delete', after = 86400 }, reason "
          "= 'why'",
          NULL },
        { "facts = { event = 'age' }", NULL },
        { "facts = { event = 'completed' }", "no opinion is expected" },
        { "facts = { event = 'age' }, expect = { action = 'keep' }, reason = 'x'",
          "has no opinion" },
        { "facts = { event = 'completed' }, expect = { action = 'keep', after = '1d' }, reason = "
          "'why'",
          "`action` is another" },
        { "facts = { event = 'completed' }, expect = { action = 'delete' }, reason = 'why'",
          "`after` is another" },
        { "facts = { event = 'completed' }, expect = { action = 'delete', after = '1d' }, reason = "
          "'no'",
          "its reason is 'why'" },
        { "facts = { event = 'cleared' }, expect = { action = 'keep' }, reason = 'x'", "failed" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct told told = { 0 };
        struct ps_err err = { .code = PS_OK };
        char text[512];

        (void)snprintf(text, sizeof(text), "return { hook = 'reclaim', { name = 'row', %s } }",
                       rows[i].row);
        cr_assert_eq(run_row(text, &told, &err), PS_OK, "%s: %s", rows[i].row, err.message);
        cr_expect_eq(told.failed, rows[i].says != NULL ? 1U : 0U, "%s: %s", rows[i].row, told.last);
        if (rows[i].says != NULL) {
            cr_expect_not_null(strstr(told.last, rows[i].says), "%s: %s", rows[i].row, told.last);
        }
    }
}

Test(shipped_policies, a_test_file_that_makes_no_sense_is_an_error)
{
    static const char *const files[] = {
        "return 7",
        "return { { name = 'x', facts = {} } }",
        "return { hook = 'reclame' }",
        "return { hook = 'reclaim', { facts = {} } }",
        "return { hook = 'reclaim', { name = 'x' } }",
        "return { hook = 'reclaim', { name = 'x', facts = { colour = 1 } } }",
        "return { hook = 'reclaim', { name = 'x', facts = {}, expect = {} } }",
        "return {",
        "error('no')",
        "while true do end",
    };

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        struct told told = { 0 };
        struct ps_err err = { .code = PS_OK };

        cr_expect_eq(run_row(files[i], &told, &err), PS_E_INVALID, "%s", files[i]);
        cr_expect_not_null(strstr(err.message, "p_test.lua"), "%s: %s", files[i], err.message);
    }
}
