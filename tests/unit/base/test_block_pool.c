#include "base/block_pool.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(block_pool, .timeout = 20);

enum {
    BLOCK_SIZE_BYTES = 4096
};

static struct ps_block_pool *new_pool(size_t budget_bytes)
{
    struct ps_block_pool *pool = NULL;

    cr_assert_eq(ps_block_pool_new(&pool, BLOCK_SIZE_BYTES, budget_bytes, NULL), PS_OK);
    return pool;
}

Test(block_pool, gives_what_the_budget_holds_and_no_more)
{
    static const struct row {
        const char *name;
        size_t budget_bytes;
        size_t count;
    } rows[] = {
        { "no budget is one block", 0, 1 },
        { "less than a block is one", BLOCK_SIZE_BYTES - 1, 1 },
        { "exactly one", BLOCK_SIZE_BYTES, 1 },
        { "three, and a rest that is too small", 4 * BLOCK_SIZE_BYTES - 1, 3 },
        { "eight", 8 * BLOCK_SIZE_BYTES, 8 },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ps_block_pool *pool = new_pool(rows[i].budget_bytes);
        void *blocks[8] = { NULL };

        for (size_t k = 0; k < rows[i].count; k++) {
            blocks[k] = ps_block_pool_take(pool);
            cr_assert_not_null(blocks[k], "%s: block %zu", rows[i].name, k);
            memset(blocks[k], (int)k, BLOCK_SIZE_BYTES);
        }
        cr_assert_null(ps_block_pool_take(pool), "%s", rows[i].name);
        cr_assert_eq(ps_block_pool_used(pool), rows[i].count, "%s", rows[i].name);
        for (size_t k = 0; k < rows[i].count; k++) {
            const unsigned char *bytes = blocks[k];

            cr_assert_eq(bytes[0], k, "%s: blocks overlap", rows[i].name);
            cr_assert_eq(bytes[BLOCK_SIZE_BYTES - 1], k, "%s: blocks overlap", rows[i].name);
            ps_block_pool_give(pool, &blocks[k]);
            cr_assert_null(blocks[k]);
        }
        cr_assert_eq(ps_block_pool_used(pool), 0, "%s", rows[i].name);
        ps_block_pool_free(pool);
    }
}

Test(block_pool, a_block_that_is_given_back_is_taken_again)
{
    struct ps_block_pool *pool = new_pool(2 * BLOCK_SIZE_BYTES);
    void *first = ps_block_pool_take(pool);
    void *second = ps_block_pool_take(pool);
    void *again;
    const void *was = first;

    ps_block_pool_give(pool, &first);

    again = ps_block_pool_take(pool);
    cr_assert_eq(again, was, "no new memory while an old block is free");
    cr_assert_null(ps_block_pool_take(pool));
    ps_block_pool_give(pool, &again);
    ps_block_pool_give(pool, &second);
    ps_block_pool_free(pool);
}

Test(block_pool, no_block_is_nothing_to_give_back)
{
    struct ps_block_pool *pool = new_pool(BLOCK_SIZE_BYTES);
    void *none = NULL;

    ps_block_pool_give(pool, &none);

    cr_assert_eq(ps_block_pool_used(pool), 0);
    ps_block_pool_free(pool);
    ps_block_pool_free(NULL);
}

Test(block_pool, blocks_too_small_for_a_pointer_are_refused)
{
    static const size_t sizes[] = { 0, 1, sizeof(void *) - 1 };

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct ps_block_pool *pool = NULL;
        struct ps_err err;

        cr_assert_eq(ps_block_pool_new(&pool, sizes[i], 4096, &err), PS_E_INVALID);
        cr_assert_null(pool, "untouched on failure");
    }
}
