/**
 * creds_answer - what services answer when they are asked for credentials: JSON, and the XML of AWS STS.
 *
 * Flow:    creds_container, creds_imds, creds_sts, creds_process -> [creds_answer] -> base/xml_read.h, jansson
 * Thread:  any; holds no state
 * Source:  AWS: container and instance metadata (Code, AccessKeyId, SecretAccessKey, Token, Expiration),
 *          credential_process (Version 1, SessionToken), STS API reference (AssumeRoleResponse). Aliyun: ECS metadata,
 *          credentials URI (AccessKeyId, AccessKeySecret, SecurityToken), STS (the same inside Credentials; Code, Message)
 *
 * An answer may hold secrets: no message quotes it, but for the service's own Code and Message.
 */
#ifndef PS_CREDS_CREDS_ANSWER_H
#define PS_CREDS_CREDS_ANSWER_H

#include "creds/creds.h"

#include <stdbool.h>
#include <stddef.h>

/** Where the values stand in a JSON answer. All static. */
struct ps_creds_json {
    const char *within; /* the object that holds them; NULL = the answer itself */
    const char *id;
    const char *secret;
    const char *token;
    bool needs_version_1; /* "Version": 1 (credential_process) */
    bool needs_token;     /* long-lived keys are not what was asked for */
};

extern const struct ps_creds_json ps_creds_json_aws_metadata;
extern const struct ps_creds_json ps_creds_json_aws_process;
extern const struct ps_creds_json ps_creds_json_aliyun;
extern const struct ps_creds_json ps_creds_json_aliyun_sts;
extern const struct ps_creds_json ps_creds_json_aliyun_process;

/**
 * Fill *creds_out, but for source. An "Expiration" sets the end; without it they last for ever.
 *
 * Errors:  PS_E_PARSE for what is no such JSON, misses a value, or has a time that makes no sense; PS_E_DENIED when Code
 *          is there and not "Success" (with Code and Message); PS_E_NO_MEMORY. *creds_out is untouched then.
 */
PS_MUST_USE enum ps_code ps_creds_answer_json(const char *body, size_t size_bytes,
                                              const struct ps_creds_json *names,
                                              struct ps_creds *creds_out, struct ps_err *err);

/** The same for an XML answer of AWS STS, whatever its Action. */
PS_MUST_USE enum ps_code ps_creds_answer_xml(const char *body, size_t size_bytes,
                                             struct ps_creds *creds_out, struct ps_err *err);

/**
 * What a refusal says, in JSON ("Code", "Message", any case) or XML (Error/Code, Error/Message): "Code: Message" with
 * control characters as blanks, cut to fit; "HTTP status N" when the body says nothing.
 */
void ps_creds_answer_refusal(int http_status, const char *body, size_t size_bytes, char *text,
                             size_t text_size_bytes);

#endif
