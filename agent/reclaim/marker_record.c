#include "reclaim/marker_record.h"

#include "base/str.h"
#include "state/artifact.h"
#include "state/pending_reclaim.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORKFLOW_NAMESPACE "delete-request"
#define LABEL_AFTER "purser/reclaim-after"

/** Records of one commit. Lower: more flushes. Higher: memory, about 1 KiB each. */
#define ENTRIES_MAX 1000

/** "3162240000s" */
#define AFTER_TEXT_SIZE 24

/* Texts of entries that nobody else keeps. */
struct texts {
    char *url;
    char after[AFTER_TEXT_SIZE];
};

struct recording {
    struct ps_state *state;
    const char *prefix_url;
    struct ps_artifact_entry *entries;
    struct texts *texts;
    size_t count;
    struct ps_reclaim_batch known;
    uint64_t object_count;
};

static void forget(struct recording *recording)
{
    for (size_t i = 0; i < recording->count; i++) {
        free(recording->texts[i].url);
    }
    recording->count = 0;
}

static enum ps_code flush(struct recording *recording, struct ps_err *err)
{
    enum ps_code code = PS_OK;

    if (recording->count > 0) {
        code = ps_artifact_record(recording->state, recording->entries, recording->count, err);
        recording->object_count += code == PS_OK ? recording->count : 0;
        forget(recording);
    }
    return code;
}

/* Recording it again would drop what is planned, and with it what a user has said of it since. */
static enum ps_code is_known(struct recording *recording, const char *url, const char *uid,
                             bool *known_out, struct ps_err *err)
{
    enum ps_code code = ps_reclaim_take_url(recording->state, url, 0, &recording->known, err);

    *known_out = false;
    for (size_t i = 0; code == PS_OK && i < recording->known.count && !*known_out; i++) {
        struct ps_workflow workflow;

        *known_out = ps_reclaim_item_workflow(&recording->known.items[i], &workflow) &&
                     strcmp(workflow.uid, uid) == 0;
    }
    return code;
}

static void fill(struct recording *recording, char *url, const struct ps_marker_entry *entry,
                 const struct ps_workflow *workflow)
{
    struct texts *texts = &recording->texts[recording->count];

    texts->url = url;
    (void)snprintf(texts->after, sizeof(texts->after), "%" PRIu64 "s", entry->after_s);
    recording->entries[recording->count++] = (struct ps_artifact_entry){
        .artifact = { .url = url,
                      .has_size = true,
                      .size_bytes = entry->size_bytes,
                      .etag = entry->etag,
                      .created_unix_s = entry->mtime_unix_s,
                      .recorded_unix_s = workflow->created_unix_s,
                      .labels = { .count = 1, .items = { { LABEL_AFTER, texts->after } } } },
        .workflow = workflow,
    };
}

static enum ps_code add(struct recording *recording, const struct ps_marker_entry *entry,
                        const struct ps_workflow *workflow, struct ps_err *err)
{
    char *url = ps_str_format("%s%s", recording->prefix_url, entry->key);
    bool known = false;
    enum ps_code code = url != NULL ? is_known(recording, url, workflow->uid, &known, err)
                                    : ps_err_set(err, PS_E_NO_MEMORY, "out of memory");

    if (code != PS_OK || known) {
        free(url);
        return code;
    }
    fill(recording, url, entry, workflow);
    return recording->count == ENTRIES_MAX ? flush(recording, err) : PS_OK;
}

static enum ps_code add_all(struct recording *recording, const struct ps_marker *marker,
                            const struct ps_workflow *workflow, struct ps_err *err)
{
    enum ps_code code = PS_OK;

    for (size_t i = 0; i < marker->count && code == PS_OK; i++) {
        code = add(recording, &marker->entries[i], workflow, err);
    }
    return code;
}

/* Deleted too, so that the state forgets it with its last artifact. */
static void make_reports(const struct ps_workflow *workflow, struct ps_workflow_report *reports)
{
    reports[0] =
        (struct ps_workflow_report){ workflow, PS_EVENT_DELETED, workflow->created_unix_s };
    reports[1] =
        (struct ps_workflow_report){ workflow, PS_EVENT_CLEARED, workflow->created_unix_s };
}

static enum ps_code record(struct recording *recording, const struct ps_marker_found *found,
                           size_t count, struct ps_err *err)
{
    struct ps_workflow workflows[PS_MARKER_PAGE];
    struct ps_workflow_report reports[2 * PS_MARKER_PAGE];
    enum ps_code code = PS_OK;

    for (size_t i = 0; i < count && code == PS_OK; i++) {
        workflows[i] = (struct ps_workflow){ .ns = WORKFLOW_NAMESPACE,
                                             .name = found[i].name,
                                             .uid = found[i].name,
                                             .created_unix_s = found[i].since_unix_s };
        make_reports(&workflows[i], &reports[2 * i]);
        code = add_all(recording, &found[i].marker, &workflows[i], err);
    }
    if (code == PS_OK) {
        code = flush(recording, err);
    }
    return code == PS_OK ? ps_workflow_report(recording->state, reports, 2 * count, NULL, err)
                         : code;
}

enum ps_code ps_marker_record(struct ps_state *state, const char *prefix_url,
                              const struct ps_marker_found *found, size_t count,
                              uint64_t *object_count_out, struct ps_err *err)
{
    struct recording recording = {
        .state = state,
        .prefix_url = prefix_url,
        .entries = calloc(ENTRIES_MAX, sizeof(*recording.entries)),
        .texts = calloc(ENTRIES_MAX, sizeof(*recording.texts)),
    };
    enum ps_code code;

    if (recording.entries == NULL || recording.texts == NULL) {
        code = ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    } else {
        code = record(&recording, found, count, err);
    }
    *object_count_out = recording.object_count;
    forget(&recording);
    ps_reclaim_batch_clear(&recording.known);
    free(recording.entries);
    free(recording.texts);
    return code;
}
