#include "tests/support/s3_rig.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int64_t rig_unix_ms(void *user)
{
    return ((struct rig *)user)->unix_ms;
}

static int64_t rig_mono_ms(void *user)
{
    (void)user;
    return ps_clock_mono_ms(ps_clock_system());
}

static uint64_t rig_random(void *user)
{
    (void)user;
    return 0; /* no jitter: a retry follows at once */
}

static const char *rig_getenv(void *user, const char *name)
{
    const struct rig *rig = user;

    if (strcmp(name, "AWS_ACCESS_KEY_ID") == 0) {
        return "AKIAIOSFODNN7EXAMPLE";
    }
    if (strcmp(name, "AWS_SECRET_ACCESS_KEY") == 0) {
        return "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    }
    return strcmp(name, "AWS_SESSION_TOKEN") == 0 ? rig->token : NULL;
}

void s3_rig_open_with(struct rig *rig, struct ps_s3_options options)
{
    struct ps_creds_options creds = { .getenv = rig_getenv, .getenv_user = rig };
    struct ps_err err = { 0 };

    rig->unix_ms = SERVER_UNIX_MS;
    rig->clock = (struct ps_clock){ rig, rig_unix_ms, rig_mono_ms, rig_random, NULL };
    creds.clock = &rig->clock;
    cr_assert_eq(uv_loop_init(&rig->loop), 0);
    rig->server = http_server_new(&rig->loop);
    cr_assert_eq(ps_http_client_new(&rig->http, &rig->loop, "purser/test", &err), PS_OK);
    cr_assert_eq(ps_creds_chain_new(&rig->creds, &creds, &err), PS_OK, "%s", err.message);
    ps_retry_init(&rig->retry, NULL, NULL, &rig->clock);
    rig->retry.attempts_max = 3;
    options.loop = &rig->loop;
    options.http = rig->http;
    options.creds = rig->creds;
    options.retry = &rig->retry;
    options.clock = &rig->clock;
    options.bucket = "bucket";
    options.endpoint = http_server_url(rig->server);
    cr_assert_eq(ps_s3_store_new(&rig->store, &options, &err), PS_OK, "%s", err.message);
}

void s3_rig_open(struct rig *rig)
{
    memset(rig, 0, sizeof(*rig));
    s3_rig_open_with(rig, (struct ps_s3_options){ .region = NULL });
}

void s3_rig_close(struct rig *rig)
{
    ps_store_free(rig->store);
    ps_creds_chain_free(rig->creds);
    ps_http_client_free(rig->http);
    http_server_free(rig->server);
    (void)uv_run(&rig->loop, UV_RUN_DEFAULT);
    cr_assert_eq(uv_loop_close(&rig->loop), 0, "a handle was left open");
}

void s3_rig_wait(struct rig *rig)
{
    while (!rig->seen.ended) {
        (void)uv_run(&rig->loop, UV_RUN_ONCE);
    }
}

void s3_rig_check_code(const struct rig *rig, enum ps_code code)
{
    cr_assert_eq(rig->seen.err.code, code, "%s, not %s: %s", ps_code_name(rig->seen.err.code),
                 ps_code_name(code), rig->seen.err.message);
}

void s3_rig_check_requests(const struct rig *rig, size_t count)
{
    cr_assert_eq(http_server_request_count(rig->server), count, "%zu requests, not %zu",
                 http_server_request_count(rig->server), count);
    cr_assert_eq(http_server_answers_left(rig->server), 0);
}

void s3_rig_check_header(const struct rig *rig, size_t index, const char *name, const char *value)
{
    char *got = http_seen_header(http_server_request(rig->server, index), name);

    cr_assert_str_eq(got, value, "request %zu: %s: \"%s\", not \"%s\"", index, name, got, value);
    free(got);
}

bool s3_rig_header_has(const struct rig *rig, size_t index, const char *name, const char *part)
{
    char *got = http_seen_header(http_server_request(rig->server, index), name);
    bool found = strstr(got, part) != NULL;

    free(got);
    return found;
}

/* --- callbacks --- */

static void end(struct seen *seen, const struct ps_err *err)
{
    cr_assert_not(seen->ended, "a second callback");
    seen->ended = true;
    seen->calls++;
    if (err != NULL) {
        seen->err = *err;
        cr_assert_neq(err->code, PS_OK);
    }
}

static void note(struct seen *seen, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void note(struct seen *seen, const char *format, ...)
{
    size_t used = strlen(seen->text);
    va_list args;

    va_start(args, format);
    (void)vsnprintf(seen->text + used, sizeof(seen->text) - used, format, args);
    va_end(args);
}

void s3_rig_on_put(void *user, const char *etag, const struct ps_checksum *checksum,
                   const struct ps_err *err)
{
    struct seen *seen = user;
    char text[PS_CHECKSUM_TEXT_SIZE];

    end(seen, err);
    if (err == NULL) {
        note(seen, "%s %s", etag,
             checksum->algorithm != PS_CHECKSUM_NONE ? ps_checksum_to_base64(checksum, text) : "-");
    }
}

void s3_rig_on_begin(void *user, const char *upload_id, const struct ps_err *err)
{
    end(user, err);
    if (err == NULL) {
        note(user, "%s", upload_id);
    }
}

void s3_rig_on_done(void *user, const struct ps_err *err)
{
    end(user, err);
}

void s3_rig_on_parts(void *user, const struct ps_part_info *parts, size_t count, bool more,
                     const struct ps_err *err)
{
    struct seen *seen = user;
    char text[PS_CHECKSUM_TEXT_SIZE];

    for (size_t i = 0; i < count; i++) {
        note(seen, "%" PRIu32 " %" PRIu64 " %s %s\n", parts[i].part_number, parts[i].size_bytes,
             parts[i].etag,
             parts[i].checksum.algorithm != PS_CHECKSUM_NONE
                 ? ps_checksum_to_base64(&parts[i].checksum, text)
                 : "-");
    }
    if (!more) {
        end(seen, err);
    }
}

void s3_rig_on_uploads(void *user, const struct ps_upload_info *uploads, size_t count, bool more,
                       const struct ps_err *err)
{
    for (size_t i = 0; i < count; i++) {
        note(user, "%s %s %" PRId64 " %s\n", uploads[i].key, uploads[i].upload_id,
             uploads[i].initiated_unix_ms, ps_checksum_name(uploads[i].checksum));
    }
    if (!more) {
        end(user, err);
    }
}

void s3_rig_on_list(void *user, const struct ps_object_info *objects, size_t count, bool more,
                    const struct ps_err *err)
{
    struct seen *seen = user;

    for (size_t i = 0; i < count; i++) {
        note(seen, "%s|%" PRIu64 "|%s|%s|%" PRId64 "|%d\n", objects[i].key, objects[i].size_bytes,
             objects[i].etag, objects[i].storage_class, objects[i].mtime_unix_ms,
             objects[i].is_prefix);
    }
    if (more && seen->cancel_in_page != NULL) {
        ps_store_cancel(seen->cancel_in_page);
        seen->ended = true;
        return;
    }
    if (!more) {
        end(seen, err);
    }
}

void s3_rig_on_head(void *user, const struct ps_object_info *info, const struct ps_err *err)
{
    struct seen *seen = user;
    char text[PS_CHECKSUM_TEXT_SIZE];

    end(seen, err);
    if (err == NULL) {
        note(seen, "%s|%" PRIu64 "|%" PRId64 "|%s|%s|%s|%s|%s|%s", info->key, info->size_bytes,
             info->mtime_unix_ms, info->etag, info->content_type, info->storage_class,
             info->restore,
             info->checksum.algorithm != PS_CHECKSUM_NONE
                 ? ps_checksum_to_base64(&info->checksum, text)
                 : info->composite,
             info->metadata_count != 0 ? info->metadata[0].value : "");
    }
}

void s3_rig_on_deleted(void *user, const struct ps_delete_result *results, size_t count,
                       const struct ps_err *err)
{
    struct seen *seen = user;

    end(seen, err);
    for (size_t i = 0; i < count; i++) {
        note(seen, "%s=%s%s\n", results[i].key, ps_code_name(results[i].code),
             results[i].delete_marker ? "+marker" : "");
    }
}

ssize_t s3_rig_read_digits(void *user, uint64_t offset, void *into, size_t size)
{
    (void)user;
    memcpy(into, &DIGITS[offset], size);
    return (ssize_t)size;
}

enum ps_push s3_rig_write_body(void *user, const void *data, size_t size_bytes)
{
    struct seen *seen = user;

    cr_assert_lt(seen->body_size + size_bytes, sizeof(seen->body));
    memcpy(seen->body + seen->body_size, data, size_bytes);
    seen->body_size += size_bytes;
    return PS_PUSH_TAKEN;
}

void s3_rig_on_info(void *user, const struct ps_object_info *info)
{
    struct seen *seen = user;

    seen->infos++;
    note(seen, "%" PRIu64 " %s", info->size_bytes, info->etag);
}

/* --- shorthands --- */

struct ps_checksum s3_rig_crc(const char *base64)
{
    struct ps_checksum sum = { .algorithm = PS_CHECKSUM_NONE };

    cr_assert(ps_checksum_from_base64(PS_CHECKSUM_CRC64_NVME, base64, &sum));
    return sum;
}

struct ps_put_request s3_rig_digits_request(void)
{
    return (struct ps_put_request){
        .key = "a/b",
        .body = { .size_bytes = 9, .read = s3_rig_read_digits },
        .checksum = s3_rig_crc(DIGITS_CRC),
    };
}

struct ps_store_op *s3_rig_start_put(struct rig *rig)
{
    struct ps_put_request request = s3_rig_digits_request();
    struct ps_err err = { 0 };
    struct ps_store_op *op = ps_store_put(rig->store, &request, s3_rig_on_put, &rig->seen, &err);

    cr_assert_not_null(op, "%s", err.message);
    cr_assert_not(rig->seen.ended, "called back from within the start");
    return op;
}

void s3_rig_put(struct rig *rig)
{
    memset(&rig->seen, 0, sizeof(rig->seen));
    (void)s3_rig_start_put(rig);
    s3_rig_wait(rig);
}

void s3_rig_complete(struct rig *rig)
{
    struct ps_part_info parts[2] = {
        { 1, 5242880, "\"79b281060d337b9b2b84ccf390adcf74\"", s3_rig_crc(PART_1_CRC) },
        { 2, 1048576, "\"96767d2b46489f3520698a6df536dc4c\"", s3_rig_crc(PART_2_CRC) },
    };
    struct ps_complete_request request = {
        .key = "a/b",
        .upload_id = "VXBs+aWQ/x",
        .parts = parts,
        .part_count = 2,
        .size_bytes = 6291456,
        .checksum = s3_rig_crc(WHOLE_CRC),
    };
    struct ps_err err = { 0 };

    memset(&rig->seen, 0, sizeof(rig->seen));
    cr_assert_not_null(ps_store_complete(rig->store, &request, s3_rig_on_put, &rig->seen, &err));
    s3_rig_wait(rig);
}

struct ps_get_request s3_rig_get_request(struct rig *rig)
{
    return (struct ps_get_request){
        .key = "a/b",
        .sink = { .write = s3_rig_write_body, .user = &rig->seen },
        .on_info = s3_rig_on_info,
    };
}

void s3_rig_get(struct rig *rig, const struct ps_get_request *request)
{
    struct ps_err err = { 0 };

    memset(&rig->seen, 0, sizeof(rig->seen));
    cr_assert_not_null(ps_store_get(rig->store, request, s3_rig_on_done, &rig->seen, &err));
    s3_rig_wait(rig);
}

void s3_rig_list(struct rig *rig)
{
    struct ps_list_request request = { .prefix = "p/" };
    struct ps_err err = { 0 };

    memset(&rig->seen, 0, sizeof(rig->seen));
    cr_assert_not_null(ps_store_list(rig->store, &request, s3_rig_on_list, &rig->seen, &err));
    s3_rig_wait(rig);
}

void s3_rig_begin(struct rig *rig)
{
    struct ps_begin_request request = { .key = "a/b",
                                        .options = { .checksum = PS_CHECKSUM_CRC64_NVME } };
    struct ps_err err = { 0 };

    memset(&rig->seen, 0, sizeof(rig->seen));
    (void)ps_store_begin_multipart(rig->store, &request, s3_rig_on_begin, &rig->seen, &err);
    s3_rig_wait(rig);
}

void s3_rig_put_part(struct rig *rig, uint32_t part_number)
{
    struct ps_part_request request = {
        .key = "a/b",
        .upload_id = "VXBs+aWQ/x",
        .part_number = part_number,
        .body = { .size_bytes = 9, .read = s3_rig_read_digits },
        .checksum = s3_rig_crc(DIGITS_CRC),
    };
    struct ps_err err = { 0 };

    memset(&rig->seen, 0, sizeof(rig->seen));
    (void)ps_store_put_part(rig->store, &request, s3_rig_on_put, &rig->seen, &err);
    s3_rig_wait(rig);
}
