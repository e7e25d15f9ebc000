#include "serve/grpc_frame.h"

#include <string.h>

static uint32_t read_u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* The head is whole: what does it say? */
static enum ps_code check_head(struct ps_grpc_frame *frame, struct ps_err *err)
{
    frame->size_bytes = read_u32(frame->head + 1);
    if (frame->head[0] == 1) {
        return ps_err_set(err, PS_E_UNSUPPORTED, "a compressed message: send it as identity");
    }
    if (frame->head[0] != 0) {
        return ps_err_set(err, PS_E_PARSE, "a message's flag is %u, not 0 or 1", frame->head[0]);
    }
    if (frame->size_bytes > PS_GRPC_MESSAGE_LIMIT_BYTES) {
        return ps_err_set(err, PS_E_TOO_LARGE, "a message of %u bytes: the limit is %zu",
                          frame->size_bytes, PS_GRPC_MESSAGE_LIMIT_BYTES);
    }
    ps_buf_init(&frame->body, PS_GRPC_MESSAGE_LIMIT_BYTES);
    return PS_OK;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

enum ps_code ps_grpc_frame_feed(struct ps_grpc_frame *frame, const uint8_t *data, size_t size_bytes,
                                ps_grpc_frame_fn on_message, void *user, struct ps_err *err)
{
    const uint8_t *end = data + size_bytes;
    bool go_on = true;
    enum ps_code code = PS_OK;

    while (data < end && go_on && code == PS_OK) {
        size_t take;

        if (frame->head_bytes < PS_GRPC_HEAD_BYTES) {
            take = least((size_t)(end - data), PS_GRPC_HEAD_BYTES - frame->head_bytes);
            memcpy(frame->head + frame->head_bytes, data, take);
            frame->head_bytes += take;
            data += take;
            if (frame->head_bytes < PS_GRPC_HEAD_BYTES) {
                break;
            }
            code = check_head(frame, err);
        }
        if (code == PS_OK) {
            take = least((size_t)(end - data), frame->size_bytes - frame->body.size_bytes);
            code = ps_buf_append(&frame->body, data, take, err);
            data += take;
        }
        if (code == PS_OK && frame->body.size_bytes == frame->size_bytes) {
            frame->head_bytes = 0;
            go_on = on_message(user, (const uint8_t *)ps_buf_peek(&frame->body), frame->size_bytes);
            ps_buf_clear(&frame->body);
        }
    }
    return code;
}

bool ps_grpc_frame_is_between(const struct ps_grpc_frame *frame)
{
    return frame->head_bytes == 0;
}

void ps_grpc_frame_head(uint8_t *head, uint32_t size_bytes)
{
    head[0] = 0;
    head[1] = (uint8_t)(size_bytes >> 24);
    head[2] = (uint8_t)(size_bytes >> 16);
    head[3] = (uint8_t)(size_bytes >> 8);
    head[4] = (uint8_t)size_bytes;
}

void ps_grpc_frame_clear(struct ps_grpc_frame *frame)
{
    ps_buf_clear(&frame->body);
    frame->head_bytes = 0;
}
