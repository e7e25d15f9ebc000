#include "state/state.h"

#include "base/str.h"
#include "state/state_internal.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Read a small file of /proc into text; false when it is not there. */
static bool read_small_file(const char *path, char *text, size_t text_size_bytes)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got_bytes;

    if (fd < 0) {
        return false;
    }
    got_bytes = read(fd, text, text_size_bytes - 1);
    (void)close(fd);
    if (got_bytes <= 0) {
        return false;
    }
    text[got_bytes] = '\0';
    return true;
}

/* The state (field 3) and start time (field 22) of /proc/PID/stat. The second field is the program's name in
 * parentheses, which may hold blanks and parentheses itself: fields are counted from the last ')'. */
static bool read_stat(int64_t pid, char *state_out, uint64_t *start_ticks_out)
{
    char path[64];
    char text[1024];
    char *at;

    (void)snprintf(path, sizeof(path), "/proc/%" PRId64 "/stat", pid);
    if (!read_small_file(path, text, sizeof(text))) {
        return false;
    }
    at = strrchr(text, ')');
    if (at == NULL || at[1] != ' ') {
        return false;
    }
    *state_out = at[2];
    for (int field = 2; at != NULL && field < 22; field++) {
        at = strchr(at + 1, ' ');
    }
    if (at == NULL) {
        return false;
    }
    *start_ticks_out = strtoull(at + 1, NULL, 10);
    return true;
}

static bool read_boot_id(char boot_id[37])
{
    char text[64];

    if (!read_small_file("/proc/sys/kernel/random/boot_id", text, sizeof(text))) {
        return false;
    }
    text[strcspn(text, "\n")] = '\0';
    ps_str_copy(boot_id, 37, text);
    return true;
}

static bool is_same(const struct ps_owner *a, const struct ps_owner *b)
{
    return a->pid == b->pid && a->start_ticks == b->start_ticks &&
           strcmp(a->boot_id, b->boot_id) == 0;
}

enum ps_code ps_owner_self(struct ps_owner *owner_out, struct ps_err *err)
{
    struct ps_owner owner = { .pid = getpid() };
    char state = '\0';

    if (!read_boot_id(owner.boot_id) || !read_stat(owner.pid, &state, &owner.start_ticks)) {
        return ps_err_set(err, PS_E_IO,
                          "/proc is not readable: it tells which process holds a lock");
    }
    *owner_out = owner;
    return PS_OK;
}

bool ps_owner_is_alive(const struct ps_owner *owner)
{
    char boot_id[37];
    uint64_t start_ticks = 0;
    char state = '\0';

    if (owner->pid <= 0 || !read_boot_id(boot_id) || strcmp(boot_id, owner->boot_id) != 0) {
        return false;
    }
    /* A zombie does no more. In a container whose first process does not reap, it may stay one for ever. */
    return read_stat(owner->pid, &state, &start_ticks) && start_ticks == owner->start_ticks &&
           state != 'Z' && state != 'X';
}

enum ps_code ps_owner_check_lock(const char *what, const struct ps_owner *holder,
                                 const struct ps_owner *self, struct ps_err *err)
{
    if (is_same(holder, self) || !ps_owner_is_alive(holder)) {
        return PS_OK;
    }
    return ps_err_set(err, PS_E_LOCKED,
                      "%s: locked by pid %" PRId64 ": wait for it, or stop it and run again", what,
                      holder->pid);
}
