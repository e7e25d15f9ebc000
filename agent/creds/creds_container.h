/**
 * creds_container - credentials that a pod or task is handed at a URL which its environment names.
 *
 * Flow:    creds_chain.c, creds_profile.c -> [creds_container] -> creds_fetch.h, creds_answer.h
 * Thread:  the loop thread
 * Source:  AWS SDKs and Tools Reference Guide, "Container credential provider" (ECS, EKS Pod Identity): RELATIVE_URI
 *          on http://169.254.170.2, FULL_URI over https, or over http to loopback, 169.254.170.2, 169.254.170.23 and
 *          [fd00:ec2::23] only; AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE is read at each look, as it is rotated.
 *          Aliyun credentials SDK: ALIBABA_CLOUD_CREDENTIALS_URI
 */
#ifndef PS_CREDS_CREDS_CONTAINER_H
#define PS_CREDS_CREDS_CONTAINER_H

#include "creds/creds_provider.h"

#include <stdbool.h>

/**
 * Make the provider; what the environment says is read at each look. uri: NULL = as the environment says (a profile of
 * Aliyun's may hold a URI of its own).
 *
 * NONE when no URL is named. FAILED: PS_E_INVALID for a URL where a token must not go, PS_E_DENIED as the service
 * says, PS_E_TEMPORARY when it does not answer.
 * Errors:  PS_E_NO_MEMORY.
 */
PS_MUST_USE enum ps_code ps_creds_container_new(struct ps_creds_provider **provider_out,
                                                const struct ps_creds_context *context,
                                                const char *uri, struct ps_err *err);

/** Whether credentials may be asked for at url: https, or http to an address that stays on this machine or its host. */
bool ps_creds_container_is_safe(const char *url);

#endif
