#include "tests/support/store_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(file_upload, .timeout = 30);

static struct store_fixture f;
static struct answer a;

static void open_store(void)
{
    cr_assert(store_fixture_open(&f, "file"));
}

static void close_store(void)
{
    store_fixture_close(&f);
}

/* Complete was killed after the rename of `data`, before the notes beside it were removed. */
static void begin_and_lose_data(char *dir, size_t dir_size)
{
    char data[512];

    store_begin(&f, "k", 100, &a);
    cr_assert_eq(a.err.code, PS_OK, "%s", a.err.message);
    (void)snprintf(dir, dir_size, "%s/.purser/uploads/%s", f.dir, a.upload_id);
    (void)snprintf(data, sizeof(data), "%s/data", dir);
    cr_assert_eq(unlink(data), 0, "%s", data);
}

Test(file_upload, what_a_kill_in_complete_left_is_no_upload, .init = open_store,
     .fini = close_store)
{
    char dir[512];
    char upload_id[256];
    struct stat status;

    begin_and_lose_data(dir, sizeof(dir));
    (void)snprintf(upload_id, sizeof(upload_id), "%s", a.upload_id);

    store_parts(&f, "k", upload_id, &a);

    cr_assert_eq(a.err.code, PS_E_NO_UPLOAD, "%s", a.err.message);
    cr_assert_neq(stat(dir, &status), 0, "the rest is swept up");
}

Test(file_upload, what_a_kill_in_complete_left_is_not_completed_again, .init = open_store,
     .fini = close_store)
{
    char dir[512];
    char upload_id[256];
    struct ps_complete_request complete = { .key = "k", .upload_id = upload_id, .size_bytes = 0 };

    begin_and_lose_data(dir, sizeof(dir));
    (void)snprintf(upload_id, sizeof(upload_id), "%s", a.upload_id);

    store_complete(&f, &complete, &a);

    cr_assert_eq(a.err.code, PS_E_NO_UPLOAD, "%s", a.err.message);
}

static size_t listed;

static void on_page(void *user, const struct ps_upload_info *uploads, size_t count, bool more,
                    const struct ps_err *err)
{
    bool *done = user;

    (void)uploads;
    cr_assert_null(err);
    listed += count;
    *done = !more;
}

Test(file_upload, what_a_kill_in_complete_left_is_not_listed, .init = open_store,
     .fini = close_store)
{
    char dir[512];
    bool done = false;
    struct ps_err err;

    begin_and_lose_data(dir, sizeof(dir));
    store_begin(&f, "k", 100, &a);
    cr_assert_eq(a.err.code, PS_OK, "%s", a.err.message);

    cr_assert_not_null(ps_store_list_uploads(f.store, "", on_page, &done, &err));
    while (!done) {
        (void)uv_run(&f.loop, UV_RUN_ONCE);
    }

    cr_assert_eq(listed, 1, "the living one only, not %zu", listed);
}
