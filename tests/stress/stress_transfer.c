/* Uploads and downloads side by side in one process, through file:// and LMDB, for ThreadSanitizer and for races: each
 * object must come back as it was. A plain program: Criterion does not start under TSan. */
#include "state/state.h"
#include "store/file_store.h"
#include "transfer/download.h"
#include "transfer/upload.h"

#include "base/str.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

enum {
    TRANSFER_COUNT = 6,
    OBJECT_SIZE = 9 * 1024 * 1024 + 77,
    PART_SIZE = 1024 * 1024
};

struct stress {
    uv_loop_t loop;
    struct ps_store *store;
    struct ps_state *state;
    char dir[64];
    unsigned uploaded;
    unsigned downloaded;
    unsigned failed;
};

static char key_of[TRANSFER_COUNT][16];

static struct ps_state *open_state(void *user, struct ps_err *err)
{
    const struct stress *stress = user;

    (void)err;
    return stress->state;
}

static void note_error(struct stress *stress, const struct ps_err *err)
{
    if (err != NULL) {
        stress->failed++;
        (void)fprintf(stderr, "%s\n", err->message);
    }
}

static void on_downloaded(void *user, const struct ps_download_result *result,
                          const struct ps_err *err)
{
    struct stress *stress = user;

    note_error(stress, err);
    stress->downloaded++;
    if (err == NULL && !result->verified) {
        stress->failed++;
    }
}

static void on_uploaded(void *user, const struct ps_upload_result *result, const struct ps_err *err)
{
    struct stress *stress = user;

    (void)result;
    note_error(stress, err);
    stress->uploaded++;
}

static void write_source(const char *path, unsigned seed)
{
    FILE *file = fopen(path, "we");

    for (size_t i = 0; file != NULL && i < OBJECT_SIZE; i++) {
        (void)putc_unlocked((int)((i * 31 + seed + (i >> 12)) & 255), file);
    }
    if (file == NULL || fclose(file) != 0) {
        perror(path);
        exit(1);
    }
}

static void start_upload(struct stress *stress, unsigned i)
{
    char *source = ps_str_format("%s/source-%u", stress->dir, i);
    char *url = ps_str_format("file://%s/store/%s", stress->dir, key_of[i]);
    struct ps_upload *upload = NULL;
    const struct ps_upload_options options = {
        .loop = &stress->loop,
        .store = stress->store,
        .key = key_of[i],
        .url = url,
        .store_name = "file",
        .bucket = "",
        .source_path = source,
        .decider = ps_decider_builtin(),
        .policy_digest = "",
        .clock = ps_clock_system(),
        .open_state = open_state,
        .open_state_user = stress,
        .memory_limit_bytes = 1 << 28,
        .wishes = { .threshold_bytes = 1, .part_size_bytes = PART_SIZE },
        .on_done = on_uploaded,
        .user = stress,
    };

    write_source(source, i);
    if (ps_upload_start(&upload, &options, NULL) != PS_OK) {
        stress->failed++;
    }
    free(source);
    free(url);
}

static void start_download(struct stress *stress, unsigned i)
{
    char *path = ps_str_format("%s/back-%u", stress->dir, i);
    char *url = ps_str_format("file://%s/store/%s", stress->dir, key_of[i]);
    struct ps_download *download = NULL;
    const struct ps_download_options options = {
        .loop = &stress->loop,
        .store = stress->store,
        .key = key_of[i],
        .url = url,
        .path = path,
        .clock = ps_clock_system(),
        .open_state = open_state,
        .open_state_user = stress,
        .range_size_bytes = PART_SIZE,
        .on_done = on_downloaded,
        .user = stress,
    };

    if (ps_download_start(&download, &options, NULL) != PS_OK) {
        stress->failed++;
    }
    free(path);
    free(url);
}

static int compare(const struct stress *stress, unsigned i)
{
    char *command = ps_str_format("cmp %s/source-%u %s/back-%u", stress->dir, i, stress->dir, i);
    int status = system(command);

    free(command);
    return status;
}

static int remove_one(const char *path, const struct stat *status, int flag, struct FTW *walk)
{
    (void)status;
    (void)flag;
    (void)walk;
    return remove(path);
}

int main(void)
{
    static struct stress stress;
    char *root;
    char *state_dir;
    struct ps_state_options state_options = { .clock = ps_clock_system() };
    struct ps_file_store_options store_options = { .loop = &stress.loop,
                                                   .clock = ps_clock_system() };

    ps_str_copy(stress.dir, sizeof(stress.dir), "/tmp/purser-stress-XXXXXX");
    if (mkdtemp(stress.dir) == NULL) {
        return 1;
    }
    (void)uv_loop_init(&stress.loop);
    root = ps_str_format("%s/store", stress.dir);
    state_dir = ps_str_format("%s/state", stress.dir);
    store_options.root_dir = root;
    state_options.dir = state_dir;
    if (ps_file_store_new(&stress.store, &store_options, NULL) != PS_OK ||
        ps_state_open(&stress.state, &state_options, NULL) != PS_OK) {
        return 1;
    }
    for (unsigned i = 0; i < TRANSFER_COUNT; i++) {
        (void)snprintf(key_of[i], sizeof(key_of[i]), "object-%u", i);
        start_upload(&stress, i);
    }
    while (stress.uploaded < TRANSFER_COUNT && uv_run(&stress.loop, UV_RUN_ONCE) != 0) {
    }
    for (unsigned i = 0; i < TRANSFER_COUNT; i++) {
        start_download(&stress, i);
    }
    while (stress.downloaded < TRANSFER_COUNT && uv_run(&stress.loop, UV_RUN_ONCE) != 0) {
    }
    for (unsigned i = 0; i < TRANSFER_COUNT; i++) {
        stress.failed += compare(&stress, i) != 0 ? 1 : 0;
    }
    ps_store_free(stress.store);
    ps_state_close(stress.state);
    (void)uv_run(&stress.loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&stress.loop);
    free(root);
    free(state_dir);
    (void)nftw(stress.dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    (void)printf("%u uploads, %u downloads, %u failed\n", stress.uploaded, stress.downloaded,
                 stress.failed);
    return stress.failed == 0 ? 0 : 1;
}
