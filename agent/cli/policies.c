#include "cli/policies.h"

#include "base/str.h"
#include "hash/digest.h"
#include "lua/policy_test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SYSTEM_DIR "/usr/lib/purser/policies.d"
#define LOCAL_DIR "/etc/purser/policies.d"

/* The parts of a colon-separated path, cut in place. */
static enum ps_code add_path(struct ps_policy_options *options, char *path, struct ps_err *err)
{
    char *save = NULL;

    for (char *dir = strtok_r(path, ":", &save); dir != NULL; dir = strtok_r(NULL, ":", &save)) {
        if (options->dir_count == PS_POLICY_DIRS_MAX) {
            return ps_err_set(err, PS_E_INVALID, "policy_path: more than %d directories",
                              PS_POLICY_DIRS_MAX - 2);
        }
        options->dirs[options->dir_count++] = dir;
    }
    return PS_OK;
}

static struct ps_policy_options options_of(struct ps_app *app)
{
    return (struct ps_policy_options){
        .dirs = { SYSTEM_DIR, LOCAL_DIR },
        .dir_count = 2,
        .clock = app->clock,
        .log = &app->log,
        .digest = ps_sha256,
    };
}

/* The two fixed directories, then those of path. */
static enum ps_code load_path(struct ps_app *app, const char *path, struct ps_policy_set **set_out,
                              struct ps_err *err)
{
    struct ps_policy_options options = options_of(app);
    char *parts = ps_strdup(path);
    enum ps_code code;

    if (parts == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    code = add_path(&options, parts, err);
    if (code == PS_OK) {
        code = ps_policy_set_load(set_out, &options, err);
    }
    free(parts);
    return code;
}

enum ps_code ps_policies_load_set(struct ps_app *app, const char **dirs, size_t dir_count,
                                  struct ps_policy_set **set_out, struct ps_err *err)
{
    struct ps_policy_options options = options_of(app);

    if (dir_count == 0) {
        return load_path(app, app->settings.policy_path, set_out, err);
    }
    options.dir_count = 0;
    for (size_t i = 0; i < dir_count && i < PS_POLICY_DIRS_MAX; i++) {
        options.dirs[options.dir_count++] = dirs[i];
    }
    return ps_policy_set_load(set_out, &options, err);
}

/* A directory that a drop-in may lack is empty; one that was asked for by name is missed. */
static enum ps_code check_directories(const char *directories, struct ps_err *err)
{
    char *path = ps_strdup(directories);
    char *save = NULL;
    enum ps_code code = path != NULL ? PS_OK : ps_err_set(err, PS_E_NO_MEMORY, "out of memory");

    for (char *dir = path != NULL ? strtok_r(path, ":", &save) : NULL; dir != NULL && code == PS_OK;
         dir = strtok_r(NULL, ":", &save)) {
        if (dir[0] != '/') {
            code = ps_err_set(err, PS_E_INVALID, "%s: an absolute path is wanted", dir);
        } else if (access(dir, R_OK | X_OK) != 0) {
            code = ps_err_set_errno(err, errno, "%s", dir);
        }
    }
    free(path);
    return code;
}

enum ps_code ps_policies_load_more(struct ps_app *app, const char *directories,
                                   struct ps_policy_set **set_out, struct ps_err *err)
{
    const char *own = app->settings.policy_path;
    char *path = ps_str_format("%s%s%s", own, own[0] != '\0' ? ":" : "", directories);
    enum ps_code code = path != NULL ? PS_OK : ps_err_set(err, PS_E_NO_MEMORY, "out of memory");

    if (code == PS_OK) {
        code = check_directories(directories, err);
    }
    if (code == PS_OK) {
        code = load_path(app, path, set_out, err);
    }
    free(path);
    return code;
}

/* --- tests before a reload --- */

struct testing {
    struct ps_app *app;
    const char *policy_path;
    struct ps_err err; /* of the first that failed; code PS_OK = none */
};

static void on_row(void *user, const char *row_name, const char *failure)
{
    struct testing *testing = user;

    if (failure != NULL && testing->err.code == PS_OK) {
        (void)ps_err_set(&testing->err, PS_E_REFUSED, "%s: its test '%s' fails: %s",
                         testing->policy_path, row_name, failure);
    }
}

static void test_one(void *user, const struct ps_policy_info *info)
{
    struct testing *testing = user;
    const struct ps_policy_options options = { .clock = testing->app->clock,
                                               .log = &testing->app->log,
                                               .digest = ps_sha256 };
    const char *slash = strrchr(info->path, '/');
    const char *name = slash != NULL ? slash + 1 : info->path;
    struct ps_policy_test test = { .policy_path = info->path, .on_row = on_row, .user = testing };
    struct ps_policy_test_report report;
    struct ps_err err;
    char *test_path;

    if (info->masked_by != NULL || testing->err.code != PS_OK) {
        return;
    }
    test_path = ps_str_format("%.*stests/%.*s_test.lua", (int)(name - info->path), info->path,
                              (int)(strlen(name) - strlen(".lua")), name);
    testing->policy_path = info->path;
    test.test_path = test_path;
    if (test_path == NULL) {
        (void)ps_err_set(&testing->err, PS_E_NO_MEMORY, "out of memory");
    } else if (access(test_path, F_OK) == 0 &&
               ps_policy_test_run(&options, &test, &report, &err) != PS_OK) {
        testing->err = err;
    }
    free(test_path);
}

static void put_in_force(struct ps_app *app, struct ps_policy_set *set)
{
    ps_policy_set_free(app->policies);
    app->policies = set;
    app->decider = ps_policy_set_decider(set);
    ps_str_copy(app->policy_digest, sizeof(app->policy_digest), ps_policy_set_digest(set));
}

enum ps_code ps_policies_reload(struct ps_app *app, struct ps_err *err)
{
    struct testing testing = { .app = app };
    struct ps_policy_set *set = NULL;
    enum ps_code code = ps_policies_load_set(app, NULL, 0, &set, err);

    if (code != PS_OK) {
        return code;
    }
    ps_policy_set_each(set, test_one, &testing);
    if (testing.err.code != PS_OK) {
        ps_policy_set_free(set);
        *err = testing.err;
        return err->code;
    }
    put_in_force(app, set);
    return PS_OK;
}

enum ps_code ps_policies_load(struct ps_app *app, struct ps_err *err)
{
    struct ps_policy_set *set = NULL;
    enum ps_code code = ps_policies_load_set(app, NULL, 0, &set, err);

    if (code == PS_OK) {
        put_in_force(app, set);
    }
    return code;
}
