#include "state_fixture.h"

#include <signal.h>
#include <sys/prctl.h>

TestSuite(owner, .timeout = 20);

Test(owner, own_process_is_alive_and_described_as_proc_does)
{
    struct ps_owner self = fixture_self();

    cr_expect_eq(self.pid, getpid());
    cr_expect_eq(strlen(self.boot_id), 36);
    cr_expect_neq(self.start_ticks, 0);
    cr_expect(ps_owner_is_alive(&self));
}

Test(owner, other_start_time_boot_or_pid_is_another_process)
{
    const struct ps_owner self = fixture_self();
    struct ps_owner recycled = self;
    struct ps_owner rebooted = self;
    struct ps_owner nobody = self;

    recycled.start_ticks++;
    rebooted.boot_id[0] = rebooted.boot_id[0] == 'a' ? 'b' : 'a';
    cr_expect_not(ps_owner_is_alive(&recycled));
    cr_expect_not(ps_owner_is_alive(&rebooted));
    nobody.pid = 0;
    cr_expect_not(ps_owner_is_alive(&nobody));
    nobody.pid = -1;
    cr_expect_not(ps_owner_is_alive(&nobody));
    nobody.pid = INT64_MAX;
    cr_expect_not(ps_owner_is_alive(&nobody));
}

/* proc(5): comm may hold any bytes, so blanks and parentheses. Renaming must not change the start time. */
Test(owner, name_of_the_process_does_not_confuse_the_fields)
{
    static const char *const names[] = { ") 1 2 3 (x) 4", "a b c d", "((((", "))))", ") Z 1 1 1" };
    const struct ps_owner before = fixture_self();

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct ps_owner now;

        cr_assert_eq(prctl(PR_SET_NAME, names[i]), 0);
        now = fixture_self();
        cr_expect_eq(now.start_ticks, before.start_ticks, "%s", names[i]);
        cr_expect(ps_owner_is_alive(&before), "%s", names[i]);
    }
}

static int write_self(void *user)
{
    struct ps_owner self;

    if (ps_owner_self(&self, NULL) != PS_OK) {
        return 1;
    }
    return write(*(int *)user, &self, sizeof(self)) == (ssize_t)sizeof(self) ? 0 : 1;
}

Test(owner, zombie_counts_as_dead)
{
    struct ps_owner child = { 0 };
    siginfo_t info;
    int ends[2];
    pid_t pid;

    cr_assert_eq(pipe(ends), 0);
    pid = fork();
    if (pid == 0) {
        _exit(write_self(&ends[1]));
    }
    cr_assert_eq(read(ends[0], &child, sizeof(child)), (ssize_t)sizeof(child));
    cr_assert_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0); /* dead, not reaped */

    cr_expect_eq(child.pid, pid);
    cr_expect_not(ps_owner_is_alive(&child));
    cr_assert_eq(waitpid(pid, NULL, 0), pid);
    cr_expect_not(ps_owner_is_alive(&child));
    (void)close(ends[0]);
    (void)close(ends[1]);
}
