/* archive_writer: any bytes as an archive. Whatever comes of it, all that is written lies in the directory. */
#include "sink/archive_writer.h"

#include "tests/fuzz/fuzz_pull.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The top must hold nothing but the directory. */
static void check_top(const char *top)
{
    DIR *dir = opendir(top);

    if (dir == NULL) {
        abort();
    }
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            strcmp(entry->d_name, "dest") != 0) {
            abort();
        }
    }
    (void)closedir(dir);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char top[] = "/tmp/purser-fuzz-XXXXXX";
    char dest[64];
    char command[128];
    struct fuzz_bytes bytes = { data, size, 0 };
    struct ps_extract_options options = {
        .dest = dest,
        .limits = { 100, (uint64_t)1024 * 1024, 100 },
        .attributes = true,
        .mode = -1,
        .root_mode = -1,
        .pull = fuzz_pull,
        .user = &bytes,
    };
    struct ps_extract_result result;
    struct ps_err err;

    if (mkdtemp(top) == NULL) {
        abort();
    }
    (void)snprintf(dest, sizeof(dest), "%s/dest", top);
    if (ps_archive_extract(&options, &result, &err) != PS_OK && err.message[0] == '\0') {
        abort();
    }
    check_top(top);
    (void)snprintf(command, sizeof(command), "chmod -R u+rwx %s && rm -rf %s", top, top);
    if (system(command) != 0) {
        abort();
    }
    return 0;
}
