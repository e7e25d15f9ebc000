#include "base/uv_handle.h"

#include <stdlib.h>

uv_timer_t *ps_uv_timer_new(uv_loop_t *loop, void *data)
{
    uv_timer_t *timer = malloc(sizeof(*timer));

    if (timer != NULL) {
        (void)uv_timer_init(loop, timer);
        timer->data = data;
    }
    return timer;
}

static void free_handle(uv_handle_t *handle)
{
    free(handle);
}

void ps_uv_handle_close(uv_handle_t *handle)
{
    if (handle != NULL) {
        uv_close(handle, free_handle);
    }
}
