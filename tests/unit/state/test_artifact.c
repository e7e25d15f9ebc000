/* Artifacts, events and reclaims where the map is full, several processes write, readers die, or nothing may be written. */
#include "state/artifact.h"
#include "state/artifact_value.h"
#include "state/pending_reclaim.h"
#include "tests/unit/state/state_fixture.h"

#include <signal.h>

TestSuite(artifact, .init = fixture_make_dir, .fini = fixture_remove_dir, .timeout = 120);

enum {
    MANY = 5000
};

/* Also for children: no assertions. */
static enum ps_code record_one(struct ps_state *state, const char *workflow_name, int index,
                               struct ps_err *err)
{
    char url[64];
    const struct ps_workflow workflow = { .ns = "n", .name = workflow_name, .uid = workflow_name };
    const struct ps_artifact_entry entry = {
        .artifact = { .url = url,
                      .etag = "\"e\"",
                      .strategy = PS_GC_ON_COMPLETION,
                      .recorded_unix_s = 1000 },
        .workflow = &workflow,
    };

    (void)snprintf(url, sizeof(url), "s3://b/%s/%d", workflow_name, index);
    return ps_artifact_record(state, &entry, 1, err);
}

static uint64_t count_artifacts(struct ps_state *state)
{
    uint64_t artifacts = 0;
    uint64_t workflows = 0;
    struct ps_err err = { 0 };

    cr_assert_eq(ps_artifact_count(state, &artifacts, &workflows, &err), PS_OK, "%s", err.message);
    return artifacts;
}

Test(artifact, a_full_map_grows_and_loses_nothing)
{
    struct ps_err err = { 0 };
    struct ps_state *state = fixture_try_open(128 * 1024, false, &err);
    static struct ps_artifact_entry entries[MANY];
    static char urls[MANY][64];
    struct ps_reclaim_batch batch = { 0 };
    size_t taken = 0;

    cr_assert_not_null(state, "%s", err.message);
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(urls[i], sizeof(urls[i]), "s3://bucket/key-%d", i);
        entries[i].artifact =
            (struct ps_artifact){ .url = urls[i], .etag = "\"e\"", .recorded_unix_s = 1000 };
    }

    cr_assert_eq(ps_artifact_record(state, entries, MANY, &err), PS_OK, "%s", err.message);
    do {
        cr_assert_eq(ps_reclaim_take_queued(state, 512, 2000, &batch, &err), PS_OK);
        taken += batch.count;
        for (size_t i = 0; i < batch.count; i++) {
            batch.items[i].outcome = PS_OUTCOME_PLAN;
            batch.items[i].next_what = PS_RECLAIM_DELETE;
            batch.items[i].next_due_unix_s = 1500;
        }
        cr_assert_eq(ps_reclaim_settle(state, &batch, 2000, &err), PS_OK, "%s", err.message);
    } while (batch.queue_count > 0);

    cr_expect_eq(taken, MANY);
    cr_expect_eq(count_artifacts(state), MANY);
    cr_expect_eq(fixture_count(state, PS_DB_RECLAIMS_DUE), MANY);
    cr_expect_eq(fixture_count(state, PS_DB_PLAN_QUEUE), 0);
    ps_reclaim_batch_clear(&batch);
    ps_state_close(state);
}

static int record_in_child(void *user)
{
    struct ps_state *state = fixture_try_open(0, false, NULL);

    for (int i = 0; i < 50; i++) {
        if (state == NULL || record_one(state, user, i, NULL) != PS_OK) {
            return 1;
        }
    }
    ps_state_close(state);
    return 0;
}

static int hold_a_reader_and_die(void *user)
{
    struct ps_state *state = fixture_try_open(0, true, NULL);
    struct ps_txn txn = { .state = state };

    (void)user;
    if (state == NULL || mdb_txn_begin(state->env, NULL, MDB_RDONLY, &txn.mdb) != 0) {
        return 1;
    }
    (void)raise(SIGKILL);
    return 2;
}

Test(artifact, processes_write_side_by_side)
{
    static char first[] = "first";
    static char second[] = "second";
    int status = 0;
    pid_t pid = fork();
    struct ps_state *state;

    if (pid == 0) {
        _exit(record_in_child(first));
    }
    cr_assert_eq(fixture_run_child(record_in_child, second), 0);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert_eq(status, 0);

    state = fixture_open();
    cr_expect_eq(count_artifacts(state), 100);
    cr_expect_eq(fixture_count(state, PS_DB_WORKFLOWS), 2);
    cr_expect_eq(fixture_count(state, PS_DB_ARTIFACT_URLS), 100);
    ps_state_close(state);
}

Test(artifact, a_reader_that_died_is_no_hindrance)
{
    struct ps_state *state = fixture_open();
    struct ps_err err = { 0 };

    cr_assert_eq(record_one(state, "w", 0, &err), PS_OK, "%s", err.message);
    ps_state_close(state);
    cr_assert_eq(fixture_run_child(hold_a_reader_and_die, NULL), 128 + SIGKILL);

    state = fixture_open();
    cr_assert_eq(record_one(state, "w", 1, &err), PS_OK, "%s", err.message);
    cr_expect_eq(count_artifacts(state), 2);
    ps_state_close(state);
}

Test(artifact, what_may_not_be_written_can_be_read)
{
    struct ps_state *state = fixture_open();
    struct ps_err err = { 0 };

    cr_assert_eq(record_one(state, "w", 0, &err), PS_OK, "%s", err.message);
    ps_state_close(state);
    state = fixture_try_open(0, true, &err);
    cr_assert_not_null(state, "%s", err.message);

    cr_expect_eq(count_artifacts(state), 1);
    cr_expect_eq(record_one(state, "w", 1, &err), PS_E_DENIED, "%s", err.message);
    cr_expect_eq(count_artifacts(state), 1);
    ps_state_close(state);
}

Test(artifact, a_damaged_record_is_passed_over_and_kept)
{
    struct ps_state *state = fixture_open();
    struct ps_reclaim_batch batch = { 0 };
    struct fixture_raw raw = { .db = PS_DB_ARTIFACTS, .data = "\1damaged", .size_bytes = 8 };
    struct ps_err err = { 0 };

    cr_assert_eq(record_one(state, "w", 0, &err), PS_OK);
    cr_assert_eq(record_one(state, "w", 1, &err), PS_OK);
    memcpy(raw.key.bytes, "\0\0\0\0\0\0\0\1", 8);
    raw.key.size_bytes = 8;
    fixture_put_raw(state, &raw);

    cr_assert_eq(ps_reclaim_take_queued(state, 10, 2000, &batch, &err), PS_OK, "%s", err.message);
    cr_expect_eq(batch.count, 1);
    cr_expect_eq(batch.damaged_count, 1);
    cr_expect_eq(count_artifacts(state), 2);
    ps_reclaim_batch_clear(&batch);
    ps_state_close(state);
}

Test(artifact, a_url_that_is_long_or_begins_like_another_is_itself)
{
    static char long_url[2][1200];
    const char *const urls[] = { "s3://b/a", "s3://b/a/b", "s3://b/ab", long_url[0], long_url[1] };
    struct ps_state *state = fixture_open();
    struct ps_err err = { 0 };

    for (int i = 0; i < 2; i++) {
        memset(long_url[i], 'x', sizeof(long_url[i]) - 1);
        memcpy(long_url[i], "s3://b/", 7);
        long_url[i][sizeof(long_url[i]) - 2] = (char)('a' + i);
    }
    for (size_t i = 0; i < COUNT_OF(urls); i++) {
        const struct ps_artifact_entry entry = { .artifact = { .url = urls[i] } };

        cr_assert_eq(ps_artifact_record(state, &entry, 1, &err), PS_OK, "%s", err.message);
        cr_assert_eq(ps_artifact_record(state, &entry, 1, &err), PS_OK, "%s", err.message);
    }
    cr_expect_eq(count_artifacts(state), COUNT_OF(urls));
    for (size_t i = 0; i < COUNT_OF(urls); i++) {
        struct ps_reclaim_batch batch = { 0 };
        struct ps_artifact artifact;

        cr_assert_eq(ps_reclaim_take_url(state, urls[i], 0, &batch, &err), PS_OK);
        cr_assert_eq(batch.count, 1, "%.40s: %zu", urls[i], batch.count);
        cr_assert(ps_reclaim_item_artifact(&batch.items[0], &artifact));
        cr_expect_str_eq(artifact.url, urls[i]);
        cr_expect_eq(batch.items[0].other_claims, 0);
        ps_reclaim_batch_clear(&batch);
    }
    ps_state_close(state);
}

Test(artifact, runs_of_one_name_are_told_apart_by_uid)
{
    const struct ps_workflow first = { .ns = "n", .name = "w", .uid = "1" };
    const struct ps_workflow second = { .ns = "n", .name = "w", .uid = "2" };
    const struct ps_workflow unknown = { .ns = "n", .name = "w", .status = "Failed" };
    const struct ps_artifact_entry entries[] = {
        { .artifact = { .url = "s3://b/1" }, .workflow = &first },
        { .artifact = { .url = "s3://b/2" }, .workflow = &second },
    };
    const struct ps_workflow_report ambiguous = { &unknown, PS_EVENT_COMPLETED, 5 };
    const struct ps_workflow_report deleted = { &first, PS_EVENT_DELETED, 5 };
    struct ps_state *state = fixture_open();
    size_t known = 0;
    struct ps_err err = { 0 };

    cr_assert_eq(ps_artifact_record(state, entries, 2, &err), PS_OK, "%s", err.message);
    cr_expect_eq(ps_workflow_report(state, &ambiguous, 1, &known, &err), PS_E_INVALID);
    cr_expect_not_null(strstr(err.message, "--uid"), "%s", err.message);
    cr_assert_eq(ps_workflow_report(state, &deleted, 1, &known, &err), PS_OK);
    cr_expect_eq(known, 1);
    cr_expect_eq(ps_workflow_report(state, &ambiguous, 1, &known, &err), PS_OK, "%s", err.message);
    ps_state_close(state);
}
