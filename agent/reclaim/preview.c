#include "reclaim/preview.h"

#include "reclaim/sweep_verify.h"
#include "reclaim/verdict.h"
#include "transfer/job.h"

#include <stdlib.h>

struct ps_preview {
    struct ps_preview_options options;
    struct ps_job job;
    struct ps_reclaim_batch batch; /* of the worker while a job runs */
    struct ps_reclaim_counts counts;
    struct ps_sweep_stores stores;
    struct ps_sweep_result result;
    struct ps_verify *verify;
    struct ps_err fuse_err;
};

static void take(struct ps_preview *preview);

static enum ps_code open_without_deleter(void *user, const char *url,
                                         struct ps_open_store *open_out, struct ps_err *err)
{
    const struct ps_preview *preview = user;
    enum ps_code code =
        preview->options.opener.open(preview->options.opener.user, url, open_out, err);

    if (code == PS_OK) {
        open_out->store->deleter_ops = NULL;
    }
    return code;
}

static void end(struct ps_preview *preview, const struct ps_err *err)
{
    preview->options.on_done(preview->options.user, &preview->result,
                             preview->fuse_err.code != PS_OK ? &preview->fuse_err : NULL, err);
    ps_sweep_stores_clear(&preview->stores);
    ps_reclaim_batch_clear(&preview->batch);
    free(preview);
}

static void on_verified(void *user)
{
    struct ps_preview *preview = user;

    preview->verify = NULL;
    for (size_t i = 0; i < preview->batch.count; i++) {
        ps_sweep_result_count(&preview->result, &preview->batch.items[i]);
        preview->options.on_item(preview->options.user, &preview->batch.items[i]);
    }
    take(preview);
}

static void run_take(struct ps_job *job)
{
    struct ps_preview *preview = job->user;

    job->code = ps_reclaim_take_due(preview->options.read_only_state, PS_SWEEP_ROUND_MAX,
                                    preview->options.now_unix_s, &preview->batch, &job->err);
}

static void on_taken(struct ps_job *job)
{
    struct ps_preview *preview = job->user;
    const struct ps_verify_options options = {
        .loop = preview->options.loop,
        .batch = &preview->batch,
        .stores = &preview->stores,
        .now_unix_s = preview->options.now_unix_s,
        .on_done = on_verified,
        .user = preview,
    };
    struct ps_err err;

    if (job->code != PS_OK || preview->batch.count == 0) {
        end(preview, job->code != PS_OK ? &job->err : NULL);
        return;
    }
    preview->result.damaged_count += preview->batch.damaged_count;
    for (size_t i = 0; i < preview->batch.count; i++) {
        ps_verdict_due(&preview->batch.items[i], &preview->options.rules,
                       preview->options.now_unix_s);
    }
    if (ps_verify_start(&preview->verify, &options, &err) != PS_OK) {
        end(preview, &err);
    }
}

static void take(struct ps_preview *preview)
{
    ps_job_start(&preview->job, preview->options.loop, preview, run_take, on_taken);
}

static void run_count(struct ps_job *job)
{
    struct ps_preview *preview = job->user;

    job->code = ps_reclaim_count(preview->options.read_only_state, preview->options.now_unix_s,
                                 &preview->counts, &job->err);
}

static void on_counted(struct ps_job *job)
{
    struct ps_preview *preview = job->user;

    if (job->code != PS_OK) {
        end(preview, &job->err);
        return;
    }
    preview->result.due_count = preview->counts.due_count;
    preview->result.known_count = preview->counts.known_count;
    (void)!ps_fuse_check(&preview->options.fuse, preview->counts.due_count,
                         preview->counts.known_count, &preview->fuse_err);
    take(preview);
}

enum ps_code ps_preview_start(struct ps_preview **preview_out,
                              const struct ps_preview_options *options, struct ps_err *err)
{
    struct ps_preview *preview = calloc(1, sizeof(*preview));

    if (preview == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "preview: out of memory");
    }
    preview->options = *options;
    preview->stores.opener =
        (struct ps_store_opener){ .open = open_without_deleter, .user = preview };
    *preview_out = preview;
    ps_job_start(&preview->job, options->loop, preview, run_count, on_counted);
    return PS_OK;
}
