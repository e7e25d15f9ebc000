/**
 * fault - named places where a test has the process killed, to prove that a kill there loses nothing.
 *
 * Flow:    PURSER_FAULT_POINT=NAME[:N] -> main.c -> [fault] -> reclaim/sweeper.h, reclaim/reclaim_planner.h,
 *          transfer/archive_download.h
 * Thread:  one that passes the place; each place is passed by one only
 * Source:  none
 */
#ifndef PS_BASE_FAULT_H
#define PS_BASE_FAULT_H

/** Zeroed = never. */
struct ps_fault {
    char name[64];
    unsigned count; /* the N-th passing kills */
};

/** Parse "NAME" or "NAME:N"; NULL or "" is never. */
void ps_fault_init(struct ps_fault *fault, const char *text);

/** Kill this process with SIGKILL when it is the place and the time. fault may be NULL. */
void ps_fault_point(struct ps_fault *fault, const char *name);

#endif
