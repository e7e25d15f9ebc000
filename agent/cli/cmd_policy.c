#include "cli/app.h"
#include "cli/output.h"
#include "cli/policies.h"
#include "cli/policy_try.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* policy list, policy check [DIR...]. */

struct listing {
    struct ps_app *app;
    unsigned count;
    unsigned masked_count;
};

static void join_hooks(const struct ps_policy_info *info, char *text, size_t text_size)
{
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < PS_HOOK_COUNT; i++) {
        if (info->hooks[i] && used < text_size) {
            used += (size_t)snprintf(text + used, text_size - used, "%s%s", used > 0 ? " " : "",
                                     ps_hook_name((enum ps_hook)i));
        }
    }
}

static json_t *policy_json(const struct ps_policy_info *info)
{
    char hooks[128];

    join_hooks(info, hooks, sizeof(hooks));
    return json_pack("{s:o, s:o, s:s, s:o}", "name", ps_output_text(info->name), "path",
                     ps_output_text(info->path), "hooks", hooks, "masked_by",
                     info->masked_by != NULL ? ps_output_text(info->masked_by) : json_null());
}

static void add_one(void *user, const struct ps_policy_info *info)
{
    (void)json_array_append_new(user, policy_json(info));
}

json_t *ps_policies_json(const struct ps_app *app)
{
    json_t *list = json_array();

    if (app->policies != NULL && list != NULL) {
        ps_policy_set_each(app->policies, add_one, list);
    }
    return json_pack("{s:o, s:s}", "policies", list, "digest", app->policy_digest);
}

static void print_one(void *user, const struct ps_policy_info *info)
{
    struct listing *listing = user;
    char hooks[128];

    join_hooks(info, hooks, sizeof(hooks));
    listing->count += info->masked_by == NULL ? 1 : 0;
    listing->masked_count += info->masked_by != NULL ? 1 : 0;
    if (listing->app->json) {
        json_t *object = policy_json(info);

        ps_output_json("policy", &object);
        return;
    }
    if (info->masked_by != NULL) {
        (void)printf("%-20s %-24s %s\n  masked by %s\n", "-", "-", info->path, info->masked_by);
    } else {
        (void)printf("%-20s %-24s %s\n", info->name, hooks, info->path);
    }
}

static enum ps_exit list(struct ps_app *app, struct ps_policy_set *set)
{
    struct listing listing = { .app = app };

    ps_policy_set_each(set, print_one, &listing);
    if (listing.count == 0 && !app->quiet && !app->json) {
        (void)fprintf(stderr, "no policies: the built-in defaults decide\n");
    }
    return PS_EXIT_DONE;
}

static void count_one(void *user, const struct ps_policy_info *info)
{
    struct listing *listing = user;

    listing->count += info->masked_by == NULL ? 1 : 0;
    listing->masked_count += info->masked_by != NULL ? 1 : 0;
}

static enum ps_exit report(struct ps_app *app, const struct ps_policy_set *set)
{
    struct listing listing = { .app = app };

    ps_policy_set_each(set, count_one, &listing);
    if (app->json) {
        json_t *object = json_pack("{s:s, s:i, s:i, s:s}", "command", "policy check", "policies",
                                   (int)listing.count, "masked", (int)listing.masked_count,
                                   "digest", ps_policy_set_digest(set));

        ps_output_json("result", &object);
    } else if (!app->quiet) {
        (void)fprintf(stderr, "%u policies load, %u masked, digest %s\n", listing.count,
                      listing.masked_count,
                      listing.count > 0 ? ps_policy_set_digest(set) : "built-in");
    }
    return PS_EXIT_DONE;
}

static bool check_dirs(const char **dirs, size_t count, struct ps_err *err)
{
    for (size_t i = 0; i < count; i++) {
        if (access(dirs[i], R_OK | X_OK) != 0) {
            (void)ps_err_set(err, PS_E_NOT_FOUND, "%s: is no directory that can be read", dirs[i]);
            return false;
        }
    }
    return true;
}

static enum ps_exit list_or_check(struct ps_app *app, bool check, const char **dirs,
                                  size_t dir_count)
{
    struct ps_policy_set *set = NULL;
    struct ps_err err;
    enum ps_exit exit_code;

    if (!check_dirs(dirs, dir_count, &err) ||
        ps_policies_load_set(app, dirs, dir_count, &set, &err) != PS_OK) {
        return ps_app_fail(app, &err);
    }
    exit_code = check ? report(app, set) : list(app, set);
    ps_policy_set_free(set);
    return exit_code;
}

enum ps_exit ps_cmd_policy(struct ps_app *app, const char **args, int arg_count)
{
    const char *verb = args[0];
    const char **dirs = args + 1;
    size_t dir_count = (size_t)arg_count - 1;
    struct ps_err err;

    if (strcmp(verb, "check") == 0 || (strcmp(verb, "list") == 0 && dir_count == 0)) {
        return list_or_check(app, verb[0] == 'c', dirs, dir_count);
    }
    if (strcmp(verb, "test") == 0) {
        return ps_policy_test(app, dirs, dir_count);
    }
    if (strcmp(verb, "simulate") == 0 && dir_count == 1) {
        return ps_policy_simulate(app, dirs[0]);
    }
    if (strcmp(verb, "replay") == 0 && dir_count == 1) {
        return ps_policy_replay(app, dirs[0]);
    }
    if (strcmp(verb, "bench") == 0) {
        return ps_policy_bench(app, dirs, dir_count);
    }
    (void)ps_err_set(&err, PS_E_INVALID,
                     "policy: write list, check [DIR...], test [DIR...], simulate DIR, replay DIR "
                     "or bench [DIR...]");
    return ps_app_fail(app, &err);
}
