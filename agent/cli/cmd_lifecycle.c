#include "cli/app.h"
#include "cli/output.h"

#include "base/str.h"
#include "lua/policy_set.h"
#include "reclaim/lifecycle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* lifecycle show | diff | apply URL. */

struct run {
    struct ps_app *app;
    struct ps_open_store open;
    struct ps_lifecycle_rules rules; /* of the policies, for this store */
    struct ps_lifecycle_config config;
    struct ps_err err; /* code OK = none */
    unsigned change_count;
    bool done;
};

/* --- the policies' rules --- */

static bool take_rule(void *user, const struct ps_lifecycle_rule *rule)
{
    struct run *run = user;

    if (rule->store_url[0] != '\0' && strcmp(rule->store_url, run->open.store->root_url) != 0) {
        return true;
    }
    return ps_lifecycle_rules_push(&run->rules, rule, &run->err) == PS_OK;
}

static enum ps_code load_rules(struct run *run)
{
    enum ps_code code = ps_policy_set_lifecycle(run->app->policies, take_rule, run, &run->err);

    return code == PS_OK ? run->err.code : code;
}

/* --- the store --- */

static void on_text(void *user, const char *text, size_t size_bytes, const struct ps_err *err)
{
    struct run *run = user;

    if (err != NULL) {
        run->err = *err;
    } else {
        ps_lifecycle_config_clear(&run->config);
        (void)!ps_lifecycle_parse(&run->config, text, size_bytes, &run->err);
    }
    run->done = true;
}

static void on_put(void *user, const struct ps_err *err)
{
    struct run *run = user;

    if (err != NULL) {
        run->err = *err;
    }
    run->done = true;
}

static enum ps_code wait(struct run *run, const struct ps_store_op *op)
{
    if (op != NULL) {
        ps_app_run_until(run->app, &run->done);
    }
    return run->err.code;
}

static enum ps_code get(struct run *run)
{
    run->done = false;
    return wait(run, ps_store_get_lifecycle(run->open.store, on_text, run, &run->err));
}

static enum ps_code put(struct run *run, const struct ps_buf *text)
{
    run->done = false;
    return ps_err_wrap(&run->err,
                       wait(run, ps_store_put_lifecycle(run->open.store, ps_buf_peek(text),
                                                        text->size_bytes, on_put, run, &run->err)),
                       "nothing was changed");
}

/* --- lines --- */

static const char *mark_of(enum ps_lifecycle_change change)
{
    switch (change) {
    case PS_LIFECYCLE_SAME:
        return "=";
    case PS_LIFECYCLE_ADD:
        return "+";
    case PS_LIFECYCLE_REPLACE:
        return "~";
    case PS_LIFECYCLE_REMOVE:
        return "-";
    case PS_LIFECYCLE_FOREIGN:
        return " ";
    }
    return "?";
}

static void print_rule(const struct run *run, const char *mark,
                       const struct ps_lifecycle_entry *entry, const struct ps_lifecycle_rule *rule)
{
    bool own = entry == NULL || entry->own;
    bool enabled = entry == NULL || entry->enabled;
    char text[512];

    if (rule == NULL) {
        return; /* a change is of an entry, a rule or both */
    }
    (void)ps_lifecycle_rule_format(rule, text, sizeof(text));
    if (run->app->json) {
        json_t *object =
            json_pack("{s:o, s:s, s:b, s:b, s:o, s:o, s:o}", "id", ps_output_text(rule->id),
                      "change", mark, "own", (int)own, "enabled", (int)enabled, "text",
                      ps_output_text(text), "where", ps_output_text(rule->where), "xml",
                      entry != NULL ? json_stringn(run->config.text.data + entry->begin,
                                                   entry->past - entry->begin)
                                    : json_null());

        ps_output_json("rule", &object);
        return;
    }
    (void)printf("%s%s", mark, mark[0] != '\0' ? " " : "");
    ps_output_key(rule->id[0] != '\0' ? rule->id : "(no id)");
    (void)printf("%s%s\n    ", own ? "" : ", of others", enabled ? "" : ", disabled");
    ps_output_key(text);
    (void)printf("%s%s%s\n", entry != NULL && entry->has_more ? ", and more" : "",
                 rule->where[0] != '\0' ? "\n    " : "", rule->where);
}

static void on_change(void *user, enum ps_lifecycle_change change,
                      const struct ps_lifecycle_entry *entry, const struct ps_lifecycle_rule *rule)
{
    struct run *run = user;

    run->change_count += change != PS_LIFECYCLE_SAME && change != PS_LIFECYCLE_FOREIGN ? 1 : 0;
    print_rule(run, mark_of(change), entry, rule != NULL || entry == NULL ? rule : &entry->rule);
}

static enum ps_exit finish(const struct run *run, const char *verb, bool applied)
{
    if (run->app->json) {
        json_t *object = json_pack("{s:s, s:s, s:o, s:i, s:b}", "command", "lifecycle", "what",
                                   verb, "url", ps_output_text(run->open.store->root_url),
                                   "changes", (int)run->change_count, "applied", (int)applied);

        ps_output_json("result", &object);
    } else if (!run->app->quiet && strcmp(verb, "show") == 0) {
        if (run->config.count == 0) {
            (void)fprintf(stderr, "%s has no lifecycle rules\n", run->open.store->root_url);
        }
    } else if (!run->app->quiet) {
        (void)fprintf(stderr, "%u %s%s\n", run->change_count,
                      run->change_count == 1 ? "change" : "changes", applied ? ", in force" : "");
    }
    return PS_EXIT_DONE;
}

/* --- verbs --- */

static enum ps_exit show(struct run *run)
{
    for (size_t i = 0; i < run->config.count; i++) {
        print_rule(run, "", &run->config.entries[i], &run->config.entries[i].rule);
    }
    return finish(run, "show", false);
}

/* A directory has nobody who acts on its rules but the agent, and the agent looks at those of the settings. */
static void warn_local(const struct run *run)
{
    const struct ps_store *store = run->open.store;
    bool archives = false;

    if (!store->capabilities.local || run->app->quiet) {
        return;
    }
    for (size_t i = 0; i < run->rules.count; i++) {
        archives = archives || run->rules.items[i].archives;
    }
    if (archives) {
        (void)fprintf(stderr, "note: a directory has no storage classes: nothing is archived\n");
    }
    if (ps_settings_store_of_url(&run->app->settings, store->root_url) == NULL) {
        (void)fprintf(stderr, "note: only directories under `stores` in the settings are looked "
                              "after; this is none\n");
    }
}

/* Read back: no store has a conditional write, so another writer is seen only afterwards. */
static enum ps_code put_and_verify(struct run *run)
{
    struct ps_lifecycle_config before = run->config;
    struct ps_buf text;
    enum ps_code code;

    memset(&run->config, 0, sizeof(run->config));
    ps_buf_init(&text, 0);
    code = ps_lifecycle_merge(&before, &run->rules, run->open.store->capabilities.lifecycle_is_flat,
                              &text, &run->err);
    if (code == PS_OK) {
        code = put(run, &text);
    }
    if (code == PS_OK) {
        code = ps_err_wrap(&run->err, get(run), "the rules were put, reading them back");
    }
    if (code == PS_OK) {
        code = ps_lifecycle_verify(&before, &run->config, &run->rules, &run->err);
    }
    ps_buf_clear(&text);
    ps_lifecycle_config_clear(&before);
    return code;
}

static enum ps_exit diff_or_apply(struct run *run, bool applies)
{
    if (load_rules(run) != PS_OK) {
        return ps_app_fail(run->app, &run->err);
    }
    ps_lifecycle_diff(&run->config, &run->rules, on_change, run);
    warn_local(run);
    (void)fflush(stdout);
    if (!applies) {
        return finish(run, "diff", false);
    }
    if (run->change_count > 0 && put_and_verify(run) != PS_OK) {
        return ps_app_fail(run->app, &run->err);
    }
    return finish(run, "apply", true);
}

/* --- the command --- */

/* "file:///dir" is the directory here, with or without the '/' that says so elsewhere. */
static enum ps_code open_root(struct run *run, const char *url)
{
    bool is_file = ps_str_has_prefix(url, "file://");
    char *root = ps_str_format("%s%s", url, is_file && !ps_str_has_suffix(url, "/") ? "/" : "");
    enum ps_code code = root != NULL
                            ? ps_store_open(&run->app->factory, root, &run->open, &run->err)
                            : ps_err_set(&run->err, PS_E_NO_MEMORY, "out of memory");

    if (code == PS_OK && run->open.key[0] != '\0') {
        code = ps_err_set(&run->err, PS_E_INVALID,
                          "%s: lifecycle rules are of a whole bucket: write %s", url,
                          run->open.store->root_url);
    }
    if (code == PS_OK && is_file && access(root + strlen("file://"), F_OK) != 0) {
        code = ps_err_set(&run->err, PS_E_NOT_FOUND, "%s: there is no such directory", url);
    }
    free(root);
    return code;
}

enum ps_exit ps_cmd_lifecycle(struct ps_app *app, const char **args, int arg_count)
{
    const char *verb = args[0];
    bool applies = strcmp(verb, "apply") == 0 && !ps_options_has(&app->options, PS_OPT_DRY_RUN);
    struct run run = { .app = app };
    enum ps_exit exit_code;

    if (arg_count != 2 ||
        (strcmp(verb, "show") != 0 && strcmp(verb, "diff") != 0 && strcmp(verb, "apply") != 0)) {
        (void)ps_err_set(&run.err, PS_E_INVALID,
                         "lifecycle: write show, diff or apply, and a bucket's URL");
        return ps_app_fail(app, &run.err);
    }
    if (open_root(&run, args[1]) != PS_OK || get(&run) != PS_OK) {
        exit_code = ps_app_fail(app, &run.err);
    } else {
        exit_code = strcmp(verb, "show") == 0 ? show(&run) : diff_or_apply(&run, applies);
    }
    ps_lifecycle_rules_clear(&run.rules);
    ps_lifecycle_config_clear(&run.config);
    ps_store_close(&run.open);
    return exit_code;
}
