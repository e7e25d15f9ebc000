#include "creds/sign_rpc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECRET_MAX_BYTES 1024

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct ps_sign_pair *)a)->name, ((const struct ps_sign_pair *)b)->name);
}

enum ps_code ps_sign_rpc_append_form(struct ps_buf *text, const struct ps_sign_pair *parameters,
                                     size_t count, struct ps_err *err)
{
    enum ps_code code = PS_OK;

    for (size_t i = 0; i < count && code == PS_OK; i++) {
        code = i != 0 ? ps_buf_append_str(text, "&", err) : PS_OK;
        if (code == PS_OK) {
            code = ps_uri_encode(text, parameters[i].name, PS_URI_KEEP_NONE, err);
        }
        if (code == PS_OK) {
            code = ps_buf_append_str(text, "=", err);
        }
        if (code == PS_OK) {
            code = ps_uri_encode(text, parameters[i].value, PS_URI_KEEP_NONE, err);
        }
    }
    return code;
}

static enum ps_code make_text(const char *method, const struct ps_sign_pair *sorted, size_t count,
                              struct ps_buf *text, struct ps_err *err)
{
    struct ps_buf form = { 0 };
    enum ps_code code = ps_sign_rpc_append_form(&form, sorted, count, err);

    if (code == PS_OK) {
        code = ps_buf_append_format(text, err, "%s&%%2F&", method);
    }
    if (code == PS_OK) {
        code = ps_uri_encode(text, ps_buf_peek(&form), PS_URI_KEEP_NONE, err);
    }
    ps_buf_clear(&form);
    return code;
}

enum ps_code ps_sign_rpc(const char *method, const struct ps_sign_pair *parameters, size_t count,
                         const char *secret, char signature[PS_SIGN_RPC_SIZE], struct ps_err *err)
{
    struct ps_sign_pair *sorted = NULL;
    char key[SECRET_MAX_BYTES];
    uint8_t digest[PS_SHA1_SIZE];
    struct ps_buf text = { 0 };
    int length = snprintf(key, sizeof(key), "%s&", secret);
    enum ps_code code = PS_OK;

    if (length < 0 || (size_t)length >= sizeof(key)) {
        code = ps_err_set(err, PS_E_INVALID, "signature: the secret key is too long");
        goto out;
    }
    sorted = calloc(count + 1, sizeof(*sorted));
    if (sorted == NULL) {
        code = ps_err_set(err, PS_E_NO_MEMORY, "credentials: out of memory");
        goto out;
    }
    memcpy(sorted, parameters, count * sizeof(*sorted));
    qsort(sorted, count, sizeof(*sorted), compare_names);
    code = make_text(method, sorted, count, &text, err);
    if (code == PS_OK) {
        ps_hmac_sha1(key, (size_t)length, text.data, text.size_bytes, digest);
        (void)ps_base64_encode(digest, sizeof(digest), signature);
    }
out:
    explicit_bzero(key, sizeof(key));
    ps_buf_clear(&text);
    free(sorted);
    return code;
}
