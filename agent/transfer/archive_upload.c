#include "transfer/archive_upload.h"

#include "transfer/archive_feed.h"

#include <stdlib.h>

struct ps_archive_upload {
    struct ps_archive_feed *feed;
    struct ps_upload *upload;
    void (*on_done)(void *user, const struct ps_archive_upload_result *result,
                    const struct ps_err *err);
    ps_transfer_event_fn on_event;
    void *user;
};

static void on_event(void *user, const struct ps_transfer_event *event)
{
    const struct ps_archive_upload *op = user;

    if (op->on_event != NULL) {
        op->on_event(op->user, event);
    }
}

static void on_uploaded(void *user, const struct ps_upload_result *result, const struct ps_err *err)
{
    struct ps_archive_upload *op = user;
    const struct ps_archive_upload_result whole = {
        .upload = result,
        .tree = ps_archive_feed_summary(op->feed),
    };

    op->on_done(op->user, &whole, err);
    ps_archive_feed_close(op->feed);
    free(op);
}

enum ps_code ps_archive_upload_start(struct ps_archive_upload **op_out,
                                     const struct ps_archive_upload_options *options,
                                     struct ps_err *err)
{
    struct ps_archive_upload *op = calloc(1, sizeof(*op));
    const struct ps_archive_reader_options reader = {
        .root = options->upload.source_path,
        .filter = options->filter,
        .format = options->format,
        .level = options->level,
        .attributes = options->attributes,
    };
    struct ps_upload_options upload = options->upload;
    struct ps_byte_source source;
    enum ps_code code;

    if (op == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "%s: out of memory", upload.url);
    }
    op->on_done = options->on_done;
    op->on_event = upload.on_event;
    op->user = options->user;
    code = ps_archive_feed_new(&op->feed, upload.loop, &reader, err);
    if (code == PS_OK) {
        source = ps_archive_feed_source(op->feed);
        upload.byte_source = &source;
        upload.on_event = on_event;
        upload.on_done = on_uploaded;
        upload.user = op;
        if (upload.wishes.content_type == NULL) {
            upload.wishes.content_type = ps_archive_format_content_type(options->format);
        }
        code = ps_upload_start(&op->upload, &upload, err);
    }
    if (code != PS_OK) {
        ps_archive_feed_close(op->feed);
        free(op);
        return code;
    }
    *op_out = op;
    return PS_OK;
}

void ps_archive_upload_stop(struct ps_archive_upload *op)
{
    ps_upload_stop(op->upload);
}

void ps_archive_upload_progress(const struct ps_archive_upload *op,
                                struct ps_progress *progress_out)
{
    ps_upload_progress(op->upload, progress_out);
}
