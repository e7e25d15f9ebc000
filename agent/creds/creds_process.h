/**
 * creds_process - credentials that a program of the user's prints.
 *
 * Flow:    creds_profile.c, aliyun_profile.c -> [creds_process] -> uv_spawn, creds_answer.h
 * Thread:  the loop thread; the program is waited for without blocking it
 * Source:  AWS SDKs "Process credential provider": JSON of Version 1 on standard output. Aliyun CLI mode External: JSON
 *          with mode, access_key_id, access_key_secret, sts_token
 */
#ifndef PS_CREDS_CREDS_PROCESS_H
#define PS_CREDS_CREDS_PROCESS_H

#include "creds/creds_answer.h"
#include "creds/creds_provider.h"

/**
 * Make the provider: /bin/sh -c command (copied), with our environment; what it writes to standard error is shown. It
 * leads a session and process group of its own, which is killed when nobody waits any more. names is static.
 *
 * FAILED: PS_E_DENIED when it ends with another status than 0, PS_E_TEMPORARY after 60 s, PS_E_TOO_LARGE, PS_E_PARSE.
 * Errors:  PS_E_NO_MEMORY; PS_E_DENIED when PURSER_NO_CREDENTIAL_PROCESS is set.
 */
PS_MUST_USE enum ps_code ps_creds_process_new(struct ps_creds_provider **provider_out,
                                              const struct ps_creds_context *context,
                                              const char *command,
                                              const struct ps_creds_json *names,
                                              struct ps_err *err);

#endif
