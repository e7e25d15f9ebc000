#include "reclaim/reclaim_question.h"

#include "base/str.h"
#include "reclaim/lifecycle_local.h"

#include <string.h>

/* Room for the names of the stores that have none: the scheme. */
static const char *scheme_of(const char *url)
{
    static const char *const schemes[] = { "s3", "oss", "file" };

    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        size_t length = strlen(schemes[i]);

        if (strncmp(url, schemes[i], length) == 0 && url[length] == ':') {
            return schemes[i];
        }
    }
    return "";
}

static const char *store_name(const struct ps_reclaim_rules *rules, const char *url)
{
    const struct ps_store_settings *store =
        rules->settings != NULL ? ps_settings_store_of_url(rules->settings, url) : NULL;

    return store != NULL ? store->name : scheme_of(url);
}

size_t ps_reclaim_root_length(const char *url)
{
    const char *host = strstr(url, "://");
    const char *slash;

    if (host == NULL) {
        return 0;
    }
    slash = ps_str_has_prefix(url, "file:") ? strrchr(url, '/') : strchr(host + 3, '/');
    return slash != NULL ? (size_t)(slash - url) : strlen(url);
}

/* Of file:///a/b the key is "a/b", so that a policy can look at directories. */
static const char *key_of(const char *url)
{
    const char *host = strstr(url, "://");
    const char *slash = host != NULL ? strchr(host + 3, '/') : NULL;

    return slash != NULL ? slash + 1 : "";
}

static void set_pairs(struct ps_pairs *pairs, const struct ps_labels *labels)
{
    pairs->count = labels->count < PS_PAIRS_MAX ? labels->count : PS_PAIRS_MAX;
    for (size_t i = 0; i < pairs->count; i++) {
        pairs->items[i] = (struct ps_pair){ labels->items[i].name, labels->items[i].value };
    }
}

/* The artifact's own, else the workflow's, else the settings'. A default of Never is nobody's wish: it is "". */
static const char *effective_strategy(const struct ps_reclaim_asked *asked,
                                      const struct ps_reclaim_rules *rules)
{
    enum ps_gc_strategy strategy = asked->artifact.strategy;

    if (strategy == PS_GC_UNSET && asked->has_workflow) {
        strategy = asked->workflow.strategy;
    }
    if (strategy != PS_GC_UNSET) {
        return ps_gc_strategy_name(strategy);
    }
    return rules->settings != NULL &&
                   strcmp(rules->settings->reclaim_default_strategy, "Never") != 0
               ? rules->settings->reclaim_default_strategy
               : "";
}

static void fill_artifact(struct ps_reclaim_asked *asked, const struct ps_reclaim_rules *rules,
                          enum ps_reclaim_event event, int64_t now_unix_s)
{
    const struct ps_artifact *artifact = &asked->artifact;
    const char *key = key_of(artifact->url);
    const char *slash = strrchr(key, '/');

    set_pairs(&asked->artifact_labels, &artifact->labels);
    asked->artifact_facts = (struct ps_artifact_facts){
        .url = artifact->url,
        .store = store_name(rules, artifact->url),
        .key = key,
        .name = slash != NULL ? slash + 1 : key,
        .has_size = artifact->has_size,
        .size_bytes = artifact->size_bytes,
        .created_unix_s = artifact->created_unix_s,
        .age_s = artifact->created_unix_s != 0 && now_unix_s > artifact->created_unix_s
                     ? now_unix_s - artifact->created_unix_s
                     : 0,
        .storage_class = artifact->storage_class,
        .labels = &asked->artifact_labels,
        .strategy = effective_strategy(asked, rules),
        .node_status = artifact->node_status,
        .event = ps_reclaim_event_name(event),
    };
}

static void fill_workflow(struct ps_reclaim_asked *asked, uint32_t newer_workflows)
{
    const struct ps_workflow *workflow = &asked->workflow;

    set_pairs(&asked->workflow_labels, &workflow->labels);
    set_pairs(&asked->workflow_annotations, &workflow->annotations);
    asked->workflow_facts = (struct ps_workflow_facts){
        .ns = workflow->ns,
        .name = workflow->name,
        .uid = workflow->uid,
        .template_name = workflow->template_name,
        .status = workflow->status,
        .created_unix_s = workflow->created_unix_s,
        .finished_unix_s = workflow->finished_unix_s,
        .deleted_unix_s = workflow->deleted_unix_s,
        .newer = newer_workflows,
        .labels = &asked->workflow_labels,
        .annotations = &asked->workflow_annotations,
    };
}

void ps_reclaim_ask_fill(struct ps_reclaim_asked *asked, uint32_t newer_workflows,
                         const struct ps_reclaim_rules *rules, enum ps_reclaim_event event,
                         int64_t now_unix_s)
{
    fill_artifact(asked, rules, event, now_unix_s);
    if (asked->has_workflow) {
        fill_workflow(asked, newer_workflows);
    }
    asked->question = (struct ps_reclaim_question){
        .artifact = &asked->artifact_facts,
        .workflow = asked->has_workflow ? &asked->workflow_facts : NULL,
        .now_unix_s = now_unix_s,
    };
}

bool ps_reclaim_ask_init(struct ps_reclaim_asked *asked, const struct ps_reclaim_item *item,
                         const struct ps_reclaim_rules *rules, enum ps_reclaim_event event,
                         int64_t now_unix_s)
{
    if (!ps_reclaim_item_artifact(item, &asked->artifact)) {
        return false;
    }
    asked->has_workflow = ps_reclaim_item_workflow(item, &asked->workflow);
    ps_reclaim_ask_fill(asked, item->newer_workflows, rules, event, now_unix_s);
    return true;
}

void ps_reclaim_ask_scanned(struct ps_reclaim_asked *asked, const struct ps_scanned *scanned,
                            const struct ps_reclaim_rules *rules, enum ps_reclaim_event event,
                            int64_t now_unix_s)
{
    asked->artifact = *scanned->artifact;
    asked->has_workflow = scanned->workflow != NULL;
    if (asked->has_workflow) {
        asked->workflow = *scanned->workflow;
    }
    ps_reclaim_ask_fill(asked, scanned->newer_workflows, rules, event, now_unix_s);
}

void ps_reclaim_ask(const struct ps_reclaim_asked *asked, const struct ps_reclaim_rules *rules,
                    struct ps_reclaim_decision *decision_out)
{
    rules->decider->reclaim(rules->decider->user, &asked->question, decision_out);
    ps_lifecycle_local_answer(rules->local, &asked->question, decision_out);
}

int64_t ps_reclaim_base_unix_s(const struct ps_reclaim_asked *asked, enum ps_reclaim_event event)
{
    int64_t base = 0;

    switch (event) {
    case PS_EVENT_AGE:
        base = asked->artifact.created_unix_s != 0 ? asked->artifact.created_unix_s
                                                   : asked->artifact.recorded_unix_s;
        break;
    case PS_EVENT_COMPLETED:
        base = asked->has_workflow ? asked->workflow.finished_unix_s : 0;
        break;
    case PS_EVENT_DELETED:
        base = asked->has_workflow ? asked->workflow.deleted_unix_s : 0;
        break;
    case PS_EVENT_CLEARED:
        base = asked->has_workflow ? asked->workflow.cleared_unix_s : 0;
        break;
    }
    return base != 0 ? base : asked->question.now_unix_s;
}
