/* Two threads note parts, three read, in one process with a map that is too small and has to grow beside them: for
 * ThreadSanitizer and for races. A reader must see whole batches, from the first part on without a gap. A plain
 * program: Criterion does not start under TSan. */
#include "state/checkpoint.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    WRITER_COUNT = 2,
    READER_COUNT = 3,
    BATCH = 10,
    PART_COUNT = 1500,
    SMALL_MAP_BYTES = 128 * 1024
};

struct stress {
    struct ps_state *state;
    uint64_t numbers[WRITER_COUNT];
    atomic_uint writers_left;
    atomic_uint failed;
    atomic_uint reads;
};

struct writer {
    struct stress *stress;
    uint64_t number;
};

static void fail(struct stress *stress, const char *what, const struct ps_err *err)
{
    atomic_fetch_add(&stress->failed, 1);
    (void)fprintf(stderr, "%s: %s\n", what, err->message);
}

static void *write_parts(void *user)
{
    struct writer *writer = user;
    struct ps_err err = { .code = PS_OK };

    for (uint32_t first = 1; first <= PART_COUNT; first += BATCH) {
        struct ps_part_record parts[BATCH] = { { .part_number = 0 } };

        for (uint32_t i = 0; i < BATCH; i++) {
            parts[i].part_number = first + i;
            parts[i].size_bytes = writer->number * 1000000 + first + i;
            (void)snprintf(parts[i].etag, sizeof(parts[i].etag), "\"%u\"", first + i);
        }
        if (ps_checkpoint_parts_done(writer->stress->state, writer->number, parts, BATCH, &err) !=
            PS_OK) {
            fail(writer->stress, "parts_done", &err);
            break;
        }
    }
    atomic_fetch_sub(&writer->stress->writers_left, 1);
    return NULL;
}

/* The number of parts, which must be whole batches and contents that follow from the part_number. */
static size_t check_parts(struct stress *stress, uint64_t number)
{
    struct ps_part_record *parts = NULL;
    struct ps_err err = { .code = PS_OK };
    size_t count = 0;

    if (ps_checkpoint_parts(stress->state, number, &parts, &count, &err) != PS_OK) {
        fail(stress, "parts", &err);
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        if (parts[i].part_number != i + 1 || parts[i].size_bytes != number * 1000000 + i + 1) {
            (void)ps_err_set(&err, PS_E_BUG, "part %zu is not what was noted", i + 1);
            fail(stress, "parts", &err);
        }
    }
    if (count % BATCH != 0) {
        (void)ps_err_set(&err, PS_E_BUG, "%zu parts: half a batch", count);
        fail(stress, "parts", &err);
    }
    free(parts);
    return count;
}

static bool count_upload(void *user, const struct ps_upload_record *record)
{
    (void)record;
    ++*(unsigned *)user;
    return true;
}

static void *read_parts(void *user)
{
    struct stress *stress = user;
    size_t seen[WRITER_COUNT] = { 0 };

    while (atomic_load(&stress->writers_left) != 0) {
        struct ps_err err = { .code = PS_OK };
        unsigned uploads = 0;

        for (size_t i = 0; i < WRITER_COUNT; i++) {
            size_t count = check_parts(stress, stress->numbers[i]);

            if (count < seen[i]) {
                (void)ps_err_set(&err, PS_E_BUG, "%zu parts after %zu", count, seen[i]);
                fail(stress, "parts", &err);
            }
            seen[i] = count;
        }
        if (ps_checkpoint_each(stress->state, count_upload, &uploads, &err) != PS_OK ||
            uploads != WRITER_COUNT) {
            fail(stress, "each", &err);
        }
        atomic_fetch_add(&stress->reads, 1);
    }
    return NULL;
}

static int begin_all(struct stress *stress)
{
    static char urls[WRITER_COUNT][16];
    static char no_policy[1] = "";
    struct ps_err err = { .code = PS_OK };

    for (size_t i = 0; i < WRITER_COUNT; i++) {
        struct ps_upload_record record = {
            .url = urls[i],
            .phase = PS_UPLOAD_CREATING,
            .source = { .kind = PS_SOURCE_STREAM },
            .policy_digest = no_policy,
        };

        (void)snprintf(urls[i], sizeof(urls[i]), "s3://b/%zu", i);
        if (ps_owner_self(&record.owner, &err) != PS_OK ||
            ps_checkpoint_begin(stress->state, &record, &err) != PS_OK) {
            fail(stress, "begin", &err);
            return 1;
        }
        stress->numbers[i] = record.number;
    }
    return 0;
}

static void run_threads(struct stress *stress)
{
    pthread_t threads[WRITER_COUNT + READER_COUNT];
    struct writer writers[WRITER_COUNT];
    size_t started = 0;

    atomic_store(&stress->writers_left, WRITER_COUNT);
    for (size_t i = 0; i < WRITER_COUNT + READER_COUNT; i++) {
        int rc;

        if (i < WRITER_COUNT) {
            writers[i] = (struct writer){ stress, stress->numbers[i] };
            rc = pthread_create(&threads[i], NULL, write_parts, &writers[i]);
        } else {
            rc = pthread_create(&threads[i], NULL, read_parts, stress);
        }
        if (rc != 0) {
            abort();
        }
        started++;
    }
    for (size_t i = 0; i < started; i++) {
        (void)pthread_join(threads[i], NULL);
    }
}

static void remove_dir(const char *dir)
{
    static const char *const names[] = { "data.mdb", "lock.mdb" };

    for (size_t i = 0; i < 2; i++) {
        char path[128];

        (void)snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(dir);
}

int main(void)
{
    char dir[] = "/tmp/purser-stress-state-XXXXXX";
    struct ps_state_options options = {
        .dir = dir,
        .map_size_bytes = SMALL_MAP_BYTES,
        .clock = ps_clock_system(),
    };
    struct stress stress = { .state = NULL };
    struct ps_err err = { .code = PS_OK };

    if (mkdtemp(dir) == NULL || ps_state_open(&stress.state, &options, &err) != PS_OK) {
        (void)fprintf(stderr, "%s: %s\n", dir, err.message);
        return 1;
    }
    if (begin_all(&stress) == 0) {
        run_threads(&stress);
        for (size_t i = 0; i < WRITER_COUNT; i++) {
            if (check_parts(&stress, stress.numbers[i]) != PART_COUNT) {
                atomic_fetch_add(&stress.failed, 1);
            }
        }
    }
    ps_state_close(stress.state);
    remove_dir(dir);
    (void)printf("stress_state: %d parts noted, %u rounds of reads, %u failed\n",
                 WRITER_COUNT * PART_COUNT, atomic_load(&stress.reads),
                 atomic_load(&stress.failed));
    return atomic_load(&stress.failed) != 0 ? 1 : 0;
}
