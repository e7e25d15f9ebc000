#include "base/block_pool.h"

#include <stdlib.h>

/* A block that is not in use holds the link to the next. */
struct free_block {
    struct free_block *next;
};

struct ps_block_pool {
    size_t block_size_bytes;
    size_t count_max;
    size_t made_count;
    size_t used_count;
    struct free_block *free_list;
};

enum ps_code ps_block_pool_new(struct ps_block_pool **pool_out, size_t block_size_bytes,
                               size_t budget_bytes, struct ps_err *err)
{
    struct ps_block_pool *pool;

    if (block_size_bytes < sizeof(struct free_block)) {
        return ps_err_set(err, PS_E_INVALID, "blocks of %zu bytes are too small", block_size_bytes);
    }
    pool = calloc(1, sizeof(*pool));
    if (pool == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "block pool: out of memory");
    }
    pool->block_size_bytes = block_size_bytes;
    pool->count_max = budget_bytes / block_size_bytes;
    if (pool->count_max == 0) {
        pool->count_max = 1;
    }
    *pool_out = pool;
    return PS_OK;
}

void ps_block_pool_free(struct ps_block_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    while (pool->free_list != NULL) {
        struct free_block *block = pool->free_list;

        pool->free_list = block->next;
        free(block);
    }
    free(pool);
}

void *ps_block_pool_take(struct ps_block_pool *pool)
{
    struct free_block *block = pool->free_list;

    if (block != NULL) {
        pool->free_list = block->next;
    } else if (pool->made_count < pool->count_max) {
        block = malloc(pool->block_size_bytes);
        pool->made_count += block != NULL ? 1 : 0;
    }
    pool->used_count += block != NULL ? 1 : 0;
    return block;
}

void ps_block_pool_give(struct ps_block_pool *pool, void **block)
{
    struct free_block *given = *block;

    if (given != NULL) {
        given->next = pool->free_list;
        pool->free_list = given;
        pool->used_count--;
        *block = NULL;
    }
}

size_t ps_block_pool_used(const struct ps_block_pool *pool)
{
    return pool->used_count;
}
