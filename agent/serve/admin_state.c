#include "serve/admin_state.h"

#include "serve/admin_list.h"
#include "serve/json_text.h"
#include "state/checkpoint.h"

#include <unistd.h>

/** Most streams told of. Lower: some are not seen. Higher: a large answer held in memory. */
#define STREAMS_MAX 1000

enum ps_code ps_admin_now(const struct ps_admin_context *context, const struct ps_target *target,
                          int64_t *now_unix_s_out, struct ps_err *err)
{
    *now_unix_s_out = ps_clock_unix_ms(context->clock) / 1000;
    return ps_admin_arg_number(target, "now_unix_s", now_unix_s_out, err);
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

static json_t *upload_json(const struct ps_upload_record *record)
{
    bool is_file = record->source.kind == PS_SOURCE_FILE;

    return json_pack(
        "{s:I, s:o, s:s, s:o, s:o, s:o, s:I, s:I, s:I, s:o, s:I, s:b, s:I}", "id",
        (json_int_t)record->number, "url", ps_json_text(record->url), "state",
        phase_name(record->phase), "upload_id",
        ps_json_text(record->upload_id != NULL ? record->upload_id : ""), "source",
        ps_json_text(record->source_path != NULL ? record->source_path : "-"), "size_bytes",
        is_file ? json_integer((json_int_t)record->source.size_bytes) : json_null(), "done_bytes",
        (json_int_t)record->done_size_bytes, "parts", (json_int_t)record->part_count, "done_parts",
        (json_int_t)record->done_part_count, "created", ps_json_time(record->created_unix_ms),
        "created_unix_ms", (json_int_t)record->created_unix_ms, "running",
        (int)ps_owner_is_alive(&record->owner), "pid", (json_int_t)record->owner.pid);
}

static bool add_upload(void *user, const struct ps_upload_record *record)
{
    return ps_admin_list_passes(user) || ps_admin_list_push(user, upload_json(record));
}

enum ps_code ps_admin_uploads(const struct ps_admin_context *context,
                              const struct ps_target *target, json_t **json_out, struct ps_err *err)
{
    struct ps_admin_list list = { .items = NULL };
    enum ps_code code = ps_admin_list_init_at(&list, target, err);

    if (code == PS_OK && context->state != NULL) {
        code = ps_checkpoint_each(context->state, add_upload, &list, err);
    }
    if (code != PS_OK) {
        ps_admin_list_clear(&list);
        return code;
    }
    return ps_admin_list_finish_at(&list, "uploads", json_out, err);
}

/* --- streams --- */

static void add_stream(void *user, const struct ps_gateway_stream *stream)
{
    json_t *list = user;

    if (json_array_size(list) < STREAMS_MAX) {
        (void)json_array_append_new(
            list, json_pack("{s:s, s:o, s:s, s:s, s:I, s:I, s:I}", "store", stream->store, "key",
                            ps_json_text(stream->key), "remote", stream->remote, "subject",
                            stream->subject, "sent_bytes", (json_int_t)stream->sent_bytes,
                            "size_bytes", (json_int_t)stream->size_bytes, "elapsed_ms",
                            (json_int_t)stream->elapsed_ms));
    }
}

enum ps_code ps_admin_streams(const struct ps_admin_context *context,
                              const struct ps_target *target, json_t **json_out, struct ps_err *err)
{
    json_t *list = json_array();

    (void)target;
    (void)err;
    if (list != NULL && context->gateway != NULL) {
        ps_gateway_each_stream(context->gateway, add_stream, list);
    }
    *json_out = json_pack("{s:o}", "streams", list);
    return PS_OK;
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

enum ps_code ps_admin_status(const struct ps_admin_context *context, const struct ps_target *target,
                             json_t **json_out, struct ps_err *err)
{
    bool runs = context->gateway != NULL;
    int64_t up_ms = ps_clock_unix_ms(context->clock) - context->started_unix_ms;
    struct upload_counts counts = { 0 };
    enum ps_code code = PS_OK;

    (void)target;
    if (context->state != NULL) {
        code = ps_checkpoint_each(context->state, count_upload, &counts, err);
    }
    if (code != PS_OK) {
        return code;
    }
    *json_out =
        json_pack("{s:b, s:s, s:o, s:o, s:s, s:{s:I, s:I}, s:o}", "running", (int)runs, "version",
                  PURSER_VERSION, "pid", runs ? json_integer(getpid()) : json_null(), "up_s",
                  runs ? json_integer(up_ms / 1000) : json_null(), "policy_digest",
                  context->policy_digest, "uploads", "running", counts.running, "interrupted",
                  counts.interrupted, "gateway", gateway_json(context->gateway));
    return PS_OK;
}
