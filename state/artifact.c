#include "state/artifact.h"

#include "base/str.h"
#include "state/artifact_value.h"
#include "state/reclaim_internal.h"
#include "state/workflow_internal.h"

#include <string.h>

/* --- walking by URL --- */

struct url_walk {
    const char *url;
    bool whole; /* the URL itself, not those that begin with it */
    ps_artifact_fn each;
    void *user;
};

static bool is_wanted(const struct url_walk *walk, const struct ps_artifact *artifact)
{
    return walk->whole ? strcmp(artifact->url, walk->url) == 0
                       : ps_str_has_prefix(artifact->url, walk->url);
}

static enum ps_code on_url(struct ps_txn *txn, void *user, const MDB_val *key, const MDB_val *none)
{
    struct url_walk *walk = user;
    uint64_t number = ps_key_number_at(key, key->mv_size - 8);
    struct ps_artifact artifact;
    struct ps_key at;
    MDB_val value;
    enum ps_code code;

    (void)none;
    if (walk->whole && key->mv_size > strlen(walk->url) + 8 &&
        strlen(walk->url) <= PS_KEY_TEXT_MAX) {
        return PS_E_CANCELLED; /* the rows of the URL itself come first */
    }
    ps_key_from_u64(&at, number);
    code = ps_txn_get(txn, PS_DB_ARTIFACTS, &at, &value);
    if (code != PS_OK || value.mv_data == NULL) {
        return code;
    }
    code = ps_artifact_decode(value.mv_data, value.mv_size, &artifact, txn->err);
    if (code != PS_OK || !is_wanted(walk, &artifact)) {
        return code;
    }
    artifact.number = number;
    return walk->each(txn, walk->user, number, &artifact);
}

static enum ps_code walk_urls(struct ps_txn *txn, struct url_walk *walk)
{
    struct ps_key key;

    ps_key_from_url(&key, walk->url, 0);
    key.size_bytes -= 8;
    if (!walk->whole && key.size_bytes > PS_KEY_TEXT_MAX) {
        key.size_bytes = PS_KEY_TEXT_MAX; /* a hash is of one whole URL */
    }
    return ps_txn_walk(txn, PS_DB_ARTIFACT_URLS, &key, key.size_bytes, on_url, walk);
}

enum ps_code ps_txn_each_of_url(struct ps_txn *txn, const char *url, ps_artifact_fn each,
                                void *user)
{
    struct url_walk walk = { url, true, each, user };

    return walk_urls(txn, &walk);
}

enum ps_code ps_txn_each_below(struct ps_txn *txn, const char *prefix, ps_artifact_fn each,
                               void *user)
{
    struct url_walk walk = { prefix, false, each, user };

    return walk_urls(txn, &walk);
}

/* --- recording --- */

static enum ps_code check_entry(const struct ps_artifact_entry *entry, struct ps_err *err)
{
    const char *url = entry->artifact.url;

    if (url == NULL || url[0] == '\0' || strlen(url) > PS_ARTIFACT_URL_MAX) {
        return ps_err_set(err, PS_E_INVALID, "an artifact's URL has 1 to %d bytes",
                          PS_ARTIFACT_URL_MAX);
    }
    return PS_OK;
}

struct same {
    uint64_t workflow_number;
    uint64_t number; /* 0 = none */
    struct ps_artifact artifact;
};

static enum ps_code find_same(struct ps_txn *txn, void *user, uint64_t number,
                              const struct ps_artifact *artifact)
{
    struct same *same = user;

    (void)txn;
    if (artifact->workflow_number != same->workflow_number) {
        return PS_OK;
    }
    same->number = number;
    same->artifact = *artifact;
    return PS_E_CANCELLED;
}

static const char *known(const char *fresh, const char *old)
{
    return fresh != NULL && fresh[0] != '\0' ? fresh : old;
}

/* The watcher tells again and again what it sees, and knows less than the put did: what it does not know stays. */
static struct ps_artifact merge(const struct ps_artifact *old, const struct ps_artifact *fresh)
{
    struct ps_artifact merged = *old;

    merged.node_id = known(fresh->node_id, old->node_id);
    merged.node_status = known(fresh->node_status, old->node_status);
    merged.name = known(fresh->name, old->name);
    merged.storage_class = known(fresh->storage_class, old->storage_class);
    merged.strategy = fresh->strategy != PS_GC_UNSET ? fresh->strategy : old->strategy;
    if (fresh->has_size && !old->has_size) {
        merged.has_size = true;
        merged.size_bytes = fresh->size_bytes;
    }
    if (fresh->labels.count > 0) {
        merged.labels = fresh->labels;
    }
    return merged;
}

static enum ps_code put_links(struct ps_txn *txn, const struct ps_artifact *artifact)
{
    struct ps_key key;
    enum ps_code code;

    ps_key_from_url(&key, artifact->url, artifact->number);
    code = ps_txn_put_key(txn, PS_DB_ARTIFACT_URLS, &key);
    if (code == PS_OK && artifact->workflow_number != 0) {
        ps_key_from_pair(&key, artifact->workflow_number, artifact->number);
        code = ps_txn_put_key(txn, PS_DB_WORKFLOW_ARTIFACTS, &key);
    }
    return code;
}

static enum ps_code put_value(struct ps_txn *txn, const struct ps_artifact *artifact,
                              bool *changed_out)
{
    struct ps_buf buf;
    struct ps_key key;
    MDB_val old;
    enum ps_code code;

    ps_buf_init(&buf, 0);
    ps_key_from_u64(&key, artifact->number);
    code = ps_artifact_encode(artifact, &buf, txn->err);
    if (code == PS_OK) {
        code = ps_txn_get(txn, PS_DB_ARTIFACTS, &key, &old);
    }
    if (code == PS_OK) {
        *changed_out = old.mv_data == NULL || old.mv_size != buf.size_bytes ||
                       memcmp(old.mv_data, buf.data, buf.size_bytes) != 0;
        if (*changed_out) {
            code = ps_txn_put(txn, PS_DB_ARTIFACTS, &key, &buf);
        }
    }
    ps_buf_clear(&buf);
    return code;
}

static enum ps_code record_one(struct ps_txn *txn, const struct ps_artifact *fresh,
                               uint64_t workflow_number)
{
    struct same same = { .workflow_number = workflow_number };
    struct ps_artifact artifact = *fresh;
    bool is_put = fresh->etag != NULL && fresh->etag[0] != '\0';
    bool changed = false;
    enum ps_code code = ps_txn_each_of_url(txn, fresh->url, find_same, &same);

    if (code != PS_OK) {
        return code;
    }
    if (same.number != 0 && !is_put) {
        artifact = merge(&same.artifact, fresh);
    } else if (same.number != 0) {
        code = ps_txn_remove_reclaim(txn, same.number); /* it was of the object before */
    }
    artifact.number = same.number;
    artifact.workflow_number = workflow_number;
    if (code == PS_OK && same.number == 0) {
        code = ps_txn_next_number(txn, "artifact_number", &artifact.number);
    }
    if (code == PS_OK) {
        code = put_value(txn, &artifact, &changed);
    }
    if (code == PS_OK && same.number == 0) {
        code = put_links(txn, &artifact);
    }
    if (code == PS_OK && (changed || is_put)) {
        code = ps_queue_put(txn, PS_QUEUE_ARTIFACT, artifact.number, PS_EVENT_AGE);
    }
    return code;
}

struct record {
    const struct ps_artifact_entry *entries;
    size_t count;
};

static enum ps_code record_body(struct ps_txn *txn, void *user)
{
    const struct record *record = user;
    const struct ps_workflow *last = NULL;
    uint64_t workflow_number = 0;
    enum ps_code code = PS_OK;

    for (size_t i = 0; i < record->count && code == PS_OK; i++) {
        const struct ps_artifact_entry *entry = &record->entries[i];

        code = check_entry(entry, txn->err);
        if (code == PS_OK && entry->workflow == NULL) {
            workflow_number = 0;
        } else if (code == PS_OK && entry->workflow != last) {
            code = ps_txn_put_workflow(txn, entry->workflow, &workflow_number);
        }
        last = entry->workflow;
        if (code == PS_OK) {
            code = record_one(txn, &entry->artifact, workflow_number);
        }
    }
    return code;
}

enum ps_code ps_artifact_record(struct ps_state *state, const struct ps_artifact_entry *entries,
                                size_t count, struct ps_err *err)
{
    struct record record = { entries, count };

    return ps_state_write(state, record_body, &record, err);
}

/* --- what was found --- */

struct found {
    const struct ps_artifact *artifacts;
    size_t count;
    size_t recorded_count;
};

static enum ps_code queue_known(struct ps_txn *txn, void *user, uint64_t number,
                                const struct ps_artifact *artifact)
{
    bool *known = user;

    (void)artifact;
    *known = true;
    return ps_queue_put(txn, PS_QUEUE_ARTIFACT, number, PS_EVENT_AGE);
}

static enum ps_code found_one(struct ps_txn *txn, struct found *found,
                              const struct ps_artifact *artifact)
{
    const struct ps_artifact_entry entry = { .artifact = *artifact };
    bool known = false;
    enum ps_code code = check_entry(&entry, txn->err);

    if (code == PS_OK) {
        code = ps_txn_each_of_url(txn, artifact->url, queue_known, &known);
    }
    if (code != PS_OK || known) {
        return code;
    }
    found->recorded_count++;
    return record_one(txn, artifact, 0);
}

static enum ps_code found_body(struct ps_txn *txn, void *user)
{
    struct found *found = user;
    enum ps_code code = PS_OK;

    found->recorded_count = 0; /* the body may run again */
    for (size_t i = 0; i < found->count && code == PS_OK; i++) {
        code = found_one(txn, found, &found->artifacts[i]);
    }
    return code;
}

enum ps_code ps_artifact_found(struct ps_state *state, const struct ps_artifact *artifacts,
                               size_t count, size_t *recorded_out, struct ps_err *err)
{
    struct found found = { artifacts, count, 0 };
    enum ps_code code = ps_state_write(state, found_body, &found, err);

    if (code == PS_OK) {
        *recorded_out = found.recorded_count;
    }
    return code;
}

/* --- removing --- */

enum ps_code ps_txn_remove_artifact(struct ps_txn *txn, uint64_t number,
                                    const struct ps_artifact *artifact)
{
    uint64_t workflow_number = artifact->workflow_number;
    struct ps_key key;
    enum ps_code code;

    ps_key_from_url(&key, artifact->url, number);
    code = ps_txn_delete(txn, PS_DB_ARTIFACT_URLS, &key);
    if (code == PS_OK && workflow_number != 0) {
        ps_key_from_pair(&key, workflow_number, number);
        code = ps_txn_delete(txn, PS_DB_WORKFLOW_ARTIFACTS, &key);
    }
    if (code == PS_OK) {
        code = ps_txn_remove_reclaim(txn, number);
    }
    ps_queue_key(&key, PS_QUEUE_ARTIFACT, number, PS_EVENT_AGE);
    if (code == PS_OK) {
        code = ps_txn_delete(txn, PS_DB_PLAN_QUEUE, &key);
    }
    ps_key_from_u64(&key, number);
    if (code == PS_OK) {
        code = ps_txn_delete(txn, PS_DB_ARTIFACTS, &key);
    }
    return code == PS_OK && workflow_number != 0 ? ps_txn_tidy_workflow(txn, workflow_number)
                                                 : code;
}

/* --- counting --- */

struct counts {
    uint64_t artifacts;
    uint64_t workflows;
};

static enum ps_code count_body(struct ps_txn *txn, void *user)
{
    struct counts *counts = user;
    MDB_stat stat = { 0 };
    int rc = mdb_stat(txn->mdb, txn->state->dbs[PS_DB_ARTIFACTS], &stat);

    counts->artifacts = stat.ms_entries;
    if (rc == 0) {
        rc = mdb_stat(txn->mdb, txn->state->dbs[PS_DB_WORKFLOWS], &stat);
        counts->workflows = stat.ms_entries;
    }
    return rc != 0 ? ps_txn_fail(txn, rc, "count") : PS_OK;
}

enum ps_code ps_artifact_count(struct ps_state *state, uint64_t *artifact_count_out,
                               uint64_t *workflow_count_out, struct ps_err *err)
{
    struct counts counts = { 0 };
    enum ps_code code = ps_state_read(state, count_body, &counts, err);

    if (code == PS_OK) {
        *artifact_count_out = counts.artifacts;
        *workflow_count_out = counts.workflows;
    }
    return code;
}
