#include "transfer/prefix_archive.h"

#include "base/str.h"
#include "tests/support/archive_judge.h"
#include "tests/support/memory_store.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

TestSuite(prefix_archive, .timeout = 100);

#define MIB ((size_t)1024 * 1024)

static const enum ps_archive_format formats[] = { PS_ARCHIVE_TAR, PS_ARCHIVE_TAR_GZ,
                                                  PS_ARCHIVE_ZIP };
#define FORMATS (sizeof(formats) / sizeof(formats[0]))

/* --- the rig --- */

/** Memory that is in use, whatever allocates it. */
size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

static size_t memory_in_use(void)
{
    return __sanitizer_get_current_allocated_bytes != NULL
               ? __sanitizer_get_current_allocated_bytes()
               : mallinfo2().uordblks;
}

struct rig {
    uv_loop_t loop;
    struct memory_store *memory;
    struct ps_prefix_archive *archive;
    const char *prefix;
    enum ps_archive_format format;
    bool inside;      /* of a function of the module */
    bool ready;       /* it said so since the last read that had nothing */
    size_t read_size; /* taken at once; 0 = nothing is ever read */
    struct ps_buf bytes;
    bool keeps_nothing; /* bytes are counted alone */
    uint64_t byte_count;
    bool ended;
    bool failed;
    size_t memory_max;

    const char *denied; /* by may_add */
    unsigned asked_count;
    unsigned gets_when_asked;
    uint64_t reserve_max;
    uint64_t reserved_bytes;
};

static void rig_open(struct rig *rig)
{
    memset(rig, 0, sizeof(*rig));
    cr_assert_eq(uv_loop_init(&rig->loop), 0);
    rig->memory = memory_store_new(&rig->loop);
    rig->prefix = "";
    rig->read_size = 65536;
    rig->reserve_max = UINT64_MAX;
    ps_buf_init(&rig->bytes, SIZE_MAX);
}

static void rig_stop(struct rig *rig)
{
    ps_prefix_archive_free(rig->archive);
    rig->archive = NULL;
}

/* Nothing may be left: no operation, no handle, no worker. */
static void rig_close(struct rig *rig)
{
    rig_stop(rig);
    cr_expect_eq(memory_store_counts(rig->memory).under_way, 0, "a request goes on");
    (void)uv_run(&rig->loop, UV_RUN_DEFAULT);
    cr_expect_eq(uv_loop_close(&rig->loop), 0, "a handle was left open");
    memory_store_free(rig->memory);
    ps_buf_clear(&rig->bytes);
}

static void on_ready(void *user)
{
    struct rig *rig = user;

    cr_assert_not(rig->inside, "called from within a call of its own");
    cr_assert_not(rig->ended || rig->failed, "called after the end");
    rig->ready = true;
}

static bool may_add(void *user, const struct ps_object_info *info, struct ps_err *err)
{
    struct rig *rig = user;

    rig->asked_count++;
    rig->gets_when_asked = memory_store_counts(rig->memory).gets;
    if (rig->denied != NULL && strcmp(info->key, rig->denied) == 0) {
        (void)ps_err_set(err, PS_E_REFUSED, "not that one");
        return false;
    }
    return true;
}

static bool reserve(void *user, uint64_t size_bytes)
{
    struct rig *rig = user;

    if (rig->reserved_bytes + size_bytes > rig->reserve_max) {
        return false;
    }
    rig->reserved_bytes += size_bytes;
    return true;
}

static void rig_start(struct rig *rig)
{
    const struct ps_prefix_archive_options options = {
        .loop = &rig->loop,
        .store = memory_store_get(rig->memory),
        .prefix = rig->prefix,
        .format = rig->format,
        .may_add = may_add,
        .reserve = reserve,
        .on_ready = on_ready,
        .user = rig,
    };
    struct ps_err err = { .code = PS_OK };

    rig->inside = true;
    cr_assert_eq(ps_prefix_archive_start(&rig->archive, &options, &err), PS_OK, "%s", err.message);
    rig->inside = false;
}

static void take(struct rig *rig, const char *block, size_t size_bytes)
{
    rig->byte_count += size_bytes;
    if (!rig->keeps_nothing) {
        cr_assert_eq(ps_buf_append(&rig->bytes, block, size_bytes, NULL), PS_OK);
    }
}

/* Read as the gateway does: only after it was said that there is something, and until there is nothing. */
static void rig_read(struct rig *rig)
{
    static char block[65536];

    while (rig->ready && !rig->ended && !rig->failed) {
        ssize_t got_bytes;

        rig->inside = true;
        got_bytes = ps_prefix_archive_read(rig->archive, block, rig->read_size);
        rig->inside = false;
        if (got_bytes == PS_PREFIX_ARCHIVE_LATER) {
            rig->ready = false;
        } else if (got_bytes == PS_PREFIX_ARCHIVE_END) {
            rig->ended = true;
        } else if (got_bytes == PS_PREFIX_ARCHIVE_FAILED) {
            rig->failed = true;
        } else {
            cr_assert(got_bytes > 0 && (size_t)got_bytes <= rig->read_size);
            take(rig, block, (size_t)got_bytes);
        }
    }
}

/* One iteration of the loop, and what it made is read. False at the end. */
static bool rig_step(struct rig *rig, uv_run_mode mode)
{
    size_t in_use;

    (void)uv_run(&rig->loop, mode);
    in_use = memory_in_use();
    rig->memory_max = in_use > rig->memory_max ? in_use : rig->memory_max;
    if (rig->read_size > 0) {
        rig_read(rig);
    }
    return !rig->ended && !rig->failed;
}

static void rig_run(struct rig *rig)
{
    while (rig_step(rig, UV_RUN_ONCE)) {
    }
}

static void rig_make(struct rig *rig)
{
    rig_start(rig);
    rig_run(rig);
    cr_assert(rig->ended, "%s: %s", ps_archive_format_name(rig->format),
              ps_prefix_archive_error(rig->archive)->message);
}

static void rig_expect_failure(struct rig *rig, enum ps_code code, const char *words)
{
    const struct ps_err *err;

    rig_start(rig);
    rig_run(rig);
    cr_assert(rig->failed, "%s: it ends well", words);
    err = ps_prefix_archive_error(rig->archive);
    cr_expect_eq(err->code, code, "%s: %s: %s", words, ps_code_name(err->code), err->message);
    cr_expect_not_null(strstr(err->message, words), "\"%s\" is not in: %s", words, err->message);
}

static void put(struct rig *rig, const char *key, const char *text)
{
    (void)memory_store_put(rig->memory, key, text, strlen(text));
}

static void expect_rows(const struct rig *rig, const struct ps_buf *wanted)
{
    struct ps_buf rows;

    ps_buf_init(&rows, SIZE_MAX);
    archive_judge_list(ps_archive_format_name(rig->format), &rig->bytes, &rows);
    cr_expect_str_eq(ps_buf_peek(&rows), ps_buf_peek(wanted), "%s",
                     ps_archive_format_name(rig->format));
    ps_buf_clear(&rows);
}

static void add_row(struct ps_buf *rows, const char *name, const char *text)
{
    archive_judge_row(rows, name, text, strlen(text), MEMORY_MTIME_UNIX_MS / 1000);
}

/* --- what is in it --- */

Test(prefix_archive, objects_come_in_the_order_of_their_keys_with_bytes_and_times)
{
    char *noise = archive_judge_noise(700000);

    for (size_t i = 0; i < FORMATS; i++) {
        struct rig rig;
        struct ps_buf rows;

        rig_open(&rig);
        ps_buf_init(&rows, SIZE_MAX);
        rig.format = formats[i];
        rig.prefix = "run/";
        put(&rig, "other", "x");
        put(&rig, "run/", ""); /* the marker of the prefix itself */
        put(&rig, "run/a b & c", "a text\n");
        put(&rig, "run/a.txt", "another");
        put(&rig, "run/dir/", "");
        (void)memory_store_put(rig.memory, "run/dir/noise", noise, 700000);
        memory_store_put(rig.memory, "run/early", "1", 1)->mtime_unix_ms = 1;
        put(&rig, "run/empty", "");
        (void)memory_store_put(rig.memory, "run/zeros", NULL, 3 * MIB);
        put(&rig, "run/\xc3\xa9\xe2\x82\xac", "umlaut");
        put(&rig, "run2/x", "x");
        add_row(&rows, "a b & c", "a text\n");
        add_row(&rows, "a.txt", "another");
        cr_assert_eq(ps_buf_append_str(&rows, "dir dir 0 1700000000 755 00000000\n", NULL), PS_OK);
        archive_judge_row(&rows, "dir/noise", noise, 700000, 1700000000);
        archive_judge_row(&rows, "early", "1", 1, 0);
        add_row(&rows, "empty", "");
        archive_judge_row(&rows, "zeros", memory_store_object(rig.memory, "run/zeros")->bytes,
                          3 * MIB, 1700000000);
        add_row(&rows, "\xc3\xa9\xe2\x82\xac", "umlaut");

        rig_make(&rig);

        expect_rows(&rig, &rows);
        cr_expect_eq(ps_prefix_archive_received(rig.archive), 7 + 7 + 700000 + 1 + 3 * MIB + 6);
        ps_buf_clear(&rows);
        rig_close(&rig);
    }
    free(noise);
}

Test(prefix_archive, same_objects_give_the_same_bytes_however_they_come_and_are_read)
{
    static const size_t blocks[] = { 65536, 1, 777, 4096 };
    char *noise = archive_judge_noise(20000);

    for (size_t i = 0; i < FORMATS; i++) {
        struct ps_buf first;

        ps_buf_init(&first, SIZE_MAX);
        for (size_t j = 0; j < sizeof(blocks) / sizeof(blocks[0]); j++) {
            struct rig rig;

            rig_open(&rig);
            rig.format = formats[i];
            rig.read_size = blocks[j];
            memory_store_set_block(rig.memory, blocks[sizeof(blocks) / sizeof(blocks[0]) - 1 - j]);
            (void)memory_store_put(rig.memory, "a", noise, 20000);
            put(&rig, "b", "text");
            (void)memory_store_put(rig.memory, "c", NULL, 3000);
            rig_make(&rig);
            if (j == 0) {
                cr_assert_eq(
                    ps_buf_append(&first, ps_buf_peek(&rig.bytes), rig.bytes.size_bytes, NULL),
                    PS_OK);
            }
            cr_expect(first.size_bytes == rig.bytes.size_bytes &&
                          memcmp(first.data, rig.bytes.data, first.size_bytes) == 0,
                      "%s, blocks of %zu", ps_archive_format_name(formats[i]), blocks[j]);
            rig_close(&rig);
        }
        ps_buf_clear(&first);
    }
    free(noise);
}

/* Page after page of keys; a store may send pages with nothing in them, and more behind. */
static void check_pages(unsigned empty_pages)
{
    struct rig rig;
    struct ps_buf rows;

    rig_open(&rig);
    ps_buf_init(&rows, SIZE_MAX);
    rig.prefix = "p/";
    memory_store_set_empty_pages(rig.memory, empty_pages);
    for (unsigned i = 0; i < 1003; i++) {
        char key[16];

        (void)snprintf(key, sizeof(key), "p/%04u", i);
        put(&rig, key, i % 3 == 0 ? "" : key);
        add_row(&rows, key + 2, i % 3 == 0 ? "" : key);
    }

    rig_make(&rig);

    expect_rows(&rig, &rows);
    cr_expect_eq(memory_store_counts(rig.memory).gets, 668, "an empty object needs none");
    cr_expect_eq(rig.asked_count, 1003);
    ps_buf_clear(&rows);
    rig_close(&rig);
}

Test(prefix_archive, keys_of_many_pages_are_all_in_it)
{
    check_pages(0);
}

Test(prefix_archive, pages_without_keys_are_not_the_end)
{
    check_pages(2);
}

Test(prefix_archive, object_that_changed_since_it_was_listed_is_as_it_is_now)
{
    for (size_t i = 0; i < FORMATS; i++) {
        struct rig rig;
        struct ps_buf rows;

        rig_open(&rig);
        ps_buf_init(&rows, SIZE_MAX);
        rig.format = formats[i];
        put(&rig, "grown", "longer than it was");
        memory_store_object(rig.memory, "grown")->listed_size_bytes = 1;
        put(&rig, "shrunk", "");
        memory_store_object(rig.memory, "shrunk")->listed_size_bytes = 1000;
        add_row(&rows, "grown", "longer than it was");
        add_row(&rows, "shrunk", "");

        rig_make(&rig);

        expect_rows(&rig, &rows);
        ps_buf_clear(&rows);
        rig_close(&rig);
    }
}

Test(prefix_archive, zip_of_more_members_than_two_bytes_can_count)
{
    struct rig rig;
    struct ps_buf rows;

    rig_open(&rig);
    ps_buf_init(&rows, SIZE_MAX);
    rig.format = PS_ARCHIVE_ZIP;
    for (unsigned i = 0; i < 66000; i++) {
        char key[16];

        (void)snprintf(key, sizeof(key), "%08u", i);
        put(&rig, key, "");
        add_row(&rows, key, "");
    }

    rig_make(&rig);

    expect_rows(&rig, &rows);
    ps_buf_clear(&rows);
    rig_close(&rig);
}

Test(prefix_archive, names_of_a_thousand_bytes_fit)
{
    char key[1025];

    memset(key, 'k', 1024);
    key[1024] = '\0';
    for (size_t i = 100; i < 1024; i += 200) {
        key[i] = '/';
    }
    for (size_t i = 0; i < FORMATS; i++) {
        struct rig rig;
        struct ps_buf rows;

        rig_open(&rig);
        ps_buf_init(&rows, SIZE_MAX);
        rig.format = formats[i];
        put(&rig, key, "x");
        add_row(&rows, key, "x");

        rig_make(&rig);

        expect_rows(&rig, &rows);
        ps_buf_clear(&rows);
        rig_close(&rig);
    }
}

/* --- what is refused --- */

static const struct {
    const char *key;
    bool zip_only;
    size_t size_bytes;
} refused[] = {
    { "p/../etc/passwd", false, 1 }, { "p/a/..", false, 1 },         { "p/..", false, 0 },
    { "p//etc/passwd", false, 1 },   { "p/a//b", false, 1 },         { "p/./a", false, 1 },
    { "p/a/.", false, 0 },           { "p/a/../", false, 0 },        { "p//", false, 0 },
    { "p/dir/", false, 1 },          { "p/a\\..\\b", true, 1 },      { "p/\xff", true, 1 },
    { "p/\xc3", true, 1 },           { "p/\xed\xa0\x80x", true, 1 },
};

Test(prefix_archive, keys_that_an_extractor_would_put_elsewhere_are_refused)
{
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        for (size_t j = 0; j < FORMATS; j++) {
            struct rig rig;
            bool accepted = refused[i].zip_only && formats[j] != PS_ARCHIVE_ZIP;

            rig_open(&rig);
            rig.format = formats[j];
            rig.prefix = "p/";
            (void)memory_store_put(rig.memory, "p/!", "first", 5);
            (void)memory_store_put(rig.memory, refused[i].key, NULL, refused[i].size_bytes);
            if (accepted) {
                rig_make(&rig);
            } else {
                rig_expect_failure(&rig, PS_E_INVALID, refused[i].key + 2);
                cr_expect_eq(memory_store_counts(rig.memory).gets, 0,
                             "%s: told before the first byte", refused[i].key);
            }
            rig_close(&rig);
        }
    }
}

Test(prefix_archive, reason_is_told_of_a_long_key_too)
{
    char key[1025];
    struct rig rig;

    memset(key, 'k', 1024);
    memcpy(key + 1020, "/../", 5);
    rig_open(&rig);
    put(&rig, key, "");
    rig_expect_failure(&rig, PS_E_INVALID, "cannot be a name in an archive");
    rig_close(&rig);

    key[1019] = '\0';
    rig_open(&rig);
    put(&rig, key, "x");
    memory_store_object(rig.memory, key)->fault = MEMORY_DENIED;
    rig_expect_failure(&rig, PS_E_DENIED, "AccessDenied");
    rig_close(&rig);
}

Test(prefix_archive, nothing_below_the_prefix_is_not_an_empty_archive)
{
    for (unsigned empty_pages = 0; empty_pages < 2; empty_pages++) {
        struct rig rig;

        rig_open(&rig);
        rig.prefix = "p/";
        memory_store_set_empty_pages(rig.memory, empty_pages);
        put(&rig, "o", "x");
        put(&rig, "p/", "");
        put(&rig, "q", "x");
        rig_expect_failure(&rig, PS_E_NOT_FOUND, "nothing lies below it");
        rig_close(&rig);
    }
}

Test(prefix_archive, other_formats_are_not_made)
{
    struct rig rig;
    struct ps_prefix_archive_options options;
    struct ps_err err = { .code = PS_OK };

    rig_open(&rig);
    options = (struct ps_prefix_archive_options){ .loop = &rig.loop,
                                                  .store = memory_store_get(rig.memory),
                                                  .prefix = "",
                                                  .format = PS_ARCHIVE_TAR_ZST,
                                                  .on_ready = on_ready,
                                                  .user = &rig };
    cr_expect_eq(ps_prefix_archive_start(&rig.archive, &options, &err), PS_E_UNSUPPORTED);
    cr_expect_null(rig.archive);
    cr_expect_eq(memory_store_counts(rig.memory).lists, 0);
    rig_close(&rig);
}

Test(prefix_archive, hook_is_asked_of_all_of_a_page_before_one_is_fetched)
{
    struct rig rig;

    rig_open(&rig);
    for (unsigned i = 0; i < 100; i++) {
        char key[8];

        (void)snprintf(key, sizeof(key), "%03u", i);
        put(&rig, key, i == 50 ? "" : "x");
    }
    rig.denied = "099";
    rig_expect_failure(&rig, PS_E_REFUSED, "not that one");

    cr_expect_eq(rig.asked_count, 100);
    cr_expect_eq(rig.gets_when_asked, 0);
    cr_expect_eq(memory_store_counts(rig.memory).gets, 0);
    rig_close(&rig);
}

Test(prefix_archive, directory_of_a_zip_needs_leave_for_its_memory)
{
    for (size_t i = 0; i < FORMATS; i++) {
        struct rig rig;

        rig_open(&rig);
        rig.format = formats[i];
        rig.reserve_max = 2 * 65536;
        for (unsigned j = 0; j < 600; j++) {
            char key[8];

            (void)snprintf(key, sizeof(key), "%03u", j);
            put(&rig, key, "x");
        }
        if (formats[i] == PS_ARCHIVE_ZIP) {
            rig_expect_failure(&rig, PS_E_NO_MEMORY, "ask for a tar");
            cr_expect_eq(rig.reserved_bytes, 2 * 65536);
        } else {
            rig_make(&rig);
            cr_expect_eq(rig.reserved_bytes, 0);
        }
        rig_close(&rig);
    }
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
        for (size_t j = 0; j < FORMATS; j++) {
            struct rig rig;
            struct memory_object *object;

            rig_open(&rig);
            rig.format = formats[j];
            rig.prefix = "p/";
            put(&rig, "p/a", "before it");
            object = memory_store_put(rig.memory, "p/dir/two", noise, 1000000);
            object->fault = broken[i].fault;
            object->fault_at_bytes = broken[i].at_bytes;
            put(&rig, "p/z", "behind it");

            rig_expect_failure(&rig, broken[i].code, broken[i].words);

            cr_expect_str_eq(ps_prefix_archive_error(rig.archive)->store_code, broken[i].store_code,
                             "%s", broken[i].name);
            cr_expect_eq(memory_store_counts(rig.memory).gets, 2, "%s", broken[i].name);
            rig_close(&rig);
        }
    }
    free(noise);
}

Test(prefix_archive, list_that_fails_fails_the_archive)
{
    for (unsigned page = 0; page < 2; page++) {
        struct rig rig;

        rig_open(&rig);
        memory_store_set_empty_pages(rig.memory, 1);
        memory_store_set_failing_page(rig.memory, page);
        put(&rig, "a", "x");
        rig_expect_failure(&rig, PS_E_TEMPORARY, "SlowDown");
        cr_expect_eq(ps_prefix_archive_error(rig.archive)->http_status, 503);
        rig_close(&rig);
    }
}

/* --- pace and memory --- */

Test(prefix_archive, reader_that_takes_nothing_pauses_the_store)
{
    char *noise = archive_judge_noise(8 * MIB);

    for (size_t i = 0; i < FORMATS; i++) {
        struct rig rig;
        uint64_t before_bytes;

        rig_open(&rig);
        rig.format = formats[i];
        rig.read_size = 0;
        (void)memory_store_put(rig.memory, "big", noise, 8 * MIB);
        rig_start(&rig);
        while (uv_loop_alive(&rig.loop) != 0) { /* at rest: no worker, no block under way */
            (void)rig_step(&rig, UV_RUN_ONCE);
        }
        before_bytes = memory_store_counts(rig.memory).sent_bytes;
        /* Two batches and the one that was encoded. */
        cr_expect(rig.ready && before_bytes < MIB, "%s: %zu bytes came",
                  ps_archive_format_name(formats[i]), (size_t)before_bytes);

        rig.read_size = 65536;
        rig_read(&rig);
        rig_run(&rig);

        cr_expect(rig.ended);
        cr_expect_eq(memory_store_counts(rig.memory).sent_bytes, 8 * MIB);
        rig_close(&rig);
    }
    free(noise);
}

Test(prefix_archive, asking_alone_takes_nothing)
{
    struct rig rig;

    rig_open(&rig);
    put(&rig, "a", "x");
    rig_start(&rig);
    rig.read_size = 0;
    while (!rig.ready) {
        (void)rig_step(&rig, UV_RUN_ONCE);
    }

    cr_expect_eq(ps_prefix_archive_read(rig.archive, NULL, 0), 0);
    cr_expect_eq(ps_prefix_archive_read(rig.archive, NULL, 0), 0);

    rig.read_size = 100;
    rig_read(&rig);
    rig_run(&rig);
    cr_expect(rig.ended && rig.bytes.size_bytes == 2048, "%zu", rig.bytes.size_bytes);
    rig_close(&rig);
}

/* What the archive holds, beside what was asked of reserve. */
static size_t memory_of(enum ps_archive_format format, const char *bytes, size_t size_bytes,
                        unsigned key_count, uint64_t *reserved_out)
{
    struct rig rig;
    size_t before;
    size_t most;

    rig_open(&rig);
    rig.format = format;
    rig.keeps_nothing = true;
    for (unsigned i = 0; i < key_count; i++) {
        char key[1001];

        (void)snprintf(key, sizeof(key), "%05u%0990u", i, 0U);
        (void)memory_store_put(rig.memory, key, bytes, size_bytes);
    }
    before = memory_in_use();
    rig_make(&rig);
    most = rig.memory_max - before;
    *reserved_out = rig.reserved_bytes;
    rig_close(&rig);
    return most;
}

Test(prefix_archive, memory_does_not_grow_with_the_archive)
{
    char *noise = archive_judge_noise(4 * MIB);

    for (size_t i = 0; i < FORMATS; i++) {
        uint64_t reserved_bytes = 0;
        size_t large = memory_of(formats[i], noise, 4 * MIB, 12, &reserved_bytes);
        size_t many;

        cr_expect_leq(large, PS_PREFIX_ARCHIVE_MEMORY_BYTES + reserved_bytes, "%s: %zu",
                      ps_archive_format_name(formats[i]), large);
        many = memory_of(formats[i], noise, 10, 4000, &reserved_bytes);
        cr_expect_leq(many, PS_PREFIX_ARCHIVE_MEMORY_BYTES + reserved_bytes,
                      "%s: %zu, %zu reserved", ps_archive_format_name(formats[i]), many,
                      (size_t)reserved_bytes);
        printf("%s: %zu KiB for large objects, %zu for many; %zu reserved\n",
               ps_archive_format_name(formats[i]), large / 1024, many / 1024,
               (size_t)reserved_bytes / 1024);
    }
    free(noise);
}

/* --- the end at any time --- */

static void put_some(struct rig *rig, const char *noise)
{
    put(rig, "a", "x");
    (void)memory_store_put(rig->memory, "b", noise, 300000);
    put(rig, "c/", "");
    put(rig, "d", "");
    (void)memory_store_put(rig->memory, "e", noise, 200000);
}

Test(prefix_archive, given_up_at_any_point_it_leaves_nothing)
{
    char *noise = archive_judge_noise(300000);

    for (size_t i = 0; i < FORMATS; i++) {
        bool ended = false;

        for (unsigned steps = 0; !ended; steps++) {
            struct rig rig;

            rig_open(&rig);
            rig.format = formats[i];
            memory_store_set_block(rig.memory, 20000);
            put_some(&rig, noise);
            rig_start(&rig);
            for (unsigned j = 0; j < steps && rig_step(&rig, UV_RUN_ONCE); j++) {
            }
            ended = rig.ended;
            rig_close(&rig);
        }
    }
    free(noise);
}

Test(prefix_archive, given_up_after_a_failure_it_leaves_nothing)
{
    char *noise = archive_judge_noise(300000);

    for (unsigned more = 0; more < 20; more++) {
        struct rig rig;

        rig_open(&rig);
        memory_store_set_block(rig.memory, 20000);
        put_some(&rig, noise);
        memory_store_object(rig.memory, "e")->fault = MEMORY_FLIPPED;
        rig_start(&rig);
        rig_run(&rig);
        cr_assert(rig.failed);
        for (unsigned j = 0; j < more; j++) {
            (void)uv_run(&rig.loop, UV_RUN_NOWAIT);
        }
        cr_expect_eq(ps_prefix_archive_read(rig.archive, noise, 1), PS_PREFIX_ARCHIVE_FAILED);
        rig_close(&rig);
    }
    free(noise);
}
