/* creds_answer: any bytes as JSON and as XML. What is read can be a header; a refusal's text is one line. */
#include "creds/creds_answer.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text)
{
    for (; text != NULL && *text != '\0'; text++) {
        if ((unsigned char)*text < 0x21 || *text == 0x7f) {
            abort();
        }
    }
}

static void check(enum ps_code code, struct ps_creds *creds, const struct ps_err *err)
{
    if (code != PS_OK) {
        if (code != err->code || strlen(err->message) >= sizeof(err->message)) {
            abort();
        }
        return;
    }
    if (creds->access_key_id == NULL || creds->secret_access_key == NULL ||
        creds->expires_unix_ms < 0) {
        abort();
    }
    check_text(creds->access_key_id);
    check_text(creds->secret_access_key);
    check_text(creds->session_token);
    ps_creds_clear(creds);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct ps_creds_json *const kinds[] = {
        &ps_creds_json_aws_metadata, &ps_creds_json_aws_process,    &ps_creds_json_aliyun,
        &ps_creds_json_aliyun_sts,   &ps_creds_json_aliyun_process,
    };
    struct ps_creds creds = { 0 };
    struct ps_err err;
    char text[100];

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        check(ps_creds_answer_json((const char *)data, size, kinds[i], &creds, &err), &creds, &err);
    }
    check(ps_creds_answer_xml((const char *)data, size, &creds, &err), &creds, &err);
    ps_creds_answer_refusal(500, (const char *)data, size, text, sizeof(text));
    for (const char *c = text; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f) {
            abort();
        }
    }
    return 0;
}
