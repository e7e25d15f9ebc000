#include "cli/admin_call.h"
#include "cli/app.h"
#include "cli/output.h"
#include "cli/policies.h"
#include "cli/policy_try.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* policy list, policy check [DIR...]; the others are in policy_try.c. */

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

/* --- list: of the agent's, when one runs --- */

static void print_policy(const json_t *policy)
{
    const char *masked_by = ps_output_string(policy, "masked_by");

    if (masked_by[0] != '\0') {
        (void)printf("%-20s %-24s %s\n  masked by %s\n", "-", "-", ps_output_string(policy, "path"),
                     masked_by);
    } else {
        (void)printf("%-20s %-24s %s\n", ps_output_string(policy, "name"),
                     ps_output_string(policy, "hooks"), ps_output_string(policy, "path"));
    }
}

static void print_policies(const struct ps_app *app, const json_t *answer)
{
    unsigned count = 0;
    json_t *policy;
    size_t i;

    json_array_foreach(json_object_get(answer, "policies"), i, policy)
    {
        if (app->json) {
            json_t *line = json_incref(policy);

            ps_output_json("policy", &line);
        } else {
            print_policy(policy);
        }
        count += json_is_string(json_object_get(policy, "masked_by")) ? 0 : 1;
    }
    if (count == 0 && !app->quiet && !app->json) {
        (void)fprintf(stderr, "no policies: the built-in defaults decide\n");
    }
}

static enum ps_exit list(struct ps_app *app)
{
    struct ps_admin_call call;
    json_t *answer = NULL;
    struct ps_err err;
    enum ps_code code;

    ps_admin_call_init(&call, app, "GET", "/v1/policy");
    call.side = ps_admin_call_policy_side(app);
    code = ps_admin_call_run(&call, &answer, &err);
    ps_admin_call_clear(&call);
    if (code != PS_OK) {
        return ps_app_fail(app, &err);
    }
    print_policies(app, answer);
    json_decref(answer);
    return PS_EXIT_DONE;
}

/* --- check: files, before they are used --- */

struct listing {
    unsigned count;
    unsigned masked_count;
};

static void count_one(void *user, const struct ps_policy_info *info)
{
    struct listing *listing = user;

    listing->count += info->masked_by == NULL ? 1 : 0;
    listing->masked_count += info->masked_by != NULL ? 1 : 0;
}

static enum ps_exit report(struct ps_app *app, const struct ps_policy_set *set)
{
    struct listing listing = { 0 };

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

static enum ps_exit check(struct ps_app *app, const char **dirs, size_t dir_count)
{
    struct ps_policy_set *set = NULL;
    struct ps_err err;
    enum ps_exit exit_code;

    if (!check_dirs(dirs, dir_count, &err) ||
        ps_policies_load_set(app, dirs, dir_count, &set, &err) != PS_OK) {
        return ps_app_fail(app, &err);
    }
    exit_code = report(app, set);
    ps_policy_set_free(set);
    return exit_code;
}

enum ps_exit ps_cmd_policy(struct ps_app *app, const char **args, int arg_count)
{
    const char *verb = args[0];
    const char **dirs = args + 1;
    size_t dir_count = (size_t)arg_count - 1;
    struct ps_err err;

    if (strcmp(verb, "list") == 0 && dir_count == 0) {
        return list(app);
    }
    if (strcmp(verb, "check") == 0) {
        return check(app, dirs, dir_count);
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
