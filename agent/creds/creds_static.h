/**
 * creds_static - keys that stand in a file: a place which always has them.
 *
 * Flow:    creds_profile.c, aliyun_profile.c -> [creds_static] -> creds_role.h as its source
 * Thread:  the loop thread
 * Source:  none
 */
#ifndef PS_CREDS_CREDS_STATIC_H
#define PS_CREDS_CREDS_STATIC_H

#include "creds/creds_provider.h"

/** *creds is moved (empty afterwards, also on failure). It replies at once, with a copy. Errors: PS_E_NO_MEMORY. */
PS_MUST_USE enum ps_code ps_creds_static_new(struct ps_creds_provider **provider_out,
                                             struct ps_creds *creds, struct ps_err *err);

/** A deep copy. Errors: PS_E_NO_MEMORY; *copy_out is untouched then. */
PS_MUST_USE enum ps_code ps_creds_copy(const struct ps_creds *creds, struct ps_creds *copy_out,
                                       struct ps_err *err);

#endif
