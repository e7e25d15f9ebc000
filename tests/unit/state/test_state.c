#include "state/state.h"

#include "state_fixture.h"

#include <errno.h>
#include <signal.h>
#include <sys/stat.h>

TestSuite(state, .timeout = 60, .init = fixture_make_dir, .fini = fixture_remove_dir);

static void put_schema(const void *data, size_t size_bytes)
{
    struct ps_state *state = fixture_open();
    struct fixture_raw raw = { .db = PS_DB_META, .data = data, .size_bytes = size_bytes };

    ps_key_from_text(&raw.key, "schema", 0);
    fixture_put_raw(state, &raw);
    ps_state_close(state);
}

static enum ps_code open_code(bool read_only, struct ps_err *err)
{
    struct ps_state *state = fixture_try_open(0, read_only, err);

    ps_state_close(state);
    return state != NULL ? PS_OK : err->code;
}

static bool has_file(const char *name)
{
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/%s", fixture_dir, name);
    return access(path, F_OK) == 0;
}

/* --- opening --- */

Test(state, missing_directories_are_made_for_the_user_alone)
{
    char *dir = fixture_dir;
    char deep[128];
    struct stat info;
    const struct ps_state_options options = { .dir = deep, .clock = ps_clock_system() };
    struct ps_state *state = NULL;

    (void)snprintf(deep, sizeof(deep), "%s/a/b/c/", dir);
    cr_assert_eq(ps_state_open(&state, &options, NULL), PS_OK);
    ps_state_close(state);

    cr_assert_eq(stat(deep, &info), 0);
    cr_expect_eq(info.st_mode & 0777, 0700);
}

Test(state, bad_directories_are_refused)
{
    char file[128];
    const struct ps_state_options nameless = { .dir = "", .clock = ps_clock_system() };
    const struct ps_state_options in_file = { .dir = file, .clock = ps_clock_system() };
    struct ps_state *state = NULL;
    struct ps_err err = { 0 };
    FILE *made;

    (void)snprintf(file, sizeof(file), "%s/file", fixture_dir);
    made = fopen(file, "we");
    cr_assert_not_null(made);
    (void)fclose(made);

    cr_expect_eq(ps_state_open(&state, &nameless, &err), PS_E_INVALID);
    cr_expect_eq(ps_state_open(&state, &in_file, &err), PS_E_NOT_FOUND);
    cr_expect_not_null(strstr(err.message, "Not a directory"), "%s", err.message);
    cr_expect_null(state);
}

Test(state, newer_schema_is_refused_with_both_versions)
{
    static const unsigned char newer[] = { 2, 0, 0 };
    struct ps_err err = { 0 };

    put_schema(newer, 1);
    cr_expect_eq(open_code(false, &err), PS_E_PARSE);
    cr_expect_not_null(strstr(err.message, "schema 2"), "%s", err.message);
    cr_expect_not_null(strstr(err.message, "reads 1"), "%s", err.message);
    cr_expect_eq(open_code(true, &err), PS_E_PARSE);
}

Test(state, damaged_schema_and_a_file_that_is_no_database_are_refused)
{
    char path[128];
    struct ps_err err = { 0 };
    FILE *file;

    put_schema("", 0);
    cr_expect_eq(open_code(false, &err), PS_E_PARSE, "%s", err.message);

    (void)snprintf(path, sizeof(path), "%s/data.mdb", fixture_dir);
    file = fopen(path, "we");
    cr_assert_not_null(file);
    for (int i = 0; i < 100000; i++) {
        (void)fputc('x', file);
    }
    cr_assert_eq(fclose(file), 0);
    cr_expect_eq(open_code(false, &err), PS_E_PARSE, "%s", err.message);
    cr_expect_not_null(strstr(err.message, fixture_dir), "%s", err.message);
}

Test(state, read_only_finds_nothing_and_makes_nothing)
{
    struct ps_err err = { 0 };

    cr_expect_eq(open_code(true, &err), PS_E_NOT_FOUND, "%s", err.message);
    cr_expect_not(has_file("data.mdb"));
}

Test(state, read_only_reads_and_does_not_write)
{
    struct ps_owner self = fixture_self();
    struct ps_upload_record record = fixture_upload("s3://b/k", &self);
    struct ps_state *state = fixture_open();
    struct ps_err err = { 0 };

    cr_assert_eq(ps_checkpoint_begin(state, &record, NULL), PS_OK);
    fixture_note_parts(state, record.number, 1, 3);
    ps_state_close(state);

    state = fixture_try_open(0, true, &err);
    cr_assert_not_null(state, "%s", err.message);
    fixture_expect_parts(state, record.number, 1, 3);
    cr_expect_eq(ps_checkpoint_begin(state, &record, &err), PS_E_DENIED, "%s", err.message);
    ps_state_close(state);
}

static enum ps_code drop_body(struct ps_txn *txn, void *user)
{
    int rc = mdb_drop(txn->mdb, txn->state->dbs[*(enum ps_state_db *)user], 1);

    return rc != 0 ? ps_txn_fail(txn, rc, "drop") : PS_OK;
}

Test(state, database_that_an_older_purser_did_not_have_is_added_on_opening)
{
    enum ps_state_db db = PS_DB_DOWNLOAD_RANGES;
    struct ps_owner self = fixture_self();
    struct ps_upload_record record = fixture_upload("s3://b/k", &self);
    struct ps_state *state = fixture_open();
    struct ps_err err = { 0 };

    cr_assert_eq(ps_checkpoint_begin(state, &record, NULL), PS_OK);
    cr_assert_eq(ps_state_write(state, drop_body, &db, NULL), PS_OK);
    ps_state_close(state);
    cr_expect_eq(open_code(true, &err), PS_E_NOT_FOUND, "%s", err.message);
    state = fixture_open();

    cr_expect_eq(fixture_count(state, PS_DB_DOWNLOAD_RANGES), 0);
    cr_expect_eq(fixture_count(state, PS_DB_UPLOADS), 1);
    ps_state_close(state);
}

/* Root may write everywhere: be nobody for as long as it matters. */
static void drop_rights(void)
{
    if (geteuid() == 0) {
        cr_assert_eq(seteuid(65534), 0);
    }
}

static void take_rights_back(void)
{
    if (getuid() == 0) {
        cr_assert_eq(seteuid(0), 0);
    }
}

Test(state, directory_that_may_not_be_written_is_denied)
{
    struct ps_err err = { 0 };

    cr_assert_eq(chmod(fixture_dir, 0555), 0);
    drop_rights();
    cr_expect_eq(open_code(false, &err), PS_E_DENIED, "%s", err.message);
    take_rights_back();
    cr_expect_not_null(strstr(err.message, fixture_dir), "%s", err.message);
}

Test(state, read_only_does_without_a_lock_file_only_where_there_is_none)
{
    char path[128];
    struct ps_err err = { 0 };

    ps_state_close(fixture_open());
    (void)snprintf(path, sizeof(path), "%s/data.mdb", fixture_dir);
    cr_assert_eq(chmod(path, 0444), 0);
    (void)snprintf(path, sizeof(path), "%s/lock.mdb", fixture_dir);
    cr_assert_eq(chmod(path, 0400), 0);
    cr_assert_eq(chmod(fixture_dir, 0555), 0);
    drop_rights();
    cr_expect_eq(open_code(true, &err), PS_E_DENIED, "a writer may be there: %s", err.message);
    take_rights_back();

    cr_assert_eq(chmod(fixture_dir, 0755), 0);
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(chmod(fixture_dir, 0555), 0);
    drop_rights();
    cr_expect_eq(open_code(true, &err), PS_OK, "%s", err.message);
    take_rights_back();
    cr_expect_not(has_file("lock.mdb"));
}

/* --- codes of LMDB --- */

Test(state, every_foreign_code_has_its_own)
{
    static const struct row {
        int rc;
        enum ps_code code;
    } rows[] = {
        { MDB_NOTFOUND, PS_E_NOT_FOUND },
        { MDB_MAP_FULL, PS_E_NO_SPACE },
        { ENOSPC, PS_E_NO_SPACE },
        { EDQUOT, PS_E_NO_SPACE },
        { MDB_CORRUPTED, PS_E_PARSE },
        { MDB_PAGE_NOTFOUND, PS_E_PARSE },
        { MDB_INVALID, PS_E_PARSE },
        { MDB_VERSION_MISMATCH, PS_E_PARSE },
        { MDB_INCOMPATIBLE, PS_E_PARSE },
        { MDB_READERS_FULL, PS_E_TEMPORARY },
        { MDB_MAP_RESIZED, PS_E_TEMPORARY },
        { MDB_TXN_FULL, PS_E_TOO_LARGE },
        { MDB_PANIC, PS_E_IO },
        { EIO, PS_E_IO },
        { ENOMEM, PS_E_NO_MEMORY },
        { EACCES, PS_E_DENIED },
        { EROFS, PS_E_DENIED },
        { MDB_BAD_TXN, PS_E_BUG },
        { MDB_BAD_VALSIZE, PS_E_BUG },
        { MDB_BAD_DBI, PS_E_BUG },
        { MDB_KEYEXIST, PS_E_BUG },
        { -1, PS_E_BUG },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct ps_err err = { 0 };

        cr_expect_eq(ps_state_error(rows[i].rc, "what", &err), rows[i].code, "%d", rows[i].rc);
        cr_expect_eq(err.code, rows[i].code, "%d", rows[i].rc);
        cr_expect_not_null(strstr(err.message, "state: what: "), "%s", err.message);
    }
}

/* --- the map --- */

enum {
    SMALL_MAP_BYTES = 128 * 1024
};

static off_t data_size(void)
{
    char path[128];
    struct stat info = { 0 };

    (void)snprintf(path, sizeof(path), "%s/data.mdb", fixture_dir);
    cr_assert_eq(stat(path, &info), 0);
    return info.st_size;
}

Test(state, full_map_grows_and_nothing_is_lost)
{
    struct ps_owner self = fixture_self();
    struct ps_upload_record record = fixture_upload("s3://b/k", &self);
    struct ps_state *state = fixture_try_open(SMALL_MAP_BYTES, false, NULL);

    cr_assert_not_null(state);
    cr_assert_eq(ps_checkpoint_begin(state, &record, NULL), PS_OK);
    for (uint32_t first = 1; first < 10000; first += 50) {
        fixture_note_parts(state, record.number, first, 50);
    }

    cr_expect_gt(data_size(), 4 * SMALL_MAP_BYTES);
    fixture_expect_parts(state, record.number, 1, 10000);
    ps_state_close(state);

    state = fixture_try_open(SMALL_MAP_BYTES, false, NULL); /* less than what is there */
    cr_assert_not_null(state);
    fixture_expect_parts(state, record.number, 1, 10000);
    cr_assert_eq(ps_checkpoint_end(state, record.number, record.url, NULL), PS_OK);
    cr_expect_eq(fixture_count(state, PS_DB_PARTS), 0);
    cr_expect_eq(fixture_count(state, PS_DB_UPLOADS), 0);
    ps_state_close(state);
}

struct grower {
    uint64_t number;
};

static int grow_it(void *user)
{
    const struct grower *grower = user;
    struct ps_state *state = fixture_try_open(SMALL_MAP_BYTES, false, NULL);
    struct ps_part_record parts[50];

    for (uint32_t first = 1; state != NULL && first < 10000; first += 50) {
        for (uint32_t i = 0; i < 50; i++) {
            parts[i] = fixture_part(first + i);
        }
        if (ps_checkpoint_parts_done(state, grower->number, parts, 50, NULL) != PS_OK) {
            return 1;
        }
    }
    ps_state_close(state);
    return state != NULL ? 0 : 2;
}

/* The child opens the state itself; that it inherits a map of its parent does no harm as it never touches it. */
Test(state, map_that_another_process_has_grown_is_followed)
{
    struct ps_owner self = fixture_self();
    struct ps_upload_record record = fixture_upload("s3://b/k", &self);
    struct ps_state *state = fixture_try_open(SMALL_MAP_BYTES, false, NULL);
    struct grower grower;

    cr_assert_not_null(state);
    cr_assert_eq(ps_checkpoint_begin(state, &record, NULL), PS_OK);
    grower.number = record.number;
    cr_assert_eq(fixture_run_child(grow_it, &grower), 0);

    fixture_expect_parts(state, record.number, 1, 10000);
    fixture_note_parts(state, record.number, 10001, 1);
    fixture_expect_parts(state, record.number, 1, 10001);
    ps_state_close(state);
}

/* --- processes --- */

static int use_after_fork(void *user)
{
    struct ps_state *state = user;
    struct ps_part_record *parts = NULL;
    size_t count = 0;
    enum ps_code code = ps_checkpoint_parts(state, 1, &parts, &count, NULL);

    ps_state_close(state);
    return code == PS_E_BUG ? 0 : 1;
}

Test(state, child_cannot_use_the_state_of_its_parent_nor_harm_it)
{
    struct ps_owner self = fixture_self();
    struct ps_upload_record record = fixture_upload("s3://b/k", &self);
    struct ps_state *state = fixture_open();

    cr_assert_eq(ps_checkpoint_begin(state, &record, NULL), PS_OK);
    cr_expect_eq(fixture_run_child(use_after_fork, state), 0);

    fixture_note_parts(state, record.number, 1, 2);
    fixture_expect_parts(state, record.number, 1, 2);
    ps_state_close(state);
}

static enum ps_code die_body(struct ps_txn *txn, void *user)
{
    enum ps_code code = fixture_put_raw_body(txn, user);

    if (code == PS_OK) {
        (void)raise(SIGKILL);
    }
    return code;
}

static int die_in_write(void *user)
{
    struct ps_state *state = fixture_try_open(0, false, NULL);

    return state != NULL && ps_state_write(state, die_body, user, NULL) == PS_OK ? 0 : 1;
}

Test(state, writer_that_dies_leaves_nothing_and_its_lock_is_taken_over)
{
    struct fixture_raw raw = { .db = PS_DB_UPLOADS, .data = "x", .size_bytes = 1 };
    struct ps_state *state = fixture_open();
    struct ps_owner self = fixture_self();
    struct ps_upload_record record = fixture_upload("s3://b/k", &self);

    ps_key_from_text(&raw.key, "half", 0);
    cr_assert_eq(fixture_run_child(die_in_write, &raw), 128 + SIGKILL);

    cr_expect_eq(ps_checkpoint_begin(state, &record, NULL), PS_OK);
    cr_expect_eq(fixture_count(state, PS_DB_UPLOADS), 1);
    ps_state_close(state);
}
