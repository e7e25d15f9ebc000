#include "state/checkpoint.h"

#include "state_fixture.h"

#include <signal.h>

/* What a commit has said is durable survives SIGKILL at any instant (not a power cut: that is LMDB's fsync, which a
 * test cannot see). */
TestSuite(checkpoint_kill, .timeout = 120, .init = fixture_make_dir, .fini = fixture_remove_dir);

enum {
    ROUNDS = 20
};

struct report {
    uint64_t upload_number;
    uint32_t part_number;
};

/* Takes over the upload of the round before, and notes parts for ever; each is told after its commit has returned. */
static int note_for_ever(int fd)
{
    struct ps_state *state = fixture_try_open(0, false, NULL);
    struct ps_owner self;
    struct ps_upload_record record = { 0 };
    struct ps_upload_record fresh;
    bool found = false;

    if (state == NULL || ps_owner_self(&self, NULL) != PS_OK ||
        ps_checkpoint_claim(state, "s3://b/k", &self, &found, &record, NULL) != PS_OK) {
        return 1;
    }
    fresh = fixture_upload("s3://b/k", &self);
    if (!found && ps_checkpoint_begin(state, &fresh, NULL) != PS_OK) {
        return 2;
    }
    for (uint32_t part_number = record.done_part_count + 1;; part_number++) {
        const struct ps_part_record part = fixture_part(part_number);
        const struct report report = { found ? record.number : fresh.number, part_number };

        if (ps_checkpoint_parts_done(state, report.upload_number, &part, 1, NULL) != PS_OK ||
            write(fd, &report, sizeof(report)) != (ssize_t)sizeof(report)) {
            return 3;
        }
    }
}

/* splitmix64, so that a failing round can be run again. */
static uint64_t next_random(uint64_t *seed)
{
    uint64_t z = *seed += 0x9e3779b97f4a7c15U;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

/* Lets a child note parts, kills it somewhere after a random one, and gives back the last that it reported. */
static struct report run_and_kill(uint64_t *seed)
{
    uint64_t wanted = 1 + next_random(seed) % 20;
    uint64_t spins = next_random(seed) % 400000; /* where in the next commit it is hit */
    struct report last = { 0 };
    int status = 0;
    int ends[2];
    pid_t pid;

    cr_assert_eq(pipe(ends), 0);
    pid = fork();
    if (pid == 0) {
        (void)close(ends[0]);
        _exit(note_for_ever(ends[1]));
    }
    (void)close(ends[1]);
    for (uint64_t i = 0; i < wanted; i++) {
        cr_assert_eq(read(ends[0], &last, sizeof(last)), (ssize_t)sizeof(last));
    }
    for (volatile uint64_t i = 0; i < spins; i++) {
    }
    cr_assert_eq(kill(pid, SIGKILL), 0);
    while (read(ends[0], &last, sizeof(last)) == (ssize_t)sizeof(last)) {
    }
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFSIGNALED(status), "the child ended by itself: %d", WEXITSTATUS(status));
    (void)close(ends[0]);
    return last;
}

Test(checkpoint_kill, every_part_that_was_reported_is_there)
{
    uint64_t seed = 20;

    for (int round = 0; round < ROUNDS; round++) {
        struct report last = run_and_kill(&seed);
        struct ps_state *state = fixture_open();
        struct ps_part_record *parts = NULL;
        size_t count = 0;

        cr_assert_eq(ps_checkpoint_parts(state, last.upload_number, &parts, &count, NULL), PS_OK);
        cr_assert(count == last.part_number || count == last.part_number + 1,
                  "round %d: %u reported, %zu there", round, last.part_number, count);
        for (size_t i = 0; i < count; i++) {
            cr_assert(parts[i].part_number == i + 1 && fixture_part_is_right(&parts[i]),
                      "round %d, part %zu", round, i + 1);
        }
        free(parts);
        ps_state_close(state);
    }
}
