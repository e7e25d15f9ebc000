/**
 * block_pool - blocks of one size with a budget: memory that cannot grow with the object.
 *
 * Flow:    transfer/download.h, transfer/stream_out.h -> [block_pool]
 * Thread:  take and give on the loop thread; a taken block may be used by any one thread
 * Source:  none
 */
#ifndef PS_BASE_BLOCK_POOL_H
#define PS_BASE_BLOCK_POOL_H

#include "base/err.h"

#include <stddef.h>

struct ps_block_pool; /* opaque */

/**
 * A pool of budget_bytes / block_size_bytes blocks, at least one; memory is taken as blocks are first used.
 *
 * Errors:  PS_E_INVALID when block_size_bytes is less than that of a pointer; PS_E_NO_MEMORY.
 */
PS_MUST_USE enum ps_code ps_block_pool_new(struct ps_block_pool **pool_out, size_t block_size_bytes,
                                           size_t budget_bytes, struct ps_err *err);

/** NULL is allowed. All blocks must have been given back. */
void ps_block_pool_free(struct ps_block_pool *pool);

/** A block, or NULL while all are in use (or memory is out): wait for one to be given back. */
void *ps_block_pool_take(struct ps_block_pool *pool);

/** Give *block back and set it NULL. A NULL block is allowed. */
void ps_block_pool_give(struct ps_block_pool *pool, void **block);

/** Blocks in use now. */
size_t ps_block_pool_used(const struct ps_block_pool *pool);

#endif
