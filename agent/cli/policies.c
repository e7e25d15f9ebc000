#include "cli/policies.h"

#include "base/str.h"
#include "hash/digest.h"

#include <stdlib.h>
#include <string.h>

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

enum ps_code ps_policies_load_set(struct ps_app *app, const char **dirs, size_t dir_count,
                                  struct ps_policy_set **set_out, struct ps_err *err)
{
    struct ps_policy_options options = {
        .dirs = { SYSTEM_DIR, LOCAL_DIR },
        .dir_count = 2,
        .clock = app->clock,
        .log = &app->log,
        .digest = ps_sha256,
    };
    char *path = ps_strdup(app->settings.policy_path);
    enum ps_code code = PS_OK;

    if (path == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    if (dir_count > 0) {
        options.dir_count = 0;
        for (size_t i = 0; i < dir_count && i < PS_POLICY_DIRS_MAX; i++) {
            options.dirs[options.dir_count++] = dirs[i];
        }
    } else {
        code = add_path(&options, path, err);
    }
    if (code == PS_OK) {
        code = ps_policy_set_load(set_out, &options, err);
    }
    free(path);
    return code;
}

enum ps_code ps_policies_load(struct ps_app *app, struct ps_err *err)
{
    struct ps_policy_set *set = NULL;
    enum ps_code code = ps_policies_load_set(app, NULL, 0, &set, err);

    if (code == PS_OK) {
        ps_policy_set_free(app->policies);
        app->policies = set;
        app->decider = ps_policy_set_decider(set);
        ps_str_copy(app->policy_digest, sizeof(app->policy_digest), ps_policy_set_digest(set));
    }
    return code;
}
