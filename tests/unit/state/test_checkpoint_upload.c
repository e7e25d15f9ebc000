#include "state/checkpoint.h"

#include "state_fixture.h"

#include "state/record.h"

TestSuite(checkpoint_upload, .timeout = 60, .init = fixture_make_dir, .fini = fixture_remove_dir);

/* --- the life of one upload --- */

Test(checkpoint_upload, begun_record_is_claimed_as_it_was_after_reopening)
{
    struct ps_state *state = fixture_open();
    struct ps_upload_record begun = fixture_begin(state, "s3://b/k");
    struct ps_upload_record got;

    fixture_note_parts(state, begun.number, 1, 3);
    ps_state_close(state);
    state = fixture_open();
    got = fixture_claim(state, "s3://b/k");

    cr_expect_eq(got.number, begun.number);
    cr_expect_eq(got.phase, PS_UPLOAD_CREATING);
    cr_expect_null(got.upload_id);
    cr_expect_str_eq(got.url, "s3://b/k");
    cr_expect_str_eq(got.source_path, "/data/big file");
    cr_expect_str_eq(got.policy_digest, "abc");
    cr_expect_eq(got.source.size_bytes, 123456789);
    cr_expect_eq(got.part_size_bytes, 16777216);
    cr_expect_eq(got.created_unix_ms, 1600000000001);
    cr_expect_eq(got.done_part_count, 3);
    cr_expect_eq(got.done_size_bytes, 1007 + 2007 + 3007);
    fixture_expect_parts(state, begun.number, 1, 3);
    ps_upload_record_clear(&got);
    ps_state_close(state);
}

Test(checkpoint_upload, nothing_is_found_where_nothing_was_begun)
{
    struct ps_state *state = fixture_open();

    (void)fixture_begin(state, "s3://b/k");
    cr_expect_not(fixture_has_upload(state, "s3://b/"));
    cr_expect_not(fixture_has_upload(state, "s3://b/k2"));
    ps_state_close(state);
}

Test(checkpoint_upload, update_writes_its_four_fields_and_the_time)
{
    struct ps_state *state = fixture_open();
    struct ps_upload_record record = fixture_begin(state, "s3://b/k");
    struct ps_upload_record got;

    record.phase = PS_UPLOAD_SENDING;
    record.upload_id = fixture_text("upload/id+1");
    record.part_size_bytes = 5;
    record.part_count = 10000;
    record.source.size_bytes = 1;
    record.created_unix_ms = 1;
    cr_assert_eq(ps_checkpoint_update(state, &record, NULL), PS_OK);
    got = fixture_claim(state, "s3://b/k");

    cr_expect_eq(got.phase, PS_UPLOAD_SENDING);
    cr_expect_str_eq(got.upload_id, "upload/id+1");
    cr_expect_eq(got.part_size_bytes, 5);
    cr_expect_eq(got.part_count, 10000);
    cr_expect_eq(got.updated_unix_ms, fixture_fixed_ms(NULL));
    cr_expect_eq(got.source.size_bytes, 123456789);
    cr_expect_eq(got.created_unix_ms, 1600000000001);
    ps_upload_record_clear(&got);
    ps_state_close(state);
}

Test(checkpoint_upload, part_noted_twice_is_the_later_one_and_forgotten_ones_are_gone)
{
    struct ps_state *state = fixture_open();
    struct ps_upload_record record = fixture_begin(state, "s3://b/k");
    struct ps_part_record wrong = { .part_number = 2, .etag = "old" };
    const uint32_t forgotten[] = { 1, 5, 77 };

    cr_assert_eq(ps_checkpoint_parts_done(state, record.number, &wrong, 1, NULL), PS_OK);
    fixture_note_parts(state, record.number, 1, 5);
    cr_expect_eq(ps_checkpoint_parts_forget(state, record.number, forgotten, 3, NULL), PS_OK);

    fixture_expect_parts(state, record.number, 2, 3);
    ps_state_close(state);
}

Test(checkpoint_upload, ended_upload_leaves_nothing_and_may_be_ended_again)
{
    struct ps_state *state = fixture_open();
    struct ps_upload_record record = fixture_begin(state, "s3://b/k");
    struct ps_upload_record other = fixture_begin(state, "s3://b/other");

    fixture_note_parts(state, record.number, 1, 9);
    fixture_note_parts(state, other.number, 1, 4);
    cr_expect_eq(ps_checkpoint_end(state, record.number, "s3://b/k", NULL), PS_OK);
    cr_expect_eq(ps_checkpoint_end(state, record.number, "s3://b/k", NULL), PS_OK);

    cr_expect_not(fixture_has_upload(state, "s3://b/k"));
    fixture_expect_parts(state, record.number, 1, 0);
    fixture_expect_parts(state, other.number, 1, 4);
    cr_expect_eq(fixture_count(state, PS_DB_PARTS), 5, "four parts and the row that says so");
    ps_state_close(state);
}

Test(checkpoint_upload, writes_to_an_upload_that_is_gone_are_not_found)
{
    struct ps_state *state = fixture_open();
    struct ps_upload_record record = fixture_begin(state, "s3://b/k");
    const struct ps_part_record part = fixture_part(1);

    cr_assert_eq(ps_checkpoint_end(state, record.number, "s3://b/k", NULL), PS_OK);

    cr_expect_eq(ps_checkpoint_update(state, &record, NULL), PS_E_NOT_FOUND);
    cr_expect_eq(ps_checkpoint_parts_done(state, record.number, &part, 1, NULL), PS_E_NOT_FOUND);
    cr_expect_eq(fixture_count(state, PS_DB_PARTS), 0);
    ps_state_close(state);
}

Test(checkpoint_upload, replaced_record_loses_its_parts_and_the_old_number_is_dead)
{
    struct ps_state *state = fixture_open();
    struct ps_upload_record old = fixture_begin(state, "s3://b/k");
    struct ps_upload_record now;
    const struct ps_part_record part = fixture_part(1);

    fixture_note_parts(state, old.number, 1, 9);
    now = fixture_begin(state, "s3://b/k");

    cr_expect_gt(now.number, old.number);
    fixture_expect_parts(state, old.number, 1, 0);
    fixture_expect_parts(state, now.number, 1, 0);
    cr_expect_eq(ps_checkpoint_parts_done(state, old.number, &part, 1, NULL), PS_E_NOT_FOUND);
    cr_expect_eq(ps_checkpoint_update(state, &old, NULL), PS_E_NOT_FOUND);
    cr_expect_eq(ps_checkpoint_end(state, old.number, "s3://b/k", NULL), PS_OK);
    cr_expect(fixture_has_upload(state, "s3://b/k"),
              "the end of the old one is not that of the new one");
    ps_state_close(state);
}

Test(checkpoint_upload, numbers_are_never_used_again)
{
    struct ps_state *state = fixture_open();
    struct ps_upload_record first = fixture_begin(state, "s3://b/k");
    struct ps_upload_record second;

    cr_assert_eq(ps_checkpoint_end(state, first.number, "s3://b/k", NULL), PS_OK);
    ps_state_close(state);
    state = fixture_open();
    second = fixture_begin(state, "s3://b/k");

    cr_expect_gt(second.number, first.number);
    ps_state_close(state);
}

Test(checkpoint_upload, part_number_0_is_refused_and_a_batch_is_all_or_nothing)
{
    struct ps_state *state = fixture_open();
    struct ps_upload_record record = fixture_begin(state, "s3://b/k");
    const struct ps_part_record parts[] = { fixture_part(1), { .part_number = 0 } };
    const uint32_t zero = 0;

    cr_expect_eq(ps_checkpoint_parts_done(state, record.number, parts, 2, NULL), PS_E_INVALID);
    cr_expect_eq(ps_checkpoint_parts_forget(state, record.number, &zero, 1, NULL), PS_E_INVALID);
    fixture_expect_parts(state, record.number, 1, 0);
    fixture_note_parts(state, record.number, 1, 1);
    ps_state_close(state);
}

Test(checkpoint_upload, ten_thousand_parts_in_any_order_are_read_in_theirs)
{
    struct ps_state *state = fixture_open();
    struct ps_upload_record record = fixture_begin(state, "s3://b/k");
    struct ps_upload_record got;

    for (uint32_t i = 0; i < 10000; i += 50) {
        fixture_note_parts(state, record.number, 9951 - i, 50);
    }
    got = fixture_claim(state, "s3://b/k");

    fixture_expect_parts(state, record.number, 1, 10000);
    cr_expect_eq(got.done_part_count, 10000);
    ps_upload_record_clear(&got);
    ps_state_close(state);
}

/* --- long URLs --- */

/* A URL of 400 bytes and then tail: what shares the first 400 is told apart by a hash of the rest. */
static char *long_url(const char *tail)
{
    char *url = malloc(400 + strlen(tail) + 1);

    memset(url, 'k', 400);
    memcpy(url, "s3://bucket/", 12);
    (void)snprintf(url + 400, strlen(tail) + 1, "%s", tail);
    return url;
}

Test(checkpoint_upload, urls_of_any_length_have_records_of_their_own)
{
    static const size_t lengths[] = { 1, 399, 400, 401, 409, 410, 511, 512, 1100, 4000 };
    struct ps_state *state = fixture_open();
    uint64_t numbers[COUNT_OF(lengths)];
    char url[4001];

    memset(url, 'u', sizeof(url));
    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        url[lengths[i]] = '\0';
        numbers[i] = fixture_begin(state, url).number;
        url[lengths[i]] = 'u';
    }
    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        struct ps_upload_record got;

        url[lengths[i]] = '\0';
        got = fixture_claim(state, url);
        cr_expect_eq(got.number, numbers[i], "%zu bytes", lengths[i]);
        cr_expect_str_eq(got.url, url);
        ps_upload_record_clear(&got);
        url[lengths[i]] = 'u';
    }
    cr_expect_eq(fixture_count(state, PS_DB_UPLOADS), COUNT_OF(lengths));
    ps_state_close(state);
}

Test(checkpoint_upload, long_urls_with_one_hash_take_slots)
{
    for (size_t i = 0; i < COUNT_OF(fixture_collisions); i++) {
        struct ps_state *state = fixture_open();
        char *one = long_url(fixture_collisions[i][0]);
        char *two = long_url(fixture_collisions[i][1]);
        struct ps_key keys[2];
        struct ps_upload_record first;
        struct ps_upload_record second;
        struct ps_upload_record got;

        ps_key_from_text(&keys[0], one, 0);
        ps_key_from_text(&keys[1], two, 0);
        cr_assert_eq(keys[0].size_bytes, 410);
        cr_assert_arr_eq(keys[0].bytes, keys[1].bytes, 410);
        first = fixture_begin(state, one);
        second = fixture_begin(state, two);

        got = fixture_claim(state, one);
        cr_expect_eq(got.number, first.number);
        ps_upload_record_clear(&got);
        cr_assert_eq(ps_checkpoint_end(state, first.number, one, NULL), PS_OK);
        cr_expect_not(fixture_has_upload(state, one));
        got = fixture_claim(state, two); /* found although the slot before it is free */
        cr_expect_eq(got.number, second.number);
        ps_upload_record_clear(&got);
        (void)fixture_begin(state, one);
        cr_assert_eq(ps_checkpoint_end(state, second.number, two, NULL), PS_OK);
        cr_expect(fixture_has_upload(state, one));
        free(one);
        free(two);
        ps_state_close(state);
    }
}

Test(checkpoint_upload, url_whose_slots_are_all_taken_is_refused)
{
    struct ps_state *state = fixture_open();
    const struct ps_owner self = fixture_self();
    char *one = long_url(fixture_collisions[0][0]);
    char *two = long_url(fixture_collisions[0][1]);
    struct ps_upload_record record = fixture_upload(two, &self);
    struct fixture_raw raw = { .db = PS_DB_UPLOADS };
    struct ps_buf buf;

    ps_buf_init(&buf, 0);
    cr_assert_eq(ps_upload_record_encode(&record, &buf, NULL), PS_OK);
    raw.data = buf.data;
    raw.size_bytes = buf.size_bytes;
    for (unsigned slot = 0; slot < PS_KEY_SLOTS; slot++) {
        ps_key_from_text(&raw.key, one, slot);
        fixture_put_raw(state, &raw);
    }
    record.url = one;

    cr_expect_eq(ps_checkpoint_begin(state, &record, NULL), PS_E_TOO_LARGE);
    record.url = fixture_text("");
    cr_expect_eq(ps_checkpoint_begin(state, &record, NULL), PS_E_INVALID);
    ps_buf_clear(&buf);
    free(one);
    free(two);
    ps_state_close(state);
}

/* --- each --- */

struct seen {
    struct ps_state *state;
    char urls[8][32];
    size_t count;
    size_t stop_after;
};

/* Ends what it is shown: a transaction held over the call would stand in the way. */
static bool see_and_end(void *user, const struct ps_upload_record *record)
{
    struct seen *seen = user;

    (void)snprintf(seen->urls[seen->count], sizeof(seen->urls[0]), "%s", record->url);
    seen->count++;
    cr_expect_eq(ps_checkpoint_end(seen->state, record->number, record->url, NULL), PS_OK);
    return seen->count != seen->stop_after;
}

Test(checkpoint_upload, each_shows_all_by_url_and_stops_when_told)
{
    struct ps_state *state = fixture_open();
    struct seen seen = { .state = state, .stop_after = 2 };

    cr_expect_eq(ps_checkpoint_each(state, see_and_end, &seen, NULL), PS_OK);
    cr_expect_eq(seen.count, 0);
    (void)fixture_begin(state, "s3://b/3");
    (void)fixture_begin(state, "s3://b/1");
    (void)fixture_begin(state, "s3://b/2");
    cr_expect_eq(ps_checkpoint_each(state, see_and_end, &seen, NULL), PS_OK);

    cr_expect_eq(seen.count, 2);
    cr_expect_str_eq(seen.urls[0], "s3://b/1");
    cr_expect_str_eq(seen.urls[1], "s3://b/2");
    cr_expect(fixture_has_upload(state, "s3://b/3"));
    ps_state_close(state);
}
