#include "tests/support/store_fixture.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
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

static void list_uploads(void)
{
    bool done = false;
    struct ps_err err;

    cr_assert_not_null(ps_store_list_uploads(f.store, "", on_page, &done, &err));
    while (!done) {
        (void)uv_run(&f.loop, UV_RUN_ONCE);
    }
}

Test(file_upload, what_a_kill_in_complete_left_is_not_listed, .init = open_store,
     .fini = close_store)
{
    char dir[512];

    begin_and_lose_data(dir, sizeof(dir));
    store_begin(&f, "k", 100, &a);
    cr_assert_eq(a.err.code, PS_OK, "%s", a.err.message);

    list_uploads();

    cr_assert_eq(listed, 1, "the living one only, not %zu", listed);
}

/* A dead process's leavings: what a put and a begin were making when they were killed. */
static void leave_staged(char *file, char *dir, size_t size)
{
    char inside[512];
    FILE *made;

    (void)snprintf(file, size, "%s/.purser/tmp/0123456789abcdef", f.dir);
    (void)snprintf(dir, size, "%s/.purser/tmp/1a-0123456789abcdef", f.dir);
    (void)snprintf(inside, sizeof(inside), "%s/data", dir);
    store_put(&f, "other", 1, 10, &a);
    cr_assert_eq(a.err.code, PS_OK, "%s", a.err.message);
    cr_assert_eq(mkdir(dir, 0700), 0);
    for (size_t i = 0; i < 2; i++) {
        made = fopen(i == 0 ? file : inside, "w");
        cr_assert_not_null(made);
        (void)fclose(made);
    }
}

Test(file_upload, what_a_kill_left_half_made_is_swept, .init = open_store, .fini = close_store)
{
    char file[400];
    char dir[400];

    leave_staged(file, dir, sizeof(file));

    list_uploads();

    cr_expect_neq(access(file, F_OK), 0);
    cr_expect_neq(access(dir, F_OK), 0);
}

Test(file_upload, what_a_living_process_is_making_is_not_swept, .init = open_store,
     .fini = close_store)
{
    char file[400];
    char dir[400];
    char tmp[400];
    int fd;

    leave_staged(file, dir, sizeof(file));
    (void)snprintf(tmp, sizeof(tmp), "%s/.purser/tmp", f.dir);
    fd = open(tmp, O_RDONLY | O_DIRECTORY);
    cr_assert_eq(flock(fd, LOCK_SH), 0);

    list_uploads();

    cr_expect_eq(access(file, F_OK), 0);
    cr_expect_eq(access(dir, F_OK), 0);
    (void)close(fd);
}
