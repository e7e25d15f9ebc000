#include "cli/put_record.h"

#include "base/str.h"
#include "cli/reclaim_cli.h"
#include "state/artifact.h"

#include <stdlib.h>
#include <string.h>

static const char *value_of(const struct ps_app *app, enum ps_option option)
{
    const char *value = app->options.values[option];

    return value != NULL ? value : "";
}

static enum ps_code read_labels(struct ps_put_record *record, const struct ps_options *options,
                                struct ps_err *err)
{
    for (size_t i = 0; i < options->label_count; i++) {
        const char *equals = strchr(options->labels[i], '=');

        record->label_names[i] =
            ps_strndup(options->labels[i], (size_t)(equals - options->labels[i]));
        record->label_values[i] = equals + 1;
        record->label_count = i + 1;
        if (record->label_names[i] == NULL) {
            return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
        }
    }
    return PS_OK;
}

enum ps_code ps_put_record_init(struct ps_put_record *record, struct ps_app *app,
                                struct ps_err *err)
{
    const struct ps_options *options = &app->options;
    const char *workflow = options->values[PS_OPT_WORKFLOW];
    enum ps_gc_strategy strategy = PS_GC_UNSET;
    char origin[64];
    enum ps_code code = PS_OK;

    memset(record, 0, sizeof(*record));
    record->wanted =
        workflow != NULL || options->values[PS_OPT_GC] != NULL || options->label_count > 0;
    if (!ps_gc_strategy_parse(value_of(app, PS_OPT_GC), &strategy)) {
        return ps_err_set(err, PS_E_INVALID,
                          "%s: '%s' is none of Never, OnWorkflowCompletion, OnWorkflowDeletion",
                          ps_options_origin(options, PS_OPT_GC, origin),
                          options->values[PS_OPT_GC]);
    }
    record->gc = (int)strategy;
    if (workflow != NULL) {
        code = ps_reclaim_split_workflow(workflow, &record->ns, &record->name, err);
    } else if (options->values[PS_OPT_UID] != NULL || options->values[PS_OPT_NODE] != NULL) {
        code = ps_err_set(err, PS_E_INVALID, "--uid and --node go with --workflow NS/NAME");
    }
    return code == PS_OK ? read_labels(record, options, err) : code;
}

void ps_put_record_clear(struct ps_put_record *record)
{
    free(record->ns);
    free(record->name);
    for (size_t i = 0; i < record->label_count; i++) {
        free(record->label_names[i]);
    }
    memset(record, 0, sizeof(*record));
}

static struct ps_workflow workflow_of(const struct ps_put_record *record, const struct ps_app *app)
{
    return (struct ps_workflow){
        .ns = record->ns,
        .name = record->name,
        .uid = value_of(app, PS_OPT_UID),
        .template_name = value_of(app, PS_OPT_TEMPLATE),
    };
}

static void fill_entry(const struct ps_put_record *record, const struct ps_app *app,
                       const struct ps_workflow *workflow, const char *url,
                       const struct ps_tree_stored *stored, struct ps_artifact_entry *entry)
{
    int64_t now_unix_s = ps_clock_unix_ms(app->clock) / 1000;

    *entry = (struct ps_artifact_entry){
        .artifact = {
            .url = url,
            .has_size = true,
            .size_bytes = stored->size_bytes,
            .checksum_algorithm = (uint8_t)stored->checksum.algorithm,
            .etag = stored->etag,
            .storage_class = value_of(app, PS_OPT_STORAGE_CLASS),
            .node_id = value_of(app, PS_OPT_NODE),
            .node_status = value_of(app, PS_OPT_NODE_STATUS),
            .name = value_of(app, PS_OPT_ARTIFACT),
            .strategy = (enum ps_gc_strategy)record->gc,
            .created_unix_s = now_unix_s,
            .recorded_unix_s = now_unix_s,
        },
        .workflow = record->ns != NULL ? workflow : NULL,
    };
    memcpy(entry->artifact.checksum, stored->checksum.bytes, sizeof(entry->artifact.checksum));
    for (size_t i = 0; i < record->label_count; i++) {
        entry->artifact.labels.items[i] =
            (struct ps_label){ record->label_names[i], record->label_values[i] };
    }
    entry->artifact.labels.count = record->label_count;
}

enum ps_code ps_put_record_write(const struct ps_put_record *record, struct ps_app *app,
                                 const char *url, const struct ps_tree_stored *stored,
                                 struct ps_err *err)
{
    const struct ps_workflow workflow = workflow_of(record, app);
    struct ps_artifact_entry entry;
    struct ps_state *state;

    if (!record->wanted) {
        return PS_OK;
    }
    fill_entry(record, app, &workflow, url, stored, &entry);
    state = ps_app_open_state(app, err);
    return state != NULL ? ps_artifact_record(state, &entry, 1, err) : err->code;
}

enum ps_code ps_put_record_write_tree(const struct ps_put_record *record, struct ps_app *app,
                                      const char *base_url, const struct ps_tree_stored *stored,
                                      size_t count, struct ps_err *err)
{
    const struct ps_workflow workflow = workflow_of(record, app);
    struct ps_artifact_entry *entries = calloc(count, sizeof(*entries));
    char **urls = calloc(count, sizeof(*urls));
    enum ps_code code =
        entries != NULL && urls != NULL ? PS_OK : ps_err_set(err, PS_E_NO_MEMORY, "out of memory");

    for (size_t i = 0; i < count && code == PS_OK; i++) {
        urls[i] = ps_str_format("%s%s", base_url, stored[i].path);
        code = urls[i] != NULL ? PS_OK : ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
        if (code == PS_OK) {
            fill_entry(record, app, &workflow, urls[i], &stored[i], &entries[i]);
        }
    }
    if (code == PS_OK) {
        code = ps_artifact_record(app->state, entries, count, err);
    }
    for (size_t i = 0; urls != NULL && i < count; i++) {
        free(urls[i]);
    }
    free(urls);
    free(entries);
    return code == PS_OK
               ? PS_OK
               : ps_err_wrap(err, code, "%s: stored, but not recorded for its workflow", base_url);
}
