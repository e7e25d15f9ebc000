/* Runs the fuzz target on the files that are named: the corpus as a regression test, without libFuzzer. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *path)
{
    FILE *file = fopen(path, "rbe");
    uint8_t *data = malloc(1 << 20);
    size_t size;

    if (file == NULL || data == NULL) {
        (void)fprintf(stderr, "%s: cannot be read\n", path);
        return 1;
    }
    size = fread(data, 1, 1 << 20, file);
    (void)LLVMFuzzerTestOneInput(data, size);
    (void)fclose(file);
    free(data);
    return 0;
}

int main(int argc, char **argv)
{
    int failed = 0;

    for (int i = 1; i < argc; i++) {
        failed += replay(argv[i]);
    }
    (void)printf("%d inputs replayed\n", argc - 1);
    return failed != 0 || argc < 2 ? 1 : 0; /* an empty corpus proves nothing */
}
