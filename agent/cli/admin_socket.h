/**
 * admin_socket - where this machine's agent listens for commands.
 *
 * Flow:    settings -> [admin_socket] -> cli/cmd_agent.c, cli/admin_call.c
 * Thread:  the loop thread
 * Source:  none
 */
#ifndef PS_CLI_ADMIN_SOCKET_H
#define PS_CLI_ADMIN_SOCKET_H

#include "cli/app.h"

/** Heap path: the setting admin.socket, else admin.socket in the state directory. NULL and *err on failure. */
char *ps_admin_socket_path(struct ps_app *app, struct ps_err *err);

#endif
