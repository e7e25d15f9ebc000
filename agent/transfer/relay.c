#include "transfer/relay.h"

#include "base/str.h"
#include "transfer/source_object.h"
#include "transfer/stream_out.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/** Of the pipe: a worker's turn moves more. 1 MiB is what the kernel gives without privileges. */
#define PIPE_BYTES (1024 * 1024)

struct ps_relay {
    struct ps_relay_options options; /* its text is ours: */
    char *texts[7];
    struct ps_source_object given; /* of upload.wishes */
    char *given_class;
    struct ps_source_object source;
    struct ps_store_op *op; /* HEAD or the tags */
    struct ps_upload *upload;
    struct ps_stream_out *stream;
    int read_fd;
    int write_fd;
    bool failed;
    struct ps_err err; /* the first failure: what the other end then says is only its echo */
    bool
        source_verified; /* what was read of it is what its store says; a local file is what it is */
    bool uploaded;
    struct ps_upload_result result;
    char *etag; /* of result */
};

/* --- the end --- */

static void close_end(int *fd)
{
    if (*fd >= 0) {
        (void)close(*fd);
        *fd = -1;
    }
}

static void relay_free(struct ps_relay *relay)
{
    close_end(&relay->read_fd);
    close_end(&relay->write_fd);
    ps_source_object_clear(&relay->source);
    ps_source_object_clear(&relay->given);
    for (size_t i = 0; i < sizeof(relay->texts) / sizeof(relay->texts[0]); i++) {
        free(relay->texts[i]);
    }
    free(relay->given_class);
    free(relay->etag);
    free(relay);
}

static void end_when_both_have(struct ps_relay *relay)
{
    if (relay->upload != NULL || relay->stream != NULL || relay->op != NULL) {
        return;
    }
    if (!relay->failed && !relay->uploaded) {
        return;
    }
    relay->result.confirmed = relay->result.confirmed && relay->source_verified;
    relay->options.upload.on_done(relay->options.upload.user, &relay->result,
                                  relay->failed ? &relay->err : NULL);
    relay_free(relay);
}

static void note_failure(struct ps_relay *relay, const struct ps_err *err)
{
    if (!relay->failed) {
        relay->failed = true;
        memcpy(&relay->err, err,
               sizeof(relay->err)); /* gcc 12 -O3 takes `=` for keeping err's address */
    }
}

/* --- the two ends of the pipe --- */

static void on_event(void *user, const struct ps_transfer_event *event)
{
    struct ps_relay *relay = user;

    relay->options.upload.on_event(relay->options.upload.user, event);
}

static void on_uploaded(void *user, const struct ps_upload_result *result, const struct ps_err *err)
{
    struct ps_relay *relay = user;

    relay->upload = NULL;
    /* A writer that is not done, as when a policy skips, sees it with its next write. */
    close_end(&relay->read_fd);
    if (err != NULL) {
        note_failure(relay, err);
    } else {
        relay->uploaded = true;
        relay->result = *result;
        relay->etag = ps_strdup(result->etag);
        relay->result.etag = relay->etag != NULL ? relay->etag : "";
    }
    end_when_both_have(relay);
}

static void on_streamed(void *user, const struct ps_stream_out_result *result,
                        const struct ps_err *err)
{
    struct ps_relay *relay = user;
    struct ps_err failure;

    relay->source_verified = err == NULL && result->verified;
    if (relay->uploaded) {
        err = NULL; /* it wrote for a reader that wanted no more */
    } else if (err == NULL && result->size_bytes != relay->source.size_bytes) {
        (void)ps_err_set(&failure, PS_E_CHANGED, "%s changed while it was read",
                         relay->options.from_url);
        err = &failure;
    }
    if (err != NULL) {
        note_failure(relay, err);
        if (relay->upload != NULL) {
            ps_upload_stop(relay->upload); /* before the pipe ends: an end would complete it */
        }
    }
    close_end(&relay->write_fd);
    relay->stream = NULL; /* not before: the upload's end may have come from within its stop */
    end_when_both_have(relay);
}

static enum ps_code start_pipe(struct ps_relay *relay, struct ps_err *err)
{
    const struct ps_stream_out_options options = {
        .loop = relay->options.upload.loop,
        .store = relay->options.from,
        .key = relay->options.from_key,
        .url = relay->options.from_url,
        .fd = relay->write_fd,
        .on_done = on_streamed,
        .user = relay,
    };

    return ps_stream_out_start(&relay->stream, &options, err);
}

static enum ps_code start_upload(struct ps_relay *relay, struct ps_err *err)
{
    struct ps_upload_options upload = relay->options.upload;
    int fds[2] = { -1, -1 };

    upload.on_event = relay->options.upload.on_event != NULL ? on_event : NULL;
    upload.on_done = on_uploaded;
    upload.user = relay;
    upload.source_path = relay->options.from_path;
    relay->source_verified = upload.source_path != NULL;
    if (upload.source_path == NULL) {
        if (pipe2(fds, O_CLOEXEC) != 0) {
            return ps_err_set_errno(err, errno, "pipe");
        }
        (void)fcntl(fds[1], F_SETPIPE_SZ, PIPE_BYTES); /* a smaller one works too */
        relay->read_fd = fds[0];
        relay->write_fd = fds[1];
        upload.stream_fd = relay->read_fd;
    }
    return ps_upload_start(&relay->upload, &upload, err);
}

/* Type, metadata and tags of the source, where nothing was given anew. */
static void complete_wishes(struct ps_relay *relay)
{
    struct ps_upload_wishes *wishes = &relay->options.upload.wishes;
    struct ps_write_options write = {
        .content_type = wishes->content_type,
        .metadata = wishes->metadata,
        .metadata_count = wishes->metadata_count,
        .tags = wishes->tags,
        .tag_count = wishes->tag_count,
    };

    ps_source_object_complete(&relay->source, &write);
    wishes->content_type = write.content_type;
    wishes->metadata = write.metadata;
    wishes->metadata_count = write.metadata_count;
    wishes->tags = write.tags;
    wishes->tag_count = write.tag_count;
}

static void start_ends(struct ps_relay *relay)
{
    struct ps_err err;
    enum ps_code code;

    complete_wishes(relay);
    code = start_upload(relay, &err);
    if (code == PS_OK && relay->options.from_path == NULL) {
        code = start_pipe(relay, &err);
        if (code != PS_OK) {
            note_failure(relay, &err);
            ps_upload_stop(relay->upload);
            return;
        }
    }
    if (code != PS_OK) {
        note_failure(relay, &err);
        end_when_both_have(relay);
    }
}

/* --- the source --- */

static void on_tags(void *user, const struct ps_store_pair *tags, size_t count,
                    const struct ps_err *err)
{
    struct ps_relay *relay = user;
    struct ps_err failure;

    relay->op = NULL;
    /* Without the right to read tags, or with a store that has none, the copy has none. */
    if (err == NULL && ps_source_object_take_tags(&relay->source, tags, count, &failure) != PS_OK) {
        note_failure(relay, &failure);
        end_when_both_have(relay);
        return;
    }
    start_ends(relay);
}

static void on_source(void *user, const struct ps_object_info *info, const struct ps_err *err)
{
    struct ps_relay *relay = user;
    struct ps_err failure;

    relay->op = NULL;
    if (err != NULL) {
        failure = *err;
        (void)ps_err_wrap(&failure, failure.code, "%s", relay->options.from_url);
        if (err->code == PS_E_NOT_FOUND) {
            (void)ps_err_set(&failure, PS_E_NOT_FOUND, "%s: not found", relay->options.from_url);
        }
        note_failure(relay, &failure);
        end_when_both_have(relay);
        return;
    }
    if (ps_source_object_take(&relay->source, info, &failure) != PS_OK) {
        note_failure(relay, &failure);
        end_when_both_have(relay);
        return;
    }
    if (relay->options.upload.wishes.tag_count != 0 || !relay->options.from->capabilities.tags) {
        start_ends(relay);
        return;
    }
    relay->op =
        ps_store_get_tags(relay->options.from, relay->options.from_key, on_tags, relay, &failure);
    if (relay->op == NULL) {
        start_ends(relay);
    }
}

/* --- life --- */

static enum ps_code keep_options(struct ps_relay *relay, const struct ps_relay_options *options,
                                 struct ps_err *err)
{
    struct ps_upload_options *upload = &relay->options.upload;
    struct ps_upload_wishes *wishes = &upload->wishes;
    const char **const fields[] = { &relay->options.from_key,
                                    &relay->options.from_url,
                                    &relay->options.from_path,
                                    &upload->key,
                                    &upload->url,
                                    &upload->store_name,
                                    &upload->bucket };
    struct ps_write_options write;
    enum ps_code code;

    relay->options = *options;
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (*fields[i] != NULL) {
            relay->texts[i] = ps_strdup(*fields[i]);
            *fields[i] = relay->texts[i];
            if (relay->texts[i] == NULL) {
                return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
            }
        }
    }
    write = (struct ps_write_options){ .storage_class = wishes->storage_class,
                                       .content_type = wishes->content_type,
                                       .metadata = wishes->metadata,
                                       .metadata_count = wishes->metadata_count,
                                       .tags = wishes->tags,
                                       .tag_count = wishes->tag_count };
    code = ps_write_options_keep(&write, &relay->given, &relay->given_class, err);
    wishes->storage_class = write.storage_class;
    wishes->content_type = write.content_type;
    wishes->metadata = write.metadata;
    wishes->tags = write.tags;
    return code;
}

enum ps_code ps_relay_start(struct ps_relay **relay_out, const struct ps_relay_options *options,
                            struct ps_err *err)
{
    struct ps_relay *relay = calloc(1, sizeof(*relay));
    enum ps_code code;

    if (relay == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    relay->read_fd = -1;
    relay->write_fd = -1;
    code = keep_options(relay, options, err);
    if (code == PS_OK) {
        relay->op =
            ps_store_head(relay->options.from, relay->options.from_key, on_source, relay, err);
        code = relay->op != NULL ? PS_OK : err->code;
    }
    if (code != PS_OK) {
        relay_free(relay);
        return code;
    }
    *relay_out = relay;
    return PS_OK;
}

void ps_relay_stop(struct ps_relay *relay)
{
    struct ps_err err;

    (void)ps_err_set(&err, PS_E_CANCELLED, "%s: interrupted", relay->options.upload.url);
    note_failure(relay, &err);
    if (relay->upload != NULL) {
        ps_upload_stop(relay->upload);
        return;
    }
    if (relay->op != NULL) {
        ps_store_cancel(relay->op);
        relay->op = NULL;
        end_when_both_have(relay);
    }
}

void ps_relay_progress(const struct ps_relay *relay, struct ps_progress *progress_out)
{
    if (relay->upload != NULL) {
        ps_upload_progress(relay->upload, progress_out);
    } else {
        *progress_out = (struct ps_progress){ .state = relay->op != NULL ? "looking" : "ending" };
    }
    progress_out->has_total = relay->op == NULL;
    progress_out->total_bytes = relay->source.size_bytes;
}
