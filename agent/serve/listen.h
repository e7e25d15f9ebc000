/**
 * listen - a listening socket of an address as settings write it.
 *
 * Flow:    serve/httpd.h -> [listen]
 * Thread:  any; name lookups are not made: addresses are numbers
 * Source:  none
 */
#ifndef PS_SERVE_LISTEN_H
#define PS_SERVE_LISTEN_H

#include "base/err.h"

#include <stddef.h>

/**
 * Open "127.0.0.1:8080", "[::1]:8080", ":8080" (all addresses) or "unix:/path". Port 0 is any free one; *address holds
 * what it became. A unix socket is made with mode 0600; one that nobody listens at is replaced. *unix_path_out is a heap
 * copy of its path (the caller's), NULL for others.
 *
 * Errors:  PS_E_INVALID (no such form), PS_E_LOCKED (in use), PS_E_DENIED, PS_E_IO, PS_E_NO_MEMORY.
 */
PS_MUST_USE enum ps_code ps_listen_open(const char *text, int *fd_out, char *address,
                                        size_t address_size_bytes, char **unix_path_out,
                                        struct ps_err *err);

#endif
