/* One suite, run against every store: what store.h promises must hold for each of them alike. */
#include "tests/support/store_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(store, .timeout = 60);

#define MIB ((uint64_t)1024 * 1024)

static struct answer a; /* large; each test runs in a process of its own */

STORE_TEST(store, puts_and_reads_back_sizes_around_the_block)
{
    static const uint64_t sizes[] = { 0, 1, 4095, 4096, 262143, 262144, 262145, 3 * 1024 * 1024 };

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        const struct ps_get_request get = { .key = "dir/o" };
        struct ps_checksum sum = pattern_checksum(f, 3, sizes[i]);
        char expected[64];

        store_put(f, "dir/o", 3, sizes[i], &a);
        OK(a);
        store_head(f, "dir/o", &a);
        OK(a);
        cr_assert_eq(a.info.size_bytes, sizes[i]);
        cr_assert(ps_checksum_equal(&a.checksum, &sum), "size %zu", (size_t)sizes[i]);
        store_get(f, &get, &a);
        OK(a);
        cr_assert_eq(a.body_size, sizes[i]);
        (void)pattern_read((void *)3, 0, expected, sizeof(expected));
        cr_assert_eq(memcmp(a.body, expected, sizes[i] < 64 ? sizes[i] : 64), 0);
    }
}

/* OSS takes no checksum with a request: what it has stored is found to be wrong by its answer. */
static bool refuses_before_it_stores(const struct store_fixture *f)
{
    return f->store->capabilities.checksum_place != PS_CHECKSUM_PLACE_ANSWER;
}

STORE_TEST(store, refuses_a_body_that_is_not_what_was_announced)
{
    struct ps_put_request request = {
        .key = "wrong",
        .body = { .size_bytes = 1000, .read = pattern_read, .user = (void *)1 },
        .checksum = pattern_checksum(f, 2, 1000),
    };

    request.options.checksum = request.checksum.algorithm;
    store_put_request(f, &request, &a);
    FAILS(a, PS_E_CORRUPT);
    cr_assert_eq(a.err.retry, PS_RETRY_RESEND_PART);
    if (refuses_before_it_stores(f)) {
        store_head(f, "wrong", &a);
        FAILS(a, PS_E_NOT_FOUND);
    }
}

STORE_TEST(store, reads_ranges_and_refuses_another_version)
{
    struct ps_get_request get = {
        .key = "r", .has_range = true, .offset_bytes = 100, .length_bytes = 50
    };
    char expected[50];

    store_put(f, "r", 9, 1000, &a);
    OK(a);
    store_get(f, &get, &a);
    OK(a);
    cr_assert_eq(a.body_size, 50);
    (void)pattern_read((void *)9, 100, expected, sizeof(expected));
    cr_assert_eq(memcmp(a.body, expected, 50), 0);

    get.offset_bytes = 990;
    get.length_bytes = 50;
    store_get(f, &get, &a);
    OK(a);
    cr_assert_eq(a.body_size, 10, "a range over the end gives what there is");

    get.offset_bytes = 2000;
    store_get(f, &get, &a);
    cr_assert_neq(a.err.code, PS_OK, "a range behind the end gives nothing");
    cr_assert_eq(a.body_size, 0);
    get.offset_bytes = 990;

    get.if_match = "\"no-such-etag\"";
    store_get(f, &get, &a);
    FAILS(a, PS_E_CHANGED);
}

STORE_TEST(store, tells_what_is_not_there)
{
    const struct ps_get_request get = { .key = "nothing" };
    const struct ps_list_request list = { .prefix = "nothing/" };

    store_head(f, "nothing", &a);
    FAILS(a, PS_E_NOT_FOUND);
    store_get(f, &get, &a);
    FAILS(a, PS_E_NOT_FOUND);
    store_list(f, &list, &a);
    OK(a);
    cr_assert_eq(a.count, 0);
}

STORE_TEST(store, lists_odd_keys_in_order)
{
    /* Sorted by bytes, as ListObjectsV2 does: "a-b" < "a/b" < "a0" though a directory sorts otherwise. */
    static const char *const keys[] = { "a b/+ %41.txt", "a-b", "a/b",
                                        "a/c/d",         "a0",  "\xc3\xa9\xf0\x9f\x98\x80" };
    const struct ps_list_request all = { .prefix = "" };
    const struct ps_list_request flat = { .prefix = "a/", .delimiter = "/" };
    const struct ps_list_request top = { .prefix = "", .delimiter = "/" };
    const struct ps_list_request part = { .prefix = "a/c" };
    const struct ps_list_request after = { .prefix = "", .start_after = "a/b" };

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        store_put(f, keys[i], i, 10 + i, &a);
        OK(a);
    }
    store_list(f, &all, &a);
    OK(a);
    cr_assert_str_eq(a.keys, "a b/+ %41.txt\na-b\na/b\na/c/d\na0\n\xc3\xa9\xf0\x9f\x98\x80\n");
    store_list(f, &flat, &a);
    OK(a);
    cr_assert_eq(a.count, 2, "%s", a.keys);
    cr_assert(strstr(a.keys, "a/b\n") != NULL && strstr(a.keys, "a/c/\n") != NULL, "%s", a.keys);
    store_list(f, &top, &a);
    OK(a);
    cr_assert_eq(a.count, 5, "%s", a.keys);
    store_list(f, &part, &a);
    cr_assert_str_eq(a.keys, "a/c/d\n");
    store_list(f, &after, &a);
    OK(a);
    cr_assert_str_eq(a.keys, "a/c/d\na0\n\xc3\xa9\xf0\x9f\x98\x80\n");
}

STORE_TEST(store, lists_more_than_a_page)
{
    const struct ps_list_request list = { .prefix = "many/", .page_size = 10 };
    char key[32];

    for (unsigned i = 0; i < 35; i++) {
        (void)snprintf(key, sizeof(key), "many/%03u", i);
        store_put(f, key, i, 1, &a);
        OK(a);
    }
    store_list(f, &list, &a);
    OK(a);
    cr_assert_eq(a.count, 35);
    cr_assert_geq(a.page_count, 4);
    cr_assert(strstr(a.keys, "many/000\nmany/001\n") == a.keys);
}

STORE_TEST(store, deletes_many_and_what_is_missing)
{
    static const char *const keys[] = { "d/1", "d/2 & <3>", "d/missing" };
    const struct ps_list_request list = { .prefix = "d/" };

    store_put(f, "d/1", 1, 1, &a);
    store_put(f, "d/2 & <3>", 1, 1, &a);
    store_put(f, "d/stays", 1, 1, &a);
    OK(a);
    store_delete(f, keys, 3, &a);
    OK(a);
    cr_assert_eq(a.count, 3, "a missing key counts as deleted");
    store_list(f, &list, &a);
    cr_assert_str_eq(a.keys, "d/stays\n");
}

/* Parts of 5 MiB (the least that S3 takes but for the last), sent out of order. */
static void send_parts(struct store_fixture *f, const char *key, const char *upload_id,
                       struct ps_part_info *parts, char (*etags)[128])
{
    static const uint32_t order[] = { 3, 1, 2 };

    for (size_t i = 0; i < 3; i++) {
        uint32_t number = order[i];
        uint64_t size = number == 3 ? MIB : 5 * MIB;
        const struct ps_part_request request = {
            .key = key,
            .upload_id = upload_id,
            .part_number = number,
            .offset_bytes = (number - 1) * 5 * MIB,
            .body = { .size_bytes = size, .read = pattern_read, .user = (void *)(uintptr_t)number },
            .checksum = pattern_checksum(f, number, size),
        };

        store_part(f, &request, &a);
        OK(a);
        (void)snprintf(etags[number - 1], 128, "%s", a.etag);
        parts[number - 1] = (struct ps_part_info){ .part_number = number,
                                                   .size_bytes = size,
                                                   .etag = etags[number - 1],
                                                   .checksum = request.checksum };
    }
}

STORE_TEST(store, completes_parts_sent_out_of_order)
{
    struct ps_part_info parts[3];
    char etags[3][128];
    char upload_id[256];
    struct ps_complete_request complete = {
        .key = "m/whole", .parts = parts, .part_count = 3, .size_bytes = 11 * MIB
    };

    store_begin(f, "m/whole", 11 * MIB, &a);
    OK(a);
    (void)snprintf(upload_id, sizeof(upload_id), "%s", a.upload_id);
    complete.upload_id = upload_id;
    send_parts(f, "m/whole", upload_id, parts, etags);

    store_parts(f, "m/whole", upload_id, &a);
    OK(a);
    cr_assert_eq(a.count, 3);
    for (uint32_t i = 0; i < 3; i++) {
        cr_assert_eq(a.parts[i].part_number, i + 1);
        cr_assert_eq(a.parts[i].size_bytes, parts[i].size_bytes);
        cr_assert_str_eq(a.parts[i].etag, parts[i].etag);
    }
    store_head(f, "m/whole", &a);
    FAILS(a, PS_E_NOT_FOUND);

    complete.checksum = parts[0].checksum;
    for (size_t i = 1; i < 3; i++) {
        cr_assert_eq(
            ps_checksum_combine(&complete.checksum, &parts[i].checksum, parts[i].size_bytes, NULL),
            PS_OK);
    }
    complete.options.checksum = complete.checksum.algorithm;
    store_complete(f, &complete, &a);
    OK(a);
    store_head(f, "m/whole", &a);
    OK(a);
    cr_assert_eq(a.info.size_bytes, 11 * MIB);
    cr_assert(ps_checksum_equal(&a.checksum, &complete.checksum));
    cr_assert_str_eq(a.metadata, "colour=blue ");
    cr_assert_str_eq(a.content_type, "text/x-test");
}

STORE_TEST(store, refuses_a_whole_with_another_checksum)
{
    struct ps_part_info parts[3];
    char etags[3][128];
    char upload_id[256];
    struct ps_complete_request complete = {
        .key = "m/bad", .parts = parts, .part_count = 3, .size_bytes = 11 * MIB
    };

    store_begin(f, "m/bad", 11 * MIB, &a);
    OK(a);
    (void)snprintf(upload_id, sizeof(upload_id), "%s", a.upload_id);
    complete.upload_id = upload_id;
    send_parts(f, "m/bad", upload_id, parts, etags);
    complete.checksum = parts[1].checksum; /* not that of the whole */
    complete.options.checksum = complete.checksum.algorithm;
    store_complete(f, &complete, &a);
    FAILS(a, PS_E_CORRUPT);
    if (refuses_before_it_stores(f)) {
        store_head(f, "m/bad", &a);
        FAILS(a, PS_E_NOT_FOUND);
        store_abort(f, "m/bad", upload_id, &a);
        OK(a);
    }
}

STORE_TEST(store, refuses_a_whole_with_an_unknown_part)
{
    struct ps_part_info parts[3];
    char etags[3][128];
    char upload_id[256];
    struct ps_complete_request complete = {
        .key = "m/bad", .parts = parts, .part_count = 3, .size_bytes = 11 * MIB
    };

    store_begin(f, "m/bad", 11 * MIB, &a);
    OK(a);
    (void)snprintf(upload_id, sizeof(upload_id), "%s", a.upload_id);
    complete.upload_id = upload_id;
    send_parts(f, "m/bad", upload_id, parts, etags);
    (void)snprintf(etags[0], sizeof(etags[0]), "\"00000000000000000000000000000000\"");
    complete.checksum.algorithm = PS_CHECKSUM_NONE;
    store_complete(f, &complete, &a);
    cr_assert_neq(a.err.code, PS_OK);
    store_abort(f, "m/bad", upload_id, &a);
    OK(a);
}

STORE_TEST(store, forgets_an_aborted_upload)
{
    char upload_id[256];
    const struct ps_part_request part = {
        .key = "m/gone",
        .upload_id = upload_id,
        .part_number = 1,
        .body = { .size_bytes = 10, .read = pattern_read, .user = NULL },
        .checksum = pattern_checksum(f, 0, 10),
    };

    store_begin(f, "m/gone", 10, &a);
    OK(a);
    (void)snprintf(upload_id, sizeof(upload_id), "%s", a.upload_id);
    store_abort(f, "m/gone", upload_id, &a);
    OK(a);
    store_abort(f, "m/gone", upload_id, &a);
    OK(a); /* what is gone is aborted */
    store_parts(f, "m/gone", upload_id, &a);
    FAILS(a, PS_E_NO_UPLOAD);
    store_part(f, &part, &a);
    FAILS(a, PS_E_NO_UPLOAD);
}

STORE_TEST(store, lists_uploads_that_were_begun)
{
    static const char *const keys[] = { "u/a b+%41", "u/\xc3\xa9", "v" };
    char wanted[3][512];
    char upload_id[256] = "";

    for (size_t i = 0; i < 3; i++) {
        store_begin(f, keys[i], 10, &a);
        OK(a);
        (void)snprintf(wanted[i], sizeof(wanted[i]), "%s %s\n", keys[i], a.upload_id);
        (void)snprintf(upload_id, sizeof(upload_id), "%s", a.upload_id);
    }
    store_uploads(f, "u/", &a);
    OK(a);
    cr_assert_eq(a.count, 2, "%s", a.keys);
    cr_assert(strstr(a.keys, wanted[0]) != NULL && strstr(a.keys, wanted[1]) != NULL, "%s", a.keys);
    store_abort(f, "v", upload_id, &a);
    OK(a);
    store_uploads(f, "", &a);
    OK(a);
    cr_assert_eq(a.count, 2, "%s", a.keys);
}

STORE_TEST(store, create_only_writes_where_nothing_is_and_nowhere_else)
{
    struct ps_put_request request = {
        .key = "once",
        .body = { .size_bytes = 10, .read = pattern_read, .user = (void *)1 },
        .checksum = pattern_checksum(f, 1, 10),
        .options = { .create_only = true },
    };

    request.options.checksum = request.checksum.algorithm;
    store_put_request(f, &request, &a);
    OK(a);
    request.body.size_bytes = 5;
    request.checksum = pattern_checksum(f, 1, 5);
    store_put_request(f, &request, &a);
    FAILS(a, PS_E_EXISTS);
    store_head(f, "once", &a);
    cr_assert_eq(a.info.size_bytes, 10);
}

/* --- pause, later, cancel --- */

struct pacer {
    struct ps_store_op *op;
    uv_timer_t timer;
    unsigned pauses;
    size_t taken;
    bool done;
    enum ps_code code;
};

static void on_wake(uv_timer_t *timer)
{
    struct pacer *pacer = timer->data;

    if (pacer->op != NULL) {
        ps_store_wake(pacer->op);
    }
}

static enum ps_push take_every_second_time(void *user, const void *data, size_t size_bytes)
{
    struct pacer *pacer = user;

    (void)data;
    if (pacer->pauses++ % 2 == 0) {
        (void)uv_timer_start(&pacer->timer, on_wake, 1,
                             0); /* 0 would run in the same turn of the loop */
        return PS_PUSH_PAUSE;
    }
    pacer->taken += size_bytes;
    return PS_PUSH_TAKEN;
}

static void on_paced(void *user, const struct ps_err *err)
{
    struct pacer *pacer = user;

    pacer->done = true;
    pacer->op = NULL;
    pacer->code = err != NULL ? err->code : PS_OK;
}

STORE_TEST(store, waits_for_a_sink_that_pauses)
{
    struct pacer pacer = { .op = NULL };
    const struct ps_get_request get = {
        .key = "p", .sink = { .write = take_every_second_time, .user = &pacer }
    };
    struct ps_err err;

    store_put(f, "p", 1, 2 * MIB, &a);
    OK(a);
    (void)uv_timer_init(&f->loop, &pacer.timer);
    pacer.timer.data = &pacer;
    pacer.op = ps_store_get(f->store, &get, on_paced, &pacer, &err);
    cr_assert(pacer.op != NULL);
    while (!pacer.done && uv_run(&f->loop, UV_RUN_ONCE) != 0) {
    }
    cr_assert_eq(pacer.code, PS_OK);
    cr_assert_eq(pacer.taken, 2 * MIB);
    uv_close((uv_handle_t *)&pacer.timer, NULL);
}

struct flusher {
    struct pacer pacer;
    struct ps_hasher hasher;
    unsigned flushes;
    size_t unflushed_bytes;
    bool asleep; /* flushed, and not woken */
    bool was_disturbed;
};

static void on_flusher_wake(uv_timer_t *timer)
{
    struct flusher *flusher = timer->data;

    flusher->asleep = false;
    if (flusher->pacer.op != NULL) {
        ps_store_wake(flusher->pacer.op);
    }
}

static enum ps_push take_and_be_full(void *user, const void *data, size_t size_bytes)
{
    struct flusher *flusher = user;

    flusher->was_disturbed = flusher->was_disturbed || flusher->asleep;
    ps_hasher_update(&flusher->hasher, data, size_bytes);
    flusher->pacer.taken += size_bytes;
    flusher->unflushed_bytes += size_bytes;
    return PS_PUSH_FULL;
}

/* Two of three times there is room at once. */
static void make_room(void *user)
{
    struct flusher *flusher = user;

    flusher->was_disturbed = flusher->was_disturbed || flusher->unflushed_bytes == 0;
    flusher->unflushed_bytes = 0;
    if (flusher->flushes++ % 3 == 2) {
        flusher->asleep = true;
        (void)uv_timer_start(&flusher->pacer.timer, on_flusher_wake, 1, 0);
    } else if (flusher->pacer.op != NULL) {
        ps_store_wake(flusher->pacer.op);
    }
}

static void on_flushed(void *user, const struct ps_err *err)
{
    on_paced(&((struct flusher *)user)->pacer, err);
}

STORE_TEST(store, goes_on_when_a_full_sink_has_room_again)
{
    struct flusher flusher = { .flushes = 0 };
    const struct ps_get_request get = {
        .key = "f",
        .sink = { .write = take_and_be_full, .flush = make_room, .user = &flusher },
        .buffer_bytes = (size_t)64 * 1024,
    };
    struct ps_checksum want = pattern_checksum(f, 1, 2 * MIB);
    struct ps_checksum have;
    struct ps_err err;

    store_put(f, "f", 1, 2 * MIB, &a);
    OK(a);
    cr_assert_eq(ps_hasher_init(&flusher.hasher, want.algorithm, &err), PS_OK);
    (void)uv_timer_init(&f->loop, &flusher.pacer.timer);
    flusher.pacer.timer.data = &flusher;
    flusher.pacer.op = ps_store_get(f->store, &get, on_flushed, &flusher, &err);
    cr_assert(flusher.pacer.op != NULL);
    while (!flusher.pacer.done && uv_run(&f->loop, UV_RUN_ONCE) != 0) {
    }
    cr_assert_eq(flusher.pacer.code, PS_OK);
    cr_assert_eq(flusher.pacer.taken, 2 * MIB);
    cr_assert_eq(flusher.unflushed_bytes, 0, "what came last was not flushed");
    cr_assert_geq(flusher.flushes, 32); /* a flush for each 64 KiB at least */
    cr_assert(!flusher.was_disturbed);
    have = ps_hasher_finish(&flusher.hasher);
    cr_assert(ps_checksum_equal(&have, &want));
    ps_hasher_clear(&flusher.hasher);
    uv_close((uv_handle_t *)&flusher.pacer.timer, NULL);
}

STORE_TEST(store, calls_nobody_after_cancel)
{
    struct pacer pacer = { .op = NULL };
    const struct ps_get_request get = {
        .key = "c", .sink = { .write = take_every_second_time, .user = &pacer }
    };
    struct ps_err err;

    store_put(f, "c", 1, 2 * MIB, &a);
    OK(a);
    (void)uv_timer_init(&f->loop, &pacer.timer);
    pacer.timer.data = &pacer;
    pacer.op = ps_store_get(f->store, &get, on_paced, &pacer, &err);
    while (pacer.pauses == 0 && uv_run(&f->loop, UV_RUN_ONCE) != 0) {
    }
    ps_store_cancel(pacer.op);
    pacer.op = NULL;
    pacer.taken = 0;
    uv_close((uv_handle_t *)&pacer.timer, NULL);
    store_head(f, "c", &a); /* the store works on */
    OK(a);
    cr_assert(!pacer.done, "code %d pauses %u", pacer.code, pacer.pauses);
    cr_assert_eq(pacer.taken, 0);
}
