/* A million pending reclaims: recorded, planned by a Lua policy, listed, simulated and swept against a store that does
 * nothing. Prints what each costs a record, the database's size and the most private memory.
 *
 * bench_reclaim [COUNT] [DIR]   COUNT artifacts (1000000), 10 to a workflow; works in a fresh directory under DIR (/tmp) */
#include "hash/digest.h"
#include "lua/policy_set.h"
#include "reclaim/reclaim_planner.h"
#include "reclaim/sweeper.h"
#include "state/artifact.h"
#include "state/pending_reclaim.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BATCH 10000
#define ARTIFACTS_PER_WORKFLOW 10
#define NOW ((int64_t)1800000000)
#define DAY ((int64_t)86400)

static const char policy_text[] =
    "return { api = 1, name = 'bench', reclaim = function(artifact, workflow)\n"
    "  if not workflow or artifact.event ~= 'completed' then return nil end\n"
    "  if workflow.status ~= 'Succeeded' then\n"
    "    return { action = 'keep', reason = 'the workflow did not succeed' }\n"
    "  end\n"
    "  return { action = 'delete', after = '1d', reason = 'the workflow succeeded' }\n"
    "end }\n";

/* --- the store that does nothing --- */

struct null_op {
    struct ps_store_op base;
    struct null_op *next;
    ps_store_head_fn head;
    ps_store_delete_fn deleted;
    void *user;
    char key[512];
    char **keys;
    size_t count;
};

struct null_store {
    struct ps_store base;
    uv_timer_t timer;
    struct null_op *first;
    struct null_op **last;
};

static void answer_head(const struct null_op *op)
{
    const struct ps_object_info info = { .key = op->key,
                                         .size_bytes = 1048576,
                                         .mtime_unix_ms = (NOW - DAY) * 1000,
                                         .etag = "\"d41d8cd98f00b204e9800998ecf8427e\"",
                                         .content_type = "",
                                         .storage_class = "",
                                         .version_id = "",
                                         .restore = "",
                                         .composite = "" };

    op->head(op->user, &info, NULL);
}

static void answer_deleted(struct null_op *op)
{
    struct ps_delete_result *results = calloc(op->count, sizeof(*results));

    for (size_t i = 0; i < op->count; i++) {
        results[i] = (struct ps_delete_result){ .key = op->keys[i], .code = PS_OK, .message = "" };
    }
    op->deleted(op->user, results, op->count, NULL);
    for (size_t i = 0; i < op->count; i++) {
        free(op->keys[i]);
    }
    free(op->keys);
    free(results);
}

static void on_timer(uv_timer_t *timer)
{
    struct null_store *store = timer->data;
    struct null_op *op = store->first;

    store->first = NULL;
    store->last = &store->first;
    while (op != NULL) {
        struct null_op *next = op->next;

        if (op->head != NULL) {
            answer_head(op);
        } else {
            answer_deleted(op);
        }
        free(op);
        op = next;
    }
}

static struct ps_store_op *push(struct null_store *store, struct null_op *op)
{
    *store->last = op;
    store->last = &op->next;
    (void)uv_timer_start(&store->timer, on_timer, 0, 0);
    return &op->base;
}

static struct ps_store_op *null_head(struct ps_store *base, const char *key, ps_store_head_fn done,
                                     void *user, struct ps_err *err)
{
    struct null_op *op = calloc(1, sizeof(*op));

    (void)err;
    op->head = done;
    op->user = user;
    (void)snprintf(op->key, sizeof(op->key), "%s", key);
    return push((struct null_store *)base, op);
}

static struct ps_store_op *null_delete(struct ps_store *base, const char *const *keys, size_t count,
                                       ps_store_delete_fn done, void *user, struct ps_err *err)
{
    struct null_op *op = calloc(1, sizeof(*op));

    (void)err;
    op->deleted = done;
    op->user = user;
    op->count = count;
    op->keys = calloc(count, sizeof(*op->keys));
    for (size_t i = 0; i < count; i++) {
        op->keys[i] = strdup(keys[i]);
    }
    return push((struct null_store *)base, op);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void null_free(struct ps_store *base)
{
    struct null_store *store = (struct null_store *)base;

    free(store->base.root_url);
    uv_close((uv_handle_t *)&store->timer, on_closed);
}

static const struct ps_store_ops null_ops = { .head = null_head, .free = null_free };
static const struct ps_deleter_ops null_deleter_ops = { .delete_batch = null_delete };

static enum ps_code open_null(void *user, const char *url, struct ps_open_store *open_out,
                              struct ps_err *err)
{
    struct null_store *store = calloc(1, sizeof(*store));

    (void)url;
    (void)err;
    store->base.ops = &null_ops;
    store->base.deleter_ops = &null_deleter_ops;
    store->base.capabilities.delete_batch_max = 1000;
    store->base.root_url = strdup("s3://bench");
    store->last = &store->first;
    store->timer.data = store;
    (void)uv_timer_init(user, &store->timer);
    *open_out = (struct ps_open_store){ .store = &store->base };
    return PS_OK;
}

/* --- measuring --- */

static atomic_bool sampling = true;
static atomic_long most_anon_kib;

static long anon_kib(void)
{
    FILE *file = fopen("/proc/self/status", "re");
    char line[256];
    long kib = 0;

    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (sscanf(line, "RssAnon: %ld kB", &kib) == 1) {
            break;
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return kib;
}

static void *sample(void *unused)
{
    const struct timespec pause = { 0, 5000000 };

    while (atomic_load(&sampling)) {
        long kib = anon_kib();

        if (kib > atomic_load(&most_anon_kib)) {
            atomic_store(&most_anon_kib, kib);
        }
        (void)nanosleep(&pause, NULL);
    }
    return unused;
}

static double now_s(clockid_t clock)
{
    struct timespec now = { 0 };

    (void)clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

struct phase {
    const char *name;
    double wall_s;
    double cpu_s;
};

/* What it takes so far; begin and end may come in turns. */
static void begin(struct phase *phase)
{
    phase->wall_s -= now_s(CLOCK_MONOTONIC);
    phase->cpu_s -= now_s(CLOCK_PROCESS_CPUTIME_ID);
}

static void end(struct phase *phase)
{
    phase->wall_s += now_s(CLOCK_MONOTONIC);
    phase->cpu_s += now_s(CLOCK_PROCESS_CPUTIME_ID);
}

static void print(const struct phase *phase, uint64_t count)
{
    double wall_s = phase->wall_s;
    double cpu_s = phase->cpu_s;

    (void)printf("bench_reclaim: %-9s %8.3f s, %6.2f us a record (CPU %6.2f), RssAnon %ld MiB\n",
                 phase->name, wall_s, wall_s * 1e6 / (double)count, cpu_s * 1e6 / (double)count,
                 anon_kib() / 1024);
}

static void require(enum ps_code code, const struct ps_err *err)
{
    if (code != PS_OK) {
        (void)fprintf(stderr, "%s\n", err->message);
        exit(1);
    }
}

/* --- phases --- */

struct bench {
    uv_loop_t loop;
    struct ps_state *state;
    struct ps_policy_set *set;
    struct ps_decider decider;
    struct ps_reclaim_rules rules;
    uint64_t count;
    bool done;
    uint64_t asked;
    uint64_t planned;
    struct ps_sweep_result swept;
    uint64_t listed;
    uint64_t simulated;
};

/* Names as Kubernetes makes them: workflows are not recorded in the order of their names. */
static void workflow_name(uint64_t i, char *name, size_t size)
{
    /* An odd factor makes it one to one. */
    (void)snprintf(name, size, "train-model-%06" PRIx64, (i * 0x9e3779b1U) & 0xffffffU);
}

static void on_planned(void *user, const struct ps_plan_result *result, const struct ps_err *err)
{
    struct bench *bench = user;

    require(err != NULL ? err->code : PS_OK, err);
    bench->asked += result->asked_count;
    bench->planned += result->planned_count;
    bench->done = true;
}

static void run_until_done(struct bench *bench)
{
    bench->done = false;
    while (!bench->done) {
        (void)uv_run(&bench->loop, UV_RUN_ONCE);
    }
}

static void plan(struct bench *bench)
{
    const struct ps_planner_options options = { .loop = &bench->loop,
                                                .state = bench->state,
                                                .rules = bench->rules,
                                                .clock = ps_clock_system(),
                                                .now_unix_s = NOW,
                                                .on_done = on_planned,
                                                .user = bench };
    struct ps_planner *planner = NULL;
    struct ps_err err;

    require(ps_planner_start(&planner, &options, &err), &err);
    run_until_done(bench);
}

static void record(struct bench *bench)
{
    struct ps_artifact_entry *entries = calloc(BATCH, sizeof(*entries));
    struct ps_workflow *workflows = calloc(BATCH, sizeof(*workflows));
    char(*urls)[128] = calloc(BATCH, sizeof(*urls));
    char(*names)[48] = calloc(BATCH, sizeof(*names));
    struct phase phase = { .name = "record" };
    struct phase planning = { .name = "plan age" };
    struct ps_err err;

    for (uint64_t at = 0; at < bench->count; at += BATCH) {
        for (uint64_t i = 0; i < BATCH; i++) {
            uint64_t w = i / ARTIFACTS_PER_WORKFLOW;

            if (i % ARTIFACTS_PER_WORKFLOW == 0) {
                workflow_name((at + i) / ARTIFACTS_PER_WORKFLOW, names[w], sizeof(names[w]));
                workflows[w] = (struct ps_workflow){ .ns = "argo",
                                                     .name = names[w],
                                                     .uid = names[w],
                                                     .template_name = "train-model",
                                                     .created_unix_s = NOW - DAY };
            }
            (void)snprintf(urls[i], sizeof(urls[i]), "s3://artifacts/argo/%s/main/output-%02d.tgz",
                           names[w], (int)(i % ARTIFACTS_PER_WORKFLOW));
            entries[i] = (struct ps_artifact_entry){
                .artifact = { .url = urls[i],
                              .has_size = true,
                              .size_bytes = 1048576,
                              .etag = "\"d41d8cd98f00b204e9800998ecf8427e\"",
                              .node_id = "train-model-1234567890",
                              .node_status = "Succeeded",
                              .name = "output",
                              .strategy = PS_GC_ON_COMPLETION,
                              .created_unix_s = NOW - DAY,
                              .recorded_unix_s = NOW - DAY },
                .workflow = &workflows[w],
            };
        }
        begin(&phase);
        require(ps_artifact_record(bench->state, entries, BATCH, &err), &err);
        end(&phase);
        begin(&planning); /* as an agent does: the queue is never long */
        plan(bench);
        end(&planning);
    }
    print(&phase, bench->count);
    print(&planning, bench->count);
    free(entries);
    free(workflows);
    free(urls);
    free(names);
}

static void complete(struct bench *bench)
{
    uint64_t workflow_count = bench->count / ARTIFACTS_PER_WORKFLOW;
    struct ps_workflow *workflows = calloc(BATCH, sizeof(*workflows));
    struct ps_workflow_report *reports = calloc(BATCH, sizeof(*reports));
    char(*names)[48] = calloc(BATCH, sizeof(*names));
    struct phase phase = { .name = "complete" };
    struct phase planning = { .name = "plan" };
    struct ps_err err;

    for (uint64_t at = 0; at < workflow_count; at += BATCH) {
        size_t n = workflow_count - at < BATCH ? (size_t)(workflow_count - at) : BATCH;

        for (size_t i = 0; i < n; i++) {
            workflow_name(at + i, names[i], sizeof(names[i]));
            workflows[i] = (struct ps_workflow){
                .ns = "argo", .name = names[i], .uid = names[i], .status = "Succeeded"
            };
            reports[i] = (struct ps_workflow_report){ &workflows[i], PS_EVENT_COMPLETED, NOW };
        }
        begin(&phase);
        require(ps_workflow_report(bench->state, reports, n, NULL, &err), &err);
        end(&phase);
        begin(&planning);
        plan(bench);
        end(&planning);
    }
    print(&phase, bench->count);
    print(&planning, bench->count);
    (void)printf("bench_reclaim: %" PRIu64 " questions, %" PRIu64 " planned\n", bench->asked,
                 bench->planned);
    free(workflows);
    free(reports);
    free(names);
}

static bool list_one(void *user, const struct ps_reclaim_row *row)
{
    struct bench *bench = user;

    (void)row;
    return ++bench->listed < 1000;
}

static void list(struct bench *bench)
{
    double start_s = now_s(CLOCK_MONOTONIC);
    struct ps_reclaim_query query = { .due_max_unix_s = NOW + 2 * DAY, .now_unix_s = NOW };
    bool more = false;
    struct ps_err err;

    require(ps_reclaim_each(bench->state, &query, list_one, bench, &more, &err), &err);
    (void)printf("bench_reclaim: ls --due   %8.3f ms for the first %" PRIu64 "\n",
                 (now_s(CLOCK_MONOTONIC) - start_s) * 1e3, bench->listed);
}

static bool simulate_one(void *user, const struct ps_scanned *scanned)
{
    struct bench *bench = user;
    struct ps_reclaim_asked asked;
    struct ps_reclaim_decision decision;

    ps_reclaim_ask_scanned(&asked, scanned, &bench->rules, PS_EVENT_COMPLETED, NOW);
    bench->decider.reclaim(bench->decider.user, &asked.question, &decision);
    bench->simulated += decision.action == PS_ACTION_DELETE ? 1 : 0;
    return true;
}

static void simulate(struct bench *bench)
{
    struct phase phase = { .name = "simulate" };
    uint64_t damaged_count = 0;
    struct ps_err err;

    begin(&phase);
    require(ps_artifact_scan(bench->state, simulate_one, bench, &damaged_count, &err), &err);
    end(&phase);
    print(&phase, bench->count);
}

static void on_swept(void *user, const struct ps_sweep_result *result, const struct ps_err *err)
{
    struct bench *bench = user;

    require(err != NULL ? err->code : PS_OK, err);
    bench->swept = *result;
    bench->done = true;
}

static void sweep(struct bench *bench)
{
    const struct ps_sweeper_options options = {
        .loop = &bench->loop,
        .state = bench->state,
        .rules = bench->rules,
        .opener = { .open = open_null, .user = &bench->loop },
        .clock = ps_clock_system(),
        .now_unix_s = NOW + 2 * DAY,
        .fuse = { .count_max = UINT64_MAX, .percent_max = 100 },
        .on_done = on_swept,
        .user = bench,
    };
    struct ps_sweeper *sweeper = NULL;
    struct phase phase = { .name = "sweep" };
    struct ps_err err;

    begin(&phase);
    require(ps_sweeper_start(&sweeper, &options, &err), &err);
    run_until_done(bench);
    end(&phase);
    print(&phase, bench->count);
    (void)printf("bench_reclaim: %" PRIu64 " deleted\n", bench->swept.deleted_count);
}

static void print_size(const struct bench *bench, const char *dir)
{
    char path[512];
    struct stat status = { 0 };

    (void)snprintf(path, sizeof(path), "%s/data.mdb", dir);
    (void)stat(path, &status);
    (void)printf("bench_reclaim: database %.0f bytes a record\n",
                 (double)status.st_blocks * 512 / (double)bench->count);
}

static void load_policy(struct bench *bench, const char *dir)
{
    struct ps_policy_options options = { .clock = ps_clock_system(), .digest = ps_sha256 };
    char path[512];
    FILE *file;
    struct ps_err err;

    (void)snprintf(path, sizeof(path), "%s/50-bench.lua", dir);
    file = fopen(path, "we");
    if (file == NULL || fputs(policy_text, file) < 0 || fclose(file) != 0) {
        perror(path);
        exit(1);
    }
    options.only_file = path;
    require(ps_policy_set_load(&bench->set, &options, &err), &err);
    bench->decider = ps_policy_set_decider(bench->set);
    bench->rules = (struct ps_reclaim_rules){ .decider = &bench->decider };
    (void)unlink(path);
}

int main(int argc, char **argv)
{
    static struct bench bench;
    char dir[256];
    char path[512];
    const struct ps_state_options options = { .dir = dir, .clock = ps_clock_system() };
    pthread_t sampler;
    struct ps_err err;

    bench.count = argc > 1 ? strtoull(argv[1], NULL, 10) / BATCH * BATCH : 1000000;
    (void)snprintf(dir, sizeof(dir), "%s/purser-bench-reclaim-XXXXXX", argc > 2 ? argv[2] : "/tmp");
    if (bench.count == 0 || mkdtemp(dir) == NULL) {
        perror(dir);
        return 1;
    }
    (void)uv_loop_init(&bench.loop);
    require(ps_state_open(&bench.state, &options, &err), &err);
    load_policy(&bench, dir);
    (void)pthread_create(&sampler, NULL, sample, NULL);
    record(&bench);
    complete(&bench);
    print_size(&bench, dir);
    list(&bench);
    simulate(&bench);
    sweep(&bench);
    atomic_store(&sampling, false);
    (void)pthread_join(sampler, NULL);
    (void)printf("bench_reclaim: most RssAnon %.1f MiB\n",
                 (double)atomic_load(&most_anon_kib) / 1024);
    ps_state_close(bench.state);
    ps_policy_set_free(bench.set);
    (void)uv_run(&bench.loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&bench.loop);
    (void)snprintf(path, sizeof(path), "%s/data.mdb", dir);
    (void)unlink(path);
    (void)snprintf(path, sizeof(path), "%s/lock.mdb", dir);
    (void)unlink(path);
    (void)rmdir(dir);
    return bench.swept.deleted_count == bench.count ? 0 : 1;
}
