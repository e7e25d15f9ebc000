#include "base/str.h"
#include "tests/support/archive_judge.h"
#include "tests/support/member_rig.h"
#include "tests/support/memory_in_use.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* What a member's stream does when its store or its reader does not, how much it holds, and that it leaves nothing. */

#define MIB ((size_t)1024 * 1024)

TestSuite(member_stream_feed, .timeout = 100, .init = member_rig_ignore_sigpipe);

static const struct {
    const char *name;
    bool zip;
} archives[] = {
    { "tar", false },     { "gnu.tar", false }, { "tar.gz", false },
    { "tar.zst", false }, { "zip", true },      { "stream.zip", true },
};
#define ARCHIVES (sizeof(archives) / sizeof(archives[0]))

/* --- what the store does --- */

static const struct {
    const char *name;
    enum memory_fault fault;
    uint64_t at_bytes;
    enum ps_code code;
    const char *store_code;
} broken[] = {
    { "gone", MEMORY_GONE, 0, PS_E_NOT_FOUND, "NoSuchKey" },
    { "denied", MEMORY_DENIED, 0, PS_E_DENIED, "AccessDenied" },
    { "archived", MEMORY_ARCHIVED, 0, PS_E_DENIED, "InvalidObjectState" },
    { "cut at once", MEMORY_CUT, 0, PS_E_TEMPORARY, "connection reset" },
    { "cut in the middle", MEMORY_CUT, 200000, PS_E_TEMPORARY, "connection reset" },
};

static void expect_broken(struct member_rig *rig, size_t index, const char *name,
                          const char *member)
{
    member_rig_expect_failure(rig, member, broken[index].code, "");
    cr_expect_str_eq(ps_member_stream_error(rig->stream)->store_code, broken[index].store_code,
                     "%s: %s", name, broken[index].name);
    member_rig_stop(rig);
}

Test(member_stream_feed, error_of_the_store_is_told_as_the_cause)
{
    for (size_t i = 0; i < ARCHIVES; i++) {
        struct member_rig rig;
        struct memory_object *object;

        member_rig_open(&rig);
        object = member_rig_make(&rig, archives[i].name);
        for (size_t j = 0; j < sizeof(broken) / sizeof(broken[0]); j++) {
            object->fault = broken[j].fault;
            object->fault_at_bytes = broken[j].at_bytes;
            expect_broken(&rig, j, archives[i].name, "big.bin");
            if (!archives[i].zip || broken[j].at_bytes == 0) { /* its list needs no such byte */
                expect_broken(&rig, j, archives[i].name, NULL);
            }
        }
        member_rig_close(&rig);
    }
}

/* A tar that ends between two members without its end is good to libarchive, as to GNU tar: but the store was cut. */
Test(member_stream_feed, tar_that_the_store_cuts_between_two_members_is_not_whole)
{
    static const enum memory_fault faults[] = { MEMORY_CUT, MEMORY_SHORT };
    struct member_rig rig;
    struct memory_object *object;

    member_rig_open(&rig);
    object = member_rig_make(&rig, "many.tar");
    for (size_t i = 0; i < 2; i++) {
        for (unsigned members = 1; members < 200; members += 40) {
            object->fault = faults[i];
            object->fault_at_bytes = members * (uint64_t)1024; /* a header and a block each */
            member_rig_expect_failure(&rig, NULL, PS_E_TEMPORARY, "");
            member_rig_stop(&rig);
            member_rig_expect_failure(&rig, "02000", PS_E_TEMPORARY, "");
            member_rig_stop(&rig);
        }
    }
    member_rig_close(&rig);
}

Test(member_stream_feed, other_version_of_the_archive_is_not_read)
{
    static const char *const names[] = { "tar.gz", "zip" };

    for (size_t i = 0; i < 2; i++) {
        struct member_rig rig;

        member_rig_open(&rig);
        (void)member_rig_make(&rig, names[i]);
        rig.options.etag = "\"older\"";
        member_rig_expect_failure(&rig, "a.txt", PS_E_CHANGED, "");
        member_rig_stop(&rig);
        rig.options.etag = "";
        member_rig_get(&rig, "a.txt");
        member_rig_close(&rig);
    }
}

/* --- pace --- */

/* POSIX.1-1988 ustar, of a file "big". */
static void fill_header(char header[512], size_t size_bytes)
{
    unsigned sum = 0;

    ps_str_copy(header, 100, "big");
    ps_str_copy(header + 100, 8, "0000644");
    ps_str_copy(header + 108, 8, "0000000");
    ps_str_copy(header + 116, 8, "0000000");
    (void)snprintf(header + 124, 12, "%011o", (unsigned)size_bytes);
    ps_str_copy(header + 136, 12, "14524635360"); /* 1700000000 */
    memcpy(header + 148, "        0", 9);
    memcpy(header + 257, "ustar\00000", 8);
    for (size_t i = 0; i < 512; i++) {
        sum += (unsigned char)header[i];
    }
    (void)snprintf(header + 148, 8, "%06o", sum);
}

Test(member_stream_feed, reader_that_takes_nothing_stops_thread_and_store)
{
    char *noise = archive_judge_noise(8 * MIB);
    struct member_rig rig;
    struct ps_buf tar;
    uint64_t before_bytes = 0;
    char header[512] = { 0 };

    fill_header(header, 8 * MIB);
    ps_buf_init(&tar, SIZE_MAX);
    cr_assert_eq(ps_buf_append(&tar, header, sizeof(header), NULL), PS_OK);
    cr_assert_eq(ps_buf_append(&tar, noise, 8 * MIB, NULL), PS_OK);
    member_rig_open(&rig);
    (void)member_rig_put(&rig, &tar);
    ps_buf_clear(&tar);
    rig.options.member = "big";
    rig.read_size = 0;
    member_rig_start(&rig);
    while (!rig.opened || before_bytes < 100000) {
        (void)member_rig_step(&rig, UV_RUN_ONCE);
        before_bytes = memory_store_counts(rig.memory).sent_bytes;
    }
    for (unsigned i = 0; i < 1000; i++) {
        (void)member_rig_step(&rig, UV_RUN_NOWAIT);
        before_bytes = memory_store_counts(rig.memory).sent_bytes;
        cr_assert_leq(before_bytes, 512 * 1024, "two pipes, a block and libarchive's buffers");
    }

    rig.read_size = 65536;
    member_rig_read(&rig);
    member_rig_run(&rig);

    member_rig_expect_bytes(&rig, "big", noise, 8 * MIB);
    free(noise);
    member_rig_close(&rig);
}

/* --- memory --- */

Test(member_stream_feed, memory_is_what_is_said_whatever_the_archive)
{
    static const struct {
        const char *archive;
        bool much; /* is asked of reserve */
        const char *member;
    } rows[] = {
        { "tar", false, "last" },         { "tar.gz", false, "last" },
        { "zip", false, "last" },         { "stream.zip", false, "last" },
        { "bomb.tar.gz", false, "bomb" }, { "bomb.zip", false, "bomb" },
        { "tar.zst", true, "last" },      { "ultra.tar.zst", true, "last" },
        { "skip.tar.zst", true, "last" }, { "wide.zip", true, "39999" },
        { "large.zip", false, "22" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct member_rig rig;
        size_t before;

        member_rig_open(&rig);
        (void)member_rig_make(&rig, rows[i].archive);
        rig.keeps_nothing = true;
        rig.options.limits.ratio_max = 1 << 20;
        before = memory_in_use();

        member_rig_get(&rig, rows[i].member);

        cr_expect_eq(rig.reserved_bytes >= PS_MEMBER_STREAM_ZSTD_MEMORY_BYTES, rows[i].much,
                     "%s: %zu", rows[i].archive, (size_t)rig.reserved_bytes);
        cr_expect_leq(rig.memory_max - before, PS_MEMBER_STREAM_MEMORY_BYTES + rig.reserved_bytes,
                      "%s: %zu", rows[i].archive, rig.memory_max - before);
        member_rig_close(&rig);
    }
}

Test(member_stream_feed, zstd_without_memory_for_it_is_not_read)
{
    static const size_t blocks[] = { 65536, 3, 1 };

    for (size_t i = 0; i < 3; i++) {
        struct member_rig rig;

        member_rig_open(&rig);
        (void)member_rig_make(&rig, "tar.zst");
        memory_store_set_block(rig.memory, blocks[i]);
        rig.reserve_max = PS_MEMBER_STREAM_ZSTD_MEMORY_BYTES - 1;
        member_rig_expect_failure(&rig, NULL, PS_E_NO_MEMORY, "try again");
        cr_expect_eq(rig.reserved_bytes, 0);
        member_rig_close(&rig);
    }
}

Test(member_stream_feed, zip_without_memory_for_its_directory_is_not_read)
{
    struct member_rig rig;

    member_rig_open(&rig);
    (void)member_rig_make(&rig, "wide.zip");
    rig.reserve_max = 2 * MIB;
    member_rig_expect_failure(&rig, NULL, PS_E_NO_MEMORY, "try again");
    member_rig_close(&rig);
}

Test(member_stream_feed, zstd_of_a_window_that_takes_much_memory_is_refused)
{
    struct member_rig rig;
    size_t before;

    member_rig_open(&rig);
    (void)member_rig_make(&rig, "long.tar.zst");
    before = memory_in_use();
    member_rig_expect_failure(&rig, "a.txt", PS_E_REFUSED, "its window is larger than 8 MiB");
    cr_expect_leq(rig.memory_max - before, PS_MEMBER_STREAM_MEMORY_BYTES, "%zu",
                  rig.memory_max - before);
    member_rig_close(&rig);

    member_rig_open(&rig);
    (void)member_rig_make(&rig, "twice.tar.gz"); /* unpacked once, it is no tar */
    before = memory_in_use();
    member_rig_expect_failure(&rig, "a.txt", PS_E_CORRUPT, "no tar, tar.gz, tar.zst or zip");
    cr_expect_leq(rig.memory_max - before, PS_MEMBER_STREAM_MEMORY_BYTES, "%zu",
                  rig.memory_max - before);
    member_rig_close(&rig);
}

/* --- the end at any time --- */

Test(member_stream_feed, given_up_at_any_point_it_leaves_nothing)
{
    static const char *const names[] = { "tar.gz", "zip", "tar.zst" };
    static const char *const members[] = { NULL, "last" };

    for (size_t i = 0; i < 3; i++) {
        for (size_t k = 0; k < 2; k++) {
            struct member_rig rig;
            bool ended = false;

            member_rig_open(&rig);
            (void)member_rig_make(&rig, names[i]);
            memory_store_set_block(rig.memory, 30000);
            rig.options.member = members[k];
            for (unsigned steps = 0; !ended; steps++) {
                member_rig_start(&rig);
                for (unsigned j = 0; j < steps && member_rig_step(&rig, UV_RUN_ONCE); j++) {
                }
                ended = rig.ended;
                member_rig_stop(&rig);
            }
            member_rig_close(&rig);
        }
    }
}

Test(member_stream_feed, given_up_while_nobody_reads_it_ends_at_once)
{
    static const char *const names[] = { "tar.gz", "zip", "tar.zst", "bomb.tar.gz", "bomb.zip" };

    for (size_t i = 0; i < 5; i++) {
        struct member_rig rig;

        member_rig_open(&rig);
        (void)member_rig_make(&rig, names[i]);
        rig.options.limits.ratio_max = 1 << 20;
        rig.options.member = i < 3 ? "zeros" : "bomb";
        rig.read_size = 0;
        member_rig_start(&rig);
        while (!rig.opened) {
            (void)member_rig_step(&rig, UV_RUN_ONCE);
        }
        member_rig_stop(&rig);
        member_rig_close(&rig);
    }
}

Test(member_stream_feed, given_up_while_the_store_is_silent_it_ends_at_once)
{
    static const uint64_t places[] = { 0, 3, 100, 150000 };

    for (size_t i = 0; i < ARCHIVES; i++) {
        struct member_rig rig;
        struct memory_object *object;

        member_rig_open(&rig);
        object = member_rig_make(&rig, archives[i].name);
        object->fault = MEMORY_STALLED;
        rig.options.member = "zeros";
        for (size_t j = 0; j < sizeof(places) / sizeof(places[0]); j++) {
            object->fault_at_bytes = places[j];
            member_rig_start(&rig);
            for (unsigned k = 0; k < 100; k++) {
                (void)member_rig_step(&rig, UV_RUN_NOWAIT);
            }
            cr_expect_not(rig.ended);
            member_rig_stop(&rig);
        }
        member_rig_close(&rig);
    }
}

Test(member_stream_feed, without_descriptors_it_does_not_start_and_leaves_none)
{
    struct member_rig rig;
    struct rlimit limit;
    unsigned fds;
    bool started = false;

    member_rig_open(&rig);
    (void)member_rig_make(&rig, "tar.gz");
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    fds = member_rig_count("/proc/self/fd");
    for (unsigned more = 0; !started; more++) {
        struct ps_err err = { .code = PS_OK };
        const struct rlimit less = { fds - 1 + more, limit.rlim_max }; /* count had its own open */

        cr_assert_eq(setrlimit(RLIMIT_NOFILE, &less), 0);
        started = ps_member_stream_start(&rig.stream, &rig.options, &err) == PS_OK;
        cr_expect(started || err.message[0] != '\0');
        if (started) {
            member_rig_run(&rig); /* perhaps the store's bytes find none */
            cr_expect(rig.ended || ps_member_stream_error(rig.stream)->message[0] != '\0');
            ps_member_stream_free(rig.stream);
            rig.stream = NULL;
        }
        cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
        (void)uv_run(&rig.loop, UV_RUN_DEFAULT);
        cr_expect_leq(member_rig_count("/proc/self/fd"), fds + 1);
    }
    member_rig_close(&rig);
}
