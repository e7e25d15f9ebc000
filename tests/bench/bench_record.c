/* Records many artifacts of one workflow at once, for tests/bench/reclaim_delete.py, and reports it completed.
 *
 * bench_record STATE_DIR SIZE ETAG < URLS   one URL a line; all have that size and ETag */
#include "state/artifact.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BATCH 10000

static char urls[BATCH][1024];
static struct ps_artifact_entry entries[BATCH];

static void require(enum ps_code code, const struct ps_err *err)
{
    if (code != PS_OK) {
        (void)fprintf(stderr, "%s\n", err->message);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    const struct ps_workflow workflow = {
        .ns = "bench", .name = "bench", .uid = "bench", .status = "Succeeded"
    };
    const struct ps_workflow_report report = { &workflow, PS_EVENT_COMPLETED, time(NULL) };
    struct ps_state_options options = { .clock = ps_clock_system() };
    struct ps_state *state = NULL;
    size_t count = 0;
    struct ps_err err;
    bool more = true;

    if (argc != 4) {
        (void)fprintf(stderr, "usage: bench_record STATE_DIR SIZE ETAG < URLS\n");
        return 2;
    }
    options.dir = argv[1];
    require(ps_state_open(&state, &options, &err), &err);
    while (more) {
        more = fgets(urls[count], sizeof(urls[count]), stdin) != NULL;
        if (more) {
            urls[count][strcspn(urls[count], "\n")] = '\0';
            entries[count] = (struct ps_artifact_entry){
                .artifact = { .url = urls[count],
                              .has_size = true,
                              .size_bytes = strtoull(argv[2], NULL, 10),
                              .etag = argv[3],
                              .strategy = PS_GC_ON_COMPLETION,
                              .created_unix_s = time(NULL),
                              .recorded_unix_s = time(NULL) },
                .workflow = &workflow,
            };
            count++;
        }
        if (count == BATCH || (!more && count > 0)) {
            require(ps_artifact_record(state, entries, count, &err), &err);
            count = 0;
        }
    }
    require(ps_workflow_report(state, &report, 1, NULL, &err), &err);
    ps_state_close(state);
    return 0;
}
