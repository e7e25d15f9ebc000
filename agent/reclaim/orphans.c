#include "reclaim/orphans.h"

#include "base/str.h"
#include "state/checkpoint.h"
#include "transfer/job.h"

#include <stdlib.h>

/** Uploads in one run; the others wait for the next. */
#define ORPHANS_MAX 1000

struct orphan {
    uint64_t number;
    char *url;
    char *
        upload_id; /* NULL: CreateMultipartUpload never answered, so there is nothing to abort by */
};

struct ps_orphans {
    struct ps_orphans_options options;
    struct ps_job job;
    struct orphan found[ORPHANS_MAX];
    size_t count;
    size_t at;
    struct ps_open_store store; /* of the orphan at hand */
    uint64_t aborted_count;
    struct ps_err err; /* code OK = none */
};

static void next(struct ps_orphans *orphans);

static void end(struct ps_orphans *orphans)
{
    orphans->options.on_done(orphans->options.user, orphans->aborted_count,
                             orphans->err.code != PS_OK ? &orphans->err : NULL);
    for (size_t i = 0; i < orphans->count; i++) {
        free(orphans->found[i].url);
        free(orphans->found[i].upload_id);
    }
    free(orphans);
}

/* --- one of them --- */

static void run_forget(struct ps_job *job)
{
    struct ps_orphans *orphans = job->user;
    const struct orphan *orphan = &orphans->found[orphans->at];

    job->code = ps_checkpoint_end(orphans->options.state, orphan->number, orphan->url, &job->err);
}

static void on_forgotten(struct ps_job *job)
{
    struct ps_orphans *orphans = job->user;

    if (job->code != PS_OK) {
        orphans->err = job->err;
    } else {
        orphans->aborted_count++;
        if (orphans->options.on_aborted != NULL) {
            orphans->options.on_aborted(orphans->options.user, orphans->found[orphans->at].url);
        }
    }
    orphans->at++;
    next(orphans);
}

static void on_aborted(void *user, const struct ps_err *err)
{
    struct ps_orphans *orphans = user;

    ps_store_close(&orphans->store);
    if (err != NULL && err->code != PS_E_NO_UPLOAD) {
        orphans->err = *err;
        orphans->at++;
        next(orphans);
        return;
    }
    ps_job_start(&orphans->job, orphans->options.loop, orphans, run_forget, on_forgotten);
}

/* True when something is under way. */
static bool start_one(struct ps_orphans *orphans)
{
    const struct orphan *orphan = &orphans->found[orphans->at];

    if (orphan->upload_id == NULL) {
        ps_job_start(&orphans->job, orphans->options.loop, orphans, run_forget, on_forgotten);
        return true;
    }
    if (orphans->options.opener.open(orphans->options.opener.user, orphan->url, &orphans->store,
                                     &orphans->err) != PS_OK) {
        return false;
    }
    if (ps_store_abort(orphans->store.store, orphans->store.key, orphan->upload_id, on_aborted,
                       orphans, &orphans->err) == NULL) {
        ps_store_close(&orphans->store);
        return false;
    }
    return true;
}

static void next(struct ps_orphans *orphans)
{
    for (; orphans->at < orphans->count; orphans->at++) {
        if (start_one(orphans)) {
            return;
        }
    }
    end(orphans);
}

/* --- finding them --- */

/* One that runs is nobody's to abort; who asked for it by number is told. */
static bool is_wanted(struct ps_orphans *orphans, const struct ps_upload_record *record)
{
    const struct ps_orphans_options *options = &orphans->options;
    int64_t age_ms = options->now_unix_s * 1000 - record->updated_unix_ms;
    bool alive = ps_owner_is_alive(&record->owner);

    if (options->upload_number == 0) {
        return age_ms >= 0 && (uint64_t)age_ms >= options->older_than_ms && !alive;
    }
    if (record->number == options->upload_number && alive) {
        (void)ps_err_set(&orphans->err, PS_E_LOCKED, "%s: locked by pid %ld: stop it first",
                         record->url, (long)record->owner.pid);
    }
    return record->number == options->upload_number && !alive;
}

static bool note(void *user, const struct ps_upload_record *record)
{
    struct ps_orphans *orphans = user;
    struct orphan *orphan = &orphans->found[orphans->count];

    if (orphans->count == ORPHANS_MAX) {
        return false;
    }
    if (!is_wanted(orphans, record)) {
        return true;
    }
    orphan->number = record->number;
    orphan->url = ps_strdup(record->url);
    orphan->upload_id = ps_strdup(record->upload_id);
    if (orphan->url == NULL || (orphan->upload_id == NULL && record->upload_id != NULL)) {
        free(orphan->url);
        free(orphan->upload_id);
        *orphan = (struct orphan){ 0 };
        return false;
    }
    orphans->count++;
    return true;
}

static void run_find(struct ps_job *job)
{
    struct ps_orphans *orphans = job->user;

    job->code = orphans->options.older_than_ms != 0 || orphans->options.upload_number != 0
                    ? ps_checkpoint_each(orphans->options.state, note, orphans, &job->err)
                    : PS_OK;
}

static void on_found(struct ps_job *job)
{
    struct ps_orphans *orphans = job->user;

    if (job->code != PS_OK && job->code != PS_E_PARSE) { /* damaged ones were passed over */
        orphans->err = job->err;
    } else if (orphans->options.upload_number != 0 && orphans->count == 0 &&
               orphans->err.code == PS_OK) {
        (void)ps_err_set(&orphans->err, PS_E_NOT_FOUND, "no upload %llu: see purser uploads ls",
                         (unsigned long long)orphans->options.upload_number);
    }
    next(orphans);
}

enum ps_code ps_orphans_start(struct ps_orphans **orphans_out,
                              const struct ps_orphans_options *options, struct ps_err *err)
{
    struct ps_orphans *orphans = calloc(1, sizeof(*orphans));

    if (orphans == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "orphans: out of memory");
    }
    orphans->options = *options;
    *orphans_out = orphans;
    ps_job_start(&orphans->job, options->loop, orphans, run_find, on_found);
    return PS_OK;
}
