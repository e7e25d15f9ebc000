#include "base/str.h"
#include "base/uv_handle.h"
#include "creds/creds.h"
#include "store/s3_internal.h"
#include "store/s3_request.h"

#include <stdlib.h>
#include <string.h>

/** S3 and OSS: 7 days. */
#define EXPIRES_MAX_S 604800U

/** Stands for the operation at the credentials chain, which knows no cancel: it outlives the operation if it must. */
struct ticket {
    struct presign_op *presign; /* NULL = cancelled */
};

struct presign_op {
    struct ps_s3_op op;
    const char *method;
    struct ps_s3_pairs headers; /* that the user of the URL must send */
    uint32_t expires_s;
    uv_timer_t
        *timer; /* the callback never comes from within the start; on the heap until closed */
    struct ticket *ticket;
    ps_store_text_fn done;
    void *user;
};

static void finish(struct presign_op *presign, const struct ps_buf *url, const struct ps_err *err)
{
    ps_s3_op_enter(&presign->op);
    presign->done(presign->user, err == NULL ? ps_buf_peek(url) : NULL,
                  err == NULL ? url->size_bytes : 0, err);
    ps_s3_op_end(&presign->op);
}

/* A URL signed with temporary credentials ends with them. */
static uint32_t life_of(const struct presign_op *presign, const struct ps_creds *creds)
{
    const struct ps_s3_store *store = presign->op.store;
    int64_t left_ms = creds->expires_unix_ms - ps_clock_unix_ms(store->clock);

    if (creds->expires_unix_ms == 0 || left_ms >= (int64_t)presign->expires_s * 1000) {
        return presign->expires_s;
    }
    ps_log(store->log, PS_LOG_WARN, store->dialect->family,
           "the URL lives as long as the credentials that sign it: %lld s, not %u s",
           (long long)(left_ms / 1000), (unsigned)presign->expires_s);
    return left_ms >= 1000 ? (uint32_t)(left_ms / 1000) : 1;
}

static void on_creds(void *user, const struct ps_creds *creds, const struct ps_err *err)
{
    struct ticket *ticket = user;
    struct presign_op *presign = ticket->presign;
    const struct ps_s3_store *store = presign != NULL ? presign->op.store : NULL;
    struct ps_s3_pairs query = { 0 };
    struct ps_s3_request_parts parts = { .query = &query };
    struct ps_buf url = { 0 };
    struct ps_err failure;

    free(ticket);
    if (presign == NULL) {
        return;
    }
    presign->ticket = NULL;
    parts.method = presign->method;
    parts.key = presign->op.key;
    parts.headers = &presign->headers;
    if (err != NULL) {
        finish(presign, NULL, err);
        return;
    }
    if (store->extras.requester_pays &&
        ps_s3_query_add(&query, store->dialect->request_payer, "requester", &failure) != PS_OK) {
        finish(presign, NULL, &failure);
        return;
    }
    if (ps_s3_request_presign(presign->op.store, &parts, life_of(presign, creds), creds, &url,
                              &failure) != PS_OK) {
        finish(presign, NULL, &failure);
    } else {
        finish(presign, &url, NULL);
    }
    ps_buf_clear(&url);
    ps_s3_pairs_clear(&query);
}

static void on_timer(uv_timer_t *timer)
{
    struct presign_op *presign = timer->data;

    ps_creds_get(presign->op.store->creds, 0, on_creds, presign->ticket);
}

static void presign_clear(struct ps_s3_op *op)
{
    struct presign_op *presign = (struct presign_op *)op;

    ps_s3_pairs_clear(&presign->headers);
    if (presign->ticket != NULL) {
        presign->ticket->presign = NULL;
        if (presign->timer != NULL && uv_is_active((uv_handle_t *)presign->timer)) {
            free(presign->ticket); /* the chain has not got it yet */
        }
    }
    ps_uv_handle_close((uv_handle_t *)presign->timer);
}

static enum ps_code check(const struct ps_presign_request *request, struct ps_err *err)
{
    static const char *const methods[] = { "GET", "HEAD", "PUT" };
    bool known = false;

    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        known = known || strcmp(request->method, methods[i]) == 0;
    }
    if (!known) {
        return ps_err_set(err, PS_E_INVALID, "presign: no URL for %.20s", request->method);
    }
    if (request->expires_s == 0 || request->expires_s > EXPIRES_MAX_S) {
        return ps_err_set(err, PS_E_INVALID, "presign: a URL lives 1 second to 7 days");
    }
    return PS_OK;
}

/* Of what is sent, the type may be signed; encryption is a header that a mere URL cannot make anybody send. */
static enum ps_code add_headers(struct presign_op *presign,
                                const struct ps_presign_request *request, struct ps_err *err)
{
    const struct ps_s3_store *store = presign->op.store;
    bool puts = strcmp(request->method, "PUT") == 0;

    if (puts && store->extras.encryption != NULL) {
        ps_log(store->log, PS_LOG_WARN, store->dialect->family,
               "what is put by the URL is encrypted as the bucket has it, not by encryption: %s",
               store->extras.encryption);
    }
    return puts && request->content_type != NULL
               ? ps_s3_pairs_add(&presign->headers, "content-type", request->content_type, err)
               : PS_OK;
}

static const char *method_of(const char *method)
{
    return strcmp(method, "PUT") == 0 ? "PUT" : strcmp(method, "HEAD") == 0 ? "HEAD" : "GET";
}

struct ps_store_op *ps_s3_presign(struct ps_store *store, const struct ps_presign_request *request,
                                  ps_store_text_fn done, void *user, struct ps_err *err)
{
    struct presign_op *presign;

    if (check(request, err) != PS_OK) {
        return NULL;
    }
    if (((struct ps_s3_store *)store)->extras.has_customer_key) {
        (void)ps_err_set(err, PS_E_UNSUPPORTED,
                         "a URL opens nothing that is encrypted with a key of the customer's");
        return NULL;
    }
    presign = ps_s3_op_new(store, sizeof(*presign), request->key, err);
    if (presign == NULL) {
        return NULL;
    }
    presign->op.clear = presign_clear;
    presign->method = method_of(request->method);
    presign->expires_s = request->expires_s;
    presign->done = done;
    presign->user = user;
    if (add_headers(presign, request, err) != PS_OK) {
        return ps_s3_op_started(&presign->op, PS_E_NO_MEMORY);
    }
    presign->ticket = calloc(1, sizeof(*presign->ticket));
    presign->timer = ps_uv_timer_new(presign->op.store->loop, presign);
    if (presign->ticket == NULL || presign->timer == NULL) {
        free(presign->ticket);
        presign->ticket = NULL;
        return ps_s3_op_started(&presign->op,
                                ps_err_set(err, PS_E_NO_MEMORY, "S3 operation: out of memory"));
    }
    presign->ticket->presign = presign;
    (void)uv_timer_start(presign->timer, on_timer, 0, 0);
    return &presign->op.base;
}
