#include "state/checkpoint.h"

#include "state_fixture.h"

TestSuite(checkpoint_download, .timeout = 60, .init = fixture_make_dir, .fini = fixture_remove_dir);

static struct ps_download_record download_of(const char *path, const struct ps_owner *owner)
{
    return (struct ps_download_record){
        .path = fixture_text(path),
        .url = fixture_text("s3://b/k"),
        .etag = fixture_text("\"abc-3\""),
        .size_bytes = 1000000007,
        .range_size_bytes = 8388608,
        .checksum_algorithm = 1,
        .owner = *owner,
        .created_unix_ms = 1600000000001,
    };
}

static void begin(struct ps_state *state, const char *path)
{
    const struct ps_owner self = fixture_self();
    const struct ps_download_record record = download_of(path, &self);
    struct ps_err err = { 0 };

    cr_assert_eq(ps_checkpoint_download_begin(state, &record, &err), PS_OK, "%s", err.message);
}

static bool claim(struct ps_state *state, const char *path, struct ps_download_record *record_out)
{
    const struct ps_owner self = fixture_self();
    struct ps_err err = { 0 };
    bool found = false;

    cr_assert_eq(ps_checkpoint_download_claim(state, path, &self, &found, record_out, &err), PS_OK,
                 "%s", err.message);
    return found;
}

static void note(struct ps_state *state, const char *path, uint32_t first, uint32_t count)
{
    struct ps_range_record ranges[64] = { 0 };

    for (uint32_t i = 0; i < count; i++) {
        ranges[i].range_index = first + i;
        ranges[i].size_bytes = first + i + 100;
        ranges[i].checksum[31] = (uint8_t)(first + i);
    }
    cr_assert_eq(ps_checkpoint_ranges_done(state, path, ranges, count, NULL), PS_OK);
}

static void expect_ranges(struct ps_state *state, const char *path, uint32_t first, size_t count)
{
    struct ps_range_record *ranges = NULL;
    size_t got = 99999;

    cr_assert_eq(ps_checkpoint_ranges(state, path, &ranges, &got, NULL), PS_OK);
    cr_assert_eq(got, count, "%s: %zu ranges, not %zu", path, got, count);
    for (size_t i = 0; i < count; i++) {
        cr_expect_eq(ranges[i].range_index, first + i);
        cr_expect_eq(ranges[i].size_bytes, first + i + 100);
        cr_expect_eq(ranges[i].checksum[31], (uint8_t)(first + i));
    }
    free(ranges);
}

Test(checkpoint_download, begun_record_and_its_ranges_are_there_after_reopening)
{
    struct ps_state *state = fixture_open();
    struct ps_download_record got = { 0 };

    begin(state, "/data/out");
    note(state, "/data/out", 60, 20);
    note(state, "/data/out", 0, 60);
    ps_state_close(state);
    state = fixture_open();

    cr_assert(claim(state, "/data/out", &got));
    cr_expect_str_eq(got.path, "/data/out");
    cr_expect_str_eq(got.url, "s3://b/k");
    cr_expect_str_eq(got.etag, "\"abc-3\"");
    cr_expect_eq(got.size_bytes, 1000000007);
    cr_expect_eq(got.range_size_bytes, 8388608);
    cr_expect_eq(got.checksum_algorithm, 1);
    cr_expect_eq(got.created_unix_ms, 1600000000001);
    expect_ranges(state, "/data/out", 0, 80);
    ps_download_record_clear(&got);
    ps_state_close(state);
}

Test(checkpoint_download, begun_anew_it_has_no_ranges)
{
    struct ps_state *state = fixture_open();

    begin(state, "/data/out");
    note(state, "/data/out", 0, 9);
    begin(state, "/data/out");

    expect_ranges(state, "/data/out", 0, 0);
    cr_expect_eq(fixture_count(state, PS_DB_DOWNLOAD_RANGES), 0);
    ps_state_close(state);
}

Test(checkpoint_download, ended_it_leaves_nothing_and_may_be_ended_again)
{
    struct ps_state *state = fixture_open();
    const struct ps_range_record range = { 0 };
    struct ps_download_record got = { 0 };

    begin(state, "/data/out");
    begin(state, "/data/out2");
    note(state, "/data/out", 0, 9);
    note(state, "/data/out2", 0, 5);
    cr_expect_eq(ps_checkpoint_download_end(state, "/data/out", NULL), PS_OK);
    cr_expect_eq(ps_checkpoint_download_end(state, "/data/out", NULL), PS_OK);

    cr_expect_not(claim(state, "/data/out", &got));
    expect_ranges(state, "/data/out", 0, 0);
    expect_ranges(state, "/data/out2", 0, 5);
    cr_expect_eq(fixture_count(state, PS_DB_DOWNLOAD_RANGES), 5);
    cr_expect_eq(ps_checkpoint_ranges_done(state, "/data/out", &range, 1, NULL), PS_E_NOT_FOUND);
    ps_state_close(state);
}

/* Paths of Linux have up to 4,096 bytes, any but NUL. */
Test(checkpoint_download, long_paths_with_one_hash_keep_their_ranges_apart)
{
    struct ps_state *state = fixture_open();
    char one[500];
    char two[500];

    memset(one, '\xff', sizeof(one));
    one[0] = '/';
    memcpy(two, one, sizeof(two));
    (void)snprintf(one + 400, 100, "%s", fixture_collisions[1][0]);
    (void)snprintf(two + 400, 100, "%s", fixture_collisions[1][1]);
    begin(state, one);
    begin(state, two);
    note(state, one, 0, 3);
    note(state, two, 7, 4);

    expect_ranges(state, one, 0, 3);
    expect_ranges(state, two, 7, 4);
    cr_expect_eq(ps_checkpoint_download_end(state, one, NULL), PS_OK);
    expect_ranges(state, two, 7, 4);
    ps_state_close(state);
}

Test(checkpoint_download, living_owner_keeps_others_out)
{
    struct ps_state *state = fixture_open();
    const struct ps_owner self = fixture_self();
    struct ps_owner other = self;
    struct ps_download_record record = download_of("/data/out", &self);
    struct ps_download_record got = { 0 };
    struct ps_err err = { 0 };
    bool found = false;

    other.pid = getppid();
    begin(state, "/data/out"); /* this process, which lives */
    cr_expect_eq(ps_checkpoint_download_claim(state, "/data/out", &other, &found, &got, &err),
                 PS_E_LOCKED);
    cr_expect_not_null(strstr(err.message, "/data/out: locked by pid "), "%s", err.message);
    record.owner = other;
    cr_expect_eq(ps_checkpoint_download_begin(state, &record, &err), PS_E_LOCKED);

    record.owner = self;
    record.owner.start_ticks++;
    record.path = fixture_text("/data/dead");
    cr_assert_eq(ps_checkpoint_download_begin(state, &record, &err), PS_OK);
    cr_expect(claim(state, "/data/dead", &got));
    cr_expect_eq(got.owner.start_ticks, self.start_ticks);
    ps_download_record_clear(&got);
    ps_state_close(state);
}

Test(checkpoint_download, damage_is_a_parse_error)
{
    struct ps_state *state = fixture_open();
    const struct ps_owner self = fixture_self();
    struct fixture_raw raw = { .db = PS_DB_DOWNLOAD_RANGES, .data = "\1", .size_bytes = 1 };
    struct ps_range_record *ranges = NULL;
    struct ps_download_record got = { 0 };
    size_t count = 0;
    bool found = false;

    begin(state, "/data/out");
    ps_key_from_number(&raw.key, 1, 0);
    fixture_put_raw(state, &raw);
    cr_expect_eq(ps_checkpoint_ranges(state, "/data/out", &ranges, &count, NULL), PS_E_PARSE);

    raw.db = PS_DB_DOWNLOADS;
    ps_key_from_text(&raw.key, "/data/out", 0);
    fixture_put_raw(state, &raw);
    cr_expect_eq(ps_checkpoint_download_claim(state, "/data/out", &self, &found, &got, NULL),
                 PS_E_PARSE);
    cr_expect_eq(ps_checkpoint_ranges(state, "/data/out", &ranges, &count, NULL), PS_E_PARSE);
    cr_expect_eq(ps_checkpoint_download_end(state, "/data/out", NULL), PS_E_PARSE);
    ps_state_close(state);
}
