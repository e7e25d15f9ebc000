#include "serve/grpc_frame.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(grpc_frame, .timeout = 10);

struct seen {
    char text[64];
    size_t count;
    bool stop;
};

static bool keep(void *user, const uint8_t *data, size_t size_bytes)
{
    struct seen *seen = user;

    memcpy(seen->text + strlen(seen->text), data, size_bytes);
    seen->count++;
    return !seen->stop;
}

/* gRPC over HTTP2: Compressed-Flag, Message-Length (4 bytes, big-endian), Message. */
static const uint8_t three[] = { 0, 0, 0, 0, 2, 'a', 'b', 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 'c' };

Test(grpc_frame, messages_come_whole_however_the_bytes_are_cut)
{
    for (size_t cut = 1; cut <= sizeof(three); cut++) {
        struct ps_grpc_frame frame = { 0 };
        struct seen seen = { 0 };
        struct ps_err err;

        for (size_t at = 0; at < sizeof(three); at += cut) {
            size_t size = sizeof(three) - at < cut ? sizeof(three) - at : cut;

            cr_assert_eq(ps_grpc_frame_feed(&frame, three + at, size, keep, &seen, &err), PS_OK);
        }
        cr_expect_eq(seen.count, 3, "cut %zu", cut);
        cr_expect_str_eq(seen.text, "abc", "cut %zu", cut);
        cr_expect(ps_grpc_frame_is_between(&frame));
        ps_grpc_frame_clear(&frame);
    }
}

Test(grpc_frame, feeding_ends_when_the_service_is_done)
{
    struct ps_grpc_frame frame = { 0 };
    struct seen seen = { .stop = true };
    struct ps_err err;

    cr_assert_eq(ps_grpc_frame_feed(&frame, three, sizeof(three), keep, &seen, &err), PS_OK);
    cr_expect_eq(seen.count, 1);
    ps_grpc_frame_clear(&frame);
}

Test(grpc_frame, what_it_cannot_take_is_told_from_the_head_alone)
{
    static const struct {
        const char *name;
        uint8_t head[5];
        enum ps_code code;
    } rows[] = {
        { "compressed", { 1, 0, 0, 0, 1 }, PS_E_UNSUPPORTED },
        { "flag", { 2, 0, 0, 0, 1 }, PS_E_PARSE },
        { "one byte over the limit", { 0, 0, 4, 0, 1 }, PS_E_TOO_LARGE },
        { "4 GiB", { 0, 0xff, 0xff, 0xff, 0xff }, PS_E_TOO_LARGE },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ps_grpc_frame frame = { 0 };
        struct seen seen = { 0 };
        struct ps_err err;

        cr_expect_eq(ps_grpc_frame_feed(&frame, rows[i].head, 5, keep, &seen, &err), rows[i].code,
                     "%s", rows[i].name);
        ps_grpc_frame_clear(&frame);
    }
}

Test(grpc_frame, a_head_is_written_as_it_is_read)
{
    uint8_t head[PS_GRPC_HEAD_BYTES];

    ps_grpc_frame_head(head, 0x01020304);

    cr_expect_arr_eq(head, ((uint8_t[]){ 0, 1, 2, 3, 4 }), sizeof(head));
}
