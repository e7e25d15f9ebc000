/* What a durable checkpoint costs: opening, and noting parts in batches of 1, 8 and 64 (one commit each).
 *
 * bench_state [DIR]   works in a fresh directory under DIR (/tmp); DIR should be on the disk that is asked about. */
#include "state/checkpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    PARTS_MAX = 10000,
    OPENS = 50
};

static char url[] = "s3://bucket/key";
static char no_policy[] = "";

static double now_s(void)
{
    struct timespec now = { 0 };

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void require(enum ps_code code, const struct ps_err *err)
{
    if (code != PS_OK) {
        (void)fprintf(stderr, "%s\n", err->message);
        exit(1);
    }
}

/* Notes parts for about two seconds, or all that an upload can have. */
static void bench_batch(struct ps_state *state, size_t batch)
{
    struct ps_upload_record record = {
        .url = url,
        .phase = PS_UPLOAD_SENDING,
        .source = { .kind = PS_SOURCE_STREAM },
        .policy_digest = no_policy,
    };
    struct ps_part_record parts[64] = { { .part_number = 0 } };
    struct ps_err err;
    double start;
    double took;
    unsigned commits = 0;
    uint32_t next = 1;

    require(ps_owner_self(&record.owner, &err), &err);
    require(ps_checkpoint_begin(state, &record, &err), &err);
    start = now_s();
    do {
        for (size_t i = 0; i < batch; i++) {
            parts[i].part_number = next++;
            parts[i].size_bytes = 16777216;
            (void)snprintf(parts[i].etag, sizeof(parts[i].etag), "\"%032u\"", next);
        }
        require(ps_checkpoint_parts_done(state, record.number, parts, batch, &err), &err);
        commits++;
        took = now_s() - start;
    } while (took < 2 && next + batch <= PARTS_MAX);
    (void)printf("bench_state: batch of %2zu: %.0f commits/s, %.1f us per part\n", batch,
                 commits / took, took * 1e6 / (next - 1));
    require(ps_checkpoint_end(state, record.number, url, &err), &err);
}

static void bench_open(const struct ps_state_options *options)
{
    struct ps_err err;
    double start = now_s();

    for (int i = 0; i < OPENS; i++) {
        struct ps_state *state = NULL;

        require(ps_state_open(&state, options, &err), &err);
        ps_state_close(state);
    }
    (void)printf("bench_state: open and close: %.0f us\n", (now_s() - start) * 1e6 / OPENS);
}

static void remove_dir(const char *dir)
{
    static const char *const names[] = { "data.mdb", "lock.mdb" };

    for (size_t i = 0; i < 2; i++) {
        char path[512];

        (void)snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(dir);
}

int main(int argc, char **argv)
{
    static const size_t batches[] = { 1, 8, 64 };
    char dir[256];
    const struct ps_state_options options = { .dir = dir, .clock = ps_clock_system() };
    struct ps_state *state = NULL;
    struct ps_err err = { .code = PS_OK };
    double start;

    (void)snprintf(dir, sizeof(dir), "%s/purser-bench-state-XXXXXX", argc > 1 ? argv[1] : "/tmp");
    if (mkdtemp(dir) == NULL) {
        perror(dir);
        return 1;
    }
    start = now_s();
    require(ps_state_open(&state, &options, &err), &err);
    (void)printf("bench_state: create: %.0f us\n", (now_s() - start) * 1e6);
    for (size_t i = 0; i < sizeof(batches) / sizeof(batches[0]); i++) {
        bench_batch(state, batches[i]);
    }
    ps_state_close(state);
    bench_open(&options);
    remove_dir(dir);
    return 0;
}
