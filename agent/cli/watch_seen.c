#include "cli/watch_seen.h"

#include <stdlib.h>
#include <string.h>

#define FNV_START UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

static uint64_t add_text(uint64_t hash, const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
        hash = (hash ^ *c) * FNV_PRIME;
    }
    return (hash ^ 0xff) * FNV_PRIME; /* where it ends: "ab", "c" is not "a", "bc" */
}

static uint64_t hash_of_uid(const char *uid)
{
    uint64_t hash = add_text(FNV_START, uid);

    return hash != 0 ? hash : 1;
}

static uint64_t add_pairs(uint64_t hash, const struct ps_watched_pair *pairs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        hash = add_text(add_text(hash, pairs[i].name), pairs[i].value);
    }
    return hash;
}

/* What goes on record. The resourceVersion changes with every list of a busy cluster and is not among it. */
static uint64_t hash_of_facts(const struct ps_watched_workflow *workflow)
{
    uint64_t hash = add_text(FNV_START, workflow->phase);

    hash = (hash ^ (uint64_t)workflow->finished_unix_s) * FNV_PRIME;
    hash = add_text(hash, workflow->strategy);
    hash = add_pairs(hash, workflow->labels, workflow->label_count);
    hash = add_pairs(hash, workflow->annotations, workflow->annotation_count);
    for (size_t i = 0; i < workflow->artifact_count; i++) {
        const struct ps_watched_artifact *artifact = &workflow->artifacts[i];

        hash = add_text(add_text(hash, artifact->url), artifact->strategy);
        hash = add_text(hash, artifact->node_status);
    }
    return hash;
}

/* The row of that hash, or the free one where it belongs. capacity > count, so there is one. */
static struct ps_watch_seen_row *row_of(const struct ps_watch_seen *seen, uint64_t uid_hash)
{
    size_t at = (size_t)(uid_hash ^ uid_hash >> 32) & (seen->capacity - 1);

    while (seen->rows[at].uid_hash != 0 && seen->rows[at].uid_hash != uid_hash) {
        at = (at + 1) & (seen->capacity - 1);
    }
    return &seen->rows[at];
}

static enum ps_code grow(struct ps_watch_seen *seen, struct ps_err *err)
{
    struct ps_watch_seen larger = { .capacity = seen->capacity > 0 ? seen->capacity * 2 : 1024 };

    if (seen->count < seen->capacity / 4 * 3) {
        return PS_OK;
    }
    if (seen->count >= PS_WATCH_SEEN_MAX) {
        return ps_err_set(err, PS_E_NO_MEMORY, "more than %zu workflows: watch fewer namespaces",
                          PS_WATCH_SEEN_MAX);
    }
    larger.rows = calloc(larger.capacity, sizeof(*larger.rows));
    if (larger.rows == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < seen->capacity; i++) {
        if (seen->rows[i].uid_hash != 0) {
            *row_of(&larger, seen->rows[i].uid_hash) = seen->rows[i];
        }
    }
    free(seen->rows);
    seen->rows = larger.rows;
    seen->capacity = larger.capacity;
    return PS_OK;
}

enum ps_code ps_watch_seen_note(struct ps_watch_seen *seen,
                                const struct ps_watched_workflow *workflow, bool *changed_out,
                                struct ps_err *err)
{
    uint64_t uid_hash = hash_of_uid(workflow->uid);
    uint64_t facts_hash = hash_of_facts(workflow);
    struct ps_watch_seen_row *row;
    enum ps_code code = grow(seen, err);

    if (code != PS_OK) {
        return code;
    }
    row = row_of(seen, uid_hash);
    seen->count += row->uid_hash == 0 ? 1 : 0;
    *changed_out = row->uid_hash == 0 || row->facts_hash != facts_hash;
    *row = (struct ps_watch_seen_row){ uid_hash, facts_hash, ++seen->turn };
    return PS_OK;
}

bool ps_watch_seen_since(const struct ps_watch_seen *seen, const char *uid, uint64_t turn)
{
    const struct ps_watch_seen_row *row;

    if (seen->capacity == 0) {
        return false;
    }
    row = row_of(seen, hash_of_uid(uid));
    return row->uid_hash != 0 && row->turn >= turn;
}

void ps_watch_seen_clear(struct ps_watch_seen *seen)
{
    free(seen->rows);
    memset(seen, 0, sizeof(*seen));
}
