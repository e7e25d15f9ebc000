#include "decide/decision.h"

#include "base/str.h"

#include <stdlib.h>
#include <string.h>

#define MIB_BYTES ((uint64_t)1024 * 1024)

/* A known size: 16 MiB, raised so that an object has at most 5,000 parts. One lost part then costs little, and half
 * of the 10,000 that stores allow stays free for stores with smaller limits. */
#define PART_COUNT_AIM ((uint64_t)5000)

/* A stream of unknown length has its parts in memory until the store has them, so they start at the smallest size
 * that S3 takes. 4,500 parts of 5 MiB are 22 GiB in constant memory; from there on the size doubles every 600 parts,
 * which leaves room for 9 doublings below 10,000 parts: 2.9 TiB. */
#define STREAM_PART_SIZE_BYTES ((uint64_t)5 * 1024 * 1024)
#define STREAM_FIRST_PART_COUNT ((uint64_t)4500)
#define STREAM_STEP_PART_COUNT ((uint64_t)600)
#define STREAM_DOUBLINGS_MAX 10

static struct ps_origin builtin_origin(const char *reason)
{
    struct ps_origin origin = { .policy = "built-in" };

    ps_str_copy(origin.reason, sizeof(origin.reason), reason);
    return origin;
}

void ps_upload_decision_init(struct ps_upload_decision *out)
{
    memset(out, 0, sizeof(*out));
    out->threshold_bytes = PS_DEFAULT_THRESHOLD_BYTES;
    out->concurrency = PS_DEFAULT_CONCURRENCY;
    ps_str_copy(out->checksum, sizeof(out->checksum), "auto");
    for (size_t i = 0; i < PS_UPLOAD_FIELD_COUNT; i++) {
        out->origins[i] = builtin_origin("default");
    }
}

void ps_upload_decision_clear(struct ps_upload_decision *decision)
{
    free(decision->text);
    memset(decision, 0, sizeof(*decision));
}

static uint64_t file_part_size(uint64_t size_bytes)
{
    uint64_t wanted_bytes = size_bytes / PART_COUNT_AIM / MIB_BYTES * MIB_BYTES;

    if (wanted_bytes * PART_COUNT_AIM < size_bytes) {
        wanted_bytes += MIB_BYTES;
    }
    return wanted_bytes > PS_DEFAULT_PART_SIZE_BYTES ? wanted_bytes : PS_DEFAULT_PART_SIZE_BYTES;
}

static uint64_t stream_part_size(uint64_t sent_bytes)
{
    uint64_t part_size_bytes = STREAM_PART_SIZE_BYTES;
    uint64_t step_end_bytes = STREAM_FIRST_PART_COUNT * part_size_bytes;

    for (int i = 0; i < STREAM_DOUBLINGS_MAX && sent_bytes >= step_end_bytes; i++) {
        part_size_bytes *= 2;
        step_end_bytes += STREAM_STEP_PART_COUNT * part_size_bytes;
    }
    return part_size_bytes;
}

void ps_part_size_decision_init(const struct ps_object_facts *object,
                                struct ps_part_size_decision *out)
{
    if (object->has_size) {
        out->bytes = file_part_size(object->size_bytes);
        out->origin = builtin_origin("16 MiB, or the size / 5000");
    } else {
        out->bytes = stream_part_size(object->sent_bytes);
        out->origin = builtin_origin("5 MiB, growing after 22 GiB of a stream");
    }
}

void ps_retry_decision_init(const struct ps_retry_facts *failure, struct ps_retry_decision *out)
{
    memset(out, 0, sizeof(*out));
    out->give_up = failure->attempt >= PS_DEFAULT_RETRY_ATTEMPTS_MAX ||
                   strcmp(failure->retry_class, "never") == 0;
    out->origin = builtin_origin(out->give_up ? "enough attempts" : "worth another attempt");
}

void ps_download_decision_init(struct ps_download_decision *out)
{
    memset(out, 0, sizeof(*out));
    out->action = PS_DOWNLOAD_STREAM;
    out->origin = builtin_origin("whoever has a rule");
}

const char *ps_download_action_name(enum ps_download_action action)
{
    switch (action) {
    case PS_DOWNLOAD_STREAM:
        return "stream";
    case PS_DOWNLOAD_REDIRECT:
        return "redirect";
    case PS_DOWNLOAD_DENY:
        return "deny";
    case PS_DOWNLOAD_RESTORE:
        return "restore";
    }
    return "unknown";
}

static void builtin_upload(void *user, const struct ps_object_facts *object, int64_t now_unix_s,
                           struct ps_upload_decision *out)
{
    (void)user;
    (void)object;
    (void)now_unix_s;
    ps_upload_decision_init(out);
}

static void builtin_part_size(void *user, const struct ps_object_facts *object, int64_t now_unix_s,
                              struct ps_part_size_decision *out)
{
    (void)user;
    (void)now_unix_s;
    ps_part_size_decision_init(object, out);
}

static void builtin_retry(void *user, const struct ps_retry_facts *failure, int64_t now_unix_s,
                          struct ps_retry_decision *out)
{
    (void)user;
    (void)now_unix_s;
    ps_retry_decision_init(failure, out);
}

static void builtin_reclaim(void *user, const struct ps_reclaim_question *question,
                            struct ps_reclaim_decision *out)
{
    (void)user;
    ps_reclaim_decision_init(question, out);
    ps_reclaim_tell_builtin(question, out);
}

static void builtin_download(void *user, const struct ps_download_facts *request,
                             int64_t now_unix_s, struct ps_download_decision *out)
{
    (void)user;
    (void)request;
    (void)now_unix_s;
    ps_download_decision_init(out);
}

const struct ps_decider *ps_decider_builtin(void)
{
    static const struct ps_decider builtin = {
        .upload = builtin_upload,
        .part_size = builtin_part_size,
        .retry = builtin_retry,
        .reclaim = builtin_reclaim,
        .download = builtin_download,
    };
    return &builtin;
}
