/**
 * admin_socket - where this machine's agent listens for commands.
 *
 * Flow:    settings -> [admin_socket] -> cli/cmd_agent.c, cli/cmd_status.c
 * Thread:  the loop thread
 * Source:  none
 */
#ifndef PS_CLI_ADMIN_SOCKET_H
#define PS_CLI_ADMIN_SOCKET_H

#include "cli/app.h"

#include <jansson.h>

/** Heap path: the setting admin.socket, else admin.socket in the state directory. NULL and *err on failure. */
char *ps_admin_socket_path(struct ps_app *app, struct ps_err *err);

/** Ask the agent. Errors as ps_admin_ask: PS_E_NOT_FOUND when none runs. */
PS_MUST_USE enum ps_code ps_admin_socket_ask(struct ps_app *app, const char *method,
                                             const char *path, json_t **json_out,
                                             struct ps_err *err);

#endif
