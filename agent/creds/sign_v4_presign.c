#include "creds/sign_v4_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Our own parameters as text. */
struct presign {
    char credential[PS_SIGN_V4_SCOPE_SIZE + 256];
    char time[PS_HTTP_DATE_AMZ_SIZE];
    char expires[16];
    struct ps_buf signed_names;
};

static enum ps_code fill(struct presign *presign, const struct ps_sign_request *request,
                         uint32_t expires_s, struct ps_err *err)
{
    char scope[PS_SIGN_V4_SCOPE_SIZE];
    enum ps_code code = ps_sign_v4_scope(request, presign->time, scope, err);
    int length;

    if (code != PS_OK) {
        return code;
    }
    length = snprintf(presign->credential, sizeof(presign->credential), "%s/%s",
                      request->access_key_id, scope);
    if (length < 0 || (size_t)length >= sizeof(presign->credential)) {
        return ps_err_set(err, PS_E_INVALID, "signature: the access key is too long");
    }
    (void)snprintf(presign->expires, sizeof(presign->expires), "%u", expires_s);
    return PS_OK;
}

/* request's parameters and ours, unsorted. *pairs_out: free(). */
static enum ps_code make_pairs(const struct presign *presign, const struct ps_sign_request *request,
                               struct ps_sign_pair **pairs_out, size_t *count_out,
                               struct ps_err *err)
{
    const struct ps_sign_pair ours[] = {
        { "X-Amz-Algorithm", PS_SIGN_V4_ALGORITHM },
        { "X-Amz-Credential", presign->credential },
        { "X-Amz-Date", presign->time },
        { "X-Amz-Expires", presign->expires },
        { "X-Amz-SignedHeaders", ps_buf_peek(&presign->signed_names) },
        { "X-Amz-Security-Token", request->session_token }, /* last: left out without a token */
    };
    bool has_token = request->session_token != NULL && request->session_token[0] != '\0';
    size_t our_count = sizeof(ours) / sizeof(ours[0]) - (has_token ? 0 : 1);
    struct ps_sign_pair *pairs = calloc(request->query_count + our_count, sizeof(*pairs));

    if (pairs == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    memcpy(pairs, ours, our_count * sizeof(*pairs));
    if (request->query_count != 0) {
        memcpy(pairs + our_count, request->query, request->query_count * sizeof(*pairs));
    }
    *pairs_out = pairs;
    *count_out = our_count + request->query_count;
    return PS_OK;
}

/* The query with its signature; *query is unchanged on failure. */
static enum ps_code append_signed_query(const struct ps_sign_request *request,
                                        struct ps_sign_v4_key *key, struct ps_buf *query,
                                        struct ps_err *err)
{
    struct ps_buf text = { 0 };
    char signature[PS_SIGN_V4_HEX_SIZE];
    enum ps_code code = ps_sign_v4_signature(request, key, signature, err);

    if (code == PS_OK) {
        code = ps_sign_v4_append_query(&text, request, err);
    }
    if (code == PS_OK) {
        code = ps_buf_append_format(&text, err, "&X-Amz-Signature=%s", signature);
    }
    if (code == PS_OK) {
        code = ps_buf_append(query, text.data, text.size_bytes, err);
    }
    ps_buf_clear(&text);
    return code;
}

enum ps_code ps_sign_v4_presign(const struct ps_sign_request *request, uint32_t expires_s,
                                struct ps_sign_v4_key *key, struct ps_buf *query,
                                struct ps_err *err)
{
    struct ps_sign_request whole = *request;
    struct ps_sign_pair *pairs = NULL;
    struct presign presign = { .signed_names = { 0 } };
    enum ps_code code;

    if (expires_s == 0 || expires_s > PS_SIGN_V4_EXPIRES_MAX_S) {
        return ps_err_set(err, PS_E_INVALID, "a presigned URL lives 1 second to 7 days");
    }
    if (request->canonical_query != NULL) {
        return ps_err_set(err, PS_E_INVALID, "signature: a presigned query is made from pairs");
    }
    code = ps_sign_v4_append_names(&presign.signed_names, request, err);
    if (code == PS_OK) {
        code = fill(&presign, request, expires_s, err);
    }
    if (code == PS_OK) {
        code = make_pairs(&presign, request, &pairs, &whole.query_count, err);
    }
    if (code == PS_OK) {
        whole.query = pairs;
        code = append_signed_query(&whole, key, query, err);
    }
    free(pairs);
    ps_buf_clear(&presign.signed_names);
    return code;
}
