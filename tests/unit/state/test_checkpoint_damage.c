#include "state/checkpoint.h"

#include "state_fixture.h"

TestSuite(checkpoint_damage, .timeout = 60, .init = fixture_make_dir, .fini = fixture_remove_dir);

static void damage_upload(struct ps_state *state, const char *url, const void *data, size_t size)
{
    struct fixture_raw raw = { .db = PS_DB_UPLOADS, .data = data, .size_bytes = size };

    ps_key_from_text(&raw.key, url, 0);
    fixture_put_raw(state, &raw);
}

Test(checkpoint_damage, damaged_upload_is_a_parse_error_and_left_as_it_is)
{
    static const struct row {
        const char *name;
        const char *data;
        size_t size;
    } rows[] = {
        { "empty", "", 0 },
        { "version only", "\1", 1 },
        { "later version", "\2\0\0", 3 },
        { "length past the end", "\1\xff\0s3", 5 },
        { "another URL", "\1\4\0s3:/", 7 },
        { "its URL and nothing else", "\1\10\0s3://b/k", 11 },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct ps_state *state = fixture_open();
        const struct ps_owner self = fixture_self();
        struct ps_upload_record record = fixture_upload("s3://b/k", &self);
        struct ps_upload_record got = { 0 };
        bool found = false;

        damage_upload(state, "s3://b/k", rows[i].data, rows[i].size);
        cr_expect_eq(ps_checkpoint_claim(state, "s3://b/k", &self, &found, &got, NULL), PS_E_PARSE,
                     "claim, %s", rows[i].name);
        cr_expect_eq(ps_checkpoint_begin(state, &record, NULL), PS_E_PARSE, "begin, %s",
                     rows[i].name);
        cr_expect_eq(ps_checkpoint_update(state, &record, NULL), PS_E_PARSE, "update, %s",
                     rows[i].name);
        cr_expect_eq(fixture_count(state, PS_DB_UPLOADS), 1, "%s", rows[i].name);
        ps_state_close(state);
    }
}

struct seen {
    char urls[4][32];
    size_t count;
};

static bool see(void *user, const struct ps_upload_record *record)
{
    struct seen *seen = user;

    (void)snprintf(seen->urls[seen->count], sizeof(seen->urls[0]), "%s", record->url);
    seen->count++;
    return true;
}

Test(checkpoint_damage, damaged_upload_hides_no_other)
{
    struct ps_state *state = fixture_open();
    struct seen seen = { .count = 0 };
    struct ps_err err = { 0 };

    (void)fixture_begin(state, "s3://b/1");
    damage_upload(state, "s3://b/2", "\1x", 2);
    (void)fixture_begin(state, "s3://b/3");

    cr_expect_eq(ps_checkpoint_each(state, see, &seen, &err), PS_E_PARSE);
    cr_expect_eq(seen.count, 2);
    cr_expect_str_eq(seen.urls[1], "s3://b/3");
    cr_expect_neq(err.message[0], '\0');
    ps_state_close(state);
}

Test(checkpoint_damage, damaged_part_and_damaged_sequence_are_parse_errors)
{
    struct ps_state *state = fixture_open();
    struct ps_upload_record record = fixture_begin(state, "s3://b/k");
    struct ps_upload_record got = { 0 };
    struct fixture_raw raw = { .db = PS_DB_PARTS, .data = "\1abc", .size_bytes = 4 };
    struct ps_part_record *parts = NULL;
    size_t count = 0;
    bool found = false;

    ps_key_from_number(&raw.key, record.number, 2);
    fixture_put_raw(state, &raw);
    cr_expect_eq(ps_checkpoint_parts(state, record.number, &parts, &count, NULL), PS_E_PARSE);
    cr_expect_null(parts);
    cr_expect_eq(ps_checkpoint_claim(state, "s3://b/k", &record.owner, &found, &got, NULL),
                 PS_E_PARSE);

    raw.db = PS_DB_META;
    ps_key_from_text(&raw.key, "upload_number", 0);
    fixture_put_raw(state, &raw);
    cr_expect_eq(ps_checkpoint_begin(state, &record, NULL), PS_E_PARSE);
    raw.data = "\1\xff\xff\xff\xff\xff\xff\xff\xff";
    raw.size_bytes = 9;
    fixture_put_raw(state, &raw);
    cr_expect_eq(ps_checkpoint_begin(state, &record, NULL), PS_E_PARSE, "the last number is used");
    ps_state_close(state);
}

Test(checkpoint_damage, parts_of_more_bytes_than_can_be_are_a_parse_error)
{
    struct ps_state *state = fixture_open();
    struct ps_upload_record record = fixture_begin(state, "s3://b/k");
    struct ps_upload_record got = { 0 };
    struct ps_part_record parts[2] = { fixture_part(1), fixture_part(2) };
    bool found = false;

    parts[0].size_bytes = UINT64_MAX;
    cr_assert_eq(ps_checkpoint_parts_done(state, record.number, parts, 2, NULL), PS_OK);
    cr_expect_eq(ps_checkpoint_claim(state, "s3://b/k", &record.owner, &found, &got, NULL),
                 PS_E_PARSE);
    ps_state_close(state);
}
