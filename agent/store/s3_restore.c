#include "base/str.h"
#include "base/xml_read.h"
#include "store/s3_document.h"

#include <inttypes.h>

/** S3: 1 day at least; longer than ten years is a mistake. */
#define DAYS_MAX 3650U

static enum ps_code write_text(const struct ps_s3_store *store,
                               const struct ps_restore_request *request, struct ps_buf *text,
                               struct ps_err *err)
{
    const char *parameters = store->dialect->restore_parameters;
    enum ps_code code =
        ps_buf_append_format(text, err, "<RestoreRequest%s><Days>%" PRIu32 "</Days>",
                             store->dialect->xml_namespace, request->days);

    if (code == PS_OK && request->tier != NULL && request->tier[0] != '\0') {
        code = ps_buf_append_format(text, err, "<%s><Tier>", parameters);
        if (code == PS_OK) {
            code = ps_xml_escape(text, request->tier, err);
        }
        if (code == PS_OK) {
            code = ps_buf_append_format(text, err, "</Tier></%s>", parameters);
        }
    }
    return code == PS_OK ? ps_buf_append_str(text, "</RestoreRequest>", err) : code;
}

struct ps_store_op *ps_s3_restore(struct ps_store *store, const struct ps_restore_request *request,
                                  ps_store_done_fn done, void *user, struct ps_err *err)
{
    struct ps_s3_document document = {
        .operation = "restore",
        .method = "POST",
        .key = request->key,
        .subresource = "restore",
        /* It runs already: what was asked for will come. */
        .settled_by_code = "RestoreAlreadyInProgress",
    };

    if (request->days == 0 || request->days > DAYS_MAX) {
        (void)ps_err_set(err, PS_E_INVALID, "restore: %" PRIu32 " days; 1 to %u are possible",
                         request->days, DAYS_MAX);
        return NULL;
    }
    if (write_text((struct ps_s3_store *)store, request, &document.text, err) != PS_OK) {
        ps_buf_clear(&document.text);
        return NULL;
    }
    return ps_s3_document_send(store, &document, done, user, err);
}
