/* How fast the checksums are on one core: each way of CRC-64/NVME, each algorithm, and a combine.
 * Usage: bench_hash [MIB]   (default 64: more than a last-level cache share holds, as a part does)
 * Prints a line each: name, best of several passes, unit. */
#include "hash/checksum.h"
#include "hash/crc64_nvme.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    PASS_COUNT = 5,
    COMBINE_COUNT = 20000,
    SIZE_DEFAULT_MIB = 64,
};

/* What was computed, so that the compiler cannot leave it out. */
static volatile uint64_t sink;

/* The time of this thread: what else the machine does is not counted. */
static double thread_s(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void print_rate(const char *name, size_t size_bytes, double best_s)
{
    (void)printf("hash.%s %.2f GB/s\n", name, (double)size_bytes / best_s / 1e9);
}

static void bench_way(enum ps_crc64_way way, const char *name, const void *data, size_t size_bytes)
{
    double best_s = 1e9;

    if (!ps_crc64_can(way)) {
        (void)printf("hash.%s not on this processor\n", name);
        return;
    }
    for (int i = 0; i < PASS_COUNT; i++) {
        double start_s = thread_s();
        double took_s;

        sink = ps_crc64_nvme_by(way, 0, data, size_bytes);
        took_s = thread_s() - start_s;
        best_s = took_s < best_s ? took_s : best_s;
    }
    print_rate(name, size_bytes, best_s);
}

static void bench_algorithm(enum ps_checksum_algorithm algorithm, const void *data,
                            size_t size_bytes)
{
    double best_s = 1e9;

    for (int i = 0; i < PASS_COUNT; i++) {
        struct ps_hasher hasher;
        struct ps_checksum sum;
        double start_s = thread_s();
        double took_s;

        if (ps_hasher_init(&hasher, algorithm, NULL) != PS_OK) {
            exit(1);
        }
        ps_hasher_update(&hasher, data, size_bytes);
        sum = ps_hasher_finish(&hasher);
        took_s = thread_s() - start_s;
        best_s = took_s < best_s ? took_s : best_s;
        sink = sum.bytes[0];
        ps_hasher_clear(&hasher);
    }
    print_rate(ps_checksum_name(algorithm), size_bytes, best_s);
}

/* Of a part of 5 GiB: the length costs a step a bit. */
static void bench_combine(enum ps_checksum_algorithm algorithm)
{
    struct ps_checksum whole = ps_checksum_from_u64(algorithm, 0x12345678);
    const struct ps_checksum next = ps_checksum_from_u64(algorithm, 0x9abcdef0);
    double start_s = thread_s();

    for (int i = 0; i < COMBINE_COUNT; i++) {
        if (ps_checksum_combine(&whole, &next, UINT64_C(5) << 30, NULL) != PS_OK) {
            exit(1);
        }
    }
    sink = ps_checksum_to_u64(&whole);
    (void)printf("hash.%s.combine %.0f ns\n", ps_checksum_name(algorithm),
                 (thread_s() - start_s) * 1e9 / COMBINE_COUNT);
}

int main(int argc, char **argv)
{
    unsigned long mebibytes = argc > 1 ? strtoul(argv[1], NULL, 10) : SIZE_DEFAULT_MIB;
    size_t size_bytes = (size_t)mebibytes * 1024 * 1024;
    unsigned char *data = mebibytes > 0 && mebibytes <= 65536 ? malloc(size_bytes) : NULL;

    if (data == NULL) {
        (void)fprintf(stderr, "bench_hash: give 1 to 65536 MiB\n");
        return 2;
    }
    for (size_t i = 0; i < size_bytes; i++) {
        data[i] = (unsigned char)(i * 31 + (i >> 12));
    }
    bench_way(PS_CRC64_TABLE, "crc64nvme.table", data, size_bytes);
    bench_way(PS_CRC64_CLMUL, "crc64nvme.clmul", data, size_bytes);
    bench_way(PS_CRC64_WIDE, "crc64nvme.wide", data, size_bytes);
    for (int i = PS_CHECKSUM_CRC64_NVME; i <= PS_CHECKSUM_SHA256; i++) {
        bench_algorithm((enum ps_checksum_algorithm)i, data, size_bytes);
    }
    for (int i = PS_CHECKSUM_CRC64_NVME; i <= PS_CHECKSUM_CRC32; i++) {
        bench_combine((enum ps_checksum_algorithm)i);
    }
    free(data);
    return 0;
}
