#include "cli/policy_try.h"

#include "base/str.h"
#include "cli/output.h"
#include "hash/digest.h"
#include "lua/policy_test.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* policy test [DIR...] */

struct testing {
    struct ps_app *app;
    const char *policy_path;
    unsigned row_count;
    unsigned failed_count;
    unsigned file_count;
    unsigned untested_count;
};

static void on_row(void *user, const char *row_name, const char *failure)
{
    struct testing *testing = user;

    if (testing->app->json) {
        json_t *object =
            json_pack("{s:o, s:o, s:b, s:o}", "policy", ps_output_text(testing->policy_path),
                      "name", ps_output_text(row_name), "passed", (int)(failure == NULL), "failure",
                      failure != NULL ? ps_output_text(failure) : json_null());

        ps_output_json("row", &object);
    } else if (failure != NULL) {
        (void)printf("FAILED %s: %s: %s\n", testing->policy_path, row_name, failure);
    }
}

static void tell_coverage(struct testing *testing, const struct ps_policy_test_report *report)
{
    for (int i = 0; i < PS_HOOK_COUNT; i++) {
        if (!report->has_hook[i] || report->tested[i] || i == PS_HOOK_LIFECYCLE) {
            continue;
        }
        testing->untested_count++;
        if (testing->app->json) {
            json_t *object = json_pack("{s:o, s:s}", "policy", ps_output_text(testing->policy_path),
                                       "hook", ps_hook_name((enum ps_hook)i));

            ps_output_json("untested", &object);
        } else {
            (void)printf("no test  %s: %s\n", testing->policy_path, ps_hook_name((enum ps_hook)i));
        }
    }
}

/* "DIR/10-x.lua" has its rows in "DIR/tests/10-x_test.lua". */
static char *test_path_of(const char *policy_path)
{
    const char *name = strrchr(policy_path, '/') + 1;

    return ps_str_format("%.*stests/%.*s_test.lua", (int)(name - policy_path), policy_path,
                         (int)(strlen(name) - strlen(".lua")), name);
}

static enum ps_code test_file(struct testing *testing, const char *policy_path, struct ps_err *err)
{
    const struct ps_policy_options options = { .clock = testing->app->clock,
                                               .log = &testing->app->log,
                                               .digest = ps_sha256 };
    struct ps_policy_test test = { .policy_path = policy_path, .on_row = on_row, .user = testing };
    struct ps_policy_test_report report;
    char *test_path = test_path_of(policy_path);
    enum ps_code code;

    if (test_path == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    testing->policy_path = policy_path;
    test.test_path = access(test_path, F_OK) == 0 ? test_path : NULL;
    code = ps_policy_test_run(&options, &test, &report, err);
    free(test_path);
    if (code != PS_OK) {
        return code;
    }
    testing->file_count++;
    testing->row_count += report.row_count;
    testing->failed_count += report.failed_count;
    tell_coverage(testing, &report);
    return PS_OK;
}

static enum ps_code test_dir(struct testing *testing, const char *dir, struct ps_err *err)
{
    char *pattern = ps_str_format("%s/*.lua", dir);
    glob_t found = { 0 };
    enum ps_code code = PS_OK;

    if (pattern == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    if (access(dir, R_OK | X_OK) != 0) {
        code = ps_err_set(err, PS_E_NOT_FOUND, "%s: is no directory that can be read", dir);
    } else if (glob(pattern, 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc && code == PS_OK; i++) {
            code = test_file(testing, found.gl_pathv[i], err);
        }
    }
    globfree(&found);
    free(pattern);
    return code;
}

static enum ps_exit report(const struct testing *testing)
{
    struct ps_app *app = testing->app;
    struct ps_err err;

    if (app->json) {
        json_t *object =
            json_pack("{s:s, s:i, s:i, s:i, s:i}", "command", "policy test", "policies",
                      (int)testing->file_count, "rows", (int)testing->row_count, "failed",
                      (int)testing->failed_count, "untested_hooks", (int)testing->untested_count);

        ps_output_json("result", &object);
    } else if (!app->quiet) {
        (void)fprintf(stderr, "%u policies, %u rows, %u failed, %u hooks without a test\n",
                      testing->file_count, testing->row_count, testing->failed_count,
                      testing->untested_count);
    }
    if (testing->row_count == 0) {
        (void)ps_err_set(&err, PS_E_NOT_FOUND,
                         "no tests: the rows of NAME.lua are in tests/NAME_test.lua beside it");
        return ps_app_fail(app, &err);
    }
    if (testing->failed_count > 0) {
        (void)ps_err_set(&err, PS_E_REFUSED, "%u of %u rows failed", testing->failed_count,
                         testing->row_count);
        return ps_app_fail(app, &err);
    }
    return PS_EXIT_DONE;
}

enum ps_exit ps_policy_test(struct ps_app *app, const char **dirs, size_t dir_count)
{
    struct testing testing = { .app = app };
    char *paths = ps_strdup(app->settings.policy_path);
    char *save = NULL;
    struct ps_err err;
    enum ps_code code = paths != NULL ? PS_OK : ps_err_set(&err, PS_E_NO_MEMORY, "out of memory");

    for (size_t i = 0; i < dir_count && code == PS_OK; i++) {
        code = test_dir(&testing, dirs[i], &err);
    }
    for (char *dir = code == PS_OK && dir_count == 0 ? strtok_r(paths, ":", &save) : NULL;
         dir != NULL && code == PS_OK; dir = strtok_r(NULL, ":", &save)) {
        code = test_dir(&testing, dir, &err);
    }
    free(paths);
    return code == PS_OK ? report(&testing) : ps_app_fail(app, &err);
}
