#include "state/checkpoint.h"

#include "state_fixture.h"

#include <signal.h>

TestSuite(checkpoint_lock, .timeout = 60, .init = fixture_make_dir, .fini = fixture_remove_dir);

struct holder {
    int to_parent[2];
    int to_child[2];
};

/* Begins, says so, and holds its claim until it is told to go (or killed). */
static int hold(const struct holder *holder)
{
    struct ps_state *state = fixture_try_open(0, false, NULL);
    struct ps_owner self;
    struct ps_upload_record record;
    char byte = 'r';

    if (state == NULL || ps_owner_self(&self, NULL) != PS_OK) {
        return 1;
    }
    record = fixture_upload("s3://b/k", &self);
    if (ps_checkpoint_begin(state, &record, NULL) != PS_OK ||
        write(holder->to_parent[1], &byte, 1) != 1) {
        return 2;
    }
    (void)!read(holder->to_child[0], &byte, 1);
    ps_state_close(state);
    return 0;
}

static pid_t start_holder(struct holder *holder)
{
    char byte;
    pid_t pid;

    cr_assert_eq(pipe(holder->to_parent), 0);
    cr_assert_eq(pipe(holder->to_child), 0);
    pid = fork();
    if (pid == 0) {
        _exit(hold(holder));
    }
    cr_assert_eq(read(holder->to_parent[0], &byte, 1), 1);
    return pid;
}

Test(checkpoint_lock, living_owner_keeps_others_out_and_a_dead_one_is_taken_over)
{
    struct holder holder;
    pid_t pid = start_holder(&holder);
    const struct ps_owner self = fixture_self();
    struct ps_state *state = fixture_open();
    struct ps_upload_record record = fixture_upload("s3://b/k", &self);
    struct ps_upload_record got = { .number = 5 };
    struct ps_err err = { 0 };
    bool found = false;
    char locked_by[64];

    (void)snprintf(locked_by, sizeof(locked_by), "s3://b/k: locked by pid %d", (int)pid);
    record.number = 4711;
    cr_expect_eq(ps_checkpoint_claim(state, "s3://b/k", &self, &found, &got, &err), PS_E_LOCKED);
    cr_expect_not_null(strstr(err.message, locked_by), "%s", err.message);
    cr_expect_eq(ps_checkpoint_begin(state, &record, &err), PS_E_LOCKED);
    cr_expect_not_null(strstr(err.message, locked_by), "%s", err.message);
    cr_expect(!found && got.number == 5 && record.number == 4711, "outputs are untouched");

    cr_assert_eq(kill(pid, SIGKILL), 0);
    cr_assert_eq(waitpid(pid, NULL, 0), pid);
    cr_expect_eq(ps_checkpoint_claim(state, "s3://b/k", &self, &found, &got, &err), PS_OK);
    cr_expect(found);
    cr_expect_eq(got.owner.pid, getpid());
    ps_upload_record_clear(&got);
    ps_state_close(state);
}

Test(checkpoint_lock, recycled_pid_with_another_start_time_counts_as_dead)
{
    const struct ps_owner self = fixture_self();
    struct ps_owner before = self;
    struct ps_state *state = fixture_open();
    struct ps_upload_record record;

    before.pid = getppid(); /* lives, but was not started when the record says */
    before.start_ticks = 1;
    record = fixture_upload("s3://b/k", &before);
    cr_assert_eq(ps_checkpoint_begin(state, &record, NULL), PS_OK);

    cr_expect(fixture_has_upload(state, "s3://b/k"));
    ps_state_close(state);
}
