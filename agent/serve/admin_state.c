#include "serve/admin_state.h"

#include "serve/json_text.h"
#include "state/checkpoint.h"

#include <unistd.h>

/** Most entries of a list. Lower: some are not seen. Higher: a large answer held in memory. */
#define LIST_MAX 1000

static enum ps_code hand_out(json_t *json, json_t **json_out, struct ps_err *err)
{
    if (json == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    *json_out = json;
    return PS_OK;
}

/* --- uploads --- */

static const char *phase_name(enum ps_upload_phase phase)
{
    switch (phase) {
    case PS_UPLOAD_CREATING:
        return "creating";
    case PS_UPLOAD_SENDING:
        return "sending";
    case PS_UPLOAD_COMPLETING:
        return "completing";
    }
    return "unknown";
}

static bool add_upload(void *user, const struct ps_upload_record *record)
{
    json_t *list = user;
    bool is_file = record->source.kind == PS_SOURCE_FILE;

    (void)json_array_append_new(
        list,
        json_pack("{s:I, s:o, s:s, s:b, s:I, s:I, s:o, s:I}", "id", (json_int_t)record->number,
                  "url", ps_json_text(record->url), "state", phase_name(record->phase), "running",
                  (int)ps_owner_is_alive(&record->owner), "pid", (json_int_t)record->owner.pid,
                  "done_bytes", (json_int_t)record->done_size_bytes, "size_bytes",
                  is_file ? json_integer((json_int_t)record->source.size_bytes) : json_null(),
                  "created_unix_ms", (json_int_t)record->created_unix_ms));
    return json_array_size(list) < LIST_MAX;
}

enum ps_code ps_admin_uploads(const struct ps_admin_context *context, json_t **json_out,
                              struct ps_err *err)
{
    json_t *list = json_array();
    enum ps_code code = PS_OK;

    if (list != NULL && context->state != NULL) {
        code = ps_checkpoint_each(context->state, add_upload, list, err);
    }
    if (code != PS_OK) {
        json_decref(list);
        return code;
    }
    return hand_out(json_pack("{s:o}", "uploads", list), json_out, err);
}

/* --- streams --- */

static void add_stream(void *user, const struct ps_gateway_stream *stream)
{
    json_t *list = user;

    if (json_array_size(list) < LIST_MAX) {
        (void)json_array_append_new(
            list, json_pack("{s:s, s:o, s:s, s:s, s:I, s:I, s:I}", "store", stream->store, "key",
                            ps_json_text(stream->key), "remote", stream->remote, "subject",
                            stream->subject, "sent_bytes", (json_int_t)stream->sent_bytes,
                            "size_bytes", (json_int_t)stream->size_bytes, "elapsed_ms",
                            (json_int_t)stream->elapsed_ms));
    }
}

enum ps_code ps_admin_streams(const struct ps_admin_context *context, json_t **json_out,
                              struct ps_err *err)
{
    json_t *list = json_array();

    if (list != NULL && context->gateway != NULL) {
        ps_gateway_each_stream(context->gateway, add_stream, list);
    }
    return hand_out(json_pack("{s:o}", "streams", list), json_out, err);
}

/* --- status --- */

static json_t *gateway_json(const struct ps_gateway *gateway)
{
    struct ps_gateway_stats stats;
    uint64_t requests = 0;

    if (gateway == NULL) {
        return json_null();
    }
    ps_gateway_stats(gateway, &stats);
    for (size_t i = 0; i < sizeof(stats.requests) / sizeof(stats.requests[0]); i++) {
        requests += stats.requests[i];
    }
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "address",
                     ps_gateway_address(gateway), "connections", (json_int_t)stats.connections,
                     "streams", (json_int_t)stats.streams, "requests", (json_int_t)requests,
                     "sent_bytes", (json_int_t)stats.sent_bytes, "reserved_bytes",
                     (json_int_t)stats.reserved_bytes, "verified", (json_int_t)stats.verified_count,
                     "cut", (json_int_t)stats.cut_count, "corrupt", (json_int_t)stats.corrupt_count,
                     "busy", (json_int_t)stats.refused_busy_count);
}

struct upload_counts {
    json_int_t running;
    json_int_t interrupted;
};

static bool count_upload(void *user, const struct ps_upload_record *record)
{
    struct upload_counts *counts = user;

    if (ps_owner_is_alive(&record->owner)) {
        counts->running++;
    } else {
        counts->interrupted++;
    }
    return true;
}

enum ps_code ps_admin_status(const struct ps_admin_context *context, json_t **json_out,
                             struct ps_err *err)
{
    bool runs = context->gateway != NULL;
    int64_t up_ms = ps_clock_unix_ms(context->clock) - context->started_unix_ms;
    struct upload_counts counts = { 0 };
    enum ps_code code = PS_OK;

    if (context->state != NULL) {
        code = ps_checkpoint_each(context->state, count_upload, &counts, err);
    }
    if (code != PS_OK) {
        return code;
    }
    return hand_out(
        json_pack("{s:b, s:s, s:o, s:o, s:s, s:{s:I, s:I}, s:o}", "running", (int)runs, "version",
                  PURSER_VERSION, "pid", runs ? json_integer(getpid()) : json_null(), "up_s",
                  runs ? json_integer(up_ms / 1000) : json_null(), "policy_digest",
                  context->policy_digest, "uploads", "running", counts.running, "interrupted",
                  counts.interrupted, "gateway", gateway_json(context->gateway)),
        json_out, err);
}
