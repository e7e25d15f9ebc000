#include "store/s3_learn.h"

#include "base/log.h"
#include "http/http_date.h"
#include "store/s3_internal.h"

static void note_clock(struct ps_s3_store *store, const struct ps_http_answer *answer)
{
    const char *date = ps_http_answer_header(answer, "date");
    int64_t server_unix_ms = 0;

    if (date != NULL && ps_http_date_parse_imf(date, &server_unix_ms)) {
        store->base.has_clock_skew = true;
        store->base.clock_skew_ms = server_unix_ms - ps_clock_unix_ms(store->clock);
    }
}

/* A store that neither a setting nor its host names: the first answer may. It only takes away. */
static void note_kind(struct ps_s3_store *store, const struct ps_http_answer *answer)
{
    const char *server = ps_http_answer_header(answer, "server");
    const char *id = ps_http_answer_header(answer, "x-amz-request-id");
    const struct ps_s3_kind *kind = NULL;

    if (!ps_s3_kind_is_unknown(store->kind) || store->dialect != &ps_s3_dialect_s3) {
        return;
    }
    if (server != NULL) {
        kind = ps_s3_kind_of_server(server);
    }
    if (kind == NULL && id != NULL) {
        kind = ps_s3_kind_of_request_id(id);
    }
    if (kind != NULL) {
        store->kind = kind;
        ps_s3_kind_restrict(kind, &store->base.capabilities);
        ps_log(store->log, PS_LOG_DEBUG, "s3", "%s: %s, by its answer", store->base.root_url,
               kind->title);
    }
}

void ps_s3_learn_head(struct ps_s3_store *store, const struct ps_http_answer *answer)
{
    note_clock(store, answer);
    note_kind(store, answer);
}

/* A store that does not know 100 Continue would make every part wait for a second: it is not asked again. */
void ps_s3_learn_continue(struct ps_s3_store *store, const struct ps_http_answer *answer)
{
    if (!ps_http_answer_was_continued(answer)) {
        store->continue_is_ignored = true;
    }
}
