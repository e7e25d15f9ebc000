/**
 * creds_imds - credentials of the machine's role from the metadata service of EC2, or of ECS at Aliyun.
 *
 * Flow:    creds_chain.c, creds_profile.c -> [creds_imds] -> creds_fetch.h, creds_answer.h
 * Thread:  the loop thread
 * Source:  EC2 IMDSv2: PUT /latest/api/token, GET /latest/meta-data/iam/security-credentials/[ROLE]. Aliyun:
 *          PUT /latest/api/token, GET /latest/meta-data/ram/security-credentials/[ROLE]. Both SDKs: 1 s timeouts, no
 *          proxy; without a token of version 2 they fall back to version 1 unless that is disabled.
 *
 * State machine of a look:
 * | from  | event                                   | to      |
 * |-------|-----------------------------------------|---------|
 * | TOKEN | token, or none and version 1 is allowed | ROLE    |
 * | TOKEN | none                                    | (reply) |
 * | ROLE  | name of the role                        | KEYS    |
 * | KEYS  | keys                                    | (reply) |
 * | ROLE, KEYS | 401, once: the token is void       | TOKEN   |
 * Nothing is durable here.
 */
#ifndef PS_CREDS_CREDS_IMDS_H
#define PS_CREDS_CREDS_IMDS_H

#include "creds/creds_provider.h"

/**
 * Make the provider of the context's family. role: NULL = ALIBABA_CLOUD_ECS_METADATA, else as the service says.
 *
 * NONE when it is disabled, no service answers, or the machine has no role: so a laptop moves on. FAILED when the
 * service fails after it has answered.
 * Errors:  PS_E_NO_MEMORY.
 */
PS_MUST_USE enum ps_code ps_creds_imds_new(struct ps_creds_provider **provider_out,
                                           const struct ps_creds_context *context, const char *role,
                                           struct ps_err *err);

#endif
