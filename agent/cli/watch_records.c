#include "cli/watch_records_internal.h"

#include "base/str.h"
#include "base/uv_handle.h"
#include "kube/workflow_fetch.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LEASE_NAME "purser-agent"

#define RETRY_MS 5000

/* --- writing --- */

static void run_write(struct ps_job *job)
{
    struct ps_watch_records *records = job->user;
    const struct ps_watch_list_place *place = records->worker_only.list;
    const struct ps_watch_list list = {
        .state = records->state,
        .cluster = ps_kube_client_server(records->client),
        .ns = place != NULL ? place->ns : "",
        .seen = &records->loop_only.seen, /* the loop leaves it alone meanwhile */
        .turn = records->worker_only.list_turn,
        .now_unix_s = records->worker_only.batch.now_unix_s,
    };

    job->code = place != NULL
                    ? ps_watch_write_absent(&list, &records->worker_only.absent_count, &job->err)
                    : ps_watch_write(&records->worker_only.batch, &job->err);
}

static void clear_items(struct ps_watch_item *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ps_watched_workflow_clear(&items[i].workflow);
    }
}

static void end_batch(struct ps_watch_records *records)
{
    struct ps_watch_batch *batch = &records->worker_only.batch;

    if (batch->foreign_count > 0) {
        ps_log(records->log, PS_LOG_WARN, "watch", "%" PRIu64 " artifacts are kept: %s",
               batch->foreign_count, batch->foreign);
    }
    records->loop_only.stats.artifact_count += batch->artifact_count;
    records->loop_only.stats.foreign_count += batch->foreign_count;
    clear_items(records->worker_only.items, batch->count);
    batch->count = 0;
}

/* Note what is gathered and is not noted yet. One that is as it was is written all the same: that changes nothing. */
static void note_gathered(struct ps_watch_records *records)
{
    bool changed = false;
    struct ps_err err;

    for (size_t i = records->loop_only.noted_count; i < records->loop_only.count; i++) {
        if (ps_watch_seen_note(&records->loop_only.seen, &records->loop_only.items[i].workflow,
                               &changed, &err) != PS_OK) {
            ps_log(records->log, PS_LOG_ERROR, "watch", "%s", err.message);
        }
    }
    records->loop_only.noted_count = records->loop_only.count;
}

static void end_list(struct ps_watch_records *records)
{
    records->worker_only.list->ended = false;
    records->worker_only.list = NULL;
    records->loop_only.stats.absent_count += records->worker_only.absent_count;
    note_gathered(records);
    if (records->worker_only.absent_count > 0) {
        ps_log(records->log, PS_LOG_INFO, "watch",
               "%" PRIu64 " workflows were deleted while nobody watched",
               records->worker_only.absent_count);
    }
}

static void records_free(struct ps_watch_records *records);

static void start_job(struct ps_watch_records *records);
static void move_batch(struct ps_watch_records *records);

/* What was gathered is written before the end. What cannot be is told again by the next agent's list. */
static void end_or_write_last(struct ps_watch_records *records, enum ps_code code)
{
    if (code == PS_OK && records->loop_only.count > 0) {
        move_batch(records);
        start_job(records);
    } else {
        records_free(records);
    }
}

static void on_written(struct ps_job *job)
{
    struct ps_watch_records *records = job->user;

    records->writing = false;
    if (job->code != PS_OK) {
        ps_log(records->log, PS_LOG_ERROR, "watch", "writing the state: %s: trying again",
               job->err.message);
    } else {
        if (records->worker_only.list != NULL) {
            end_list(records);
        } else {
            end_batch(records);
        }
        if (records->on_recorded != NULL && !records->stopping) {
            records->on_recorded(records->user);
        }
    }
    if (records->stopping) {
        end_or_write_last(records, job->code);
    } else if (job->code != PS_OK) {
        ps_watch_records_write_later(records, RETRY_MS);
    } else {
        ps_watch_records_write_next(records);
    }
}

static void start_job(struct ps_watch_records *records)
{
    records->writing = true;
    records->worker_only.batch.now_unix_s = ps_clock_unix_ms(records->clock) / 1000;
    records->worker_only.batch.artifact_count = 0;
    records->worker_only.batch.foreign_count = 0;
    records->worker_only.absent_count = 0;
    ps_job_start(&records->job, records->loop, records, run_write, on_written);
}

/* The gathered items become the worker's. */
static void move_batch(struct ps_watch_records *records)
{
    struct ps_watch_batch *batch = &records->worker_only.batch;

    memcpy(records->worker_only.items, records->loop_only.items,
           records->loop_only.count * sizeof(records->loop_only.items[0]));
    batch->count = records->loop_only.count;
    records->loop_only.count = 0;
    records->loop_only.noted_count = 0;
    records->loop_only.artifact_count = 0;
}

static struct ps_watch_list_place *ended_list(const struct ps_watch_records *records)
{
    for (size_t i = 0; i < records->loop_only.list_count; i++) {
        if (records->loop_only.lists[i].ended) {
            return (struct ps_watch_list_place *)(uintptr_t)&records->loop_only.lists[i];
        }
    }
    return NULL;
}

static void resume(struct ps_watch_records *records)
{
    if (records->loop_only.paused && records->watch != NULL) {
        records->loop_only.paused = false;
        ps_workflow_watch_resume(records->watch);
    }
}

/* A batch that failed is still there and goes first; then what was gathered; then what is gone. */
void ps_watch_records_write_next(struct ps_watch_records *records)
{
    if (records->writing) {
        return;
    }
    if (records->worker_only.list == NULL && records->worker_only.batch.count == 0) {
        if (records->loop_only.count > 0) {
            move_batch(records);
        } else {
            records->worker_only.list = ended_list(records);
            records->worker_only.list_turn =
                records->worker_only.list != NULL ? records->worker_only.list->turn : 0;
        }
    }
    if (records->worker_only.list != NULL || records->worker_only.batch.count > 0) {
        start_job(records);
    }
    /* While the worker looks for what is gone, nothing may be noted as seen. */
    if (records->worker_only.list == NULL &&
        records->loop_only.count < PS_WATCH_BATCH_COUNT_MAX / 2) {
        resume(records);
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct ps_watch_records *records = timer->data;

    ps_watch_records_write_next(records);
}

void ps_watch_records_write_later(struct ps_watch_records *records, uint64_t wait_ms)
{
    (void)uv_timer_start(records->timer, on_timer, wait_ms, 0);
}

/* --- life --- */

static void end_watch(struct ps_watch_records *records)
{
    ps_workflow_watch_free(records->watch);
    records->watch = NULL;
    records->loop_only.paused = false;
}

static void begin_watch(struct ps_watch_records *records)
{
    const struct ps_workflow_watch_options options = {
        .loop = records->loop,
        .client = records->client,
        .clock = records->clock,
        .log = records->log,
        .namespaces = records->settings->watch_namespaces,
        .argo_server = records->settings->watch_argo_server,
        .sink = ps_watch_records_sink(records),
    };
    struct ps_err err;

    if (ps_workflow_watch_start(&records->watch, &options, &err) != PS_OK) {
        ps_log(records->log, PS_LOG_ERROR, "watch", "%s", err.message);
    }
}

static void on_leads(void *user, bool leads)
{
    struct ps_watch_records *records = user;

    if (leads && records->watch == NULL) {
        begin_watch(records);
    } else if (!leads) {
        end_watch(records);
    }
}

static void records_free(struct ps_watch_records *records)
{
    void (*on_stopped)(void *user) = records->on_stopped;
    void *user = records->stopped_user;

    end_watch(records);
    ps_lease_free(records->lease);
    ps_kube_client_free(records->client);
    ps_uv_handle_close((uv_handle_t *)records->timer);
    clear_items(records->loop_only.items, records->loop_only.count);
    clear_items(records->worker_only.items, records->worker_only.batch.count);
    ps_watch_seen_clear(&records->loop_only.seen);
    for (size_t i = 0; i < records->loop_only.list_count; i++) {
        free(records->loop_only.lists[i].ns);
    }
    free(records);
    if (on_stopped != NULL) {
        on_stopped(user);
    }
}

static enum ps_code make_client(struct ps_watch_records *records, struct ps_http_client *http,
                                struct ps_err *err)
{
    struct ps_kube_config config = { 0 };
    enum ps_code code = ps_kube_config_load(&config, records->settings->watch_kubeconfig,
                                            records->getenv, records->getenv_user, err);

    if (code == PS_OK) {
        code = ps_kube_client_new(&records->client, http, &config, err);
    }
    ps_kube_config_clear(&config);
    return code;
}

static enum ps_code start_lease(struct ps_watch_records *records, uint32_t lease_ms,
                                struct ps_err *err)
{
    struct ps_lease_options options = {
        .loop = records->loop,
        .client = records->client,
        .clock = records->clock,
        .log = records->log,
        .name = LEASE_NAME,
        .duration_ms = lease_ms,
        .on_change = on_leads,
        .user = records,
    };
    char host[256] = "";
    char *identity;
    enum ps_code code;

    (void)gethostname(host, sizeof(host) - 1);
    /* A pod's name is its host name; the number tells two agents of one machine apart, and a restarted one. */
    identity = ps_str_format("%s_%016" PRIx64, host, ps_clock_random(records->clock));
    if (identity == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    options.identity = identity;
    code = ps_lease_start(&records->lease, &options, err);
    free(identity);
    return code;
}

enum ps_code ps_watch_records_start(struct ps_watch_records **records_out,
                                    const struct ps_watch_records_options *options,
                                    struct ps_err *err)
{
    struct ps_watch_records *records = calloc(1, sizeof(*records));
    enum ps_code code;

    if (records == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    records->loop = options->loop;
    records->settings = options->settings;
    records->clock = options->clock;
    records->log = options->log;
    records->getenv = options->getenv;
    records->getenv_user = options->getenv_user;
    records->state = options->state;
    records->on_recorded = options->on_recorded;
    records->user = options->user;
    code = ps_workflow_fetch_check(records->settings->watch_argo_server, err);
    if (code == PS_OK) {
        code = make_client(records, options->http, err);
    }
    if (code == PS_OK) {
        records->worker_only.batch = (struct ps_watch_batch){
            .state = records->state,
            .settings = records->settings,
            .getenv = records->getenv,
            .getenv_user = records->getenv_user,
            .cluster = ps_kube_client_server(records->client),
            .items = records->worker_only.items,
        };
        records->timer = ps_uv_timer_new(records->loop, records);
        code = records->timer != NULL ? start_lease(records, options->lease_ms, err)
                                      : ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    if (code != PS_OK) {
        records_free(records);
        return code;
    }
    *records_out = records;
    return PS_OK;
}

void ps_watch_records_stats(const struct ps_watch_records *records,
                            struct ps_watch_records_stats *stats_out)
{
    *stats_out = records->loop_only.stats;
    stats_out->leads = ps_lease_leads(records->lease);
    stats_out->is_settled = !records->writing && records->loop_only.count == 0 &&
                            records->worker_only.batch.count == 0 && ended_list(records) == NULL;
    if (records->watch != NULL) {
        ps_workflow_watch_stats(records->watch, &stats_out->watch);
    }
}

void ps_watch_records_stop(struct ps_watch_records *records, void (*on_stopped)(void *user),
                           void *user)
{
    if (records == NULL) {
        if (on_stopped != NULL) {
            on_stopped(user);
        }
        return;
    }
    records->on_stopped = on_stopped;
    records->stopped_user = user;
    records->stopping = true;
    end_watch(records);
    if (!records->writing) {
        end_or_write_last(records, records->worker_only.batch.count > 0 ? PS_E_IO : PS_OK);
    }
}
