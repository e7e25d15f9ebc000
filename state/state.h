/**
 * state - the LMDB environment: opening, schema, owners. The verbs stand in checkpoint.h (and later pending_reclaim.h).
 *
 * Flow:    transfer/, reclaim/, serve/ -> [state] -> LMDB
 * Thread:  any thread, several processes; a write function is one durable commit and may block for a disk flush, so it
 *          is called off the loop. One write at a time waits for the other inside LMDB.
 * Source:  LMDB 0.9.24 (mdb_env_open, robust mutexes); README.md of this folder holds the key and value table
 */
#ifndef PS_STATE_STATE_H
#define PS_STATE_STATE_H

#include "base/clock.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct ps_state;

/**
 * The map's size: an upper bound, not memory in use. 1,000,000 reclaim records of 600 bytes and 100 uploads of 10,000
 * parts fit eight times over. When full the map is doubled; other processes follow (MDB_MAP_RESIZED).
 */
#define PS_STATE_MAP_SIZE_BYTES ((size_t)1024 * 1024 * 1024)

struct ps_state_options {
    const char *dir; /* created with its parents, mode 0700, when missing */
    bool
        read_only; /* nothing is created; works without a lock file where the directory forbids one */
    size_t map_size_bytes; /* 0 = PS_STATE_MAP_SIZE_BYTES; tests make it small */
    const struct ps_clock *clock;
};

/**
 * Open or create the state. A process opens a directory once at a time (LMDB's file locks are per process), and not
 * before a fork: the child must open it itself.
 *
 * Errors:  PS_E_DENIED (directory or file not writable), PS_E_NO_SPACE, PS_E_NOT_FOUND (read_only and nothing there),
 *          PS_E_PARSE (made by a newer purser: the message says both schema versions; or damaged), PS_E_INVALID (empty
 *          dir), PS_E_NO_MEMORY.
 */
PS_MUST_USE enum ps_code ps_state_open(struct ps_state **state_out,
                                       const struct ps_state_options *options, struct ps_err *err);

/** NULL is allowed. */
void ps_state_close(struct ps_state *state);

/** A process, such that a recycled pid is not mistaken for the old one. */
struct ps_owner {
    char boot_id[37]; /* /proc/sys/kernel/random/boot_id */
    int64_t pid;
    uint64_t start_ticks; /* field 22 of /proc/PID/stat */
};

/** This process. Errors: PS_E_IO when /proc is not readable. */
PS_MUST_USE enum ps_code ps_owner_self(struct ps_owner *owner_out, struct ps_err *err);

/** True when that process still runs. Unsure (another boot id with the same host) and a zombie count as dead. */
bool ps_owner_is_alive(const struct ps_owner *owner);

#endif
