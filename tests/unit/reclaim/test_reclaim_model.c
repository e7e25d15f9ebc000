/* Planner, verdicts and the pending store against a model of what should go: random records, events, holds and clocks.
 * The object store is the list of what was asked to be deleted. */
#include "reclaim/verdict.h"
#include "state/artifact.h"
#include "state/pending_reclaim.h"

#include <criterion/criterion.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

TestSuite(reclaim_model, .timeout = 300);

enum {
    URLS = 4,
    WORKFLOWS = 3,
    STEPS = 40,
    SEEDS = 300
};

/* --- the model: what each claim is, and when it is due --- */

struct model_claim {
    bool there;
    enum ps_gc_strategy strategy;
    int64_t after_s;
    int64_t recorded;
};

struct model_workflow {
    int64_t finished;
    int64_t deleted;
    int64_t cleared;
};

struct model {
    struct model_claim claims[URLS][WORKFLOWS];
    struct model_workflow workflows[WORKFLOWS];
    bool held[URLS];
    bool object[URLS];
};

static int64_t model_due(const struct model *model, int url, int wf)
{
    const struct model_claim *claim = &model->claims[url][wf];
    const struct model_workflow *workflow = &model->workflows[wf];
    int64_t due = INT64_MAX;

    if (claim->strategy == PS_GC_NEVER) {
        return due;
    }
    if (claim->strategy == PS_GC_ON_COMPLETION && workflow->finished != 0) {
        due = workflow->finished;
    }
    if (claim->strategy != PS_GC_UNSET && workflow->deleted != 0 && workflow->deleted < due) {
        due = workflow->deleted;
    }
    if (workflow->cleared != 0 && claim->recorded <= workflow->cleared && workflow->cleared < due) {
        due = workflow->cleared;
    }
    return due != INT64_MAX ? due + claim->after_s : due;
}

static int model_claims_of(const struct model *model, int url)
{
    int count = 0;

    for (int wf = 0; wf < WORKFLOWS; wf++) {
        count += model->claims[url][wf].there ? 1 : 0;
    }
    return count;
}

/* Nothing is left of a deleted workflow once its last claim has ended. */
static void model_tidy(struct model *model)
{
    for (int wf = 0; wf < WORKFLOWS; wf++) {
        bool needed = false;

        for (int url = 0; url < URLS; url++) {
            needed = needed || model->claims[url][wf].there;
        }
        if (model->workflows[wf].deleted != 0 && !needed) {
            model->workflows[wf] = (struct model_workflow){ 0 };
        }
    }
}

/* A claim that is due ends; with the last one the object goes. */
static void model_sweep(struct model *model, int64_t now)
{
    for (int url = 0; url < URLS; url++) {
        for (int wf = 0; wf < WORKFLOWS && !model->held[url]; wf++) {
            if (model->claims[url][wf].there && model_due(model, url, wf) <= now) {
                model->object[url] = model->object[url] && model_claims_of(model, url) > 1;
                model->claims[url][wf].there = false;
            }
        }
    }
    model_tidy(model);
}

/* --- the real thing --- */

struct world {
    char dir[64];
    struct ps_state *state;
    struct model model;
    bool object[URLS];
    int64_t now;
    uint64_t random;
    int made[WORKFLOWS]; /* which run of that name it is */
};

static void require(enum ps_code code, const struct ps_err *err)
{
    cr_assert_eq(code, PS_OK, "%s", err->message);
}

static unsigned pick(struct world *world, unsigned count)
{
    world->random = world->random * 6364136223846793005U + 1442695040888963407U;
    return (unsigned)((world->random >> 33) % count);
}

static void url_of(int url, char *text)
{
    (void)snprintf(text, 32, "s3://b/k%d", url);
}

static void real_record(struct world *world, int url, int wf, enum ps_gc_strategy strategy,
                        bool late)
{
    char text[32];
    char name[16];
    struct ps_workflow workflow = { .ns = "n", .name = name, .uid = name };
    struct ps_artifact_entry entry = {
        .artifact = { .url = text,
                      .etag = "\"e\"",
                      .strategy = strategy,
                      .created_unix_s = world->now,
                      .recorded_unix_s = world->now },
        .workflow = &workflow,
    };
    struct ps_err err;

    url_of(url, text);
    (void)snprintf(name, sizeof(name), "w%d", wf);
    if (late) {
        entry.artifact.labels =
            (struct ps_labels){ .count = 1, .items = { { "purser/reclaim-after", "50s" } } };
    }
    require(ps_artifact_record(world->state, &entry, 1, &err), &err);
}

static void real_report(struct world *world, int wf, enum ps_reclaim_event event,
                        const char *status)
{
    char name[16];
    const struct ps_workflow workflow = { .ns = "n", .name = name, .uid = name, .status = status };
    const struct ps_workflow_report report = { &workflow, event, world->now };
    struct ps_err err;

    (void)snprintf(name, sizeof(name), "w%d", wf);
    require(ps_workflow_report(world->state, &report, 1, NULL, &err), &err);
}

static const struct ps_reclaim_rules *rules(void)
{
    static struct ps_reclaim_rules builtin;

    builtin.decider = ps_decider_builtin();
    return &builtin;
}

static void real_plan(struct world *world)
{
    struct ps_reclaim_batch batch = { 0 };
    struct ps_err err;

    do {
        require(ps_reclaim_take_queued(world->state, 3, world->now, &batch, &err), &err);
        for (size_t i = 0; i < batch.count; i++) {
            ps_verdict_plan(&batch.items[i], rules(), world->now);
        }
        require(ps_reclaim_settle(world->state, &batch, world->now, &err), &err);
    } while (batch.queue_count > 0);
    ps_reclaim_batch_clear(&batch);
}

static void real_delete(struct world *world, struct ps_reclaim_item *item)
{
    struct ps_artifact artifact;

    cr_assert(ps_reclaim_item_artifact(item, &artifact));
    world->object[artifact.url[strlen(artifact.url) - 1] - '0'] = false;
    item->outcome = PS_OUTCOME_DELETED;
}

/* One pass over what is due. True when something changed under it. */
static bool real_pass(struct world *world)
{
    struct ps_reclaim_batch batch = { 0 };
    bool changed = false;
    struct ps_err err;

    for (;;) {
        require(ps_reclaim_take_due(world->state, 3, world->now, &batch, &err), &err);
        if (batch.count == 0) {
            break;
        }
        for (size_t i = 0; i < batch.count; i++) {
            ps_verdict_due(&batch.items[i], rules(), world->now);
        }
        require(ps_reclaim_settle(world->state, &batch, world->now, &err), &err);
        for (size_t i = 0; i < batch.count; i++) {
            changed = changed || batch.items[i].changed;
            if (batch.items[i].outcome == PS_OUTCOME_MARK) {
                real_delete(world, &batch.items[i]);
            } else {
                batch.items[i].outcome = PS_OUTCOME_NONE;
            }
        }
        require(ps_reclaim_settle(world->state, &batch, world->now, &err), &err);
    }
    cr_assert_eq(batch.damaged_count, 0);
    ps_reclaim_batch_clear(&batch);
    return changed;
}

static void real_sweep(struct world *world)
{
    for (int i = 0; i < WORKFLOWS && real_pass(world); i++) {
    }
}

static void real_hold(struct world *world, int url, bool held)
{
    char text[32];
    const struct ps_hold hold = { .url = text, .since_unix_s = world->now, .why = "test" };
    uint64_t deleting = 0;
    uint64_t queued = 0;
    bool found = false;
    struct ps_err err;

    url_of(url, text);
    if (held) {
        require(ps_hold_set(world->state, &hold, &deleting, &err), &err);
    } else {
        require(ps_hold_release(world->state, text, world->now, &found, &queued, &err), &err);
    }
}

/* --- steps --- */

static void step_record(struct world *world)
{
    int url = (int)pick(world, URLS);
    int wf = (int)pick(world, WORKFLOWS);
    enum ps_gc_strategy strategy = (enum ps_gc_strategy)pick(world, 4);
    bool late = pick(world, 2) == 0;

    real_record(world, url, wf, strategy, late);
    world->model.claims[url][wf] =
        (struct model_claim){ true, strategy, late ? 50 : 0, world->now };
    world->model.object[url] = true;
    world->object[url] = true;
}

static void step_event(struct world *world)
{
    int wf = (int)pick(world, WORKFLOWS);
    struct model_workflow *workflow = &world->model.workflows[wf];

    switch (pick(world, 5)) {
    case 0:
    case 1:
        real_report(world, wf, PS_EVENT_COMPLETED, "Succeeded");
        workflow->finished = workflow->finished != 0 ? workflow->finished : world->now;
        break;
    case 2:
        real_report(world, wf, PS_EVENT_AGE, "Running");
        workflow->finished = 0;
        break;
    case 3:
        real_report(world, wf, PS_EVENT_DELETED, "");
        workflow->deleted = workflow->deleted != 0 ? workflow->deleted : world->now;
        break;
    default:
        real_report(world, wf, PS_EVENT_CLEARED, "");
        workflow->cleared = world->now;
    }
}

static void step(struct world *world)
{
    unsigned what = pick(world, 10);
    int url = (int)pick(world, URLS);

    world->now += (int64_t)pick(world, 40);
    if (what < 4) {
        step_record(world);
    } else if (what < 8) {
        step_event(world);
    } else if (what == 8) {
        real_hold(world, url, !world->model.held[url]);
        world->model.held[url] = !world->model.held[url];
    }
}

static bool see(void *user, const struct ps_scanned *scanned)
{
    bool(*seen)[WORKFLOWS] = user;

    seen[scanned->artifact->url[strlen(scanned->artifact->url) - 1] - '0']
        [scanned->workflow->name[1] - '0'] = true;
    return true;
}

static void compare(struct world *world, unsigned seed, int at)
{
    bool seen[URLS][WORKFLOWS] = { { false } };
    uint64_t damaged = 0;
    struct ps_err err;

    require(ps_artifact_scan(world->state, see, seen, &damaged, &err), &err);
    for (int url = 0; url < URLS; url++) {
        cr_assert_eq(world->object[url], world->model.object[url],
                     "seed %u step %d: object %d is %s", seed, at, url,
                     world->object[url] ? "forgotten" : "deleted");
        for (int wf = 0; wf < WORKFLOWS; wf++) {
            cr_assert_eq(seen[url][wf], world->model.claims[url][wf].there,
                         "seed %u step %d: claim of w%d on %d is %s", seed, at, wf, url,
                         seen[url][wf] ? "forgotten" : "ended");
        }
    }
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
    (void)info;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void run(unsigned seed)
{
    struct world world = { .now = 1000000, .random = seed };
    const struct ps_state_options options = { .dir = world.dir, .clock = ps_clock_system() };
    struct ps_err err;

    (void)snprintf(world.dir, sizeof(world.dir), "%s/purser-model-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    cr_assert_not_null(mkdtemp(world.dir));
    require(ps_state_open(&world.state, &options, &err), &err);
    for (int wf = 0; wf < WORKFLOWS; wf++) {
        real_report(&world, wf, PS_EVENT_AGE, "Running");
    }
    for (int i = 0; i < STEPS; i++) {
        step(&world);
        if (pick(&world, 3) == 0) {
            real_plan(&world);
            real_sweep(&world);
            model_sweep(&world.model, world.now);
            compare(&world, seed, i);
        }
    }
    ps_state_close(world.state);
    (void)nftw(world.dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

Test(reclaim_model, what_goes_is_what_the_model_says)
{
    for (unsigned seed = 1; seed <= SEEDS; seed++) {
        run(seed);
    }
}
