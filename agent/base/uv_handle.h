/**
 * uv_handle - libuv handles that are blocks of their own: closing takes a turn of the loop, which their owner need not await.
 *
 * Flow:    whoever waits on the loop -> [uv_handle] -> the loop
 * Thread:  the loop thread only
 * Source:  libuv 1.44: the memory of a handle is its own until the callback of uv_close
 */
#ifndef PS_BASE_UV_HANDLE_H
#define PS_BASE_UV_HANDLE_H

#include <uv.h>

/** A timer that is not started; data is its `data`. NULL = no memory. Ended by ps_uv_handle_close. */
uv_timer_t *ps_uv_timer_new(uv_loop_t *loop, void *data);

/** Stop it at once, and free it when the loop has let it go. It was made by malloc and initialised. NULL is allowed. */
void ps_uv_handle_close(uv_handle_t *handle);

#endif
