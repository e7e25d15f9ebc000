/**
 * gateway_link - a link to an object through this machine's gateway, for who has no token.
 *
 * Flow:    cli/cmd_share.c -> [gateway_link] -> serve/signed_link.h
 * Thread:  the loop thread
 * Source:  none
 */
#ifndef PS_CLI_GATEWAY_LINK_H
#define PS_CLI_GATEWAY_LINK_H

#include "cli/app.h"

/** Heap path of the key that signs links: setting gateway.link_key_file, else link.key in the state directory. */
char *ps_gateway_link_key_path(struct ps_app *app, struct ps_err *err);

/**
 * *link_out (the caller's) opens url for expires_s seconds: an object, or with a '/' at its end all below it.
 *
 * Errors:  PS_E_INVALID when no store of the settings has the URL; those of ps_link_key_load; PS_E_NO_MEMORY.
 */
PS_MUST_USE enum ps_code ps_gateway_link_make(struct ps_app *app, const char *url,
                                              uint32_t expires_s, char **link_out,
                                              struct ps_err *err);

#endif
