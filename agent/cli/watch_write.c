#include "cli/watch_write.h"

#include "base/buf.h"
#include "base/str.h"
#include "state/artifact.h"
#include "state/pending_reclaim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/** Records of one commit. state/artifact.h takes 10,000; each has about 300 bytes here. */
#define ENTRIES_MAX 2000

/* --- the workflow --- */

static void take_labels(struct ps_labels *labels, const struct ps_watched_pair *pairs, size_t count)
{
    for (size_t i = 0; i < count && labels->count < PS_LABELS_MAX; i++) {
        labels->items[labels->count++] = (struct ps_label){ pairs[i].name, pairs[i].value };
    }
}

/* One of a later Argo's that is not known here: what it means is in doubt, so it is kept. */
static enum ps_gc_strategy strategy_of(const char *name)
{
    enum ps_gc_strategy strategy = PS_GC_UNSET;

    return ps_gc_strategy_parse(name, &strategy) ? strategy : PS_GC_NEVER;
}

static struct ps_workflow workflow_of(const struct ps_watched_workflow *watched,
                                      const char *cluster)
{
    struct ps_workflow workflow = {
        .ns = watched->ns,
        .name = watched->name,
        .uid = watched->uid,
        .template_name = watched->template_name,
        .status = watched->phase,
        .strategy = strategy_of(watched->strategy),
        .created_unix_s = watched->created_unix_s,
        .finished_unix_s = watched->is_finished ? watched->finished_unix_s : 0,
    };

    workflow.annotations.items[workflow.annotations.count++] =
        (struct ps_label){ PS_WATCH_CLUSTER, cluster };
    take_labels(&workflow.labels, watched->labels, watched->label_count);
    take_labels(&workflow.annotations, watched->annotations, watched->annotation_count);
    return workflow;
}

/* --- artifacts --- */

static const char *host_of(const char *endpoint)
{
    const char *scheme = strstr(endpoint, "://");

    return scheme != NULL ? scheme + 3 : endpoint;
}

static bool is_same_host(const char *a, const char *b)
{
    size_t a_length = strcspn(host_of(a), "/");
    size_t b_length = strcspn(host_of(b), "/");

    return a_length == b_length && strncasecmp(host_of(a), host_of(b), a_length) == 0;
}

/* Where purser would go for url: the settings' store, else the variables of the SDKs. */
static const char *own_endpoint(const struct ps_watch_batch *batch, const char *url)
{
    const struct ps_store_settings *store = ps_settings_store_of_url(batch->settings, url);
    const char *value = NULL;

    if (store != NULL && store->endpoint[0] != '\0') {
        return store->endpoint;
    }
    if (ps_str_has_prefix(url, "s3://")) {
        value = batch->getenv(batch->getenv_user, "AWS_ENDPOINT_URL_S3");
        if (value == NULL || value[0] == '\0') {
            value = batch->getenv(batch->getenv_user, "AWS_ENDPOINT_URL");
        }
    } else if (ps_str_has_prefix(url, "oss://")) {
        value = batch->getenv(batch->getenv_user, "OSS_ENDPOINT");
    }
    return value != NULL ? value : "";
}

/* A bucket of that name at another server would be another bucket: its objects are none that may be deleted. */
static bool is_foreign(struct ps_watch_batch *batch, const struct ps_watched_artifact *artifact)
{
    const char *own = own_endpoint(batch, artifact->url);
    bool is_vendors = strstr(artifact->endpoint, "amazonaws.com") != NULL ||
                      strstr(artifact->endpoint, "aliyuncs.com") != NULL;

    if (artifact->endpoint[0] == '\0' || (own[0] == '\0' && is_vendors) ||
        is_same_host(own, artifact->endpoint)) {
        return false;
    }
    batch->foreign_count++;
    (void)snprintf(batch->foreign, sizeof(batch->foreign),
                   "%s lies at endpoint %s, purser would go to %s: name it in the stores",
                   artifact->url, artifact->endpoint, own[0] != '\0' ? own : "the vendor's");
    return true;
}

static bool is_of(const struct ps_reclaim_item *item, const char *uid)
{
    struct ps_workflow workflow;

    return ps_reclaim_item_workflow(item, &workflow) && strcmp(workflow.uid, uid) == 0;
}

/*
 * Recording anew would say that the object is another one, and drop what is planned for it: a record is made once. One
 * that the plugin made knows more than we do.
 */
static enum ps_code is_known(const struct ps_watch_batch *batch, struct ps_reclaim_batch *found,
                             const char *url, const char *uid, bool *known_out, struct ps_err *err)
{
    enum ps_code code = ps_reclaim_take_url(batch->state, url, batch->now_unix_s, found, err);

    *known_out = false;
    for (size_t i = 0; code == PS_OK && i < found->count && !*known_out; i++) {
        *known_out = is_of(&found->items[i], uid);
    }
    return code;
}

struct entries {
    struct ps_artifact_entry *list;
    size_t count;
    struct ps_reclaim_batch found;
};

static enum ps_code flush(struct ps_watch_batch *batch, struct entries *entries, struct ps_err *err)
{
    enum ps_code code = PS_OK;

    if (entries->count > 0) {
        code = ps_artifact_record(batch->state, entries->list, entries->count, err);
        batch->artifact_count += code == PS_OK ? entries->count : 0;
        entries->count = 0;
    }
    return code;
}

static bool is_listed(const struct entries *entries, const char *url,
                      const struct ps_workflow *workflow)
{
    for (size_t i = entries->count; i > 0 && entries->list[i - 1].workflow == workflow; i--) {
        if (strcmp(entries->list[i - 1].artifact.url, url) == 0) {
            return true;
        }
    }
    return false;
}

static void fill(struct ps_artifact_entry *entry, const struct ps_watched_artifact *artifact,
                 const struct ps_workflow *workflow, int64_t now_unix_s)
{
    *entry = (struct ps_artifact_entry){
        .artifact = {
            .url = artifact->url,
            .node_id = artifact->node_id,
            .node_status = artifact->node_status,
            .name = artifact->name,
            .strategy = strategy_of(artifact->strategy),
            .created_unix_s = artifact->created_unix_s,
            .recorded_unix_s = now_unix_s,
        },
        .workflow = workflow,
    };
}

static enum ps_code add_artifacts(struct ps_watch_batch *batch, struct entries *entries,
                                  const struct ps_watched_workflow *watched,
                                  const struct ps_workflow *workflow, struct ps_err *err)
{
    enum ps_code code = PS_OK;

    for (size_t i = 0; i < watched->artifact_count && code == PS_OK; i++) {
        const struct ps_watched_artifact *artifact = &watched->artifacts[i];
        bool known = false;

        if (is_foreign(batch, artifact) || is_listed(entries, artifact->url, workflow)) {
            continue;
        }
        code = is_known(batch, &entries->found, artifact->url, watched->uid, &known, err);
        if (code == PS_OK && !known) {
            fill(&entries->list[entries->count++], artifact, workflow, batch->now_unix_s);
            code = entries->count == ENTRIES_MAX ? flush(batch, entries, err) : PS_OK;
        }
    }
    return code;
}

/* --- reports --- */

static void add_report(struct ps_workflow_report *reports, size_t *count,
                       const struct ps_workflow *workflow, enum ps_reclaim_event event,
                       int64_t at_unix_s)
{
    reports[(*count)++] =
        (struct ps_workflow_report){ .workflow = workflow, .event = event, .at_unix_s = at_unix_s };
}

static void add_reports(struct ps_workflow_report *reports, size_t *count,
                        const struct ps_watch_item *item, const struct ps_workflow *workflow,
                        int64_t now_unix_s)
{
    int64_t finished_unix_s =
        workflow->finished_unix_s != 0 ? workflow->finished_unix_s : now_unix_s;

    if (item->workflow.is_finished) {
        add_report(reports, count, workflow, PS_EVENT_COMPLETED, finished_unix_s);
    } else {
        add_report(reports, count, workflow, PS_EVENT_AGE, now_unix_s);
    }
    if (item->deleted) {
        add_report(reports, count, workflow, PS_EVENT_DELETED, now_unix_s);
    }
}

enum ps_code ps_watch_write(struct ps_watch_batch *batch, struct ps_err *err)
{
    struct ps_workflow *workflows = calloc(batch->count, sizeof(*workflows));
    struct ps_workflow_report *reports = calloc(batch->count * 2, sizeof(*reports));
    struct entries entries = { .list = calloc(ENTRIES_MAX, sizeof(*entries.list)) };
    size_t report_count = 0;
    enum ps_code code = PS_OK;

    if (workflows == NULL || reports == NULL || entries.list == NULL) {
        code = ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
        goto out;
    }
    for (size_t i = 0; i < batch->count && code == PS_OK; i++) {
        workflows[i] = workflow_of(&batch->items[i].workflow, batch->cluster);
        add_reports(reports, &report_count, &batch->items[i], &workflows[i], batch->now_unix_s);
        code = add_artifacts(batch, &entries, &batch->items[i].workflow, &workflows[i], err);
    }
    if (code == PS_OK) {
        code = flush(batch, &entries, err);
    }
    if (code == PS_OK) { /* after the artifacts: an event is of what is known by then */
        code = ps_workflow_report(batch->state, reports, report_count, NULL, err);
    }
out:
    ps_reclaim_batch_clear(&entries.found);
    free(entries.list);
    free(reports);
    free(workflows);
    return code;
}

/* --- what is gone --- */

struct absent {
    const struct ps_watch_list *list;
    struct ps_buf texts; /* namespace, name, uid; each with its NUL */
    size_t count;
    bool full;
};

static bool is_at(const struct ps_workflow *workflow, const char *cluster)
{
    for (size_t i = 0; i < workflow->annotations.count; i++) {
        if (strcmp(workflow->annotations.items[i].name, PS_WATCH_CLUSTER) == 0) {
            return strcmp(workflow->annotations.items[i].value, cluster) == 0;
        }
    }
    return false;
}

static bool take_absent(void *user, const struct ps_workflow *workflow)
{
    struct absent *absent = user;
    const char *const texts[] = { workflow->ns, workflow->name, workflow->uid };

    if (workflow->deleted_unix_s != 0 || workflow->uid[0] == '\0' ||
        (absent->list->ns[0] != '\0' && strcmp(absent->list->ns, workflow->ns) != 0) ||
        !is_at(workflow, absent->list->cluster) ||
        ps_watch_seen_since(absent->list->seen, workflow->uid, absent->list->turn)) {
        return true;
    }
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (ps_buf_append(&absent->texts, texts[i], strlen(texts[i]) + 1, NULL) != PS_OK) {
            absent->full = true;
            return false;
        }
    }
    absent->count++;
    absent->full = absent->count == ENTRIES_MAX;
    return !absent->full;
}

static enum ps_code report_absent(const struct absent *absent, struct ps_err *err)
{
    struct ps_workflow *workflows = calloc(absent->count, sizeof(*workflows));
    struct ps_workflow_report *reports = calloc(absent->count, sizeof(*reports));
    const char *at = ps_buf_peek(&absent->texts);
    size_t count = 0;
    enum ps_code code;

    if (workflows == NULL || reports == NULL) {
        code = ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    } else {
        for (size_t i = 0; i < absent->count; i++) {
            workflows[i].ns = at;
            workflows[i].name = workflows[i].ns + strlen(workflows[i].ns) + 1;
            workflows[i].uid = workflows[i].name + strlen(workflows[i].name) + 1;
            at = workflows[i].uid + strlen(workflows[i].uid) + 1;
            add_report(reports, &count, &workflows[i], PS_EVENT_DELETED, absent->list->now_unix_s);
        }
        code = ps_workflow_report(absent->list->state, reports, count, NULL, err);
    }
    free(workflows);
    free(reports);
    return code;
}

enum ps_code ps_watch_write_absent(const struct ps_watch_list *list, uint64_t *count_out,
                                   struct ps_err *err)
{
    struct absent absent = { .list = list };
    enum ps_code code = PS_OK;

    *count_out = 0;
    do { /* in batches: what was reported is deleted and not found again */
        ps_buf_rewind(&absent.texts);
        absent.count = 0;
        absent.full = false;
        code = ps_workflow_each(list->state, take_absent, &absent, err);
        if (code == PS_OK && absent.count > 0) {
            code = report_absent(&absent, err);
            *count_out += code == PS_OK ? absent.count : 0;
        }
    } while (code == PS_OK && absent.full && absent.count > 0);
    ps_buf_clear(&absent.texts);
    return code;
}
