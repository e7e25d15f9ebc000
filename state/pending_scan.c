#include "state/pending_reclaim.h"

#include "state/artifact_value.h"
#include "state/reclaim_internal.h"
#include "state/workflow_internal.h"

#include <string.h>

/* All artifacts in order of number, a page a transaction: nothing is copied, so a million take a second. */

struct place {
    uint64_t next_number;
    uint64_t damaged_count;
};

struct scan {
    struct place *place;
    uint64_t next_number; /* where this transaction begins */
    ps_scan_fn each;
    void *user;
    uint64_t count;
    bool stopped;
    struct ps_workflow workflow; /* of the artifact before: they come in runs */
    uint64_t workflow_number;
    uint32_t newer;
};

/** Artifacts in one read transaction. Higher: pages that a writer has replaced stay in the file for longer. */
#define SCAN_PAGE 4096

static enum ps_code load_workflow(struct ps_txn *txn, struct scan *scan, uint64_t number)
{
    bool found = false;
    enum ps_code code;

    if (number == scan->workflow_number) {
        return PS_OK;
    }
    scan->workflow_number = 0;
    code = ps_txn_get_workflow(txn, number, &found, &scan->workflow);
    if (code == PS_OK && found) {
        scan->workflow_number = number;
        code = ps_txn_count_newer(txn, &scan->workflow, &scan->newer);
    }
    return code;
}

static enum ps_code scan_one(struct ps_txn *txn, void *user, const MDB_val *key,
                             const MDB_val *value)
{
    struct scan *scan = user;
    struct ps_artifact artifact;
    struct ps_reclaim reclaim;
    struct ps_scanned scanned = { .artifact = &artifact };
    bool found = false;
    uint64_t number = ps_key_number_at(key, 0);

    if (scan->count == SCAN_PAGE) {
        return PS_E_CANCELLED;
    }
    scan->count++;
    scan->place->next_number = number + 1;
    if (ps_artifact_decode(value->mv_data, value->mv_size, &artifact, NULL) != PS_OK ||
        (artifact.workflow_number != 0 &&
         load_workflow(txn, scan, artifact.workflow_number) != PS_OK) ||
        ps_txn_get_reclaim(txn, number, &found, &reclaim) != PS_OK) {
        scan->place->damaged_count++;
        return PS_OK;
    }
    artifact.number = number;
    scanned.reclaim = found ? &reclaim : NULL;
    if (artifact.workflow_number != 0 && artifact.workflow_number == scan->workflow_number) {
        scanned.workflow = &scan->workflow;
        scanned.newer_workflows = scan->newer;
    }
    scan->stopped = !scan->each(scan->user, &scanned);
    return scan->stopped ? PS_E_CANCELLED : PS_OK;
}

static enum ps_code scan_body(struct ps_txn *txn, void *user)
{
    struct scan *scan = user;
    struct ps_key first;

    scan->count = 0;
    scan->workflow_number = 0; /* its text lay in the transaction before */
    ps_key_from_u64(&first, scan->next_number);
    return ps_txn_walk(txn, PS_DB_ARTIFACTS, &first, 0, scan_one, scan);
}

enum ps_code ps_artifact_scan(struct ps_state *state, ps_scan_fn each, void *user,
                              uint64_t *damaged_out, struct ps_err *err)
{
    struct place place = { 0 };
    struct scan scan = { .place = &place, .each = each, .user = user };
    enum ps_code code;

    do {
        scan.next_number = place.next_number;
        code = ps_state_read(state, scan_body, &scan, err);
    } while (code == PS_OK && scan.count == SCAN_PAGE && !scan.stopped);
    if (code == PS_OK) {
        *damaged_out = place.damaged_count;
    }
    return code;
}
