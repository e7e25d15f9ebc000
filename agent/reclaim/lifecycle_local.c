#include "reclaim/lifecycle_local.h"

#include "base/str.h"
#include "store/file_store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_S ((uint64_t)86400)

/* --- loading --- */

static enum ps_code take_rules(struct ps_lifecycle_root *root,
                               const struct ps_lifecycle_config *config, struct ps_err *err)
{
    enum ps_code code = PS_OK;

    for (size_t i = 0; i < config->count && code == PS_OK; i++) {
        const struct ps_lifecycle_entry *entry = &config->entries[i];

        if (entry->own && entry->enabled && !entry->has_more) {
            code = ps_lifecycle_rules_push(&root->rules, &entry->rule, err);
        }
    }
    return code;
}

static enum ps_code load_root(struct ps_lifecycle_root *root, struct ps_err *err)
{
    struct ps_lifecycle_config config = { .count = 0 };
    struct ps_buf text;
    enum ps_code code;

    ps_buf_init(&text, 0);
    code = ps_file_store_read_lifecycle(root->url + strlen("file://"), &text, err);
    if (code == PS_OK) {
        code = ps_lifecycle_parse(&config, ps_buf_peek(&text), text.size_bytes, err);
    }
    if (code == PS_OK) {
        code = take_rules(root, &config, err);
    }
    ps_lifecycle_config_clear(&config);
    ps_buf_clear(&text);
    return code;
}

/* "file:///dir/" as the URLs of objects have it. */
static char *root_of(const char *url)
{
    size_t length = strlen(url);

    while (length > strlen("file:///") && url[length - 1] == '/') {
        length--;
    }
    return ps_strndup(url, length);
}

enum ps_code ps_lifecycle_local_load(struct ps_lifecycle_local **local_out,
                                     const struct ps_settings *settings, const struct ps_log *log,
                                     struct ps_err *err)
{
    struct ps_lifecycle_local *local = calloc(1, sizeof(*local));
    struct ps_err own;

    for (size_t i = 0; local != NULL && i < settings->store_count; i++) {
        struct ps_lifecycle_root *root = &local->roots[local->count];
        const char *url = settings->stores[i].url;

        if (url == NULL || !ps_str_has_prefix(url, "file:///")) {
            continue;
        }
        root->url = root_of(url);
        if (root->url == NULL) {
            ps_lifecycle_local_free(local);
            local = NULL;
            break;
        }
        local->count++;
        if (load_root(root, &own) != PS_OK) {
            ps_lifecycle_rules_clear(&root->rules);
            ps_log(log, PS_LOG_WARN, "lifecycle", "%s: its rules are not acted on: %s", root->url,
                   own.message);
        }
    }
    if (local == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "lifecycle: out of memory");
    }
    *local_out = local;
    return PS_OK;
}

void ps_lifecycle_local_free(struct ps_lifecycle_local *local)
{
    for (size_t i = 0; local != NULL && i < local->count; i++) {
        free(local->roots[i].url);
        ps_lifecycle_rules_clear(&local->roots[i].rules);
    }
    free(local);
}

bool ps_lifecycle_local_acts(const struct ps_lifecycle_local *local)
{
    for (size_t i = 0; local != NULL && i < local->count; i++) {
        if (local->roots[i].rules.count > 0) {
            return true;
        }
    }
    return false;
}

/* --- answering --- */

static const char *label_of(const struct ps_artifact_facts *artifact)
{
    const struct ps_pairs *labels = artifact->labels;

    for (size_t i = 0; labels != NULL && i < labels->count; i++) {
        if (strcmp(labels->items[i].name, PS_LIFECYCLE_LABEL) == 0) {
            return labels->items[i].value;
        }
    }
    return "";
}

/* The key below the root; NULL = the object lies elsewhere. */
static const char *key_below(const struct ps_lifecycle_root *root, const char *url)
{
    size_t length = strlen(root->url);

    return strncmp(url, root->url, length) == 0 && url[length] == '/' ? url + length + 1 : NULL;
}

static bool is_of(const struct ps_lifecycle_rule *rule, const char *key, const char *label)
{
    return rule->expire_days != 0 && ps_str_has_prefix(key, rule->prefix) &&
           (rule->tag_count == 0 || strcmp(rule->id, label) == 0);
}

/* Of several rules the earliest acts, as in a bucket. */
static const struct ps_lifecycle_rule *find_rule(const struct ps_lifecycle_local *local,
                                                 const struct ps_artifact_facts *artifact)
{
    const struct ps_lifecycle_rule *first = NULL;
    const char *label = label_of(artifact);

    for (size_t i = 0; i < local->count; i++) {
        const struct ps_lifecycle_root *root = &local->roots[i];
        const char *key = key_below(root, artifact->url);

        for (size_t j = 0; key != NULL && j < root->rules.count; j++) {
            const struct ps_lifecycle_rule *rule = &root->rules.items[j];

            if (is_of(rule, key, label) &&
                (first == NULL || rule->expire_days < first->expire_days)) {
                first = rule;
            }
        }
    }
    return first;
}

static void tell(const struct ps_reclaim_question *question, const char *reason, uint64_t after_s)
{
    const struct ps_reclaim_answer answer = {
        .policy = "lifecycle",
        .where = "",
        .action = PS_ACTION_DELETE,
        .has_after = true,
        .after_s = after_s,
        .reason = reason,
    };

    if (question->on_answer != NULL) {
        question->on_answer(question->user, &answer);
    }
}

void ps_lifecycle_local_answer(const struct ps_lifecycle_local *local,
                               const struct ps_reclaim_question *question,
                               struct ps_reclaim_decision *decision)
{
    const struct ps_artifact_facts *artifact = question->artifact;
    const struct ps_lifecycle_rule *rule;
    uint64_t after_s;
    char reason[320];

    /* Without a time of writing there is nothing to count from. */
    if (local == NULL || strcmp(artifact->event, "age") != 0 || artifact->created_unix_s == 0) {
        return;
    }
    rule = find_rule(local, artifact);
    if (rule == NULL) {
        return;
    }
    after_s = rule->expire_days * DAY_S;
    (void)snprintf(reason, sizeof(reason), "rule %.200s: expires after %" PRIu32 "d", rule->id,
                   rule->expire_days);
    tell(question, reason, after_s);
    if (decision->action == PS_ACTION_KEEP ||
        (decision->action != PS_ACTION_NONE && decision->after_s <= after_s)) {
        return; /* it stays, or something is done with it earlier */
    }
    decision->action = PS_ACTION_DELETE;
    decision->storage_class[0] = '\0';
    decision->has_after = true;
    decision->after_s = after_s;
    ps_str_copy(decision->origin.policy, sizeof(decision->origin.policy), "lifecycle");
    decision->origin.where[0] = '\0';
    ps_str_copy(decision->origin.reason, sizeof(decision->origin.reason), reason);
}
