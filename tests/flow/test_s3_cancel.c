/* Cancelling at every moment. */
#include "tests/support/s3_rig.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(s3_cancel, .timeout = 20);

Test(s3_cancel, is_silent_after_cancel_in_every_state)
{
    struct ps_store_op *op;
    struct rig rig;

    s3_rig_open(&rig);
    op = s3_rig_start_put(&rig);
    ps_store_cancel(op); /* before anything was sent */
    (void)uv_run(&rig.loop, UV_RUN_NOWAIT);

    http_server_answer_held(rig.server, "HTTP/1.1 200 OK\ncontent-length: auto\n\n");
    op = s3_rig_start_put(&rig);
    while (http_server_request_count(rig.server) == 0) {
        (void)uv_run(&rig.loop, UV_RUN_ONCE);
    }
    ps_store_cancel(op); /* while the answer is awaited */
    http_server_release(rig.server);
    (void)uv_run(&rig.loop, UV_RUN_NOWAIT);

    http_server_answer_file(rig.server, "put/503_slow_down.http");
    op = s3_rig_start_put(&rig);
    while (http_server_request_count(rig.server) == 1 || ps_retry_pause_ms(&rig.retry) == 0) {
        (void)uv_run(&rig.loop, UV_RUN_ONCE);
    }
    ps_store_cancel(op); /* while it waits to be sent again */

    cr_assert_eq(rig.seen.calls, 0);
    s3_rig_close(&rig);
}

Test(s3_cancel, can_be_cancelled_from_within_a_page)
{
    struct ps_list_request request = { .prefix = "p/" };
    struct ps_err err = { 0 };
    struct rig rig;

    s3_rig_open(&rig);
    http_server_answer_file(rig.server, "list/page_1_url.http");

    rig.seen.cancel_in_page = ps_store_list(rig.store, &request, s3_rig_on_list, &rig.seen, &err);
    s3_rig_wait(&rig);

    s3_rig_check_requests(&rig, 1);
    cr_assert_eq(rig.seen.calls, 0);
    s3_rig_close(&rig);
}

struct cancelling {
    struct ps_store_op *op;
    bool in_info;
    bool called;
};

static void cancel_in_info(void *user, const struct ps_object_info *info)
{
    struct cancelling *cancelling = user;

    (void)info;
    if (cancelling->in_info) {
        cancelling->called = true;
        ps_store_cancel(cancelling->op);
    }
}

static enum ps_push cancel_in_write(void *user, const void *data, size_t size_bytes)
{
    struct cancelling *cancelling = user;

    (void)data;
    (void)size_bytes;
    cr_assert_not(cancelling->called, "written to after cancel");
    cancelling->called = true;
    ps_store_cancel(cancelling->op);
    return PS_PUSH_STOP;
}

struct pausing {
    struct seen *seen;
    struct ps_store_op *op;
    uv_timer_t timer;
    bool paused;
};

static void wake_sink(uv_timer_t *timer)
{
    struct pausing *pausing = timer->data;

    ps_store_wake(pausing->op);
}

static enum ps_push pause_first(void *user, const void *data, size_t size_bytes)
{
    struct pausing *pausing = user;

    if (!pausing->paused) {
        pausing->paused = true;
        (void)uv_timer_start(&pausing->timer, wake_sink, 0, 0);
        return PS_PUSH_PAUSE;
    }
    return s3_rig_write_body(pausing->seen, data, size_bytes);
}

Test(s3_cancel, gives_the_same_bytes_again_after_a_pause)
{
    struct pausing pausing = { .paused = false };
    struct ps_get_request request;
    struct ps_err err = { 0 };
    struct rig rig;

    s3_rig_open(&rig);
    (void)uv_timer_init(&rig.loop, &pausing.timer);
    pausing.timer.data = &pausing;
    pausing.seen = &rig.seen;
    request = s3_rig_get_request(&rig);
    request.sink = (struct ps_sink){ .write = pause_first, .user = &pausing };
    request.has_range = true;
    request.offset_bytes = 4;
    request.length_bytes = 6;
    http_server_answer_file(rig.server,
                            "get/200.http"); /* the range is ignored: 4 bytes are skipped */

    pausing.op = ps_store_get(rig.store, &request, s3_rig_on_done, &rig.seen, &err);
    s3_rig_wait(&rig);

    s3_rig_check_code(&rig, PS_OK);
    cr_assert_str_eq(rig.seen.body, "456789");
    uv_close((uv_handle_t *)&pausing.timer, NULL);
    s3_rig_close(&rig);
}

static void must_not_end(void *user, const struct ps_err *err)
{
    (void)user;
    (void)err;
    cr_assert_fail("called back after cancel");
}

Test(s3_cancel, can_be_cancelled_from_within_its_sink)
{
    for (int in_info = 0; in_info < 2; in_info++) {
        struct cancelling cancelling = { .in_info = in_info != 0 };
        struct ps_get_request request = {
            .key = "a/b",
            .sink = { .write = cancel_in_write, .user = &cancelling },
            .on_info = cancel_in_info,
        };
        struct ps_err err = { 0 };
        struct rig rig;

        s3_rig_open(&rig);
        http_server_answer_file(rig.server, "get/200.http");

        cancelling.op = ps_store_get(rig.store, &request, must_not_end, &cancelling, &err);
        while (!cancelling.called) {
            (void)uv_run(&rig.loop, UV_RUN_ONCE);
        }
        (void)uv_run(&rig.loop, UV_RUN_NOWAIT);

        s3_rig_check_requests(&rig, 1);
        s3_rig_close(&rig);
    }
}
