/**
 * exit_code - what the process ends with, by the kind of error; the table of `purser help exit-codes`.
 *
 * Flow:    cli/cmd_*.c, main.c -> [exit_code] -> exit(3)
 * Thread:  any; holds no state
 * Source:  130 and 143 are 128 + SIGINT and SIGTERM, as shells have them
 */
#ifndef PS_CLI_EXIT_CODE_H
#define PS_CLI_EXIT_CODE_H

#include "base/err.h"

#include <stdio.h>

enum ps_exit {
    PS_EXIT_DONE = 0,
    PS_EXIT_BUG = 1,
    PS_EXIT_USAGE = 2,
    PS_EXIT_NOT_FOUND = 3,
    PS_EXIT_DENIED = 4,
    PS_EXIT_TEMPORARY = 5,
    PS_EXIT_PARTIAL = 6,
    PS_EXIT_LOCKED = 7,
    PS_EXIT_REFUSED = 8,
    PS_EXIT_INTEGRITY = 9,
    PS_EXIT_LOCAL = 10,
    PS_EXIT_SIGINT = 130,
    PS_EXIT_SIGTERM = 143,
};

/** The exit code of an error. PS_E_CANCELLED is PS_EXIT_SIGINT. */
enum ps_exit ps_exit_of(enum ps_code code);

/** Print the table, 80 columns. */
void ps_exit_describe(FILE *file);

#endif
