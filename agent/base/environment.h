/**
 * environment - environment variables as an argument, so that settings and credentials are testable.
 *
 * Flow:    main.c -> [environment] -> settings.h, creds/, cli/options.h
 * Thread:  any
 * Source:  POSIX getenv
 */
#ifndef PS_BASE_ENVIRONMENT_H
#define PS_BASE_ENVIRONMENT_H

/** The value of name, NULL when it is unset. Borrowed for the life of the process. */
typedef const char *(*ps_getenv_fn)(void *user, const char *name);

#endif
