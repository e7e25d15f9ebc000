#include "state/workflow_internal.h"

#include "base/str.h"
#include "state/artifact_value.h"
#include "state/reclaim_internal.h"

#include <stdio.h>
#include <string.h>

/* --- keys --- */

static const char *or_empty(const char *text)
{
    return text != NULL ? text : "";
}

/* "ns/name", NUL, uid, NUL, number: runs without a uid may share their name. without uid (NULL): only up to the first
 * NUL; number 0: up to the second. */
static enum ps_code name_key(struct ps_key *key, const struct ps_workflow *workflow,
                             const char *uid, uint64_t number, struct ps_err *err)
{
    struct ps_key tail;
    size_t size_bytes;
    int length;

    if (or_empty(workflow->ns)[0] == '\0' || or_empty(workflow->name)[0] == '\0') {
        return ps_err_set(err, PS_E_INVALID, "a workflow has a namespace and a name: NS/NAME");
    }
    length =
        snprintf((char *)key->bytes, sizeof(key->bytes), "%s/%s", workflow->ns, workflow->name);
    size_bytes = length < 0 ? sizeof(key->bytes) : (size_t)length + 1;
    if (size_bytes + strlen(or_empty(uid)) + 9 > PS_KEY_SIZE_MAX) {
        return ps_err_set(err, PS_E_INVALID, "workflow %.60s/%.60s: name and uid are too long",
                          workflow->ns, workflow->name);
    }
    if (uid != NULL) {
        memcpy(key->bytes + size_bytes, uid, strlen(uid) + 1);
        size_bytes += strlen(uid) + 1;
    }
    if (number != 0) {
        ps_key_from_u64(&tail, number);
        memcpy(key->bytes + size_bytes, tail.bytes, 8);
        size_bytes += 8;
    }
    key->size_bytes = size_bytes;
    return PS_OK;
}

bool ps_workflow_template_key(struct ps_key *key, const struct ps_workflow *workflow,
                              uint64_t number)
{
    struct ps_key tail;
    int length = snprintf((char *)key->bytes, sizeof(key->bytes), "%s/%s", workflow->ns,
                          workflow->template_name);

    if (or_empty(workflow->template_name)[0] == '\0' || workflow->finished_unix_s <= 0 ||
        length < 0 || (size_t)length + 17 > PS_KEY_SIZE_MAX) {
        return false;
    }
    ps_key_from_pair(&tail, (uint64_t)workflow->finished_unix_s, number);
    key->bytes[length] = '\0';
    memcpy(key->bytes + length + 1, tail.bytes, 16);
    key->size_bytes = (size_t)length + 17;
    return true;
}

/* --- reading --- */

enum ps_code ps_txn_get_workflow(struct ps_txn *txn, uint64_t number, bool *found_out,
                                 struct ps_workflow *workflow_out)
{
    struct ps_key key;
    MDB_val value;
    enum ps_code code;

    ps_key_from_u64(&key, number);
    code = ps_txn_get(txn, PS_DB_WORKFLOWS, &key, &value);
    *found_out = code == PS_OK && value.mv_data != NULL;
    if (*found_out) {
        code = ps_workflow_decode(value.mv_data, value.mv_size, workflow_out, txn->err);
        workflow_out->number = number;
    }
    return code;
}

struct newer {
    uint64_t number;
    uint32_t count;
};

static enum ps_code count_one(struct ps_txn *txn, void *user, const MDB_val *key,
                              const MDB_val *none)
{
    struct newer *newer = user;

    (void)txn;
    (void)none;
    newer->count += ps_key_number_at(key, key->mv_size - 8) != newer->number ? 1 : 0;
    return newer->count < PS_NEWER_MAX ? PS_OK : PS_E_CANCELLED;
}

enum ps_code ps_txn_count_newer(struct ps_txn *txn, const struct ps_workflow *workflow,
                                uint32_t *count_out)
{
    struct newer newer = { .number = workflow->number };
    struct ps_key key;
    enum ps_code code = PS_OK;

    if (ps_workflow_template_key(&key, workflow, workflow->number)) {
        code = ps_txn_walk(txn, PS_DB_WORKFLOW_TEMPLATES, &key, key.size_bytes - 16, count_one,
                           &newer);
    }
    *count_out = newer.count;
    return code;
}

/* --- finding by name --- */

static bool is_meant(enum ps_workflow_scope scope, const struct ps_workflow *workflow)
{
    switch (scope) {
    case PS_WORKFLOW_RUNNING:
        return workflow->deleted_unix_s == 0 && workflow->finished_unix_s == 0;
    case PS_WORKFLOW_THERE:
        return workflow->deleted_unix_s == 0;
    case PS_WORKFLOW_ANY:
        return true;
    }
    return false;
}

static enum ps_code on_run(struct ps_txn *txn, void *user, const MDB_val *key, const MDB_val *none)
{
    struct ps_workflow_runs *runs = user;
    uint64_t number = ps_key_number_at(key, key->mv_size - 8);
    struct ps_workflow workflow;
    bool found = false;
    enum ps_code code = ps_txn_get_workflow(txn, number, &found, &workflow);

    (void)none;
    if (code != PS_OK || !found || (!runs->by_uid && !is_meant(runs->scope, &workflow))) {
        return code;
    }
    if (runs->count == PS_WORKFLOW_RUNS_MAX) {
        return ps_err_set(txn->err, PS_E_TOO_LARGE, "%s/%s: more than %d runs of that name",
                          workflow.ns, workflow.name, PS_WORKFLOW_RUNS_MAX);
    }
    runs->numbers[runs->count++] = number;
    runs->uid_count += workflow.uid[0] != '\0' ? 1 : 0;
    return PS_OK;
}

enum ps_code ps_txn_find_workflows(struct ps_txn *txn, const struct ps_workflow *workflow,
                                   enum ps_workflow_scope scope, struct ps_workflow_runs *out)
{
    struct ps_key key;
    const char *uid = or_empty(workflow->uid);
    enum ps_code code;

    out->scope = scope;
    out->by_uid = uid[0] != '\0';
    out->count = 0;
    out->uid_count = 0;
    code = name_key(&key, workflow, out->by_uid ? uid : NULL, 0, txn->err);
    if (code == PS_OK) {
        code = ps_txn_walk(txn, PS_DB_WORKFLOW_NAMES, &key, key.size_bytes, on_run, out);
    }
    if (code == PS_OK && !out->by_uid && out->uid_count > 1) {
        return ps_err_set(txn->err, PS_E_INVALID,
                          "%s/%s: %zu workflows of that name are known: give --uid", workflow->ns,
                          workflow->name, out->count);
    }
    return code;
}

/* --- writing --- */

static const char *known(const char *fresh, const char *old)
{
    return fresh != NULL && fresh[0] != '\0' ? fresh : old;
}

static struct ps_workflow merge(const struct ps_workflow *old, const struct ps_workflow *fresh)
{
    struct ps_workflow merged = *old;

    merged.template_name = known(fresh->template_name, old->template_name);
    merged.status = known(fresh->status, old->status);
    merged.strategy = fresh->strategy != PS_GC_UNSET ? fresh->strategy : old->strategy;
    merged.created_unix_s =
        fresh->created_unix_s != 0 ? fresh->created_unix_s : old->created_unix_s;
    if (fresh->labels.count > 0) {
        merged.labels = fresh->labels;
    }
    if (fresh->annotations.count > 0) {
        merged.annotations = fresh->annotations;
    }
    return merged;
}

enum ps_code ps_txn_write_workflow(struct ps_txn *txn, const struct ps_workflow *workflow)
{
    struct ps_buf buf;
    struct ps_key key;
    MDB_val old;
    enum ps_code code;

    ps_buf_init(&buf, 0);
    ps_key_from_u64(&key, workflow->number);
    code = ps_workflow_encode(workflow, &buf, txn->err);
    if (code == PS_OK) {
        code = ps_txn_get(txn, PS_DB_WORKFLOWS, &key, &old);
    }
    if (code == PS_OK && (old.mv_data == NULL || old.mv_size != buf.size_bytes ||
                          memcmp(old.mv_data, buf.data, buf.size_bytes) != 0)) {
        code = ps_txn_put(txn, PS_DB_WORKFLOWS, &key, &buf);
    }
    ps_buf_clear(&buf);
    return code;
}

static enum ps_code write_name(struct ps_txn *txn, const struct ps_workflow *workflow)
{
    struct ps_key key;
    enum ps_code code =
        name_key(&key, workflow, or_empty(workflow->uid), workflow->number, txn->err);

    return code == PS_OK ? ps_txn_put_key(txn, PS_DB_WORKFLOW_NAMES, &key) : code;
}

enum ps_code ps_txn_make_workflow(struct ps_txn *txn, const struct ps_workflow *workflow,
                                  uint64_t *number_out)
{
    struct ps_workflow fresh = *workflow;
    enum ps_code code = ps_txn_next_number(txn, "workflow_number", &fresh.number);

    fresh.finished_unix_s = 0; /* times come with events */
    fresh.deleted_unix_s = 0;
    fresh.cleared_unix_s = 0;
    if (code == PS_OK) {
        code = write_name(txn, &fresh);
    }
    if (code == PS_OK) {
        code = ps_txn_write_workflow(txn, &fresh);
    }
    *number_out = fresh.number;
    return code;
}

enum ps_code ps_txn_merge_workflow(struct ps_txn *txn, uint64_t number,
                                   const struct ps_workflow *workflow)
{
    struct ps_workflow old;
    struct ps_workflow merged;
    bool found = false;
    enum ps_code code = ps_txn_get_workflow(txn, number, &found, &old);

    if (code != PS_OK || !found) {
        return code;
    }
    merged = merge(&old, workflow);
    return ps_txn_write_workflow(txn, &merged);
}

enum ps_code ps_txn_put_workflow(struct ps_txn *txn, const struct ps_workflow *workflow,
                                 uint64_t *number_out)
{
    struct ps_workflow_runs found;
    enum ps_code code = ps_txn_find_workflows(txn, workflow, PS_WORKFLOW_RUNNING, &found);

    if (code != PS_OK) {
        return code;
    }
    if (found.count == 0) {
        return ps_txn_make_workflow(txn, workflow, number_out);
    }
    *number_out = found.numbers[found.count - 1];
    return ps_txn_merge_workflow(txn, *number_out, workflow);
}

/* --- tidying and listing --- */

static enum ps_code stop_at_first(struct ps_txn *txn, void *user, const MDB_val *key,
                                  const MDB_val *value)
{
    bool *found = user;

    (void)txn;
    (void)key;
    (void)value;
    *found = true;
    return PS_E_CANCELLED;
}

static enum ps_code is_needed(struct ps_txn *txn, uint64_t number, bool *needed_out)
{
    struct ps_key key;
    enum ps_code code;

    ps_key_from_pair(&key, number, 0);
    code = ps_txn_walk(txn, PS_DB_WORKFLOW_ARTIFACTS, &key, 8, stop_at_first, needed_out);
    ps_queue_key(&key, PS_QUEUE_WORKFLOW, number, (enum ps_reclaim_event)0);
    return code == PS_OK && !*needed_out
               ? ps_txn_walk(txn, PS_DB_PLAN_QUEUE, &key, 9, stop_at_first, needed_out)
               : code;
}

static enum ps_code remove_workflow(struct ps_txn *txn, const struct ps_workflow *workflow)
{
    struct ps_key key;
    enum ps_code code = name_key(&key, workflow, workflow->uid, workflow->number, txn->err);

    if (code == PS_OK) {
        code = ps_txn_delete(txn, PS_DB_WORKFLOW_NAMES, &key);
    }
    if (code == PS_OK && ps_workflow_template_key(&key, workflow, workflow->number)) {
        code = ps_txn_delete(txn, PS_DB_WORKFLOW_TEMPLATES, &key);
    }
    ps_key_from_u64(&key, workflow->number);
    return code == PS_OK ? ps_txn_delete(txn, PS_DB_WORKFLOWS, &key) : code;
}

enum ps_code ps_txn_tidy_workflow(struct ps_txn *txn, uint64_t workflow_number)
{
    struct ps_workflow workflow;
    bool found = false;
    bool needed = false;
    enum ps_code code = ps_txn_get_workflow(txn, workflow_number, &found, &workflow);

    if (code != PS_OK || !found || workflow.deleted_unix_s == 0) {
        return code;
    }
    code = is_needed(txn, workflow_number, &needed);
    return code == PS_OK && !needed ? remove_workflow(txn, &workflow) : code;
}

struct each {
    bool (*each)(void *user, const struct ps_workflow *workflow);
    void *user;
};

static enum ps_code each_one(struct ps_txn *txn, void *user, const MDB_val *key,
                             const MDB_val *none)
{
    struct each *each = user;
    struct ps_workflow workflow;
    bool found = false;
    enum ps_code code =
        ps_txn_get_workflow(txn, ps_key_number_at(key, key->mv_size - 8), &found, &workflow);

    (void)none;
    if (code != PS_OK || !found) {
        return code;
    }
    return each->each(each->user, &workflow) ? PS_OK : PS_E_CANCELLED;
}

static enum ps_code each_body(struct ps_txn *txn, void *user)
{
    static const struct ps_key first = { 0 };

    return ps_txn_walk(txn, PS_DB_WORKFLOW_NAMES, &first, 0, each_one, user);
}

enum ps_code ps_workflow_each(struct ps_state *state,
                              bool (*each)(void *user, const struct ps_workflow *workflow),
                              void *user, struct ps_err *err)
{
    struct each own = { each, user };

    return ps_state_read(state, each_body, &own, err);
}
