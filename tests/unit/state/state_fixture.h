/**
 * state_fixture - a fresh directory and a state in it, for the tests of this folder.
 *
 * Flow:    test_*.c -> [state_fixture] -> state/
 * Thread:  one; Criterion runs every test in a process of its own
 * Source:  none
 */
#ifndef PS_TESTS_UNIT_STATE_STATE_FIXTURE_H
#define PS_TESTS_UNIT_STATE_STATE_FIXTURE_H

#include "state/checkpoint.h"
#include "state/state_internal.h"

#include <criterion/criterion.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT_OF(rows) (sizeof(rows) / sizeof((rows)[0]))

/* FNV-1a 64 of both halves of each pair is the same: known collisions of that function, checked with another
 * implementation of it. */
static const char *const fixture_collisions[3][2] = {
    { "8yn0iYCKYHlIj4-BwPqk", "GReLUrM4wMqfg9yzV3KQ" },
    { "gMPflVXtwGDXbIhP73TX", "LtHf1prlU1bCeYZEdqWf" },
    { "pFuM83THhM-Qw8FI5FKo", ".jPx7rOtTDteKAwvfOEo" },
};

static char fixture_dir[64];

static inline int64_t fixture_fixed_ms(void *user)
{
    (void)user;
    return 1700000000123;
}

static inline void fixture_make_dir(void)
{
    (void)snprintf(fixture_dir, sizeof(fixture_dir), "/tmp/purser-state-XXXXXX");
    cr_assert_not_null(mkdtemp(fixture_dir));
}

static inline int fixture_remove_one(const char *path, const struct stat *info, int type,
                                     struct FTW *ftw)
{
    (void)info;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline void fixture_remove_dir(void)
{
    (void)chmod(fixture_dir, 0700);
    cr_expect_eq(nftw(fixture_dir, fixture_remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

/* Also for children, who must not use Criterion's assertions: NULL on failure. */
static inline struct ps_state *fixture_try_open(size_t map_size_bytes, bool read_only,
                                                struct ps_err *err)
{
    static const struct ps_clock clock = { .unix_ms = fixture_fixed_ms };
    const struct ps_state_options options = {
        .dir = fixture_dir,
        .read_only = read_only,
        .map_size_bytes = map_size_bytes,
        .clock = &clock,
    };
    struct ps_state *state = NULL;

    return ps_state_open(&state, &options, err) == PS_OK ? state : NULL;
}

static inline struct ps_state *fixture_open(void)
{
    struct ps_err err = { 0 };
    struct ps_state *state = fixture_try_open(0, false, &err);

    cr_assert_not_null(state, "%s", err.message);
    return state;
}

static inline struct ps_owner fixture_self(void)
{
    struct ps_owner owner = { 0 };

    cr_assert_eq(ps_owner_self(&owner, NULL), PS_OK);
    return owner;
}

/* Records own their text when they are read; those of a test borrow it. */
static inline char *fixture_text(const char *text)
{
    return (char *)(uintptr_t)text;
}

/* Borrows url. */
static inline struct ps_upload_record fixture_upload(const char *url, const struct ps_owner *owner)
{
    return (struct ps_upload_record){
        .url = fixture_text(url),
        .phase = PS_UPLOAD_CREATING,
        .source = { PS_SOURCE_FILE, 2049, 77, 123456789, 1600000000000000001, { 0 } },
        .source_path = fixture_text("/data/big file"),
        .part_size_bytes = 16777216,
        .part_count = 8,
        .checksum_algorithm = 2,
        .owner = *owner,
        .policy_digest = fixture_text("abc"),
        .created_unix_ms = 1600000000001,
        .updated_unix_ms = 1600000000002,
    };
}

static inline struct ps_upload_record fixture_begin(struct ps_state *state, const char *url)
{
    const struct ps_owner self = fixture_self();
    struct ps_upload_record record = fixture_upload(url, &self);
    struct ps_err err = { 0 };

    cr_assert_eq(ps_checkpoint_begin(state, &record, &err), PS_OK, "%s", err.message);
    return record;
}

static inline struct ps_upload_record fixture_claim(struct ps_state *state, const char *url)
{
    const struct ps_owner self = fixture_self();
    struct ps_upload_record record = { 0 };
    struct ps_err err = { 0 };
    bool found = false;

    cr_assert_eq(ps_checkpoint_claim(state, url, &self, &found, &record, &err), PS_OK, "%s",
                 err.message);
    cr_assert(found, "%s", url);
    return record;
}

static inline bool fixture_has_upload(struct ps_state *state, const char *url)
{
    const struct ps_owner self = fixture_self();
    struct ps_upload_record record = { 0 };
    bool found = true;

    cr_assert_eq(ps_checkpoint_claim(state, url, &self, &found, &record, NULL), PS_OK);
    ps_upload_record_clear(&record);
    return found;
}

/* A part whose contents follow from its number. */
static inline struct ps_part_record fixture_part(uint32_t part_number)
{
    struct ps_part_record part = { .part_number = part_number,
                                   .size_bytes = (uint64_t)part_number * 1000 + 7 };

    memset(part.checksum, (int)(part_number & 255), sizeof(part.checksum));
    (void)snprintf(part.etag, sizeof(part.etag), "\"etag-%u\"", part_number);
    return part;
}

static inline bool fixture_part_is_right(const struct ps_part_record *part)
{
    const struct ps_part_record want = fixture_part(part->part_number);

    return part->size_bytes == want.size_bytes && strcmp(part->etag, want.etag) == 0 &&
           memcmp(part->checksum, want.checksum, sizeof(want.checksum)) == 0;
}

static inline void fixture_note_parts(struct ps_state *state, uint64_t number, uint32_t first,
                                      uint32_t count)
{
    struct ps_part_record parts[64];
    struct ps_err err = { 0 };

    for (uint32_t i = 0; i < count; i++) {
        parts[i] = fixture_part(first + i);
    }
    cr_assert_eq(ps_checkpoint_parts_done(state, number, parts, count, &err), PS_OK, "%s",
                 err.message);
}

/* The parts of number are first .. first + count - 1, and as they were noted. */
static inline void fixture_expect_parts(struct ps_state *state, uint64_t number, uint32_t first,
                                        size_t count)
{
    struct ps_part_record *parts = NULL;
    size_t got = 99999;
    struct ps_err err = { 0 };

    cr_assert_eq(ps_checkpoint_parts(state, number, &parts, &got, &err), PS_OK, "%s", err.message);
    cr_assert_eq(got, count, "%zu parts, not %zu", got, count);
    for (size_t i = 0; i < count; i++) {
        cr_assert_eq(parts[i].part_number, first + i);
        cr_assert(fixture_part_is_right(&parts[i]), "part %u", parts[i].part_number);
    }
    free(parts);
}

/* What a test puts under the feet of the code. */
struct fixture_raw {
    enum ps_state_db db;
    struct ps_key key;
    const void *data;
    size_t size_bytes;
};

static inline enum ps_code fixture_put_raw_body(struct ps_txn *txn, void *user)
{
    const struct fixture_raw *raw = user;
    MDB_val at = ps_val(raw->key.bytes, raw->key.size_bytes);
    MDB_val data = ps_val(raw->data, raw->size_bytes);
    int rc = mdb_put(txn->mdb, txn->state->dbs[raw->db], &at, &data, 0);

    return rc != 0 ? ps_txn_fail(txn, rc, "put") : PS_OK;
}

static inline void fixture_put_raw(struct ps_state *state, struct fixture_raw *raw)
{
    cr_assert_eq(ps_state_write(state, fixture_put_raw_body, raw, NULL), PS_OK);
}

static inline enum ps_code fixture_count_body(struct ps_txn *txn, void *user)
{
    MDB_stat stat = { 0 };
    size_t *counts = user;

    for (size_t i = 0; i < PS_DB_COUNT; i++) {
        int rc = mdb_stat(txn->mdb, txn->state->dbs[i], &stat);

        if (rc != 0) {
            return ps_txn_fail(txn, rc, "stat");
        }
        counts[i] = stat.ms_entries;
    }
    return PS_OK;
}

/* Records of one database. */
static inline size_t fixture_count(struct ps_state *state, enum ps_state_db db)
{
    size_t counts[PS_DB_COUNT];

    cr_assert_eq(ps_state_read(state, fixture_count_body, counts, NULL), PS_OK);
    return counts[db];
}

/* Runs child in a process of its own and gives back its exit code, or 128 and the signal. */
static inline int fixture_run_child(int (*child)(void *user), void *user)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        _exit(child(user));
    }
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

#endif
