#include "tests/support/archive_judge.h"
#include "tests/support/memory_in_use.h"
#include "tests/support/prefix_rig.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* Objects into an archive: their bytes, their faults, the pace, memory and the end. Keys: test_prefix_archive_keys.c. */

TestSuite(prefix_archive, .timeout = 100);

#define MIB ((size_t)1024 * 1024)

/* --- what is in it --- */

Test(prefix_archive, objects_come_in_the_order_of_their_keys_with_bytes_and_times)
{
    char *noise = archive_judge_noise(700000);

    for (size_t i = 0; i < PREFIX_FORMATS; i++) {
        struct prefix_rig rig;
        struct ps_buf rows;

        prefix_rig_open(&rig);
        ps_buf_init(&rows, SIZE_MAX);
        rig.format = prefix_formats[i];
        rig.prefix = "run/";
        prefix_rig_put(&rig, "other", "x");
        prefix_rig_put(&rig, "run/", ""); /* the marker of the prefix itself */
        prefix_rig_put(&rig, "run/a b & c", "a text\n");
        prefix_rig_put(&rig, "run/a.txt", "another");
        prefix_rig_put(&rig, "run/dir/", "");
        (void)memory_store_put(rig.memory, "run/dir/noise", noise, 700000);
        memory_store_put(rig.memory, "run/early", "1", 1)->mtime_unix_ms = 1;
        prefix_rig_put(&rig, "run/empty", "");
        (void)memory_store_put(rig.memory, "run/zeros", NULL, 3 * MIB);
        prefix_rig_put(&rig, "run/\xc3\xa9\xe2\x82\xac", "umlaut");
        prefix_rig_put(&rig, "run2/x", "x");
        prefix_rig_add_row(&rows, "a b & c", "a text\n");
        prefix_rig_add_row(&rows, "a.txt", "another");
        cr_assert_eq(ps_buf_append_str(&rows, "dir dir 0 1700000000 755 00000000\n", NULL), PS_OK);
        archive_judge_row(&rows, "dir/noise", noise, 700000, 1700000000);
        archive_judge_row(&rows, "early", "1", 1, 0);
        prefix_rig_add_row(&rows, "empty", "");
        archive_judge_row(&rows, "zeros", memory_store_object(rig.memory, "run/zeros")->bytes,
                          3 * MIB, 1700000000);
        prefix_rig_add_row(&rows, "\xc3\xa9\xe2\x82\xac", "umlaut");

        prefix_rig_make(&rig);

        prefix_rig_expect_rows(&rig, &rows);
        cr_expect_eq(ps_prefix_archive_received(rig.archive), 7 + 7 + 700000 + 1 + 3 * MIB + 6);
        ps_buf_clear(&rows);
        prefix_rig_close(&rig);
    }
    free(noise);
}

Test(prefix_archive, same_objects_give_the_same_bytes_however_they_come_and_are_read)
{
    static const size_t blocks[] = { 65536, 1, 777, 4096 };
    char *noise = archive_judge_noise(20000);

    for (size_t i = 0; i < PREFIX_FORMATS; i++) {
        struct ps_buf first;

        ps_buf_init(&first, SIZE_MAX);
        for (size_t j = 0; j < sizeof(blocks) / sizeof(blocks[0]); j++) {
            struct prefix_rig rig;

            prefix_rig_open(&rig);
            rig.format = prefix_formats[i];
            rig.read_size = blocks[j];
            memory_store_set_block(rig.memory, blocks[sizeof(blocks) / sizeof(blocks[0]) - 1 - j]);
            (void)memory_store_put(rig.memory, "a", noise, 20000);
            prefix_rig_put(&rig, "b", "text");
            (void)memory_store_put(rig.memory, "c", NULL, 3000);
            prefix_rig_make(&rig);
            if (j == 0) {
                cr_assert_eq(
                    ps_buf_append(&first, ps_buf_peek(&rig.bytes), rig.bytes.size_bytes, NULL),
                    PS_OK);
            }
            cr_expect(first.size_bytes == rig.bytes.size_bytes &&
                          memcmp(first.data, rig.bytes.data, first.size_bytes) == 0,
                      "%s, blocks of %zu", ps_archive_format_name(prefix_formats[i]), blocks[j]);
            prefix_rig_close(&rig);
        }
        ps_buf_clear(&first);
    }
    free(noise);
}

Test(prefix_archive, object_that_changed_since_it_was_listed_is_as_it_is_now)
{
    for (size_t i = 0; i < PREFIX_FORMATS; i++) {
        struct prefix_rig rig;
        struct ps_buf rows;

        prefix_rig_open(&rig);
        ps_buf_init(&rows, SIZE_MAX);
        rig.format = prefix_formats[i];
        prefix_rig_put(&rig, "grown", "longer than it was");
        memory_store_object(rig.memory, "grown")->listed_size_bytes = 1;
        prefix_rig_put(&rig, "shrunk", "");
        memory_store_object(rig.memory, "shrunk")->listed_size_bytes = 1000;
        prefix_rig_add_row(&rows, "grown", "longer than it was");
        prefix_rig_add_row(&rows, "shrunk", "");

        prefix_rig_make(&rig);

        prefix_rig_expect_rows(&rig, &rows);
        ps_buf_clear(&rows);
        prefix_rig_close(&rig);
    }
}

static void nothing_ready(void *user)
{
    (void)user;
}

Test(prefix_archive, other_formats_are_not_made)
{
    struct prefix_rig rig;
    struct ps_prefix_archive_options options;
    struct ps_err err = { .code = PS_OK };

    prefix_rig_open(&rig);
    options = (struct ps_prefix_archive_options){ .loop = &rig.loop,
                                                  .store = memory_store_get(rig.memory),
                                                  .prefix = "",
                                                  .format = PS_ARCHIVE_TAR_ZST,
                                                  .on_ready = nothing_ready,
                                                  .user = &rig };
    cr_expect_eq(ps_prefix_archive_start(&rig.archive, &options, &err), PS_E_UNSUPPORTED);
    cr_expect_null(rig.archive);
    cr_expect_eq(memory_store_counts(rig.memory).lists, 0);
    prefix_rig_close(&rig);
}

/* --- what the store does --- */

static const struct {
    const char *name;
    enum memory_fault fault;
    uint64_t at_bytes;
    enum ps_code code;
    const char *words;
    const char *store_code;
} broken[] = {
    { "gone since", MEMORY_GONE, 0, PS_E_NOT_FOUND, "dir/two: get: ", "NoSuchKey" },
    { "denied", MEMORY_DENIED, 0, PS_E_DENIED, "dir/two: get: ", "AccessDenied" },
    { "archived", MEMORY_ARCHIVED, 0, PS_E_DENIED, "dir/two: get: ", "InvalidObjectState" },
    { "flipped at once", MEMORY_FLIPPED, 0, PS_E_CORRUPT, "dir/two: the bytes received", "" },
    { "flipped at the end", MEMORY_FLIPPED, 999999, PS_E_CORRUPT, "crc64nvme", "" },
    { "cut before its first byte", MEMORY_CUT, 0, PS_E_TEMPORARY, "dir/two: ", "connection reset" },
    { "cut in the middle", MEMORY_CUT, 500000, PS_E_TEMPORARY, "dir/two: ", "connection reset" },
    { "short, as if whole", MEMORY_SHORT, 999999, PS_E_TEMPORARY,
      "dir/two: the store sent 999999 of 1000000 bytes", "" },
    { "without headers", MEMORY_NO_INFO, 0, PS_E_CANCELLED, "dir/two: ", "stopped by the reader" },
};

Test(prefix_archive, object_that_cannot_be_had_whole_fails_the_archive)
{
    char *noise = archive_judge_noise(1000000);

    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        for (size_t j = 0; j < PREFIX_FORMATS; j++) {
            struct prefix_rig rig;
            struct memory_object *object;

            prefix_rig_open(&rig);
            rig.format = prefix_formats[j];
            rig.prefix = "p/";
            prefix_rig_put(&rig, "p/a", "before it");
            object = memory_store_put(rig.memory, "p/dir/two", noise, 1000000);
            object->fault = broken[i].fault;
            object->fault_at_bytes = broken[i].at_bytes;
            prefix_rig_put(&rig, "p/z", "behind it");

            prefix_rig_expect_failure(&rig, broken[i].code, broken[i].words);

            cr_expect_str_eq(ps_prefix_archive_error(rig.archive)->store_code, broken[i].store_code,
                             "%s", broken[i].name);
            cr_expect_eq(memory_store_counts(rig.memory).gets, 2, "%s", broken[i].name);
            prefix_rig_close(&rig);
        }
    }
    free(noise);
}

/* --- pace and memory --- */

Test(prefix_archive, reader_that_takes_nothing_pauses_the_store)
{
    char *noise = archive_judge_noise(8 * MIB);

    for (size_t i = 0; i < PREFIX_FORMATS; i++) {
        struct prefix_rig rig;
        uint64_t before_bytes;

        prefix_rig_open(&rig);
        rig.format = prefix_formats[i];
        rig.read_size = 0;
        (void)memory_store_put(rig.memory, "big", noise, 8 * MIB);
        prefix_rig_start(&rig);
        while (uv_loop_alive(&rig.loop) != 0) { /* at rest: no worker, no block under way */
            (void)prefix_rig_step(&rig, UV_RUN_ONCE);
        }
        before_bytes = memory_store_counts(rig.memory).sent_bytes;
        /* Two batches and the one that was encoded. */
        cr_expect(rig.ready && before_bytes < MIB, "%s: %zu bytes came",
                  ps_archive_format_name(prefix_formats[i]), (size_t)before_bytes);

        rig.read_size = 65536;
        prefix_rig_read(&rig);
        prefix_rig_run(&rig);

        cr_expect(rig.ended);
        cr_expect_eq(memory_store_counts(rig.memory).sent_bytes, 8 * MIB);
        prefix_rig_close(&rig);
    }
    free(noise);
}

Test(prefix_archive, asking_alone_takes_nothing)
{
    struct prefix_rig rig;

    prefix_rig_open(&rig);
    prefix_rig_put(&rig, "a", "x");
    prefix_rig_start(&rig);
    rig.read_size = 0;
    while (!rig.ready) {
        (void)prefix_rig_step(&rig, UV_RUN_ONCE);
    }

    cr_expect_eq(ps_prefix_archive_read(rig.archive, NULL, 0), 0);
    cr_expect_eq(ps_prefix_archive_read(rig.archive, NULL, 0), 0);

    rig.read_size = 100;
    prefix_rig_read(&rig);
    prefix_rig_run(&rig);
    cr_expect(rig.ended && rig.bytes.size_bytes == 2048, "%zu", rig.bytes.size_bytes);
    prefix_rig_close(&rig);
}

/* What the archive holds, beside what was asked of reserve. */
static size_t memory_of(enum ps_archive_format format, const char *bytes, size_t size_bytes,
                        unsigned key_count, uint64_t *reserved_out)
{
    struct prefix_rig rig;
    size_t before;
    size_t most;

    prefix_rig_open(&rig);
    rig.format = format;
    rig.keeps_nothing = true;
    for (unsigned i = 0; i < key_count; i++) {
        char key[1001];

        (void)snprintf(key, sizeof(key), "%05u%0990u", i, 0U);
        (void)memory_store_put(rig.memory, key, bytes, size_bytes);
    }
    before = memory_in_use();
    prefix_rig_make(&rig);
    most = rig.memory_max - before;
    *reserved_out = rig.reserved_bytes;
    prefix_rig_close(&rig);
    return most;
}

Test(prefix_archive, memory_does_not_grow_with_the_archive)
{
    char *noise = archive_judge_noise(4 * MIB);

    for (size_t i = 0; i < PREFIX_FORMATS; i++) {
        uint64_t reserved_bytes = 0;
        size_t large = memory_of(prefix_formats[i], noise, 4 * MIB, 12, &reserved_bytes);
        size_t many;

        cr_expect_leq(large, PS_PREFIX_ARCHIVE_MEMORY_BYTES + reserved_bytes, "%s: %zu",
                      ps_archive_format_name(prefix_formats[i]), large);
        many = memory_of(prefix_formats[i], noise, 10, 4000, &reserved_bytes);
        cr_expect_leq(many, PS_PREFIX_ARCHIVE_MEMORY_BYTES + reserved_bytes,
                      "%s: %zu, %zu reserved", ps_archive_format_name(prefix_formats[i]), many,
                      (size_t)reserved_bytes);
        printf("%s: %zu KiB for large objects, %zu for many; %zu reserved\n",
               ps_archive_format_name(prefix_formats[i]), large / 1024, many / 1024,
               (size_t)reserved_bytes / 1024);
    }
    free(noise);
}

/* --- the end at any time --- */

static void put_some(struct prefix_rig *rig, const char *noise)
{
    prefix_rig_put(rig, "a", "x");
    (void)memory_store_put(rig->memory, "b", noise, 300000);
    prefix_rig_put(rig, "c/", "");
    prefix_rig_put(rig, "d", "");
    (void)memory_store_put(rig->memory, "e", noise, 200000);
}

Test(prefix_archive, given_up_at_any_point_it_leaves_nothing)
{
    char *noise = archive_judge_noise(300000);

    for (size_t i = 0; i < PREFIX_FORMATS; i++) {
        bool ended = false;

        for (unsigned steps = 0; !ended; steps++) {
            struct prefix_rig rig;

            prefix_rig_open(&rig);
            rig.format = prefix_formats[i];
            memory_store_set_block(rig.memory, 20000);
            put_some(&rig, noise);
            prefix_rig_start(&rig);
            for (unsigned j = 0; j < steps && prefix_rig_step(&rig, UV_RUN_ONCE); j++) {
            }
            ended = rig.ended;
            prefix_rig_close(&rig);
        }
    }
    free(noise);
}

Test(prefix_archive, given_up_after_a_failure_it_leaves_nothing)
{
    char *noise = archive_judge_noise(300000);

    for (unsigned more = 0; more < 20; more++) {
        struct prefix_rig rig;

        prefix_rig_open(&rig);
        memory_store_set_block(rig.memory, 20000);
        put_some(&rig, noise);
        memory_store_object(rig.memory, "e")->fault = MEMORY_FLIPPED;
        prefix_rig_start(&rig);
        prefix_rig_run(&rig);
        cr_assert(rig.failed);
        for (unsigned j = 0; j < more; j++) {
            (void)uv_run(&rig.loop, UV_RUN_NOWAIT);
        }
        cr_expect_eq(ps_prefix_archive_read(rig.archive, noise, 1), PS_PREFIX_ARCHIVE_FAILED);
        prefix_rig_close(&rig);
    }
    free(noise);
}
